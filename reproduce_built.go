package verify

import (
	"context"

	"github.com/imageverify/verify/checksums/filetree"
)

// explainBuilt compares the published image with those that a builder built of
// its source, and finds out in what the first differs and why. What the first
// two do not agree on is the builder's own noise.
func (s *session) explainBuilt(ctx context.Context, f *facts, built []*facts, out *ReproduceReport) error {
	var runs []*diffing
	for _, b := range built {
		c, err := s.compareTwo(ctx, b, f)
		if err != nil {
			return err
		}
		runs = append(runs, c)
		out.Builds = append(out.Builds, runOf(b, c.report))
	}
	var own restless
	if len(built) > 1 {
		between, err := s.compareTwo(ctx, built[0], built[1])
		if err != nil {
			return err
		}
		out.Steady, own = between.report.Level, restlessIn(between.report.Differences)
	}
	c := runs[0]
	installed, err := s.comparePackages(ctx, c.a, f)
	if err != nil {
		return err
	}
	var list []discrepancy
	for _, d := range c.report.Differences {
		x := builtDiscrepancy(d, own, installed)
		if d.Layer != nil && (d.Class != string(filetree.OnlyInA) || len(c.a.layers) == len(f.layers)) {
			x.madeBy(f.contentOf(*d.Layer))
		}
		list = append(list, x)
	}
	for class, n := range c.report.Counts {
		out.Counts[discrepancyClass(class)] += n
		out.Unlisted += n
	}
	out.Unlisted -= len(list)
	out.tell(list)
	return s.levelLayers(ctx, c, out)
}

// compareTwo compares a rebuilt image with another one.
func (s *session) compareTwo(ctx context.Context, a, b *facts) (*diffing, error) {
	c := newDiffing(s, a, b, DiffOptions{Reread: -1})
	return c, c.compare(ctx)
}

func runOf(b *facts, r *DiffReport) RebuildRun {
	out := RebuildRun{ImageID: r.A.ImageID, Level: r.Level, Layers: r.A.Layers}
	if r.A.Digest != nil {
		out.Digest = *r.A.Digest
	}
	return out
}

// builtDiscrepancy is a difference with what is known of it: the rebuilt image
// is a, the published one b.
func builtDiscrepancy(d DiffEntry, own restless, installed packageFacts) discrepancy {
	x := discrepancy{noise: d.Noise, unsteady: own.has(d), packaged: installed.differ(), Discrepancy: Discrepancy{
		Path: d.Path, PathBytes: d.PathBytes, Class: discrepancyClass(d.Class), Layer: d.Layer, Rebuilt: d.A, Published: d.B, Change: d.Change}}
	if d.Layer != nil {
		x.pkg = installed.of(d.Path)
	}
	return x
}

// madeBy notes what made the layer that the difference is in.
func (d *discrepancy) madeBy(c contentFact) { d.Line, d.base, d.run = c.line, c.base, c.what == "RUN" }

// levelLayers says how near each layer comes, where the two images have equally
// many.
func (s *session) levelLayers(ctx context.Context, c *diffing, out *ReproduceReport) error {
	if out.Rebuild == nil || len(c.a.layers) != len(c.b.layers) || len(out.Rebuild.Layers) != len(c.b.layers) {
		return nil
	}
	results, err := c.compareLayerPairs(ctx)
	if err != nil {
		return err
	}
	for i, result := range results {
		l := &out.Rebuild.Layers[i]
		switch {
		case result == nil && c.a.layers[i].desc.Digest == c.b.layers[i].desc.Digest:
			l.Level = SameDigest
		case result == nil:
			l.Level = SameLayers
		default:
			l.Level = min(levelOfTree(result), SameFiles)
		}
	}
	return nil
}
