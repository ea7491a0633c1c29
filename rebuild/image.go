package rebuild

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/checksums"
	"github.com/imageverify/verify/checksums/buildhash"
	"github.com/imageverify/verify/provenance/dockerfile"
	"github.com/imageverify/verify/rebuild/replay"
)

// Reasons why an image cannot be assembled, beside those of package replay.
const (
	BaseUnknown    = "base-unknown"    // the base image is not given
	ContextUnknown = "context-unknown" // the build context is not given
	NeedsBuildKit  = "needs-buildkit"  // the classic builder cannot build the directive
)

// Refusal says that a directive's layer cannot be assembled, and why. It is not
// a failure of an image.
type Refusal struct {
	// Line and Directive say which; Line is 0 for FROM.
	Line      int
	Directive string
	// Reason is a stable code: one of replay's or of this package's.
	Reason string
	// What is the argument or path in question.
	What string
}

func (r *Refusal) Error() string {
	where := r.Directive
	if r.Line > 0 {
		where = fmt.Sprintf("Dockerfile:%d: %s", r.Line, r.Directive)
	}
	return fmt.Sprintf("%s cannot be rebuilt here (%s): %s", where, r.Reason, r.What)
}

// Input is what an image is assembled from.
type Input struct {
	Build *dockerfile.Build
	// Context is the build context; nil: it is not known.
	Context fs.FS
	// Umask, AsFound and Piped say how the context's files reached the
	// builder, as replay.Input has them.
	Umask          fs.FileMode
	AsFound, Piped bool
	// Ignore is the text of the Dockerfile's own ignore file, nil for none.
	Ignore []byte

	// Base is the image that the build stands on; nil where it is not at hand,
	// and for scratch.
	Base *BaseImage

	Platform v1.Platform
	// Writer is WriterBuildKit or WriterClassic, Form the manifest's.
	Writer string
	Form   ManifestForm
	// SourceDate is SOURCE_DATE_EPOCH for BuildKit, and any time for the
	// classic builder.
	SourceDate  time.Time
	Annotations map[string]string

	// Limits bounds what archives unpack to; Spill and NewBuilder are as
	// replay.Input has them.
	Limits     checksums.Limits
	Spill      func() (*os.File, error)
	NewBuilder func() *checksums.Builder
	// Blobs keeps layers, config and manifest.
	Blobs Blobs
}

// Layer is one layer that was assembled.
type Layer struct {
	// Directive is the index of the directive that makes it.
	Directive int
	DiffID    v1.Hash
	// Size is the number of unpacked bytes.
	Size int64
	// Blob is the compressed layer.
	Blob v1.Descriptor
}

// Image is an image that was assembled.
type Image struct {
	Form                     ManifestForm
	Manifest, Config         []byte
	ManifestDigest, ConfigID v1.Hash
	// Base are the layers of the base image, Layers those above them.
	Base   []v1.Descriptor
	Layers []Layer
}

// FromStep is the Directive of the step for the base image.
const FromStep = -1

// Step is what is to be done for one directive, or for a base image other than
// scratch: the layers and the config that all directives stand on.
type Step struct {
	Directive int
	// Layer says that the directive leaves a layer.
	Layer bool
	// Refusal says why that layer cannot be assembled; nil where it can.
	Refusal *Refusal
}

// Plan finds out what Assemble would do, without writing any layer. The error
// is for what says nothing about the build: the context could not be read.
func Plan(ctx context.Context, in Input) ([]Step, error) {
	a := newAssembly(ctx, in)
	defer a.close()
	var steps []Step
	if r := a.refuseBase(); r != nil {
		steps = append(steps, Step{Directive: FromStep, Layer: true, Refusal: r})
	}
	for i, d := range in.Build.Directives {
		s := Step{Directive: i, Layer: a.leavesLayer(d)}
		if s.Layer {
			_, err := a.play(d)
			if s.Refusal = refusal(d, err); err != nil && s.Refusal == nil {
				return nil, err
			}
		}
		steps = append(steps, s)
	}
	return steps, nil
}

// Assemble makes the image. The error is a *Refusal where the source does not
// decide a layer.
func Assemble(ctx context.Context, in Input) (*Image, error) {
	a := newAssembly(ctx, in)
	defer a.close()
	if r := a.refuseBase(); r != nil {
		return nil, r
	}
	base, err := in.Base.copyLayers(ctx, in.Blobs)
	if err != nil {
		return nil, err
	}
	img := &Image{Form: in.Form, Base: base}
	diffIDs, hashes := make([]v1.Hash, len(in.Build.Directives)), make([]string, len(in.Build.Directives))
	for i, d := range in.Build.Directives {
		if !a.leavesLayer(d) {
			continue
		}
		l, err := a.layer(ctx, d)
		if r := refusal(d, err); r != nil {
			return nil, r
		}
		if err != nil {
			return nil, fmt.Errorf("line %d of the Dockerfile: %s: %w", d.Line, d.Name, err)
		}
		l.Directive, diffIDs[i] = i, l.DiffID
		img.Layers = append(img.Layers, *l)
		if hashes[i], err = a.contentHash(ctx, d); err != nil {
			return nil, err
		}
	}
	return img, a.documents(img, diffIDs, hashes)
}

// documents writes config and manifest.
func (a *assembly) documents(img *Image, diffIDs []v1.Hash, hashes []string) error {
	in := ConfigInput{Build: a.Build, Writer: a.Writer, Platform: a.Platform, DiffIDs: diffIDs, Hashes: hashes, SourceDate: a.SourceDate}
	if a.Base != nil {
		in.Base, in.BaseID = a.Base.Config, a.Base.ID
	}
	config, err := NewConfig(in)
	if err != nil {
		return err
	}
	img.Config = config.Raw
	if img.ConfigID, err = keep(a.Blobs, img.Config); err != nil {
		return err
	}
	layers := slices.Clone(img.Base)
	for _, l := range img.Layers {
		if a.Writer == WriterClassic && l.DiffID == emptyDiffID {
			continue
		}
		layers = append(layers, l.Blob)
	}
	desc := v1.Descriptor{Digest: img.ConfigID, Size: int64(len(img.Config))}
	if img.Manifest, err = NewManifest(a.Form, desc, layers, a.Annotations); err != nil {
		return err
	}
	img.ManifestDigest, err = keep(a.Blobs, img.Manifest)
	return err
}

// assembly is an image under way.
type assembly struct {
	Input
	stage  *replay.Stage
	stages *Stages // that directives copy from
}

func newAssembly(ctx context.Context, in Input) *assembly {
	a := &assembly{Input: in, stage: replay.NewStage(ctx, in.Base.below(ctx), in.Spill, in.Limits)}
	a.stages = NewStages(ctx, in.Build, a.input())
	if in.Base != nil {
		a.stages.Bases = map[string][]replay.Below{in.Build.Base: in.Base.below(ctx)}
	}
	return a
}

func (a *assembly) close() {
	a.stage.Close()
	a.stages.Close()
}

// input is what all directives are played on.
func (a *assembly) input() replay.Input {
	return replay.Input{Context: a.Context, Ignore: a.Ignore, Umask: a.Umask, AsFound: a.AsFound, Piped: a.Piped, Limits: a.Limits, Spill: a.Spill,
		Dialect: a.dialect(), Created: a.SourceDate, NewBuilder: a.NewBuilder, ChmodParents: a.Writer == WriterBuildKit}
}

func (a *assembly) dialect() string {
	if a.Writer == WriterClassic {
		return replay.Classic
	}
	return replay.BuildKit
}

// leavesLayer reports whether a directive leaves a layer: WORKDIR / leaves none.
func (a *assembly) leavesLayer(d dockerfile.Directive) bool {
	return d.Layer != dockerfile.NoLayer && !(d.Name == "WORKDIR" && d.WorkingDir == "/")
}

// refuseBase finds that the image stands on another one, whether or not its own
// directives leave a layer.
func (a *assembly) refuseBase() *Refusal {
	if a.Build.Base == dockerfile.Scratch || a.Base != nil {
		return nil
	}
	return &Refusal{Directive: "FROM", Reason: BaseUnknown, What: "the layers of " + a.Build.Base + " are not at hand"}
}

// refuse finds what is missing before anything is read.
func (a *assembly) refuse(d dockerfile.Directive) error {
	if r := a.refuseBase(); r != nil && d.Name != "RUN" { // which no base makes possible
		return r
	}
	switch {
	case !a.builds(d):
		return &Refusal{Line: d.Line, Directive: d.Name, Reason: NeedsBuildKit, What: "the classic builder has no such flag"}
	case d.Copy != nil && d.Copy.From == "" && a.Context == nil && len(d.Copy.Sources) > len(d.Copy.Inline):
		return &Refusal{Line: d.Line, Directive: d.Name, Reason: ContextUnknown, What: "the build context is not known"}
	}
	return nil
}

// builds reports whether the builder knows the directive: one that it cannot
// build has no text for it.
func (a *assembly) builds(d dockerfile.Directive) bool {
	return slices.ContainsFunc(d.Forms, func(f dockerfile.Form) bool { return f.Dialect == a.dialect() })
}

// refusal is the error as a refusal; nil for another kind of error.
func refusal(d dockerfile.Directive, err error) *Refusal {
	if r, ok := errors.AsType[*Refusal](err); ok {
		return r
	}
	if n, ok := errors.AsType[*replay.NotReplayable](err); ok {
		return &Refusal{Line: d.Line, Directive: d.Name, Reason: n.Reason, What: n.What}
	}
	return nil
}

// play plays a directive on those before it.
func (a *assembly) play(d dockerfile.Directive) (*replay.Played, error) {
	if err := a.refuse(d); err != nil {
		return nil, err
	}
	in := a.input()
	in.Directive = d
	if d.Copy != nil {
		var err error
		if in.From, err = a.stages.From(d.Copy.From); err != nil {
			return nil, err
		}
	}
	return a.stage.Play(in)
}

// layer writes a directive's layer.
func (a *assembly) layer(ctx context.Context, d dockerfile.Directive) (*Layer, error) {
	p, err := a.play(d)
	if err != nil {
		return nil, err
	}
	written, blob, err := WriteBlob(ctx, p, a.stamp(), a.Blobs)
	if err != nil {
		return nil, err
	}
	if a.Form == FormOCI {
		blob.Annotations = Rewritten(a.SourceDate)
	}
	return &Layer{DiffID: written.DiffID, Size: written.Size, Blob: blob}, nil
}

// stamp gives every time that the source does not decide the source date, and
// with BuildKit also those that are later.
func (a *assembly) stamp() replay.Stamp {
	if a.Writer != WriterClassic {
		return replay.Stamp{SourceDate: a.SourceDate}
	}
	return replay.Stamp{Time: func(string) (time.Time, bool) { return a.SourceDate, true }}
}

// Rewritten is the annotation by which BuildKit notes on a layer that it
// rewrote times for a source date.
func Rewritten(date time.Time) map[string]string {
	return map[string]string{"buildkit/rewritten-timestamp": strconv.FormatInt(date.Unix(), 10)}
}

// contentHash is what the classic builder writes into history.
func (a *assembly) contentHash(ctx context.Context, d dockerfile.Directive) (string, error) {
	if a.Writer != WriterClassic || d.Copy == nil {
		return "", nil
	}
	if d.Copy.From != "" {
		sum, err := a.stages.Hash(ctx, d.Copy)
		if errors.Is(err, buildhash.ErrOwner) || errors.Is(err, buildhash.ErrNotHashed) {
			return "", &Refusal{Line: d.Line, Directive: d.Name, Reason: replay.FromStage, What: "its content hash: " + err.Error()}
		}
		return sum, err
	}
	v := buildhash.Variant{TypeBits: !a.Piped, Umask: a.Umask, AsFound: a.AsFound, Piped: a.Piped}
	sum, err := buildhash.Sum(ctx, a.Context, d.Copy.Sources, v)
	if err != nil {
		return "", fmt.Errorf("line %d of the Dockerfile: %s: %w", d.Line, d.Name, err)
	}
	return sum, nil
}
