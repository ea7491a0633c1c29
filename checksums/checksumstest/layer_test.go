package checksumstest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"testing"
)

func TestALayerIsTheSameForTheSameSeed(t *testing.T) {
	var a, b, c bytes.Buffer
	for w, seed := range map[*bytes.Buffer]int64{&a: 1, &b: 1, &c: 2} {
		if err := Layer(w, seed, 100, 1<<20); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("the same seed gave other bytes")
	}
	if bytes.Equal(a.Bytes(), c.Bytes()) {
		t.Error("another seed gave the same bytes")
	}
}

func TestALayerIsAsLargeAsAsked(t *testing.T) {
	const entries, size = 2000, 16 << 20
	var b, z bytes.Buffer
	if err := Layer(&b, 3, entries, size); err != nil {
		t.Fatal(err)
	}
	n, content := 0, int64(0)
	for tr := tar.NewReader(&b); ; n++ {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		content += h.Size
	}
	if n != entries || content < size*9/10 || content > size*11/10 {
		t.Errorf("%d entries, %d bytes; want %d, about %d", n, content, entries, size)
	}
	if err := Layer(&b, 3, entries, size); err != nil {
		t.Fatal(err)
	}
	raw := b.Len()
	w := gzip.NewWriter(&z)
	if _, err := w.Write(b.Bytes()); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if ratio := float64(raw) / float64(z.Len()); ratio < 2.5 || ratio > 3.5 {
		t.Errorf("gzip makes it %.2f times smaller, want about 3", ratio)
	}
}
