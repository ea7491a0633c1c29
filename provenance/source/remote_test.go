package source

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/imageverify/verify/internal/network"
)

// server serves one repository as GitHub does: with filters and any commit that
// is asked for by its id.
type server struct {
	*httptest.Server
	work     string // a work tree with the repository
	requests atomic.Int64
}

func newServer(t *testing.T, config ...string) *server {
	t.Helper()
	work := t.TempDir()
	git(t, work, "init", "-q", "-b", "main", ".")
	if config == nil {
		config = []string{"uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant"}
	}
	for _, key := range config {
		git(t, work, "config", key, "true")
	}
	git(t, work, "config", "http.uploadpack", "true")
	backend := filepath.Join(git(t, work, "--exec-path"), "git-http-backend")
	s := &server{work: work}
	handler := &cgi.Handler{Path: backend, Env: []string{
		"GIT_PROJECT_ROOT=" + work, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*",
	}, Stderr: io.Discard}
	s.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// commit writes files, commits them and returns the commit's id.
func (s *server) commit(t *testing.T, files map[string]string) string {
	t.Helper()
	for name, text := range files {
		full := filepath.Join(s.work, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	git(t, s.work, "add", "-A")
	git(t, s.work, "commit", "-q", "--allow-empty", "-m", "x")
	return git(t, s.work, "rev-parse", "HEAD")
}

func (s *server) url() string { return s.URL + "/.git" }

// opener opens repositories through the server's transport; cache keeps them.
func (s *server) opener(t *testing.T, cache string, edit ...func(*Options)) *Opener {
	t.Helper()
	o := Options{Transport: s.Client().Transport}
	if cache != "" {
		o.CacheDir = func(kind, key string) (string, func() error, error) {
			path := filepath.Join(cache, kind)
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
			s.commit(t, map[string]string{"old": "old"})
			want := s.commit(t, sampleFiles)
			s.commit(t, map[string]string{"newer": "newer"})
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
	before := s.requests.Load()
	for _, name := range []string{"Dockerfile", "rootfs", "sub/file"} {
		if got, err := tree.ReadFile(name); string(got) != sampleFiles["x86_64/"+name] || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if n := s.requests.Load() - before; n != 0 {
		t.Errorf("%d requests to read files of the folder, want none: they come in one request", n)
	}
	if got, err := tree.Root().ReadFile("README"); string(got) != "read me" || err != nil {
		t.Errorf("a file outside the folder: %q, %v", got, err)
	}
	if n := s.requests.Load(); n > 4 {
		t.Errorf("%d requests in all, want at most 4: references, trees, the folder's files, README", n)
	}
	if len(c.Parents) != 1 {
		t.Errorf("parents %v, want one", c.Parents)
	}
}

func TestFilesThatNobodyAskedForAreNotFetched(t *testing.T) {
	s := newServer(t)
	want := s.commit(t, sampleFiles)
	repo := s.open(t, s.opener(t, ""))
	c, err := repo.Commit(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.FS(t.Context(), "x86_64"); err != nil {
		t.Fatal(err)
	}
	if _, err := repo.store.open(nameOf(kindBlob, "another")); !errors.Is(err, ErrObjectAbsent) {
		t.Errorf("aarch64/rootfs is here: %v", err)
	}
}

func TestACommitThatTheServerDoesNotHaveIsAbsent(t *testing.T) {
	s := newServer(t)
	s.commit(t, sampleFiles)
	_, err := s.open(t, s.opener(t, "")).Commit(t.Context(), strings.Repeat("1", 40))
	if !errors.Is(err, ErrObjectAbsent) || errors.Is(err, ErrUnreachable) {
		t.Errorf("%v; want ErrObjectAbsent", err)
	}
}

func TestWhatWasFetchedIsReadOffline(t *testing.T) {
	s := newServer(t)
	want := s.commit(t, sampleFiles)
	cache := t.TempDir()
	offline := func(o *Options) { o.Offline = true }
	if _, err := s.open(t, s.opener(t, cache, offline)).Commit(t.Context(), want); !errors.Is(err, network.ErrOffline) || errors.Is(err, ErrUnreachable) {
		t.Fatalf("before it was fetched: %v; want ErrOffline", err)
	}
	c, err := s.open(t, s.opener(t, cache)).Commit(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.FS(t.Context(), "x86_64"); err != nil {
		t.Fatal(err)
	}
	n := s.requests.Load()
	c, err = s.open(t, s.opener(t, cache, offline)).Commit(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := c.FS(t.Context(), "x86_64")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := tree.ReadFile("rootfs"); string(got) != sampleFiles["x86_64/rootfs"] || err != nil {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if _, err := tree.Root().ReadFile("README"); !errors.Is(err, network.ErrOffline) {
		t.Errorf("a file that was not fetched: %v; want ErrOffline", err)
	}
	if s.requests.Load() != n {
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
		"404":             http.NotFound,
		"401":             func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) },
		"a web page":      func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") },
		"an empty answer": func(http.ResponseWriter, *http.Request) {},
		"a redirect to http": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://"+r.Host+r.URL.String(), http.StatusFound)
		},
	} {
		s := &server{Server: httptest.NewTLSServer(handler)}
		_, err := s.open(t, s.opener(t, "")).Commit(t.Context(), strings.Repeat("1", 40))
		if !errors.Is(err, ErrUnreachable) {
			t.Errorf("%s: %v; want ErrUnreachable", name, err)
		}
		s.Close()
	}
}

func TestRepositoriesThatOnlyAnImageNamesAreNotFetched(t *testing.T) {
	s := newServer(t)
	want := s.commit(t, sampleFiles)
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
	mirrored := s.opener(t, "", func(o *Options) { o.Mirrors = map[string]string{"https://example.org/x": s.work} })
	if r, err = mirrored.Open(t.Context(), "https://example.org/x.git", false); err != nil || r.Location() != s.work {
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
	first := s.commit(t, sampleFiles)
	second := s.commit(t, map[string]string{"x": "y"})
	git(t, s.work, "checkout", "-q", "--detach", first)
	fork := s.commit(t, map[string]string{"x": "evil"})
	git(t, s.work, "update-ref", "refs/pull/1/head", fork)
	git(t, s.work, "update-ref", "refs/remotes/fork/main", fork)
	git(t, s.work, "checkout", "-q", "main")
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

func TestALargeFetchIsGivenUp(t *testing.T) {
	g := &guardedTransport{what: "x", progress: func(string, int64, int64) {}}
	if err := g.received(maxFetch); err != nil {
		t.Errorf("%d bytes: %v", maxFetch, err)
	}
	var limit *LimitError
	if err := g.received(1); !errors.As(err, &limit) || limit.Limit != 1<<30 {
		t.Errorf("one more: %v; want a LimitError", err)
	}
}

func TestACloneFollowsItsBranchForwardOnly(t *testing.T) {
	s := newServer(t)
	first := s.commit(t, sampleFiles)
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
	second := s.commit(t, map[string]string{"x": "y"})
	n := s.requests.Load()
	c, err = clone(time.Hour)
	if check("within an hour", c, err, first, nil); s.requests.Load() != n {
		t.Error("the server was asked again within the hour")
	}
	c, err = clone(0, offline)
	check("offline", c, err, first, network.ErrOffline)
	c, err = clone(0)
	check("moved on", c, err, second, nil)
	r, err := NewOpener(Options{}).OpenPath(t.Context(), c.Path)
	if err != nil {
		t.Fatal(err)
	}
	if head, err := r.Head(t.Context()); head != second || err != nil {
		t.Errorf("the copy's HEAD: %s, %v; want %s", head, err, second)
	}
	git(t, s.work, "reset", "-q", "--hard", first)
	s.commit(t, map[string]string{"x": "rewritten"})
	c, err = clone(0)
	check("rewritten", c, err, second, ErrRewritten)
}

func TestTemporaryFoldersAreRemoved(t *testing.T) {
	s := newServer(t)
	want := s.commit(t, sampleFiles)
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
