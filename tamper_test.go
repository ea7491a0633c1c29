package verify

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/imageverify/verify/internal/corpus"
	"github.com/imageverify/verify/rebuild"
)

// specimen is one image taken out of a layout, to be damaged and written into
// another.
type specimen struct {
	t          *testing.T
	descriptor v1.Descriptor
	manifest   v1.Manifest
	config     v1.ConfigFile
	layers     [][]byte
	// blobs override what is written under a digest.
	blobs map[v1.Hash][]byte
	// official writes the manifest as the official library's pipeline does.
	official bool
	// published is the config as it was read; written is how this package
	// writes the same values.
	published, written []byte
}

// takeSpecimen reads the image for an architecture from a layout of the corpus.
func takeSpecimen(t *testing.T, layout, arch string) *specimen {
	t.Helper()
	dir := filepath.Join(corpus.Dir(t), "images", layout)
	s := &specimen{t: t, blobs: map[v1.Hash][]byte{}}
	var outer, inner v1.IndexManifest
	s.decode(filepath.Join(dir, "index.json"), &outer)
	s.decode(blobPath(dir, outer.Manifests[0].Digest), &inner)
	for _, d := range inner.Manifests {
		if d.Platform.Architecture == arch {
			s.descriptor = d
		}
	}
	s.decode(blobPath(dir, s.descriptor.Digest), &s.manifest)
	s.decode(blobPath(dir, s.manifest.Config.Digest), &s.config)
	s.published = s.read(blobPath(dir, s.manifest.Config.Digest))
	s.written = s.encode(s.config)
	for _, l := range s.manifest.Layers {
		if name := blobPath(dir, l.Digest); exists(name) {
			s.layers = append(s.layers, s.read(name))
		}
	}
	return s
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

func blobPath(dir string, h v1.Hash) string {
	return filepath.Join(dir, "blobs", h.Algorithm, h.Hex)
}

func (s *specimen) read(name string) []byte {
	s.t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		s.t.Fatal(err)
	}
	return data
}

func (s *specimen) decode(name string, v any) {
	s.t.Helper()
	if err := json.Unmarshal(s.read(name), v); err != nil {
		s.t.Fatalf("%s: %v", name, err)
	}
}

func sha(data []byte) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: fmt.Sprintf("%x", sha256.Sum256(data))}
}

// seal recomputes every digest and size from the layers upwards, as somebody
// who publishes a changed image would.
func (s *specimen) seal() {
	s.config.RootFS.DiffIDs = nil
	for i, l := range s.layers {
		s.config.RootFS.DiffIDs = append(s.config.RootFS.DiffIDs, sha(gunzip(s.t, l)))
		if i >= len(s.manifest.Layers) {
			s.manifest.Layers = append(s.manifest.Layers, v1.Descriptor{MediaType: s.manifest.Layers[0].MediaType})
		}
		s.manifest.Layers[i].Digest, s.manifest.Layers[i].Size = sha(l), int64(len(l))
	}
	s.sealConfig()
}

// sealConfig recomputes the config's digest alone.
func (s *specimen) sealConfig() {
	data := s.configBytes()
	s.manifest.Config.Digest, s.manifest.Config.Size = sha(data), int64(len(data))
}

// configBytes are the config's published bytes as long as it was not changed.
func (s *specimen) configBytes() []byte {
	data := s.encode(s.config)
	if bytes.Equal(data, s.written) {
		return s.published
	}
	return data
}

func (s *specimen) encode(v any) []byte {
	s.t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		s.t.Fatal(err)
	}
	return data
}

// write puts the specimen into a new layout, within an index, and returns the
// layout's directory.
func (s *specimen) write() string {
	s.t.Helper()
	dir := s.t.TempDir()
	config, manifest := s.configBytes(), s.encode(s.manifest)
	if s.official {
		var err error
		if manifest, err = rebuild.NewManifest(rebuild.FormOfficial, s.manifest.Config, s.manifest.Layers, s.manifest.Annotations); err != nil {
			s.t.Fatal(err)
		}
	}
	s.descriptor.Digest, s.descriptor.Size = sha(manifest), int64(len(manifest))
	index := s.encode(v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{s.descriptor}})
	s.put(dir, s.manifest.Config.Digest, config)
	s.put(dir, s.descriptor.Digest, manifest)
	s.put(dir, sha(index), index)
	for i, l := range s.layers {
		s.put(dir, s.manifest.Layers[i].Digest, l)
	}
	for h, data := range s.blobs {
		s.put(dir, h, data)
	}
	outer := s.encode(v1.IndexManifest{SchemaVersion: 2, Manifests: []v1.Descriptor{{MediaType: types.OCIImageIndex, Digest: sha(index), Size: int64(len(index))}}})
	s.file(filepath.Join(dir, "index.json"), outer)
	s.file(filepath.Join(dir, "oci-layout"), []byte(`{"imageLayoutVersion":"1.0.0"}`))
	return dir
}

func (s *specimen) put(dir string, h v1.Hash, data []byte) { s.file(blobPath(dir, h), data) }

func (s *specimen) file(name string, data []byte) {
	s.t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// entry is one entry of a layer that is taken apart.
type entry struct {
	header tar.Header
	data   []byte
}

// editLayer takes the first layer apart, hands its entries to edit, puts it
// together again and recomputes every digest.
func (s *specimen) editLayer(edit func([]entry) []entry) {
	s.t.Helper()
	s.layers[0] = repack(s.t, edit(unpack(s.t, s.layers[0])))
	s.seal()
}

func unpack(t *testing.T, layer []byte) []entry {
	t.Helper()
	var out []entry
	r := tar.NewReader(bytes.NewReader(gunzip(t, layer)))
	for {
		h, err := r.Next()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, entry{*h, data})
	}
}

func repack(t *testing.T, entries []entry) []byte {
	t.Helper()
	var plain bytes.Buffer
	w := tar.NewWriter(&plain)
	for _, e := range entries {
		e.header.Format = tar.FormatPAX
		e.header.Size = int64(len(e.data))
		if err := w.WriteHeader(&e.header); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(e.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return gzipped(t, plain.Bytes())
}

func gzipped(t *testing.T, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func gunzip(t *testing.T, data []byte) []byte {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// find is the entry of a path; the test ends when there is none.
func find(t *testing.T, entries []entry, path string) *entry {
	t.Helper()
	for i := range entries {
		if entries[i].header.Name == path {
			return &entries[i]
		}
	}
	t.Fatalf("the layer has no entry %s", path)
	return nil
}
