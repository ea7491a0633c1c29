package filetree

import (
	"context"
	"fmt"
	"hash/maphash"

	"github.com/imageverify/verify/checksums"
)

// isBelow reports whether p lies below dir.
func isBelow(p, dir string) bool {
	return dir == "." && p != "." || len(p) > len(dir) && p[len(dir)] == '/' && p[:len(dir)] == dir
}

// tidy tells archives that need no closer look: those whose entries stand in
// walk order, no hard link before its target, no whiteout behind what it
// removes. Builders write no others. The zero value has seen nothing.
type tidy struct {
	last   string
	seq    int
	seen   bool
	broken bool // it needs a closer look
}

// visit takes the last entry of each path, in walk order.
func (t *tidy) visit(e *checksums.Entry) {
	if t.broken {
		return
	}
	t.broken = t.seen && e.Seq < t.seq || e.Type == '1' && checksums.ComparePaths(e.Link, e.Path) > 0
	if target, opaque, ok := checksums.Removes(e.Path); ok && opaque {
		t.broken = t.broken || t.seen && t.last != target && isBelow(t.last, target)
	} else if ok {
		t.broken = t.broken || checksums.ComparePaths(target, e.Path) < 0
	}
	t.last, t.seq, t.seen = e.Path, e.Seq, true
}

// disorder fills in the paths of b that are disordered.
func (c *comparer) disorder(ctx context.Context, b *checksums.Index) error {
	if !c.tidy.broken {
		return nil
	}
	p := places{seed: maphash.MakeSeed()}
	for _, step := range []func(*checksums.Entry){p.gather, p.resolve, func(e *checksums.Entry) {
		if p.disordered(e) {
			c.addDisordered(e.Path)
		}
	}} {
		if err := eachPath(ctx, b, step); err != nil {
			return fmt.Errorf("second tree: %w", err)
		}
	}
	return nil
}

func (c *comparer) addDisordered(path string) {
	c.result.DisorderedCount++
	if len(c.result.Disordered) < c.options.Max {
		c.result.Disordered = append(c.result.Disordered, path)
	}
}

// eachPath visits the last entry of each path in walk order.
func eachPath(ctx context.Context, x *checksums.Index, visit func(*checksums.Entry)) error {
	g := newGroups(x)
	defer g.stop()
	for {
		if err := g.advance(); err != nil {
			return err
		}
		if !g.more {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if g.head.count > 0 {
			visit(&g.head.last)
		}
	}
}

// places holds the places in an archive that others are compared with, by the
// keyed hash of a path: paths themselves could be 4 KiB each. It is filled by
// gather, then resolve.
type places struct {
	seed    maphash.Seed
	targets map[uint64]int // of hard links, -1 where no entry has the name
	wiped   map[uint64]int // whiteouts, by what they remove
	opaque  map[uint64]int // opaque marks, by their directory
	above   []place        // the entries above the one visited
}

// place is an entry's; latest is that of the last of it and those above it.
type place struct {
	path   string
	latest int
}

func (p *places) hash(name string) uint64 { return maphash.String(p.seed, name) }

func (p *places) gather(e *checksums.Entry) {
	if p.targets == nil {
		p.targets, p.wiped, p.opaque = map[uint64]int{}, map[uint64]int{}, map[uint64]int{}
	}
	if e.Type == '1' {
		p.targets[p.hash(e.Link)] = -1
	}
	if target, opaque, ok := checksums.Removes(e.Path); ok && opaque {
		p.opaque[p.hash(target)] = e.Seq
	} else if ok {
		p.wiped[p.hash(target)] = e.Seq
	}
}

func (p *places) resolve(e *checksums.Entry) {
	h := p.hash(e.Path)
	if _, ok := p.targets[h]; ok {
		p.targets[h] = e.Seq
	}
}

// disordered must be asked in walk order.
func (p *places) disordered(e *checksums.Entry) bool {
	before := e.Seq < p.enter(e)
	if e.Type == '1' && e.Seq < p.targets[p.hash(e.Link)] {
		return true
	}
	return before || e.Seq < p.wipe(e.Path)
}

// enter makes the entry the one visited, and returns the last place of those
// above it; -1 if there are none.
func (p *places) enter(e *checksums.Entry) int {
	for n := len(p.above); n > 0 && !isBelow(e.Path, p.above[n-1].path); n-- {
		p.above = p.above[:n-1]
	}
	latest := -1
	if n := len(p.above); n > 0 {
		latest = p.above[n-1].latest
	}
	if e.Path != "." || e.Type != '5' {
		p.above = append(p.above, place{e.Path, max(latest, e.Seq)})
	}
	return latest
}

// wipe returns the last place of a whiteout that removes the path; -1 if there
// is none. Whiteouts remove no whiteouts: they leave nothing to remove.
func (p *places) wipe(name string) int {
	last := -1
	if _, _, ok := checksums.Removes(name); ok || len(p.wiped)+len(p.opaque) == 0 {
		return last
	}
	look := func(in map[uint64]int, hash uint64) {
		if seq, ok := in[hash]; ok {
			last = max(last, seq)
		}
	}
	root := p.hash(".")
	look(p.opaque, root)
	look(p.wiped, root)
	var h maphash.Hash // of ever longer beginnings of the path
	h.SetSeed(p.seed)
	for i := range len(name) {
		if name[i] == '/' {
			look(p.wiped, h.Sum64())
			look(p.opaque, h.Sum64())
		}
		h.WriteByte(name[i])
	}
	look(p.wiped, h.Sum64())
	return last
}
