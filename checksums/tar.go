package checksums

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
)

const (
	tarBlock = 512
	// copyBuffer is the size of the pieces in which contents are hashed.
	copyBuffer = 32 << 10
	// xattrPrefix is how PAX records name extended attributes.
	xattrPrefix = "SCHILY.xattr."
)

// TarFacts is what IndexTar saw besides the entries.
type TarFacts struct {
	// Trailing says that there are bytes other than zero behind the end
	// marker, which no reader of the archive sees.
	Trailing bool
	// Entries is how many entries were read, also when an error ended that.
	Entries int
}

// IndexTar adds every entry of the tar archive r to b, with the digest of its
// content, and reads on behind the end marker to the very end of r. As
// archive/tar has it, an empty r is an archive without entries, the end marker
// may be absent, and a global header is an entry of type 'g'. A bound of b that
// is met is a *LimitError.
func IndexTar(ctx context.Context, r io.Reader, b *Builder) (TarFacts, error) {
	w := &watcher{ctx: ctx, r: r}
	ix := indexer{tr: tar.NewReader(w), w: w, b: b, sum: sha256.New(), buf: make([]byte, copyBuffer)}
	var facts TarFacts
	for {
		err := ix.entry()
		if err == io.EOF {
			break
		}
		if err != nil {
			return facts, fmt.Errorf("tar entry %d: %w", facts.Entries, err)
		}
		facts.Entries++
	}
	trailing, err := w.rest(ix.buf)
	facts.Trailing = trailing
	return facts, err
}

// indexer reads one entry after another.
type indexer struct {
	tr  *tar.Reader
	w   *watcher
	b   *Builder
	sum hash.Hash
	buf []byte
}

func (ix *indexer) entry() error {
	h, err := ix.next()
	if err != nil {
		return err
	}
	e := EntryFromHeader(h)
	if e.ModTime.IsZero() {
		// A zero ModTime means that nobody said; this header did say.
		e.ModTime = e.ModTime.Add(1)
	}
	if err := ix.b.check(&e); err != nil {
		return err
	}
	if hasContent(e.Type) {
		if err := ix.digest(&e); err != nil {
			return fmt.Errorf("%q: %w", e.Path, err)
		}
	}
	return ix.b.Add(e)
}

// next returns the next header. archive/tar takes an end after an extended
// header, whose file is then missing, for the end of the archive; here that is
// an archive cut short.
func (ix *indexer) next() (*tar.Header, error) {
	ix.w.watch(true)
	defer ix.w.watch(false)
	h, err := ix.tr.Next()
	if errors.Is(err, tar.ErrInsecurePath) { // only indexed, never written
		return h, nil
	}
	if err == io.EOF && ix.w.seen {
		return nil, io.ErrUnexpectedEOF
	}
	return h, err
}

func (ix *indexer) digest(e *Entry) error {
	ix.sum.Reset()
	n, err := io.CopyBuffer(ix.sum, ix.tr, ix.buf)
	if err != nil {
		return unexpected(err)
	}
	if n != e.Size {
		return io.ErrUnexpectedEOF
	}
	ix.sum.Sum(e.Digest[:0])
	return nil
}

// EntryFromHeader returns what a header says of its entry; Digest and Seq are
// left zero. Sparse and contiguous files are files.
func EntryFromHeader(h *tar.Header) Entry {
	e := Entry{
		Path:    CleanPath(h.Name),
		Type:    entryType(h),
		Mode:    h.Mode & 0o7777,
		UID:     h.Uid,
		GID:     h.Gid,
		ModTime: h.ModTime.UTC(),
		Xattrs:  xattrs(h.PAXRecords),
		Odd:     odd(h),
	}
	switch e.Type {
	case tar.TypeSymlink:
		e.Link = h.Linkname
	case tar.TypeLink:
		e.Link = CleanPath(h.Linkname)
	case tar.TypeChar, tar.TypeBlock:
		e.Devmajor, e.Devminor = h.Devmajor, h.Devminor
	}
	if hasContent(e.Type) {
		e.Size = h.Size
	}
	return e
}

func entryType(h *tar.Header) byte {
	switch h.Typeflag {
	case 0: // before POSIX, a slash was all that made a directory
		if strings.HasSuffix(h.Name, "/") {
			return tar.TypeDir
		}
		return tar.TypeReg
	case tar.TypeGNUSparse, tar.TypeCont:
		return tar.TypeReg
	}
	return h.Typeflag
}

func xattrs(records map[string]string) map[string]string {
	var x map[string]string
	for key, value := range records {
		name, ok := strings.CutPrefix(key, xattrPrefix)
		if !ok {
			continue
		}
		if x == nil {
			x = make(map[string]string)
		}
		x[name] = value
	}
	return x
}

// watcher is what a tar is read through. Between entries it looks for bytes
// other than zero, the padding of the entry before left out.
type watcher struct {
	ctx      context.Context
	r        io.Reader
	off      int64
	from     int64 // where to look from
	watching bool
	seen     bool
}

func (w *watcher) watch(on bool) {
	w.watching = on
	if on {
		w.seen = false
		w.from = (w.off + tarBlock - 1) / tarBlock * tarBlock
	}
}

func (w *watcher) Read(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := w.r.Read(p)
	if w.watching && !w.seen {
		padding := min(max(w.from-w.off, 0), int64(n))
		w.seen = !allZero(p[padding:n])
	}
	w.off += int64(n)
	return n, err
}

// rest reads to the end and reports whether any byte is not zero.
func (w *watcher) rest(buf []byte) (trailing bool, err error) {
	for {
		n, err := w.Read(buf)
		trailing = trailing || !allZero(buf[:n])
		if err == io.EOF {
			return trailing, nil
		}
		if err != nil {
			return trailing, fmt.Errorf("after the end of the archive: %w", err)
		}
	}
}

// zeros is compared with; it is never written.
var zeros [4 << 10]byte

func allZero(p []byte) bool {
	for len(p) > len(zeros) {
		if !bytes.Equal(p[:len(zeros)], zeros[:]) {
			return false
		}
		p = p[len(zeros):]
	}
	return bytes.Equal(p, zeros[:len(p)])
}
