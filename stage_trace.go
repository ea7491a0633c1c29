package verify

import (
	"context"
	"errors"
	"fmt"

	"github.com/imageverify/verify/provenance"
	"github.com/imageverify/verify/provenance/dockerfile"
	"github.com/imageverify/verify/provenance/library"
)

// readConfig reads the image's config, where a check asks for it.
func (s *session) readConfig(ctx context.Context, f *facts, n need) {
	if n&needConfig == 0 {
		return
	}
	if f.configErr = f.manifestErr(); f.configErr != nil {
		return
	}
	f.config, f.configErr = f.img.Config(ctx)
}

// traceOrigin gathers claims and candidates, and finds the one that matches.
func (s *session) traceOrigin(ctx context.Context, f *facts, n need) error {
	if n&needTrace == 0 {
		return nil
	}
	if f.configFile() == nil {
		f.traceErr = f.configProblem()
		return nil
	}
	defer s.timeStage("trace")()
	subject, err := s.subject(f)
	if err != nil {
		f.traceErr = err
		return nil
	}
	defer s.finishGit()
	given := s.given
	if f.above != nil {
		given = nil // it names the build definition of the image above
	}
	f.trace, f.traceErr = provenance.Find(ctx, subject, provenance.Sources{
		Given:   given,
		Library: func(context.Context) (*library.Library, error) { return s.library() },
		Open:    s.opener.Open,
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return s.lacksTarget(f)
}

// lacksTarget ends the run where the source that the user names turns out to
// have no stage of the name that goes with it, as for one on this machine.
func (s *session) lacksTarget(f *facts) error {
	if f.above != nil || f.trace == nil || f.trace.Origin == nil || !errors.Is(f.trace.Origin.Err, dockerfile.ErrNoStage) {
		return nil
	}
	source, err := withoutUser(s.options.Given.Source), f.trace.Origin.Err
	return &RunError{Code: "source", Message: fmt.Sprintf("source %s: %v", source, err), Input: source, err: err}
}

// findAlso looks for other Dockerfiles of the origin's commit that give the same
// history, or, where the origin's does not, for an entry of the library that
// does; where the history is what is asked about.
func (s *session) findAlso(ctx context.Context, f *facts) {
	if f.trace == nil || !s.options.Requirements.wants("history.directives") {
		return
	}
	defer s.timeStage("also")()
	// An error is ctx's, which every stage ends with.
	f.also, _ = f.trace.AlsoMatches(ctx)
	f.nearest, _ = f.trace.Nearest(ctx)
}

// subject is what is known of the image that is traced.
func (s *session) subject(f *facts) (provenance.Subject, error) {
	cfg, platform := f.configFile(), platformOf(f)
	repository, tag, err := s.traceName(f)
	return provenance.Subject{
		Digest: f.img.Descriptor.Digest, Manifest: f.img.Manifest().Raw,
		ImageID: f.manifest().Config.Digest, DiffIDs: cfg.RootFS.DiffIDs,
		Repository: repository, Tag: tag,
		OS: platform.OS, Architecture: platform.Architecture, Variant: platform.Variant,
		Created: cfg.Created.Time, History: cfg.History, Layers: len(f.manifest().Layers),
		Annotations: f.manifest().Annotations, DescriptorAnnotations: f.img.DescriptorAnnotations,
		Labels: cfg.Config.Labels,
	}, err
}

// checkReachable looks for the origin's commit in the repository's branches
// and tags, where the library does not vouch for it, or the user asks.
func (s *session) checkReachable(ctx context.Context, f *facts, n need) {
	byName := s.options.Requirements.requires("trace.reachable", false)
	if n&needReach == 0 || f.trace == nil || f.trace.Origin == nil || f.trace.Origin.HandedIn() || !commitClaimed(f) && !byName {
		return
	}
	f.reachable.asked = true
	if f.trace.Origin.Repo == nil {
		f.reachable.err = f.trace.Origin.Err
		return
	}
	f.reachable.ok, f.reachable.err = f.trace.Origin.Repo.Reachable(ctx, f.trace.Origin.Commit)
}
