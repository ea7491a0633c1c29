package network

import (
	"crypto/tls"
	"net/http"
	"time"
)

const (
	idlePerHost    = 16 // kept connections, enough for layers of several images at once
	idleTotal      = 64
	idleConnection = 90 * time.Second
	// maxHeaderBytes bounds the headers of a response. Registries send links
	// and tokens there, a few kilobytes at most.
	maxHeaderBytes = 1 << 20
)

// exchange applies the rules, sends and watches over the answer's arrival.
func (t *Transport) exchange(req *http.Request) (*http.Response, error) {
	rt := t.options.Base
	if rt == nil {
		var err error
		if rt, err = t.route(req); err != nil {
			closeBody(req)
			return nil, err
		}
	}
	return watched(rt, req, t.idle)
}

// route is what requests need a transport of their own for.
type route struct {
	proxied  bool // every connection is to a proxy of the environment
	insecure bool // certificates are not looked at
}

// route applies the rules to a request and returns the transport for it.
func (t *Transport) route(req *http.Request) (http.RoundTripper, error) {
	if err := t.checkURL(req.URL); err != nil {
		return nil, err
	}
	proxy, err := t.proxy(req)
	if err != nil {
		// The error repeats the proxy's URL, with its password.
		return nil, hostError(req.URL.Host, "the proxy in the environment is not a valid URL")
	}
	r := route{proxied: proxy != nil, insecure: t.insecure.hasURL(req.URL)}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.routes[r] == nil {
		t.routes[r] = t.newRoute(r)
	}
	return t.routes[r], nil
}

func (t *Transport) newRoute(r route) *http.Transport {
	rt := &http.Transport{
		DialContext:            t.dialChecked,
		TLSClientConfig:        &tls.Config{InsecureSkipVerify: r.insecure}, // false but for hosts the user named
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           idleTotal,
		MaxIdleConnsPerHost:    idlePerHost,
		IdleConnTimeout:        idleConnection,
		MaxResponseHeaderBytes: maxHeaderBytes,
		// Digests are over the bytes that are stored; nobody may unpack them
		// on the way.
		DisableCompression: true,
	}
	if r.proxied {
		rt.Proxy, rt.DialContext = t.proxy, t.dialAny
	}
	return rt
}
