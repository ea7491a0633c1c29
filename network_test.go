package verify

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/imageverify/verify/internal/gitserver"
)

// remotely serves the world's repository at worldSource, and nothing else: all
// requests that leave the program are seen by the recorder.
func (w *world) remotely(t *testing.T) (*gitserver.Server, *recorder, Options) {
	t.Helper()
	s := gitserver.New(t)
	s.Mirror(t, "app.git", w.source)
	seen := &recorder{base: s.Client().Transport, host: "git.test", to: mustParse(t, s.URL)}
	o := w.options()
	o.Offline, o.GitMirrors, o.Transport, o.IdleTimeout = false, nil, seen, 2*time.Second
	return s, seen, o
}

func mustParse(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// recorder is a transport that notes the URLs asked for. It carries requests to
// one host to the server, and refuses all others.
type recorder struct {
	base http.RoundTripper
	host string
	to   *url.URL
	mu   sync.Mutex
	urls []string
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	r.mu.Lock()
	r.urls = append(r.urls, req.URL.String())
	r.mu.Unlock()
	if req.URL.Host != r.host && req.URL.Host != r.to.Host {
		return nil, fmt.Errorf("dial %s: no such host", req.URL.Host)
	}
	out := req.Clone(req.Context())
	out.URL.Host, out.Host = r.to.Host, ""
	resp, err := r.base.RoundTrip(out)
	if resp != nil {
		resp.Request = req
	}
	return resp, err
}

// noise is text that does not compress.
func noise(seed string, size int) string {
	var b strings.Builder
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, "%x", sha256.Sum256(fmt.Appendf(nil, "%s %d", seed, i)))
	}
	return b.String()[:size]
}

func TestOfARemoteRepositoryOnlyTheOriginsFilesAreFetched(t *testing.T) {
	const size = 512 << 10
	w := newWorld(t)
	for i := range 6 {
		n := strconv.Itoa(i)
		w.release(map[string]string{"Dockerfile": "FROM scratch\nCOPY a /a\nCMD [\"/" + n + "\"]\n", "a": noise(n, size), "unused": noise("unused"+n, size)})
	}
	second := step{"COPY a /a # buildkit", []entry{file("a", noise("1", size))}}
	ref := "oci:" + w.image(second, step{`CMD ["/1"]`, nil}).write()
	s, _, o := w.remotely(t)
	img := verifyOne(t, ref, o)
	wants(t, img, Verified, "layer.content", Pass, "")
	if f, _ := findingOf(img, "trace.origin"); f.Details == nil || len(f.Details.Candidates) != 5 {
		t.Errorf("want five candidates, of which the last matches:%s", describe(img))
	}
	if n := gitserver.Sent(s.Requests()); n > size+32<<10 {
		t.Errorf("%d bytes were sent for one file of %d and five Dockerfiles", n, size)
	}
}

// faults damage what git answers. A fault of a request for a pack leaves the
// list of references as it is.
func onPack(f http.HandlerFunc) func(http.Handler) http.Handler {
	return func(git http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodPost {
				git.ServeHTTP(w, r)
				return
			}
			f(w, r)
		})
	}
}

func instead(f http.HandlerFunc) func(http.Handler) http.Handler {
	return func(http.Handler) http.Handler { return f }
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		io.WriteString(w, strings.Repeat("a page of some length\n", 1000))
	}
}

func hang(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusOK)
	http.NewResponseController(w).Flush()
	io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

// answering changes git's answer to a request for a pack.
func answering(change func([]byte) []byte) func(http.Handler) http.Handler {
	return func(git http.Handler) http.Handler {
		return onPack(func(w http.ResponseWriter, r *http.Request) {
			answer := httptest.NewRecorder()
			git.ServeHTTP(answer, r)
			w.Header().Set("Content-Type", answer.Header().Get("Content-Type"))
			w.Write(change(answer.Body.Bytes()))
		})(git)
	}
}

// asking changes what is asked of git for a pack.
func asking(old, new string) func(http.Handler) http.Handler {
	return func(git http.Handler) http.Handler {
		return onPack(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(bytes.ReplaceAll(body, []byte(old), []byte(new))))
			git.ServeHTTP(w, r)
		})(git)
	}
}

func TestEveryFaultOfAGitServerIsNamed(t *testing.T) {
	w := newWorld(t)
	other := w.commit(w.source, map[string]string{"other": "file"})
	commit := w.release(copied)
	ref := "oci:" + w.image(copySteps("true")...).write()
	for name, c := range map[string]struct {
		fault  func(http.Handler) http.Handler
		reason string
		text   string
	}{
		"it hangs before it answers":     {instead(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }), "no-network", "no byte from"},
		"it hangs in the references":     {instead(hang), "no-network", "no byte from"},
		"it hangs in the pack":           {onPack(hang), "no-network", "no byte from"},
		"the pack is cut short":          {answering(func(b []byte) []byte { return b[:len(b)*2/3] }), "no-network", ""},
		"a byte of the pack is another":  {answering(func(b []byte) []byte { b[len(b)-60] ^= 1; return b }), "no-network", ""},
		"the answer is empty":            {answering(func([]byte) []byte { return nil }), "no-network", ""},
		"the pack is of another commit":  {asking(commit, other), "source-absent", "absent"},
		"the commit is not known":        {asking(commit, strings.Repeat("1", 40)), "source-absent", "the server does not give it"},
		"it is a web page":               {instead(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") }), "no-network", ""},
		"401":                            {instead(status(401)), "source-absent", "401 Unauthorized"},
		"403":                            {instead(status(403)), "source-absent", "403 Forbidden"},
		"404":                            {instead(status(404)), "source-absent", "404 Not Found"},
		"429":                            {instead(status(429)), "no-network", "429 Too Many Requests"},
		"500":                            {instead(status(500)), "no-network", "500 Internal Server Error"},
		"500 for the pack":               {onPack(status(500)), "no-network", "500 Internal Server Error"},
		"it redirects to http":           {instead(http.RedirectHandler("http://git.test/app.git/info/refs", http.StatusFound).ServeHTTP), "no-network", "changes scheme"},
		"it redirects to a file":         {instead(http.RedirectHandler("file:///etc/passwd", http.StatusFound).ServeHTTP), "no-network", ""},
		"it redirects to a host unknown": {instead(http.RedirectHandler("https://nowhere.test/app.git/info/refs", http.StatusFound).ServeHTTP), "no-network", "no such host"},
		"it redirects to itself":         {instead(http.RedirectHandler("https://git.test/app.git/info/refs", http.StatusFound).ServeHTTP), "no-network", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s, _, o := w.remotely(t)
			o.IdleTimeout = 400 * time.Millisecond
			s.Between(c.fault)
			started := time.Now()
			img := verifyOne(t, ref, o)
			wants(t, img, Incomplete, "trace.origin", Unknown, c.reason)
			f, _ := findingOf(img, "trace.origin")
			if !strings.Contains(f.Summary, c.text) || strings.ContainsAny(f.Summary, "\n\x1b") || len(f.Summary) > 600 {
				t.Errorf("summary %q, want %q in one line", f.Summary, c.text)
			}
			if d := time.Since(started); d > 8*time.Second {
				t.Errorf("it took %v", d)
			}
		})
	}
}

// claiming is an image that names its own origin and has no other.
func claiming(w *world, repository, commit string) string {
	s := w.image(copySteps("true")...)
	s.config.Config.Labels = map[string]string{"org.opencontainers.image.source": repository + "#" + commit + ":d"}
	s.manifest.Annotations = s.config.Config.Labels
	s.seal()
	return "oci:" + s.write()
}

func TestARepositoryThatOnlyTheImageNamesIsFetchedWhenTheUserSaysSo(t *testing.T) {
	w := newWorld(t)
	commit := w.release(copied)
	ref := claiming(w, worldSource, commit)
	s, seen, o := w.remotely(t)
	o.As = "example.test/app:1"
	wants(t, verifyOne(t, ref, o), Incomplete, "trace.origin", Unknown, "not-followed")
	if len(seen.urls) != 0 {
		t.Errorf("without the flag these were asked for: %v", seen.urls)
	}
	o.FollowClaims = true
	img := verifyOne(t, ref, o)
	for _, check := range []string{"trace.origin", "trace.reachable", "layer.content"} {
		if f, _ := findingOf(img, check); f.Status != Pass {
			t.Errorf("%s is %s (%s):%s", check, f.Status, f.Reason, describe(img))
		}
	}
	if n := len(s.Requests()); n == 0 {
		t.Error("the server was not asked")
	}
}

func TestAForksCommitUnderTheParentsNameIsUnreachable(t *testing.T) {
	w := newWorld(t)
	first := w.release(map[string]string{"Dockerfile": "FROM scratch\n"})
	for i := range 50 {
		w.commit(w.source, map[string]string{"d/later": strconv.Itoa(i)})
	}
	fork := forkOf(t, w.source, first, map[string]string{"d/Dockerfile": copied["Dockerfile"], "d/a": "true"})
	_, _, o := w.remotely(t)
	o.As, o.FollowClaims = "example.test/app:1", true
	img := verifyOne(t, claiming(w, worldSource, fork), o)
	wants(t, img, Incomplete, "trace.reachable", Unknown, "commit-unreachable")
	if f, _ := findingOf(img, "trace.origin"); f.Status != Pass {
		t.Errorf("the fork's files are the image's, which is what makes the attack:%s", describe(img))
	}
}

// forkOf commits files on top of a commit, where no branch or tag leads.
func forkOf(t *testing.T, dir, from string, files map[string]string) string {
	t.Helper()
	r := gitserver.At(t, dir)
	return r.Fork(from, files)
}

func TestADoorThatTheImageNamesIsNotOpened(t *testing.T) {
	w := newWorld(t)
	commit := w.release(copied)
	for repository, reason := range map[string]string{
		"file:///etc": "not-followed", "file://" + w.source: "not-followed", w.source: "not-followed",
		"ssh://git@git.test/app.git": "not-followed", "git@git.test:app.git": "not-followed",
		"ext::sh -c touch% /tmp/owned": "not-followed", "http://git.test/app.git": "not-followed",
		"git://git.test/app.git": "not-followed", "--upload-pack=touch": "not-followed",
	} {
		for _, follow := range []bool{false, true} {
			_, seen, o := w.remotely(t)
			o.As, o.FollowClaims = "example.test/app:1", follow
			wants(t, verifyOne(t, claiming(w, repository, commit), o), Incomplete, "trace.origin", Unknown, reason)
			if len(seen.urls) != 0 {
				t.Errorf("%s, follow %v: these were asked for: %v", repository, follow, seen.urls)
			}
		}
	}
}

func TestAGitURLOfAKnownHostIsAskedOverHTTPS(t *testing.T) {
	w := newWorld(t)
	commit := w.release(copied)
	_, seen, o := w.remotely(t)
	o.As, o.FollowClaims = "example.test/app:1", true
	wants(t, verifyOne(t, claiming(w, "git://github.com/a/b.git", commit), o), Incomplete, "trace.origin", Unknown, "no-network")
	if len(seen.urls) == 0 || !strings.HasPrefix(seen.urls[0], "https://github.com/a/b.git/info/refs") {
		t.Errorf("these were asked for: %v", seen.urls)
	}
}

func TestALayoutInARemoteRepositoryIsCompared(t *testing.T) {
	w := newWorld(t)
	w.commit(w.source, map[string]string{"elsewhere/rootfs.tar": noise("elsewhere", 1<<20)})
	ref := importedImage(t, w, func(map[string]string) {})
	s, _, o := w.remotely(t)
	wants(t, verifyOne(t, ref, o), Verified, "trace.layout", Pass, "")
	if n := gitserver.Sent(s.Requests()); n > 32<<10 {
		t.Errorf("%d bytes were sent for a layout of a few files", n)
	}
	w = newWorld(t)
	ref = importedImage(t, w, func(f map[string]string) { f["layer"] += "x" })
	_, _, o = w.remotely(t)
	wants(t, verifyOne(t, ref, o), Failed, "trace.layout", Fail, "digest-mismatch")
}

// remoteLibrary serves the world's library too.
func (w *world) remoteLibrary(t *testing.T) (*gitserver.Server, Options) {
	t.Helper()
	s, _, o := w.remotely(t)
	s.Mirror(t, "lib.git", w.lib)
	o.Library, o.Cache = "https://git.test/lib.git", t.TempDir()
	return s, o
}

// named is an image whose publisher names the commit it was built from.
func named(w *world, commit string, steps ...step) string {
	s := w.image(steps...)
	s.manifest.Annotations = map[string]string{"org.opencontainers.image.source": worldSource + "#" + commit + ":d"}
	s.seal()
	return "oci:" + s.write()
}

// askedForHistory reports whether a request for the library's history was made.
func askedForHistory(requests []gitserver.Request) bool {
	for _, r := range requests {
		if strings.HasPrefix(r.Path, "/lib.git/git-upload-pack") && strings.Contains(r.Asked, "filter blob:none") && !strings.Contains(r.Asked, "deepen 1") {
			return true
		}
	}
	return false
}

func TestTheLibrarysPastIsFetchedOnlyWhereItIsNeeded(t *testing.T) {
	w := newWorld(t)
	old := w.release(map[string]string{"Dockerfile": "FROM scratch\nCOPY a /a\nCMD [\"/old\"]\n", "a": "true"})
	commit := w.release(copied)
	oldSteps := []step{{"COPY a /a # buildkit", []entry{file("a", "true")}}, {`CMD ["/old"]`, nil}}
	unnamed := w.image(copySteps("true")...)
	for name, c := range map[string]struct {
		ref     string
		status  Status
		reason  string
		history bool
	}{
		"the entry in force, named by the image":   {named(w, commit, copySteps("true")...), Pass, "", false},
		"the entry in force, named by nobody":      {"oci:" + unnamed.write(), Pass, "", true},
		"an older entry, named by the image":       {named(w, old, oldSteps...), Warn, "superseded", true},
		"an older entry, and the newer one named":  {named(w, commit, oldSteps...), Warn, "superseded", true},
		"an older entry, and nonsense in its name": {named(w, strings.Repeat("1", 40), oldSteps...), Warn, "superseded", true},
	} {
		t.Run(name, func(t *testing.T) {
			s, o := w.remoteLibrary(t)
			img := verifyOne(t, c.ref, o)
			f, _ := findingOf(img, "trace.current")
			if f.Status != c.status || f.Reason != c.reason {
				t.Errorf("trace.current is %s (%s), want %s (%s):%s", f.Status, f.Reason, c.status, c.reason, describe(img))
			}
			if got := askedForHistory(s.Requests()); got != c.history {
				t.Errorf("history was asked for: %v, want %v", got, c.history)
			}
			img = verifyOne(t, c.ref, o)
			if again, _ := findingOf(img, "trace.current"); again.Status != c.status || again.Reason != c.reason {
				t.Errorf("the second time trace.current is %s (%s)", again.Status, again.Reason)
			}
			for _, r := range s.Requests() {
				t.Errorf("the second time %s was asked for", r.Path)
			}
		})
	}
}

func TestAnEntryInForceThatDiffersIsNoVerdictWithoutThePast(t *testing.T) {
	w := newWorld(t)
	ref := importedImage(t, w, func(map[string]string) {})
	importedImage(t, w, func(f map[string]string) {
		f["index.json"] = strings.ReplaceAll(f["index.json"], sha([]byte(f["manifest"])).Hex, sha([]byte("other")).Hex)
	})
	_, o := w.remoteLibrary(t)
	wants(t, verifyOne(t, ref, o), Verified, "trace.layout", Pass, "")
	s, o := w.remoteLibrary(t)
	s.Between(func(git http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if strings.HasPrefix(r.URL.Path, "/lib.git") && bytes.Contains(body, []byte("filter blob:none")) && !bytes.Contains(body, []byte("deepen 1")) {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			git.ServeHTTP(w, r)
		})
	})
	wants(t, verifyOne(t, ref, o), Incomplete, "trace.origin", Unknown, "no-network")
}

func TestARemoteRepositoryOfSHA256NamesIsTraced(t *testing.T) {
	w := newWorld(t)
	w.release(copied)
	s := gitserver.New(t)
	repo := s.Repository(t, "app.git", "sha256")
	commit := repo.Commit(map[string]string{"d/Dockerfile": copied["Dockerfile"], "d/a": "true", "big": noise("big", 1<<20)})
	o := w.options()
	o.Offline, o.GitMirrors, o.As, o.FollowClaims = false, nil, "example.test/app:1", true
	o.Transport = &recorder{base: s.Client().Transport, host: "git.test", to: mustParse(t, s.URL)}
	ref := claiming(w, worldSource, commit)
	img := verifyOne(t, ref, o)
	for _, check := range []string{"trace.origin", "trace.reachable", "layer.content"} {
		if f, _ := findingOf(img, check); f.Status != Pass {
			t.Errorf("%s is %s (%s):%s", check, f.Status, f.Reason, describe(img))
		}
	}
	if n := gitserver.Sent(s.Requests()); n > 32<<10 {
		t.Errorf("%d bytes were sent for two small files", n)
	}
	t.Setenv("PATH", t.TempDir())
	wants(t, verifyOne(t, ref, o), Incomplete, "trace.origin", Unknown, "object-format")
}

// TestATransportThatFailsIsTheOnlyWayOut gives everything that is remote to a
// transport that fails, and looks for sockets that were opened beside it.
func TestATransportThatFailsIsTheOnlyWayOut(t *testing.T) {
	w := newWorld(t)
	w.release(copied)
	image := w.image(copySteps("true")...)
	local := "oci:" + image.write()
	before := sockets(t)
	for name, c := range map[string]struct {
		ref  string
		edit func(*Options)
	}{
		"a registry":          {"registry.test/app:1", func(*Options) {}},
		"a registry's mirror": {"app:1", func(o *Options) { o.RegistryMirrors = map[string]string{"docker.io": "127.0.0.1:5000"} }},
		"the library":         {local, func(o *Options) { o.Library = "" }},
		"a source":            {local, func(*Options) {}},
		"a claim":             {claiming(w, worldSource, strings.Repeat("1", 40)), func(o *Options) { o.As, o.FollowClaims = "example.test/app:1", true }},
		"a claim of SHA-256":  {claiming(w, worldSource, strings.Repeat("1", 64)), func(o *Options) { o.As, o.FollowClaims = "example.test/app:1", true }},
	} {
		t.Run(name, func(t *testing.T) {
			failing := &recorder{to: &url.URL{}}
			o := w.options()
			o.Offline, o.GitMirrors, o.Transport = false, nil, failing
			c.edit(&o)
			r, err := Verify(t.Context(), []string{c.ref}, o)
			if len(failing.urls) == 0 {
				t.Error("the transport was not asked")
			}
			if err == nil {
				wants(t, r.Images[0], Incomplete, "trace.origin", Unknown, "no-network")
			}
			if now := sockets(t); now != before {
				t.Errorf("%d sockets are open, %d were", now, before)
			}
		})
	}
}

// sockets counts the sockets that the process holds.
func sockets(t *testing.T) (n int) {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skipf("the system does not list open files: %v", err)
	}
	for _, e := range list {
		if target, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && strings.HasPrefix(target, "socket:") {
			n++
		}
	}
	return n
}
