package replay

import (
	"archive/tar"
	"context"
	"io/fs"
	"path"
	"strings"

	"github.com/moby/patternmatcher"

	"github.com/imageverify/verify/checksums"
	"github.com/imageverify/verify/checksums/buildhash"
)

// found is something inside a folder that is copied.
type found struct {
	name   string // in the context
	target string // in the image
	info   fs.FileInfo
	// passed is a directory that is copied only for what is in it.
	passed bool
}

// folder copies what is in a folder, not the folder itself.
func (c *copying) folder(ctx context.Context, resolved string) error {
	at, err := c.folderDest()
	if err != nil {
		return err
	}
	all, err := c.inside(ctx, resolved, at)
	if err != nil {
		return err
	}
	if err := c.tree.prefetch(targets(all)); err != nil {
		return err
	}
	w := &folderWriter{copying: c, links: map[*inode]string{}}
	for _, f := range all {
		if err := w.write(f); err != nil {
			return err
		}
	}
	if err := w.date(); err != nil {
		return err
	}
	return c.dateDest(resolved, at)
}

func targets(all []found) []string {
	out := make([]string, len(all))
	for i, f := range all {
		out[i] = f.target
	}
	return out
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

// inside lists what of a folder is copied, in walk order.
func (c *copying) inside(ctx context.Context, resolved, dest string) ([]found, error) {
	var all []found
	p := &picker{copying: c, matched: map[string]match{}}
	err := c.view.Walk(ctx, resolved, func(name string, info fs.FileInfo) error {
		if name == resolved {
			return nil
		}
		rel := name
		if resolved != "." {
			rel = strings.TrimPrefix(name, resolved+"/")
		}
		take, err := p.pick(rel, info)
		if take != leaveOut {
			all = append(all, found{name, path.Join(dest, rel), info, take == passThrough})
		}
		return err
	})
	return p.needed(all), err
}

// picker applies --parents' and --exclude's patterns to a walk.
type picker struct {
	*copying
	matched map[string]match // of directories
}

// match is how the patterns matched a path, which those below it inherit.
type match struct{ included, excluded patternmatcher.MatchInfo }

type picked int

const (
	leaveOut    picked = iota
	passThrough        // a directory, for what is in it
	takeIt
)

func (p *picker) pick(rel string, info fs.FileInfo) (picked, error) {
	if p.included == nil && p.excluded == nil {
		return takeIt, nil
	}
	above, now, in, out := p.matched[path.Dir(rel)], match{}, true, false
	var err error
	if p.included != nil {
		if in, now.included, err = p.included.MatchesUsingParentResults(rel, above.included); err != nil {
			return leaveOut, err
		}
	}
	if p.excluded != nil {
		if out, now.excluded, err = p.excluded.MatchesUsingParentResults(rel, above.excluded); err != nil {
			return leaveOut, err
		}
	}
	if info.IsDir() {
		p.matched[rel] = now
	}
	switch {
	case in && !out:
		return takeIt, nil
	case !info.IsDir():
		return leaveOut, nil
	case out && !p.excluded.Exclusions():
		return leaveOut, fs.SkipDir
	}
	return passThrough, nil
}

// needed drops the directories in which nothing is copied.
func (p *picker) needed(all []found) []found {
	if p.included == nil && p.excluded == nil {
		return all
	}
	used := map[string]bool{}
	for _, f := range all {
		if f.passed {
			continue
		}
		for dir := path.Dir(f.name); !used[dir] && dir != "."; dir = path.Dir(dir) {
			used[dir] = true
		}
	}
	var out []found
	for _, f := range all {
		if !f.passed || used[f.name] {
			out = append(out, f)
		}
	}
	return out
}

// folderWriter writes what is in a folder.
type folderWriter struct {
	*copying
	links map[*inode]string // the first copy of what has several names
	dirs  []found
}

func (w *folderWriter) write(f found) error {
	it := item{entry: checksums.Entry{Type: tar.TypeSymlink, Mode: 0o777, UID: w.owner.uid, GID: w.owner.gid, ModTime: w.timeOf(f.info)}}
	from := w.inodeOf(f.info)
	switch mode := f.info.Mode(); {
	case mode.IsDir():
		return w.writeDir(f)
	case from == nil && mode&fs.ModeSymlink != 0:
		link, err := w.view.ReadLink(f.name)
		if err != nil {
			return err
		}
		it.entry.Link = link
	case from == nil && !mode.IsRegular():
		return cannot(SourceUnusual, "%s is %s", f.name, mode.Type())
	default:
		if from != nil && from.links && w.linksAgain(from) {
			if first, again := w.links[from]; again {
				_, err := w.tree.link(f.target, first)
				return err
			}
			w.links[from] = f.target
		}
		var err error
		if it, err = w.file(f.name, f.info, false); err != nil {
			return err
		}
	}
	return w.copying.write(f.target, it)
}

// linksAgain reports whether further names of a file are linked in the copy:
// BuildKit does it for regular files only.
func (w *folderWriter) linksAgain(from *inode) bool {
	return w.in.Dialect == Classic || from.entry.Type == tar.TypeReg
}

// writeDir makes a directory, or changes the attributes of one that is there.
func (w *folderWriter) writeDir(f found) error {
	if w.in.Dialect == Classic && w.what.From == "" && w.view.Implied(f.name) { // the context had no entry for it
		return w.copying.write(f.target, item{entry: checksums.Entry{Type: tar.TypeDir, Mode: newDirMode, UID: w.owner.uid, GID: w.owner.gid}})
	}
	it := w.attributes(f.info, false)
	if !f.passed {
		w.dirs = append(w.dirs, f)
		return w.copying.write(f.target, it)
	}
	old, err := w.tree.lstat(f.target)
	if err != nil {
		return err
	}
	if old != nil && old.Type == tar.TypeDir { // only the mode is the source's
		e := *old
		e.Mode = it.entry.Mode
		it.entry = e
	}
	return w.copying.write(f.target, it)
}

// date gives directories their times at the end, and those that were there
// before.
func (w *folderWriter) date() error {
	for _, f := range w.dirs {
		if n, _ := w.tree.find(f.target); n != nil {
			n.ino.entry.ModTime = w.timeOf(f.info)
		}
	}
	return nil
}

// dateDest gives the destination of a folder the folder's own time, as BuildKit
// does also where it was there before.
func (c *copying) dateDest(resolved, at string) error {
	if c.in.Dialect != BuildKit || at == "." {
		return nil
	}
	info, err := c.view.Lstat(resolved)
	if err != nil {
		return err
	}
	n, err := c.tree.dir(at)
	if err != nil {
		return err
	}
	n.ino.entry.ModTime = c.timeOf(info)
	return nil
}

// parents copies with --parents: what the pattern matches, and the directories
// above it. "/./" in the source says where those begin.
func (c *copying) parents(ctx context.Context, source string) error {
	root, pattern, pivot := strings.Cut("/"+source, "/./")
	if !pivot {
		root, pattern = "/", source
	}
	pattern = strings.TrimPrefix(path.Clean("/"+pattern), "/")
	if !buildhash.HasWildcards(root) && !buildhash.HasWildcards(pattern) {
		if _, _, err := c.view.Resolve(path.Join(root, pattern)); err != nil {
			return err
		}
	}
	included, err := patternmatcher.New([]string{pattern})
	if err != nil {
		return cannot(SourceAbsent, "%s: %v", source, err)
	}
	names, err := c.view.Expand(ctx, root)
	if err != nil {
		return err
	}
	c.included = included
	defer func() { c.included = nil }()
	for _, name := range names {
		if err := c.one(ctx, name); err != nil {
			return err
		}
	}
	return nil
}
