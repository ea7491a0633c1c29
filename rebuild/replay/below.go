package replay

import (
	"archive/tar"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/imageverify/verify/checksums"
)

// Names of whiteouts, as the OCI image specification's layer chapter has them.
const whiteoutPrefix = ".wh."

// removes returns what a whiteout removes: a path with all that is below it,
// or, for an opaque mark, what is below a directory.
func removes(name string) (target string, opaque, ok bool) {
	dir, base := path.Split(name)
	rest, ok := strings.CutPrefix(base, whiteoutPrefix)
	switch {
	case base == opaqueName:
		return path.Clean(dir), true, true
	case !ok || rest == "":
		return "", false, false
	}
	return path.Join(dir, rest), false, true
}

// belowLayer is a layer of which single files may be read.
type belowLayer struct {
	Below
	spill  func() (*os.File, error)
	limits checksums.Limits

	files map[string]*spooled // once they were asked for
	store *spool
}

// lower finds what the layer has of the paths, and returns those to look for
// any deeper: a path that the layer removes is not.
func (l *belowLayer) lower(paths []string, found map[string]checksums.Entry) (open []string, err error) {
	asked := slices.Clone(paths)
	for _, p := range paths {
		asked = append(asked, removers(p)...)
	}
	entries, err := l.Index.Find(asked...)
	if err != nil {
		return nil, err
	}
	for _, p := range paths {
		if e, ok := entries[p]; ok {
			found[p] = e
			continue
		}
		hidden := slices.ContainsFunc(removers(p), func(name string) bool {
			_, ok := entries[name]
			return ok
		})
		if !hidden {
			open = append(open, p)
		}
	}
	return open, nil
}

// removers are the names that, in a layer, take the path away from the layers
// below: its whiteout and, for each directory above it, that one's whiteout and
// opaque mark.
func removers(p string) []string {
	var out []string
	for ; p != "." && p != "/"; p = path.Dir(p) {
		dir := path.Dir(p)
		out = append(out, path.Join(dir, whiteoutPrefix+path.Base(p)), path.Join(dir, opaqueName))
	}
	return out
}

// open opens a file of the layer. The first one that is asked for has the layer
// read, and the contents of its files kept.
func (l *belowLayer) open(name string) (io.ReadCloser, error) {
	if l.files == nil {
		if err := l.read(); err != nil {
			return nil, err
		}
	}
	f, ok := l.files[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return f.open()
}

func (l *belowLayer) read() error {
	if l.Open == nil {
		return cannot(ContentBelow, "the contents of a layer below are not at hand")
	}
	rc, err := l.Open()
	if err != nil {
		return fmt.Errorf("opening a layer below: %w", err)
	}
	defer rc.Close()
	content, _, err := checksums.Decompress(rc)
	if err != nil {
		return fmt.Errorf("reading a layer below: %w", err)
	}
	defer content.Close()
	l.files, l.store = map[string]*spooled{}, &spool{openFile: l.spill}
	err = l.keep(tar.NewReader(&boundedReader{r: content, left: l.limits.Unpacked, limit: l.limits.Unpacked}))
	// The blob's end is where its reader says whether it was the right one.
	for _, r := range []io.Reader{content, rc} {
		if err == nil {
			_, err = io.Copy(io.Discard, r)
		}
	}
	if err != nil {
		l.store.Close()
		l.files, l.store = nil, nil
		return fmt.Errorf("reading a layer below: %w", err)
	}
	return nil
}

// keep keeps the contents of all files.
func (l *belowLayer) keep(tr *tar.Reader) error {
	for {
		h, err := tr.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		e := checksums.EntryFromHeader(h)
		switch {
		case e.Type != tar.TypeReg:
			delete(l.files, e.Path)
			continue
		case len(l.files) >= l.limits.Entries:
			return &checksums.LimitError{What: "entries", Limit: int64(l.limits.Entries)}
		case e.Size > l.limits.Unpacked-l.store.size:
			return &checksums.LimitError{What: "bytes of content", Limit: l.limits.Unpacked}
		}
		l.files[e.Path] = &spooled{l.store, l.store.size, e.Size}
		if n, err := io.Copy(l.store, tr); err != nil || n != e.Size {
			return fmt.Errorf("%s: %d of %d bytes: %w", e.Path, n, e.Size, err)
		}
	}
}

func (l *belowLayer) close() error { return l.store.Close() }

// inLayer is a file of a layer below.
type inLayer struct {
	layer *belowLayer
	name  string
}

func (i *inLayer) open() (io.ReadCloser, error) { return i.layer.open(i.name) }
