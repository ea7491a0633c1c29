package verify

import (
	"context"
	"fmt"
	"io"

	"github.com/imageverify/verify/internal/image"

	"github.com/imageverify/verify/provenance"
	"github.com/imageverify/verify/provenance/chain"
	"github.com/imageverify/verify/provenance/dockerfile"
	"github.com/imageverify/verify/rebuild"
)

// giveBase puts the image that is given for the Dockerfile's base under what is
// to be rebuilt. It is taken at the user's word: that its bytes are those of its
// digests is checked, and nothing else of it.
func (s *session) giveBase(ctx context.Context, d *definition) error {
	named := d.input.Build.Base
	if named == dockerfile.Scratch || dockerfile.HasHole(named) || len(s.options.Bases) == 0 {
		return nil
	}
	full, err := chain.Reference(named)
	if err != nil {
		return nil // what is refused says why
	}
	s.noteFrom(full)
	given, ok := s.givenBase(full)
	if !ok {
		return s.unusedBase()
	}
	base, err := s.readBase(ctx, d, given)
	if err != nil {
		return runError(given, err)
	}
	build, err := d.input.Build.WithBase(provenance.BaseOptions(base.File.Config))
	if err != nil {
		return fmt.Errorf("on the base image %s: %w", given, err)
	}
	d.input.Build = build
	return nil
}

// readBase opens a base image and reads its config and all its layers.
func (s *session) readBase(ctx context.Context, d *definition, given string) (*image.Config, error) {
	o := s.imageOptions()
	o.Platform, o.PlatformExplicit = &d.input.Platform, true
	set, err := image.Open(ctx, given, o)
	if err != nil {
		return nil, err
	}
	d.base = set
	f := &facts{set: set, img: set.Images[0]}
	if err := s.readWhole(ctx, f); err != nil {
		return nil, err
	}
	base := &rebuild.BaseImage{Config: f.config.Raw, ID: f.config.Got}
	for _, l := range f.layers {
		base.Layers = append(base.Layers, rebuild.BaseLayer{Blob: l.desc, Index: l.layer.Index,
			Open: func(ctx context.Context) (io.ReadCloser, error) { return f.img.Blob(ctx, l.desc) }})
	}
	d.input.Base = base
	return f.config, nil
}
