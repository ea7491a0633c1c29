package replay

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"path"
	"time"

	"github.com/imageverify/verify/checksums"
)

// markRepeats marks what is written again just as it was below: BuildKit
// compares with the layers below and leaves such entries out, Docker's own
// BuildKit does not.
func (p *player) markRepeats(ctx context.Context) error {
	if p.in.Dialect != BuildKit || p.repeatsMarked || p.tree.lower == nil {
		return nil
	}
	p.repeatsMarked = true
	_, err := p.repeats(ctx, ".", p.tree.root)
	return err
}

// repeats marks what is in a directory; the directory stays where something in
// it does. It reports whether all that is in dir may be left out.
func (p *player) repeats(ctx context.Context, dir string, n *node) (bool, error) {
	all := true
	for name, child := range n.children {
		at := path.Join(dir, name)
		inside, err := p.repeats(ctx, at, child)
		if err != nil {
			return false, err
		}
		if inside {
			if child.repeats, err = p.asBelow(ctx, at, child); err != nil {
				return false, err
			}
		}
		all = all && child.repeats
	}
	return all, nil
}

// asBelow reports whether the layers below have the node as it is.
func (p *player) asBelow(ctx context.Context, at string, n *node) (bool, error) {
	if n.carried {
		return true, nil
	}
	// Also in a directory that was removed and made again: BuildKit compares
	// what is in that with what was.
	old, err := p.tree.original(at)
	if err != nil || old == nil || !p.sameHeader(n.ino.entry, *old) {
		return false, err
	}
	digest, err := n.ino.digest(ctx, at)
	return digest == old.Digest, err
}

// sameHeader reports whether a differ takes a new entry for the old one, their
// contents left out; a time that is not known counts as equal.
func (p *player) sameHeader(now, old checksums.Entry) bool {
	if now.Type != old.Type || now.Mode != old.Mode || now.UID != old.UID || now.GID != old.GID ||
		now.Devmajor != old.Devmajor || now.Devminor != old.Devminor || now.Xattrs[capability] != old.Xattrs[capability] {
		return false
	}
	if now.Type == tar.TypeDir {
		return true
	}
	return now.Size == old.Size && now.Link == old.Link && Times(p.in.Created, p.in.Dialect)(now, old)
}

// mark is the entry that makes a directory opaque, as Docker's layers have it
// on overlay file systems, right behind the directory; nil for none. Only where
// a directory below was removed and made again it hides something, and must be
// there: BuildKit's own differ writes one entry for each hidden name instead.
// Linux makes directories opaque also where they replace something else and, up
// to 5.11, where they are new in a directory that the layers below have; then
// the mark hides nothing, and may be there.
func (p *player) mark(at string, n *node) (e *checksums.Entry, sure bool, err error) {
	may, hides, err := p.opaque(at, n)
	switch {
	case err != nil || !may:
		return nil, false, err
	case n.children[checksums.OpaqueName] != nil:
		return nil, false, cannot(ArchiveUnusual, "%s is a name that layers have a use for", path.Join(at, checksums.OpaqueName))
	}
	dir := &n.ino.entry
	return &checksums.Entry{Path: path.Join(at, checksums.OpaqueName), Type: tar.TypeReg, Mode: dir.Mode & 0o777,
		UID: dir.UID, GID: dir.GID, ModTime: time.Unix(0, 0).UTC(), Digest: sha256.Sum256(nil)}, hides, nil
}

// opaque reports whether a node may have the mark, and whether that hides
// something of the layers below.
func (p *player) opaque(at string, n *node) (may, hides bool, err error) {
	if p.tree.lower == nil || n.carried || n.ino.entry.Type != tar.TypeDir {
		return false, false, nil
	}
	if _, through := p.tree.find(at); !through {
		return false, false, nil
	}
	old, err := p.tree.below(at)
	if err != nil {
		return false, false, err
	}
	if old != nil {
		return n.opaque, n.opaque && old.Type == tar.TypeDir, nil
	}
	if path.Dir(at) == "." {
		return true, false, nil
	}
	parent, err := p.tree.below(path.Dir(at))
	return err == nil && parent != nil && parent.Type == tar.TypeDir, false, err
}
