package sums

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"path"
	"strings"

	"github.com/imageverify/verify/checksums"
)

// Status says what a list has on a file.
type Status string

const (
	ListedAndEqual Status = "listed-and-equal"
	Differs        Status = "differs"
	NotListed      Status = "not-listed"
)

// ErrWeak says that the list has nothing stronger than SHA-1 or MD5 for a file.
var ErrWeak = errors.New("only a weak digest is listed")

// Result is what a list says of one file.
type Result struct {
	Status Status
	// Line is where the list names the file, from 1; 0 when it does not.
	Line int
	// Algorithm is the strongest one listed.
	Algorithm string
	// Want is the listed digest and Got the file's, in hexadecimal.
	Want, Got string
}

// hashes are the algorithms that prove something, strongest first.
var hashes = []struct {
	name string
	make func() hash.Hash
}{
	{"sha512", sha512.New},
	{"sha384", sha512.New384},
	{"sha256", sha256.New},
}

// Check looks name up in the list and hashes the file, which is read only when
// the list names it. The whole name is looked for first; a name without a
// folder is also found under the only listed path that ends in it, and a list
// that is one bare digest speaks of the file beside it. Two lines that differ
// for one name are an error, ErrTwoSums.
func Check(ctx context.Context, list io.Reader, name string, file io.Reader) (Result, error) {
	e, listed, err := Lookup(list, name)
	if err != nil {
		return Result{}, err
	}
	if !listed {
		return Result{Status: NotListed}, nil
	}
	return Compare(ctx, e, file)
}

// Lookup finds a name in the list as Check does, without the file: the line of
// the strongest algorithm. Its digest is what a file of that name must have,
// wherever it comes from. A name that has weak digests only is ErrWeak.
func Lookup(list io.Reader, name string) (Entry, bool, error) {
	entries, err := Parse(list)
	if err != nil {
		return Entry{}, false, fmt.Errorf("reading the checksum file: %w", err)
	}
	named, err := find(entries, name)
	if err != nil {
		return Entry{}, false, fmt.Errorf("looking for %q in the checksum file: %w", name, err)
	}
	if len(named) == 0 {
		return Entry{}, false, nil
	}
	for _, h := range hashes {
		for _, e := range named {
			if e.Algorithm == h.name {
				return e, true, nil
			}
		}
	}
	return Entry{}, false, fmt.Errorf("line %d: %w", named[0].Line, ErrWeak)
}

// Compare hashes a file, to its end, and compares it with the line that Lookup
// found for it.
func Compare(ctx context.Context, e Entry, file io.Reader) (Result, error) {
	var h hash.Hash
	for _, known := range hashes {
		if known.name == e.Algorithm {
			h = known.make()
		}
	}
	if _, err := io.Copy(h, checksums.ContextReader(ctx, file)); err != nil {
		return Result{}, err
	}
	r := Result{Status: Differs, Line: e.Line, Algorithm: e.Algorithm, Want: e.Digest, Got: hex.EncodeToString(h.Sum(nil))}
	if r.Want == r.Got {
		r.Status = ListedAndEqual
	}
	return r, nil
}

// find returns the entries for a name: one for each algorithm listed.
func find(entries []Entry, name string) ([]Entry, error) {
	if len(entries) == 1 && entries[0].Name == "" {
		return entries, nil
	}
	var exact, based []Entry
	for _, e := range entries {
		listed := cleanName(e.Name)
		switch {
		case e.Name == "":
		case listed == cleanName(name):
			exact = append(exact, e)
		case !strings.Contains(name, "/") && path.Base(listed) == name:
			based = append(based, e)
		}
	}
	found := exact
	if len(found) == 0 {
		found = based
	}
	return found, agree(found)
}

// cleanName makes "./a" and "a" one name, and a path that climbs out of the
// list's folder no other's.
func cleanName(name string) string { return path.Clean(name) }

// agree refuses entries that give two digests of one algorithm.
func agree(entries []Entry) error {
	digests := map[string]string{}
	for _, e := range entries {
		if known, ok := digests[e.Algorithm]; ok && known != e.Digest {
			return &LineError{e.Line, ErrTwoSums}
		}
		digests[e.Algorithm] = e.Digest
	}
	return nil
}
