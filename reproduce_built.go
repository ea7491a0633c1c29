package verify

import (
	"context"

	"github.com/imageverify/verify/checksums/filetree"
)

// explainBuilt compares the published image with the one that a builder built of
// its source, and finds out in what it differs and why. What a second build has
// otherwise than the first is the builder's own noise.
func (s *session) explainBuilt(ctx context.Context, f *facts, again *builtFact, out *ReproduceReport) error {
	first := f.rebuilt.built.image
	c, err := s.compareTwo(ctx, first, f)
	if err != nil {
		return err
	}
	out.Builds = append(out.Builds, runOf(first, c.report))
	own, err := s.compareBuilds(ctx, f, first, again, out)
	if err != nil {
		return err
	}
	installed, err := s.comparePackages(ctx, first, f)
	if err != nil {
		return err
	}
	s.tellBuilt(f, c.report, own, installed, out)
	return nil
}

// compareBuilds finds out what two builds do not agree on; nothing where there
// is no second one.
func (s *session) compareBuilds(ctx context.Context, f, first *facts, again *builtFact, out *ReproduceReport) (restless, error) {
	if again == nil || again.image == nil {
		return restless{}, nil
	}
	second := again.image
	published, err := s.compareTwo(ctx, second, f)
	if err != nil {
		return restless{}, err
	}
	out.Builds = append(out.Builds, runOf(second, published.report))
	between, err := s.compareTwo(ctx, first, second)
	if err != nil {
		return restless{}, err
	}
	out.Steady = between.report.Level
	return restlessIn(between.report.Differences), nil
}

// tellBuilt puts the differences into the report, but for those of layers that
// were assembled to the same archive in process, from the source alone: in them
// it does not matter what a builder of another kind does. So it is with config
// and manifest where all layers are the same.
func (s *session) tellBuilt(f *facts, r *DiffReport, own restless, installed packageFacts, out *ReproduceReport) {
	var list []discrepancy
	assembled := f.rebuilt.level.Reaches(SameLayers)
	if assembled {
		list = append(ofForm(f), ofDocuments(f)...)
	}
	listed := map[string]int{}
	unsteady := own.unsteady(r.Differences)
	for i, d := range r.Differences {
		listed[d.Class]++
		if d.Layer == nil && assembled || d.Layer != nil && f.rebuilt.assembled(*d.Layer) {
			continue
		}
		x := builtDiscrepancy(d, unsteady[i], installed)
		if d.Layer != nil && (d.Class != string(filetree.OnlyInA) || len(r.A.Layers) == len(f.layers)) {
			x.madeBy(f.contentOf(*d.Layer))
		}
		list = append(list, x)
	}
	for _, d := range list {
		out.Counts[d.Class]++
	}
	for class, n := range r.Counts {
		if more := n - listed[class]; more > 0 {
			out.Counts[discrepancyClass(class)] += more
			out.Unlisted += more
		}
	}
	out.tell(list)
}

// assembled reports whether a layer was assembled in process, byte for byte.
func (r *rebuildFact) assembled(i int) bool {
	return i < len(r.layers) && !r.layers[i].built && r.layers[i].level.Reaches(SameLayers)
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
func builtDiscrepancy(d DiffEntry, unsteady bool, installed packageFacts) discrepancy {
	x := discrepancy{noise: d.Noise, unsteady: unsteady, packaged: installed.differ(), Discrepancy: Discrepancy{
		Path: d.Path, PathBytes: d.PathBytes, Class: discrepancyClass(d.Class), Layer: d.Layer, Rebuilt: d.A, Published: d.B, Change: d.Change}}
	if d.Layer != nil {
		x.pkg = installed.of(d.Path)
	}
	return x
}

// madeBy notes what made the layer that the difference is in.
func (d *discrepancy) madeBy(c contentFact) { d.Line, d.base, d.run = c.line, c.base, c.what == "RUN" }
