package image

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// twoPlatforms is a fixture of one index, with its images.
func twoPlatforms(t *testing.T) (f *fixture, index, amd, arm v1.Descriptor) {
	f = newFixture(t)
	amd, arm = f.image("linux/amd64"), f.image("linux/arm64/v8")
	return f, f.index(amd, arm), amd, arm
}

func TestATagIsResolvedOnceAndAllElseIsReadByDigest(t *testing.T) {
	f, index, _, arm := twoPlatforms(t)
	s := serve(t, f, "team/app", map[string]v1.Descriptor{"1": index})
	set, err := s.open(t, ":1", explicit(t, "linux/arm64"))
	if err != nil {
		t.Fatal(err)
	}
	other := newFixture(t).manifest("linux/s390x")
	s.move("1", other)
	wantDigests(t, set, arm)
	c, err := set.Images[0].Config(t.Context())
	if err != nil || c.Got != c.Want.Digest {
		t.Fatalf("config %+v, %v", c, err)
	}
	layer := set.Images[0].Manifest().Parsed.Layers[0]
	r, err := set.Images[0].Blob(t.Context(), layer)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if data, err := io.ReadAll(r); err != nil || string(data) != "layer of linux/arm64/v8" {
		t.Errorf("layer %q, %v", data, err)
	}
	want := []string{
		"/v2/team/app/manifests/1",
		"/v2/team/app/manifests/" + arm.Digest.String(),
		"/v2/team/app/blobs/" + c.Want.Digest.String(),
		"/v2/team/app/blobs/" + layer.Digest.String(),
	}
	if got := s.asked(); !slices.Equal(got, want) {
		t.Errorf("asked\n%s, want\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if r := set.Reference; r.Kind != KindRegistry || r.Name != s.name(":1") || r.Tag != "1" || r.Pinned || r.OwnAccount {
		t.Errorf("reference %+v", r)
	}
	if set.Index.Descriptor.Digest != index.Digest || set.Index.Descriptor.Size != index.Size || set.Index.Descriptor.MediaType != types.OCIImageIndex {
		t.Errorf("index %+v", set.Index.Descriptor)
	}
}

func TestAReferenceByDigestIsPinned(t *testing.T) {
	f, index, amd, arm := twoPlatforms(t)
	s := serve(t, f, "app", map[string]v1.Descriptor{"1": index})
	set, err := s.open(t, ":gone@"+arm.Digest.String(), preferring(t, "linux/amd64"))
	if err != nil {
		t.Fatal(err)
	}
	wantDigests(t, set, arm)
	if r := set.Reference; !r.Pinned || r.Name != s.name(":gone") || r.Tag != "gone" || set.Index != nil {
		t.Errorf("reference %+v, index %v", r, set.Index)
	}
	if set, err = s.open(t, "@"+index.Digest.String(), Options{AllPlatforms: true}); err != nil {
		t.Fatal(err)
	}
	wantDigests(t, set, amd, arm)
	if set.Reference.Name != s.name("") || set.Reference.Tag != "" {
		t.Errorf("reference %+v", set.Reference)
	}
}

func TestWrongBytesFromARegistryAreHandedOut(t *testing.T) {
	f, index, amd, _ := twoPlatforms(t)
	s := serve(t, f, "app", map[string]v1.Descriptor{"1": index})
	good := f.blobs[amd.Digest]
	f.blobs[amd.Digest] = append(slices.Clone(good), ' ')
	for _, suffix := range []string{":1", "@" + index.Digest.String(), "@" + amd.Digest.String()} {
		set, err := s.open(t, suffix, explicit(t, "linux/amd64"))
		if err != nil {
			t.Fatalf("%s: %v", suffix, err)
		}
		m := set.Images[0].Manifest()
		if m.Got == amd.Digest || set.Images[0].Descriptor.Digest != amd.Digest || m.GotSize != amd.Size+1 || m.Parsed == nil {
			t.Errorf("%s: wanted %s, got %s of %d bytes", suffix, set.Images[0].Descriptor.Digest, m.Got, m.GotSize)
		}
	}
	f.blobs[index.Digest] = []byte("<html>")
	s.types[index.Digest] = string(types.OCIImageIndex)
	for _, suffix := range []string{":1", "@" + index.Digest.String()} {
		set, err := s.open(t, suffix, Options{})
		if err != nil {
			t.Fatal(err)
		}
		m := set.Images[0].Manifest()
		if set.Images[0].Descriptor.Digest != index.Digest || m.Got != hashOf("sha256", []byte("<html>")) || m.ParseErr == nil {
			t.Errorf("%s: %+v", suffix, m)
		}
	}
}

func TestATagWithoutAStatedDigestHasThatOfItsBytes(t *testing.T) {
	f := newFixture(t)
	image := f.manifest("linux/amd64")
	s := serve(t, f, "app", map[string]v1.Descriptor{"1": image})
	s.before = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/1") {
			w.Header().Set("Content-Type", "text/plain")
			w.Write(f.blobs[image.Digest])
			return true
		}
		return false
	}
	set, err := s.open(t, ":1", Options{})
	if err != nil {
		t.Fatal(err)
	}
	wantDigests(t, set, image)
	if m := set.Images[0].Descriptor.MediaType; m != "" {
		t.Errorf("media type %q", m)
	}
}

func TestAMirrorIsAskedInPlaceOfTheHost(t *testing.T) {
	f := newFixture(t)
	image := f.manifest("linux/amd64")
	s := serve(t, f, "library/alpine", map[string]v1.Descriptor{"3.20.3": image})
	for _, key := range []string{"docker.io", "index.docker.io", "registry-1.docker.io", "Docker.IO"} {
		for _, reference := range []string{"alpine:3.20.3", "docker.io/library/alpine:3.20.3", "registry-1.docker.io/alpine:3.20.3"} {
			set, err := openFor(t, reference, s.options(t, Options{Mirrors: map[string]string{key: s.host()}}))
			if err != nil {
				t.Fatalf("%s with a mirror for %s: %v", reference, key, err)
			}
			wantDigests(t, set, image)
			if set.Reference.Name != "docker.io/library/alpine:3.20.3" {
				t.Errorf("%s: name %s", reference, set.Reference.Name)
			}
		}
	}
	_, err := openFor(t, "alpine:3.20.4", s.options(t, Options{Mirrors: map[string]string{"docker.io": s.host()}}))
	wantError(t, err, "no tag 3.20.4 in docker.io/library/alpine", "near: 3.20.3")
}

func TestOnlyTheTransportReachesTheNetwork(t *testing.T) {
	refused := errors.New("no network here")
	failing := roundTripper(func(*http.Request) (*http.Response, error) { return nil, refused })
	for _, o := range []Options{
		{Transport: failing},
		{Transport: failing, Mirrors: map[string]string{"docker.io": "127.0.0.1:1"}},
		{Transport: failing, Insecure: []string{"docker.io"}},
	} {
		_, err := openFor(t, "ubuntu:16.04", o)
		if !errors.Is(err, refused) {
			t.Errorf("%v does not wrap what the transport said", err)
		}
	}
	_, err := openFor(t, "ubuntu:16.04", Options{Transport: failing})
	wantError(t, err, "registry index.docker.io: cannot be read: no network here", "check the host's name and the network")
	if _, err := openFor(t, "ubuntu", Options{}); err == nil || err.Error() != "a registry needs a transport" {
		t.Errorf("without a transport: %v", err)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestPlainHTTPIsForInsecureHostsOnly(t *testing.T) {
	f := newFixture(t)
	s := serve(t, f, "app", map[string]v1.Descriptor{"1": f.manifest("linux/amd64")})
	var schemes []string
	reach := roundTripper(func(r *http.Request) (*http.Response, error) {
		schemes = append(schemes, r.URL.Scheme)
		if r.URL.Scheme == "https" {
			return nil, errors.New("no TLS here")
		}
		r = r.Clone(r.Context())
		r.URL.Host = s.host()
		return http.DefaultTransport.RoundTrip(r)
	})
	if _, err := openFor(t, "registry.test/app:1", Options{Transport: reach}); err == nil || slices.Contains(schemes, "http") {
		t.Errorf("a host that is not insecure was asked by %v: %v", schemes, err)
	}
	for _, o := range []Options{
		{Transport: reach, Insecure: []string{"Registry.test"}},
		{Transport: reach, Mirrors: map[string]string{"registry.test": "mirror.test"}},
	} {
		if _, err := openFor(t, "registry.test/app:1", o); err != nil {
			t.Error(err)
		}
	}
	if _, err := openFor(t, "registry.test:5000/app:1", Options{Transport: reach, Insecure: []string{"registry.test"}}); err != nil {
		t.Errorf("a host named without its port: %v", err)
	}
	if _, err := openFor(t, "registry.test:5000/app:1", Options{Transport: reach, Insecure: []string{"registry.test:5001"}}); err == nil {
		t.Error("another port is insecure too")
	}
}

func TestForeignLayersAreNeverFetched(t *testing.T) {
	var elsewhere int
	outside := serve(t, newFixture(t), "x", nil)
	outside.before = func(http.ResponseWriter, *http.Request) bool { elsewhere++; return false }
	f := newFixture(t)
	foreign := v1.Descriptor{MediaType: types.DockerForeignLayer, Size: 3, Digest: hashOf("sha256", []byte("far")), URLs: []string{outside.URL + "/far"}}
	image := f.manifest("linux/amd64", func(m *v1.Manifest) {
		m.Layers = append(m.Layers, foreign)
		m.Config.URLs = []string{outside.URL + "/config"}
	})
	image.URLs = []string{outside.URL + "/manifest"}
	s := serve(t, f, "app", map[string]v1.Descriptor{"1": f.index(image)})
	set, err := s.open(t, ":1", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := set.Images[0].Config(t.Context()); err != nil {
		t.Error(err)
	}
	_, err = set.Images[0].Blob(t.Context(), set.Images[0].Manifest().Parsed.Layers[1])
	wantError(t, err, foreign.Digest.String()+" is absent from "+s.name(""), "it is named there but not stored: fetch the whole image")
	if elsewhere != 0 {
		t.Errorf("%d requests went to the URLs in the image", elsewhere)
	}
}

func TestATokenIsFetchedFromTheRealmAndSentToTheRegistryOnly(t *testing.T) {
	f, index, amd, _ := twoPlatforms(t)
	s := serve(t, f, "app", map[string]v1.Descriptor{"1": index})
	cdn := serve(t, f, "app", nil)
	cdn.before = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Authorization") != "" {
			t.Errorf("%s was sent to another host", r.Header.Get("Authorization"))
		}
		return false
	}
	var tokens []string
	s.before = func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case r.URL.Path == "/token":
			user, password, _ := r.BasicAuth()
			tokens = append(tokens, fmt.Sprint(user, ":", password, " ", r.URL.Query().Get("scope")))
			fmt.Fprint(w, `{"token":"secret"}`)
			return true
		case r.Header.Get("Authorization") != "Bearer secret":
			w.Header().Set("WWW-Authenticate", `Bearer realm="`+s.URL+`/token",service="s"`)
			refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "log in")
			return true
		case strings.Contains(r.URL.Path, "/blobs/"), strings.Contains(r.URL.Path, "/referrers/"):
			http.Redirect(w, r, cdn.URL+r.URL.Path+"?signature=x", http.StatusTemporaryRedirect)
			return true
		}
		return false
	}
	keys := keychain{s.host(): {Username: "me", Password: "pass"}, cdn.host(): {Username: "no", Password: "no"}}
	o := explicit(t, "linux/amd64")
	o.Keychain = keys
	set, err := s.open(t, ":1", o)
	if err != nil {
		t.Fatal(err)
	}
	wantDigests(t, set, amd)
	if c, err := set.Images[0].Config(t.Context()); err != nil || c.Got != c.Want.Digest {
		t.Errorf("config through a redirection: %+v, %v", c, err)
	}
	bundle := f.attachment(bundleType, &amd, bundleType, "bundle")
	cdn.referrers = map[v1.Hash][]v1.Descriptor{amd.Digest: {bundle}}
	if a := attachedTo(t, set, amd.Digest); a.Err != nil || len(a.Attachments) != 1 || a.Attachments[0].Err != nil {
		t.Errorf("referrers through a redirection: %q, %v", lines(t, a), a.Err)
	}
	if want := []string{"me:pass repository:app:pull"}; !slices.Equal(tokens, want) {
		t.Errorf("tokens fetched for %q, want %q", tokens, want)
	}
}

type keychain map[string]authn.AuthConfig

func (k keychain) Resolve(r authn.Resource) (authn.Authenticator, error) {
	return authn.FromConfig(k[r.RegistryStr()]), nil
}

func TestAMirrorGetsItsOwnCredentials(t *testing.T) {
	f := newFixture(t)
	s := serve(t, f, "library/alpine", map[string]v1.Descriptor{"1": f.manifest("linux/amd64")})
	var users []string
	s.before = func(w http.ResponseWriter, r *http.Request) bool {
		user, _, ok := r.BasicAuth()
		if !ok {
			w.Header().Set("WWW-Authenticate", "Basic")
			refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "log in")
			return true
		}
		users = append(users, user)
		return false
	}
	keys := keychain{"index.docker.io": {Username: "hub", Password: "x"}, s.host(): {Username: "mirror", Password: "x"}}
	_, err := openFor(t, "alpine:1", s.options(t, Options{Keychain: keys, Mirrors: map[string]string{"docker.io": s.host()}}))
	if err != nil || !slices.Equal(users, []string{"mirror"}) {
		t.Errorf("users %v, %v", users, err)
	}
}

func TestAnIndexsEntriesOfNoPlatformWithASubjectAreNotImages(t *testing.T) {
	f := newFixture(t)
	amd, arm := f.image("linux/amd64"), f.image("linux/arm64")
	referrer := f.manifest("linux/amd64", func(m *v1.Manifest) { m.Subject = &amd })
	s := serve(t, f, "app", map[string]v1.Descriptor{"1": f.index(referrer, amd, arm), "3": f.index(referrer)})
	set, err := s.open(t, ":1", explicit(t, "linux/amd64"))
	if err != nil {
		t.Fatal(err)
	}
	wantDigests(t, set, amd)
	if set, err = s.open(t, ":1", Options{AllPlatforms: true}); err != nil {
		t.Fatal(err)
	}
	wantDigests(t, set, amd, arm)
	_, err = s.open(t, ":3", Options{AllPlatforms: true})
	wantError(t, err, "no image in "+s.name(""), "there are only signatures, attestations or other artifacts")
}

func TestWhatIsAskedForIsIndexesAndImagesAsTheyAreStored(t *testing.T) {
	f := newFixture(t)
	s := serve(t, f, "app", map[string]v1.Descriptor{"1": f.manifest("linux/amd64")})
	s.before = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/v2/" {
			return false
		}
		if e := r.Header.Get("Accept-Encoding"); e != "identity" {
			t.Errorf("%s: Accept-Encoding %q", r.URL.Path, e)
		}
		if u := r.Header.Get("User-Agent"); !strings.HasPrefix(u, "verify ") {
			t.Errorf("%s: User-Agent %q", r.URL.Path, u)
		}
		manifests := strings.Contains(r.URL.Path, "/manifests/")
		for _, m := range []types.MediaType{types.OCIImageIndex, types.OCIManifestSchema1, types.DockerManifestList, types.DockerManifestSchema2} {
			if slices.Contains(r.Header["Accept"], string(m)) != manifests {
				t.Errorf("%s: Accept %q", r.URL.Path, r.Header["Accept"])
			}
		}
		return false
	}
	set, err := s.open(t, ":1", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := set.Images[0].Config(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestRegistriesAreShakenHandsWithOnceARepository(t *testing.T) {
	f, index, _, _ := twoPlatforms(t)
	s := serve(t, f, "app", map[string]v1.Descriptor{"1": index, "2": index})
	handshakes := 0
	s.before = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/v2/" {
			handshakes++
		}
		return false
	}
	o := explicit(t, "linux/amd64")
	o.Registries = &Registries{}
	for _, ref := range []string{":1", ":2", ":1"} {
		if _, err := s.open(t, ref, o); err != nil {
			t.Fatal(err)
		}
	}
	if handshakes != 1 {
		t.Errorf("%d handshakes", handshakes)
	}
	if _, err := openFor(t, s.host()+"/other:1", s.options(t, o)); err == nil || handshakes != 2 {
		t.Errorf("another repository: %d handshakes, %v", handshakes, err)
	}
}
