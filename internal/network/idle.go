package network

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"
)

// watch ends a request when nothing happens for a while. Only the time that is
// spent waiting counts: a caller may take as long as it likes with what it has
// read.
type watch struct {
	idle   time.Duration
	cancel context.CancelCauseFunc
	err    *IdleError

	mu      sync.Mutex
	timer   *time.Timer
	waiting bool
	last    time.Time // when something last happened
	fired   bool
}

func newWatch(idle time.Duration, host string, cancel context.CancelCauseFunc) *watch {
	w := &watch{idle: idle, cancel: cancel, err: &IdleError{Host: host, Idle: idle}}
	w.timer = time.AfterFunc(idle, w.fire)
	w.timer.Stop()
	return w
}

// begin starts the waiting for the other side.
func (w *watch) begin() { w.set(true) }

// end says that the other side is not waited for.
func (w *watch) end() { w.set(false) }

func (w *watch) set(waiting bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting, w.last = waiting, time.Now()
	if waiting {
		w.timer.Reset(w.idle)
	} else {
		w.timer.Stop()
	}
}

// progress says that something happened. It may come late, from a connection
// that the request no longer needs.
func (w *watch) progress() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = time.Now()
}

// fire runs when the timer ends: either the time is up, or something happened
// meanwhile and the rest is waited for.
func (w *watch) fire() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.waiting {
		return
	}
	if rest := w.idle - time.Since(w.last); rest > 0 {
		w.timer.Reset(rest)
		return
	}
	w.fired = true
	w.cancel(w.err)
}

// explain returns the IdleError in place of what the cancellation it caused
// looks like from outside, and in place of a time-out of the dialer, whose time
// is the same.
func (w *watch) explain(ctx context.Context, err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fired || ctx.Err() == nil && isDeadline(err) {
		return w.err
	}
	return plainer(err)
}

// over reports whether the time was up: an end that comes after it is that of a
// connection that was let go, not of the answer.
func (w *watch) over() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fired
}

// watched sends req through rt and ends it, the reading of the body included,
// when nothing comes for the time of idle.
func watched(rt http.RoundTripper, req *http.Request, idle time.Duration) (*http.Response, error) {
	caller := req.Context()
	ctx, cancel := context.WithCancelCause(caller)
	w := newWatch(idle, req.URL.Host, cancel)
	req = req.WithContext(httptrace.WithClientTrace(ctx, w.trace()))
	if req.Body != nil && req.Body != http.NoBody {
		req.Body = &sentBody{req.Body, w}
	}
	w.begin()
	resp, err := rt.RoundTrip(req)
	w.end()
	if err != nil {
		err = w.explain(caller, err)
		cancel(nil)
		return nil, err
	}
	resp.Body = &watchedBody{body: resp.Body, watch: w, caller: caller, cancel: cancel}
	return resp, nil
}

// trace counts every step of a connection as something that happened.
func (w *watch) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		DNSDone: func(httptrace.DNSDoneInfo) { w.progress() },
		ConnectDone: func(_, _ string, err error) {
			if err == nil {
				w.progress()
			}
		},
		TLSHandshakeDone:     func(tls.ConnectionState, error) { w.progress() },
		GotConn:              func(httptrace.GotConnInfo) { w.progress() },
		WroteRequest:         func(httptrace.WroteRequestInfo) { w.progress() },
		GotFirstResponseByte: w.progress,
	}
}

// sentBody is a request's body; each piece taken from it is progress.
type sentBody struct {
	io.ReadCloser
	watch *watch
}

func (b *sentBody) Read(p []byte) (int, error) {
	b.watch.progress()
	return b.ReadCloser.Read(p)
}

// watchedBody is a response's body whose every Read is waited for only so long.
type watchedBody struct {
	body   io.ReadCloser
	watch  *watch
	caller context.Context
	cancel context.CancelCauseFunc
}

// Read implements io.Reader. After the time is up it returns the IdleError.
func (b *watchedBody) Read(p []byte) (int, error) {
	b.watch.begin()
	n, err := b.body.Read(p)
	b.watch.end()
	if err == nil || err == io.EOF && !b.watch.over() {
		return n, err
	}
	return n, b.watch.explain(b.caller, err)
}

// Close implements io.Closer and lets go of the request.
func (b *watchedBody) Close() error {
	err := b.body.Close()
	b.watch.end()
	b.cancel(nil)
	return err
}
