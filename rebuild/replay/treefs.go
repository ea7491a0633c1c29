package replay

import (
	"archive/tar"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"time"
)

// treeFS shows a tree that has no layers below. Symbolic links are as they are
// written; Open follows them, within the tree.
type treeFS struct{ tree *tree }

func (f *treeFS) node(op, name string) (*node, error) {
	if fs.ValidPath(name) {
		if n, _ := f.tree.find(name); n != nil {
			return n, nil
		}
	}
	return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
}

// Lstat implements fs.ReadLinkFS. The Sys of what it returns is the inode.
func (f *treeFS) Lstat(name string) (fs.FileInfo, error) {
	n, err := f.node("lstat", name)
	if err != nil {
		return nil, err
	}
	return nodeInfo{path.Base(name), n.ino}, nil
}

// ReadLink implements fs.ReadLinkFS.
func (f *treeFS) ReadLink(name string) (string, error) {
	n, err := f.node("readlink", name)
	if err == nil && n.ino.entry.Type != tar.TypeSymlink {
		err = &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	if err != nil {
		return "", err
	}
	return n.ino.entry.Link, nil
}

// ReadDir implements fs.ReadDirFS.
func (f *treeFS) ReadDir(name string) ([]fs.DirEntry, error) {
	n, err := f.node("readdir", name)
	if err == nil && n.ino.entry.Type != tar.TypeDir {
		err = &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrInvalid}
	}
	if err != nil {
		return nil, err
	}
	var out []fs.DirEntry
	for _, child := range slices.Sorted(maps.Keys(n.children)) {
		out = append(out, fs.FileInfoToDirEntry(nodeInfo{child, n.children[child].ino}))
	}
	return out, nil
}

// Open implements fs.FS.
func (f *treeFS) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	at, err := f.tree.resolve(name, ".", true)
	if err != nil {
		return nil, err
	}
	n, err := f.node("open", at)
	if err != nil {
		return nil, err
	}
	info := nodeInfo{path.Base(name), n.ino}
	if n.ino.entry.Type == tar.TypeDir {
		list, err := f.ReadDir(at)
		return &openDir{info, list}, err
	}
	rc, err := n.ino.open(at)
	if err != nil {
		return nil, err
	}
	return &openFile{rc, info}, nil
}

// openFile is an open file.
type openFile struct {
	io.ReadCloser
	info nodeInfo
}

func (f *openFile) Stat() (fs.FileInfo, error) { return f.info, nil }

// openDir is an open directory.
type openDir struct {
	info nodeInfo
	left []fs.DirEntry
}

func (d *openDir) Stat() (fs.FileInfo, error) { return d.info, nil }
func (d *openDir) Close() error               { return nil }

func (d *openDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.info.name, Err: fs.ErrInvalid}
}

func (d *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if n > 0 && len(d.left) == 0 {
		return nil, io.EOF
	}
	if n <= 0 || n > len(d.left) {
		n = len(d.left)
	}
	out := d.left[:n]
	d.left = d.left[n:]
	return out, nil
}

// Owner implements buildhash.Owned.
func (i *inode) Owner() (uid, gid int, plain bool) {
	return i.entry.UID, i.entry.GID, len(i.entry.Xattrs) == 0
}

// nodeInfo describes an inode under one of its names.
type nodeInfo struct {
	name string
	ino  *inode
}

func (i nodeInfo) Name() string       { return i.name }
func (i nodeInfo) Size() int64        { return i.ino.entry.Size }
func (i nodeInfo) ModTime() time.Time { return i.ino.entry.ModTime }
func (i nodeInfo) IsDir() bool        { return i.ino.entry.Type == tar.TypeDir }
func (i nodeInfo) Sys() any           { return i.ino }

func (i nodeInfo) Mode() fs.FileMode {
	h := tar.Header{Typeflag: i.ino.entry.Type, Mode: i.ino.entry.Mode}
	return h.FileInfo().Mode()
}
