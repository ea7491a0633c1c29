package replay

import (
	"archive/tar"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"github.com/imageverify/verify/checksums"
)

const (
	// newDirMode is the mode of directories that a builder makes on its way.
	newDirMode = 0o755
	// maxLinks is how many symbolic links one path may lead through.
	maxLinks = 255
)

// item is what is written at a path. The entry's Path is not used.
type item struct {
	entry   checksums.Entry
	content content // of a file; nil where the entry's digest is all that is known
	hashed  bool    // the entry's digest is that of the content
}

// inode is what one or more names of the upper layer stand for.
type inode struct {
	item
	links bool // more than one name
}

// node is a name in the upper layer.
type node struct {
	ino      *inode
	children map[string]*node
	// opaque hides what the layers below have in this directory.
	opaque bool
	// carried stands only for what is below it: its attributes are those of
	// the layers below.
	carried bool
	// repeats is what the layers below have as it is, so that the layer may
	// lack it.
	repeats bool
}

// tree is a file system of an upper layer over lower ones. The root is ".".
type tree struct {
	root   *node
	lower  func(paths ...string) (map[string]checksums.Entry, error)
	reads  func(path string) (io.ReadCloser, error) // contents of lower; may be nil
	known  map[string]*checksums.Entry              // answers of lower; nil for absent
	limits checksums.Limits
	count  int
	// merged is set for a tree that layers are put into: what a directory gets
	// is not news of it.
	merged bool
}

func newInode(it item) *inode {
	it.entry.Path = ""
	return &inode{item: it}
}

func newTree(lower func(paths ...string) (map[string]checksums.Entry, error), limits checksums.Limits) *tree {
	root := &node{ino: newInode(item{entry: checksums.Entry{Type: tar.TypeDir, Mode: newDirMode}}), carried: true}
	return &tree{root: root, lower: lower, known: map[string]*checksums.Entry{}, limits: limits}
}

// prefetch asks for many paths, and the directories above them, at once: each
// question to the layers below reads all of their index.
func (t *tree) prefetch(paths []string) error {
	if t.lower == nil {
		return nil
	}
	var missing []string
	for _, p := range paths {
		for ; p != "." && p != "/" && p != ""; p = path.Dir(p) {
			if _, asked := t.known[p]; asked {
				break
			}
			t.known[p] = nil
			missing = append(missing, p)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	found, err := t.lower(missing...)
	if err != nil {
		return fmt.Errorf("reading the layers below: %w", err)
	}
	for p, e := range found {
		t.known[p] = &e
	}
	return nil
}

// below returns what the layers below have at a path, nil for nothing.
func (t *tree) below(p string) (*checksums.Entry, error) {
	if err := t.prefetch([]string{p}); err != nil {
		return nil, err
	}
	return t.known[p], nil
}

// original is below for the file itself, where the layers below have a hard
// link to it: nil also where they lack its target.
func (t *tree) original(p string) (*checksums.Entry, error) {
	e, err := t.below(p)
	if err != nil || e == nil || e.Type != tar.TypeLink {
		return e, err
	}
	e, err = t.below(e.Link)
	if e != nil && e.Type == tar.TypeLink {
		return nil, err
	}
	return e, err
}

// find returns the node at a path of the upper layer, and whether the layers
// below show through there.
func (t *tree) find(p string) (n *node, through bool) {
	n, through = t.root, true
	if p == "." {
		return n, through
	}
	for part := range strings.SplitSeq(p, "/") {
		if n == nil {
			return nil, through
		}
		if n.opaque || n.ino.entry.Type != tar.TypeDir {
			through = false
		}
		n = n.children[part]
	}
	return n, through
}

// lstat returns what stands at a path, nil for nothing. Links in the path are
// not followed.
func (t *tree) lstat(p string) (*checksums.Entry, error) {
	n, through := t.find(p)
	if n != nil {
		return &n.ino.entry, nil
	}
	if !through {
		return nil, nil
	}
	return t.below(p)
}

func (t *tree) isDir(p string) (bool, error) {
	e, err := t.lstat(p)
	return e != nil && e.Type == tar.TypeDir, err
}

// resolve follows the symbolic links in name, which is relative to the
// directory scope; absolute links lead to scope and nothing leads out of it.
// The last component is followed only if last is true. What does not exist
// stays as it is written.
func (t *tree) resolve(name, scope string, last bool) (string, error) {
	at, rest, links := scope, strings.Split(name, "/"), 0
	for len(rest) > 0 {
		part := rest[0]
		rest = rest[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			if at != scope {
				at = path.Dir(at)
			}
			continue
		}
		next := path.Join(at, part)
		e, err := t.lstat(next)
		if err != nil {
			return "", err
		}
		if e == nil || e.Type != tar.TypeSymlink || len(rest) == 0 && !last {
			at = next
			continue
		}
		if links++; links > maxLinks {
			return "", cannot(Conflict, "%s: more than %d symbolic links", name, maxLinks)
		}
		if path.IsAbs(e.Link) {
			at = scope
		}
		rest = append(strings.Split(e.Link, "/"), rest...)
		if len(rest) > t.limits.PathBytes {
			return "", &checksums.LimitError{What: "components in a path", Limit: int64(t.limits.PathBytes)}
		}
	}
	return at, nil
}

// dir returns the node of an existing directory, brought up from below with
// all directories above it.
func (t *tree) dir(p string) (*node, error) {
	n, err := t.raise(p)
	if err == nil && n.ino.entry.Type != tar.TypeDir {
		err = cannot(Conflict, "%s is not a directory", p)
	}
	return n, err
}

// raise returns the node of what exists at a path. What only the layers below
// have is copied up: a directory is carried, a file is as good as written.
func (t *tree) raise(p string) (*node, error) {
	if n, _ := t.find(p); n != nil {
		return n, nil
	}
	e, err := t.lstat(p)
	if err != nil {
		return nil, err
	}
	if e == nil {
		return nil, cannot(Conflict, "%s does not exist", p)
	}
	parent, err := t.dir(path.Dir(p))
	if err != nil {
		return nil, err
	}
	if e, err = t.original(p); err != nil {
		return nil, err
	}
	if e == nil {
		return nil, cannot(Conflict, "%s: the layers below lack the target of the hard link", p)
	}
	it := item{entry: *e, hashed: true}
	if t.reads != nil {
		it.content = &belowFile{t.reads, p}
	}
	n := &node{ino: newInode(it), carried: e.Type == tar.TypeDir}
	return n, t.attach(parent, path.Base(p), n)
}

func (t *tree) attach(parent *node, name string, n *node) error {
	if t.count++; t.count > t.limits.Entries {
		return &checksums.LimitError{What: "entries", Limit: int64(t.limits.Entries)}
	}
	if parent.children == nil {
		parent.children = map[string]*node{}
	}
	parent.children[strings.Clone(name)] = n // lets go of the path that it is cut from
	return nil
}

// touch says that a directory got or lost an entry: nobody knows when.
func (t *tree) touch(n *node) {
	if !t.merged {
		n.ino.entry.ModTime = time.Time{}
	}
}

// put writes an entry. Over what exists it works as unpacking does: a
// directory over a directory changes its attributes, all else replaces.
func (t *tree) put(p string, it item) (*node, error) {
	old, err := t.lstat(p)
	if err != nil {
		return nil, err
	}
	if old != nil && old.Type == tar.TypeDir && it.entry.Type == tar.TypeDir {
		n, err := t.dir(p)
		if err != nil {
			return nil, err
		}
		if n != t.root {
			n.ino.item, n.carried = it, false
		}
		return n, nil
	}
	return t.replace(p, newInode(it))
}

// replace gives a path a new inode; what was there is gone.
func (t *tree) replace(p string, ino *inode) (*node, error) {
	if p == "." {
		return nil, cannot(Conflict, "the root is a directory")
	}
	_, through := t.find(p)
	opaque := false
	if through {
		old, err := t.below(p)
		if err != nil {
			return nil, err
		}
		opaque = old != nil
	}
	parent, err := t.dir(path.Dir(p))
	if err != nil {
		return nil, err
	}
	n := &node{ino: ino, opaque: opaque}
	t.touch(parent)
	return n, t.attach(parent, path.Base(p), n)
}

// link gives the file at target a further name.
func (t *tree) link(p, target string) (*node, error) {
	to, err := t.raise(target)
	if err != nil {
		return nil, err
	}
	if to.ino.entry.Type == tar.TypeDir {
		return nil, cannot(Conflict, "hard link %s to a directory", p)
	}
	to.ino.links = true
	return t.replace(p, to.ino)
}

// mkdirAll makes a directory and those above it, and reports whether any was
// missing.
func (t *tree) mkdirAll(p string, o owner, mode int64) (made bool, err error) {
	e, err := t.lstat(p)
	switch {
	case err != nil:
		return false, err
	case e != nil && e.Type != tar.TypeDir:
		return false, cannot(Conflict, "%s is not a directory", p)
	case e != nil:
		return false, nil
	}
	if _, err := t.mkdirAll(path.Dir(p), o, mode); err != nil {
		return false, err
	}
	_, err = t.put(p, item{entry: checksums.Entry{Type: tar.TypeDir, Mode: mode, UID: o.uid, GID: o.gid}})
	return true, err
}
