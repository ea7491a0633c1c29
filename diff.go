package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/imageverify/verify/checksums"
	"github.com/imageverify/verify/checksums/filetree"
)

// maxDiffEntries is how many differences a report lists; the rest is counted.
const maxDiffEntries = 10_000

// DiffOptions say how two images are compared.
type DiffOptions struct {
	// ByLayer compares layer with layer, in place of what all layers leave.
	ByLayer bool
	// Ignore names classes, known noise, or "noise" for all of it, which
	// DiffReport.Judged passes over.
	Ignore []string
	// Reread is how many bytes of blobs may be read a second time to show what
	// changed in files, and to tell noise that only contents can tell; less
	// than 0 is no bound.
	Reread int64
}

// DefaultReread is a DiffOptions.Reread that costs little beside the first
// reading.
const DefaultReread = 64 << 20

// Validate refuses names that stand for nothing.
func (o DiffOptions) Validate() error {
	for _, name := range o.Ignore {
		if name != allNoise && !slices.Contains(diffClasses, name) && !slices.Contains(NoiseNames(), name) {
			return fmt.Errorf("no class of difference and no noise is called %q", name)
		}
	}
	return nil
}

// NoiseNames are the names of the noise that is known: in files, then in the
// form of archives.
func NoiseNames() []string {
	var names []string
	for _, n := range filetree.Noises() {
		names = append(names, n.Name)
	}
	return append(names, noiseCompression, noiseForm)
}

// Noise in the form of archives: layers of equal entries whose bytes differ,
// and equal layers that are compressed in two ways.
const (
	noiseForm        = "archive-form"
	noiseCompression = "compression"
)

// allNoise stands for every noise that is known.
const allNoise = "noise"

// The classes of differences that are not of files.
const (
	classConfig     = "config"
	classAnnotation = "annotation"
)

// diffClasses are all classes.
var diffClasses = []string{
	string(filetree.Content), string(filetree.Type), string(filetree.Mode), string(filetree.Owner), string(filetree.Time),
	string(filetree.Xattr), string(filetree.Link), string(filetree.OnlyInA), string(filetree.OnlyInB), string(filetree.Duplicate),
	string(filetree.Order), string(filetree.Format), classConfig, classAnnotation,
}

// Diff compares two images, each read once, every byte checked. Options say
// how they are opened; of Requirements nothing counts. The error is a
// *RunError: an image that cannot be read whole is compared with nothing.
func Diff(ctx context.Context, a, b string, o Options, d DiffOptions) (*DiffReport, error) {
	if err := d.Validate(); err != nil {
		return nil, &RunError{Code: "usage", Message: err.Error(), err: err}
	}
	o.Requirements = Requirements{Only: []string{"image.digests"}}
	s, err := newSession(ctx, o)
	if err != nil {
		return nil, err
	}
	defer s.close()
	sides := make([]*facts, 2)
	g, gctx := errgroup.WithContext(ctx)
	for i, ref := range []string{a, b} {
		g.Go(func() (err error) {
			sides[i], err = s.diffSide(ctx, gctx, ref)
			return err
		})
	}
	err = g.Wait()
	defer closeSides(sides)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, err
	}
	c := newDiffing(s, sides[0], sides[1], d)
	if err := c.compare(ctx); err != nil {
		return nil, err
	}
	c.report.Timings = s.timings()
	return c.report, nil
}

func closeSides(sides []*facts) {
	for _, f := range sides {
		if f != nil {
			f.set.Close() // it was only read
		}
	}
}

// diffSide opens and reads one image. What is opened lives with ctx, and
// reading ends with gctx.
func (s *session) diffSide(ctx, gctx context.Context, ref string) (*facts, error) {
	set, err := s.open(ctx, ref)
	if err != nil {
		return nil, runError(ref, err)
	}
	if len(set.Images) != 1 {
		set.Close()
		return nil, &RunError{Code: "usage", Message: fmt.Sprintf("%s: %s, and one is compared with one", ref, plural(len(set.Images), "image")), Input: ref}
	}
	f := &facts{set: set, img: set.Images[0]}
	s.readConfig(gctx, f, needConfig)
	if err := errors.Join(f.manifestErr(), f.configDoubt()); err != nil {
		return f, runError(ref, err)
	}
	if err := s.readLayers(gctx, f, needLayers); err != nil {
		return f, err
	}
	if err := f.layersErr(); err != nil {
		return f, runError(ref, err)
	}
	return f, nil
}

// diffing compares two images.
type diffing struct {
	session *session
	a, b    *facts
	options DiffOptions
	report  *DiffReport
	// contents are the differences of files' contents, which wait to be read.
	contents []contentDifference
}

func newDiffing(s *session, a, b *facts, o DiffOptions) *diffing {
	return &diffing{session: s, a: a, b: b, options: o, report: &DiffReport{
		SchemaVersion: SchemaVersion, Program: Program{Version: s.options.Version},
		A: sideOf(a), B: sideOf(b), Level: SameDigest, Judged: SameDigest,
		Ignored: slices.Clone(o.Ignore), Differences: []DiffEntry{},
		Counts: map[string]int{}, Noise: map[string]int{},
	}}
}

func sideOf(f *facts) DiffSide {
	side := DiffSide{Reference: f.set.Reference.Given, ImageID: f.manifest().Config.Digest.String()}
	if f.img.HasManifest() {
		digest := f.img.Descriptor.Digest.String()
		side.Digest = &digest
	}
	if p := f.img.Platform(); p.OS != "" {
		text := p.String()
		side.Platform = &text
	}
	for _, l := range f.layers {
		side.Layers = append(side.Layers, l.layer.DiffID.String())
		side.Cached = side.Cached || l.layer.FromCache
	}
	return side
}

// compare fills the report.
func (c *diffing) compare(ctx context.Context) error {
	if !c.a.img.HasManifest() || !c.b.img.HasManifest() {
		c.reach(SameImageID)
	}
	c.compareManifests()
	c.compareConfigs()
	documents := len(c.report.Differences)
	if err := c.compareLayers(ctx); err != nil {
		return err
	}
	if err := c.readContents(ctx); err != nil {
		return err
	}
	sortFiles(c.report.Differences[documents:])
	return nil
}

// sortFiles puts differences into walk order, those of one path by class.
func sortFiles(list []DiffEntry) {
	slices.SortStableFunc(list, func(x, y DiffEntry) int {
		if c := checksums.ComparePaths(x.Path, y.Path); c != 0 {
			return c
		}
		return cmp.Compare(slices.Index(diffClasses, x.Class), slices.Index(diffClasses, y.Class))
	})
}

// reach lowers the level to the best that is possible.
func (c *diffing) reach(best Level) {
	c.report.Level, c.report.Judged = min(c.report.Level, best), min(c.report.Judged, best)
}

// add notes a difference; best is the level that two images with it can be of.
func (c *diffing) add(e DiffEntry, best Level) {
	r := c.report
	r.Counts[e.Class]++
	if e.Noise != "" {
		r.Noise[e.Noise]++
	}
	r.Level = min(r.Level, best)
	if !c.ignores(e) {
		r.Judged = min(r.Judged, best)
	}
	if len(r.Differences) < maxDiffEntries {
		r.Differences = append(r.Differences, e)
	}
}

func (c *diffing) ignores(e DiffEntry) bool {
	return slices.ContainsFunc(c.options.Ignore, func(name string) bool {
		return name == e.Class || e.Noise != "" && (name == e.Noise || name == allNoise)
	})
}

// compareLayers compares what the layers hold.
func (c *diffing) compareLayers(ctx context.Context) error {
	defer c.session.timeStage("compare")()
	if slices.Equal(c.report.A.Layers, c.report.B.Layers) {
		c.compareBlobs()
		return c.countEqual()
	}
	if c.options.ByLayer {
		return c.compareEach(ctx)
	}
	return c.compareTrees(ctx)
}

// compareBlobs compares how equal layers are compressed.
func (c *diffing) compareBlobs() {
	for i, l := range c.a.layers {
		if other := c.b.layers[i]; l.desc.Digest != other.desc.Digest {
			c.add(DiffEntry{Path: ".", Class: string(filetree.Format), Layer: &i, Noise: noiseCompression,
				A: l.desc.Digest.String(), B: other.desc.Digest.String()}, SameImageID)
		}
	}
}

// countEqual counts what two images of the same layers share.
func (c *diffing) countEqual() error {
	for _, l := range c.a.layers {
		for e, err := range l.layer.Index.Entries() {
			if err != nil {
				return err
			}
			if e.Type == '0' {
				c.report.Files, c.report.Bytes = c.report.Files+1, c.report.Bytes+e.Size
			}
		}
	}
	return nil
}

func indexes(layers []layerFact) []*checksums.Index {
	out := make([]*checksums.Index, len(layers))
	for i, l := range layers {
		out[i] = l.layer.Index
	}
	return out
}

// diffTimes compares times to the second: what is finer the formats of layers
// do not agree on.
func diffTimes(a, b checksums.Entry) bool { return sameSecond(a.ModTime, b.ModTime) }

func sameSecond(a, b time.Time) bool { return a.Unix() == b.Unix() }

// sameHash reports whether two descriptors name the same bytes.
func sameHash(a, b v1.Descriptor) bool { return a.Digest == b.Digest && a.Size == b.Size }
