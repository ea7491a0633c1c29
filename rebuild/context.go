package rebuild

import (
	"context"
	"io/fs"
	"time"

	"github.com/imageverify/verify/checksums/buildhash"
)

// ContextFile is a file of a build context as a builder is to have it: of root,
// and without extended attributes.
type ContextFile struct {
	// Path is relative to the context.
	Path string
	// Mode holds the type, which is that of a file, a folder or a symbolic link,
	// and the permissions.
	Mode    fs.FileMode
	Size    int64
	ModTime time.Time
	// Link is the target of a symbolic link.
	Link string
}

// Walk visits the files below a folder of the context, the context itself
// excepted, in walk order. Files of other types are left out. The order to skip
// a folder is fs.SkipDir, as for fs.WalkDir.
func (r *Request) Walk(ctx context.Context, root string, visit func(ContextFile) error) error {
	if r.Context == nil {
		return nil
	}
	return fs.WalkDir(r.Context, root, func(name string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil || name == "." {
			return err
		}
		f, known, err := r.contextFile(name, d)
		if err != nil || !known {
			return err
		}
		return visit(f)
	})
}

// contextFile is a file as the builder is to have it; known is false for one
// that builders do not take.
func (r *Request) contextFile(name string, d fs.DirEntry) (f ContextFile, known bool, err error) {
	info, err := d.Info()
	if err != nil {
		return f, false, err
	}
	f = ContextFile{Path: name, Mode: info.Mode(), ModTime: info.ModTime()}
	if !r.AsFound {
		perm := buildhash.Variant{Umask: r.Umask}.Mode(info)
		f.Mode, f.ModTime = info.Mode().Type()|fs.FileMode(perm), r.SourceDate // git has no times
	}
	switch f.Mode.Type() {
	case 0:
		f.Size = info.Size()
	case fs.ModeDir:
	case fs.ModeSymlink:
		f.Mode |= 0o777
		f.Link, err = fs.ReadLink(r.Context, name)
	default:
		return f, false, nil
	}
	return f, true, err
}
