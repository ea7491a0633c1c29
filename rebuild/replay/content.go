package replay

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"strings"

	"github.com/imageverify/verify/checksums/buildhash"
)

// content is where the bytes of a file are.
type content interface {
	open() (io.ReadCloser, error)
}

// spooled is a stretch of a spool.
type spooled struct {
	in        *spool
	off, size int64
}

func (s *spooled) open() (io.ReadCloser, error) {
	return io.NopCloser(io.NewSectionReader(s.in, s.off, s.size)), nil
}

// inContext is a file of the build context.
type inContext struct {
	view *buildhash.Context
	name string
}

func (c *inContext) open() (io.ReadCloser, error) { return c.view.Open(c.name) }

// text is a here-document.
type text string

func (t text) open() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(string(t))), nil }

// belowFile is a file of the layers below.
type belowFile struct {
	from func(string) (io.ReadCloser, error)
	name string
}

func (b *belowFile) open() (io.ReadCloser, error) { return b.from(b.name) }

// open opens the inode's bytes.
func (i *inode) open(at string) (io.ReadCloser, error) {
	switch {
	case i.content != nil:
		return i.content.open()
	case i.entry.Size == 0:
		return text("").open()
	}
	return nil, cannot(ContentBelow, "%s", at)
}

// copyTo writes the inode's bytes, which are all read, and not one more or less
// than its size.
func (i *inode) copyTo(ctx context.Context, w io.Writer, at string) error {
	size := i.entry.Size
	r, err := i.open(at)
	if err != nil {
		return fmt.Errorf("reading the source of %s: %w", at, err)
	}
	defer r.Close()
	// A reader that checks what it gives may say so only at its end, behind
	// the last byte.
	n, err := io.Copy(w, io.LimitReader(&sourceReader{ctx: ctx, r: r}, size+1))
	switch {
	case n > size:
		return fmt.Errorf("reading the source of %s: it goes on behind the %d bytes that it says", at, size)
	case err != nil:
		return fmt.Errorf("reading the source of %s: %w", at, err)
	case n != size:
		return fmt.Errorf("reading the source of %s: it ends after %d of %d bytes", at, n, size)
	}
	return nil
}

// digest returns the sha256 of a file's bytes, which are read if they were not
// yet.
func (i *inode) digest(ctx context.Context, at string) ([32]byte, error) {
	if i.hashed || i.entry.Type != '0' {
		return i.entry.Digest, nil
	}
	sum := sha256.New()
	if err := i.copyTo(ctx, sum, at); err != nil {
		return [32]byte{}, err
	}
	sum.Sum(i.entry.Digest[:0])
	i.hashed = true
	return i.entry.Digest, nil
}
