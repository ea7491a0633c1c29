package replay

import (
	"archive/tar"
	"context"
	"io/fs"
	"path"
	"strings"

	"github.com/imageverify/verify/checksums"
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

// file returns what a file of the context becomes.
func (c *copying) file(resolved string, info fs.FileInfo) (item, error) {
	e := checksums.Entry{Type: tar.TypeReg, Mode: c.modeOf(info), UID: c.owner.uid, GID: c.owner.gid, Size: info.Size()}
	if e.Size > c.limits.Unpacked-c.bytes {
		return item{}, &checksums.LimitError{What: "bytes of content", Limit: c.limits.Unpacked}
	}
	c.bytes += e.Size
	return item{entry: e, content: &inContext{c.view, resolved}}, nil
}

// modeOf is the mode of a copied file or directory. The classic builder changes
// the owner last, which clears setuid and setgid of files.
func (c *copying) modeOf(info fs.FileInfo) int64 {
	if c.chmod {
		return c.mode
	}
	c.stamped = c.stamped || !c.in.AsFound
	mode := c.stamps.Mode(info)
	if c.in.Dialect == Classic && !info.IsDir() {
		mode &^= 0o4000
		if mode&0o010 != 0 {
			mode &^= 0o2000
		}
	}
	return mode
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
	made, err := c.tree.mkdirAll(dir, o, newDirMode)
	if err == nil && made && c.chmod && c.mode != newDirMode {
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
	if c.chmod {
		e.Mode = c.mode
	}
	return c.place(path.Base(name), item{entry: e, content: text(content)})
}

// found is something inside a folder that is copied.
type found struct {
	name   string // in the context
	target string // in the image
	info   fs.FileInfo
}

// folder copies what is in a folder of the context, not the folder itself.
func (c *copying) folder(ctx context.Context, resolved string) error {
	at, err := c.folderDest()
	if err != nil {
		return err
	}
	var all []found
	err = c.view.Walk(ctx, resolved, func(name string, info fs.FileInfo) error {
		if name == resolved {
			return nil
		}
		rel := name
		if resolved != "." {
			rel = strings.TrimPrefix(name, resolved+"/")
		}
		all = append(all, found{name, path.Join(at, rel), info})
		return nil
	})
	if err != nil {
		return err
	}
	targets := make([]string, len(all))
	for i, f := range all {
		targets[i] = f.target
	}
	if err := c.tree.prefetch(targets); err != nil {
		return err
	}
	for _, f := range all {
		if err := c.inFolder(f); err != nil {
			return err
		}
	}
	return nil
}

// folderDest makes the destination of a folder. The classic builder gives only
// the last directory to --chown's owner, BuildKit all that it makes.
func (c *copying) folderDest() (string, error) {
	at, err := c.tree.resolve(c.dest, ".", true)
	if err != nil {
		return "", err
	}
	if c.in.Dialect == Classic {
		if err := c.makeDir(path.Dir(at), owner{}); err != nil {
			return "", err
		}
	}
	return at, c.makeDir(at, c.owner)
}

func (c *copying) inFolder(f found) error {
	it := item{entry: checksums.Entry{Mode: 0o777, UID: c.owner.uid, GID: c.owner.gid}}
	e := &it.entry
	switch mode := f.info.Mode(); {
	case mode.IsDir():
		e.Type = tar.TypeDir
		if c.in.Dialect == Classic && c.view.Implied(f.name) {
			e.Mode = newDirMode // the context had no entry for it
		} else {
			e.Mode = c.modeOf(f.info)
		}
	case mode&fs.ModeSymlink != 0:
		link, err := c.view.ReadLink(f.name)
		if err != nil {
			return err
		}
		e.Type, e.Link = tar.TypeSymlink, link
	case mode.IsRegular():
		var err error
		if it, err = c.file(f.name, f.info); err != nil {
			return err
		}
	default:
		return cannot(SourceUnusual, "%s is %s", f.name, mode.Type())
	}
	return c.write(f.target, it)
}
