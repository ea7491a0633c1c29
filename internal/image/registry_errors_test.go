package image

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

func TestAnUnknownTagGetsTheTagsNearIt(t *testing.T) {
	f := newFixture(t)
	d := f.manifest("linux/amd64")
	s := serve(t, f, "app", map[string]v1.Descriptor{"16.04": d, "18.04": d, "16.10": d, "latest": d, "xenial": d, "16.04-slim": d})
	_, err := s.open(t, ":16.4", Options{})
	wantError(t, err, "no tag 16.4 in "+s.name(""), "near: 16.04, 16.10, 18.04")
	_, err = s.open(t, ":xenia", Options{})
	wantError(t, err, "no tag xenia in "+s.name(""), "near: xenial")
	_, err = s.open(t, ":q", Options{})
	wantError(t, err, "no tag q in "+s.name(""), "check the tag and the repository's name")
	_, err = s.open(t, "@"+someDigest, Options{})
	wantError(t, err, "no image has the digest "+someDigest+" in "+s.name(""), "check the repository's name and the digest")
	_, err = openFor(t, s.host()+"/other:1", s.options(t, Options{}))
	wantError(t, err, "no such repository in "+s.host()+"/other", "check the repository's name")
}

func TestAListOfTagsThatCannotBeHadChangesOnlyTheHint(t *testing.T) {
	f := newFixture(t)
	s := serve(t, f, "app", nil)
	for _, answer := range []func(w http.ResponseWriter){
		func(w http.ResponseWriter) { refuse(w, http.StatusForbidden, "DENIED", "no") },
		func(w http.ResponseWriter) { fmt.Fprint(w, "<html>") },
		func(w http.ResponseWriter) { w.Write(make([]byte, MaxManifestBytes+1)) },
		func(w http.ResponseWriter) {
			fmt.Fprint(w, `{"tags":["1\u001b","`+strings.Repeat("1", 200)+`",""]}`)
		},
	} {
		s.before = func(w http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, "/tags/list") {
				answer(w)
				return true
			}
			return false
		}
		_, err := s.open(t, ":1", Options{})
		wantError(t, err, "no tag 1 in "+s.name(""), "check the tag and the repository's name")
	}
}

func TestNearTagsAreTheClosestFirst(t *testing.T) {
	var many []string
	for i := range 30 {
		many = append(many, fmt.Sprintf("3.20.%d", i))
	}
	got := strings.Join(near("3.20.3", many), " ")
	if want := "3.20.3 3.20.0 3.20.1 3.20.13 3.20.2"; got != want {
		t.Errorf("near %q, want %q", got, want)
	}
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"kitten", "sitting", 3}, {"16.4", "16.04", 1}, {"abc", "abc", 0}} {
		if distance(c.a, c.b) != c.want || distance(c.b, c.a) != c.want {
			t.Errorf("distance of %q and %q: %d and %d, want %d", c.a, c.b, distance(c.a, c.b), distance(c.b, c.a), c.want)
		}
	}
}

func TestWhatARegistryAnswersIsSaidInOneLine(t *testing.T) {
	const login = "the repository does not exist or needs a login: docker login "
	for _, c := range []struct {
		status        int
		code, message string
		problem, hint string
	}{
		{401, "UNAUTHORIZED", "authentication required", "not authorised to read app: authentication required", login},
		{403, "DENIED", "requested access\nis denied\x1b[31m", "not authorised to read app: requested access is denied [31m", login},
		{429, "TOOMANYREQUESTS", "", "too many requests: TOOMANYREQUESTS", "try again later, or log in: docker login "},
		{500, "UNKNOWN", strings.Repeat("x", 300), "answered 500 Internal Server Error: " + strings.Repeat("x", 200) + "…", "try again later"},
		{502, "", "", "answered 502 Bad Gateway", "try again later"},
		{503, "UNAVAILABLE", "soon", "answered 503 Service Unavailable: soon", "try again later"},
	} {
		for _, where := range []string{"/v2/", "/v2/app/manifests/1"} {
			if where == "/v2/" && c.status == http.StatusUnauthorized {
				continue // that is how a registry asks for credentials
			}
			f := newFixture(t)
			s := serve(t, f, "app", map[string]v1.Descriptor{"1": f.manifest("linux/amd64")})
			s.before = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == where {
					refuse(w, c.status, c.code, c.message)
				}
				return r.URL.Path == where
			}
			_, err := s.open(t, ":1", Options{})
			hint := c.hint
			if strings.HasSuffix(hint, "login ") {
				hint += s.host()
			}
			wantError(t, err, "registry "+s.host()+": "+c.problem, hint)
			var answered *RegistryError
			if !errors.As(err, &answered) || answered.Status != c.status {
				t.Errorf("status %+v, want %d", answered, c.status)
			}
		}
	}
}

func TestAHostThatIsNoRegistrySaysSo(t *testing.T) {
	s := serve(t, newFixture(t), "app", nil)
	s.before = func(w http.ResponseWriter, r *http.Request) bool { http.NotFound(w, r); return true }
	_, err := s.open(t, ":1", Options{})
	wantError(t, err, "registry "+s.host()+": answered 404 Not Found to the handshake: it is not a registry", "check the host's name")
}

func TestARegistryThatHangsIsGivenUp(t *testing.T) {
	hang := make(chan struct{})
	impatient := &http.Transport{ResponseHeaderTimeout: 50 * time.Millisecond}
	t.Cleanup(impatient.CloseIdleConnections)
	for _, where := range []string{"/v2/", "/v2/app/manifests/1", "/v2/app/manifests/sha256:"} {
		f, index, _, _ := twoPlatforms(t)
		s := serve(t, f, "app", map[string]v1.Descriptor{"1": index})
		s.before = func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == where || strings.HasSuffix(where, ":") && strings.HasPrefix(r.URL.Path, where) {
				<-hang
			}
			return false
		}
		for _, o := range []Options{explicit(t, "linux/amd64"), {AllPlatforms: true}} {
			o.Transport = impatient
			_, err := openFor(t, s.name(":1"), o)
			wantError(t, err, "registry "+s.host()+": cannot be read: net/http: timeout awaiting response headers",
				"check the host's name and the network")
			var e *RegistryError
			if !errors.As(err, &e) || e.Status != 0 || e.Unwrap() == nil {
				t.Errorf("%s hangs: %+v", where, e)
			}
		}
	}
	close(hang)
}

func TestARegistryThatIsDown(t *testing.T) {
	s := serve(t, newFixture(t), "app", nil)
	s.Close()
	_, err := openFor(t, s.name(":1"), s.options(t, Options{}))
	wantError(t, err, fmt.Sprintf("registry %[1]s: cannot be read: dial tcp %[1]s: connect: connection refused", s.host()),
		"check the host's name and the network")
}

func TestCredentialsThatCannotBeHadAreSaid(t *testing.T) {
	f := newFixture(t)
	s := serve(t, f, "app", map[string]v1.Descriptor{"1": f.manifest("linux/amd64")})
	_, err := s.open(t, ":1", Options{Keychain: brokenKeychain{}})
	wantError(t, err, "registry "+s.host()+": no credentials: the helper is not there", "check the configuration of the Docker client")
	if len(s.asked()) != 0 {
		t.Errorf("asked %v", s.asked())
	}
}

type brokenKeychain struct{}

func (brokenKeychain) Resolve(authn.Resource) (authn.Authenticator, error) {
	return nil, errors.New("the helper\nis not there")
}

func TestAnAnswerThatBreaksOffIsTheRegistrysFailure(t *testing.T) {
	f := newFixture(t)
	var config v1.Hash
	image := f.manifest("linux/amd64", func(m *v1.Manifest) { config = m.Config.Digest })
	s := serve(t, f, "app", map[string]v1.Descriptor{"1": image})
	for _, id := range []string{"1", config.String()} {
		s.before = func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, "/"+id) {
				return false
			}
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, "{")
			return true
		}
		set, err := s.open(t, ":1", Options{})
		if err == nil {
			_, err = set.Images[0].Config(t.Context())
		}
		wantError(t, err, "registry "+s.host()+": cannot be read: unexpected EOF", "check the host's name and the network")
	}
	s.before = nil
	set, err := s.open(t, ":1", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := set.Images[0].Config(t.Context()); err != nil {
		t.Errorf("after the registry has recovered: %v", err)
	}
}

func TestTheURLOfARedirectionIsNotRepeated(t *testing.T) {
	f := newFixture(t)
	s := serve(t, f, "app", map[string]v1.Descriptor{"1": f.manifest("linux/amd64")})
	s.before = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, "/blobs/") {
			http.Redirect(w, r, "http://127.0.0.1:1/x?signature=secret", http.StatusFound)
			return true
		}
		return false
	}
	set, err := s.open(t, ":1", Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = set.Images[0].Config(t.Context())
	wantError(t, err, "registry "+s.host()+": cannot be read: 127.0.0.1:1: dial tcp 127.0.0.1:1: connect: connection refused",
		"check the host's name and the network")
}

func TestARegistrysDocumentsAreBounded(t *testing.T) {
	f := newFixture(t)
	s := serve(t, f, "app", nil)
	endless := func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			w.Write(make([]byte, 1<<16))
		}
	}
	s.before = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, "/manifests/") {
			endless(w, r)
			return true
		}
		return false
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err := Open(ctx, s.name(":1"), s.options(t, Options{}))
	wantError(t, err, "manifest of 1: bytes: over the limit of 4194304", "no image needs that many: it is broken or hostile")

	s.before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/v2/" {
			return false
		}
		endless(w, r)
		return true
	}
	if _, err := Open(ctx, s.name(":1"), s.options(t, Options{})); errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("an endless answer to the handshake: %v", err)
	}
}

func TestSchema1IsRefused(t *testing.T) {
	f := newFixture(t)
	d := f.add(types.DockerManifestSchema1Signed, []byte(`{"schemaVersion":1,"name":"x","fsLayers":[],"history":[]}`))
	s := serve(t, f, "app", map[string]v1.Descriptor{"1": d})
	s.types[d.Digest] = string(types.DockerManifestSchema1Signed)
	_, err := s.open(t, ":1", Options{})
	wantError(t, err, "manifest "+d.Digest.String()+" in "+s.name("")+": is of schema 1, which names no config",
		"pull and push it again with a current tool")
}

func TestCancellingStopsARequest(t *testing.T) {
	f := newFixture(t)
	s := serve(t, f, "app", map[string]v1.Descriptor{"1": f.manifest("linux/amd64")})
	ctx, cancel := context.WithCancel(t.Context())
	s.before = func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, "/manifests/") {
			cancel()
			<-r.Context().Done()
		}
		return false
	}
	if _, err := Open(ctx, s.name(":1"), s.options(t, Options{})); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestAnAnswerThatIsNotTheProtocolsHasNoDiagnosis(t *testing.T) {
	s := serve(t, newFixture(t), "app", nil)
	s.before = func(w http.ResponseWriter, r *http.Request) bool {
		http.Error(w, "<html>\nboom", http.StatusInternalServerError)
		return true
	}
	_, err := s.open(t, ":1", Options{})
	wantError(t, err, "registry "+s.host()+": answered 500 Internal Server Error", "try again later")
}
