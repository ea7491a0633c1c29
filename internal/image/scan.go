package image

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"path"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// extent is where a file's content stands in an archive.
type extent struct {
	offset, size int64
	other        string // what stands there, if it is not a regular file
	link         string // the name that a link leads to, or "": it leaves the archive
}

// scanner finds files in a tar archive.
type scanner struct {
	keep  func(name string) bool
	at    func(size int64) (int64, error)
	files map[string]extent
	names int // bytes of names and targets kept
}

// scanArchive finds the files that keep wants, by their cleaned names. A name
// that stands there twice is refused, since readers differ in which one they
// take. The tar reader does not read ahead, so that at, which is asked between
// an entry's header and its content, can tell where the content begins.
func scanArchive(ctx context.Context, in io.Reader, keep func(string) bool, at func(size int64) (int64, error)) (map[string]extent, error) {
	s := scanner{keep: keep, at: at, files: map[string]extent{}}
	r := tar.NewReader(in)
	for n := 0; ; n++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		h, err := r.Next()
		if err == io.EOF {
			return s.files, nil
		}
		if err != nil {
			return nil, err
		}
		if n == MaxArchiveEntries {
			return nil, &LimitError{What: "entries", Limit: MaxArchiveEntries}
		}
		if err := s.add(h); err != nil {
			return nil, err
		}
	}
}

// position tells where a file is read next.
func position(f io.Seeker) func(int64) (int64, error) {
	return func(int64) (int64, error) { return f.Seek(0, io.SeekCurrent) }
}

// add notes an entry.
func (s *scanner) add(h *tar.Header) error {
	offset, err := s.at(h.Size)
	if err != nil {
		return err
	}
	name := cleanName(h.Name)
	if h.Typeflag == tar.TypeDir || !s.keep(name) {
		return nil
	}
	if _, ok := s.files[name]; ok {
		return fmt.Errorf("%q stands there twice", name)
	}
	e := extent{offset: offset, size: h.Size, other: notRegular(h), link: linkTarget(name, h)}
	if s.names += len(name) + len(e.link); s.names > MaxArchiveNames {
		return &LimitError{What: "bytes of names", Limit: MaxArchiveNames}
	}
	// The reader's names can be pieces of a header of 1 MiB, and would keep it.
	e.link = strings.Clone(e.link)
	s.files[strings.Clone(name)] = e
	return nil
}

// cleanName gives a name in an archive the one spelling that it is looked up by.
func cleanName(name string) string { return path.Clean(strings.TrimLeft(name, "/")) }

// leaves reports whether a cleaned name leads out of the archive.
func leaves(name string) bool { return name == ".." || strings.HasPrefix(name, "../") }

// linkTarget returns the cleaned name that a link leads to; "" for what is no
// link, and for one that leaves the archive.
func linkTarget(name string, h *tar.Header) string {
	target := h.Linkname
	switch {
	case h.Typeflag == tar.TypeSymlink && !path.IsAbs(target):
		target = path.Join(path.Dir(name), target)
	case h.Typeflag == tar.TypeLink:
		target = path.Clean(target)
	default:
		return ""
	}
	if leaves(target) || path.IsAbs(target) || len(target) > MaxArchivePath {
		return ""
	}
	return target
}

// inLayout reports whether a layout has a file of that name; manifest.json tells
// what `docker save` writes.
func inLayout(name string) bool {
	switch name {
	case layoutFile, indexFile, manifestFile:
		return true
	}
	return blobName(name) != v1.Hash{}
}

// blobName returns the digest of blobs/ALGORITHM/HEX, or the zero value.
func blobName(name string) v1.Hash {
	rest, ok := strings.CutPrefix(name, blobsDir+"/")
	algorithm, hex, _ := strings.Cut(rest, "/")
	h, err := v1.NewHash(algorithm + ":" + hex)
	if !ok || err != nil {
		return v1.Hash{}
	}
	return h
}

// isLink reports whether an entry is one of the two kinds of link.
func isLink(h *tar.Header) bool { return h.Typeflag == tar.TypeSymlink || h.Typeflag == tar.TypeLink }

// notRegular says what an entry is if its content does not stand in the archive
// as it is, or "".
func notRegular(h *tar.Header) string {
	switch {
	case isLink(h):
		return "is a link in the archive, which is not followed"
	case h.Typeflag != tar.TypeReg:
		return errNotRegular.Error()
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return "is a sparse file in the archive"
		}
	}
	return ""
}
