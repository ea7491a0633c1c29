package checksums

import (
	"archive/tar"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/internal/corpus"
)

// TestRealLayersUnpackToTheirDiffIDs reads every layer of every real image in
// the corpus whose config names it.
func TestRealLayersUnpackToTheirDiffIDs(t *testing.T) {
	dir := corpus.Dir(t)
	for image, want := range map[string]int{"alpine-3.20.3": 2, "alpine-3.14.10": 2, "hello-world-linux": 1} {
		blobs := filepath.Join(dir, "images", image, "blobs", "sha256")
		names, err := os.ReadDir(blobs)
		if err != nil {
			t.Fatal(err)
		}
		layers := 0
		for _, name := range names {
			var m v1.Manifest
			var c v1.ConfigFile
			if !parsed(t, filepath.Join(blobs, name.Name()), &m) || len(m.Layers) == 0 {
				continue
			}
			if !parsed(t, filepath.Join(blobs, m.Config.Digest.Hex), &c) {
				t.Fatalf("%s: config %s cannot be read", image, m.Config.Digest)
			}
			for i, d := range m.Layers {
				readReal(t, filepath.Join(blobs, d.Digest.Hex), d, c.RootFS.DiffIDs[i])
				layers++
			}
		}
		if layers != want {
			t.Errorf("%s: %d layers, want %d", image, layers, want)
		}
	}
}

// parsed reads small JSON files into v and reports whether it could.
func parsed(t *testing.T, path string, v any) bool {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > 1<<20 {
		return false
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return json.Unmarshal(data, v) == nil
}

func readReal(t *testing.T, path string, d v1.Descriptor, diffID v1.Hash) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	l, err := ReadLayer(context.Background(), f, LayerOptions{Size: d.Size})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Index.Close()
	if l.Blob != d.Digest || l.BlobSize != d.Size || l.DiffID != diffID || l.Compression != Gzip || l.Trailing {
		t.Errorf("%s: got %+v", path, l)
	}
	if l.BlobErr != nil || l.TarErr != nil || l.Index.Len() == 0 {
		t.Fatalf("%s: %v, %v", path, l.BlobErr, l.TarErr)
	}
	// Builders write layers in walk order, and nothing odd into them.
	next := 0
	for e, err := range l.Index.Entries() {
		if err != nil || e.Seq != next || e.Odd != "" {
			t.Fatalf("%s: entry %d (%s) has place %d, odd %q, %v", path, next, e.Path, e.Seq, e.Odd, err)
		}
		next++
	}
}

// TestRealBuildersLayersAreRead reads the archives that builders wrote, and the
// layers in them.
func TestRealBuildersLayersAreRead(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(corpus.Dir(t), "builders", "*.tar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no archives in the corpus: %v", err)
	}
	for _, path := range files {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		l, err := ReadLayer(context.Background(), f, LayerOptions{Size: -1})
		f.Close()
		if err != nil || l.BlobErr != nil || l.TarErr != nil || l.Index.Len() == 0 || l.Trailing {
			t.Errorf("%s: %+v, %v", path, l, err)
		}
		readInner(t, path)
	}
}

// readInner checks that no layer of a saved image holds anything odd.
func readInner(t *testing.T, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	layers := 0
	for tr := tar.NewReader(f); ; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Base(h.Name) != "layer.tar" {
			continue
		}
		layers++
		l, err := ReadLayer(t.Context(), tr, LayerOptions{Size: -1})
		if err != nil || l.Index == nil {
			t.Fatalf("%s: %s: %+v, %v", path, h.Name, l, err)
		}
		for _, e := range entriesOf(t, l.Index) {
			if e.Odd != "" {
				t.Errorf("%s: %s: %s is odd: %s", path, h.Name, e.Path, e.Odd)
			}
		}
	}
	if layers == 0 {
		t.Errorf("%s: no layers", path)
	}
}
