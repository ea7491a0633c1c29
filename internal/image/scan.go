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

// scanArchive finds the layout's files in a tar archive. Names are cleaned; a
// name that stands there twice is refused, since readers differ in which one they
// take.
func scanArchive(ctx context.Context, f io.ReadSeeker) (map[string]extent, error) {
	files := map[string]extent{}
	r := tar.NewReader(f)
	for n := 0; ; n++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		h, err := r.Next()
		if err == io.EOF {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		if n == MaxArchiveEntries {
			return nil, &LimitError{What: "entries", Limit: MaxArchiveEntries}
		}
		if err := addEntry(files, h, f); err != nil {
			return nil, err
		}
	}
}

// addEntry notes an entry that belongs to a layout. The tar reader does not read
// ahead, so that f stands at the entry's content.
func addEntry(files map[string]extent, h *tar.Header, f io.Seeker) error {
	name := path.Clean(strings.TrimLeft(h.Name, "/"))
	if h.Typeflag == tar.TypeDir || !inLayout(name) {
		return nil
	}
	if _, ok := files[name]; ok {
		return fmt.Errorf("%q stands there twice", name)
	}
	offset, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	files[name] = extent{offset: offset, size: h.Size, other: notRegular(h)}
	return nil
}

// inLayout reports whether a layout has a file of that name; manifest.json tells
// what `docker save` writes.
func inLayout(name string) bool {
	switch name {
	case layoutFile, indexFile, "manifest.json":
		return true
	}
	rest, ok := strings.CutPrefix(name, blobsDir+"/")
	algorithm, hex, _ := strings.Cut(rest, "/")
	_, err := v1.NewHash(algorithm + ":" + hex)
	return ok && err == nil
}

// notRegular says what an entry is if its content does not stand in the archive
// as it is, or "".
func notRegular(h *tar.Header) string {
	switch {
	case h.Typeflag == tar.TypeSymlink || h.Typeflag == tar.TypeLink:
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
