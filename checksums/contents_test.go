package checksums

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"testing"
)

func TestContentsAreThoseOfTheDigestsAskedFor(t *testing.T) {
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	for _, f := range []struct{ name, text string }{{"./a", "old"}, {"b", "bbb"}, {"a", "new"}, {"c", "ccc"}} {
		if err := tw.WriteHeader(&tar.Header{Name: f.name, Mode: 0o644, Size: int64(len(f.text)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(tw, f.text); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	entry := func(text string) Entry {
		return Entry{Type: '0', Size: int64(len(text)), Digest: sha256.Sum256([]byte(text))}
	}
	want := map[string]Entry{"a": entry("new"), "b": entry("xxx"), "absent": entry("new")}
	got, err := ReadContents(context.Background(), &buf, want)
	if err != nil || len(got) != 1 || string(got["a"]) != "new" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := ReadContents(context.Background(), bytes.NewReader([]byte("no archive at all, of some length")), want); err == nil {
		t.Error("what is no archive is read without an error")
	}
}
