package checksums

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/internal/cache"
)

func openCache(t *testing.T) (*LayerCache, *cache.Dir) {
	t.Helper()
	d, err := cache.Open(filepath.Join(t.TempDir(), "cache"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return NewLayerCache(d), d
}

func TestAStoredLayerIsFoundWithAllItsFacts(t *testing.T) {
	c, _ := openCache(t)
	raw := archive(header{name: "b", typ: '0'}.with("x"), header{name: "a", typ: '5'}.with(""), tarEnd, "trailing")
	blob := gzipped(t, []byte(raw))
	l := readLayer(t, blob, LayerOptions{Size: -1})
	if _, found := c.Lookup(l.Blob, l.BlobSize); found {
		t.Fatal("found before it was stored")
	}
	if err := c.Store(l); err != nil {
		t.Fatal(err)
	}
	got, found := c.Lookup(l.Blob, l.BlobSize)
	if !found {
		t.Fatal("not found")
	}
	defer got.Index.Close()
	if !bytes.Equal(serialised(t, got.Index), serialised(t, l.Index)) || got.Index.Len() != 2 || got.Index.Bytes() != 1 {
		t.Error("index differs")
	}
	plain := *got
	plain.Index = nil
	if (plain != Layer{Blob: l.Blob, BlobSize: l.BlobSize, DiffID: l.DiffID, Unpacked: l.Unpacked, Compression: Gzip, Trailing: true, FromCache: true}) {
		t.Errorf("got %+v", plain)
	}
	if err := c.Store(got); err != nil {
		t.Errorf("storing what came from the cache: %v", err)
	}
}

func TestAnEvilBlobBesideACachedLayerIsNotFound(t *testing.T) {
	c, _ := openCache(t)
	clean := []byte(archive(header{name: "f", typ: '0'}.with("clean"), tarEnd))
	evil := gzipped(t, []byte(archive(header{name: "f", typ: '0'}.with("evil!"), tarEnd)))
	l := readLayer(t, gzipped(t, clean), LayerOptions{Size: -1})
	if err := c.Store(l); err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]struct {
		blob v1.Hash
		size int64
	}{
		"the evil blob": {hashOf(string(evil)), int64(len(evil))},
		"the evil blob under the clean one's size": {hashOf(string(evil)), l.BlobSize},
		"the clean digest with another size":       {l.Blob, l.BlobSize + 1},
		"the diff ID as the blob":                  {l.DiffID, l.Unpacked},
	} {
		if _, found := c.Lookup(key.blob, key.size); found {
			t.Errorf("%s: found", name)
		}
	}
}

func TestTheSameArchivePackedAnotherWaySharesTheIndexOnly(t *testing.T) {
	c, _ := openCache(t)
	raw := []byte(archive(header{name: "f", typ: '0'}.with("x"), tarEnd))
	packed, plain := readLayer(t, gzipped(t, raw), LayerOptions{Size: -1}), readLayer(t, raw, LayerOptions{Size: -1})
	if err := c.Store(packed); err != nil {
		t.Fatal(err)
	}
	if _, found := c.Lookup(plain.Blob, plain.BlobSize); found {
		t.Error("found by a blob that was never read")
	}
}

func TestOnlyWhatWasReadWithoutAnErrorIsKept(t *testing.T) {
	c, _ := openCache(t)
	raw := seededLayer(t, 9, 30, 50_000)
	blob := gzipped(t, raw)
	for name, l := range map[string]*Layer{
		"a cut blob":       readLayer(t, blob[:len(blob)/2], LayerOptions{Size: -1}),
		"a cut archive":    readLayer(t, raw[:len(raw)/2], LayerOptions{Size: -1}),
		"nothing at all":   {},
		"no digest at all": {Index: build(t, 0, nil), DiffID: hashOf("")},
	} {
		if err := c.Store(l); err == nil {
			t.Errorf("%s: kept", name)
		}
		if _, found := c.Lookup(l.Blob, l.BlobSize); found {
			t.Errorf("%s: found", name)
		}
	}
}

// records returns the cache's record files.
func recordFiles(t *testing.T, d *cache.Dir) []string {
	t.Helper()
	var files []string
	err := filepath.Walk(filepath.Join(d.Path(), "records"), func(path string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			files = append(files, path)
		}
		return err
	})
	if err != nil || len(files) != 2 {
		t.Fatalf("records %q, %v; want two", files, err)
	}
	return files
}

func TestADamagedRecordMisses(t *testing.T) {
	damages := map[string]func([]byte) []byte{
		"cut":     func(b []byte) []byte { return b[:len(b)-1] },
		"empty":   func([]byte) []byte { return nil },
		"longer":  func(b []byte) []byte { return append(b, 0) },
		"flipped": func(b []byte) []byte { b[len(b)-2] ^= 1; return b },
	}
	for name, damage := range damages {
		for i := range 2 {
			c, d := openCache(t)
			l := readLayer(t, seededLayer(t, 10, 30, 50_000), LayerOptions{Size: -1})
			if err := c.Store(l); err != nil {
				t.Fatal(err)
			}
			file := recordFiles(t, d)[i]
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, damage(slices.Clone(data)), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, found := c.Lookup(l.Blob, l.BlobSize); found {
				t.Errorf("%s: %s was believed", name, file)
			}
		}
	}
}

func TestARecordWithTheRightDigestAndTheWrongContentMisses(t *testing.T) {
	c, d := openCache(t)
	blob := hashOf("blob")
	diffID := hashOf("diff")
	putIndex := func(data []byte) {
		w, err := d.Create(indexKind, indexVersion, diffID.String())
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
		if err := w.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	good := `{"diffID":"` + diffID.String() + `","unpacked":1,"compression":"gzip","trailing":false}`
	putIndex(serialised(t, build(t, 0, nil)))
	for record, want := range map[string]bool{
		good:                           true,
		"":                             false,
		"{}":                           false,
		`{"diffID":"sha256:00"}`:       false,
		good[:len(good)-1] + `,"x":1}`: false,
		`{"diffID":"` + diffID.String() + `","unpacked":-1,"compression":"gzip"}`: false,
		`{"diffID":"` + diffID.String() + `","unpacked":1,"compression":"lz4"}`:   false,
	} {
		if err := d.Put(blobKind, blobVersion, blobKey(blob, 1), []byte(record)); err != nil {
			t.Fatal(err)
		}
		if _, found := c.Lookup(blob, 1); found != want {
			t.Errorf("%s: found %v, want %v", record, found, want)
		}
	}
	if err := d.Put(blobKind, blobVersion, blobKey(blob, 1), []byte(good)); err != nil {
		t.Fatal(err)
	}
	putIndex([]byte("garbage that is long enough to have a header"))
	if _, found := c.Lookup(blob, 1); found {
		t.Error("an index that is none was believed")
	}
}

func TestALayerIsKeptUnderItsDigestsAlgorithm(t *testing.T) {
	c, _ := openCache(t)
	blob := gzipped(t, []byte(archive(header{name: "f", typ: '0'}.with("x"), tarEnd)))
	short, long := readLayer(t, blob, LayerOptions{Size: -1}), readLayer(t, blob, LayerOptions{Size: -1, Algorithm: "sha512"})
	if err := c.Store(long); err != nil {
		t.Fatal(err)
	}
	got, found := c.Lookup(long.Blob, long.BlobSize)
	if !found || got.Blob != long.Blob || got.DiffID != short.DiffID {
		t.Fatalf("found %v, %+v", found, got)
	}
	got.Index.Close()
	for _, h := range []v1.Hash{short.Blob, {Algorithm: "sha256", Hex: long.Blob.Hex}, {Algorithm: "sha512", Hex: short.Blob.Hex}} {
		if _, found := c.Lookup(h, long.BlobSize); found {
			t.Errorf("%s: found", h)
		}
	}
}

func TestARecordOfAnOlderFormMisses(t *testing.T) {
	c, d := openCache(t)
	l := readLayer(t, nil, LayerOptions{Size: 0})
	if err := c.Store(l); err != nil {
		t.Fatal(err)
	}
	w, err := d.Create(indexKind, indexVersion, l.DiffID.String())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, err := w.Write(append([]byte("vindex\x00\x01"), make([]byte, 16)...)); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	if _, found := c.Lookup(l.Blob, l.BlobSize); found {
		t.Error("an index of version 1 was believed")
	}
}

func TestNoCacheKeepsNothing(t *testing.T) {
	c := NewLayerCache(nil)
	l := readLayer(t, nil, LayerOptions{Size: 0})
	if err := c.Store(l); err != nil {
		t.Fatal(err)
	}
	if _, found := c.Lookup(l.Blob, l.BlobSize); found {
		t.Error("found")
	}
}

// The law: a record that parses has a known compression and a size, and written
// back it parses to the same.
func FuzzParseBlobRecord(f *testing.F) {
	const hash = `"sha256:0123456789012345678901234567890123456789012345678901234567890123"`
	f.Add([]byte(`{"diffID":` + hash + `,"unpacked":10240,"compression":"gzip","trailing":true}`))
	f.Add([]byte(`{"diffID":` + hash + `,"unpacked":-1,"compression":"none","trailing":false}`))
	f.Add([]byte(`{"diffID":"sha512:00","unpacked":1,"compression":"lzma"} {}`))
	f.Add([]byte(`{"unpacked":1,"other":2}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		rec, err := parseBlobRecord(data)
		if err != nil {
			if rec != (blobRecord{}) {
				t.Fatalf("an error with %+v", rec)
			}
			return
		}
		if rec.Unpacked < 0 || rec.Compression == "" || len(rec.DiffID.Hex) != 64 {
			t.Fatalf("%+v", rec)
		}
		written, err := json.Marshal(rec)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := parseBlobRecord(written); err != nil || again != rec {
			t.Errorf("%s became %+v, %v", written, again, err)
		}
	})
}
