package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/zstd"

	"github.com/imageverify/verify/checksums"
)

// savedFixture is an archive of `docker save` in the making: what manifest.json
// says, and the other files, in order.
type savedFixture struct {
	t      testing.TB
	images []savedImage
	files  []tarEntry
}

// layerTar is a layer that holds one file.
func layerTar(t testing.TB, name string) []byte {
	return tarBytes(t, tarEntry{tar.Header{Name: name, Typeflag: tar.TypeReg}, []byte("content of " + name)})
}

func (f *savedFixture) file(name string, data []byte) {
	f.files = append(f.files, tarEntry{tar.Header{Name: name, Typeflag: tar.TypeReg}, data})
}

func (f *savedFixture) link(flag byte, name, target string) {
	f.files = append(f.files, tarEntry{tar.Header{Name: name, Typeflag: flag, Linkname: target}, nil})
}

// config is a config of those unpacked layers.
func (f *savedFixture) config(layers ...[]byte) []byte {
	f.t.Helper()
	c := v1.ConfigFile{OS: "linux", Architecture: "amd64", RootFS: v1.RootFS{Type: "layers"}}
	for i, l := range layers {
		c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, hashOf("sha256", l))
		c.History = append(c.History, v1.History{CreatedBy: fmt.Sprintf("layer %d", i)})
	}
	data, err := json.Marshal(c)
	if err != nil {
		f.t.Fatal(err)
	}
	return data
}

// old adds an image as Docker wrote it before version 25.
func (f *savedFixture) old(tag string, layers ...[]byte) savedImage {
	config := f.config(layers...)
	image := savedImage{Config: hashOf("sha256", config).Hex + ".json", RepoTags: tags(tag)}
	f.file(image.Config, config)
	for i, l := range layers {
		id := hashOf("sha256", fmt.Appendf(nil, "%d of %s", i, image.Config)).Hex
		f.file(id+"/VERSION", []byte("1.0"))
		f.file(id+"/layer.tar", l)
		image.Layers = append(image.Layers, id+"/layer.tar")
	}
	f.images = append(f.images, image)
	return image
}

// layout adds an image as Docker writes it since version 25, the layers as pack
// makes them: Docker with its own store does not compress them, with containerd's
// it does, as BuildKit's "type=docker" does.
func (f *savedFixture) layout(tag string, pack func(testing.TB, []byte) []byte, layers ...[]byte) savedImage {
	config := f.config(layers...)
	image := savedImage{Config: f.blob(config), RepoTags: tags(tag)}
	for _, l := range layers {
		image.Layers = append(image.Layers, f.blob(pack(f.t, l)))
	}
	f.images = append(f.images, image)
	return image
}

// blob adds a blob of a layout and returns its name.
func (f *savedFixture) blob(data []byte) string {
	name := "blobs/sha256/" + hashOf("sha256", data).Hex
	if !slices.ContainsFunc(f.files, func(e tarEntry) bool { return e.header.Name == name }) {
		f.file(name, data)
	}
	return name
}

func tags(tag string) []string {
	if tag == "" {
		return nil
	}
	return []string{tag}
}

// entries are all the archive's files, manifest.json last.
func (f *savedFixture) entries() []tarEntry {
	f.t.Helper()
	data, err := json.Marshal(f.images)
	if err != nil {
		f.t.Fatal(err)
	}
	return append(slices.Clip(f.files), tarEntry{tar.Header{Name: "manifest.json", Typeflag: tar.TypeReg}, data})
}

func (f *savedFixture) bytes() []byte { return tarBytes(f.t, f.entries()...) }

// replace changes the content of a file of the archive.
func (f *savedFixture) replace(name string, data []byte) {
	f.t.Helper()
	i := slices.IndexFunc(f.files, func(e tarEntry) bool { return e.header.Name == name })
	if i < 0 {
		f.t.Fatalf("there is no %s", name)
	}
	f.files[i].data = data
}

// open writes the archive and opens it.
func (f *savedFixture) open(t *testing.T, suffix string, o Options) (*Set, error) {
	t.Helper()
	return openFor(t, "docker-archive:"+fileOf(t, f.bytes())+suffix, o)
}

// fileOf writes a file.
func fileOf(t *testing.T, data []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "saved.tar")
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

func asItIs(_ testing.TB, data []byte) []byte { return data }

func gzipped(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zstded(t testing.TB, data []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(data, nil)
}

// problems reads all of an image as the check of its digests does, and lists what
// is wrong with it.
func problems(t *testing.T, i *Image) []string {
	t.Helper()
	var all []string
	note := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	c, err := i.Config(t.Context())
	if err != nil {
		return []string{"config: " + err.Error()}
	}
	if c.Got != c.Want.Digest || c.Want.Size != int64(len(c.Raw)) {
		note("config digest")
	}
	if c.File == nil {
		return append(all, "config malformed")
	}
	if len(c.File.RootFS.DiffIDs) != len(i.Manifest().Parsed.Layers) {
		note("layer count")
	}
	for n, d := range i.Manifest().Parsed.Layers {
		blob, err := i.Blob(t.Context(), d)
		if err != nil {
			note("layer %d absent", n)
			continue
		}
		l, err := checksums.ReadLayer(t.Context(), blob, checksums.LayerOptions{Size: d.Size})
		if err != nil {
			t.Fatal(err)
		}
		if l.Blob != d.Digest || l.BlobSize != d.Size {
			note("layer %d digest", n)
		} else if l.BlobErr != nil || n >= len(c.File.RootFS.DiffIDs) || l.DiffID != c.File.RootFS.DiffIDs[n] {
			note("layer %d diff ID", n)
		}
		l.Index.Close()
	}
	return all
}

// readOrAbsent fails unless a blob is absent or has the size that is said.
func readOrAbsent(t *testing.T, i *Image, d v1.Descriptor) {
	t.Helper()
	r, err := i.Blob(t.Context(), d)
	if err != nil {
		if !errors.As(err, new(*AbsentError)) && !errors.As(err, new(*FormatError)) {
			t.Fatalf("%s: error of type %T", d.Digest, err)
		}
		return
	}
	if n, err := io.Copy(io.Discard, r); err != nil {
		t.Fatalf("%s: %d bytes, %v", d.Digest, n, err)
	}
}
