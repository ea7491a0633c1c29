package source

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/imageverify/verify/internal/gitserver"
	"github.com/imageverify/verify/internal/network"
)

// server serves one repository as GitHub does: with filters and any commit that
// is asked for by its id.
type server struct {
	*gitserver.Server
	repo *gitserver.Repository
	seen []gitserver.Request
}

// newServer starts a server; with config, only those keys are true.
func newServer(t *testing.T, config ...string) *server {
	t.Helper()
	s := &server{Server: gitserver.New(t)}
	s.repo = s.Repository(t, "repo", "sha1")
	if config != nil {
		keys := map[string]string{}
		for _, key := range config {
			keys[key] = "true"
		}
		s.Configure(keys)
	}
	return s
}

// commit writes files, commits them and returns the commit's id.
func (s *server) commit(files map[string]string) string { return s.repo.Commit(files) }

func (s *server) url() string { return s.repo.URL }

// count returns how many requests were answered, sent how many bytes.
func (s *server) count() int { return len(s.all()) }

func (s *server) sent() int64 { return gitserver.Sent(s.all()) }

func (s *server) all() []gitserver.Request {
	s.seen = append(s.seen, s.Requests()...)
	return s.seen
}

// opener opens repositories through the server's transport; cache keeps them.
func (s *server) opener(t *testing.T, cache string, edit ...func(*Options)) *Opener {
	t.Helper()
	o := Options{Transport: s.Client().Transport}
	if cache != "" {
		o.CacheDir = func(kind, key string) (string, func() error, error) {
			path := filepath.Join(cache, kind, url.PathEscape(key))
			return path, func() error { return nil }, os.MkdirAll(path, 0o700)
		}
	}
	for _, e := range edit {
		e(&o)
	}
	opener := NewOpener(o)
	t.Cleanup(func() { opener.Close() })
	return opener
}

func (s *server) open(t *testing.T, o *Opener) *Repository {
	t.Helper()
	r, err := o.Open(t.Context(), s.url(), true)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var sampleFiles = map[string]string{
	"x86_64/Dockerfile": "FROM scratch\n", "x86_64/rootfs": strings.Repeat("root ", 1000), "x86_64/sub/file": "deep",
	"aarch64/Dockerfile": "FROM scratch\n", "aarch64/rootfs": "another", "README": "read me",
}

func TestACommitIsFetchedWithTheFilesThatAreAskedFor(t *testing.T) {
	for name, config := range map[string][]string{
		"a server with filters":                 {"uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant"},
		"a server without filters":              {"uploadpack.allowAnySHA1InWant"},
		"a server that gives no file by its id": {"uploadpack.allowFilter", "uploadpack.allowReachableSHA1InWant"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, config...)
			s.commit(map[string]string{"old": "old"})
			want := s.commit(sampleFiles)
			s.commit(map[string]string{"newer": "newer"})
			checkFetched(t, s, want)
		})
	}
}

func checkFetched(t *testing.T, s *server, want string) {
	t.Helper()
	repo := s.open(t, s.opener(t, ""))
	c, err := repo.Commit(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := c.FS(t.Context(), "x86_64")
	if err != nil {
		t.Fatal(err)
	}
	if err := tree.Fetch("Dockerfile", "root*", "sub", "not/there"); err != nil {
		t.Fatal(err)
	}
	before := s.count()
	for _, name := range []string{"Dockerfile", "rootfs", "sub/file"} {
		if got, err := tree.ReadFile(name); string(got) != sampleFiles["x86_64/"+name] || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if n := s.count() - before; n != 0 {
		t.Errorf("%d requests to read files of the folder, want none: they come in one request", n)
	}
	if got, err := tree.Root().ReadFile("README"); string(got) != "read me" || err != nil {
		t.Errorf("a file outside the folder: %q, %v", got, err)
	}
	if n := s.count(); n > 4 {
		t.Errorf("%d requests in all, want at most 4: references, trees, the folder's files, README", n)
	}
	if len(c.Parents) != 1 {
		t.Errorf("parents %v, want one", c.Parents)
	}
}

func TestACommitThatTheServerDoesNotHaveIsAbsent(t *testing.T) {
	s := newServer(t)
	s.commit(sampleFiles)
	_, err := s.open(t, s.opener(t, "")).Commit(t.Context(), strings.Repeat("1", 40))
	if !errors.Is(err, ErrObjectAbsent) || errors.Is(err, ErrUnreachable) {
		t.Errorf("%v; want ErrObjectAbsent", err)
	}
}

func TestWhatWasFetchedIsReadOffline(t *testing.T) {
	s := newServer(t)
	want := s.commit(sampleFiles)
	cache := t.TempDir()
	offline := func(o *Options) { o.Offline = true }
	if _, err := s.open(t, s.opener(t, cache, offline)).Commit(t.Context(), want); !errors.Is(err, network.ErrOffline) || errors.Is(err, ErrUnreachable) {
		t.Fatalf("before it was fetched: %v; want ErrOffline", err)
	}
	c, err := s.open(t, s.opener(t, cache)).Commit(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := c.FS(t.Context(), "x86_64")
	if err == nil {
		err = tree.Fetch(".")
	}
	if err != nil {
		t.Fatal(err)
	}
	n := s.count()
	c, err = s.open(t, s.opener(t, cache, offline)).Commit(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	if tree, err = c.FS(t.Context(), "x86_64"); err != nil {
		t.Fatal(err)
	}
	if got, err := tree.ReadFile("rootfs"); string(got) != sampleFiles["x86_64/rootfs"] || err != nil {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if _, err := tree.Root().ReadFile("README"); !errors.Is(err, network.ErrOffline) {
		t.Errorf("a file that was not fetched: %v; want ErrOffline", err)
	}
	if s.count() != n {
		t.Error("the server was asked")
	}
}

func TestTheTransportsErrorsPassThrough(t *testing.T) {
	failing := roundTripper(func(r *http.Request) (*http.Response, error) {
		return nil, fmt.Errorf("dial %s: %w", r.URL.Host, network.ErrOffline)
	})
	r, err := NewOpener(Options{Transport: failing}).Open(t.Context(), "https://github.com/a/b", true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Commit(t.Context(), strings.Repeat("1", 40)); !errors.Is(err, network.ErrOffline) {
		t.Errorf("%v; want ErrOffline", err)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestServersThatAreNoneAreUnreachable(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"a web page":      func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") },
		"an empty answer": func(http.ResponseWriter, *http.Request) {},
		"a redirect to http": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://"+r.Host+r.URL.String(), http.StatusFound)
		},
	} {
		s := httptest.NewTLSServer(handler)
		o := NewOpener(Options{Transport: s.Client().Transport})
		r, err := o.Open(t.Context(), s.URL+"/repo", true)
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.Commit(t.Context(), strings.Repeat("1", 40))
		if !errors.Is(err, ErrUnreachable) {
			t.Errorf("%s: %v; want ErrUnreachable", name, err)
		}
		s.Close()
		o.Close()
	}
}

func TestRepositoriesThatOnlyAnImageNamesAreNotFetched(t *testing.T) {
	s := newServer(t)
	want := s.commit(sampleFiles)
	if _, err := s.opener(t, "").Open(t.Context(), s.url(), false); !errors.Is(err, ErrNotFollowed) {
		t.Errorf("%v; want ErrNotFollowed", err)
	}
	follow := s.opener(t, "", func(o *Options) { o.FollowClaims = true })
	r, err := follow.Open(t.Context(), s.url(), false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Commit(t.Context(), want); err != nil {
		t.Error(err)
	}
	mirrored := s.opener(t, "", func(o *Options) { o.Mirrors = map[string]string{"https://example.org/x": s.repo.Dir} })
	if r, err = mirrored.Open(t.Context(), "https://example.org/x.git", false); err != nil || r.Location() != s.repo.Dir {
		t.Errorf("a mirrored one: %v", err)
	}
	for _, scheme := range []string{"ssh://h/x", "file:///x", "git://example.org/x", "http://example.org/x"} {
		if _, err := follow.Open(t.Context(), scheme, true); !errors.Is(err, ErrScheme) {
			t.Errorf("%s: %v; want ErrScheme", scheme, err)
		}
	}
}

func TestAForksCommitIsNotReachable(t *testing.T) {
	s := newServer(t)
	first := s.commit(sampleFiles)
	second := s.commit(map[string]string{"x": "y"})
	fork := s.repo.Fork(first, map[string]string{"x": "evil"})
	s.repo.Git("update-ref", "refs/remotes/fork/main", fork)
	repo := s.open(t, s.opener(t, ""))
	if _, err := repo.Commit(t.Context(), fork); err != nil {
		t.Fatalf("the server gives the fork's commit: %v", err)
	}
	for commit, want := range map[string]bool{first: true, second: true, fork: false} {
		if got, err := repo.Reachable(t.Context(), commit); got != want || err != nil {
			t.Errorf("%s: %v, %v; want %v", commit, got, err, want)
		}
	}
}

func TestALargeAnswerIsGivenUp(t *testing.T) {
	for _, bound := range []int64{maxFetch, maxAdvertisement, maxTrees, maxHistory} {
		g := &guardedTransport{what: "x", progress: func(string, int64, int64) {}}
		g.start(bound)
		if err := g.received(int(bound)); err != nil {
			t.Errorf("%d bytes: %v", bound, err)
		}
		if err := g.received(1); !isLimit(err, bound) {
			t.Errorf("one more than %d: %v; want a LimitError", bound, err)
		}
	}
}

func TestACloneFollowsItsBranchForwardOnly(t *testing.T) {
	s := newServer(t)
	first := s.commit(sampleFiles)
	cache := t.TempDir()
	clone := func(fresh time.Duration, edit ...func(*Options)) (*Clone, error) {
		return s.opener(t, cache, edit...).Clone(t.Context(), s.url(), fresh)
	}
	offline := func(o *Options) { o.Offline = true }
	if _, err := clone(0, offline); !errors.Is(err, network.ErrOffline) {
		t.Fatalf("offline without a copy: %v; want ErrOffline", err)
	}
	check := func(what string, c *Clone, err error, head string, stale error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if c.Head != head || !errors.Is(c.Stale, stale) {
			t.Errorf("%s: at %s, stale %v; want %s, %v", what, c.Head, c.Stale, head, stale)
		}
	}
	c, err := clone(0)
	check("first", c, err, first, nil)
	second := s.commit(map[string]string{"x": "y"})
	n := s.count()
	c, err = clone(time.Hour)
	if check("within an hour", c, err, first, nil); s.count() != n {
		t.Error("the server was asked again within the hour")
	}
	c, err = clone(0, offline)
	check("offline", c, err, first, network.ErrOffline)
	c, err = clone(0)
	check("moved on", c, err, second, nil)
	r, err := NewOpener(Options{}).OpenPath(t.Context(), c.Repo.store.path)
	if err != nil {
		t.Fatal(err)
	}
	if head, err := r.Head(t.Context()); head != second || err != nil {
		t.Errorf("the copy's HEAD: %s, %v; want %s", head, err, second)
	}
	s.repo.Git("reset", "-q", "--hard", first)
	s.commit(map[string]string{"x": "rewritten"})
	c, err = clone(0)
	check("rewritten", c, err, second, ErrRewritten)
}

func TestTemporaryFoldersAreRemoved(t *testing.T) {
	s := newServer(t)
	want := s.commit(sampleFiles)
	o := s.opener(t, "")
	repo := s.open(t, o)
	if _, err := repo.Commit(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	path := repo.store.path
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s: %v; want it gone", path, err)
	}
}
