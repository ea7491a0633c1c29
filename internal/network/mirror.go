package network

import "net/http"

// toMirror turns out into a request to a mirror. A password is for the host
// that the caller asked for, so it stays here; a bearer token comes from the
// mirror's own challenge and goes along.
func (t *Transport) toMirror(out *http.Request, target string) {
	out.URL.Host, out.Host = target, ""
	out.URL.User = nil
	if isBasic(out.Header.Get("Authorization")) {
		out.Header.Del("Authorization")
	}
	if _, plain := t.plain.Load(target); plain {
		out.URL.Scheme = "http"
	}
}

// againPlain repeats, without TLS, a request to a mirror that has none. A body
// is sent only if it can be had again.
func (t *Transport) againPlain(req, out *http.Request) (*http.Response, error) {
	out.URL.Scheme = "http"
	if req.Body != nil && req.Body != http.NoBody {
		if req.GetBody == nil {
			return nil, hostError(out.URL.Host, "it does not speak TLS, and the request cannot be repeated without it")
		}
		body, err := req.GetBody()
		if err != nil {
			return nil, err
		}
		out.Body = body
	}
	return t.exchange(out)
}
