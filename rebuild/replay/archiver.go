package replay

import (
	"archive/tar"
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"time"

	"github.com/imageverify/verify/checksums"
)

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
