package image

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// server is a registry that serves a fixture as one repository, and can be made
// to misbehave.
type server struct {
	*httptest.Server
	f    *fixture
	repo string
	// types are the media types of manifests; others are found in the fixture.
	types map[v1.Hash]string
	// referrers are served where the map is there; else the registry keeps none.
	referrers map[v1.Hash][]v1.Descriptor
	// before may answer a request itself: it then returns true.
	before func(w http.ResponseWriter, r *http.Request) bool

	mu       sync.Mutex
	tags     map[string]v1.Hash
	requests []string
}

// serve starts a registry of one repository.
func serve(t *testing.T, f *fixture, repo string, tags map[string]v1.Descriptor) *server {
	s := &server{f: f, repo: repo, types: map[v1.Hash]string{}, tags: map[string]v1.Hash{}}
	for tag, d := range tags {
		s.tags[tag] = d.Digest
	}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

// host is the registry's host:port.
func (s *server) host() string { return strings.TrimPrefix(s.URL, "http://") }

// name is the repository's name with a suffix.
func (s *server) name(suffix string) string { return s.host() + "/" + s.repo + suffix }

// open opens a reference to the repository through a plain transport.
func (s *server) open(t *testing.T, suffix string, o Options) (*Set, error) {
	t.Helper()
	return openFor(t, s.name(suffix), s.options(t, o))
}

func (s *server) options(t *testing.T, o Options) Options {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	if o.Transport == nil {
		o.Transport = transport
	}
	return o
}

// asked lists the requests so far, without the handshake.
func (s *server) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.requests...)
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	if r.URL.Path != "/v2/" {
		s.requests = append(s.requests, r.URL.Path)
	}
	s.mu.Unlock()
	if s.before != nil && s.before(w, r) {
		return
	}
	rest, mine := strings.CutPrefix(r.URL.Path, "/v2/"+s.repo+"/")
	kind, id, _ := strings.Cut(rest, "/")
	switch {
	case r.URL.Path == "/v2/":
		fmt.Fprint(w, "{}")
	case !mine:
		refuse(w, http.StatusNotFound, "NAME_UNKNOWN", "no such repository")
	case kind == "tags":
		s.list(w)
	case kind == "manifests":
		s.manifest(w, id)
	case kind == "referrers" && s.referrers != nil:
		s.listReferrers(w, id)
	default:
		s.blob(w, id)
	}
}

func (s *server) list(w http.ResponseWriter) {
	var tags []string
	s.mu.Lock()
	for tag := range s.tags {
		tags = append(tags, tag)
	}
	s.mu.Unlock()
	json.NewEncoder(w).Encode(map[string]any{"name": s.repo, "tags": tags})
}

func (s *server) listReferrers(w http.ResponseWriter, id string) {
	h, _ := v1.NewHash(id)
	w.Header().Set("Content-Type", string(types.OCIImageIndex))
	json.NewEncoder(w).Encode(v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: s.referrers[h]})
}

func (s *server) manifest(w http.ResponseWriter, id string) {
	s.mu.Lock()
	h, ok := s.tags[id]
	s.mu.Unlock()
	if !ok {
		h, _ = v1.NewHash(id)
	}
	data, ok := s.f.blobs[h]
	if !ok {
		refuse(w, http.StatusNotFound, "MANIFEST_UNKNOWN", "no such manifest")
		return
	}
	var o struct {
		MediaType string `json:"mediaType"`
	}
	_ = json.Unmarshal(data, &o)
	if s.types[h] != "" {
		o.MediaType = s.types[h]
	}
	w.Header().Set("Content-Type", o.MediaType)
	w.Header().Set("Docker-Content-Digest", h.String())
	w.Write(data)
}

func (s *server) blob(w http.ResponseWriter, id string) {
	h, _ := v1.NewHash(id)
	data, ok := s.f.blobs[h]
	if !ok {
		refuse(w, http.StatusNotFound, "BLOB_UNKNOWN", "no such blob")
		return
	}
	w.Write(data)
}

// move points a tag at another manifest.
func (s *server) move(tag string, d v1.Descriptor) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tags[tag] = d.Digest
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]any{"errors": []map[string]string{{"code": code, "message": message}}})
}
