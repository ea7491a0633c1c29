package source

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
)

const (
	maxTreeDepth = 64
	maxLinkHops  = 40   // symbolic links that one look-up may follow; as Linux
	maxLinkBytes = 4096 // of a symbolic link's target
	// maxKeptEntries bounds the tree entries that one commit's file systems keep.
	maxKeptEntries = 200_000
)

// Tree is a folder of a commit as a file system. It implements fs.FS,
// fs.ReadDirFS, fs.StatFS, fs.ReadFileFS and fs.ReadLinkFS. Every tree on the
// way to a file is verified, and so is the file: its reader gives a
// *MismatchError in place of EOF.
//
// Open, Stat, ReadFile and ReadDir follow symbolic links as long as they stay
// inside the commit's tree, and give ErrOutsideTree otherwise; Lstat and
// ReadLink do not follow the last one. Files have mode 0644 or 0755, directories
// 0755, and no modification time: git keeps none. The size in a FileInfo is the
// one the repository states; reading the file is what proves it.
//
// Of a remote repository a file is fetched when it is opened, or when its size
// is asked for; Fetch gets many in one request.
//
// It is safe for concurrent use. A context given to FS bounds all of its work.
type Tree struct {
	ctx   context.Context
	repo  *Repository
	trees *treeCache
	root  id
	dir   string // from the commit's root, a valid fs path
	here  bool   // links that are not here are not fetched, but give an *absentLink
}

var (
	_ fs.ReadDirFS  = (*Tree)(nil)
	_ fs.StatFS     = (*Tree)(nil)
	_ fs.ReadFileFS = (*Tree)(nil)
	_ fs.ReadLinkFS = (*Tree)(nil)
)

// FS returns a folder of the commit; "" and "." are the root.
func (c *Commit) FS(ctx context.Context, dir string) (*Tree, error) {
	root := &Tree{ctx: ctx, repo: c.repo, trees: &treeCache{kept: map[id][]treeEntry{}}, root: c.tree, dir: "."}
	clean := path.Clean(strings.TrimLeft(dir, "/"))
	if !fs.ValidPath(clean) {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: fs.ErrInvalid}
	}
	n, err := root.find("open", clean, true)
	if err != nil {
		return nil, err
	}
	if !n.is(modeDir) {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: errNotDirectory}
	}
	t := *root
	t.dir = n.path
	return &t, nil
}

// Root returns the commit's root.
func (t *Tree) Root() *Tree {
	r := *t
	r.dir = "."
	return &r
}

// ObjectID returns the id, in hex, of the blob or tree at a path. The path's
// last element is not followed when it is a symbolic link: its own blob, which
// holds the target, is meant.
func (t *Tree) ObjectID(name string) (string, error) {
	n, err := t.find("objectid", name, false)
	if err != nil {
		return "", err
	}
	return n.id.String(), nil
}

// Open opens a file or directory.
func (t *Tree) Open(name string) (fs.File, error) {
	n, err := t.find("open", name, true)
	if err != nil {
		return nil, err
	}
	if n.is(modeDir) || n.is(modeSubmodule) {
		return &openDir{tree: t, node: n, name: name}, nil
	}
	o, err := t.repo.open(t.ctx, n.id, kindBlob)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return &openFile{object: o, info: fileInfo{treeEntry: n.treeEntry, size: o.size}, name: name}, nil
}

// ReadFile reads a file to its verified end.
func (t *Tree) ReadFile(name string) ([]byte, error) {
	f, err := t.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	file, ok := f.(*openFile)
	if !ok {
		return nil, &fs.PathError{Op: "read", Path: name, Err: errIsDirectory}
	}
	data, err := readAll(file, file.object.size)
	return data, err
}

// Stat describes what a path leads to.
func (t *Tree) Stat(name string) (fs.FileInfo, error) { return t.stat("stat", name, true) }

// Lstat describes what stands at a path, a symbolic link itself.
func (t *Tree) Lstat(name string) (fs.FileInfo, error) { return t.stat("lstat", name, false) }

func (t *Tree) stat(op, name string, follow bool) (fs.FileInfo, error) {
	n, err := t.find(op, name, follow)
	if err != nil {
		return nil, err
	}
	info, err := t.info(n.treeEntry)
	if err != nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: err}
	}
	return info, nil
}

// ReadLink returns the target of a symbolic link as it stands in git.
func (t *Tree) ReadLink(name string) (string, error) {
	n, err := t.find("readlink", name, false)
	if err != nil {
		return "", err
	}
	if !n.is(modeSymlink) {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	target, err := t.target(n.treeEntry)
	if err != nil {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: err}
	}
	return target, nil
}

// ReadDir lists a directory, sorted by name.
func (t *Tree) ReadDir(name string) ([]fs.DirEntry, error) {
	n, err := t.find("readdir", name, true)
	if err != nil {
		return nil, err
	}
	list, err := t.list(n.treeEntry)
	if err != nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: err}
	}
	return list, nil
}

func (t *Tree) list(e treeEntry) ([]fs.DirEntry, error) {
	if e.is(modeSubmodule) {
		return nil, ErrSubmodule
	}
	if !e.is(modeDir) {
		return nil, errNotDirectory
	}
	entries, err := t.entries(e.id)
	if err != nil {
		return nil, err
	}
	out := make([]fs.DirEntry, len(entries))
	for i, e := range entries {
		out[i] = dirEntry{tree: t, treeEntry: e}
	}
	return out, nil
}

// info describes an entry; only for files has the repository to be asked.
func (t *Tree) info(e treeEntry) (fs.FileInfo, error) {
	if e.is(modeDir) || e.is(modeSubmodule) {
		return fileInfo{treeEntry: e}, nil
	}
	if t.repo.remote != nil {
		return remoteInfo{fileInfo{treeEntry: e}, t}, nil
	}
	o, err := t.repo.open(t.ctx, e.id, kindBlob)
	if err != nil {
		return nil, err
	}
	return fileInfo{treeEntry: e, size: o.size}, o.Close()
}

// target reads a symbolic link.
func (t *Tree) target(e treeEntry) (string, error) {
	if t.here && !t.repo.store.has(e.id) {
		return "", &absentLink{e.id}
	}
	o, err := t.repo.open(t.ctx, e.id, kindBlob)
	if err != nil {
		return "", err
	}
	defer o.Close()
	if o.size > maxLinkBytes {
		return "", &LimitError{What: "length of a symbolic link", Limit: maxLinkBytes}
	}
	data, err := readAll(o, o.size)
	return string(data), err
}

// entries returns the entries of a tree object.
func (t *Tree) entries(tree id) ([]treeEntry, error) {
	if entries, ok := t.trees.get(tree); ok {
		return entries, nil
	}
	data, err := t.repo.read(t.ctx, tree, kindTree)
	if err != nil {
		return nil, err
	}
	entries, err := parseTree(data, t.repo.store.idSize())
	if err != nil {
		return nil, fmt.Errorf("tree %s: %w", tree, err)
	}
	t.trees.put(tree, entries)
	return entries, nil
}

// treeCache keeps parsed trees of one commit.
type treeCache struct {
	mu   sync.Mutex
	kept map[id][]treeEntry
	size int
}

func (c *treeCache) get(tree id) ([]treeEntry, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	entries, ok := c.kept[tree]
	return entries, ok
}

func (c *treeCache) put(tree id, entries []treeEntry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.size += len(entries) + 1; c.size > maxKeptEntries {
		clear(c.kept)
		c.size = len(entries) + 1
	}
	c.kept[tree] = entries
}

// search finds a name among sorted entries.
func search(entries []treeEntry, name string) (treeEntry, bool) {
	i, ok := slices.BinarySearchFunc(entries, name, func(e treeEntry, name string) int { return strings.Compare(e.name, name) })
	if !ok {
		return treeEntry{}, false
	}
	return entries[i], true
}
