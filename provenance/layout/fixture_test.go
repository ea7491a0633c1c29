package layout

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/imageverify/verify/provenance/source"
)

func descriptor(m types.MediaType, text string) v1.Descriptor {
	return v1.Descriptor{MediaType: m, Digest: hashOf(text), Size: int64(len(text))}
}

func blobPath(text string) string { return "blobs/sha256/" + hashOf(text).Hex }

func marshal(t testing.TB, v any) string {
	t.Helper()
	data, err := json.MarshalIndent(v, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	return string(data) + "\n"
}

func gzipped(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write([]byte(text))
	z.Close()
	return b.String()
}

// fixture is a layout as git keeps it: in the folder img/arm64, with symbolic
// links for all blobs but the second layer.
type fixture struct {
	t                testing.TB
	manifest, config string
	unpacked, layers []string
	files            map[string]string // below img/arm64
	outside          map[string]string
}

const fixtureDir = "img/arm64"

func newFixture(t testing.TB) *fixture {
	f := &fixture{t: t, unpacked: []string{"first layer " + strings.Repeat("a", 5000), "second layer"}}
	f.layers = []string{gzipped(f.unpacked[0]), f.unpacked[1]}
	f.config = marshal(t, v1.ConfigFile{OS: "linux", Architecture: "arm64",
		RootFS: v1.RootFS{Type: "layers", DiffIDs: f.diffIDs()}})
	f.manifest = marshal(t, f.parsed())
	f.files = map[string]string{
		"oci-layout":          `{"imageLayoutVersion":"1.0.0"}`,
		"image-manifest.json": f.manifest,
		"image-config.json":   f.config,
		"rootfs.tar.gz":       f.layers[0],
		blobPath(f.manifest):  link + "../../image-manifest.json",
		blobPath(f.config):    link + "../../image-config.json",
		blobPath(f.layers[0]): link + "../../rootfs.tar.gz",
		blobPath(f.layers[1]): f.layers[1],
	}
	f.outside = map[string]string{}
	f.index(f.entry())
	return f
}

// parsed is the image's manifest.
func (f *fixture) parsed() v1.Manifest {
	return v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1,
		Config: descriptor(types.OCIConfigJSON, f.config),
		Layers: []v1.Descriptor{descriptor(types.OCILayer, f.layers[0]), descriptor(types.OCIUncompressedLayer, f.layers[1])}}
}

// publish makes the image one of another manifest.
func (f *fixture) publish(m v1.Manifest) {
	delete(f.files, blobPath(f.manifest))
	f.manifest = marshal(f.t, m)
	f.files["image-manifest.json"] = f.manifest
	f.linkOf(f.manifest, "../../image-manifest.json")
	f.index(f.entry())
}

// linkOf makes a blob a symbolic link.
func (f *fixture) linkOf(text, target string) { f.files[blobPath(text)] = link + target }

func (f *fixture) diffIDs() []v1.Hash {
	var out []v1.Hash
	for _, u := range f.unpacked {
		out = append(out, hashOf(u))
	}
	return out
}

// entry is the image's entry in an index.
func (f *fixture) entry() v1.Descriptor {
	d := descriptor(types.OCIManifestSchema1, f.manifest)
	d.Platform = &v1.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}
	return d
}

func indexOf(t testing.TB, entries ...v1.Descriptor) string {
	return marshal(t, v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: entries})
}

func (f *fixture) index(entries ...v1.Descriptor) { f.files["index.json"] = indexOf(f.t, entries...) }

// nested puts an index among the blobs.
func (f *fixture) nested(entries ...v1.Descriptor) v1.Descriptor {
	text := indexOf(f.t, entries...)
	f.files[blobPath(text)] = text
	return descriptor(types.OCIImageIndex, text)
}

func (f *fixture) subject() Subject {
	return Subject{Digest: hashOf(f.manifest), Manifest: []byte(f.manifest),
		Platform: v1.Platform{OS: "linux", Architecture: "arm64"}}
}

// unnamed is the image as a Docker daemon keeps it.
func (f *fixture) unnamed() Subject {
	return Subject{Config: hashOf(f.config), DiffIDs: f.diffIDs(), Platform: v1.Platform{OS: "linux", Architecture: "arm64"}}
}

func (f *fixture) root(r *repo) *source.Tree {
	all := maps.Clone(f.outside)
	for name, text := range f.files {
		all[fixtureDir+"/"+name] = text
	}
	return r.root(all)
}

// compare commits the layout and compares each of the subjects with it.
func (f *fixture) compare(file string, subjects ...Subject) []*Result {
	f.t.Helper()
	root := f.root(newRepo(f.t))
	var out []*Result
	for _, s := range subjects {
		got, err := Compare(f.t.Context(), root, fixtureDir, file, s)
		if err != nil {
			f.t.Fatal(err)
		}
		out = append(out, got)
	}
	return out
}

// compareOne compares the subject alone.
func (f *fixture) compareOne(file string, s Subject) *Result {
	f.t.Helper()
	return f.compare(file, s)[0]
}

// wrong are the parts with an error, in order.
func wrong(r *Result) []string {
	var out []string
	for _, p := range r.Parts {
		if p.Err != nil {
			out = append(out, p.What)
		}
	}
	return out
}

func names(r *Result) []string {
	var out []string
	for _, p := range r.Parts {
		out = append(out, p.What)
	}
	return out
}

func wantParts(t *testing.T, got *Result, want ...string) {
	t.Helper()
	if !slices.Equal(wrong(got), want) {
		t.Errorf("wrong parts %q, want %q", wrong(got), want)
		for _, p := range got.Parts {
			t.Logf("%s: %v", p.What, p.Err)
		}
	}
}

func part(t testing.TB, r *Result, what string) Part {
	t.Helper()
	i := slices.IndexFunc(r.Parts, func(p Part) bool { return p.What == what })
	if i < 0 {
		t.Fatalf("no part %s in %q", what, names(r))
	}
	return r.Parts[i]
}

func remove(t testing.TB, file string) {
	t.Helper()
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
}

func numbered(n int) string { return fmt.Sprintf("%064x", n) }
