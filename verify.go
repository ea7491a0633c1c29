package verify

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"github.com/imageverify/verify/internal/image"
)

// Verify opens the references and verifies each of their images. The error is
// an error of use (a *RunError where a single reference could not be opened);
// whatever is wrong with an image is a finding in the report.
func Verify(ctx context.Context, references []string, o Options) (*Report, error) {
	s, err := newSession(ctx, o)
	if err != nil {
		return nil, err
	}
	defer s.close()
	r := s.report(references)
	opened := make([]reference, len(references))
	var g errgroup.Group
	g.SetLimit(s.references())
	for i, ref := range references {
		g.Go(func() error {
			opened[i].images, opened[i].err = s.reference(ctx, ref)
			return nil
		})
	}
	_ = g.Wait() // none gives an error
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	for i, o := range opened {
		r.Images = append(r.Images, o.images...)
		if o.err != nil {
			r.Errors = append(r.Errors, *runError(references[i], o.err))
		}
	}
	if len(references) == 1 && len(r.Errors) == 1 {
		return nil, &r.Errors[0]
	}
	if err := s.unusedBase(); err != nil {
		return nil, err
	}
	r.Verdict = judgeRun(r.Images, len(r.Errors))
	r.Timings = s.timings()
	return r, nil
}

// reference is what verifying one reference gave.
type reference struct {
	images []Image
	err    error
}

// references is how many references are verified at one time: several where no
// layer is opened, and it is servers that are waited for.
func (s *session) references() int {
	if needsOf(s.options.Requirements)&needLayers != 0 {
		return 1
	}
	return parallelReferences
}

// parallelReferences bounds the references that are verified at one time.
const parallelReferences = 8

// reference verifies every image that a reference means.
func (s *session) reference(ctx context.Context, ref string) ([]Image, error) {
	set, err := s.open(ctx, ref)
	if err != nil {
		return nil, err
	}
	defer set.Close()
	images := make([]Image, len(set.Images))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(s.parallel)
	for i, img := range set.Images {
		g.Go(func() error {
			var err error
			images[i], err = s.image(gctx, set, img)
			return err
		})
	}
	return images, g.Wait()
}

// image takes one image through the stages, from the config to the verdict.
func (s *session) image(ctx context.Context, set *image.Set, img *image.Image) (Image, error) {
	f := &facts{set: set, img: img}
	err := s.examine(ctx, f, needsOf(s.options.Requirements), s.options.depth())
	if err := errors.Join(err, f.close()); err != nil {
		return Image{}, err
	}
	out := judgeImage(f, s.options.Requirements)
	out.Base, out.Inputs = baseOf(f, 1), inputsOf(f)
	out.Name, out.NameSource = s.givenName(set)
	if s.options.History {
		out.History = historyRows(f)
	}
	if s.options.Attached {
		var err error
		if out.Signatures, err = s.listAttached(ctx, f); err != nil {
			return Image{}, err
		}
	}
	return out, nil
}

// examine finds out the facts about an image, and about depth of the images that
// it is built on, one below the other.
func (s *session) examine(ctx context.Context, f *facts, n need, depth int) error {
	if n&needRebuild != 0 && s.options.Building.Asked {
		n |= needBase // what is built stands on it
	}
	s.readConfig(ctx, f, n)

	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.readLayers(gctx, f, n) })
	// The files of the origin are read after the trace as well, so they live
	// with the image's context, not the group's.
	g.Go(func() error { return s.traceOrigin(ctx, f, n) })
	g.Go(func() error {
		if err := s.readSigned(gctx, f, n); err != nil {
			return err
		}
		return s.readProved(gctx, f, n)
	})
	if err := g.Wait(); err != nil {
		return err
	}

	// Comparing the layers can settle on another commit with the same
	// Dockerfile; what rests on the origin comes after it.
	if err := errors.Join(s.findBase(ctx, f, n), s.compareContent(ctx, f, n)); err != nil {
		return err
	}
	s.hashStages(ctx, f)
	s.checkReachable(ctx, f, n)
	s.findAlso(ctx, f)
	s.checkSums(ctx, f, n)
	if err := s.verifyBase(ctx, f, n, depth); err != nil {
		return err
	}
	s.rebuildImage(ctx, f, n)
	s.inspectPins(f, n)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// judgeImage turns the facts into the image's part of the report.
func judgeImage(f *facts, r Requirements) Image {
	out := Image{Reference: f.set.Reference.Given, Findings: findAll(f, r), Origin: originOf(f), Rebuild: rebuiltOf(f)}
	if f.img.HasManifest() {
		digest := f.img.Descriptor.Digest.String()
		out.Digest = &digest
	}
	if m := f.img.Manifest().Parsed; m != nil {
		out.ImageID = m.Config.Digest.String()
	}
	if p := f.img.Platform(); p.OS != "" {
		text := p.String()
		out.Platform = &text
	}
	if cfg := f.configFile(); cfg != nil && !cfg.Created.IsZero() {
		created := cfg.Created.UTC()
		out.Created = &created
	}
	out.Verdict = Judge(out.Findings)
	return out
}
