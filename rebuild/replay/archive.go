package replay

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/imageverify/verify/checksums"
)

// maxHeaders bounds the bytes of names, link targets and attributes that are
// kept of one archive.
const maxHeaders = 512 << 20

// memberBatch is how many members are written at a time: each question to the
// layers below reads all of their index.
const memberBatch = 1 << 14

// member is one entry of an archive. self is set for a header that speaks of
// the destination itself ("/", not "./").
type member struct {
	item
	self bool
}

// unpack reads a file to its end. Where it is an archive that builders unpack,
// its members are extracted; it reports false where they copy it as it is.
func (p *player) unpack(src *sourceReader, x *extraction) (bool, error) {
	err := p.readArchive(src, x)
	switch {
	case src.err != nil:
		return false, src.err
	case errors.Is(err, errNoArchive):
		return false, nil
	case err != nil:
		return false, err
	}
	// What is behind the archive's end is no part of it, but the context may
	// know only at the file's end that the file is what it says.
	_, err = io.Copy(io.Discard, src)
	return true, err
}

// errNoArchive says that a builder copies the file as it is.
var errNoArchive = errors.New("not an archive")

// readArchive reads up to the archive's end.
func (p *player) readArchive(src io.Reader, x *extraction) error {
	content, kind, err := checksums.Decompress(src)
	if err != nil {
		return unlessBound(err, errNoArchive)
	}
	defer content.Close()
	if kind == checksums.Zstd && p.in.Dialect == Classic {
		return cannot(ArchiveFormat, "zstd")
	}
	unpacked := readAhead(&boundedReader{r: content, left: p.limits.Unpacked, limit: p.limits.Unpacked})
	defer unpacked.Close()
	tr := tar.NewReader(unpacked)
	for count, kept := 0, 0; ; count++ {
		h, err := tr.Next()
		if err == io.EOF && count > 0 {
			return x.finish()
		}
		if err != nil && count == 0 {
			return unlessBound(err, errNoArchive)
		}
		if err != nil {
			return unlessBound(err, cannot(ArchiveBroken, "after %d entries: %v", count, err))
		}
		m, err := p.readMember(tr, h)
		if err != nil {
			return err
		}
		if kept, err = countHeaders(kept, m.entry); err != nil {
			return err
		}
		if count >= p.limits.Entries {
			return &checksums.LimitError{What: "entries", Limit: int64(p.limits.Entries)}
		}
		if err := x.add(m); err != nil {
			return err
		}
	}
}

// unlessBound keeps an error that says a bound was met, so that it does not
// pass for a judgement on the archive.
func unlessBound(err, otherwise error) error {
	var limit *checksums.LimitError
	if errors.As(err, &limit) {
		return err
	}
	return otherwise
}

// countHeaders adds what is kept of an entry to what is kept of those before it.
func countHeaders(kept int, e checksums.Entry) (int, error) {
	kept += len(e.Path) + len(e.Link)
	for key, value := range e.Xattrs {
		kept += len(key) + len(value)
	}
	if kept > maxHeaders {
		return kept, &checksums.LimitError{What: "bytes of headers", Limit: maxHeaders}
	}
	return kept, nil
}

func (p *player) readMember(tr *tar.Reader, h *tar.Header) (member, error) {
	m := member{item: item{entry: checksums.EntryFromHeader(h)}, self: path.Clean(h.Name) == "/"}
	e := &m.entry
	e.ModTime = boundTime(e.ModTime)
	if value, ok := e.Xattrs[capability]; ok {
		e.Xattrs = map[string]string{capability: value}
	} else {
		e.Xattrs = nil
	}
	if err := p.checkMember(e, h.Typeflag); err != nil {
		return m, err
	}
	if e.Type != tar.TypeReg {
		return m, nil
	}
	if e.Size > p.limits.Unpacked-p.bytes {
		return m, &checksums.LimitError{What: "bytes of content", Limit: p.limits.Unpacked}
	}
	p.bytes += e.Size
	return m, p.readContent(tr, &m.item)
}

// readContent keeps a member's bytes, or no more than their digest where
// nobody asks for the bytes.
func (p *player) readContent(r io.Reader, it *item) error {
	sum := sha256.New()
	w := io.Writer(sum)
	if p.store != nil {
		it.content = &spooled{p.store, p.store.size, it.entry.Size}
		w = p.store
	}
	n, err := io.Copy(w, r)
	if _, ok := errors.AsType[*SpoolError](err); ok {
		return err
	}
	if err != nil || n != it.entry.Size {
		return unlessBound(err, cannot(ArchiveBroken, "%s ends after %d of %d bytes", it.entry.Path, n, it.entry.Size))
	}
	if p.store == nil {
		sum.Sum(it.entry.Digest[:0])
		it.hashed = true
	}
	return nil
}

// capabilitySizes are those of struct vfs_cap_data, in its three revisions
// (Linux, include/uapi/linux/capability.h).
var capabilitySizes = []int{12, 20, 24}

// checkMember refuses what builders refuse, or do in ways of their own.
func (p *player) checkMember(e *checksums.Entry, typeflag byte) error {
	switch {
	case len(e.Path) > p.limits.PathBytes || len(e.Link) > p.limits.PathBytes:
		return &checksums.LimitError{What: "bytes in a path", Limit: int64(p.limits.PathBytes)}
	case e.Escapes():
		return cannot(ArchiveEscapes, "%s", e.Path)
	case e.Type == tar.TypeLink && (checksums.Entry{Path: e.Link}).Escapes():
		return cannot(ArchiveEscapes, "%s, a hard link to %s", e.Path, e.Link)
	case typeflag == tar.TypeGNUSparse || typeflag == tar.TypeCont:
		return cannot(ArchiveUnusual, "%s has type %q", e.Path, typeflag)
	case e.Type == tar.TypeChar && e.Devmajor == 0 && e.Devminor == 0:
		return cannot(ArchiveUnusual, "%s is what an overlay takes for a removal", e.Path)
	case e.Xattrs[capability] != "" && !slices.Contains(capabilitySizes, len(e.Xattrs[capability])):
		return cannot(ArchiveUnusual, "%s has %d bytes of capabilities, which Linux does not take", e.Path, len(e.Xattrs[capability]))
	case strings.IndexByte("0123456g", e.Type) < 0:
		return cannot(ArchiveUnusual, "%s has type %q", e.Path, e.Type)
	}
	return nil
}

// boundTime gives times that builders cannot set the one that they set instead,
// and drops what is below a second.
func boundTime(t time.Time) time.Time {
	if t.Before(time.Unix(0, 0)) {
		return time.Unix(0, 0).UTC()
	}
	return t.Truncate(time.Second)
}

// extraction writes an archive's members below a destination, one after
// another.
type extraction struct {
	*player
	// begin makes the destination. The owner, where not nil, owns all members.
	begin func() (dest string, all *owner, err error)

	begun   bool
	dest    string
	all     *owner
	pending []member
	dirs    []dated
}

// dated is a directory of an archive and its time.
type dated struct {
	name string
	time time.Time
}

func (x *extraction) add(m member) error {
	x.pending = append(x.pending, m)
	if x.tree.lower != nil && len(x.pending) < memberBatch {
		return nil
	}
	return x.flush()
}

func (x *extraction) flush() error {
	if !x.begun {
		var err error
		if x.dest, x.all, err = x.begin(); err != nil {
			return err
		}
		x.begun = true
	}
	if err := x.tree.prefetch(memberPaths(x.pending, x.dest)); err != nil {
		return err
	}
	for _, m := range x.pending {
		if m.entry.Type == tar.TypeXGlobalHeader || m.entry.Path == "." && !m.self {
			continue
		}
		if x.all != nil {
			m.entry.UID, m.entry.GID = x.all.uid, x.all.gid
		}
		if err := x.extractOne(m, x.dest); err != nil {
			return err
		}
		if m.entry.Type == tar.TypeDir {
			x.dirs = append(x.dirs, dated{m.entry.Path, m.entry.ModTime})
		}
	}
	x.pending = x.pending[:0]
	return nil
}

// finish gives directories their times: entries written into them would have
// changed them.
func (x *extraction) finish() error {
	if err := x.flush(); err != nil {
		return err
	}
	for _, d := range x.dirs {
		at, err := x.tree.resolve(d.name, x.dest, true)
		if err != nil {
			return err
		}
		n, err := x.tree.raise(at)
		if err != nil {
			return err
		}
		n.ino.entry.ModTime, n.carried = d.time, false
	}
	return nil
}

func memberPaths(members []member, dest string) []string {
	paths := make([]string, 0, len(members))
	for _, m := range members {
		paths = append(paths, path.Join(dest, m.entry.Path))
		if m.entry.Type == tar.TypeLink {
			paths = append(paths, path.Join(dest, m.entry.Link))
		}
	}
	return paths
}

func (p *player) extractOne(m member, dest string) error {
	e := &m.entry
	if m.self {
		_, err := p.tree.put(dest, m.item)
		return err
	}
	parent, err := p.tree.resolve(path.Dir(e.Path), dest, true)
	if err != nil {
		return err
	}
	if _, err := p.tree.mkdirAll(parent, owner{}, newDirMode); err != nil {
		return err
	}
	at := path.Join(parent, path.Base(e.Path))
	switch e.Type {
	case tar.TypeLink:
		return p.extractLink(at, *e, dest)
	case tar.TypeSymlink:
		e.Mode = 0o777
	}
	_, err = p.tree.put(at, m.item)
	return err
}

// extractLink gives a file a further name; owner, mode, time and attributes of
// the link's own header are set on the file that both names share.
func (p *player) extractLink(at string, e checksums.Entry, dest string) error {
	target, err := p.tree.resolve(e.Link, dest, false)
	if err != nil {
		return err
	}
	if target == at {
		return cannot(ArchiveBroken, "%s is a hard link to itself", at)
	}
	n, err := p.tree.link(at, target)
	if err != nil {
		return err
	}
	shared := &n.ino.entry
	shared.UID, shared.GID, shared.Xattrs = e.UID, e.GID, e.Xattrs
	if shared.Type != tar.TypeSymlink {
		shared.Mode, shared.ModTime = e.Mode, e.ModTime
	}
	return nil
}

// sourceReader remembers why reading the source failed, and ends with its
// context.
type sourceReader struct {
	ctx context.Context
	r   io.Reader
	err error
}

func (s *sourceReader) Read(b []byte) (int, error) {
	if s.err == nil {
		s.err = s.ctx.Err()
	}
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(b)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// boundedReader fails where more than limit bytes come.
type boundedReader struct {
	r           io.Reader
	left, limit int64
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, &checksums.LimitError{What: "unpacked bytes", Limit: b.limit}
	}
	return n, err
}
