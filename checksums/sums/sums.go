// Package sums reads published checksum files (SHA256SUMS, checksums.sha512,
// .sha256), verifies the OpenPGP signatures over them, and knows which
// distributors publish them for the archives behind their images.
package sums

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"
)

const (
	// maxFile bounds a checksum file in bytes.
	maxFile = 4 << 20
	// maxLines bounds its lines.
	maxLines = 50_000
	// maxLine bounds one line in bytes: a path of 4,096 bytes, all of them
	// escaped, and a digest.
	maxLine = 2*4096 + 256
)

var (
	// ErrTwoSums says that a list gives two different digests for one name.
	ErrTwoSums = errors.New("two different digests for one name")
	// ErrTooLong says that a list, or a line of it, is over a bound.
	ErrTooLong = fmt.Errorf("longer than %d bytes, %d lines or %d bytes in a line", maxFile, maxLines, maxLine)
	// ErrSyntax says that a line is not in any form known.
	ErrSyntax = errors.New("not a checksum line")
)

// LineError says which line of a list is wrong. It unwraps to the kind:
// ErrTwoSums, ErrTooLong or ErrSyntax.
type LineError struct {
	Line int // from 1
	Kind error
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Kind) }

// Unwrap returns the kind.
func (e *LineError) Unwrap() error { return e.Kind }

// Entry is one line of a checksum file.
type Entry struct {
	// Name is the file's name as listed, unescaped; "" for a list that is one
	// bare digest.
	Name string
	// Algorithm is "sha256", "sha384", "sha512", "sha224", "sha1" or "md5":
	// as the line says, else what the digest's length means.
	Algorithm string
	// Digest is in lower-case hexadecimal.
	Digest string
	// Line is where it stands, from 1.
	Line int
}

// algorithms maps the length of a hexadecimal digest to what it is.
var algorithms = map[int]string{32: "md5", 40: "sha1", 56: "sha224", 64: "sha256", 96: "sha384", 128: "sha512"}

// bsdLine is "SHA256 (name) = digest".
var bsdLine = regexp.MustCompile(`^(MD5|SHA1|SHA224|SHA256|SHA384|SHA512) \((.*)\) = ([0-9A-Fa-f]+)$`)

// Parse reads a checksum file: lines of GNU coreutils ("digest  name",
// "digest *name", a leading backslash where the name is escaped), BSD lines
// ("SHA256 (name) = digest"), or one bare digest. Blank lines and lines that
// begin with "#" are skipped. Entries keep the file's order; a line that
// repeats another exactly is kept once.
func Parse(r io.Reader) ([]Entry, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return nil, ErrTooLong
	}
	return parseLines(data)
}

func parseLines(data []byte) ([]Entry, error) {
	var entries []Entry
	seen := map[[2]string]string{}
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, maxFile+1)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		if len(line) > maxLine || n > maxLines {
			return nil, &LineError{n, ErrTooLong}
		}
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		e, ok := parseLine(line)
		if !ok {
			return nil, &LineError{n, ErrSyntax}
		}
		e.Line = n
		key := [2]string{e.Algorithm, e.Name}
		switch known, listed := seen[key]; {
		case !listed:
			seen[key] = e.Digest
			entries = append(entries, e)
		case known != e.Digest:
			return nil, &LineError{n, ErrTwoSums}
		}
	}
	return entries, lines.Err()
}

func parseLine(line string) (Entry, bool) {
	if m := bsdLine.FindStringSubmatch(line); m != nil {
		return newEntry(m[2], strings.ToLower(m[1]), m[3])
	}
	rest, escaped := strings.CutPrefix(line, `\`)
	digest, name, found := strings.Cut(rest, " ")
	if !found {
		return newEntry("", "", strings.TrimSpace(rest))
	}
	if name == "" || name[0] != ' ' && name[0] != '*' {
		return Entry{}, false
	}
	name = name[1:]
	if escaped {
		var ok bool
		if name, ok = unescape(name); !ok {
			return Entry{}, false
		}
	}
	if name == "" {
		return Entry{}, false
	}
	return newEntry(name, "", digest)
}

// newEntry checks the digest; algorithm may be "" to take what the length says.
func newEntry(name, algorithm, digest string) (Entry, bool) {
	known := algorithms[len(digest)]
	if _, err := hex.DecodeString(digest); err != nil || known == "" {
		return Entry{}, false
	}
	if algorithm != "" && algorithm != known || !utf8.ValidString(name) {
		return Entry{}, false
	}
	return Entry{Name: name, Algorithm: known, Digest: strings.ToLower(digest)}, true
}

// unescape undoes what coreutils does to a name with a backslash, a line feed
// or a carriage return.
func unescape(name string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		if name[i] != '\\' {
			b.WriteByte(name[i])
			continue
		}
		if i++; i == len(name) {
			return "", false
		}
		switch name[i] {
		case '\\':
			b.WriteByte('\\')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		default:
			return "", false
		}
	}
	return b.String(), true
}
