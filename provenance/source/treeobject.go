package source

import (
	"bytes"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// The modes of tree entries. Old trees have other permission bits in regular
// files; only the owner's x counts, as in git itself.
const (
	modeType      = 0o170000
	modeDir       = 0o040000
	modeRegular   = 0o100000
	modeSymlink   = 0o120000
	modeSubmodule = 0o160000
)

// treeEntry is one name in a tree.
type treeEntry struct {
	name string
	mode uint32
	id   id
}

func (e treeEntry) is(mode uint32) bool { return e.mode&modeType == mode }

// fileMode translates git's mode: files are 0644 or 0755.
func (e treeEntry) fileMode() fs.FileMode {
	switch e.mode & modeType {
	case modeDir, modeSubmodule:
		return fs.ModeDir | 0o755
	case modeSymlink:
		return fs.ModeSymlink | 0o777
	}
	if e.mode&0o100 != 0 {
		return 0o755
	}
	return 0o644
}

// parseTree reads a tree and refuses the whole of it when one name could not be
// a file's, or stands twice. The entries come back sorted by name; ids have size
// bytes.
func parseTree(data []byte, size int) ([]treeEntry, error) {
	var entries []treeEntry
	for len(data) > 0 {
		e, rest, err := nextEntry(data, size)
		if err != nil {
			return nil, err
		}
		name := string(e.name)
		if badName(name) {
			return nil, fmt.Errorf("tree holds the name %.80q: %w", name, ErrMalformed)
		}
		entries, data = append(entries, treeEntry{name, e.mode, e.id}), rest
	}
	slices.SortFunc(entries, func(a, b treeEntry) int { return strings.Compare(a.name, b.name) })
	for i := 1; i < len(entries); i++ {
		if entries[i].name == entries[i-1].name {
			return nil, fmt.Errorf("tree holds the name %.80q twice: %w", entries[i].name, ErrMalformed)
		}
	}
	return entries, nil
}

// rawEntry is an entry whose name is still a part of the tree's bytes.
type rawEntry struct {
	name []byte
	mode uint32
	id   id
}

func (e rawEntry) equal(f rawEntry) bool {
	return e.id == f.id && e.mode == f.mode && bytes.Equal(e.name, f.name)
}

// nextEntry reads "MODE NAME\0ID" from the start of data and returns the rest;
// ids have size bytes.
func nextEntry(data []byte, size int) (rawEntry, []byte, error) {
	var e rawEntry
	end := bytes.IndexByte(data, 0)
	space := bytes.IndexByte(data, ' ')
	if end < 0 || space < 1 || space > 6 || space > end || len(data) < end+1+size {
		return e, nil, fmt.Errorf("tree entry is cut short: %w", ErrMalformed)
	}
	for _, digit := range data[:space] {
		if digit < '0' || digit > '7' {
			return e, nil, fmt.Errorf("tree entry of mode %q: %w", data[:space], ErrMalformed)
		}
		e.mode = e.mode<<3 | uint32(digit-'0')
	}
	switch e.mode & modeType {
	case modeDir, modeRegular, modeSymlink, modeSubmodule:
	default:
		return e, nil, fmt.Errorf("tree entry of mode %q: %w", data[:space], ErrMalformed)
	}
	e.name = data[space+1 : end]
	rest := data[end+1:]
	e.id = idOf(rest[:size])
	return e, rest[size:], nil
}

func badName(name string) bool {
	return name == "" || name == "." || name == ".." || strings.EqualFold(name, ".git") || strings.ContainsRune(name, '/')
}
