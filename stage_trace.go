package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/imageverify/verify/checksums/sums"
	"github.com/imageverify/verify/provenance"
	"github.com/imageverify/verify/provenance/dockerfile"
	"github.com/imageverify/verify/provenance/library"
)

// readConfig reads the image's config, where a check asks for it.
func (s *session) readConfig(ctx context.Context, f *facts, n need) {
	if n&needConfig == 0 {
		return
	}
	if f.img.Manifest().Parsed == nil {
		f.configErr = errors.New("the manifest does not parse")
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
		f.traceErr = f.configErr
		if f.traceErr == nil {
			f.traceErr = errors.New("the config does not parse")
		}
		return nil
	}
	defer s.timeStage("trace")()
	subject, err := s.subject(f)
	if err != nil {
		f.traceErr = err
		return nil
	}
	defer s.finishGit()
	f.trace, f.traceErr = provenance.Find(ctx, subject, provenance.Sources{
		Library: func(context.Context) (*library.Library, error) { return s.library() },
		Open:    s.opener.Open,
	})
	return ctx.Err()
}

// subject is what is known of the image that is traced.
func (s *session) subject(f *facts) (provenance.Subject, error) {
	cfg, platform := f.configFile(), f.img.Platform()
	if platform.OS == "" {
		platform.OS, platform.Architecture, platform.Variant = cfg.OS, cfg.Architecture, cfg.Variant
	}
	repository, tag, err := s.traceName(f.set)
	return provenance.Subject{
		Repository: repository, Tag: tag,
		OS: platform.OS, Architecture: platform.Architecture, Variant: platform.Variant,
		Created: cfg.Created.Time, History: cfg.History, Layers: len(f.manifest().Layers),
		Annotations: f.manifest().Annotations, DescriptorAnnotations: f.img.DescriptorAnnotations,
		Labels: cfg.Config.Labels,
	}, err
}

// checkReachable looks for the origin's commit in the repository's branches
// and tags, where the library does not vouch for it.
func (s *session) checkReachable(ctx context.Context, f *facts, n need) {
	if n&needReach == 0 || !claimedByImage(f) || f.trace.Origin.Repo == nil {
		return
	}
	f.reachable.asked = true
	f.reachable.ok, f.reachable.err = f.trace.Origin.Repo.Reachable(ctx, f.trace.Origin.Commit)
}

// checkSums compares every archive that the judged Dockerfile unpacks with its
// distributor's published list.
func (s *session) checkSums(ctx context.Context, f *facts, n need) {
	a := f.judged()
	if n&needSums == 0 || a == nil || a.Build == nil {
		return
	}
	d, ok := sums.Find(a.Repository)
	if !ok {
		return
	}
	defer s.timeStage("sums")()
	for _, name := range archives(a) {
		for _, list := range d.Lists {
			f.sums = append(f.sums, checkSum(ctx, a, d, list, name))
		}
	}
}

// archives are the files of the context that the build unpacks, wildcards
// resolved.
func archives(a *provenance.Attempt) []string {
	var out []string
	for _, d := range a.Build.Directives {
		if d.Copy != nil && d.Copy.Add && d.Copy.From == "" {
			out = append(out, archivesOf(a.Context, d.Copy)...)
		}
	}
	return out
}

func archivesOf(context fs.FS, c *dockerfile.Copy) []string {
	var out []string
	for _, source := range c.Sources {
		out = append(out, matchFiles(context, source)...)
	}
	return out
}

// matchFiles are the archives that a source argument means; a name that is not
// there is kept, so that its absence shows.
func matchFiles(context fs.FS, source string) []string {
	if !isArchive(source) || strings.Contains(source, "://") {
		return nil
	}
	names, err := fs.Glob(context, path.Clean(source))
	if err != nil || len(names) == 0 {
		return []string{path.Clean(source)}
	}
	return names
}

func isArchive(name string) bool {
	for _, suffix := range []string{".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tar.zst"} {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return false
}

// errListAbsent is for a distributor's list that is not where it should be.
var errListAbsent = errors.New("the checksum file is not there")

func checkSum(ctx context.Context, a *provenance.Attempt, d sums.Distributor, list sums.List, name string) sumFact {
	fact := sumFact{distributor: d, list: list, name: name}
	text, err := openList(a, list)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%s: %w", list.File, errListAbsent)
	}
	if err != nil {
		fact.err = err
		return fact
	}
	defer text.Close()
	file, err := a.Context.Open(name)
	if err != nil {
		fact.err = err
		return fact
	}
	defer file.Close()
	fact.result, fact.err = sums.Check(ctx, text, path.Join(a.Directory, name), file)
	fact.line = fact.result.Line
	return fact
}

func openList(a *provenance.Attempt, list sums.List) (fs.File, error) {
	if list.Where == sums.RepositoryRoot {
		return a.Context.Root().Open(list.File)
	}
	return a.Context.Open(list.File)
}
