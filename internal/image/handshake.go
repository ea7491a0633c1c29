package image

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// userAgent starts the User-Agent header of every request.
const userAgent = "verify"

// maxPingBytes bounds the body of a registry's answer to /v2/, which the
// handshake reads to its end.
const maxPingBytes = 64 << 10

// hostFor returns the host to ask in place of host, and whether http will do.
func (o Options) hostFor(host string) (string, bool) {
	for from, to := range o.Mirrors {
		if canonicalHost(from) == host {
			return to, true
		}
	}
	for _, insecure := range o.Insecure {
		if insecure = canonicalHost(insecure); insecure == host || insecure == withoutPort(host) {
			return host, true
		}
	}
	return host, false
}

func withoutPort(host string) string {
	if bare, _, err := net.SplitHostPort(host); err == nil {
		return bare
	}
	return host
}

// boundedPing bounds the answers to a registry's base URL.
type boundedPing struct{ inner http.RoundTripper }

// RoundTrip asks inner.
func (b boundedPing) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.inner.RoundTrip(r)
	if err == nil && r.URL.Path == "/v2/" {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, maxPingBytes), resp.Body}
	}
	return resp, err
}

// connect shakes hands with the registry, once: which scheme it speaks, how it
// wants to be authenticated to.
func (r *registry) connect(ctx context.Context) (*http.Client, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.client != nil {
		return r.client, nil
	}
	auth, err := resolve(ctx, r.keychain, r.asked)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, &RegistryError{Host: r.asked.RegistryStr(), Problem: "no credentials: " + oneLine(err.Error()),
			Advice: "check the configuration of the Docker client", Err: err}
	}
	scopes := []string{r.asked.Scope(transport.PullScope)}
	inner := transport.NewUserAgent(r.inner, userAgent)
	authenticated, err := transport.NewWithContext(ctx, r.asked.Registry, auth, inner, scopes)
	if err != nil {
		return nil, r.refused(err)
	}
	r.client = &http.Client{Transport: authenticated}
	return r.client, nil
}

// refused says why there was no handshake.
func (r *registry) refused(err error) error {
	if isNotFound(err) {
		return &RegistryError{Host: r.asked.RegistryStr(), Status: http.StatusNotFound,
			Problem: "answered 404 Not Found to the handshake: it is not a registry", Advice: "check the host's name", Err: err}
	}
	failed := r.failed(err)
	var silent *RegistryError
	if errors.Is(err, http.ErrSchemeMismatch) && errors.As(failed, &silent) && silent.Status == 0 {
		silent.Problem = "cannot be read: " + oneLine(overHTTP(err))
	}
	return failed
}

// overHTTP is the second half of the error of a handshake that was tried over
// https and http, without its URL. Where the host speaks http, the first half
// says only that.
func overHTTP(err error) string {
	text := err.Error()
	if _, second, ok := strings.Cut(text, "; "); ok {
		text = second
	}
	if _, reason, ok := strings.Cut(text, "\": "); ok {
		text = reason
	}
	return text
}

// resolve asks the keychain for credentials, for as long as ctx lives: a
// credential helper is a program of the user's, and may hang.
func resolve(ctx context.Context, k authn.Keychain, asked authn.Resource) (authn.Authenticator, error) {
	type answer struct {
		auth authn.Authenticator
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		auth, err := authn.Resolve(ctx, k, asked)
		if err == nil {
			// What a helper is asked for, it is asked for here.
			var config *authn.AuthConfig
			if config, err = authn.Authorization(ctx, auth); err == nil {
				auth = authn.FromConfig(*config)
			}
		}
		got <- answer{auth, err}
	}()
	select {
	case a := <-got:
		return a.auth, a.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
