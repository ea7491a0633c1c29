package verify

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// sparseTar is an archive in which a file of 8 bytes has a hole before and
// behind the two that it holds, in GNU tar's older form; the standard library
// writes none.
func sparseTar(name, data string) []byte {
	var h [512]byte
	put := func(at int, text string) { copy(h[at:], text) }
	put(0, name)
	put(100, "0000644\x000000000\x000000000\x00")
	put(124, fmt.Sprintf("%011o\x00%011o\x00", len(data), 0))
	put(148, "        ") // the checksum, while it is reckoned
	put(156, "S")
	put(257, "ustar  \x00")
	put(386, fmt.Sprintf("%011o\x00%011o\x00%011o\x00%011o\x00", 3, len(data), 8, 0))
	put(483, fmt.Sprintf("%011o\x00", 8))
	sum := 0
	for _, b := range h {
		sum += int(b)
	}
	put(148, fmt.Sprintf("%06o\x00 ", sum))
	return slices.Concat(h[:], []byte(data), make([]byte, 512-len(data)), make([]byte, 1024))
}

// withLayer is an image whose one layer is the archive.
func withLayer(t *testing.T, archive []byte) *specimen {
	t.Helper()
	s := imageOf(t, []entry{file("f", "x")})
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(archive); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	s.layers[0] = b.Bytes()
	s.seal()
	return s
}

// mirrored are difference lines seen from the other side.
func mirrored(lines []string) []string {
	out := slices.Clone(lines)
	for i, l := range out {
		if rest, ok := strings.CutPrefix(l, "only-in-a "); ok {
			out[i] = "only-in-b " + rest
		} else if rest, ok := strings.CutPrefix(l, "only-in-b "); ok {
			out[i] = "only-in-a " + rest
		}
	}
	return out
}

// TestEachCaseOfASemanticDiffIsFoundAndNothingElse has the kinds of difference
// that diffoci documents for diff --semantic, one at a time. Each is told under
// its class, at its level, and alone; the other way round as well.
func TestEachCaseOfASemanticDiffIsFoundAndNothingElse(t *testing.T) {
	symlink := func(name, target string) entry {
		return entry{tar.Header{Name: name, Mode: 0o777, Typeflag: tar.TypeSymlink, Linkname: target}, nil}
	}
	at := func(e entry, seconds int64) entry {
		return with(e, func(h *tar.Header) { h.ModTime = time.Unix(seconds, 0) })
	}
	attribute := func(e entry, value string) entry {
		return with(e, func(h *tar.Header) { h.PAXRecords = map[string]string{"SCHILY.xattr.user.x": value} })
	}
	one := func(entries ...entry) [][]entry {
		return [][]entry{append([]entry{directory("d/"), file("d/same", "same")}, entries...)}
	}
	tests := []struct {
		name  string
		a, b  [][]entry
		level Level
		want  []string
	}{
		{"times", one(at(directory("d/x/"), 5), at(file("d/x/f", "1"), 5)), one(at(directory("d/x/"), 9), at(file("d/x/f", "1"), 9)), SameFiles,
			[]string{"time d/x@0 noise:time", "time d/x/f@0 noise:time"}},
		{"a fraction of a second", one(with(file("f", "1"), func(h *tar.Header) { h.ModTime = time.Unix(5, 1) })), one(with(file("f", "1"), func(h *tar.Header) { h.ModTime = time.Unix(5, 2) })), SameFiles,
			[]string{"format .@0 noise:archive-form"}},
		{"order", one(file("f", "1"), file("g", "2")), one(file("g", "2"), file("f", "1")), SameFiles, []string{"order f@0"}},
		{"one file", one(file("f", "1")), one(), Different, []string{"only-in-a f@0"}},
		{"one file's content, size and time kept", one(file("f", "1")), one(file("f", "2")), Different, []string{"content f@0"}},
		{"one mode", one(file("f", "1")), one(with(file("f", "1"), func(h *tar.Header) { h.Mode = 0o4755 })), Different, []string{"mode f@0"}},
		{"one owner", one(file("f", "1")), one(with(file("f", "1"), func(h *tar.Header) { h.Gid = 7 })), Different, []string{"owner f@0"}},
		{"an owner's name alone", one(file("f", "1")), one(with(file("f", "1"), func(h *tar.Header) { h.Uname = "eve" })), SameFiles, []string{"format f@0"}},
		{"a symbolic link's target", one(symlink("l", "d/same")), one(symlink("l", "/etc/shadow")), Different, []string{"link l@0"}},
		{"a symbolic link made a file", one(symlink("l", "d/same")), one(file("l", "same")), Different, []string{"type l@0"}},
		{"a hard link turned copy", one(file("f", "1"), hardLink("g", "f")), one(file("f", "1"), file("g", "1")), Different, []string{"link g@0"}},
		{"an extended attribute", one(attribute(file("f", "1"), "1")), one(attribute(file("f", "1"), "2")), Different, []string{"xattr f@0"}},
		{"an extended attribute more", one(file("f", "1")), one(attribute(file("f", "1"), "1")), Different, []string{"xattr f@0"}},
		{"a whiteout", [][]entry{one(file("f", "1"))[0], {file("g", "2")}}, [][]entry{one(file("f", "1"))[0], {file(".wh.f", ""), file("g", "2")}}, Different, []string{"only-in-a f@0"}},
		{"an opaque directory", [][]entry{one()[0], {directory("d/")}}, [][]entry{one()[0], {directory("d/"), file("d/.wh..wh..opq", "")}}, Different, []string{"only-in-a d/same@0"}},
		{"an empty directory", one(), one(directory("e/")), Different, []string{"only-in-b e@0"}},
		{"duplicate entries", one(file("f", "1")), one(file("f", "0"), file("f", "1")), SameFiles, []string{"duplicate f@0"}},
		{"duplicate entries of which the last differs", one(file("f", "1")), one(file("f", "1"), file("f", "0")), Different, []string{"content f@0", "duplicate f@0"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a, b := imageOf(t, test.a...), imageOf(t, test.b...)
			if r := diff(t, a, b, DiffOptions{}); r.Level != test.level || !slices.Equal(diffLines(r), test.want) {
				t.Errorf("level %s, want %s\ngot  %q\nwant %q", r.Level, test.level, diffLines(r), test.want)
			}
			r := diff(t, b, a, DiffOptions{})
			if got, want := slices.Sorted(slices.Values(diffLines(r))), slices.Sorted(slices.Values(mirrored(test.want))); r.Level != test.level || !slices.Equal(got, want) && test.name != "order" {
				t.Errorf("the other way round: level %s, %q, want %q", r.Level, got, want)
			}
		})
	}
}

func TestASparseFileHasTheContentThatItStandsFor(t *testing.T) {
	plain := func(data string) *specimen {
		return imageOf(t, []entry{with(file("f", data), func(h *tar.Header) { h.ModTime = time.Unix(0, 0) })})
	}
	sparse := withLayer(t, sparseTar("f", "ab"))
	if r := diff(t, sparse, plain("\x00\x00\x00ab\x00\x00\x00"), DiffOptions{}); r.Level != SameFiles || !slices.Equal(diffLines(r), []string{"format f@0"}) {
		t.Errorf("level %s, %q", r.Level, diffLines(r))
	}
	if r := diff(t, sparse, plain("\x00\x00\x00ac\x00\x00\x00"), DiffOptions{}); r.Level != Different || !slices.Contains(diffLines(r), "content f@0") {
		t.Errorf("level %s, %q", r.Level, diffLines(r))
	}
	if r := diff(t, sparse, withLayer(t, sparseTar("f", "ab")), DiffOptions{}); r.Level != SameDigest {
		t.Errorf("level %s, %q", r.Level, diffLines(r))
	}
}
