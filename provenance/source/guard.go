package source

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
)

// Bounds of what a server sends in answer to one request, in bytes.
const (
	// maxFetch bounds a pack.
	maxFetch = 1 << 30
	// maxAdvertisement bounds the list of references, which is held in memory;
	// the largest public repositories send some 20 MiB.
	maxAdvertisement = 128 << 20
	// maxTrees bounds the trees that come along with a commit. Of a repository
	// with more of them, only those on the way to a file are fetched.
	maxTrees = 1 << 20
	// maxHistory bounds the commits that come in answer to one question about
	// history; a million take some 300 MiB.
	maxHistory = 256 << 20
)

// bounds are the constants above, which tests lower.
type bounds struct{ fetch, advertisement, trees, history int64 }

func defaultBounds() bounds { return bounds{maxFetch, maxAdvertisement, maxTrees, maxHistory} }

// guardedTransport keeps requests to https, bounds what comes back, tells of
// progress, and remembers the error of the transport below.
type guardedTransport struct {
	base     http.RoundTripper
	what     string
	progress func(what string, n, total int64)

	mu    sync.Mutex
	err   error
	n     int64
	limit int64 // of n
	first []byte
}

// maxFirst is how much of the first answer is kept.
const maxFirst = 4 << 10

// saw reports whether the first answer began with, or soon held, a text.
func (g *guardedTransport) saw(text string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return strings.Contains(string(g.first), text)
}

func (g *guardedTransport) look(p []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.first = append(g.first, p[:min(len(p), maxFirst-len(g.first))]...)
}

// statusError is an answer that is none: a status of 400 or more.
type statusError struct{ code int }

func (e *statusError) Error() string {
	return fmt.Sprintf("the server answers %d %s", e.code, http.StatusText(e.code))
}

// noRepository reports whether the status says that there is no such
// repository, or none for everybody; big hosts do not tell the two apart.
func (e *statusError) noRepository() bool {
	switch e.code {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusGone, http.StatusUnavailableForLegalReasons:
		return true
	}
	return false
}

func (g *guardedTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "https" {
		return nil, g.keep(fmt.Errorf("%s: %w", redactURL(req.URL.String()), ErrScheme))
	}
	res, err := g.base.RoundTrip(req)
	if err != nil {
		return nil, g.keep(err)
	}
	if res.StatusCode >= http.StatusBadRequest {
		res.Body.Close() // go-git would read all of it
		return nil, g.keep(&statusError{res.StatusCode})
	}
	res.Body = &guardedBody{ReadCloser: res.Body, guard: g}
	return res, nil
}

func (g *guardedTransport) keep(err error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.err = err
	return err
}

// start begins a new request, whose answer may have limit bytes: errors and
// bytes of earlier ones do not count.
func (g *guardedTransport) start(limit int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.err, g.n, g.limit = nil, 0, limit
}

// cause returns the transport's error in place of one that has lost it: go-git
// flattens errors to text.
func (g *guardedTransport) cause(err error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err == nil || g.err == nil || errors.Is(err, g.err) {
		return err
	}
	return g.err
}

// received counts the bytes of a request's answers.
func (g *guardedTransport) received(n int) error {
	g.mu.Lock()
	g.n += int64(n)
	total, limit := g.n, g.limit
	g.mu.Unlock()
	if n > 0 {
		g.progress("fetching "+g.what, total, 0)
	}
	if total > limit {
		return g.keep(&LimitError{What: "size of a fetch from " + g.what, Limit: limit})
	}
	return nil
}

type guardedBody struct {
	io.ReadCloser
	guard *guardedTransport
}

func (b *guardedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.guard.look(p[:n])
	if limit := b.guard.received(n); limit != nil {
		return 0, limit
	}
	if err != nil && err != io.EOF {
		b.guard.keep(err)
	}
	return n, err
}

func removeAll(dir string) error { return os.RemoveAll(dir) }
