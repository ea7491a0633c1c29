package filetree

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestNoiseIsKnownByItsPlace(t *testing.T) {
	tests := []struct {
		path  string
		class Class
		want  string
	}{
		{"bin/sh", Time, "time"},
		{"bin/sh", Content, ""},
		{"var/log/dpkg.log", Content, "package-log"},
		{"var/log/dpkg.log", Mode, ""},
		{"var/log/app/x", OnlyInB, "log"},
		{"var/logs/x", Content, ""},
		{"etc/machine-id", Content, "machine-id"},
		{"etc/machine-id", Owner, ""},
		{"var/cache/ldconfig/aux-cache", Content, "ldconfig-cache"},
		{"usr/lib/python3/x.pyc", Content, "pyc-stamp"},
		{"usr/lib/python3/x.pyc", OnlyInA, ""},
		{"lib/apk/db/installed", Content, "apk-db-order"},
		{"usr/share/man/x.1.gz", Content, "gzip-header"},
	}
	for _, test := range tests {
		n, _, _ := NoiseAt(test.path, test.class)
		if n.Name != test.want {
			t.Errorf("%s, %s: %q, want %q", test.path, test.class, n.Name, test.want)
		}
	}
}

func gzipped(t testing.TB, name string, when time.Time, text string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	w.Name, w.ModTime = name, when
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestContentsTellWhetherADifferenceIsNoise(t *testing.T) {
	code := strings.Repeat("c", 40)
	pyc := func(stamp, code string) []byte { return []byte("\xcb\x0d\x0d\x0a\x00\x00\x00\x00" + stamp + code) }
	tests := []struct {
		path string
		a, b []byte
		want bool
	}{
		{"x.pyc", pyc("11112222", code), pyc("33334444", code), true},
		{"x.pyc", pyc("11112222", code), pyc("33334444", code+"!"), false},
		{"x.pyc", []byte("short"), []byte("other"), false},
		{"lib/apk/db/installed", []byte("P:a\nV:1\n\nP:b\nV:2\n\n"), []byte("P:b\nV:2\n\nP:a\nV:1\n\n"), true},
		{"lib/apk/db/installed", []byte("P:a\nV:1\n\nP:b\nV:2\n\n"), []byte("P:b\nV:2\n\nP:a\nV:3\n\n"), false},
		{"x.gz", gzipped(t, "n", time.Unix(1, 0), "text"), gzipped(t, "", time.Unix(9, 0), "text"), true},
		{"x.gz", gzipped(t, "n", time.Unix(1, 0), "text"), gzipped(t, "n", time.Unix(1, 0), "test"), false},
		{"x.gz", []byte("\x1f\x8b\x08\x08cut"), []byte("\x1f\x8b\x08\x08cuts"), false},
	}
	for _, test := range tests {
		n, needs, ok := NoiseAt(test.path, Content)
		if !ok || !needs {
			t.Fatalf("%s: %v, %v", test.path, needs, ok)
		}
		if got := n.Told(test.a, test.b); got != test.want {
			t.Errorf("%s: %q and %q: %v", test.path, test.a, test.b, got)
		}
	}
}

func tarred(t testing.TB, files ...string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, f := range files {
		name, text, _ := strings.Cut(f, "=")
		if err := w.WriteHeader(&tar.Header{Name: name, Size: int64(len(text)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func zipped(t testing.TB, files ...string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for _, f := range files {
		name, text, _ := strings.Cut(f, "=")
		member, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := member.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestAChangeReadsLikeThis(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		a, b []byte
		want []string
	}{
		"lines of a text":           {[]byte("a\nb\nc\nd\n"), []byte("a\nb\nx\nd\n"), []string{"@@ -2,3 +2,3 @@", " b", "-c", "+x", " d"}},
		"members of a tar":          {tarred(t, "a=1", "b=1", "c=1"), tarred(t, "a=1", "b=2", "d=1"), []string{"member differs: b", "member only in a: c", "member only in b: d"}},
		"members of a gzipped tar":  {gzipped(t, "", time.Time{}, string(tarred(t, "a=1"))), gzipped(t, "", time.Time{}, string(tarred(t, "a=2"))), []string{"member differs: a"}},
		"members of a zip":          {zipped(t, "a=1", "b=1", "c=1"), zipped(t, "a=1", "b=2", "d=1"), []string{"member differs: b", "member only in a: c", "member only in b: d"}},
		"what a gzip file holds":    {gzipped(t, "", time.Time{}, "\x00one"), gzipped(t, "", time.Time{}, "\x00two"), []string{"member differs: (what the gzip file holds)"}},
		"a picture and a script":    {[]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"), []byte("#!/bin/sh\n"), []string{"a is image/png", "b is text/x-shellscript"}},
		"one program, another kind": {[]byte{0, 1, 2}, nil, []string{"a is application/octet-stream", "b is empty"}},
		"binary files of one kind":  {[]byte{0, 1, 2}, []byte{0, 1, 3}, []string{"both are application/octet-stream; they part at byte 2"}},
	}
	for name, test := range tests {
		if got := Change(test.a, test.b); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
	if got := Change(program, []byte{0}); len(got) != 2 || !strings.HasPrefix(got[0], "a is ELF 64 ") {
		t.Errorf("%q", got)
	}
	long := Change([]byte(strings.Repeat("a\n", 300)), []byte(strings.Repeat("b\n", 300)))
	if len(long) != maxChangeLines+1 || !strings.HasPrefix(long[maxChangeLines], "… and ") {
		t.Errorf("%d lines, the last %q", len(long), long[len(long)-1])
	}
}
