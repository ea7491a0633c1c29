package network

import (
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

func TestAMirrorIsAskedInPlaceOfTheRegistry(t *testing.T) {
	for scheme, secure := range map[string]bool{"https": true, "http": false} {
		t.Run(scheme, func(t *testing.T) {
			mirror := serve(t, secure, say("from the mirror"))
			tr := newTransport(t, Options{Rewrite: map[string]string{"registry.example": mirror.host()}, UserAgent: "verify/1"})
			for range 3 {
				_, body, err := fetch(tr, "https://Registry.Example:443/v2/x?y=1")
				if err != nil || body != "from the mirror" {
					t.Fatalf("got %q, %v", body, err)
				}
			}
			got := mirror.last()
			if got.Host != mirror.host() || got.URL.String() != "/v2/x?y=1" || got.UserAgent() != "verify/1" {
				t.Errorf("the mirror got Host %s, %s, from %s", got.Host, got.URL, got.UserAgent())
			}
			// Without TLS: one socket to find out, one that is kept.
			if want := map[bool]int64{true: 1, false: 2}[secure]; tr.Sockets() != want {
				t.Errorf("%d sockets, want %d", tr.Sockets(), want)
			}
		})
	}
}

func TestTheResponseOfAMirrorBelongsToTheRequestThatWasMade(t *testing.T) {
	mirror := serve(t, false, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/first" {
			w.Header().Set("Location", "/second")
			w.WriteHeader(http.StatusFound)
			return
		}
		io.WriteString(w, r.URL.Path)
	})
	tr := newTransport(t, Options{Rewrite: map[string]string{"registry.example": mirror.host()}})
	resp, err := (&http.Client{Transport: tr}).Get("https://registry.example/first")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got := resp.Request.URL.String(); got != "https://registry.example/second" {
		t.Errorf("the response is to %s", got)
	}
}

func TestOnlyTheRegistryThatIsMirroredIsRewritten(t *testing.T) {
	mirror := serve(t, false, say("from the mirror"))
	tr := newTransport(t, Options{Rewrite: map[string]string{"registry.example:5000": mirror.host()}})
	useNames(t, names{"registry.example": {ip("10.0.0.1")}})
	for _, u := range []string{"https://registry.example/", "https://registry.example:5001/", "https://sub.registry.example:5000/"} {
		if _, _, err := fetch(tr, u); err == nil {
			t.Errorf("%s was answered", u)
		}
	}
	if _, _, err := fetch(tr, "https://registry.example:5000/"); err != nil || mirror.hits() != 1 {
		t.Errorf("%d requests, %v", mirror.hits(), err)
	}
}

func TestAllNamesOfDockerHubAreOneHost(t *testing.T) {
	for _, from := range []string{"docker.io", "index.docker.io", "registry-1.docker.io", "Docker.io:443"} {
		mirror := serve(t, true, say("from the mirror"))
		tr := newTransport(t, Options{Rewrite: map[string]string{from: mirror.host()}})
		for _, asked := range []string{"docker.io", "index.docker.io", "registry-1.docker.io"} {
			if _, body, err := fetch(tr, "https://"+asked+"/v2/"); err != nil || body != "from the mirror" {
				t.Errorf("mirror of %s, asked for %s: %q, %v", from, asked, body, err)
			}
		}
	}
}

func TestAMirrorGetsTokensAndNoPassword(t *testing.T) {
	mirror := serve(t, false, say(""))
	tr := newTransport(t, Options{Rewrite: map[string]string{"registry.example": mirror.host()}})
	for sent, want := range map[string]string{
		"Basic dXNlcjpwYXNz": "", "basic dXNlcjpwYXNz": "", "BASIC": "",
		"Bearer token": "Bearer token", "": "",
	} {
		req, err := http.NewRequest(http.MethodGet, "https://registry.example/v2/", nil)
		if err != nil {
			t.Fatal(err)
		}
		if sent != "" {
			req.Header.Set("Authorization", sent)
		}
		resp, err := tr.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got := mirror.last().Header.Get("Authorization"); got != want {
			t.Errorf("%q: the mirror got %q, want %q", sent, got, want)
		}
		if got := req.Header.Get("Authorization"); got != sent {
			t.Errorf("%q: the caller's request now has %q", sent, got)
		}
	}
	// http.Client makes a header of a password in the URL.
	if _, _, err := fetch(tr, "https://user:pass@registry.example/v2/"); err != nil || mirror.last().Header.Get("Authorization") != "" {
		t.Errorf("error %v; the mirror got %q", err, mirror.last().Header.Get("Authorization"))
	}
}

func TestABodyGoesToAMirrorWithoutTLSOnlyIfItCanBeHadAgain(t *testing.T) {
	mirror := serve(t, false, func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
	for name, test := range map[string]struct {
		body io.Reader
		want string
	}{
		"it can":    {strings.NewReader("body"), "body"},
		"it cannot": {io.LimitReader(strings.NewReader("body"), 4), ""},
	} {
		tr := newTransport(t, Options{Rewrite: map[string]string{"registry.example": mirror.host()}})
		resp, err := (&http.Client{Transport: tr}).Post("https://registry.example/", "text/plain", test.body)
		if test.want == "" {
			if _, ok := errors.AsType[*HostError](err); !ok || !strings.Contains(err.Error(), "does not speak TLS") {
				t.Errorf("%s: error %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || string(got) != test.want {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

func TestACertificateForAnotherNameIsNotAMirrorWithoutTLS(t *testing.T) {
	mirror := serve(t, true, say("from the mirror"))
	useNames(t, names{"mirror.test": {ip("127.0.0.1")}})
	target := "mirror.test:" + mirror.port()
	tr := newTransport(t, Options{Rewrite: map[string]string{"registry.example": target}})
	if _, _, err := fetch(tr, "https://registry.example/"); err == nil || !strings.Contains(err.Error(), "certificate is valid for") {
		t.Errorf("error %v", err)
	}
	tr = newTransport(t, Options{Rewrite: map[string]string{"registry.example": target}, Insecure: []string{target}})
	if _, body, err := fetch(tr, "https://registry.example/"); err != nil || body != "from the mirror" {
		t.Errorf("insecure too: %q, %v", body, err)
	}
}

func TestARealRegistryClientReadsThroughAMirror(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	at, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	image, err := random.Image(1<<16, 3)
	if err != nil {
		t.Fatal(err)
	}
	direct, err := name.ParseReference(at.Host + "/library/x:1")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(direct, image); err != nil {
		t.Fatal(err)
	}
	tr := newTransport(t, Options{Rewrite: map[string]string{"docker.io": at.Host}})
	ref, err := name.ParseReference("x:1")
	if err != nil {
		t.Fatal(err)
	}
	got, err := remote.Image(ref, remote.WithTransport(tr))
	if err != nil {
		t.Fatal(err)
	}
	want, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if digest, err := got.Digest(); err != nil || digest != want {
		t.Errorf("got %v, %v; want %v", digest, err, want)
	}
	layers, err := got.Layers()
	if err != nil || len(layers) != 3 {
		t.Fatalf("%d layers, %v", len(layers), err)
	}
	for _, layer := range layers {
		blob, err := layer.Compressed()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, blob); err != nil {
			t.Error(err)
		}
		blob.Close()
	}
}
