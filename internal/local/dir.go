package local

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Dir is a directory as a file system, with its files' own modes. It implements
// fs.FS, fs.StatFS, fs.ReadDirFS and fs.ReadLinkFS.
//
// Nothing outside the directory is opened: symbolic links are followed as long
// as they stay inside. Open gives directories and regular files; a file that is
// not as it was when it was first opened, or that changes while it is read, is
// an ErrChanged in place of EOF, so that all readings of a run are of one
// content. It is safe for concurrent use.
type Dir struct {
	name string
	root *os.Root
	fsys fs.FS

	mu    sync.Mutex
	first map[string]stamp
}

var (
	_ fs.StatFS     = (*Dir)(nil)
	_ fs.ReadDirFS  = (*Dir)(nil)
	_ fs.ReadLinkFS = (*Dir)(nil)
)

var errNotDirectory = errors.New("not a directory")

// stamp is what tells one state of a file from another.
type stamp struct {
	size     int64
	modified time.Time
}

func stampOf(info fs.FileInfo) stamp { return stamp{info.Size(), info.ModTime()} }

// OpenDir opens a directory; a name that leads to anything else is an error.
func OpenDir(name string) (*Dir, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errNotDirectory}
	}
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	return &Dir{name: name, root: root, fsys: root.FS(), first: map[string]stamp{}}, nil
}

// Name is the directory's name as it was given.
func (d *Dir) Name() string { return d.name }

// Close frees the directory. Closing nil is fine.
func (d *Dir) Close() error {
	if d == nil {
		return nil
	}
	return d.root.Close()
}

// Open opens a regular file or a directory.
func (d *Dir) Open(name string) (fs.File, error) {
	info, err := d.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return d.fsys.Open(name)
	}
	if err := regular(name, info); err != nil {
		return nil, err
	}
	at, err := filepath.Localize(name)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	f, err := d.root.OpenFile(at, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return nil, err
	}
	out := &file{open: f, dir: d, name: name}
	if err := out.check(); err != nil {
		f.Close()
		return nil, err
	}
	return out, nil
}

// Stat describes what a path leads to.
func (d *Dir) Stat(name string) (fs.FileInfo, error) { return fs.Stat(d.fsys, name) }

// Lstat describes what stands at a path, a symbolic link itself.
func (d *Dir) Lstat(name string) (fs.FileInfo, error) { return fs.Lstat(d.fsys, name) }

// ReadLink returns the target of a symbolic link as it is written.
func (d *Dir) ReadLink(name string) (string, error) { return fs.ReadLink(d.fsys, name) }

// ReadDir lists a directory, sorted by name.
func (d *Dir) ReadDir(name string) ([]fs.DirEntry, error) { return fs.ReadDir(d.fsys, name) }

// unchanged compares a file with what it was when it was first seen.
func (d *Dir) unchanged(name string, info fs.FileInfo) error {
	if err := regular(name, info); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	first, seen := d.first[name]
	if !seen {
		d.first[name] = stampOf(info)
		return nil
	}
	if now := stampOf(info); now.size != first.size || !now.modified.Equal(first.modified) {
		return &fs.PathError{Op: "read", Path: name, Err: ErrChanged}
	}
	return nil
}

// file is an open regular file, which can only be read on.
type file struct {
	open *os.File
	dir  *Dir
	name string
}

func (f *file) Stat() (fs.FileInfo, error) { return f.open.Stat() }
func (f *file) Close() error               { return f.open.Close() }

// check judges the open descriptor.
func (f *file) check() error {
	info, err := f.open.Stat()
	if err != nil {
		return err
	}
	return f.dir.unchanged(f.name, info)
}

// Read reads on. Where the file ends it must still be what it was.
func (f *file) Read(p []byte) (int, error) {
	n, err := f.open.Read(p)
	if err == io.EOF {
		if changed := f.check(); changed != nil {
			err = changed
		}
	}
	return n, err
}

// HasHardLinks reports whether some regular file of the directory has a second
// name somewhere; where that cannot be told, it has.
func (d *Dir) HasHardLinks() bool {
	err := fs.WalkDir(d.fsys, ".", func(_ string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		info, err := e.Info()
		if err == nil && linked(info) {
			err = errLinked
		}
		return err
	})
	return err != nil
}

var errLinked = errors.New("a file with several names")
