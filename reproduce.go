package verify

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/imageverify/verify/internal/image"
	"github.com/imageverify/verify/provenance/dockerfile"
)

// ReproduceOptions say what a reproduction must come to.
type ReproduceOptions struct {
	// Level is the level that is asked for; NoLevel is SameDigest, or
	// SameImageID for an image without a manifest.
	Level Level
}

// reproduceChecks are what a reproduction's verdict rests on.
var reproduceChecks = []string{"image.digests", "trace.origin", "rebuild.level"}

// Reproduce builds an image again from its source and says how near that comes
// to the published one, what differs, and why. Options say how the image is
// opened and traced; of Requirements nothing counts. The error is a *RunError
// where the reference cannot be opened or means several images; what cannot be
// rebuilt is a finding.
func Reproduce(ctx context.Context, reference string, o Options, r ReproduceOptions) (*ReproduceReport, error) {
	o.Requirements, o.RebuildLevel = Requirements{Only: reproduceChecks}, SameDigest
	s, err := newSession(ctx, o)
	if err != nil {
		return nil, err
	}
	defer s.close()
	report, err := s.reproduce(ctx, reference, r.Level)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, runError(reference, err)
	}
	report.Timings = s.timings()
	return report, nil
}

func (s *session) reproduce(ctx context.Context, reference string, asked Level) (*ReproduceReport, error) {
	set, err := s.openOne(ctx, reference)
	if err != nil {
		return nil, err
	}
	defer set.Close() // it was only read
	f := &facts{set: set, img: set.Images[0]}
	if asked == NoLevel {
		asked = bestLevel(f)
	}
	if err := s.examine(ctx, f, needsOf(s.options.Requirements), s.options.depth()); err != nil {
		f.close()
		return nil, err
	}
	defer f.close() // it was only read
	if f.rebuilt != nil {
		f.rebuilt.asked = asked // which decides what is judged, not what is tried
	}
	out := s.reproduced(f, asked)
	if f.rebuilt == nil || f.rebuilt.built == nil || f.rebuilt.built.image == nil {
		defer s.timeStage("explain")()
		return out, s.explain(ctx, f, out)
	}
	again, err := s.buildAgain(ctx, f, out)
	defer again.close() // it was only read
	if err != nil {
		return nil, err
	}
	defer s.timeStage("explain")()
	return out, s.explainBuilt(ctx, f, again, out)
}

// buildAgain has the image built a second time, to tell the builder's own noise
// from a difference; where there is no difference the published image is the
// other build. That it failed is noted: the first build stands.
func (s *session) buildAgain(ctx context.Context, f *facts, out *ReproduceReport) (*builtFact, error) {
	if f.rebuilt.level == bestLevel(f) {
		return nil, nil
	}
	defer s.timeStage("build again")()
	b := s.build(ctx, f)
	if ctx.Err() != nil {
		return b, context.Cause(ctx)
	}
	if b.err != nil {
		out.Rebuild.Notes = append(out.Rebuild.Notes, "it was built once: the second build failed: "+b.err.Error())
	}
	return b, nil
}

// bestLevel is the best level that a rebuild of the image can come to.
func bestLevel(f *facts) Level {
	if f.img.HasManifest() {
		return SameDigest
	}
	return SameImageID
}

// openOne opens a reference that must mean one image.
func (s *session) openOne(ctx context.Context, ref string) (*image.Set, error) {
	set, err := s.open(ctx, ref)
	if err != nil {
		return nil, err
	}
	if n := len(set.Images); n != 1 {
		set.Close() // nothing was read
		return nil, &RunError{Code: "usage", Message: fmt.Sprintf("%s: %s, and one is looked at", ref, plural(n, "image")), Hint: "choose one with --platform", Input: ref}
	}
	return set, nil
}

// reproduced states the facts for the report, but what differs and why.
func (s *session) reproduced(f *facts, asked Level) *ReproduceReport {
	img := judgeImage(f, s.options.Requirements)
	out := &ReproduceReport{
		SchemaVersion: SchemaVersion, Program: Program{Version: s.options.Version}, Reference: img.Reference, Time: s.start.UTC().Truncate(time.Second), Verdict: img.Verdict,
		Asked: asked, Digest: img.Digest, ImageID: img.ImageID, Platform: img.Platform, Created: img.Created,
		Origin: img.Origin, Findings: img.Findings, Rebuild: img.Rebuild, Environment: s.environment(f),
		Builds: []RebuildRun{}, Directives: directivesOf(f), Causes: []Cause{}, Differences: []Discrepancy{}, Counts: map[string]int{},
	}
	if run, ok := replayedRun(f); ok && f.rebuilt.built == nil {
		out.Builds = append(out.Builds, run)
	}
	return out
}

// replayedRun is what assembling the image in process came to; ok is false
// where nothing was assembled.
func replayedRun(f *facts) (run RebuildRun, ok bool) {
	r := f.rebuilt
	if r == nil || r.byLayout || r.level == NoLevel {
		return RebuildRun{}, false
	}
	run = RebuildRun{Level: r.level, Layers: []string{}}
	for i, l := range r.layers {
		if l.level.Reaches(SameLayers) {
			run.Layers = append(run.Layers, wantDiffID(f.configFile(), i).String())
		} else {
			run.Layers = append(run.Layers, "")
		}
	}
	if r.level.Reaches(SameImageID) {
		run.ImageID = f.manifest().Config.Digest.String()
	}
	if r.level == SameDigest && f.img.HasManifest() {
		run.Digest = f.img.Descriptor.Digest.String()
	}
	return run, true
}

// directivesOf are the directives that leave a layer, or are otherwise named by
// their line.
func directivesOf(f *facts) []DirectiveText {
	out := []DirectiveText{}
	a := f.judged()
	if a == nil || a.Build == nil {
		return out
	}
	for _, d := range a.Build.Directives {
		if d.Line > 0 && !slices.ContainsFunc(out, func(x DirectiveText) bool { return x.Line == d.Line }) {
			out = append(out, DirectiveText{Line: d.Line, Text: d.Original})
		}
	}
	return out
}

// environment is what the image was assembled with.
func (s *session) environment(f *facts) RebuildEnvironment {
	out := RebuildEnvironment{Builder: "replay", Version: s.options.Version, Platform: platformText(f), BuildArgs: map[string]string{}, Bases: []PinnedImage{}}
	a := f.judged()
	if a == nil {
		return out
	}
	out.Repository, out.Commit, out.Directory, out.File, out.Context = a.Repository, a.Commit, a.Directory, a.File, a.ContextName
	if f.inLayout() {
		out.Builder = "layout"
		return out
	}
	if b := a.Build; b != nil {
		out.Target = b.Options.Target
		for name, value := range b.Options.BuildArgs {
			out.BuildArgs[name] = value
		}
	}
	if a.Alignment != nil {
		out.Format = a.Alignment.Dialect
		if date, _ := sourceDate(f); out.Format == dockerfile.BuildKit && !date.IsZero() {
			out.SourceDate = &date
		}
	}
	if b := baseOf(f, 1); b != nil && b.Reference != "" {
		pinned := PinnedImage{Reference: b.Reference}
		if b.Digest != nil {
			pinned.Digest = *b.Digest
		}
		out.Bases = append(out.Bases, pinned)
	}
	for _, in := range inputsOf(f) {
		if !slices.ContainsFunc(out.Bases, func(p PinnedImage) bool { return p.Reference == in.Reference }) {
			out.Bases = append(out.Bases, PinnedImage{Reference: in.Reference})
		}
	}
	if f.rebuilt != nil && f.rebuilt.built != nil {
		out.ofBuild(f.rebuilt.built)
	}
	return out
}

// ofBuild notes what a builder was and what it was asked for.
func (e *RebuildEnvironment) ofBuild(b *builtFact) {
	e.Builder, e.Version, e.Network = b.env.Builder, b.env.Version, b.request.Network
	if date := b.request.SourceDate; !date.IsZero() {
		e.SourceDate = &date
	}
	for _, base := range b.request.Bases {
		pinned := PinnedImage{Reference: base.Name, Digest: base.Descriptor.Digest.String()}
		i := slices.IndexFunc(e.Bases, func(p PinnedImage) bool { return p.Reference == base.Name })
		if i < 0 {
			e.Bases = append(e.Bases, pinned)
		} else {
			e.Bases[i] = pinned
		}
	}
}

func platformText(f *facts) string {
	if p := platformOf(f); p.OS != "" {
		return p.String()
	}
	return ""
}
