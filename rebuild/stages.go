package rebuild

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/imageverify/verify/checksums/buildhash"
	"github.com/imageverify/verify/provenance/dockerfile"
	"github.com/imageverify/verify/rebuild/replay"
)

// Stages plays the stages of a Dockerfile that its directives copy from, each
// once. Only stages FROM scratch whose directives need no builder can be played.
type Stages struct {
	// Bases are the layers of images that stages stand on or that are copied
	// from, by the name that the Dockerfile gives them.
	Bases map[string][]replay.Below

	ctx    context.Context
	build  *dockerfile.Build
	in     replay.Input
	played map[string]*stageTree
}

// stageTree is what playing a stage gave.
type stageTree struct {
	stage *replay.Stage
	tree  fs.FS
	err   error
}

// NewStages returns the stages of a build's Dockerfile. Context, Dialect, the
// way in which files are stamped and the limits are those of in; the rest of it
// does not count. The caller closes the result.
func NewStages(ctx context.Context, b *dockerfile.Build, in replay.Input) *Stages {
	return &Stages{ctx: ctx, build: b, in: in, played: map[string]*stageTree{}}
}

// Close frees what the stages keep; trees that From gave are then of no use.
func (s *Stages) Close() error {
	var errs []error
	for _, t := range s.played {
		if t.stage != nil {
			errs = append(errs, t.stage.Close())
		}
	}
	return errors.Join(errs...)
}

// From is the tree that --from=name means, nil for no name. The error is a
// *replay.NotReplayable where the tree does not follow from the source.
func (s *Stages) From(name string) (fs.FS, error) {
	if name == "" {
		return nil, nil
	}
	return s.from(name, s.build.Stages[len(s.build.Stages)-1])
}

// Hash is what the classic builder writes into history for a COPY --from. The
// error is as From's, or buildhash.ErrOwner.
func (s *Stages) Hash(ctx context.Context, c *dockerfile.Copy) (string, error) {
	tree, err := s.From(c.From)
	if err != nil {
		return "", err
	}
	return buildhash.SumStage(ctx, tree, c.Sources)
}

// from looks for a stage before the one that names it, so that there is an end.
func (s *Stages) from(name string, before int) (fs.FS, error) {
	number, ok := s.find(name)
	if base, given := s.Bases[name]; !ok && given {
		return s.once(name, func(t *stageTree) (fs.FS, error) {
			t.stage = replay.NewStage(s.ctx, base, s.in.Spill, s.in.Limits)
			return t.stage.FS()
		})
	}
	if !ok || number >= before {
		return nil, &replay.NotReplayable{Reason: replay.FromStage, What: "--from=" + name}
	}
	return s.once(strconv.Itoa(number), func(t *stageTree) (fs.FS, error) { return s.play(number, t) })
}

// once makes a tree the first time that it is asked for.
func (s *Stages) once(key string, play func(*stageTree) (fs.FS, error)) (fs.FS, error) {
	t, ok := s.played[key]
	if !ok {
		t = &stageTree{}
		s.played[key] = t
		t.tree, t.err = play(t)
	}
	return t.tree, t.err
}

// find is the stage of a name or number; of a name that two stages have, which
// one is meant depends on the place, and none is given.
func (s *Stages) find(name string) (int, bool) {
	stages := s.build.File.Stages
	named := func(st dockerfile.Stage) bool { return st.Name != "" && strings.EqualFold(st.Name, name) }
	if i := slices.IndexFunc(stages, named); i >= 0 {
		return i, !slices.ContainsFunc(stages[i+1:], named)
	}
	i, err := strconv.Atoi(name)
	return i, err == nil && i >= 0 && i < len(stages)
}

func (s *Stages) play(number int, t *stageTree) (fs.FS, error) {
	o := s.build.Options
	o.Target, o.BaseEnv, o.BaseOnBuild = strconv.Itoa(number), nil, nil
	if name := s.build.File.Stages[number].Name; name != "" {
		o.Target = name
	}
	b, err := s.build.File.Evaluate(o)
	if err != nil {
		return nil, err
	}
	base, given := s.Bases[b.Base]
	if b.Base != dockerfile.Scratch && !given {
		return nil, &replay.NotReplayable{Reason: replay.FromStage, What: fmt.Sprintf("the stage %s stands on %s", o.Target, b.Base)}
	}
	t.stage = replay.NewStage(s.ctx, base, s.in.Spill, s.in.Limits)
	for _, d := range b.Directives {
		if d.Layer == dockerfile.NoLayer {
			continue
		}
		in := s.in
		in.Directive, in.From = d, nil
		if d.Copy != nil && d.Copy.From != "" {
			if in.From, err = s.from(d.Copy.From, number); err != nil {
				return nil, err
			}
		}
		if _, err := t.stage.Play(in); err != nil {
			return nil, fmt.Errorf("stage %s, line %d: %w", o.Target, d.Line, err)
		}
	}
	return t.stage.FS()
}
