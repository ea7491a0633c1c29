package filetree

import (
	"bytes"
	"path"
	"slices"
	"strings"
)

// Noise is a known cause for which two builds of one source differ without
// anybody's doing. That a difference lies where noise is known does not make it
// harmless: it is named, and counted like any other.
type Noise struct {
	// Name is stable and in kebab-case.
	Name string
	// Why says in one line what makes the difference.
	Why string

	// at tells by path and class; told by the contents of both sides, where
	// that is needed to tell.
	at   func(path string, class Class) bool
	told func(a, b []byte) bool
}

// noises is the list of what is known, the more special first.
var noises = []Noise{
	{Name: "time", Why: "files are stamped with the time at which they were made",
		at: func(_ string, c Class) bool { return c == Time }},
	{Name: "ldconfig-cache", Why: "ldconfig notes inode numbers and times of what it read",
		at: contentOf("var/cache/ldconfig/aux-cache")},
	{Name: "machine-id", Why: "the id of a machine is made up when a package asks for it",
		at: contentOf("etc/machine-id", "var/lib/dbus/machine-id")},
	{Name: "package-log", Why: "apt and dpkg log what they do with the time of day",
		at: contentOf("var/log/dpkg.log", "var/log/alternatives.log", "var/log/apt/history.log", "var/log/apt/term.log", "var/log/apt/eipp.log.xz")},
	{Name: "log", Why: "programs that run during a build write logs",
		at: func(p string, c Class) bool { return strings.HasPrefix(p, "var/log/") && c != Mode && c != Owner }},
	{Name: "pyc-stamp", Why: "compiled Python files hold the time of their source",
		at:   func(p string, c Class) bool { return c == Content && strings.HasSuffix(p, ".pyc") },
		told: samePycCode},
	{Name: "apk-db-order", Why: "apk lists installed packages in the order in which it unpacked them",
		at:   contentOf("lib/apk/db/installed", "usr/lib/apk/db/installed"),
		told: sameParagraphs},
	{Name: "gzip-header", Why: "gzip notes a file's name and time",
		at: func(p string, c Class) bool {
			return c == Content && slices.Contains([]string{".gz", ".tgz", ".svgz"}, path.Ext(p))
		},
		told: sameGzipBody},
}

// Noises is the list of the noise that is known.
func Noises() []Noise { return slices.Clone(noises) }

func contentOf(paths ...string) func(string, Class) bool {
	return func(p string, c Class) bool { return c == Content && slices.Contains(paths, p) }
}

// NoiseAt returns the noise that a difference may be, by where it is; ok is
// false for none. needsContents says that only the contents can tell, which
// Noise.Told is asked with.
func NoiseAt(p string, c Class) (n Noise, needsContents, ok bool) {
	for _, n := range noises {
		if n.at(p, c) {
			return n, n.told != nil, true
		}
	}
	return Noise{}, false, false
}

// Told reports whether two contents differ in nothing but this noise.
func (n Noise) Told(a, b []byte) bool { return n.told == nil || n.told(a, b) }

// pycHeader is what stands before the code of a compiled Python file: a magic
// number, flags, and a time and size or a hash (PEP 552).
const pycHeader = 16

func samePycCode(a, b []byte) bool {
	return len(a) > pycHeader && len(b) > pycHeader && bytes.Equal(a[:8], b[:8]) && bytes.Equal(a[pycHeader:], b[pycHeader:])
}

// sameParagraphs reports whether two texts have the same paragraphs.
func sameParagraphs(a, b []byte) bool {
	split := func(text []byte) [][]byte {
		list := bytes.Split(bytes.TrimSpace(text), []byte("\n\n"))
		slices.SortFunc(list, bytes.Compare)
		return list
	}
	return slices.EqualFunc(split(a), split(b), bytes.Equal)
}

// sameGzipBody reports whether two gzip files differ in the fields of their
// header alone (RFC 1952, section 2.3).
func sameGzipBody(a, b []byte) bool {
	x, ok := gzipBody(a)
	y, also := gzipBody(b)
	return ok && also && bytes.Equal(x, y)
}

// gzipBody is what follows the header.
func gzipBody(data []byte) ([]byte, bool) {
	const fixed = 10
	if len(data) < fixed || data[0] != 0x1f || data[1] != 0x8b || data[2] != 8 {
		return nil, false
	}
	flags, rest := data[3], data[fixed:]
	if flags&4 != 0 { // extra field
		if len(rest) < 2 || len(rest) < 2+int(rest[0])+int(rest[1])<<8 {
			return nil, false
		}
		rest = rest[2+int(rest[0])+int(rest[1])<<8:]
	}
	for _, flag := range []byte{8, 16} { // name, comment
		if flags&flag == 0 {
			continue
		}
		_, after, found := bytes.Cut(rest, []byte{0})
		if !found {
			return nil, false
		}
		rest = after
	}
	if flags&2 != 0 { // checksum of the header
		if len(rest) < 2 {
			return nil, false
		}
		rest = rest[2:]
	}
	return rest, true
}
