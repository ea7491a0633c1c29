package verify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/internal/image"
	"github.com/imageverify/verify/provenance/chain"
	"github.com/imageverify/verify/provenance/dockerfile"
)

// The annotations by which an image names its base; see the OCI image
// specification, "Pre-Defined Annotation Keys".
const (
	keyBaseName   = "org.opencontainers.image.base.name"
	keyBaseDigest = "org.opencontainers.image.base.digest"
)

// findBase finds the image that the judged Dockerfile builds on, and matches
// the history again with what its config says. Which image that is says the
// Dockerfile, or the user; what an image says of its base is only where to look
// in the repository that the Dockerfile names.
func (s *session) findBase(ctx context.Context, f *facts, n need) error {
	a := f.judged()
	switch {
	case n&needBase == 0 || !a.Matched() || a.Layout != nil:
		return nil
	case a.Build.Base == dockerfile.Scratch:
		s.noteFrom(dockerfile.Scratch)
		return nil
	}
	if f.base != nil && f.base.named == a.Build.Base {
		s.restOnBase(ctx, f)
		return nil
	}
	if err := f.base.close(); err != nil {
		return err
	}
	defer s.timeStage("base")()
	b := &baseFact{named: dockerfile.Readable(a.Build.Base)}
	f.base = b
	if dockerfile.HasHole(a.Build.Base) {
		b.err = baseError("base-unknown", "FROM %s: what it means follows from nothing that is known", b.named)
		return nil
	}
	var err error
	if b.full, err = chain.Reference(b.named); err != nil {
		b.err = baseError("base-unknown", "FROM %s: %s", b.named, err)
		return nil
	}
	s.noteFrom(b.full)
	if err := s.chooseBase(ctx, f, b); err != nil {
		return err
	}
	s.askTag(ctx, f, b, n)
	s.restOnBase(ctx, f)
	return nil
}

// chooseBase tries the images that may be the base, the surest first.
func (s *session) chooseBase(ctx context.Context, f *facts, b *baseFact) error {
	repository, tag, digest := chain.Split(b.full)
	if given, ok := s.givenBase(b.full); ok {
		err := s.tryBase(ctx, f, b, byFlag, given)
		if _, differs := errors.AsType[*errBase](err); err != nil && !differs && isLocal(given) {
			return runError(given, err)
		}
		b.err = err
		return nil
	}
	if b.err = s.mayAsk(f); b.err != nil {
		return nil
	}
	if digest != "" {
		b.err = s.tryBase(ctx, f, b, byDigest, repository+"@"+digest)
		return nil
	}
	if pinned, ok := s.annotatedBase(f, b, repository); ok {
		err := s.tryBase(ctx, f, b, byAnnotation, pinned)
		if err == nil {
			return nil
		}
		if e, differs := errors.AsType[*errBase](err); differs {
			b.claimErr = baseError("base-claim-differs", "the image's manifest names %s as its base, and %s", pinned, e.text)
		}
	}
	if b.err = s.tryBase(ctx, f, b, byTag, repository+":"+tag); b.err == nil {
		return nil
	}
	if _, differs := errors.AsType[*errBase](b.err); differs {
		b.err = baseError("base-not-found", "what %s names now is not what the image was built on", shortReference(b.full))
	}
	return nil
}

// noteFrom notes an image that some FROM names; "" stands for those below a base
// that was to be the last.
func (s *session) noteFrom(full string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.froms[full] = true
}

// unusedBase is an error for an image that is given for a base which no FROM
// names, as far down as was looked.
func (s *session) unusedBase() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.froms) == 0 || s.froms[""] {
		return nil
	}
	for _, ref := range slices.Sorted(maps.Keys(s.options.Bases)) {
		if full, err := chain.Reference(ref); err == nil && !s.froms[full] {
			var named []string
			for _, full := range slices.Sorted(maps.Keys(s.froms)) {
				named = append(named, shortReference(full))
			}
			return &RunError{Code: "usage", Message: fmt.Sprintf("--base %s: no FROM names it; named are %s", ref, strings.Join(named, ", ")), Input: ref}
		}
	}
	return nil
}

// givenBase is the image that the user gives for a reference.
func (s *session) givenBase(full string) (string, bool) {
	for ref, given := range s.options.Bases {
		if key, err := chain.Reference(ref); err == nil && key == full {
			return given, true
		}
	}
	return "", false
}

// isLocal reports whether a reference means something on this machine.
func isLocal(reference string) bool {
	kind, _, _ := strings.Cut(reference, ":")
	switch kind {
	case image.KindLayout, image.KindArchive, image.KindDockerArchive, image.KindDockerDaemon:
		return true
	}
	return false
}

// errNotNamed is for a Dockerfile that only the image itself names.
var errNotNamed = errors.New("only the image names the Dockerfile that names it; give the base with --base, or allow what images name with --follow-claims")

// mayAsk says why no registry is asked for what the Dockerfile names: nothing is
// opened because an image says so.
func (s *session) mayAsk(f *facts) error {
	a := f.judged()
	if a.Candidate == nil && !a.ByFlag() && !s.options.FollowClaims {
		return errNotNamed
	}
	return nil
}

// annotatedBase is the image that the manifest names as the base, where it is of
// the repository that the Dockerfile names.
func (s *session) annotatedBase(f *facts, b *baseFact, repository string) (string, bool) {
	notes := f.manifest().Annotations
	if named := notes[keyBaseName]; named != "" && !chain.MayBe(b.named, named) {
		b.otherName = named
		return "", false
	}
	digest, err := v1.NewHash(notes[keyBaseDigest])
	if err != nil {
		return "", false
	}
	return repository + "@" + digest.String(), true
}

// tryBase opens an image and takes it as the base if the image above stands on
// it. The error is an *errBase where it does not.
func (s *session) tryBase(ctx context.Context, f *facts, b *baseFact, how, reference string) error {
	set, err := s.openFor(ctx, reference, f)
	if err != nil {
		return err
	}
	raw, err := configOf(ctx, set)
	if err == nil && how == byTag {
		b.now = nowOf(set, raw.File)
	}
	relation := chain.Relation{}
	if err == nil {
		relation = chain.Compare(f.configFile(), raw.File)
		err = standsOn(f.configFile(), relation, reference)
	}
	if err != nil {
		return errors.Join(err, set.Close())
	}
	b.found, b.given, b.set, b.img, b.config, b.raw, b.relation = how, reference, set, set.Images[0], raw.File, raw, relation
	b.layers, b.entries = relation.Layers, relation.Entries
	return nil
}

// standsOn says in what an image does not stand on a base.
func standsOn(above *v1.ConfigFile, r chain.Relation, reference string) error {
	switch {
	case !r.OnLayers():
		return baseError("base-differs", "%s has %s, of which the image's lowest %d are the same by diff ID", reference, plural(r.Layers, "layer"), r.Equal)
	case !r.OnHistory():
		got := "no more"
		if r.EqualEntries < len(above.History) {
			got = fmt.Sprintf("%q", above.History[r.EqualEntries].CreatedBy)
		}
		return baseError("base-history-differs", "%s has the layers, and its history is another from entry %d on: the image has %s", reference, r.EqualEntries+1, got)
	}
	return nil
}

// configOf reads the config of a set's one image, which must be what its
// manifest names.
func configOf(ctx context.Context, set *image.Set) (*image.Config, error) {
	f := &facts{set: set, img: set.Images[0]}
	if f.configErr = f.manifestErr(); f.configErr == nil {
		f.config, f.configErr = f.img.Config(ctx)
	}
	if f.configFile() == nil {
		return nil, f.configProblem()
	}
	return f.config, nil
}

func nowOf(set *image.Set, config *v1.ConfigFile) *tagFact {
	return &tagFact{digest: set.Images[0].Descriptor.Digest, created: config.Created.Time, diffIDs: config.RootFS.DiffIDs}
}

// askTag looks what the tag of FROM names now, where it was not asked already.
func (s *session) askTag(ctx context.Context, f *facts, b *baseFact, n need) {
	repository, tag, _ := chain.Split(b.full)
	if b.now != nil || n&needFresh == 0 || tag == "" {
		return
	}
	if err := s.mayAsk(f); err != nil {
		b.now = &tagFact{err: err}
		return
	}
	set, err := s.openFor(ctx, repository+":"+tag, f)
	if err != nil {
		b.now = &tagFact{err: err}
		return
	}
	defer set.Close()
	config, err := configOf(ctx, set)
	if err != nil {
		b.now = &tagFact{err: err}
		return
	}
	b.now = nowOf(set, config.File)
}

// restOnBase matches the history again with the base's config, and compares how
// much lies below the directives' with what the base has.
func (s *session) restOnBase(ctx context.Context, f *facts) {
	b := f.base
	if b.config == nil {
		return
	}
	b.err = nil
	if err := f.trace.OnBase(ctx, b.config.Config); err != nil {
		b.err = baseError("base-differs", "the Dockerfile cannot be built on it: %s", err)
		return
	}
	layers, entries := lowest(f)
	if f.judged().Matched() && (layers != b.layers || entries != b.entries) {
		b.err = baseError("base-differs", "%s has %s and %s of history; below the Dockerfile's own lie %d and %d", b.given,
			plural(b.layers, "layer"), plural(b.entries, "entry"), layers, entries)
	}
}

// verifyBase takes the base through the same stages as the image above, depth
// of them one below the other. Where no image of it was found, what lies in the
// image above is traced under the base's name.
func (s *session) verifyBase(ctx context.Context, f *facts, n need, depth int) error {
	b := f.base
	if b == nil {
		return nil
	}
	if n&needChain == 0 || depth <= 0 || f.configFile() == nil || isContradicted(b.err) {
		s.noteFrom("")
		return nil
	}
	low := &facts{set: b.set, img: b.img, above: f, as: b.full}
	if b.found == "" {
		layers, entries := lowest(f)
		config, raw, err := chain.Lower(f.configFile(), layers, entries)
		if err != nil || !mayTrace(b.full) || entries == 0 {
			return err
		}
		low.img = f.img.Lower(config, raw, layers)
		low.set = &image.Set{Reference: image.Reference{Given: b.named, Name: b.full}, Images: []*image.Image{low.img}, Close: func() error { return nil }}
	}
	if err := s.examine(ctx, low, needsOf(s.below(low)), depth-1); err != nil {
		return err
	}
	if b.found == "" {
		if !low.judged().Matched() {
			return low.base.close() // the library does not explain it either
		}
		b.found, b.img, b.err = byLayers, low.img, nil
		b.layers, b.entries = len(low.layers), len(low.configFile().History)
	}
	report := judgeImage(low, s.below(low))
	b.facts, b.report = low, &report
	return nil
}

// isContradicted reports whether an error says that the base is another one, as
// opposed to one that was not found.
func isContradicted(err error) bool {
	e, ok := errors.AsType[*errBase](err)
	return ok && e.reason != "base-not-found"
}

// mayTrace reports whether the library may know the name.
func mayTrace(full string) bool { return strings.HasPrefix(full, "docker.io/library/") }

// below are the requirements of a base: the defaults, whatever is asked of the
// image above, without what is about the reference to it or how its Dockerfile
// is written, and without what only an image of its own could show.
func (s *session) below(f *facts) Requirements {
	r := Requirements{Skip: []string{"image.reference", "pin", "rebuild"}, Accept: s.options.Requirements.Accept}
	if f.above.base.set == nil {
		r.Skip = append(r.Skip, "image.digests", "history.config")
	}
	return r
}

// shareLayers gives a base the layers as they were read in the image above: they
// are the same, by diff ID.
func shareLayers(f *facts) {
	f.layers = make([]layerFact, len(f.manifest().Layers))
	for i := range f.layers {
		if i < len(f.above.layers) {
			f.layers[i] = f.above.layers[i]
		}
		f.layers[i].shared = true
	}
}
