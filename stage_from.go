package verify

import (
	"context"

	"github.com/imageverify/verify/provenance/dockerfile"
	"github.com/imageverify/verify/rebuild"
	"github.com/imageverify/verify/rebuild/replay"
)

// copiesFrom reports whether a directive copies from another stage or image.
func copiesFrom(d dockerfile.Directive) bool { return d.Copy != nil && d.Copy.From != "" }

// withFrom gives an input the tree that its --from names, made of the stages of
// the same Dockerfile; release, which is never nil, lets go of it.
func withFrom(ctx context.Context, b *dockerfile.Build, in replay.Input) (with replay.Input, release func() error, err error) {
	if !copiesFrom(in.Directive) || b.File == nil {
		return in, func() error { return nil }, nil
	}
	stages := rebuild.NewStages(ctx, b, in)
	in.From, err = stages.From(in.Directive.Copy.From)
	return in, stages.Close, err
}
