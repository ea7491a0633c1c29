// Package buildkit has images built by running builders: BuildKit daemons,
// through BuildKit's Go client, and the classic builder of Docker Engines.
//
// A builder is given the Dockerfile, the files of its context, the bytes of the
// images that it builds on, and the source date. What it hands back is not
// believed: it is for the caller to compare it with the published image.
package buildkit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/imageverify/verify/rebuild"
)

// Pool is a set of builders. It may be used by several goroutines: each build
// goes to the builder that has the least to do, of those that can make it.
type Pool struct {
	find     func() []string
	config   Config
	mu       sync.Mutex
	builders []*member
}

// member is a builder of a pool.
type member struct {
	builder
	busy int
}

// builder is a connection that can be made, and was not made yet.
type builder interface {
	// dialect is whose images it makes: dockerfile.BuildKit or dockerfile.Classic.
	dialect() string
	// check finds out why the request cannot be built here, if it cannot.
	check(context.Context, *rebuild.Request) error
	// build writes the image into the request's output.
	build(context.Context, *rebuild.Request) (*rebuild.Result, error)
}

// New makes a pool of the builders at the addresses; without any, of the one
// that is found at the usual places when it is needed. Nothing is connected to
// yet. The error is about an address, and shows no password of it.
func New(addresses []string, c Config) (*Pool, error) {
	p := &Pool{config: c}
	if len(addresses) == 0 {
		p.find = c.usualPlaces
		return p, nil
	}
	return p, p.add(addresses)
}

func (p *Pool) add(addresses []string) error {
	for _, address := range addresses {
		b, err := p.config.newBuilder(address)
		if err != nil {
			return err
		}
		p.builders = append(p.builders, &member{builder: b})
	}
	return nil
}

// Build builds an image. The error is a *rebuild.BuildError where there is none,
// or why ctx ended.
func (p *Pool) Build(ctx context.Context, r rebuild.Request) (*rebuild.Result, error) {
	if err := p.fill(); err != nil {
		return nil, err
	}
	var refused []error
	tried := map[*member]bool{}
	for {
		m := p.take(tried, r.Dialect)
		if m == nil {
			return nil, worst(refused)
		}
		tried[m] = true
		built, err := p.buildOn(ctx, m, r)
		switch {
		case err == nil:
			return built, nil
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case !elsewhere(err):
			return nil, err
		}
		refused = append(refused, err)
	}
}

// fill looks for a builder at the usual places, once.
func (p *Pool) fill() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.builders) > 0 || p.find == nil {
		return nil
	}
	found := p.find()
	if len(found) == 0 {
		return &rebuild.BuildError{Reason: rebuild.NoBuilder, What: "no builder was found: BUILDKIT_HOST is not set, and nothing listens on " + defaultSocket + " or Docker's socket; " + howToGetOne}
	}
	return p.add(found)
}

// howToGetOne is the one command that starts a builder.
const howToGetOne = "start one with: docker run -d --name buildkitd --privileged moby/buildkit, and name it: --rebuild build=docker-container://buildkitd"

// take reserves the least busy builder that was not tried; those of the dialect
// come first.
func (p *Pool) take(tried map[*member]bool, dialect string) *member {
	p.mu.Lock()
	defer p.mu.Unlock()
	var best *member
	for _, m := range p.builders {
		if !tried[m] && (best == nil || better(m, best, dialect)) {
			best = m
		}
	}
	if best != nil {
		best.busy++
	}
	return best
}

func better(m, than *member, dialect string) bool {
	if a, b := m.dialect() == dialect, than.dialect() == dialect; a != b {
		return a
	}
	return m.busy < than.busy
}

func (p *Pool) buildOn(ctx context.Context, m *member, r rebuild.Request) (*rebuild.Result, error) {
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		m.busy--
	}()
	if err := m.check(ctx, &r); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	if r.Limits.Time > 0 {
		timer := time.AfterFunc(r.Limits.Time, func() {
			stop(&rebuild.BuildError{Reason: rebuild.BuildLimit, What: fmt.Sprintf("the build was not done after %s", r.Limits.Time)})
		})
		defer timer.Stop()
	}
	r.Output = &bounded{to: r.Output, left: r.Limits.Disk, limit: r.Limits.Disk, stop: stop}
	built, err := m.build(ctx, &r)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return built, err
}

// elsewhere reports whether another builder may do what this one did not: it
// was asked for nothing yet, so that nothing was written.
func elsewhere(err error) bool {
	e, ok := errors.AsType[*rebuild.BuildError](err)
	return ok && slices.Contains([]string{rebuild.NoBuilder, rebuild.NeedsOCIExporter, rebuild.NeedsPlatform, rebuild.NeedsNewerBuilder}, e.Reason)
}

// worst is why no builder was left: a refusal says more than a builder that
// does not answer.
func worst(refused []error) error {
	for _, err := range refused {
		if e, ok := errors.AsType[*rebuild.BuildError](err); ok && e.Reason != rebuild.NoBuilder {
			return err
		}
	}
	return refused[0]
}
