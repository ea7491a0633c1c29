package replay

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"

	"github.com/imageverify/verify/checksums"
)

// Below is a layer that was not replayed: one of a base image, or of a RUN.
type Below struct {
	// Index holds its entries.
	Index *checksums.Index
	// Open opens its blob or its archive, from the start; nil where the
	// contents of its files are not at hand.
	Open func() (io.ReadCloser, error)
}

// Stage is a stage of a build as its directives are played: the layers below
// the next directive, and the tree that they make.
type Stage struct {
	ctx    context.Context
	spill  func() (*os.File, error)
	limits checksums.Limits
	levels []level // lowest first
}

// level is one layer of a stage; one of both is set.
type level struct {
	played *player
	below  *belowLayer
}

// NewStage returns the stage that stands on the layers of a base image, lowest
// first; none is scratch. ctx is for all that is read on behalf of the stage;
// spill and limits are as in Input. The caller closes the stage.
func NewStage(ctx context.Context, base []Below, spill func() (*os.File, error), limits checksums.Limits) *Stage {
	s := &Stage{ctx: ctx, spill: spill, limits: limits.OrDefault()}
	for _, b := range base {
		s.Add(b)
	}
	return s
}

// Add puts a layer on top that was not replayed.
func (s *Stage) Add(b Below) {
	s.levels = append(s.levels, level{below: &belowLayer{Below: b, spill: s.spill, limits: s.limits}})
}

// Play plays a directive on top of the stage, and adds its layer. Lower,
// Contents and List of the input are the stage's. What it returns belongs to the stage.
func (s *Stage) Play(in Input) (*Played, error) {
	below := &Stage{ctx: s.ctx, spill: s.spill, limits: s.limits, levels: slices.Clip(s.levels)} // as it is now
	in.Lower, in.Contents, in.List = nil, below.Open, below.lister()
	if len(s.levels) > 0 {
		in.Lower = below.Lower
	}
	if in.Spill == nil {
		in.Spill = s.spill
	}
	if in.Limits == (checksums.Limits{}) {
		in.Limits = s.limits
	}
	p, err := Play(s.ctx, in)
	if err != nil {
		return nil, err
	}
	s.levels = append(s.levels, level{played: p.player})
	return p, nil
}

// Close frees what the stage and all that was played on it keep.
func (s *Stage) Close() error {
	var errs []error
	for _, l := range s.levels {
		if l.played != nil {
			errs = append(errs, l.played.store.Close())
		} else {
			errs = append(errs, l.below.close())
		}
	}
	return errors.Join(errs...)
}

// Lower returns the entries of the stage so far, as Input.Lower has them.
func (s *Stage) Lower(paths ...string) (map[string]checksums.Entry, error) {
	found, open := map[string]checksums.Entry{}, slices.Clone(paths)
	for _, l := range slices.Backward(s.levels) {
		if len(open) == 0 {
			break
		}
		var err error
		if l.played != nil {
			open, err = l.played.lower(s.ctx, open, found)
		} else {
			open, err = l.below.Index.FindOrRemoved(open, found)
		}
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// lower finds what the upper layer has of the paths, and returns those to look
// for any deeper.
func (p *player) lower(ctx context.Context, paths []string, found map[string]checksums.Entry) (open []string, err error) {
	for _, name := range paths {
		n, through := p.tree.find(name)
		if n == nil {
			if through {
				open = append(open, name)
			}
			continue
		}
		if _, err := n.ino.digest(ctx, name); err != nil {
			return nil, err
		}
		e := n.ino.entry
		e.Path = name
		found[name] = e
	}
	return open, nil
}

// Open opens the file at a clean path. Symbolic links are not followed.
func (s *Stage) Open(name string) (io.ReadCloser, error) { return s.open(name, len(s.levels), true) }

// open looks in the lowest levels; link says whether a hard link is followed:
// layers have no links to links.
func (s *Stage) open(name string, levels int, link bool) (io.ReadCloser, error) {
	absent := &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	for i := levels - 1; i >= 0; i-- {
		l := s.levels[i]
		if l.played != nil {
			n, through := l.played.tree.find(name)
			if n != nil {
				return n.ino.open(name)
			}
			if !through {
				return nil, absent
			}
			continue
		}
		found := map[string]checksums.Entry{}
		open, err := l.below.Index.FindOrRemoved([]string{name}, found)
		switch e, ok := found[name]; {
		case err != nil:
			return nil, err
		case ok && e.Type == tar.TypeLink && link:
			return s.open(e.Link, i+1, false)
		case ok:
			return l.below.open(name)
		case len(open) == 0:
			return nil, absent
		}
	}
	return nil, absent
}

// FS is the tree of the stage as it is now: what --from of another directive
// reads. It is not to be used after the stage was closed.
func (s *Stage) FS() (fs.FS, error) {
	t := newTree(nil, s.limits)
	t.merged = true
	for _, l := range s.levels {
		var err error
		if l.played != nil {
			err = t.merge(".", l.played.tree.root)
		} else {
			err = t.apply(l.below)
		}
		if err != nil {
			return nil, err
		}
	}
	return &treeFS{t}, nil
}

// lister names what is in the directories of the stage as it is now.
func (s *Stage) lister() func(dir string) ([]string, error) {
	var tree fs.FS // few directives ask
	return func(dir string) ([]string, error) {
		var err error
		if tree == nil {
			if tree, err = s.FS(); err != nil {
				return nil, err
			}
		}
		entries, err := fs.ReadDir(tree, dir)
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return names, err
	}
}

// merge puts what is in a directory of an upper layer over the tree.
func (t *tree) merge(dir string, upper *node) error {
	for name, n := range upper.children {
		at := path.Join(dir, name)
		if n.opaque {
			t.remove(at)
		}
		old, _ := t.find(at)
		merged := old
		switch {
		case old == nil || old.ino.entry.Type != tar.TypeDir || n.ino.entry.Type != tar.TypeDir:
			merged = &node{ino: n.ino}
			parent, _ := t.find(dir)
			if err := t.attach(parent, name, merged); err != nil {
				return err
			}
		default:
			merged.ino = n.ino
		}
		if err := t.merge(at, n); err != nil {
			return err
		}
	}
	return nil
}

// remove takes a path out of a tree that has no layers below.
func (t *tree) remove(at string) {
	if parent, _ := t.find(path.Dir(at)); parent != nil {
		delete(parent.children, path.Base(at))
	}
}

// apply puts a layer over the tree: first what it removes, links last.
func (t *tree) apply(l *belowLayer) error {
	for _, step := range []func(*belowLayer, *checksums.Entry) error{t.applyRemoval, t.applyEntry, t.applyLink} {
		for e, err := range l.Index.Entries() {
			if err == nil {
				err = step(l, &e)
			}
			if err != nil {
				return fmt.Errorf("merging a layer: %w", err)
			}
		}
	}
	return nil
}

func (t *tree) applyRemoval(_ *belowLayer, e *checksums.Entry) error {
	target, opaque, ok := checksums.Removes(e.Path)
	if !ok || e.Escapes() {
		return nil
	}
	if !opaque {
		t.remove(target)
	} else if n, _ := t.find(target); n != nil {
		n.children = nil
	}
	return nil
}

func (t *tree) applyEntry(l *belowLayer, e *checksums.Entry) error {
	if _, _, ok := checksums.Removes(e.Path); ok || e.Escapes() || e.Path == "." || e.Type == tar.TypeLink || e.Type == tar.TypeXGlobalHeader {
		return nil
	}
	if _, err := t.mkdirAll(path.Dir(e.Path), owner{}, newDirMode); err != nil {
		return err
	}
	it := item{entry: *e, hashed: true}
	if e.Type == tar.TypeReg {
		it.content = &inLayer{l, e.Path}
	}
	_, err := t.put(e.Path, it)
	return err
}

func (t *tree) applyLink(_ *belowLayer, e *checksums.Entry) error {
	if _, _, ok := checksums.Removes(e.Path); ok || e.Type != tar.TypeLink || e.Escapes() || (checksums.Entry{Path: e.Link}).Escapes() {
		return nil
	}
	if e.Link == e.Path {
		return nil
	}
	_, err := t.link(e.Path, e.Link)
	return err
}
