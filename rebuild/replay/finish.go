package replay

import (
	"archive/tar"
	"context"
	"maps"
	"path"
	"slices"
	"time"

	"github.com/imageverify/verify/checksums"
)

// capability is the only extended attribute that builders put into layers.
const capability = "security.capability"

// Result is what a directive leaves in its layer.
type Result struct {
	// Index holds the entries of the layer in canonical form: walk order, hard
	// links pointing to the first of their names. ModTime is zero where the
	// source does not decide it: copied files, and directories that were made
	// or got new entries. Odd is empty.
	Index *checksums.Index
	// Optional are the paths of those entries that the layer may lack, each
	// alone: the image holds the same files without them. They are in walk
	// order, and no more than Input.Limits allows entries.
	Optional []string
	// Stamped is whether Umask decided the mode of a file or directory.
	Stamped bool
}

// Close frees what is behind the index. Closing nil is fine.
func (r *Result) Close() error {
	if r == nil {
		return nil
	}
	return r.Index.Close()
}

// MayLack reports whether the path is one of Optional.
func (r *Result) MayLack(name string) bool {
	_, found := slices.BinarySearchFunc(r.Optional, name, checksums.ComparePaths)
	return found
}

// index writes what the upper layer holds to an index.
func (p *player) index(ctx context.Context) (*Result, error) {
	w := &indexer{player: p, builder: p.newBuilder(), first: map[*inode]firstName{}}
	defer w.builder.Close()
	if err := p.markRepeats(ctx); err != nil {
		return nil, err
	}
	if err := walk(".", p.tree.root, func(at string, n *node) error { return w.visit(ctx, at, n) }); err != nil {
		return nil, err
	}
	slices.SortFunc(w.optional, checksums.ComparePaths)
	index, err := w.builder.Finish()
	if err != nil {
		return nil, err
	}
	return &Result{Index: index, Optional: w.optional, Stamped: p.stamped}, nil
}

func (p *player) newBuilder() *checksums.Builder {
	if p.in.NewBuilder != nil {
		return p.in.NewBuilder()
	}
	return checksums.NewBuilder(nil, p.limits)
}

// walk visits what is below a node of the upper layer, as a walk of the
// directory finds it.
func walk(dir string, n *node, visit func(at string, n *node) error) error {
	for _, name := range slices.Sorted(maps.Keys(n.children)) {
		at, child := path.Join(dir, name), n.children[name]
		if err := visit(at, child); err != nil {
			return err
		}
		if err := walk(at, child, visit); err != nil {
			return err
		}
	}
	return nil
}

// indexer puts the entries of the upper layer into an index.
type indexer struct {
	*player
	builder  *checksums.Builder
	first    map[*inode]firstName // of each inode that has several
	optional []string
}

// firstName is the name under which a layer has a file's content.
type firstName struct {
	path     string
	optional bool
}

func (w *indexer) visit(ctx context.Context, at string, n *node) error {
	if _, err := n.ino.digest(ctx, at); err != nil {
		return err
	}
	e, err := w.entry(at, n)
	if err != nil {
		return err
	}
	if err := w.add(e, n.repeats); err != nil {
		return err
	}
	mark, sure, err := w.mark(at, n)
	if err != nil || mark == nil {
		return err
	}
	if sure && w.in.Dialect == BuildKit { // Docker's writes it, BuildKit's own differ does not
		return cannot(ArchiveUnusual, "%s removes a directory of the layers below and makes it again", at)
	}
	return w.add(*mark, !sure)
}

func (w *indexer) add(e checksums.Entry, optional bool) error {
	if optional {
		w.optional = append(w.optional, e.Path)
	}
	return w.builder.Add(e)
}

// entry is how the layer has a node.
func (w *indexer) entry(at string, n *node) (checksums.Entry, error) {
	e := n.ino.header(at)
	if !n.ino.links {
		return e, nil
	}
	first, seen := w.first[n.ino]
	switch {
	case !seen:
		w.first[n.ino] = firstName{at, n.repeats}
		return e, nil
	case first.optional && !n.repeats:
		// Which of the names has the content depends on what was left out.
		return e, cannot(SameAsLower, "%s, a hard link to %s", at, first.path)
	}
	e.Type, e.Link, e.Size, e.Digest = tar.TypeLink, first.path, 0, [32]byte{}
	e.Devmajor, e.Devminor = 0, 0
	return e, nil
}

// header is what a layer says of an inode under its first name. Of a header's
// other fields, which archives and the layers below have, builders keep
// nothing.
func (i *inode) header(at string) checksums.Entry {
	from := &i.entry
	e := checksums.Entry{Path: at, Type: from.Type, Mode: from.Mode, UID: from.UID, GID: from.GID, Size: from.Size,
		Link: from.Link, Devmajor: from.Devmajor, Devminor: from.Devminor,
		ModTime: from.ModTime.Truncate(time.Second), Digest: from.Digest}
	if value, ok := from.Xattrs[capability]; ok {
		e.Xattrs = map[string]string{capability: value}
	}
	return e
}
