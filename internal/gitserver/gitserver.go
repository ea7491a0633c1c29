// Package gitserver serves git repositories over https on loopback, as the big
// hosts do, to tests.
//
// Behind it stands the git program (`git http-backend`), so what a client meets
// is a real server; what is counted, delayed or damaged on the way is a test's
// own doing.
package gitserver

import (
	"encoding/pem"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Server serves the repositories below one folder.
type Server struct {
	*httptest.Server
	// Root is the folder: Root/NAME is served at URL/NAME.
	Root string

	mu       sync.Mutex
	config   map[string]string
	between  func(http.Handler) http.Handler
	requests []Request
}

// Request is one request that was answered.
type Request struct {
	// Method, Path and Query are the request's, Asked its body as git sent it.
	Method, Path, Query, Asked string
	// Sent is the number of bytes of the answer's body.
	Sent int64
}

// LikeGitHub is the configuration of a server that filters, and that gives every
// object that it is asked for by its id, those of forks included.
func LikeGitHub() map[string]string {
	return map[string]string{"uploadpack.allowFilter": "true", "uploadpack.allowAnySHA1InWant": "true"}
}

// New starts a server with LikeGitHub's configuration, for as long as the test
// runs. The test is skipped where git is not installed.
func New(t testing.TB) *Server {
	t.Helper()
	s := &Server{Root: t.TempDir(), config: LikeGitHub()}
	backend := filepath.Join(Git(t, s.Root, "--exec-path"), "git-http-backend")
	if _, err := os.Stat(backend); err != nil {
		t.Skipf("git http-backend is not installed: %v", err)
	}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler := s.handler(backend)
		asked := &recorded{ReadCloser: r.Body}
		r.Body = asked
		counted := &counter{ResponseWriter: w}
		defer func() { s.record(r, asked.text.String(), counted.n) }()
		handler.ServeHTTP(counted, r)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // clients of tests hang up
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// handler is git's own, with the configuration of the moment and what the test
// put in between.
func (s *Server) handler(backend string) http.Handler {
	s.mu.Lock()
	defer s.mu.Unlock()
	env := []string{"GIT_PROJECT_ROOT=" + s.Root, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_NOSYSTEM=1"}
	config := maps.Clone(s.config)
	config["safe.directory"], config["http.uploadpack"] = "*", "true"
	for i, key := range slices.Sorted(maps.Keys(config)) {
		n := strconv.Itoa(i)
		env = append(env, "GIT_CONFIG_KEY_"+n+"="+key, "GIT_CONFIG_VALUE_"+n+"="+config[key])
	}
	env = append(env, "GIT_CONFIG_COUNT="+strconv.Itoa(len(config)))
	var h http.Handler = &cgi.Handler{Path: backend, Env: env, Stderr: io.Discard, Logger: log.New(io.Discard, "", 0), InheritEnv: []string{"PATH"}}
	if s.between != nil {
		h = s.between(h)
	}
	return h
}

// Configure replaces the server's git configuration; nil: git's defaults.
func (s *Server) Configure(config map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.config = maps.Clone(config)
	if s.config == nil {
		s.config = map[string]string{}
	}
}

// Between puts a handler around git's: one that damages, delays or redirects.
func (s *Server) Between(f func(git http.Handler) http.Handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.between = f
}

func (s *Server) record(r *http.Request, asked string, sent int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, Request{r.Method, r.URL.Path, r.URL.RawQuery, asked, sent})
}

// Requests returns what was answered since the last call.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.requests
	s.requests = nil
	return out
}

// Sent is the sum of the answers' bytes.
func Sent(requests []Request) int64 {
	var n int64
	for _, r := range requests {
		n += r.Sent
	}
	return n
}

// Host is the server's HOST:PORT.
func (s *Server) Host() string { return strings.TrimPrefix(s.URL, "https://") }

// CertFile writes the server's certificate to a file, for SSL_CERT_FILE.
func (s *Server) CertFile(t testing.TB) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "cert.pem")
	data := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// counter counts the bytes of an answer.
type counter struct {
	http.ResponseWriter
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.n += int64(n)
	return n, err
}

// Flush implements http.Flusher, and Unwrap lets http.ResponseController
// through.
func (c *counter) Flush() { _ = http.NewResponseController(c.ResponseWriter).Flush() }

func (c *counter) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// recorded keeps what is read of a request.
type recorded struct {
	io.ReadCloser
	text strings.Builder
}

func (r *recorded) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.text.Write(p[:n])
	return n, err
}

// Git runs the git program in a folder, without any configuration of the user's
// or the machine's, and returns what it prints. The test is skipped where git is
// not installed.
func Git(t testing.TB, dir string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("the git program is not installed: this test compares with it or serves a repository through it")
	}
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "HOME="+t.TempDir(), "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.org",
		"GIT_COMMITTER_NAME=c", "GIT_COMMITTER_EMAIL=c@example.org", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*")
	out, err := cmd.Output()
	if err != nil {
		var stderr string
		if exit, ok := err.(*exec.ExitError); ok {
			stderr = string(exit.Stderr)
		}
		t.Fatalf("git %s: %v: %s", strings.Join(args, " "), err, stderr)
	}
	return strings.TrimSpace(string(out))
}
