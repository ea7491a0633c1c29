package verify

import (
	"context"
	"slices"

	"github.com/imageverify/verify/checksums/buildhash"
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

// hashStages computes the content hashes that the classic builder wrote for what
// was copied from other stages. One that is not the history's tells nothing: how
// other versions of Docker hashed such files is not known.
func (s *session) hashStages(ctx context.Context, f *facts) {
	a := f.judged()
	if !f.compared || a == nil || a.Alignment == nil || a.Alignment.Dialect != dockerfile.Classic {
		return
	}
	for i := range a.Contents {
		h := &a.Contents[i]
		directive := a.Alignment.Rows[h.Row].Directive
		d := a.Build.Directives[directive]
		at := slices.IndexFunc(f.content, func(c contentFact) bool { return c.directive == directive && c.result != nil })
		if !copiesFrom(d) || at < 0 {
			continue
		}
		stages := rebuild.NewStages(ctx, a.Build, f.content[at].input)
		if sum, err := stages.Hash(ctx, d.Copy); err == nil && sum == h.Want {
			h.Sources, h.Equal, h.Err, h.Variant = d.Copy.Sources, true, nil, buildhash.StageVariant.Name
		}
		stages.Close() // it was only read
	}
}
