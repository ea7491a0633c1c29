package replay

import (
	"archive/tar"
	"maps"
	"path"
	"slices"
	"time"

	"github.com/imageverify/verify/checksums"
)

// capability is the only extended attribute that builders put into layers.
const capability = "security.capability"

// finish writes what the upper layer holds to an index.
func (p *player) finish() (*checksums.Index, error) {
	w := &writer{tree: p.tree, builder: p.newBuilder(), first: map[*inode]string{}}
	defer w.builder.Close()
	if p.in.Dialect == BuildKit {
		if err := w.compare(".", p.tree.root); err != nil {
			return nil, err
		}
	}
	if err := w.children(".", p.tree.root); err != nil {
		return nil, err
	}
	return w.builder.Finish()
}

func (p *player) newBuilder() *checksums.Builder {
	if p.in.NewBuilder != nil {
		return p.in.NewBuilder()
	}
	return checksums.NewBuilder(nil, p.limits)
}

// writer walks the upper layer.
type writer struct {
	tree    *tree
	builder *checksums.Builder
	first   map[*inode]string // first name of each inode that has several
}

func (w *writer) children(dir string, n *node) error {
	for _, name := range slices.Sorted(maps.Keys(n.children)) {
		at, child := path.Join(dir, name), n.children[name]
		if err := w.builder.Add(w.entry(at, child.ino)); err != nil {
			return err
		}
		if err := w.children(at, child); err != nil {
			return err
		}
	}
	return nil
}

// entry is how the layer has an inode under one of its names.
func (w *writer) entry(at string, ino *inode) checksums.Entry {
	e := ino.entry
	e.Path = at
	e.ModTime = e.ModTime.Truncate(time.Second)
	e.Xattrs = nil
	if value, ok := ino.entry.Xattrs[capability]; ok {
		e.Xattrs = map[string]string{capability: value}
	}
	if !ino.links {
		return e
	}
	first, seen := w.first[ino]
	if !seen {
		w.first[ino] = at
		return e
	}
	e.Type, e.Link, e.Size, e.Digest = tar.TypeLink, first, 0, [32]byte{}
	e.Devmajor, e.Devminor = 0, 0
	return e
}

// compare refuses a layer in which something is written again just as it was
// below: BuildKit compares with the layers below and leaves such entries out,
// Docker's own BuildKit does not. What has something new in it stays anyway.
func (w *writer) compare(dir string, n *node) error {
	for name, child := range n.children {
		at := path.Join(dir, name)
		if err := w.compare(at, child); err != nil {
			return err
		}
		if child.carried || child.opaque && child.ino.entry.Type == tar.TypeDir || len(child.children) > 0 {
			continue
		}
		if _, through := w.tree.find(at); !through {
			continue
		}
		old, err := w.tree.below(at)
		if err != nil {
			return err
		}
		if old != nil && same(*old, child.ino.entry) {
			return cannot(SameAsLower, "%s", at)
		}
	}
	return nil
}

// same reports whether a differ takes two entries for one; a time that is not
// known counts as equal.
func same(a, b checksums.Entry) bool {
	if a.Type != b.Type || a.Mode != b.Mode || a.UID != b.UID || a.GID != b.GID ||
		a.Devmajor != b.Devmajor || a.Devminor != b.Devminor || a.Xattrs[capability] != b.Xattrs[capability] {
		return false
	}
	if a.Type == tar.TypeDir {
		return true
	}
	times := a.ModTime.IsZero() || b.ModTime.IsZero() || a.ModTime.Unix() == b.ModTime.Unix()
	return times && a.Size == b.Size && a.Link == b.Link && a.Digest == b.Digest
}
