package filetree

import (
	"container/heap"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/imageverify/verify/checksums"
)

// joint is all that the layers say of one path.
type joint struct {
	path string
	// entries holds the last entry of each layer that has one.
	entries map[int]checksums.Entry
	// removed is the highest layer that removes the path, emptied the highest
	// that empties the directory; lower layers count no more. 0 is none, since
	// there is nothing below the lowest layer.
	removed, emptied int
}

// visible returns the highest layer that has the path, where it is not hidden.
func (p *joint) visible(hidden int) (layer int, ok bool) {
	layer = -1
	for i := range p.entries {
		layer = max(layer, i)
	}
	return layer, layer >= max(hidden, p.removed, 0)
}

// hides returns the layer below which nothing counts that lies below the path:
// it was removed or emptied there, or something else than a directory.
func (p *joint) hides() int {
	h := max(p.removed, p.emptied)
	for i, e := range p.entries {
		if e.Type != '5' {
			h = max(h, i)
		}
	}
	return h
}

// shadows are the paths above the one at hand that hide lower layers.
type shadows []shadow

type shadow struct {
	below string // "dir/", or "" for the root
	layer int
}

// enter goes on to the next path in walk order, and returns the layer below
// which nothing counts there.
func (s *shadows) enter(p *joint) int {
	for len(*s) > 0 && !strings.HasPrefix(p.path, s.top().below) {
		*s = (*s)[:len(*s)-1]
	}
	hidden := 0
	if len(*s) > 0 {
		hidden = s.top().layer
	}
	if h := p.hides(); h > hidden {
		below := p.path + "/"
		if p.path == "." {
			below = ""
		}
		*s = append(*s, shadow{below, h})
	}
	return hidden
}

func (s *shadows) top() shadow { return (*s)[len(*s)-1] }

// merge reads several indexes side by side, path by path.
type merge struct{ heads heads }

// stream is one index that is read: of a layer's entries, or of its marks.
type stream struct {
	layer int
	marks bool
	head  checksums.Entry
	next  func() (checksums.Entry, error, bool)
	stop  func()
}

func openMerge(layers, marks []*checksums.Index) (*merge, error) {
	m := &merge{}
	for i := range layers {
		for n, x := range []*checksums.Index{layers[i], marks[i]} {
			if x == nil {
				continue
			}
			s := &stream{layer: i, marks: n == 1}
			s.next, s.stop = iter.Pull2(x.Entries())
			more, err := s.advance()
			if err != nil {
				s.stop()
				m.close()
				return nil, err
			}
			if more {
				m.heads = append(m.heads, s)
			}
		}
	}
	heap.Init(&m.heads)
	return m, nil
}

func (m *merge) more() bool { return len(m.heads) > 0 }

func (m *merge) close() {
	for _, s := range m.heads {
		s.stop()
	}
}

// next returns the next path in walk order.
func (m *merge) next() (*joint, error) {
	p := &joint{path: m.heads[0].head.Path, entries: map[int]checksums.Entry{}}
	for m.more() && m.heads[0].head.Path == p.path {
		s := m.heads[0]
		switch {
		case !s.marks:
			p.entries[s.layer] = s.head
		case s.head.Type == removesPath:
			p.removed = max(p.removed, s.layer)
		default:
			p.emptied = max(p.emptied, s.layer)
		}
		more, err := s.advance()
		if err != nil {
			return nil, err
		}
		if more {
			heap.Fix(&m.heads, 0)
		} else {
			heap.Pop(&m.heads)
		}
	}
	return p, nil
}

// advance reads the stream's next entry, passing over what is no name of the
// tree.
func (s *stream) advance() (bool, error) {
	for {
		e, err, ok := s.next()
		if err != nil {
			return false, fmt.Errorf("layer %d: %w", s.layer+1, err)
		}
		if !ok {
			s.stop()
			return false, nil
		}
		if s.marks || e.Type != globalHeader && !isMark(e.Path) {
			s.head = e
			return true, nil
		}
	}
}

// heads are the streams that have more, the smallest path on top; of one path
// in no order, since each layer speaks for itself.
type heads []*stream

func (h heads) Len() int           { return len(h) }
func (h heads) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h heads) Less(i, j int) bool { return checksums.ComparePaths(h[i].head.Path, h[j].head.Path) < 0 }
func (h *heads) Push(x any)        { *h = append(*h, x.(*stream)) }

func (h *heads) Pop() any {
	last := (*h)[len(*h)-1]
	*h = slices.Delete(*h, len(*h)-1, len(*h))
	return last
}
