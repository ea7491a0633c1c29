// Package network is the one way out of the program: an http.RoundTripper that
// everything remote is asked through.
//
// It decides whom the program speaks to. Only https is spoken, only to public
// addresses, unless the user named the host; an address is judged when the
// socket to it is about to connect, so that a name that changes its address
// between two look-ups gains nothing. Redirects are followed by http.Client,
// and each hop is a request of its own here, under the same rules. Requests end
// when no byte comes for a while, and those that may be repeated are.
//
// Through a proxy of the user's environment the proxy looks names up. The
// address of the proxy is then not judged, and of the host that is asked for
// only what its name says.
package network

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// DefaultIdleTimeout is how long a request waits for the next byte.
const DefaultIdleTimeout = 30 * time.Second

// Options say whom a Transport may speak to, and how. A host in it is a name or
// an address, with a port ("registry.example:5000", "[::1]:5000") or without,
// which then means every port.
type Options struct {
	// Offline refuses every request with ErrOffline, but for one that goes to a
	// target of Rewrite that is this machine by its name or address: what never
	// leaves the machine, and was asked for by name, is not the network.
	Offline bool
	// IdleTimeout ends a request in which no byte came for so long;
	// 0 is DefaultIdleTimeout.
	IdleTimeout time.Duration
	// AllowHosts may have addresses that are not public. Those that are this
	// machine by their name (localhost, 127.0.0.1) may be spoken to over http.
	AllowHosts []string
	// Insecure hosts may be spoken to over http, or over https with any
	// certificate, at any address.
	Insecure []string
	// Rewrite maps registry hosts to the "host:port" that is asked in their
	// place, at any address, over https or, if it answers without TLS, http.
	// All names of Docker Hub are one host.
	Rewrite map[string]string
	// Base carries the requests in place of sockets; nil is the real network.
	// The rules for addresses and schemes are not applied to it.
	Base http.RoundTripper
	// Log gets a line for each request at level debug; nil is silent.
	Log *slog.Logger
	// UserAgent is sent with requests that have none.
	UserAgent string
}

// Transport implements http.RoundTripper. It is safe for concurrent use, and
// opens nothing before the first request.
type Transport struct {
	options Options
	idle    time.Duration
	log     *slog.Logger

	private  hosts             // may have addresses that are not public
	insecure hosts             // may be spoken to over http, or with any certificate
	mirrors  hosts             // targets of Rewrite
	rewrite  map[string]string // canonical registry host → host:port
	plain    sync.Map          // targets of Rewrite that answered without TLS

	sockets atomic.Int64
	mu      sync.Mutex
	routes  map[route]*http.Transport

	// What tests put others in place of.
	proxy func(*http.Request) (*url.URL, error)
	sleep func(context.Context, time.Duration) error
}

// New returns a Transport for the options.
func New(o Options) *Transport {
	t := &Transport{
		options:  o,
		idle:     cmp.Or(max(o.IdleTimeout, 0), DefaultIdleTimeout),
		log:      o.Log,
		private:  newHosts(o.AllowHosts),
		insecure: newHosts(o.Insecure),
		mirrors:  make(hosts),
		rewrite:  make(map[string]string),
		routes:   make(map[route]*http.Transport),
		proxy:    http.ProxyFromEnvironment,
		sleep:    sleep,
	}
	if t.log == nil {
		t.log = slog.New(slog.DiscardHandler)
	}
	for from, to := range o.Rewrite {
		t.rewrite[registryHost(from)] = to
		t.mirrors.add(to)
	}
	return t
}

// Sockets returns the number of connections begun so far, those that failed
// included. Refused addresses are not among them.
func (t *Transport) Sockets() int64 { return t.sockets.Load() }

// CloseIdleConnections closes the kept connections that no request uses.
// http.Client.CloseIdleConnections calls it.
func (t *Transport) CloseIdleConnections() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, rt := range t.routes {
		rt.CloseIdleConnections()
	}
}

// RoundTrip implements http.RoundTripper. Errors that are about the host alone
// hold no more of the URL than the host.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := t.admit(req); err != nil {
		closeBody(req)
		return nil, err
	}
	for try := 1; ; try++ {
		started := time.Now()
		resp, err := t.send(req)
		t.logTry(req, resp, err, time.Since(started))
		wait, again := retryWait(req, resp, err, try)
		if !again {
			return resp, err
		}
		discard(resp)
		if err := t.sleep(req.Context(), wait); err != nil {
			return nil, err
		}
	}
}

// admit refuses what must not leave at all.
func (t *Transport) admit(req *http.Request) error {
	if req.URL == nil || req.URL.Host == "" {
		return errors.New("network: the request names no host")
	}
	if t.options.Offline && !t.staysHere(req.URL) {
		return offlineError(req.URL.Host)
	}
	return nil
}

// staysHere reports whether a request goes to a mirror on this machine.
func (t *Transport) staysHere(u *url.URL) bool {
	name, port := u.Hostname(), portOf(u)
	if target, mirrored := t.rewrite[registryHost(u.Host)]; mirrored {
		name, port = splitHost(target)
	}
	return t.mirrors.has(name, port) && isThisMachine(name)
}

// send makes one try. The response's Request is req, whatever was sent in its
// place: links in the response are relative to what the caller asked for.
func (t *Transport) send(req *http.Request) (*http.Response, error) {
	out := req.Clone(req.Context())
	if t.options.UserAgent != "" && out.Header.Get("User-Agent") == "" {
		out.Header.Set("User-Agent", t.options.UserAgent)
	}
	target, mirrored := t.rewrite[registryHost(req.URL.Host)]
	if mirrored {
		t.toMirror(out, target)
	}
	resp, err := t.exchange(out)
	if mirrored && out.URL.Scheme == "https" && isPlainHTTP(err) {
		t.plain.Store(target, true)
		resp, err = t.againPlain(req, out)
	}
	if resp != nil {
		resp.Request = req
	}
	return resp, err
}
