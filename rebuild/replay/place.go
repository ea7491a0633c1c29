package replay

import (
	"archive/tar"
	"context"
	"io/fs"
	"path"
	"time"

	"github.com/imageverify/verify/checksums"
	"github.com/imageverify/verify/checksums/buildhash"
)

// archive unpacks a file of the context, if it is an archive.
func (c *copying) archive(ctx context.Context, resolved string) (bool, error) {
	f, err := c.view.Open(resolved)
	if err != nil {
		return false, err
	}
	defer f.Close()
	return c.unpack(&sourceReader{ctx: ctx, r: f}, &extraction{player: c.player, begin: c.archiveDest})
}

// archiveDest makes the destination of an archive.
func (c *copying) archiveDest() (dest string, all *owner, err error) {
	if dest, err = c.tree.resolve(c.dest, ".", true); err != nil {
		return "", nil, err
	}
	dirs := owner{}
	if c.chown && c.in.Dialect == BuildKit { // the classic builder has no such thing for archives
		dirs, all = c.owner, &c.owner
	}
	_, err = c.tree.mkdirAll(dest, dirs, newDirMode)
	return dest, all, err
}

// inodeOf is what stands in a tree that was replayed; nil for a file of the
// context.
func (c *copying) inodeOf(info fs.FileInfo) *inode {
	ino, _ := info.Sys().(*inode)
	return ino
}

// file returns what a source becomes that is neither a directory nor, in the
// context, a symbolic link. alone says that it is no part of a folder.
func (c *copying) file(resolved string, info fs.FileInfo, alone bool) (item, error) {
	it := c.attributes(info, alone)
	e := &it.entry
	if e.Type != tar.TypeReg {
		return it, nil
	}
	e.Size = info.Size()
	if e.Size > c.limits.Unpacked-c.bytes {
		return item{}, &checksums.LimitError{What: "bytes of content", Limit: c.limits.Unpacked}
	}
	c.bytes += e.Size
	it.content = &inContext{c.view, resolved}
	return it, nil
}

// attributes is a source's entry without its content. From the context all is
// root's; from another stage files keep their owner, and what is not regular.
func (c *copying) attributes(info fs.FileInfo, alone bool) item {
	it := item{entry: checksums.Entry{Type: tar.TypeReg, UID: c.owner.uid, GID: c.owner.gid, ModTime: c.timeOf(info)}}
	e := &it.entry
	if from := c.inodeOf(info); from != nil {
		e.Type, e.Link, e.Devmajor, e.Devminor = from.entry.Type, from.entry.Link, from.entry.Devmajor, from.entry.Devminor
		if e.Type == tar.TypeBlock && c.in.Dialect == BuildKit {
			e.Type = tar.TypeChar // fsutil masks a bit of the type
		}
		if c.keepsCapability(alone) {
			e.Xattrs = from.entry.Xattrs
		}
		if !c.chown {
			e.UID, e.GID = from.entry.UID, from.entry.GID
		}
	} else if info.IsDir() {
		e.Type = tar.TypeDir
	}
	e.Mode = c.modeOf(info)
	return it
}

// keepsCapability reports whether a copy has the extended attribute of its
// source. The classic builder reads it in folders only, and loses it when it
// changes the owner.
func (c *copying) keepsCapability(alone bool) bool {
	return c.in.Dialect == BuildKit || !alone && !c.chown
}

// timeOf is a source's time as far as it is known. BuildKit keeps contexts from
// one build to the next, so that their directories show when they were last
// written.
func (c *copying) timeOf(info fs.FileInfo) time.Time {
	fromContext := c.inodeOf(info) == nil
	if fromContext && (!c.in.Dated || c.what.From != "" || info.IsDir() && c.in.Dialect == BuildKit) {
		return time.Time{}
	}
	return info.ModTime().Truncate(time.Second)
}

// modeOf is the mode of a copied file or directory. Where the classic builder
// changes the owner, it does so last, which clears setuid and setgid of files.
func (c *copying) modeOf(info fs.FileInfo) int64 {
	switch from := c.inodeOf(info); {
	case from != nil && from.entry.Type == tar.TypeSymlink:
		return 0o777
	case c.chmod != nil:
		return c.chmod.apply(c.stampedMode(info), buildhash.UnixMode)
	case from != nil && !c.chown:
		return from.entry.Mode
	}
	mode := buildhash.UnixMode(c.stampedMode(info))
	if c.in.Dialect == Classic && !info.IsDir() {
		mode &^= 0o4000
		if mode&0o010 != 0 {
			mode &^= 0o2000
		}
	}
	return mode
}

// stampedMode is the mode that a source has when it reaches the builder.
func (c *copying) stampedMode(info fs.FileInfo) fs.FileMode {
	if c.what.From != "" || c.in.AsFound {
		return info.Mode()
	}
	if c.chmod == nil || c.chmod.words != nil {
		c.stamped = true
	}
	return info.Mode()&^fs.ModePerm | fs.FileMode(c.stamps.Mode(info)&0o777)
}

// place writes a file to the destination, or into it where that is a directory.
func (c *copying) place(base string, it item) error {
	at, err := c.tree.resolve(c.dest, ".", true)
	if err != nil {
		return err
	}
	into, err := c.tree.isDir(at)
	if err != nil {
		return err
	}
	if into || c.what.DestIsDir {
		at = path.Join(at, base)
	}
	if err := c.makeDir(path.Dir(at), c.owner); err != nil {
		return err
	}
	return c.write(at, it)
}

// makeDir makes directories on the way to a destination.
func (c *copying) makeDir(dir string, o owner) error {
	mode := int64(newDirMode)
	if c.chmod != nil && c.in.ChmodParents {
		mode = c.chmod.parents()
	}
	made, err := c.tree.mkdirAll(dir, o, mode)
	if err == nil && made && c.chmod != nil && c.chmod.parents() != newDirMode && !c.in.ChmodParents && !c.in.PlainParents {
		return cannot(ChmodParents, "--chmod=%s makes %s", c.what.Chmod, dir)
	}
	return err
}

// write puts an entry; BuildKit refuses to replace a directory by a file, or
// anything by a directory.
func (c *copying) write(at string, it item) error {
	old, err := c.tree.lstat(at)
	if err != nil {
		return err
	}
	if old != nil && c.in.Dialect == BuildKit && (old.Type == tar.TypeDir) != (it.entry.Type == tar.TypeDir) {
		return cannot(Conflict, "%s is of another type below", at)
	}
	_, err = c.tree.put(at, it)
	return err
}

// inline writes a here-document.
func (c *copying) inline(name, content string) error {
	e := checksums.Entry{Type: tar.TypeReg, Mode: 0o644, UID: c.owner.uid, GID: c.owner.gid, Size: int64(len(content))}
	if c.chmod != nil {
		e.Mode = c.chmod.apply(0o644, buildhash.UnixMode)
	}
	return c.place(path.Base(name), item{entry: e, content: text(content)})
}
