package replay

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"maps"
	"path"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/checksums"
)

// Format is how a layer's archive is written.
type Format string

const (
	// FormatDocker is what Docker Engine's layer store writes, for the classic
	// builder and for its own BuildKit: file type bits in modes, marks of
	// opaque directories.
	FormatDocker Format = "docker"
	// FormatBuildKit is what BuildKit's differ writes: no file type bits, and
	// nothing that is below as it is.
	FormatBuildKit Format = "buildkit"
)

// Stamp is what a layer's bytes depend on besides its directive.
type Stamp struct {
	// Format is, where empty, that of the dialect.
	Format Format
	// SourceDate is SOURCE_DATE_EPOCH of a BuildKit that rewrites timestamps:
	// later times are set to it. Zero for none.
	SourceDate time.Time
	// Time gives, by path, the times that the source does not decide. False
	// says that the layer has no such entry, which then is left out where the
	// builder may have done so. nil stands for a function that knows nothing.
	// With SourceDate only earlier times count; those that the build itself
	// gave, which are most, are SourceDate and need no answer.
	Time func(path string) (time.Time, bool)
	// Names gives the names of owners, which some versions of Docker wrote as
	// the host of the build had them; nil for none.
	Names func(uid, gid int) (user, group string)
	// MarkNew has marks also in directories that are new in a directory of the
	// layers below, as Linux up to 5.11 makes them. It is for FormatDocker.
	MarkNew bool
}

// Written is a layer's archive.
type Written struct {
	DiffID v1.Hash
	Size   int64 // in bytes, not compressed
	// Times are the times that came from Stamp.Time, in walk order: one for
	// each file, under the first of its names.
	Times []Time
	// Undated are the paths whose time neither the source nor Stamp knows: it
	// is 1970 in the archive.
	Undated []string
	// Stamped is whether Umask decided the mode of a file or directory.
	Stamped bool
}

// Time is a time that was asked for.
type Time struct {
	Path string
	Time time.Time
}

// Compress returns a writer that compresses as the builders do: Go's standard
// gzip at its default level, without name and time in its header. The caller
// closes it, w stays open.
func Compress(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }

// WriteLayer writes the archive of the layer that an ADD, COPY or WORKDIR
// makes, not compressed. Every file that goes into it is read to its end
// through the context. The error is a *NotReplayable where the source does not
// decide the layer; then, too, a part of the archive may have been written.
func WriteLayer(ctx context.Context, in Input, stamp Stamp, w io.Writer) (*Written, error) {
	p, err := Play(ctx, in)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	return p.Write(ctx, stamp, w)
}

// Played is a directive that was played: what it leaves in its layer.
type Played struct{ player *player }

// Play plays a directive. Archives are read, and the contents that they hold
// kept, in a temporary file where they are large; other files are read when
// they are asked for.
func Play(ctx context.Context, in Input) (*Played, error) {
	p := newPlayer(in)
	p.store = &spool{openFile: in.Spill}
	err := p.play(ctx)
	if err == nil {
		err = p.markRepeats(ctx)
	}
	if err != nil {
		p.store.Close()
		return nil, err
	}
	return &Played{p}, nil
}

// Close frees the contents of archives.
func (p *Played) Close() error { return p.player.store.Close() }

// Index returns the entries of the layer, as Layer does.
func (p *Played) Index(ctx context.Context) (*Result, error) { return p.player.index(ctx) }

// Write writes the layer's archive. It may be called again, with other stamps.
func (p *Played) Write(ctx context.Context, stamp Stamp, w io.Writer) (*Written, error) {
	if stamp.Format == "" {
		stamp.Format = FormatDocker
		if p.player.in.Dialect == BuildKit {
			stamp.Format = FormatBuildKit
		}
	}
	sum := &summed{w: w, hash: sha256.New()}
	buffered := bufio.NewWriterSize(sum, 256<<10)
	a := &archiver{player: p.player, ctx: ctx, stamp: stamp, tw: tar.NewWriter(buffered),
		first: map[*inode]string{}, left: map[*node]bool{}, removed: map[*node][]string{}, out: &Written{Stamped: p.player.stamped}}
	if stamp.Format == FormatBuildKit {
		if err := a.findRemoved(".", p.player.tree.root, false); err != nil {
			return nil, err
		}
		if _, err := a.leave(".", p.player.tree.root); err != nil {
			return nil, err
		}
	}
	if err := a.walk(".", p.player.tree.root); err != nil {
		return nil, err
	}
	if err := a.tw.Close(); err != nil {
		return nil, fmt.Errorf("writing a layer: %w", err)
	}
	if err := buffered.Flush(); err != nil {
		return nil, fmt.Errorf("writing a layer: %w", err)
	}
	a.out.DiffID = v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum.hash.Sum(nil))}
	a.out.Size = sum.n
	return a.out, nil
}

// summed hashes and counts what is written.
type summed struct {
	w    io.Writer
	hash hash.Hash
	n    int64
}

func (s *summed) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	s.hash.Write(p[:n])
	s.n += int64(n)
	return n, err
}

// archiver writes the upper layer as an archive.
type archiver struct {
	*player
	ctx   context.Context
	stamp Stamp
	tw    *tar.Writer
	first map[*inode]string // the first name of each inode that has several
	left  map[*node]bool    // what is below as it is
	// removed are the names that a directory below had, which was removed and
	// made again; for FormatBuildKit.
	removed map[*node][]string
	out     *Written
}

// walk writes what is in a directory.
func (a *archiver) walk(dir string, n *node) error {
	names := slices.Sorted(maps.Keys(n.children))
	if gone := a.removed[n]; len(gone) > 0 {
		names = slices.Sorted(slices.Values(slices.Concat(names, gone)))
	}
	for _, name := range names {
		at, child := path.Join(dir, name), n.children[name]
		if child == nil {
			if err := a.writeRemoval(dir, name); err != nil {
				return err
			}
			continue
		}
		if err := a.visit(at, child); err != nil {
			return err
		}
		if err := a.walk(at, child); err != nil {
			return err
		}
	}
	return nil
}

// writeRemoval writes a whiteout as BuildKit does, which sets nothing but the
// name.
func (a *archiver) writeRemoval(dir, name string) error {
	h := &tar.Header{Typeflag: tar.TypeReg, Name: path.Join(dir, checksums.WhiteoutPrefix+name), ModTime: time.Unix(0, 0)}
	if err := a.tw.WriteHeader(h); err != nil {
		return fmt.Errorf("writing the header of %s: %w", h.Name, err)
	}
	return nil
}

// findRemoved finds what was in directories that were removed and made again,
// and is no longer. inside says that dir lies in such a one.
func (a *archiver) findRemoved(dir string, n *node, inside bool) error {
	for name, child := range n.children {
		if child.ino.entry.Type != tar.TypeDir {
			continue
		}
		at := path.Join(dir, name)
		again := inside
		if child.opaque || inside {
			old, err := a.tree.below(at)
			if err != nil {
				return err
			}
			again = old != nil && old.Type == tar.TypeDir
		}
		if again {
			if err := a.listRemoved(at, child); err != nil {
				return err
			}
		}
		if err := a.findRemoved(at, child, again); err != nil {
			return err
		}
	}
	return nil
}

func (a *archiver) listRemoved(at string, n *node) error {
	if a.in.List == nil {
		return cannot(ArchiveUnusual, "%s removes a directory of the layers below and makes it again", at)
	}
	names, err := a.in.List(at)
	if err != nil {
		return fmt.Errorf("listing %s in the layers below: %w", at, err)
	}
	a.removed[n] = slices.DeleteFunc(names, func(name string) bool { return n.children[name] != nil })
	return nil
}

// leave finds what BuildKit leaves out, of that which is in a directory. It
// reports whether that is everything.
func (a *archiver) leave(dir string, n *node) (bool, error) {
	all := len(a.removed[n]) == 0
	for name, child := range n.children {
		at := path.Join(dir, name)
		inside, err := a.leave(at, child)
		if err != nil {
			return false, err
		}
		if inside && child.repeats {
			if a.left[child], err = a.sameTime(at, child); err != nil {
				return false, err
			}
		}
		all = all && a.left[child]
	}
	return all, nil
}

// sameTime reports whether a node that may be left out has the time of the one
// below; a time that nobody knows is that.
func (a *archiver) sameTime(at string, n *node) (bool, error) {
	if n.ino.entry.Type == tar.TypeDir {
		return true, nil
	}
	old, err := a.tree.original(at)
	if err != nil || old == nil {
		return false, err
	}
	now, from := a.known(at, n.ino)
	then, date := old.ModTime, a.stamp.SourceDate
	if !date.IsZero() && (then.IsZero() || then.After(date)) {
		then = date
	}
	return from == fromNowhere || now.Unix() == then.Unix(), nil
}

// visit writes a node's entry.
func (a *archiver) visit(at string, n *node) error {
	if a.left[n] {
		return nil
	}
	h, err := a.header(at, n.ino)
	if err != nil {
		return err
	}
	if err := a.tw.WriteHeader(h); err != nil {
		return fmt.Errorf("writing the header of %s: %w", at, err)
	}
	if h.Typeflag == tar.TypeReg {
		if err := n.ino.copyTo(a.ctx, a.tw, at); err != nil {
			return err
		}
	}
	return a.writeMark(at, n, h)
}

// header is a node's, as the builders make it: archive/tar's PAX format, which
// differs from ustar only where a field does not fit, times cut to seconds.
func (a *archiver) header(at string, ino *inode) (*tar.Header, error) {
	e := ino.header(at)
	h := &tar.Header{Typeflag: e.Type, Name: e.Path, Linkname: e.Link, Size: e.Size, Mode: e.Mode, Uid: e.UID, Gid: e.GID,
		Devmajor: e.Devmajor, Devminor: e.Devminor, Format: tar.FormatPAX}
	if a.stamp.Format == FormatDocker {
		h.Mode |= typeBits[e.Type]
	}
	if a.stamp.Names != nil {
		h.Uname, h.Gname = a.stamp.Names(e.UID, e.GID)
	}
	if value, ok := e.Xattrs[capability]; ok {
		h.PAXRecords = map[string]string{xattrRecord + capability: value}
	}
	if e.Type == tar.TypeDir {
		h.Name += "/"
	}
	first, linked := a.first[ino]
	if ino.links && !linked {
		a.first[ino], first = at, at
	}
	if linked {
		h.Typeflag, h.Linkname, h.Size = tar.TypeLink, first, 0
	}
	if !linked {
		first = at
	}
	h.ModTime = a.time(first, linked, ino)
	return h, nil
}

const xattrRecord = "SCHILY.xattr."

// typeBits are the bits of st_mode by which Docker's headers repeat the type.
var typeBits = map[byte]int64{
	tar.TypeReg: 0o100000, tar.TypeDir: 0o040000, tar.TypeSymlink: 0o120000,
	tar.TypeChar: 0o020000, tar.TypeBlock: 0o060000, tar.TypeFifo: 0o010000,
}

// time is that of an entry; a further name of a file has the first one's.
func (a *archiver) time(at string, again bool, ino *inode) time.Time {
	t, from := a.known(at, ino)
	switch {
	case again:
	case from == fromStamp:
		a.out.Times = append(a.out.Times, Time{at, t})
	case from == fromNowhere:
		a.out.Undated = append(a.out.Undated, at)
	}
	return t
}

// Where a time comes from.
type timeFrom int

const (
	fromSource timeFrom = iota
	fromStamp
	fromNowhere
)

// known is a time as far as it is known, cut to seconds.
func (a *archiver) known(at string, ino *inode) (time.Time, timeFrom) {
	t, from, date := ino.entry.ModTime, fromSource, a.stamp.SourceDate
	if t.IsZero() && a.stamp.Time != nil {
		if given, ok := a.stamp.Time(at); ok {
			t, from = given, fromStamp
		}
	}
	switch {
	case !date.IsZero() && (t.IsZero() || !t.Before(date)):
		t, from = date, fromSource
	case t.IsZero():
		return time.Unix(0, 0).UTC(), fromNowhere
	}
	return t.Truncate(time.Second), from
}

// writeMark writes the mark of an opaque directory, whose header is h. Docker
// sets no format for it.
func (a *archiver) writeMark(at string, n *node, h *tar.Header) error {
	mark, sure, err := a.mark(at, n)
	if err != nil || mark == nil || a.stamp.Format != FormatDocker || !sure && !n.opaque && !a.stamp.MarkNew {
		return err
	}
	m := &tar.Header{Typeflag: tar.TypeReg, Name: path.Join(at, checksums.OpaqueName), Mode: mark.Mode, Uid: mark.UID, Gid: mark.GID,
		Uname: h.Uname, Gname: h.Gname}
	if err := a.tw.WriteHeader(m); err != nil {
		return fmt.Errorf("writing the header of %s: %w", m.Name, err)
	}
	return nil
}
