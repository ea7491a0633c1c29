package source

import (
	"io"
	"io/fs"
	"time"
)

// fileInfo describes an entry of a tree.
type fileInfo struct {
	treeEntry
	size int64
}

func (i fileInfo) Name() string       { return i.name }
func (i fileInfo) Size() int64        { return i.size }
func (i fileInfo) Mode() fs.FileMode  { return i.fileMode() }
func (i fileInfo) ModTime() time.Time { return time.Time{} }
func (i fileInfo) IsDir() bool        { return i.fileMode().IsDir() }
func (i fileInfo) Sys() any           { return nil }

// remoteInfo describes a file that may not have been fetched.
type remoteInfo struct {
	fileInfo
	tree *Tree
}

// Size fetches the file if it is not here; it is 0 where that fails, as opening
// the file then does too.
func (i remoteInfo) Size() int64 {
	o, err := i.tree.repo.open(i.tree.ctx, i.id, kindBlob)
	if err != nil {
		return 0
	}
	o.Close()
	return o.size
}

// dirEntry asks for a file's size only when it is asked itself.
type dirEntry struct {
	tree *Tree
	treeEntry
}

func (d dirEntry) Name() string               { return d.name }
func (d dirEntry) IsDir() bool                { return d.fileMode().IsDir() }
func (d dirEntry) Type() fs.FileMode          { return d.fileMode().Type() }
func (d dirEntry) Info() (fs.FileInfo, error) { return d.tree.info(d.treeEntry) }
func (d dirEntry) String() string             { return fs.FormatDirEntry(d) }

// openFile is an open file, verified as it is read.
type openFile struct {
	object *object
	info   fileInfo
	name   string
}

func (f *openFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *openFile) Close() error               { return f.object.Close() }

func (f *openFile) Read(p []byte) (int, error) {
	n, err := f.object.Read(p)
	if err != nil && err != io.EOF {
		err = &fs.PathError{Op: "read", Path: f.name, Err: err}
	}
	return n, err
}

// openDir is an open directory.
type openDir struct {
	tree *Tree
	node node
	name string
	list []fs.DirEntry
	read bool
}

func (d *openDir) Stat() (fs.FileInfo, error) { return fileInfo{treeEntry: d.node.treeEntry}, nil }
func (d *openDir) Close() error               { return nil }

func (d *openDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.name, Err: errIsDirectory}
}

// ReadDir implements fs.ReadDirFile.
func (d *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if !d.read {
		list, err := d.tree.list(d.node.treeEntry)
		if err != nil {
			return nil, &fs.PathError{Op: "readdir", Path: d.name, Err: err}
		}
		d.list, d.read = list, true
	}
	if n > 0 && len(d.list) == 0 {
		return nil, io.EOF
	}
	if n <= 0 || n > len(d.list) {
		n = len(d.list)
	}
	out := d.list[:n]
	d.list = d.list[n:]
	return out, nil
}
