package verify

import (
	"context"
	"fmt"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"github.com/imageverify/verify/checksums"
	"github.com/imageverify/verify/checksums/filetree"
)

// formOnly are the classes that two layers with the same files can differ in.
var formOnly = map[filetree.Class]bool{filetree.Time: true, filetree.Order: true, filetree.Format: true, filetree.Duplicate: true}

// levelOfClass is the best level of two images with a difference of the class.
func levelOfClass(class filetree.Class) Level {
	if formOnly[class] {
		return SameFiles
	}
	return Different
}

// layerFinder tells which layer a path of one side is from.
type layerFinder func(paths []string) (map[string]located, error)

// located is an entry with its layer.
type located struct {
	entry checksums.Entry
	layer int
}

// compareTrees compares what all layers together leave; then, where the layers
// pair up, the form in which each pair says it.
func (c *diffing) compareTrees(ctx context.Context) error {
	a, b, err := c.overlays(ctx)
	defer closeTrees(a, b)
	if err != nil {
		return err
	}
	result, err := filetree.Compare(ctx, a.Index, b.Index, filetree.Options{Times: diffTimes, Max: maxDiffEntries})
	if err != nil {
		return err
	}
	c.report.Files, c.report.Bytes = result.EqualFiles, result.EqualBytes
	// Joined trees are in walk order: they have no order and no form.
	drop := map[filetree.Class]bool{filetree.Order: true, filetree.Format: true}
	if err := c.take(result, drop, inTree(a), inTree(b)); err != nil {
		return err
	}
	return c.compareForms(ctx)
}

// overlays joins the layers of the two images side by side. What was joined is
// to be closed, also where the other failed.
func (c *diffing) overlays(ctx context.Context) (a, b *filetree.Tree, err error) {
	g, gctx := errgroup.WithContext(ctx)
	join := func(f *facts, into **filetree.Tree) {
		g.Go(func() (err error) {
			if *into, err = filetree.Overlay(gctx, indexes(f.layers), c.session.newBuilder); err != nil {
				return runError(f.set.Reference.Given, err)
			}
			return nil
		})
	}
	join(c.a, &a)
	join(c.b, &b)
	err = g.Wait()
	return a, b, err
}

func closeTrees(trees ...*filetree.Tree) {
	for _, t := range trees {
		if t != nil {
			t.Close() // it was only read
		}
	}
}

func inTree(t *filetree.Tree) layerFinder {
	return func(paths []string) (map[string]located, error) {
		found, err := t.Index.Find(paths...)
		out := make(map[string]located, len(found))
		for p, e := range found {
			out[p] = located{e, t.Layer(e.Seq)}
		}
		return out, err
	}
}

func inLayer(x *checksums.Index, layer int) layerFinder {
	return func(paths []string) (map[string]located, error) {
		found, err := x.Find(paths...)
		out := make(map[string]located, len(found))
		for p, e := range found {
			out[p] = located{e, layer}
		}
		return out, err
	}
}

// compareForms compares order and form of the layers that pair up. Where the
// trees are equal, a pair that differs in its bytes and in nothing of its form
// is told too, so that no difference goes unsaid.
func (c *diffing) compareForms(ctx context.Context) error {
	if len(c.a.layers) != len(c.b.layers) {
		c.add(DiffEntry{Path: ".", Class: string(filetree.Format), A: plural(len(c.a.layers), "layer"), B: plural(len(c.b.layers), "layer")}, SameFiles)
		return nil
	}
	results, err := c.compareLayerPairs(ctx)
	if err != nil {
		return err
	}
	equal := c.report.Level > SameFiles && len(c.contents) == 0
	for i, result := range results {
		if result == nil {
			continue
		}
		x, y := c.a.layers[i].layer, c.b.layers[i].layer
		forms := result.Counts[filetree.Order] + result.Counts[filetree.Format] + result.Counts[filetree.Duplicate]
		if forms == 0 {
			if equal || result.Total() == 0 {
				c.add(c.bytesDiffer(i, result), SameFiles)
			}
			continue
		}
		drop := map[filetree.Class]bool{}
		for _, class := range []filetree.Class{filetree.Content, filetree.Type, filetree.Mode, filetree.Owner, filetree.Time,
			filetree.Xattr, filetree.Link, filetree.OnlyInA, filetree.OnlyInB} {
			drop[class] = true
		}
		if err := c.take(result, drop, inLayer(x.Index, i), inLayer(y.Index, i)); err != nil {
			return err
		}
	}
	return nil
}

// compareLayerPairs compares each layer with the other image's at its place, in
// parallel; the result is nil for two that are the same.
func (c *diffing) compareLayerPairs(ctx context.Context) ([]*filetree.Result, error) {
	out := make([]*filetree.Result, len(c.a.layers))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(c.session.parallel)
	for i := range out {
		x, y := c.a.layers[i].layer, c.b.layers[i].layer
		if x.DiffID == y.DiffID {
			continue
		}
		g.Go(func() (err error) {
			out[i], err = filetree.Compare(gctx, x.Index, y.Index, filetree.Options{Times: diffTimes, Max: maxDiffEntries})
			return err
		})
	}
	return out, g.Wait()
}

// bytesDiffer is for a pair of layers whose bytes differ while nothing that
// counts does; the difference is noise where they have the same entries.
func (c *diffing) bytesDiffer(i int, result *filetree.Result) DiffEntry {
	e := DiffEntry{Path: ".", Class: string(filetree.Format), Layer: &i,
		A: c.a.layers[i].layer.DiffID.String(), B: c.b.layers[i].layer.DiffID.String()}
	if result.Total() == 0 {
		e.Noise = noiseForm
	}
	return e
}

// compareEach compares layer with layer.
func (c *diffing) compareEach(ctx context.Context) error {
	empty, err := c.session.newBuilder().Finish()
	if err != nil {
		return err
	}
	for i := range max(len(c.a.layers), len(c.b.layers)) {
		x, y := empty, empty
		if i < len(c.a.layers) {
			x = c.a.layers[i].layer.Index
		}
		if i < len(c.b.layers) {
			y = c.b.layers[i].layer.Index
		}
		result, err := filetree.Compare(ctx, x, y, filetree.Options{Times: diffTimes, Max: maxDiffEntries})
		if err != nil {
			return err
		}
		c.report.Files, c.report.Bytes = c.report.Files+result.EqualFiles, c.report.Bytes+result.EqualBytes
		if x != empty && y != empty && result.Total() == 0 && c.a.layers[i].layer.DiffID != c.b.layers[i].layer.DiffID {
			c.add(c.bytesDiffer(i, result), SameFiles)
		}
		if err := c.take(result, nil, inLayer(x, i), inLayer(y, i)); err != nil {
			return err
		}
	}
	return nil
}

// take adds a comparison's differences but for those of dropped classes. What
// the comparison counted and did not keep is counted here too.
func (c *diffing) take(result *filetree.Result, drop map[filetree.Class]bool, inA, inB layerFinder) error {
	var kept []filetree.Difference
	var paths []string
	for _, d := range result.Differences {
		if !drop[d.Class] {
			kept, paths = append(kept, d), append(paths, d.Path)
		}
	}
	a, err := inA(paths)
	if err != nil {
		return fmt.Errorf("first image: %w", err)
	}
	b, err := inB(paths)
	if err != nil {
		return fmt.Errorf("second image: %w", err)
	}
	listed := map[filetree.Class]int{}
	for _, d := range kept {
		listed[d.Class]++
		c.file(d, a, b)
	}
	for class, n := range result.Counts {
		if n > listed[class] && !drop[class] {
			c.report.Counts[string(class)] += n - listed[class]
			c.reach(levelOfClass(class))
		}
	}
	return nil
}

// file adds one difference of a file.
func (c *diffing) file(d filetree.Difference, a, b map[string]located) {
	e := DiffEntry{Path: d.Path, Class: string(d.Class), A: d.A, B: d.B}
	if !utf8.ValidString(d.Path) {
		e.Path, e.PathBytes = toValid(d.Path), []byte(d.Path)
	}
	x, inA := a[d.Path]
	y, inB := b[d.Path]
	switch {
	case inB:
		e.Layer = &y.layer
	case inA:
		e.Layer = &x.layer
	}
	noise, needsContents, known := filetree.NoiseAt(d.Path, d.Class)
	if known && !needsContents {
		e.Noise = noise.Name
	}
	if d.Class == filetree.Content && inA && inB {
		c.later(e, x, y, noise, needsContents)
		return
	}
	c.add(e, levelOfClass(d.Class))
}
