package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"sync"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// registry is one repository of a registry, asked over its HTTP API. Blobs and
// manifests are asked for by repository and digest, never by a URL that an image
// names.
type registry struct {
	named    string          // as messages have it: docker.io/library/alpine
	asked    name.Repository // on the mirror, where there is one
	keychain authn.Keychain
	inner    http.RoundTripper
	log      *slog.Logger

	mu     sync.Mutex
	client *http.Client // nil before the handshake
}

// Registries keeps the handshakes with registries, one a repository, for the
// references of one run: all must be opened with the same transport, keychain,
// mirrors and log. It is safe for concurrent use; its zero value is empty.
type Registries struct {
	mu    sync.Mutex
	known map[string]*registry
}

// of returns what is known of the reference's repository.
func (k *Registries) of(ref registryReference, o Options) (*registry, error) {
	if k == nil {
		return newRegistry(ref, o)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	repository := ref.host + "/" + ref.repository
	if r := k.known[repository]; r != nil {
		return r, nil
	}
	r, err := newRegistry(ref, o)
	if err != nil {
		return nil, err
	}
	if k.known == nil {
		k.known = map[string]*registry{}
	}
	k.known[repository] = r
	return r, nil
}

// newRegistry prepares to ask the registry of ref, or its mirror. Nothing is
// asked yet.
func newRegistry(ref registryReference, o Options) (*registry, error) {
	if o.Transport == nil {
		return nil, errors.New("a registry needs a transport")
	}
	host, insecure := o.hostFor(ref.host)
	var options []name.Option
	if insecure {
		options = append(options, name.Insecure)
	}
	reg, err := name.NewRegistry(host, options...)
	if err != nil {
		return nil, &ReferenceError{Given: ref.name(), Problem: "cannot ask " + host + ": " + err.Error(), Err: err}
	}
	r := &registry{named: ref.host + "/" + ref.repository, asked: reg.Repo(ref.repository),
		keychain: o.Keychain, inner: boundedPing{o.Transport}, log: o.Log}
	if r.keychain == nil {
		r.keychain = authn.NewMultiKeychain()
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	return r, nil
}

func (r *registry) where() string { return r.named }

func (r *registry) close() error { return nil }

// resolve reads what ref names. A tag's answer gives the digest by which
// everything else is asked for, so that a tag that moves meanwhile changes
// nothing.
func (r *registry) resolve(ctx context.Context, ref registryReference) (*document, error) {
	identifier := ref.tag
	if ref.digest != (v1.Hash{}) {
		identifier = ref.digest.String()
	}
	resp, err := r.get(ctx, "manifests", identifier)
	if err != nil {
		return nil, r.unresolved(ctx, ref, err)
	}
	defer resp.Body.Close()
	raw, err := readBounded(resp.Body, "manifest of "+identifier)
	if err != nil {
		return nil, err
	}
	desc := v1.Descriptor{Digest: ref.digest, Size: int64(len(raw)), MediaType: mediaType(resp)}
	if desc.Digest == (v1.Hash{}) {
		desc.Digest = statedDigest(resp, raw)
	}
	r.log.DebugContext(ctx, "resolved", "reference", ref.name(), "digest", desc.Digest.String())
	return newDocument(desc, raw, r.named), nil
}

// statedDigest is the digest that the registry says a tag has, else that of the
// bytes. Where the two differ the bytes are not what the tag names.
func statedDigest(resp *http.Response, raw []byte) v1.Hash {
	if h, err := v1.NewHash(resp.Header.Get("Docker-Content-Digest")); err == nil {
		return h
	}
	return hashOf("sha256", raw)
}

// mediaType is the answer's, if it is one of an image or an index: registries
// that state none are judged by content.
func mediaType(resp *http.Response) types.MediaType {
	if m := types.MediaType(resp.Header.Get("Content-Type")); isImageType(m) {
		return m
	}
	return ""
}

func (r *registry) document(ctx context.Context, h v1.Hash) ([]byte, error) {
	resp, err := r.get(ctx, "manifests", h.String())
	if err != nil {
		return nil, r.absent(h, err)
	}
	defer resp.Body.Close()
	return readBounded(resp.Body, titled("manifest", h))
}

func (r *registry) blob(ctx context.Context, h v1.Hash) (io.ReadCloser, error) {
	resp, err := r.get(ctx, "blobs", h.String())
	if err != nil {
		return nil, r.absent(h, err)
	}
	return resp.Body, nil
}

// body is an answer's body; that it breaks off is the registry's failure.
type body struct {
	io.ReadCloser
	of *registry
}

// Read reads the body.
func (b body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = b.of.unreachable(err)
	}
	return n, err
}

// get asks for a manifest, a blob or a list. The error of an answer other than
// 200 is a *transport.Error.
func (r *registry) get(ctx context.Context, kind, identifier string) (*http.Response, error) {
	return r.ask(ctx, kind, r.url(kind, identifier))
}

// ask is get for a whole address.
func (r *registry) ask(ctx context.Context, kind, address string) (*http.Response, error) {
	client, err := r.connect(ctx)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	switch kind {
	case "manifests":
		req.Header["Accept"] = []string{string(types.OCIImageIndex), string(types.OCIManifestSchema1),
			string(types.DockerManifestList), string(types.DockerManifestSchema2)}
	case "referrers":
		req.Header.Set("Accept", string(types.OCIImageIndex))
	}
	// A transport that unpacks in passing would change a blob's bytes.
	req.Header.Set("Accept-Encoding", "identity")
	r.log.DebugContext(ctx, "asking", "host", r.asked.RegistryStr(), "repository", r.asked.RepositoryStr(), kind, path.Base(req.URL.Path))
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	if err := transport.CheckError(resp, http.StatusOK); err != nil {
		resp.Body.Close()
		return nil, err
	}
	resp.Body = body{resp.Body, r}
	return resp, nil
}

// url is where the repository's API has something. The scheme is https here; the
// handshake's transport makes it http where the registry answered so.
func (r *registry) url(kind, identifier string) string {
	u := url.URL{Scheme: "https", Host: r.asked.RegistryStr(),
		Path: "/v2/" + r.asked.RepositoryStr() + "/" + kind + "/" + identifier}
	if kind == "tags" {
		u.RawQuery = fmt.Sprintf("n=%d", MaxTags)
	}
	return u.String()
}
