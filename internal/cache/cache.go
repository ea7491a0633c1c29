// Package cache keeps files that can be made again: small records, large
// records and whole folders, under one directory of the user's.
//
// Nothing in it is believed. The directory must belong to the user and be
// writable by nobody else; a record carries what it is and its own digest, both
// checked at every reading; whatever is not exactly right counts as absent, and
// the caller makes it again. Records are written aside, synced and renamed, so
// that no reader sees half of one.
//
// Below the directory:
//
//	records/KIND/xx/NAME   one record; NAME is the hex sha256 of kind and key
//	folders/KIND/NAME      one folder, with its lock in locks/KIND/NAME
//	aside/                 what is being written, and spill files
package cache

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

const (
	// MaxSmall is the longest record, in bytes, that Get and Put hold in
	// memory.
	MaxSmall = 64 << 20
	// MaxRecord is the longest record, in bytes, that Open and Create take. It
	// holds the index of a layer with the most entries that is accepted.
	MaxRecord = 1 << 30
)

const (
	recordsDir = "records"
	foldersDir = "folders"
	locksDir   = "locks"
	asideDir   = "aside"

	dirMode  fs.FileMode = 0o700
	fileMode fs.FileMode = 0o600
)

// ErrAbsent says that a record is not there, is damaged, or was written in
// another version of its format. What to do is the same in each case: make it
// again.
var ErrAbsent = errors.New("not in the cache")

// ErrTooLarge says that a record is longer than MaxSmall or MaxRecord, as the
// call has it, and was not kept.
var ErrTooLarge = errors.New("too large for the cache")

// UnsafeError says why a directory cannot serve as a cache: somebody else could
// have written what is in it.
type UnsafeError struct {
	Path   string
	Reason string // a predicate: "is a symbolic link", "is writable by others (mode 0777)"
}

// Error implements error.
func (e *UnsafeError) Error() string {
	return fmt.Sprintf("cache directory %s %s", e.Path, e.Reason)
}

// Dir is a cache directory. A nil *Dir is a cache that holds nothing and keeps
// nothing. All methods are safe for concurrent use, by other processes too.
type Dir struct {
	path string
	root *os.Root
}

// Open opens the cache at path, and creates it for this user alone where there
// is nothing yet. It returns an *UnsafeError for a symbolic link, and for a
// directory that belongs to another user or that others may write to.
func Open(path string) (*Dir, error) {
	if path == "" {
		return nil, errors.New("cache directory: the path is empty")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("cache directory: %w", err)
	}
	if err := os.MkdirAll(path, dirMode); err != nil {
		return nil, fmt.Errorf("cache directory %s: %w", path, err)
	}
	named, err := os.Lstat(path)
	if err != nil {
		return nil, fmt.Errorf("cache directory %s: %w", path, err)
	}
	if named.Mode()&fs.ModeSymlink != 0 {
		return nil, &UnsafeError{path, "is a symbolic link; name the directory it points to"}
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("cache directory %s: %w", path, err)
	}
	if err := checkRoot(root, path, named); err != nil {
		root.Close()
		return nil, err
	}
	return &Dir{path: path, root: root}, nil
}

// checkRoot judges the directory that was opened, which need not be the one
// that was named a moment ago.
func checkRoot(root *os.Root, path string, named fs.FileInfo) error {
	opened, err := root.Stat(".")
	if err != nil {
		return fmt.Errorf("cache directory %s: %w", path, err)
	}
	if !os.SameFile(named, opened) {
		return &UnsafeError{path, "was replaced while it was being opened"}
	}
	if reason := notOurs(opened); reason != "" {
		return &UnsafeError{path, reason}
	}
	return nil
}

// Path returns the absolute path of the directory, "" for nil.
func (d *Dir) Path() string {
	if d == nil {
		return ""
	}
	return d.path
}

// Close gives the directory's descriptor back. Files and folders that were
// handed out before stay usable; every other use of d fails from then on.
func (d *Dir) Close() error {
	if d == nil {
		return nil
	}
	return d.root.Close()
}

// identity is what a record or folder is, as its file name and header say it.
type identity struct {
	kind string
	name [sha256.Size]byte
}

// identify checks kind, which names a directory, and hashes kind and key, so
// that no key, whatever it holds, can name a file outside of the kind's
// directory.
func identify(kind, key string) (identity, error) {
	if !validKind(kind) {
		return identity{}, fmt.Errorf("cache: %q cannot name a kind of record", kind)
	}
	// A kind holds no NUL, so no two pairs of kind and key run together.
	return identity{kind, sha256.Sum256([]byte(kind + "\x00" + key))}, nil
}

// validKind reports whether kind is 1 to maxKind lower-case letters, digits and
// dashes.
func validKind(kind string) bool {
	const allowed = "abcdefghijklmnopqrstuvwxyz0123456789-"
	return kind != "" && len(kind) <= maxKind && strings.Trim(kind, allowed) == ""
}

// record is the path of the record below the cache directory.
func (id identity) record() string {
	name := hex.EncodeToString(id.name[:])
	return path.Join(recordsDir, id.kind, name[:2], name)
}

// below is the path that id has in one of the other directories.
func (id identity) below(dir string) string {
	return path.Join(dir, id.kind, hex.EncodeToString(id.name[:]))
}
