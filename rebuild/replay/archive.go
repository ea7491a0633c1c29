package replay

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"path"
	"strings"
	"time"

	"github.com/imageverify/verify/checksums"
)

// maxHeaders bounds the bytes of names, link targets and attributes that are
// kept of one archive.
const maxHeaders = 512 << 20

// member is one entry of an archive. self is set for a header that speaks of
// the destination itself ("/", not "./").
type member struct {
	entry checksums.Entry
	self  bool
}

// readSource reads a file to its end. It returns the entries where the file is
// an archive that builders unpack, none where they copy it as it is.
func (p *player) readSource(src *sourceReader) ([]member, error) {
	members, err := p.readArchive(src)
	switch {
	case src.err != nil:
		return nil, src.err
	case errors.Is(err, errNoArchive):
		return nil, nil
	case err != nil:
		return nil, err
	}
	// What is behind the archive's end is no part of it, but the context may
	// know only at the file's end that the file is what it says.
	_, err = io.Copy(io.Discard, src)
	return members, err
}

// errNoArchive says that a builder copies the file as it is.
var errNoArchive = errors.New("not an archive")

// readArchive reads headers and hashes contents up to the archive's end.
func (p *player) readArchive(src io.Reader) ([]member, error) {
	content, kind, err := checksums.Decompress(src)
	if err != nil {
		return nil, unlessBound(err, errNoArchive)
	}
	defer content.Close()
	if kind == checksums.Zstd && p.in.Dialect == Classic {
		return nil, cannot(ArchiveFormat, "zstd")
	}
	tr := tar.NewReader(&boundedReader{r: content, left: p.limits.Unpacked, limit: p.limits.Unpacked})
	var members []member
	for kept := 0; ; {
		h, err := tr.Next()
		if err == io.EOF && len(members) > 0 {
			return members, nil
		}
		if err != nil && len(members) == 0 {
			return nil, unlessBound(err, errNoArchive)
		}
		if err != nil {
			return nil, unlessBound(err, cannot(ArchiveBroken, "after %d entries: %v", len(members), err))
		}
		m, err := p.readMember(tr, h)
		if err != nil {
			return nil, err
		}
		if kept += headerBytes(m.entry); kept > maxHeaders {
			return nil, &checksums.LimitError{What: "bytes of headers", Limit: maxHeaders}
		}
		if members = append(members, m); len(members) > p.limits.Entries {
			return nil, &checksums.LimitError{What: "entries", Limit: int64(p.limits.Entries)}
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

func headerBytes(e checksums.Entry) int {
	n := len(e.Path) + len(e.Link)
	for key, value := range e.Xattrs {
		n += len(key) + len(value)
	}
	return n
}

func (p *player) readMember(tr *tar.Reader, h *tar.Header) (member, error) {
	m := member{entry: checksums.EntryFromHeader(h), self: path.Clean(h.Name) == "/"}
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
	sum := sha256.New()
	n, err := io.Copy(sum, tr)
	if err != nil || n != e.Size {
		return m, unlessBound(err, cannot(ArchiveBroken, "%s ends after %d of %d bytes", e.Path, n, e.Size))
	}
	sum.Sum(e.Digest[:0])
	return m, nil
}

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

// extract writes the members below dest, one after another. o, where not nil,
// owns them all.
func (p *player) extract(members []member, dest string, o *owner) error {
	if err := p.tree.prefetch(memberPaths(members, dest)); err != nil {
		return err
	}
	type dated struct {
		name string
		time time.Time
	}
	var dirs []dated
	for _, m := range members {
		if m.entry.Type == tar.TypeXGlobalHeader || m.entry.Path == "." && !m.self {
			continue
		}
		if o != nil {
			m.entry.UID, m.entry.GID = o.uid, o.gid
		}
		if err := p.extractOne(m, dest); err != nil {
			return err
		}
		if m.entry.Type == tar.TypeDir {
			dirs = append(dirs, dated{m.entry.Path, m.entry.ModTime})
		}
	}
	// Directories get their times at the end: entries written into them would
	// have changed them.
	for _, d := range dirs {
		at, err := p.tree.resolve(d.name, dest, true)
		if err != nil {
			return err
		}
		n, err := p.tree.raise(at)
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
	e := m.entry
	if m.self {
		_, err := p.tree.put(dest, e)
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
		return p.extractLink(at, e, dest)
	case tar.TypeSymlink:
		e.Mode = 0o777
	}
	_, err = p.tree.put(at, e)
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
