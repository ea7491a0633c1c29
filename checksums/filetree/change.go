package filetree

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/aymanbagabas/go-udiff"
	"github.com/gabriel-vasile/mimetype"
)

const (
	// maxChangeLines is how many lines a change is told in, maxChangeLine how
	// long each may be in bytes.
	maxChangeLines = 40
	maxChangeLine  = 200
	// maxText bounds the texts whose lines are compared, since that takes more
	// than linear time.
	maxText = 256 << 10
	// maxInner bounds what is unpacked of an archive inside of a layer, and
	// maxMembers how many members are looked at.
	maxInner   = 64 << 20
	maxMembers = 10_000
)

// Change says in lines for a reader what differs between two contents of a
// file: the lines of a text, the members of a tar, gzip or zip file, and what
// kind of file it is for the rest. It can hold foreign text.
func Change(a, b []byte) []string {
	lines := textChange(a, b)
	if lines == nil {
		lines = archiveChange(a, b)
	}
	if lines == nil {
		lines = kindChange(a, b)
	}
	if n := len(lines) - maxChangeLines; n > 0 {
		lines = append(lines[:maxChangeLines:maxChangeLines], fmt.Sprintf("… and %d more lines", n))
	}
	for i, line := range lines {
		if len(line) > maxChangeLine {
			lines[i] = strings.ToValidUTF8(line[:maxChangeLine], "") + "…"
		}
	}
	return lines
}

func isText(data []byte) bool {
	return len(data) <= maxText && utf8.Valid(data) && bytes.IndexByte(data, 0) < 0
}

func textChange(a, b []byte) []string {
	if !isText(a) || !isText(b) {
		return nil
	}
	edits := udiff.Lines(string(a), string(b))
	text, err := udiff.ToUnified("a", "b", string(a), edits, 1)
	if err != nil {
		return nil // the edits are udiff's own: it does not happen
	}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	return slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, "--- ") || strings.HasPrefix(l, "+++ ") })
}

// archiveChange compares members; nil where the two are not archives of one
// kind that can be read, or have equal members.
func archiveChange(a, b []byte) []string {
	x, err := members(a)
	if err != nil {
		return nil
	}
	y, err := members(b)
	if err != nil {
		return nil
	}
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(x)) {
		other, both := y[name]
		switch {
		case !both:
			lines = append(lines, "member only in a: "+name)
		case other != x[name]:
			lines = append(lines, "member differs: "+name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(y)) {
		if _, both := x[name]; !both {
			lines = append(lines, "member only in b: "+name)
		}
	}
	return lines
}

var errNoArchive = errors.New("not an archive whose members are compared")

// members gives a digest for each member of an archive: of its header and its
// content.
func members(data []byte) (map[string][32]byte, error) {
	switch {
	case bytes.HasPrefix(data, []byte("\x1f\x8b")):
		z, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			return nil, err
		}
		inner, err := io.ReadAll(io.LimitReader(z, maxInner+1))
		if err != nil || len(inner) > maxInner {
			return nil, errors.Join(err, errNoArchive)
		}
		if list, err := members(inner); err == nil {
			return list, nil
		}
		return map[string][32]byte{"(what the gzip file holds)": sha256.Sum256(inner)}, nil
	case bytes.HasPrefix(data, []byte("PK\x03\x04")):
		return zipMembers(data)
	case len(data) > 262 && string(data[257:262]) == "ustar":
		return tarMembers(data)
	}
	return nil, errNoArchive
}

func tarMembers(data []byte) (map[string][32]byte, error) {
	list := map[string][32]byte{}
	for tr := tar.NewReader(bytes.NewReader(data)); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil || len(list) == maxMembers {
			return nil, errors.Join(err, errNoArchive)
		}
		sum := sha256.New()
		fmt.Fprintln(sum, h.Typeflag, h.Mode, h.Uid, h.Gid, h.Linkname, h.ModTime.Unix())
		if _, err := io.Copy(sum, tr); err != nil {
			return nil, err
		}
		list[h.Name] = [32]byte(sum.Sum(nil))
	}
}

func zipMembers(data []byte) (map[string][32]byte, error) {
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil || len(z.File) > maxMembers {
		return nil, errors.Join(err, errNoArchive)
	}
	list := map[string][32]byte{}
	for _, f := range z.File {
		list[f.Name] = sha256.Sum256(fmt.Append(nil, f.CRC32, f.UncompressedSize64, f.Modified.Unix(), f.Mode()))
	}
	return list, nil
}

// kindChange says what kinds of file the two are, and where they part.
func kindChange(a, b []byte) []string {
	x, y := kindOf(a), kindOf(b)
	if x != y {
		return []string{"a is " + x, "b is " + y}
	}
	at := 0
	for at < min(len(a), len(b)) && a[at] == b[at] {
		at++
	}
	return []string{fmt.Sprintf("both are %s; they part at byte %d", x, at)}
}

func kindOf(data []byte) string {
	if len(data) == 0 {
		return "empty"
	}
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return mimetype.Detect(data).String()
	}
	defer f.Close()
	kind := fmt.Sprintf("ELF %s %s %s", strings.TrimPrefix(f.Class.String(), "ELFCLASS"), strings.TrimPrefix(f.Machine.String(), "EM_"), strings.TrimPrefix(f.Type.String(), "ET_"))
	if id := buildID(f); id != "" {
		kind += ", build id " + id
	}
	return kind
}

// buildID is the note that linkers leave (section .note.gnu.build-id); "" where
// there is none.
func buildID(f *elf.File) string {
	const header, most = 16, 64 // of a note named "GNU"
	s := f.Section(".note.gnu.build-id")
	if s == nil || s.Size < header || s.Size > header+most {
		return ""
	}
	data, err := s.Data()
	if err != nil || len(data) < header {
		return ""
	}
	return fmt.Sprintf("%x", data[header:])
}
