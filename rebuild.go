package verify

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/imageverify/verify/provenance/dockerfile"
	"github.com/imageverify/verify/rebuild"
)

// RebuildOptions say what Rebuild makes.
type RebuildOptions struct {
	// Format is "classic" or "buildkit"; "" is the library entry's builder,
	// else buildkit.
	Format string
	// Created is the source date; zero is the commit's time. A directory needs
	// one.
	Created time.Time
	// To is the folder that becomes an OCI layout, which must not exist yet;
	// Name is the image's name in it, "" for that of a reference.
	To, Name string
	// Plan only says what would be done.
	Plan bool
}

// Rebuild assembles an image from its source: a reference of the official
// library, whose registry is not asked; a directory with a Dockerfile; or
// REPOSITORY#COMMIT:DIRECTORY. The error is a *RunError where what is asked for
// cannot be read. Directives that cannot be rebuilt are in the report's plan,
// and nothing is written then.
func Rebuild(ctx context.Context, what string, o Options, r RebuildOptions) (*RebuildReport, error) {
	s, err := newSession(ctx, o)
	if err != nil {
		return nil, err
	}
	defer s.close()
	report, err := s.rebuild(ctx, what, r)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, rebuildError(what, err)
	}
	report.Timings = s.timings()
	return report, nil
}

// rebuildError is an error with the reason as its code, where there is one.
func rebuildError(what string, err error) *RunError {
	e := runError(what, err)
	if reason := reasonOf(err); e.Code == "cannot-open" && reason != "unreadable" {
		e.Code = reason
	}
	return e
}

func (s *session) rebuild(ctx context.Context, what string, r RebuildOptions) (*RebuildReport, error) {
	d, err := s.definition(ctx, what, r)
	if err != nil {
		return nil, err
	}
	defer d.close()
	report := &RebuildReport{SchemaVersion: SchemaVersion, Program: Program{Version: s.options.Version}, Reference: what,
		Platform: d.input.Platform.String(), Format: d.format(), Created: d.input.SourceDate.UTC(), Origin: d.origin}
	if r.Plan {
		return report, s.planRebuild(ctx, d, report)
	}
	defer s.timeStage("rebuild")()
	layout, err := rebuild.NewLayout(r.To)
	if err != nil {
		return nil, outputError(r.To, err)
	}
	defer layout.Close()
	d.input.Blobs = layout
	img, err := rebuild.Assemble(ctx, d.input)
	if kind[*rebuild.Refusal](err) {
		return report, s.planRebuild(ctx, d, report)
	}
	if err != nil {
		return nil, err
	}
	if err := layout.Finish(img, d.input.Platform, cmp.Or(r.Name, d.ref), d.name); err != nil {
		return nil, outputError(r.To, err)
	}
	report.Plan = planned(d.input.Build, stepsOf(d.input.Build, img))
	report.Rebuild = assembled(d.input.Build, img)
	report.Output = &RebuildOutput{Path: r.To, Digest: img.ManifestDigest.String(), ImageID: img.ConfigID.String()}
	return report, nil
}

func outputError(path string, err error) error {
	return &RunError{Code: "output", Message: fmt.Sprintf("output %s: %v", path, err), Input: path, err: err}
}

// planRebuild finds out what can be done for each directive.
func (s *session) planRebuild(ctx context.Context, d *definition, report *RebuildReport) error {
	defer s.timeStage("plan")()
	steps, err := rebuild.Plan(ctx, d.input)
	report.Plan = planned(d.input.Build, steps)
	return err
}

// stepsOf are the steps that led to an image.
func stepsOf(b *dockerfile.Build, img *rebuild.Image) []rebuild.Step {
	steps := make([]rebuild.Step, len(b.Directives))
	for i := range steps {
		steps[i].Directive = i
	}
	for _, l := range img.Layers {
		steps[l.Directive].Layer = true
	}
	return steps
}

func planned(b *dockerfile.Build, steps []rebuild.Step) []PlannedStep {
	out := make([]PlannedStep, len(steps))
	for i, s := range steps {
		p := PlannedStep{Directive: "FROM " + b.Base, Makes: "config"}
		if s.Directive != rebuild.FromStep {
			d := b.Directives[s.Directive]
			p.Line, p.Directive = d.Line, d.Original
		}
		if s.Layer {
			p.Makes = "layer"
		}
		if r := s.Refusal; r != nil {
			p.Reason, p.Detail = r.Reason, r.What
		}
		out[i] = p
	}
	return out
}

func assembled(b *dockerfile.Build, img *rebuild.Image) *Rebuilt {
	out := &Rebuilt{Layers: []RebuiltLayer{}, Witnesses: []Witness{}}
	for _, l := range img.Layers {
		out.Layers = append(out.Layers, RebuiltLayer{DiffID: l.DiffID.String(), Directive: b.Directives[l.Directive].Line})
	}
	return out
}
