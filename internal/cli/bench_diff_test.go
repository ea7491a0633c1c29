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
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"

	"github.com/imageverify/verify/checksums/checksumstest"
)

// changesPerLayer is how many known differences a changed layer gets.
const changesPerLayer = 8

// changedClasses are made by turns; a hard link made a copy is a link.
var changedClasses = []string{"content", "mode", "owner", "time", "only-in-a", "xattr", "type", "only-in-b"}

// BenchmarkDiff compares two 1 GiB images on disk, of which the second has 64
// known differences, with what gunzip of both takes, two layers at a time,
// whole processes in turn. limit: ratio 1, peak 200 MiB.
func BenchmarkDiff(b *testing.B) {
	verify := buildProgram(b)
	a, changed := b.TempDir(), b.TempDir()
	writeLarge(b, a, 0)
	writeLarge(b, changed, changesPerLayer)
	for b.Loop() {
		report := filepath.Join(b.TempDir(), "report.json")
		ours := run(b, verify, "diff", "oci:"+a, "oci:"+changed, "--platform", "linux/amd64", "--level", "files", "--no-cache", "-q",
			"--ignore", "content,mode,owner,only-in-a,only-in-b,xattr,type", "-o", "json="+report)
		checkFound(b, report)
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

// checkFound holds a report to the differences that were made.
func checkFound(b *testing.B, report string) {
	b.Helper()
	data, err := os.ReadFile(report)
	if err != nil {
		b.Fatal(err)
	}
	var r struct{ Counts map[string]int }
	if err := json.Unmarshal(data, &r); err != nil {
		b.Fatal(err)
	}
	total := 0
	for _, class := range changedClasses {
		total += r.Counts[class]
		if want := largeLayers * changesPerLayer / len(changedClasses); r.Counts[class] != want {
			b.Errorf("%d differences of the class %s, want %d", r.Counts[class], class, want)
		}
	}
	for class, n := range r.Counts {
		if class != "config" && class != "format" {
			total -= n
		}
	}
	if total != 0 {
		b.Errorf("differences were invented: %v", r.Counts)
	}
}

// changeTar copies an archive into a folder of its own and makes a number of
// differences in its files.
func changeTar(r io.Reader, w io.Writer, folder string, changes int) error {
	tr, tw := tar.NewReader(r), tar.NewWriter(w)
	made, files := 0, 0
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return tw.Close()
		}
		if err != nil {
			return err
		}
		h.Format, h.Name = tar.FormatPAX, folder+h.Name
		if h.Typeflag == tar.TypeLink {
			h.Linkname = folder + h.Linkname
		}
		data, err := io.ReadAll(tr)
		if err != nil {
			return err
		}
		// Only files that no hard link names, so that a difference is one.
		lone := h.Typeflag == tar.TypeReg && len(data) > 0 && h.Name[len(h.Name)-5]%2 == 0
		if lone {
			files++
		}
		class := ""
		if lone && files%500 == 0 && made < changes {
			class = changedClasses[made%len(changedClasses)]
			made++
		}
		if data = changeEntry(h, data, class); data == nil {
			continue
		}
		if err := writeEntry(tw, h, data); err != nil {
			return err
		}
		if class == "only-in-b" {
			h.Name += ".more"
			if err := writeEntry(tw, h, data); err != nil {
				return err
			}
		}
	}
}

func writeEntry(tw *tar.Writer, h *tar.Header, data []byte) error {
	h.Size = int64(len(data))
	if err := tw.WriteHeader(h); err != nil {
		return err
	}
	_, err := tw.Write(data)
	return err
}

// changeEntry makes one difference; nil content leaves the entry out.
func changeEntry(h *tar.Header, data []byte, class string) []byte {
	switch class {
	case "content":
		data[len(data)/2] ^= 1
	case "mode":
		h.Mode ^= 0o100
	case "owner":
		h.Uid++
	case "time":
		h.ModTime = h.ModTime.Add(time.Hour)
	case "xattr":
		h.PAXRecords = map[string]string{"SCHILY.xattr.user.x": "1"}
	case "type":
		h.Typeflag = tar.TypeFifo
		return []byte{}
	case "only-in-a":
		return nil
	}
	return data
}

// writeLarge writes the large image as an OCI layout, with a number of changes
// in each layer.
func writeLarge(b *testing.B, dir string, changes int) {
	b.Helper()
	if err := os.MkdirAll(filepath.Join(dir, "blobs/sha256"), 0o755); err != nil {
		b.Fatal(err)
	}
	manifest := v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1}
	config := v1.ConfigFile{OS: "linux", Architecture: "amd64", RootFS: v1.RootFS{Type: "layers"}}
	for i := range largeLayers {
		desc, diffID := writeLargeLayer(b, dir, i, changes)
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

func writeLargeLayer(b *testing.B, dir string, number, changes int) (v1.Descriptor, v1.Hash) {
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
	if err := errors.Join(changeTar(r, io.MultiWriter(z, diffID), fmt.Sprintf("l%d/", number), changes), z.Close()); err != nil {
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
