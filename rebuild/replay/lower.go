package replay

import (
	"archive/tar"
	"crypto/sha256"
	"path"
	"time"

	"github.com/imageverify/verify/checksums"
)

// opaqueName is the file by which a directory of a layer says that nothing in
// it shows through from the layers below.
const opaqueName = ".wh..wh..opq"

// repeats marks what is written again just as it was below: BuildKit compares
// with the layers below and leaves such entries out, Docker's own BuildKit does
// not. A directory stays where something in it does. It reports whether all
// that is in dir may be left out.
func (w *writer) repeats(dir string, n *node) (bool, error) {
	all := true
	for name, child := range n.children {
		at := path.Join(dir, name)
		inside, err := w.repeats(at, child)
		if err != nil {
			return false, err
		}
		if inside {
			if child.repeats, err = w.asBelow(at, child); err != nil {
				return false, err
			}
		}
		all = all && child.repeats
	}
	return all, nil
}

// asBelow reports whether the layers below have the node as it is.
func (w *writer) asBelow(at string, n *node) (bool, error) {
	if n.carried {
		return true, nil
	}
	if _, through := w.tree.find(at); !through {
		return false, nil
	}
	old, err := w.tree.original(at)
	return err == nil && old != nil && w.same(n.ino.entry, *old), err
}

// same reports whether a differ takes a new entry for the old one; a time that
// is not known counts as equal.
func (w *writer) same(now, old checksums.Entry) bool {
	if now.Type != old.Type || now.Mode != old.Mode || now.UID != old.UID || now.GID != old.GID ||
		now.Devmajor != old.Devmajor || now.Devminor != old.Devminor || now.Xattrs[capability] != old.Xattrs[capability] {
		return false
	}
	if now.Type == tar.TypeDir {
		return true
	}
	return now.Size == old.Size && now.Link == old.Link && now.Digest == old.Digest &&
		Times(w.in.Created, w.in.Dialect)(now, old)
}

// mark adds the entry that makes a directory opaque, as Docker's layers have it
// on overlay file systems, right behind the directory. Only where a directory
// below was removed and made again it hides something, and must be there:
// BuildKit's own differ writes one entry for each hidden name instead. Linux
// makes directories opaque also where they replace something else and, up to
// 5.11, where they are new in a directory that the layers below have; then the
// mark hides nothing, and may be there.
func (w *writer) mark(at string, n *node) error {
	may, hides, err := w.opaque(at, n)
	switch {
	case err != nil || !may:
		return err
	case n.children[opaqueName] != nil:
		return cannot(ArchiveUnusual, "%s is a name that layers have a use for", path.Join(at, opaqueName))
	case hides && w.in.Dialect == BuildKit:
		return cannot(ArchiveUnusual, "%s removes a directory of the layers below and makes it again", at)
	}
	dir := &n.ino.entry
	return w.add(checksums.Entry{Path: path.Join(at, opaqueName), Type: tar.TypeReg, Mode: dir.Mode & 0o777,
		UID: dir.UID, GID: dir.GID, ModTime: time.Unix(0, 0).UTC(), Digest: sha256.Sum256(nil)}, !hides)
}

// opaque reports whether a node may have the mark, and whether that hides
// something of the layers below.
func (w *writer) opaque(at string, n *node) (may, hides bool, err error) {
	if w.tree.lower == nil || n.carried || n.ino.entry.Type != tar.TypeDir {
		return false, false, nil
	}
	if _, through := w.tree.find(at); !through {
		return false, false, nil
	}
	old, err := w.tree.below(at)
	if err != nil {
		return false, false, err
	}
	if old != nil {
		return n.opaque, n.opaque && old.Type == tar.TypeDir, nil
	}
	if path.Dir(at) == "." {
		return true, false, nil
	}
	parent, err := w.tree.below(path.Dir(at))
	return err == nil && parent != nil && parent.Type == tar.TypeDir, false, err
}
