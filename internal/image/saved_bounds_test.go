package image

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/imageverify/verify/checksums"
)

func TestListsOfASavedArchiveAreBoundedOnBothSides(t *testing.T) {
	for _, over := range []int{0, 1} {
		for name, text := range map[string]string{
			"layers": `[{"Config":"x","Layers":` + filler(MaxLayers+over, `"a"`) + `}]`,
			"images": filler(MaxSavedImages+over, `{"Config":"x"}`),
		} {
			_, err := parseSaved([]byte(text), "here")
			if limited := errors.As(err, new(*LimitError)); limited != (over == 1) {
				t.Errorf("%s, %d over: %v", name, over, err)
			}
		}
		text := `[{"Config":"x"}]`
		manifest := tarEntry{tar.Header{Name: "manifest.json", Typeflag: tar.TypeReg},
			[]byte(text + strings.Repeat(" ", MaxManifestBytes-len(text)+over))}
		_, err := openFor(t, "docker-archive:"+tarOf(t, manifest), Options{})
		if limited := errors.As(err, new(*LimitError)); limited != (over == 1) {
			t.Errorf("a manifest.json of %d bytes: %v", len(manifest.data), err)
		}
	}
}

func TestNamesInASavedArchiveAreBounded(t *testing.T) {
	for _, over := range []int{0, 1} {
		long := strings.Repeat("a", MaxArchivePath+over)
		files, err := scanned(t, tarBytes(t, tarEntry{tar.Header{Name: long, Typeflag: tar.TypeReg}, nil}), inSaved)
		if err != nil || len(files) != 1-over {
			t.Errorf("a name of %d bytes: %d files, %v", len(long), len(files), err)
		}

		const length = 1 << 10
		s := scanner{keep: inSaved, at: position(bytes.NewReader(nil)), files: map[string]extent{}}
		for i := range MaxArchiveNames/length + over {
			if err = s.add(&tar.Header{Name: fmt.Sprintf("%0*d", length, i), Typeflag: tar.TypeReg}); err != nil {
				break
			}
		}
		if limited := errors.As(err, new(*LimitError)); limited != (over == 1) {
			t.Errorf("%d names over: %v", over, err)
		}
	}
}

func TestATemporaryFileIsBoundedOnBothSides(t *testing.T) {
	data := tarBytes(t, tarEntry{tar.Header{Name: "x", Typeflag: tar.TypeReg}, make([]byte, 4096)})
	used := int64(len(data)) // with the two blocks that end it
	for limit, want := range map[int64]bool{used: true, used - 1: false, 1024: false, 0: false} {
		file, _, err := spool(t.Context(), bytes.NewReader(data), inSaved, Options{}.spill(), limit)
		if (err == nil) != want || !want && !errors.As(err, new(*LimitError)) {
			t.Errorf("%d bytes into %d: %v", used, limit, err)
		}
		if err == nil {
			file.Close()
		}
	}
	s := spooler{limit: MaxSpoolBytes, n: 512}
	if _, err := s.at(MaxSpoolBytes - 512); err != nil {
		t.Error(err)
	}
	_, err := s.at(MaxSpoolBytes - 511)
	wantError(t, err, "bytes to keep in a temporary file: over the limit of 17179869184",
		"save and unpack it first: a plain archive is read where it lies")
}

func TestABombIsRefusedBeforeItIsUnpacked(t *testing.T) {
	var claims bytes.Buffer
	if err := tar.NewWriter(&claims).WriteHeader(&tar.Header{Name: "x/layer.tar", Typeflag: tar.TypeReg, Size: 100 << 30}); err != nil {
		t.Fatal(err)
	}
	claims.Write(make([]byte, 1<<20))
	window := append([]byte("\x28\xb5\x2f\xfd"), 0x00, (29-10)<<3) // a frame with a window of 512 MiB
	for _, c := range []struct {
		name, problem string
		data          []byte
	}{
		{"an entry of 100 GiB", "over the limit of 17179869184", gzipped(t, claims.Bytes())},
		{"a window of 512 MiB", "bytes of zstd window", append(window, make([]byte, 100)...)},
		{"10 million empty entries", "entries: over the limit of 100000", gzipped(t, bytes.Repeat(tarBytes(t,
			tarEntry{tar.Header{Name: "x/", Typeflag: tar.TypeDir}, nil})[:512], MaxArchiveEntries+1))},
	} {
		var spooled *os.File
		_, err := openFor(t, "docker-archive:"+fileOf(t, c.data), Options{Spill: func() (*os.File, error) {
			var err error
			spooled, err = os.CreateTemp(t.TempDir(), "")
			return spooled, err
		}})
		if err == nil || !strings.Contains(err.Error(), c.problem) {
			t.Errorf("%s: %v", c.name, err)
		}
		limited := errors.As(err, new(*LimitError)) || errors.As(err, new(*checksums.LimitError))
		if info, bad := os.Stat(spooled.Name()); bad != nil || info.Size() > 100<<20 || !limited {
			t.Errorf("%s: %v, %v, %v", c.name, info, bad, err)
		}
		if _, bad := spooled.Stat(); !errors.Is(bad, os.ErrClosed) {
			t.Errorf("%s: the temporary file is open: %v", c.name, bad)
		}
	}
}

func TestATemporaryFileThatFailsIsNotTheImagesFault(t *testing.T) {
	f := &savedFixture{t: t}
	f.old("a:1", layerTar(t, "one"))
	file := fileOf(t, gzipped(t, f.bytes()))
	full := errors.New("disk is full")
	for name, spill := range map[string]func() (*os.File, error){
		"none to be had":      func() (*os.File, error) { return nil, full },
		"one that is closed":  func() (*os.File, error) { x, _ := os.CreateTemp(t.TempDir(), ""); x.Close(); return x, nil },
		"one that only reads": func() (*os.File, error) { return os.Open(file) },
	} {
		_, err := openFor(t, "docker-archive:"+file, Options{Spill: spill})
		if err == nil || !strings.HasPrefix(err.Error(), "docker-archive:"+file+": temporary file: ") || errors.As(err, new(*ReferenceError)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNothingIsLeftOfATemporaryFile(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	f := &savedFixture{t: t}
	f.old("a:1", layerTar(t, "one"))
	for _, data := range [][]byte{f.bytes(), gzipped(t, f.bytes())} {
		set, err := openFor(t, "docker-archive:"+fileOf(t, data), Options{})
		if err != nil {
			t.Fatal(err)
		}
		layer := set.Images[0].Manifest().Parsed.Layers[0]
		if err := set.Close(); err != nil {
			t.Fatal(err)
		}
		if r, err := set.Images[0].Blob(t.Context(), layer); err == nil {
			if _, err = io.ReadAll(r); err == nil {
				t.Error("a closed archive is read")
			}
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, "verify-*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left: %q, %v", left, err)
	}
}

func TestOpeningASavedArchiveStopsWithItsContext(t *testing.T) {
	f := &savedFixture{t: t}
	f.old("a:1", layerTar(t, "one"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, data := range [][]byte{f.bytes(), gzipped(t, f.bytes())} {
		if _, err := Open(ctx, "docker-archive:"+fileOf(t, data), Options{}); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
}

func TestManyNamesOfOneLayerAreHashedOnce(t *testing.T) {
	f := &savedFixture{t: t}
	f.old("a:1", layerTar(t, "one"))
	f.images[0].Layers = slices.Repeat([]string{f.images[0].Layers[0]}, MaxLayers)
	set, err := f.open(t, "", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(set.Images[0].src.(*saved).hashed); n > 1 {
		t.Errorf("%d files hashed", n)
	}
}
