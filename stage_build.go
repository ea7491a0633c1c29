package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/checksums/filetree"
	"github.com/imageverify/verify/internal/image"
	"github.com/imageverify/verify/rebuild"
)

// builtFact is what having the image built came to.
type builtFact struct {
	request rebuild.Request
	env     rebuild.Environment
	// image is what came back, its layers read; nil where err says why nothing
	// did.
	image *facts
	err   error
	log   *logTail
}

func (b *builtFact) close() error {
	if b == nil || b.image == nil {
		return nil
	}
	return b.image.set.Close()
}

// errNotBuiltIn is for a program that has no builders.
var errNotBuiltIn = errors.New("this program was made without what speaks to builders")

// buildImage has the image built where the source alone does not decide what a
// layer holds, and compares those layers with what came back.
func (s *session) buildImage(ctx context.Context, f *facts) {
	if !s.options.Building.Asked {
		return
	}
	takeBase(f)
	if !needsBuild(f) {
		return
	}
	defer s.timeStage("build")()
	b := s.build(ctx, f)
	f.rebuilt.built = b
	for i := range f.rebuilt.layers {
		switch {
		case !buildable(f.rebuilt.layers[i].err):
		case b.err != nil:
			f.rebuilt.layers[i].err = b.err
		default:
			f.rebuilt.layers[i] = compareBuilt(ctx, f, b, i)
		}
	}
}

// buildable reports whether a layer that was not assembled can be built.
func buildable(err error) bool {
	return err != nil && slices.Contains([]string{"run-unproved", "needs-builder"}, reasonOf(err))
}

// needsBuild reports whether something of the image can only be built.
func needsBuild(f *facts) bool {
	return slices.ContainsFunc(f.rebuilt.layers, func(l layerRebuild) bool { return buildable(l.err) }) ||
		slices.ContainsFunc(f.content, func(c contentFact) bool { return c.layer < 0 && buildable(c.err) })
}

// takeBase takes the lowest layers for rebuilt that are those of the base at
// hand: a build stands on them, and does not make them.
func takeBase(f *facts) {
	b := f.base
	if b == nil || b.img == nil || b.set == nil || b.err != nil {
		return
	}
	taken := false
	for i := range min(b.layers, len(f.rebuilt.layers)) {
		if errors.Is(f.rebuilt.layers[i].err, errBaseUnverified) {
			f.rebuilt.layers[i], taken = takenLayer(f, i), true
		}
	}
	if !taken {
		return
	}
	f.rebuilt.notes = append(f.rebuilt.notes, fmt.Sprintf("it stands on %s, which was taken and not built", b.given))
}

// build has the image built once, and reads what came back. That is trusted no
// further than to be the builder's.
func (s *session) build(ctx context.Context, f *facts) *builtFact {
	b := &builtFact{log: &logTail{}}
	if s.options.Builder == nil {
		b.err = errNotBuiltIn
		return b
	}
	bases, release, err := s.buildBases(ctx, f)
	defer release()
	if err != nil {
		b.err = err
		return b
	}
	b.request = s.buildRequest(f, bases)
	b.request.Log = b.log
	if w := s.options.Building.Log; w != nil {
		b.request.Log = io.MultiWriter(b.log, w)
	}
	file, err := s.cache.TempFile()
	if err != nil {
		b.err = &rebuild.BuildError{Reason: rebuild.BuildLimit, What: "there is no room for what is built: " + err.Error(), Err: err}
		return b
	}
	b.request.Output = file
	result, err := s.options.Builder.Build(ctx, b.request)
	if e, ok := errors.AsType[*rebuild.BuildError](err); ok {
		b.env = e.Environment
	}
	if err != nil {
		b.err = errors.Join(err, file.Close())
		return b
	}
	b.env = result.Environment
	b.err = s.readBuilt(ctx, f, b, result, file)
	return b
}

// readBuilt opens what a builder handed out, which must be one image of the
// platform, whole.
func (s *session) readBuilt(ctx context.Context, f *facts, b *builtFact, result *rebuild.Result, file *os.File) error {
	wrong := func(err error) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return &rebuild.BuildError{Reason: rebuild.BuilderResult, What: fmt.Sprintf("the builder %s handed out something else than the image: %s", b.env.Address, err), Environment: b.env, Err: err}
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return errors.Join(err, file.Close())
	}
	o, platform := s.imageOptions(), platformOf(f)
	o.Platform, o.PlatformExplicit = &platform, true
	set, err := image.OpenFile(ctx, file, result.Form, "what was built", o)
	if err != nil {
		return wrong(err)
	}
	made := &facts{set: set, img: set.Images[0]}
	if err := s.readWhole(ctx, made); err != nil {
		return errors.Join(wrong(err), set.Close())
	}
	b.image = made
	return nil
}

// readWhole reads an image, every byte of which must be what its manifest and
// its config say.
func (s *session) readWhole(ctx context.Context, f *facts) error {
	if n := len(f.set.Images); n != 1 {
		return fmt.Errorf("it holds %s", plural(n, "image"))
	}
	s.readConfig(ctx, f, needConfig)
	if err := s.readLayers(ctx, f, needLayers); err != nil {
		return err
	}
	if err := f.manifestErr(); f.img.HasManifest() && err != nil {
		return err
	}
	if f.configFile() == nil {
		return f.configProblem()
	}
	if err := f.layersErr(); err != nil {
		return err
	}
	if n := len(f.configFile().RootFS.DiffIDs); n != len(f.layers) {
		return fmt.Errorf("it has %s, and its config names %d", plural(len(f.layers), "layer"), n)
	}
	return nil
}

// buildRequest is what the builder is asked for.
func (s *session) buildRequest(f *facts, bases []rebuild.Base) rebuild.Request {
	a, o := f.judged(), s.options.Building
	r := rebuild.Request{
		Dockerfile: a.Build.File.Text, Ignore: a.Ignore, Context: a.Context, AsFound: a.AsFound,
		Target: a.Build.Options.Target, BuildArgs: a.Build.Options.BuildArgs, Platform: platformOf(f), Bases: bases,
		SourceDate: buildDate(f), Network: cmp.Or(o.Network, rebuild.NetworkNone), Dialect: a.Alignment.Dialect,
		Limits: rebuild.BuildLimits{Time: cmp.Or(o.Time, DefaultBuildTime), Memory: o.Memory, Disk: cmp.Or(o.Disk, DefaultBuildDisk)},
	}
	r.Umask, r.Piped = stampedAs(f)
	return r
}

// stampedAs is how the context's files reached the builder: as the layers that
// were compared say, else as git gives them.
func stampedAs(f *facts) (umask os.FileMode, piped bool) {
	for _, c := range f.content {
		if c.result != nil && sameTree(c.result) && c.input.Directive.Copy != nil && c.variant != "" {
			return c.input.Umask, c.input.Piped
		}
	}
	return gitStampings[0].mask, !f.judged().AsFound
}

// buildDate is the source date of a build: that of the published one as far as
// it can be told, else when that was made, so that two rebuilds are alike.
func buildDate(f *facts) time.Time {
	if date, _ := sourceDate(f); !date.IsZero() {
		return date
	}
	return f.configFile().Created.UTC().Truncate(time.Second)
}

// compareBuilt compares a layer with the one that was built in its place.
func compareBuilt(ctx context.Context, f *facts, b *builtFact, i int) layerRebuild {
	if got, want := len(b.image.layers), len(f.layers); got != want {
		return layerRebuild{level: Different, built: true, difference: &Difference{Where: layerName(i), Field: "number of layers", Rebuilt: fmt.Sprint(got), Published: fmt.Sprint(want)}}
	}
	mine, published := b.image.layers[i], f.layers[i]
	out := layerRebuild{level: SameLayers, built: true, blob: mine.desc}
	if mine.layer.DiffID == published.layer.DiffID {
		if mine.desc.Digest == published.desc.Digest {
			out.level = SameDigest
		}
		return out
	}
	result, err := filetree.Compare(ctx, mine.layer.Index, published.layer.Index, filetree.Options{Times: diffTimes, Max: maxDifferences})
	if err != nil {
		return layerRebuild{err: err}
	}
	out.level, out.result, out.difference = min(levelOfTree(result), SameFiles), result, treeDifference(result)
	return out
}

// takeBuilt raises the level to that of the image that was built, where its
// layers, its config or its manifest are the published ones; it reports whether
// the config is.
func (r *rebuildFact) takeBuilt(f *facts) bool {
	if r.built == nil || r.built.image == nil || r.level < SameLayers {
		return false
	}
	made := r.built.image
	if made.manifest().Config.Digest != f.manifest().Config.Digest {
		return false
	}
	r.level = SameImageID
	_, dated := sourceDate(f)
	r.witnesses = distinct(append(r.witnesses, dated...))
	if f.img.HasManifest() && made.img.Descriptor.Digest == f.img.Descriptor.Digest {
		r.level = SameDigest
	}
	return true
}

// provedByBuild reports whether a layer follows from its source by a build: its
// archive is the same, byte for byte.
func (f *facts) provedByBuild(i int) bool {
	return f.rebuilt != nil && f.rebuilt.layers[i].built && f.rebuilt.layers[i].level.Reaches(SameLayers)
}

// leftNothing reports whether the build shows that a directive left no layer:
// what was built has the history of the image, layer for layer.
func (f *facts) leftNothing() bool {
	if f.rebuilt == nil || f.rebuilt.built == nil || f.rebuilt.built.image == nil {
		return false
	}
	empty := func(h v1.History) bool { return h.EmptyLayer }
	mine, published := f.rebuilt.built.image.configFile().History, f.configFile().History
	return slices.EqualFunc(mine, published, func(a, b v1.History) bool { return empty(a) == empty(b) })
}

// builtPart judges a layer that was built and is not the same.
func builtPart(name string, f *facts, i int) Part {
	l, c := f.rebuilt.layers[i], f.contentOf(i)
	text := fmt.Sprintf("Dockerfile:%d (%s): the level is %s, not %s: %s", c.line, c.what, l.level, min(f.rebuilt.asked, SameLayers), differenceText(l.difference))
	if l.difference != nil && l.result != nil {
		if n, needsContents, ok := filetree.NoiseAt(l.difference.Path, filetree.Class(l.difference.Field)); ok && !needsContents {
			text += fmt.Sprintf(" (known noise: %s)", n.Name)
		}
		if n := l.result.Total(); n > 1 {
			text += fmt.Sprintf(", and %s more", plural(n-1, "difference"))
		}
	}
	return Part{name, Fail, "level-not-reached", text}
}

// builderText names a builder in a few words.
func builderText(e rebuild.Environment) string {
	return strings.TrimSpace(e.Builder + " " + e.Version)
}

// report states a build for the report.
func (b *builtFact) report() *RebuildBuild {
	if b == nil {
		return nil
	}
	r, e := b.request, b.env
	out := &RebuildBuild{Builder: e.Builder, Version: e.Version, Address: e.Address, Worker: e.Worker, Network: r.Network, Bases: []PinnedImage{}}
	if !r.SourceDate.IsZero() {
		out.SourceDate = &r.SourceDate
	}
	for _, base := range r.Bases {
		out.Bases = append(out.Bases, PinnedImage{Reference: base.Name, Digest: base.Descriptor.Digest.String()})
	}
	if b.image == nil {
		out.Log = b.log.lines()
		return out
	}
	out.ImageID = b.image.manifest().Config.Digest.String()
	if b.image.img.HasManifest() {
		out.Digest = b.image.img.Descriptor.Digest.String()
	}
	return out
}
