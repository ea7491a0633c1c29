package image

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// fixture is a layout in the making: blobs by the digest they are stored under,
// and the entries of index.json.
type fixture struct {
	t     *testing.T
	blobs map[v1.Hash][]byte
	root  []v1.Descriptor
}

func newFixture(t *testing.T) *fixture {
	return &fixture{t: t, blobs: map[v1.Hash][]byte{}}
}

// add stores data and returns its descriptor.
func (f *fixture) add(m types.MediaType, data []byte) v1.Descriptor {
	h := hashOf("sha256", data)
	f.blobs[h] = data
	return v1.Descriptor{MediaType: m, Size: int64(len(data)), Digest: h}
}

func (f *fixture) json(m types.MediaType, v any) v1.Descriptor {
	f.t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		f.t.Fatal(err)
	}
	return f.add(m, data)
}

// manifest stores an image for a platform ("" has none in its config) and
// returns its descriptor, which names no platform.
func (f *fixture) manifest(platform string, edit ...func(*v1.Manifest)) v1.Descriptor {
	config := v1.ConfigFile{RootFS: v1.RootFS{Type: "layers"}, History: []v1.History{{CreatedBy: "made for " + platform}}}
	if platform != "" {
		p := parsePlatform(f.t, platform)
		config.OS, config.Architecture, config.Variant = p.OS, p.Architecture, p.Variant
	}
	layer := f.add(types.OCILayer, []byte("layer of "+platform))
	config.RootFS.DiffIDs = []v1.Hash{layer.Digest}
	m := v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1,
		Config: f.json(types.OCIConfigJSON, config), Layers: []v1.Descriptor{layer}}
	for _, e := range edit {
		e(&m)
	}
	return f.json(types.OCIManifestSchema1, m)
}

// image is manifest with the platform in the descriptor too.
func (f *fixture) image(platform string) v1.Descriptor {
	d := f.manifest(platform)
	p := parsePlatform(f.t, platform)
	d.Platform = &p
	return d
}

func (f *fixture) index(entries ...v1.Descriptor) v1.Descriptor {
	return f.json(types.OCIImageIndex, v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: entries})
}

// files are the layout's files.
func (f *fixture) files() map[string][]byte {
	f.t.Helper()
	root, err := json.Marshal(v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: f.root})
	if err != nil {
		f.t.Fatal(err)
	}
	files := map[string][]byte{"oci-layout": []byte(`{"imageLayoutVersion":"1.0.0"}`), "index.json": root}
	for h, data := range f.blobs {
		files["blobs/"+h.Algorithm+"/"+h.Hex] = data
	}
	return files
}

// dir writes the layout into a directory.
func (f *fixture) dir() string {
	f.t.Helper()
	dir := filepath.Join(f.t.TempDir(), "layout")
	writeFiles(f.t, dir, f.files())
	return dir
}

// open writes the layout and opens it.
func (f *fixture) open(suffix string, o Options) (*Set, error) {
	f.t.Helper()
	return openFor(f.t, "oci:"+f.dir()+suffix, o)
}

func openFor(t *testing.T, reference string, o Options) (*Set, error) {
	t.Helper()
	set, err := Open(context.Background(), reference, o)
	if err == nil {
		t.Cleanup(func() { set.Close() })
	}
	return set, err
}

func writeFiles(t *testing.T, dir string, files map[string][]byte) {
	t.Helper()
	for name, data := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// tarOf writes an archive file.
func tarOf(t *testing.T, entries ...tarEntry) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "image.tar")
	if err := os.WriteFile(name, tarBytes(t, entries...), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// tarBytes writes headers and contents, in order, into an archive.
func tarBytes(t testing.TB, entries ...tarEntry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := e.header
		h.Size = int64(len(e.data))
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(e.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

type tarEntry struct {
	header tar.Header
	data   []byte
}

// entries are the layout's files as archive entries with a prefix to their names.
func (f *fixture) entries(prefix string) []tarEntry {
	var all []tarEntry
	files := f.files()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		all = append(all, tarEntry{tar.Header{Name: prefix + name, Typeflag: tar.TypeReg}, files[name]})
	}
	return all
}

func parsePlatform(t *testing.T, s string) v1.Platform {
	t.Helper()
	p, err := v1.ParsePlatform(s)
	if err != nil {
		t.Fatal(err)
	}
	return *p
}

// explicit are the options of --platform.
func explicit(t *testing.T, s string) Options {
	p := parsePlatform(t, s)
	return Options{Platform: &p, PlatformExplicit: true}
}

// preferring are the options of a host of another platform.
func preferring(t *testing.T, s string) Options {
	p := parsePlatform(t, s)
	return Options{Platform: &p}
}

func annotated(d v1.Descriptor, pairs ...string) v1.Descriptor {
	d.Annotations = map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		d.Annotations[pairs[i]] = pairs[i+1]
	}
	return d
}

func refName(d v1.Descriptor, n string) v1.Descriptor { return annotated(d, refNameAnnotation, n) }

// digests lists what a set has opened.
func digests(s *Set) string {
	var all []string
	for _, i := range s.Images {
		all = append(all, i.Descriptor.Digest.String())
	}
	return strings.Join(all, " ")
}

// wantDigests fails unless the set is exactly those images, in that order.
func wantDigests(t *testing.T, s *Set, want ...v1.Descriptor) {
	t.Helper()
	var all []string
	for _, d := range want {
		all = append(all, d.Digest.String())
	}
	if got := digests(s); got != strings.Join(all, " ") {
		t.Errorf("opened %s, want %s", got, strings.Join(all, " "))
	}
}

// wantError fails unless err reads exactly so, and has that hint.
func wantError(t *testing.T, err error, message, hint string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %q", message)
	}
	if err.Error() != message {
		t.Errorf("error\n%q, want\n%q", err, message)
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("error %q is not one line", err)
	}
	var got string
	if h, ok := err.(interface{ Hint() string }); ok {
		got = h.Hint()
	}
	if got != hint {
		t.Errorf("hint\n%q, want\n%q", got, hint)
	}
}

// filler is JSON of n empty objects, for lists that are too long.
func filler(n int, element string) string {
	return "[" + strings.TrimSuffix(strings.Repeat(element+",", n), ",") + "]"
}

func descriptorJSON(n int) string {
	return fmt.Sprintf(`{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","size":1,"digest":"sha256:%064x"}`, n)
}
