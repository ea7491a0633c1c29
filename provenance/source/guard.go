package source

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
)

// guardedTransport keeps requests to https, bounds what comes back, tells of
// progress, and remembers the error of the transport below.
type guardedTransport struct {
	base     http.RoundTripper
	what     string
	progress func(what string, n, total int64)

	mu  sync.Mutex
	err error
	n   int64
}

func (g *guardedTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "https" {
		return nil, g.keep(fmt.Errorf("%s: %w", redactURL(req.URL.String()), ErrScheme))
	}
	res, err := g.base.RoundTrip(req)
	if err != nil {
		return nil, g.keep(err)
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

// start begins a new request: errors and bytes of earlier ones do not count.
func (g *guardedTransport) start() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.err, g.n = nil, 0
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
	total := g.n
	g.mu.Unlock()
	if n > 0 {
		g.progress("fetching "+g.what, total, 0)
	}
	if total > maxFetch {
		return g.keep(&LimitError{What: "size of a fetch from " + g.what, Limit: maxFetch})
	}
	return nil
}

type guardedBody struct {
	io.ReadCloser
	guard *guardedTransport
}

func (b *guardedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if limit := b.guard.received(n); limit != nil {
		return n, limit
	}
	if err != nil && err != io.EOF {
		b.guard.keep(err)
	}
	return n, err
}

func removeAll(dir string) error { return os.RemoveAll(dir) }
