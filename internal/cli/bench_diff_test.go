package cli

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"

	"github.com/imageverify/verify/checksums/checksumstest"
)

// knownChanges is how many differences the second image gets, in all ways of
// making one by turns.
const knownChanges = 100

// changeKinds are the ways of making a difference, with its class.
var changeKinds = []struct{ kind, class string }{
	{"content", "content"}, {"mode", "mode"}, {"owner", "owner"}, {"time", "time"}, {"symlink", "link"}, {"missing", "only-in-a"},
	{"extra", "only-in-b"}, {"xattr", "xattr"}, {"type", "type"}, {"copy", "link"},
}

// BenchmarkDiff compares two 1 GiB images on disk, of which the second has 100
// known differences, with what gunzip of both takes, two layers at a time,
// whole processes in turn. limit: ratio 1, peak 200 MiB.
func BenchmarkDiff(b *testing.B) {
	verify := buildProgram(b)
	a, changed := b.TempDir(), b.TempDir()
	writeLarge(b, a, nil)
	known := map[string]string{}
	writeLarge(b, changed, known)
	if len(known) != knownChanges {
		b.Fatalf("%d differences were made, not %d", len(known), knownChanges)
	}
	for b.Loop() {
		report := filepath.Join(b.TempDir(), "report.json")
		ours := run(b, verify, "diff", "oci:"+a, "oci:"+changed, "--platform", "linux/amd64", "--level", "files", "--no-cache", "-q",
			"--ignore", "content,mode,owner,only-in-a,only-in-b,xattr,type,link", "-o", "json="+report)
		checkFound(b, report, known)
		start := time.Now()
		gunzip := exec.Command("sh", "-c", `ls -S "$1"/blobs/sha256/* "$2"/blobs/sha256/* | xargs -P 2 -n 1 gzip -dcf >/dev/null`, "sh", a, changed)
		if out, err := gunzip.CombinedOutput(); err != nil {
			b.Fatalf("%v\n%s", err, out)
		}
		theirs := time.Since(start)
		b.ReportMetric(ours.wall.Seconds()/theirs.Seconds(), "ratio")
		b.ReportMetric(ours.wall.Seconds(), "verify-s")
		b.ReportMetric(theirs.Seconds(), "gunzip-s")
		b.ReportMetric(ours.peakMiB, "verify-MiB")
	}
}

// checkFound holds a report to the differences that were made, by path and
// class: each of them, and no other.
func checkFound(b *testing.B, report string, known map[string]string) {
	b.Helper()
	data, err := os.ReadFile(report)
	if err != nil {
		b.Fatal(err)
	}
	var r struct {
		Differences []struct{ Path, Class string }
	}
	if err := json.Unmarshal(data, &r); err != nil {
		b.Fatal(err)
	}
	found := map[string]string{}
	for _, d := range r.Differences {
		if found[d.Path] += d.Class; found[d.Path] != known[d.Path] {
			b.Errorf("%s %s was not made so", d.Class, d.Path)
		}
	}
	if len(found) != len(known) {
		b.Errorf("%d differences were found, and %d were made", len(found), len(known))
	}
}

// changer copies an archive into a folder of its own and makes differences in
// it; known takes their classes by path.
type changer struct {
	folder string
	kinds  []int // into changeKinds, in order
	known  map[string]string
	// file is the last regular file, which hard links name, and since how many
	// entries ago the last difference was made.
	file  entryOf
	since int
}

type entryOf struct {
	header tar.Header
	data   []byte
}

func (c *changer) copy(r io.Reader, w io.Writer) error {
	tr, tw := tar.NewReader(r), tar.NewWriter(w)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return tw.Close()
		}
		if err != nil {
			return err
		}
		h.Format, h.Name = tar.FormatPAX, c.folder+h.Name
		if h.Typeflag == tar.TypeLink {
			h.Linkname = c.folder + h.Linkname
		}
		data, err := io.ReadAll(tr)
		if err != nil {
			return err
		}
		if h.Typeflag == tar.TypeReg {
			c.file = entryOf{*h, slices.Clone(data)}
		}
		for _, e := range c.change(entryOf{*h, data}) {
			e.header.Size = int64(len(e.data))
			if err := tw.WriteHeader(&e.header); err != nil {
				return err
			}
			if _, err := tw.Write(e.data); err != nil {
				return err
			}
		}
	}
}

// change makes the next difference, where the entry is one for it.
func (c *changer) change(e entryOf) []entryOf {
	const apart = 100 // entries between two differences, at least
	c.since++
	if len(c.kinds) == 0 || c.since < apart {
		return []entryOf{e}
	}
	k := changeKinds[c.kinds[0]]
	if !fits(e, k.kind) {
		return []entryOf{e}
	}
	c.kinds, c.since = c.kinds[1:], 0
	name := e.header.Name
	if k.kind == "extra" {
		more := e
		more.header.Name += ".more"
		c.known[name+".more"] = k.class
		return []entryOf{e, more}
	}
	c.known[name] = k.class
	if k.kind == "missing" {
		return nil
	}
	return []entryOf{c.changed(e, k.kind)}
}

// fits reports whether an entry can be changed so: of files only those that no
// hard link names, so that a difference is one.
func fits(e entryOf, kind string) bool {
	h := e.header
	switch kind {
	case "symlink":
		return h.Typeflag == tar.TypeSymlink
	case "copy":
		return h.Typeflag == tar.TypeLink
	}
	return h.Typeflag == tar.TypeReg && len(e.data) > 0 && h.Name[len(h.Name)-5]%2 == 0
}

// changed makes one difference in an entry.
func (c *changer) changed(e entryOf, kind string) entryOf {
	h := &e.header
	switch kind {
	case "content":
		e.data[len(e.data)/2] ^= 1 // size and time kept
	case "mode":
		h.Mode ^= 0o100
	case "owner":
		h.Uid++
	case "time":
		h.ModTime = h.ModTime.Add(time.Hour)
	case "xattr":
		h.PAXRecords = map[string]string{"SCHILY.xattr.user.x": "1"}
	case "type":
		h.Typeflag, e.data = tar.TypeFifo, nil
	case "symlink":
		h.Linkname += ".other"
	case "copy":
		name := h.Name
		e = entryOf{c.file.header, c.file.data}
		e.header.Name = name
	}
	return e
}

// kindsOf are the differences of a layer.
func kindsOf(layer int) []int {
	var out []int
	for n := range knownChanges {
		if n*largeLayers/knownChanges == layer {
			out = append(out, n%len(changeKinds))
		}
	}
	return out
}

// writeLarge writes the large image as an OCI layout; with known differences,
// which are put into known, where that is not nil.
func writeLarge(b *testing.B, dir string, known map[string]string) {
	b.Helper()
	if err := os.MkdirAll(filepath.Join(dir, "blobs/sha256"), 0o755); err != nil {
		b.Fatal(err)
	}
	manifest := v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1}
	config := v1.ConfigFile{OS: "linux", Architecture: "amd64", RootFS: v1.RootFS{Type: "layers"}}
	for i := range largeLayers {
		desc, diffID := writeLargeLayer(b, dir, i, known)
		manifest.Layers = append(manifest.Layers, desc)
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, diffID)
		config.History = append(config.History, v1.History{CreatedBy: fmt.Sprintf("layer %d", i)})
	}
	manifest.Config = putBlob(b, dir, types.OCIConfigJSON, marshal(b, config))
	index := v1.IndexManifest{SchemaVersion: 2, Manifests: []v1.Descriptor{putBlob(b, dir, types.OCIManifestSchema1, marshal(b, manifest))}}
	for name, data := range map[string][]byte{"index.json": marshal(b, index), "oci-layout": []byte(`{"imageLayoutVersion":"1.0.0"}`)} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			b.Fatal(err)
		}
	}
}

func putBlob(b *testing.B, dir string, t types.MediaType, data []byte) v1.Descriptor {
	b.Helper()
	d := v1.Descriptor{MediaType: t, Digest: sumOf(sha256.Sum256(data)), Size: int64(len(data))}
	if err := os.WriteFile(filepath.Join(dir, "blobs/sha256", d.Digest.Hex), data, 0o600); err != nil {
		b.Fatal(err)
	}
	return d
}

func writeLargeLayer(b *testing.B, dir string, number int, known map[string]string) (v1.Descriptor, v1.Hash) {
	b.Helper()
	f, err := os.CreateTemp(dir, "layer")
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	digest, diffID := sha256.New(), sha256.New()
	z := gzip.NewWriter(io.MultiWriter(f, digest))
	r, w := io.Pipe()
	go func() { w.CloseWithError(checksumstest.Layer(w, int64(number), largeEntries, largeBytes)) }()
	c := changer{folder: fmt.Sprintf("l%d/", number), known: known}
	if known != nil {
		c.kinds = kindsOf(number)
	}
	if err := errors.Join(c.copy(r, io.MultiWriter(z, diffID)), z.Close()); err != nil {
		b.Fatal(err)
	}
	size, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		b.Fatal(err)
	}
	d := v1.Descriptor{MediaType: types.OCILayer, Digest: sumOf([32]byte(digest.Sum(nil))), Size: size}
	if err := os.Rename(f.Name(), filepath.Join(dir, "blobs/sha256", d.Digest.Hex)); err != nil {
		b.Fatal(err)
	}
	return d, sumOf([32]byte(diffID.Sum(nil)))
}
