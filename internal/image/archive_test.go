package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func TestAnArchiveIsOpenedLikeTheLayoutInIt(t *testing.T) {
	for _, prefix := range []string{"", "./", "/", ".//"} {
		f := newFixture(t)
		amd, arm := f.image("linux/amd64"), f.image("linux/arm64")
		f.root = []v1.Descriptor{refName(f.index(amd, arm), "alpine:3.20.3")}
		entries := append([]tarEntry{{tar.Header{Name: prefix + "blobs/", Typeflag: tar.TypeDir}, nil},
			{tar.Header{Name: prefix + "blobs/", Typeflag: tar.TypeDir}, nil}}, f.entries(prefix)...)
		file := tarOf(t, entries...)
		for _, suffix := range []string{"", ":alpine:3.20.3", ":3.20.3", "@" + arm.Digest.String()} {
			set, err := openFor(t, "oci-archive:"+file+suffix, explicit(t, "linux/arm64"))
			if err != nil {
				t.Fatalf("prefix %q: %v", prefix, err)
			}
			wantDigests(t, set, arm)
			if r := set.Reference; r.Kind != KindArchive || r.Name != "docker.io/library/alpine:3.20.3" {
				t.Errorf("%+v", r)
			}
			layer := set.Images[0].Manifest().Parsed.Layers[0]
			r, err := set.Images[0].Blob(t.Context(), layer)
			if err != nil {
				t.Fatal(err)
			}
			if data, err := io.ReadAll(r); err != nil || string(data) != "layer of linux/arm64" {
				t.Errorf("layer %q, %v", data, err)
			}
		}
	}
}

func TestAnArchiveIsReadThroughTheFileOpenedFirst(t *testing.T) {
	f := newFixture(t)
	f.root = []v1.Descriptor{f.manifest("linux/amd64")}
	file := tarOf(t, f.entries("")...)
	set, err := openFor(t, "oci-archive:"+file, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if c, err := set.Images[0].Config(t.Context()); err != nil || c.Got != c.Want.Digest {
		t.Errorf("config %+v, %v", c, err)
	}
}

func TestArchivesThatAreRefused(t *testing.T) {
	f := newFixture(t)
	f.root = []v1.Descriptor{f.manifest("linux/amd64")}
	good := f.entries("")
	regular := func(name, data string) tarEntry {
		return tarEntry{tar.Header{Name: name, Typeflag: tar.TypeReg}, []byte(data)}
	}
	link := func(name, to string) tarEntry {
		return tarEntry{tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: to}, nil}
	}
	without := func(name string) []tarEntry {
		var kept []tarEntry
		for _, e := range good {
			if e.header.Name != name {
				kept = append(kept, e)
			}
		}
		return kept
	}
	const hint = "a layout has the files oci-layout and index.json and the directory blobs"
	for _, c := range []struct {
		name, problem, hint string
		entries             []tarEntry
	}{
		{"index.json twice", `not a readable tar archive: "index.json" stands there twice`, "", append(good, regular("index.json", "{}"))},
		{"index.json twice, once in disguise", `not a readable tar archive: "index.json" stands there twice`, "", append(good, regular("./x/../index.json", "{}"))},
		{"index.json also as a link", `not a readable tar archive: "index.json" stands there twice`, "", append(good, link("/index.json", "x"))},
		{"index.json is a link", "not an OCI layout: index.json is a link in the archive, which is not followed", "", append(without("index.json"), link("index.json", "real.json"))},
		{"index.json is a hard link", "not an OCI layout: index.json is a link in the archive, which is not followed", "",
			append(without("index.json"), tarEntry{tar.Header{Name: "index.json", Typeflag: tar.TypeLink, Linkname: "oci-layout"}, nil})},
		{"index.json is a pipe", "not an OCI layout: index.json is not a regular file", "",
			append(without("index.json"), tarEntry{tar.Header{Name: "index.json", Typeflag: tar.TypeFifo}, nil})},
		{"index.json is above the root", "not an OCI layout: it has no index.json", hint, append(without("index.json"), regular("../index.json", "{}"))},
		{"no oci-layout", "not an OCI layout: it has no oci-layout", hint, without("oci-layout")},
		{"an archive of docker save", "not an OCI layout: it has no oci-layout", "it is what docker save writes: write docker-archive:FILE",
			[]tarEntry{regular("manifest.json", "[]")}},
	} {
		file := tarOf(t, c.entries...)
		_, err := openFor(t, "oci-archive:"+file, Options{})
		wantError(t, err, "oci-archive:"+file+": "+c.problem, strings.ReplaceAll(c.hint, "FILE", file))
	}
}

func TestBlobsThatAreLinksInAnArchiveAreAbsent(t *testing.T) {
	f := newFixture(t)
	var layer v1.Descriptor
	f.root = []v1.Descriptor{f.manifest("linux/amd64", func(m *v1.Manifest) { layer = m.Layers[0] })}
	delete(f.blobs, layer.Digest)
	name := "blobs/sha256/" + layer.Digest.Hex
	file := tarOf(t, append(f.entries(""), tarEntry{tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: "../../index.json"}, nil})...)
	set, err := openFor(t, "oci-archive:"+file, Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = set.Images[0].Blob(t.Context(), layer)
	wantError(t, err, layer.Digest.String()+" is absent from oci-archive:"+file+": is a link in the archive, which is not followed",
		"it is named there but not stored: fetch the whole image")
}

func TestSparseEntriesAreNotContent(t *testing.T) {
	for _, records := range []map[string]string{
		{"GNU.sparse.major": "1"},
		{"GNU.sparse.map": "0,1"},
	} {
		if notRegular(&tar.Header{Typeflag: tar.TypeReg, PAXRecords: records}) == "" {
			t.Errorf("%v is taken for a plain file", records)
		}
	}
	if notRegular(&tar.Header{Typeflag: tar.TypeGNUSparse}) == "" || notRegular(&tar.Header{Typeflag: tar.TypeReg}) != "" {
		t.Error("type flags are misjudged")
	}
}

func TestCompressedAndCutArchivesAreRefused(t *testing.T) {
	f := newFixture(t)
	f.root = []v1.Descriptor{f.manifest("linux/amd64")}
	plain, err := os.ReadFile(tarOf(t, f.entries("")...))
	if err != nil {
		t.Fatal(err)
	}
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	w.Write(plain)
	w.Close()
	for _, c := range []struct {
		name, problem, hint string
		data                []byte
	}{
		{"gzip", "is compressed with gzip", "decompress it first", zipped.Bytes()},
		{"zstd", "is compressed with zstd", "decompress it first", []byte("\x28\xb5\x2f\xfd\x00")},
		{"cut in a content", "not a readable tar archive: unexpected EOF", "", plain[:700]},
		{"cut in a header", "not a readable tar archive: unexpected EOF", "", plain[:100]},
		{"text", "not a readable tar archive: archive/tar: invalid tar header", "", []byte(strings.Repeat("text ", 200))},
		{"nothing", "not an OCI layout: it has no oci-layout", "a layout has the files oci-layout and index.json and the directory blobs", nil},
	} {
		file := filepath.Join(t.TempDir(), "x.tar")
		if err := os.WriteFile(file, c.data, 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := openFor(t, "oci-archive:"+file, Options{})
		wantError(t, err, "oci-archive:"+file+": "+c.problem, c.hint)
	}
}

func TestAnArchivesEntriesAreBounded(t *testing.T) {
	for _, n := range []int{MaxArchiveEntries, MaxArchiveEntries + 1} {
		header := tarBytes(t, tarEntry{tar.Header{Name: "other", Typeflag: tar.TypeReg}, nil})[:512]
		archive := append(bytes.Repeat(header, n), make([]byte, 1024)...)
		_, err := scanned(t, archive, inLayout)
		if limited := errors.As(err, new(*LimitError)); limited != (n > MaxArchiveEntries) {
			t.Errorf("%d entries: %v", n, err)
		}
	}
}

func TestOpeningALocalImageStopsWithItsContext(t *testing.T) {
	f := newFixture(t)
	f.root = []v1.Descriptor{f.manifest("linux/amd64")}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, reference := range []string{"oci:" + f.dir(), "oci-archive:" + tarOf(t, f.entries("")...)} {
		if _, err := Open(ctx, reference, Options{}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", reference, err)
		}
	}
}

// scanned scans an archive in memory.
func scanned(t *testing.T, data []byte, keep func(string) bool) (map[string]extent, error) {
	r := bytes.NewReader(data)
	return scanArchive(t.Context(), r, keep, position(r))
}

// The law: a scan never panics; every file it finds is one of a layout's and lies
// inside the archive.
func FuzzScanArchive(f *testing.F) {
	entry := func(name string, flag byte, data string) tarEntry {
		return tarEntry{tar.Header{Name: name, Typeflag: flag, Linkname: "x"}, []byte(data)}
	}
	blob := "blobs/" + strings.Replace(someDigest, ":", "/", 1)
	f.Add(tarBytes(f, entry("index.json", tar.TypeReg, "{}"), entry("./oci-layout", tar.TypeReg, "{}")))
	f.Add(tarBytes(f, entry("index.json", tar.TypeSymlink, ""), entry(blob, tar.TypeReg, strings.Repeat("x", 600))))
	f.Add(tarBytes(f, entry(blob, tar.TypeReg, "x"), entry("/"+blob, tar.TypeReg, "y")))
	f.Add(tarBytes(f, entry("../index.json", tar.TypeReg, "x"))[:513])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		files, err := scanned(t, data, inLayout)
		if (files == nil) == (err == nil) {
			t.Fatalf("files %v and error %v", files, err)
		}
		for name, e := range files {
			if !inLayout(name) || e.offset < 0 || e.size < 0 {
				t.Fatalf("%q at %+v", name, e)
			}
			if e.other == "" && e.offset+e.size > int64(len(data)) {
				t.Fatalf("%q at %+v is outside of %d bytes", name, e, len(data))
			}
		}
	})
}
