package filetree

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/imageverify/verify/checksums"
)

// Types of the entries that stand for whiteouts while layers are joined: the
// path they remove, or the directory they empty.
const (
	removesPath  = 'W'
	emptiesBelow = 'O'
)

// Tree is what the layers of an image leave when one is unpacked over the
// other: one entry a path, without whiteouts. Hard links are resolved: each
// name has the type and attributes of the file, and Link is the first of the
// file's names in walk order, "" in that one itself. A hard link to nothing
// stays as it is.
type Tree struct {
	// Index holds the entries; their Seq is their place in walk order.
	Index *checksums.Index

	layers []uint16 // by Seq
}

// Layer returns the number of the layer that the entry with that Seq is from.
func (t *Tree) Layer(seq int) int { return int(t.layers[seq]) }

// Close frees the files behind the tree, if there are any.
func (t *Tree) Close() error { return t.Index.Close() }

// Overlay joins the indexes of layers, lowest first. newBuilder makes the
// builders of what is kept; nil stands for default ones. Whiteouts are those of
// the OCI image specification (layer.md, "Whiteouts"): they remove what lower
// layers have, whatever the order within their own. Names that begin with
// ".wh..wh." and are not opaque marks are notes of an old storage driver, which
// no program unpacks.
func Overlay(ctx context.Context, layers []*checksums.Index, newBuilder func() *checksums.Builder) (*Tree, error) {
	if newBuilder == nil {
		newBuilder = func() *checksums.Builder { return checksums.NewBuilder(nil, checksums.Limits{}) }
	}
	o := &overlay{ctx: ctx, layers: layers, newBuilder: newBuilder}
	marks, err := o.findMarks()
	defer closeAll(marks)
	if err != nil {
		return nil, err
	}
	tree, err := o.join(marks)
	if err != nil || len(o.links) == 0 {
		return tree, err
	}
	defer tree.Close()
	return o.resolveLinks(tree)
}

// overlay joins layers.
type overlay struct {
	ctx        context.Context
	layers     []*checksums.Index
	newBuilder func() *checksums.Builder
	links      []hardLink
	linkBytes  int
}

// hardLink is a hard link of the joined tree, by its place in it.
type hardLink struct {
	seq    int
	layer  int
	target string
}

// maxLinkBytes bounds the names of hard links that are kept in memory.
const maxLinkBytes = 64 << 20

func closeAll(indexes []*checksums.Index) {
	for _, x := range indexes {
		x.Close() // made here and read to their end
	}
}

// findMarks returns for each layer an index of what its whiteouts remove, nil
// for a layer without any.
func (o *overlay) findMarks() ([]*checksums.Index, error) {
	marks := make([]*checksums.Index, len(o.layers))
	for i, layer := range o.layers {
		var err error
		if marks[i], err = o.marksOf(layer); err != nil {
			return marks, fmt.Errorf("layer %d: %w", i+1, err)
		}
	}
	return marks, nil
}

func (o *overlay) marksOf(layer *checksums.Index) (*checksums.Index, error) {
	var b *checksums.Builder
	for e, err := range layer.Entries() {
		if err == nil {
			err = o.ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		mark, ok := markOf(e.Path)
		if !ok {
			continue
		}
		if b == nil {
			b = o.newBuilder()
			defer b.Close()
		}
		if err := b.Add(mark); err != nil {
			return nil, err
		}
	}
	if b == nil {
		return nil, nil
	}
	return b.Finish()
}

// markOf is the mark that a name stands for.
func markOf(name string) (checksums.Entry, bool) {
	if isNote(name) {
		return checksums.Entry{}, false
	}
	target, opaque, ok := checksums.Removes(name)
	if opaque {
		return checksums.Entry{Path: target, Type: emptiesBelow}, true
	}
	return checksums.Entry{Path: target, Type: removesPath}, ok
}

// isNote reports whether a name is of a storage driver and not of the tree.
func isNote(name string) bool {
	base := path.Base(name)
	return strings.HasPrefix(base, checksums.WhiteoutPrefix+checksums.WhiteoutPrefix) && base != checksums.OpaqueName
}

// isMark reports whether a name is no name of the tree.
func isMark(name string) bool { return strings.HasPrefix(path.Base(name), checksums.WhiteoutPrefix) }

// join merges layers and marks by path.
func (o *overlay) join(marks []*checksums.Index) (*Tree, error) {
	m, err := openMerge(o.layers, marks)
	if err != nil {
		return nil, err
	}
	defer m.close()
	out := &treeWriter{builder: o.newBuilder()}
	defer out.builder.Close()
	var above shadows
	for m.more() {
		if err := o.ctx.Err(); err != nil {
			return nil, err
		}
		at, err := m.next()
		if err != nil {
			return nil, err
		}
		hidden := above.enter(at)
		layer, ok := at.visible(hidden)
		if !ok {
			continue
		}
		if err := o.emit(out, at.entries[layer], layer); err != nil {
			return nil, err
		}
	}
	return out.finish()
}

func (o *overlay) emit(out *treeWriter, e checksums.Entry, layer int) error {
	if e.Type == '1' {
		if o.linkBytes += len(e.Link); o.linkBytes > maxLinkBytes {
			return &checksums.LimitError{What: "bytes of hard links' targets", Limit: maxLinkBytes}
		}
		o.links = append(o.links, hardLink{seq: len(out.layers), layer: layer, target: e.Link})
	}
	return out.add(e, layer)
}

// treeWriter makes a tree of entries in walk order.
type treeWriter struct {
	builder *checksums.Builder
	layers  []uint16
}

func (w *treeWriter) add(e checksums.Entry, layer int) error {
	w.layers = append(w.layers, uint16(layer))
	return w.builder.Add(e)
}

func (w *treeWriter) finish() (*Tree, error) {
	index, err := w.builder.Finish()
	if err != nil {
		return nil, err
	}
	return &Tree{Index: index, layers: w.layers}, nil
}
