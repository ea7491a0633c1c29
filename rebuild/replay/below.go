package replay

import (
	"archive/tar"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/imageverify/verify/checksums"
)

// belowLayer is a layer of which single files may be read.
type belowLayer struct {
	Below
	spill  func() (*os.File, error)
	limits checksums.Limits

	files map[string]*spooled // once they were asked for
	store *spool
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
