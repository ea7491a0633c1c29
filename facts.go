package verify

import (
	"errors"
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/checksums"
	"github.com/imageverify/verify/checksums/filetree"
	"github.com/imageverify/verify/checksums/sums"
	"github.com/imageverify/verify/internal/image"
	"github.com/imageverify/verify/provenance"
	"github.com/imageverify/verify/provenance/library"
	"github.com/imageverify/verify/provenance/pins"
	"github.com/imageverify/verify/rebuild/replay"
)

// facts are what the stages found out about one image. Checks read them; no
// stage reads a finding.
type facts struct {
	set *image.Set
	img *image.Image

	// config is nil when configErr says why it could not be read, or when no
	// check asked for it.
	config    *image.Config
	configErr error

	// layers is one a layer of the manifest, nil when no check asked for them.
	layers []layerFact

	// above is the image of which this one is the base; nil for one that the user
	// named. as is the name that the other's Dockerfile gives it.
	above *facts
	as    string

	trace     *provenance.Trace
	traceErr  error
	reachable reachFact
	// also are directories whose Dockerfile gives the same history as the
	// judged one.
	also []string
	// nearest is an entry of the library whose Dockerfile gives the history, where
	// the judged one does not; nil for none.
	nearest *library.Candidate

	sums []sumFact
	// compared says that content was asked for.
	compared bool
	content  []contentFact

	// rebuilt is nil when no rebuild was asked for, or none could be tried.
	rebuilt *rebuildFact
	// accounted are one a layer: how its content was judged.
	accounted []accountedLayer

	// base is the image that this one is built on; nil where it is on nothing, or
	// no check asks.
	base *baseFact

	// signed is what is attached to the image and its indexes, and what verifying
	// it gave; nil where no check asked.
	signed *signaturesFact

	// proved is what signed statements say about the image; nil where no check asked.
	proved *provedFact

	// bundle is what is verified in an image's place; nil for an image.
	bundle *bundleFact

	// pins is what the directives leave open; nil where no Dockerfile matched.
	pins *pins.Result
}

// layerFact is what reading one layer gave.
type layerFact struct {
	desc  v1.Descriptor
	layer *checksums.Layer
	// err says that the blob could not be had.
	err error
	// shared says that the layer was read in the image above, whose descriptor
	// desc is.
	shared bool
}

// reachFact says whether the origin's commit is on a branch or tag.
type reachFact struct {
	asked, ok bool
	err       error
}

// sumFact is one source file compared with a distributor's published list.
type sumFact struct {
	distributor sums.Distributor
	list        sums.List
	name        string
	// line is the list's for the file, zero where it has none; listErr says why
	// the list tells nothing.
	line    sums.Entry
	listErr error
	// result is what comparing the file with the line gave, archiveErr why the
	// file could not be had.
	result     sums.Result
	archiveErr error
	// object is the file handed in that was compared in the archive's place; ""
	// for the commit's own.
	object string

	// signed says that the list has a signature, signature or signatureErr what
	// came of it.
	signed       bool
	signature    sums.SignatureResult
	signatureErr error

	// published is what the distributor's own address says.
	published publishedFact
}

// independent reports whether the list comes from other hands than the commit.
func (s sumFact) independent() bool {
	return s.published.agrees() || s.list.IndependentIfSigned && s.signed && s.signatureErr == nil
}

// contentFact is one layer compared with what its directive makes.
type contentFact struct {
	layer     int // index into the image's layers
	directive int // index into the judged build's directives; -1: none
	line      int // the directive's line in the Dockerfile
	what      string
	base      bool
	made      bool // by a layer that is compared itself
	result    *filetree.Result
	// variant names how the context's files were stamped, where it matters;
	// input is what the layer was replayed from.
	variant string
	input   replay.Input
	// err says why the layer could not be compared; a *replay.NotReplayable
	// where its content follows from nothing that can be checked here.
	err error
}

// rebuildFact is what assembling the image again came to.
type rebuildFact struct {
	asked Level
	// layers are one a layer of the image.
	layers []layerRebuild
	// level is that of the whole image; NoLevel where not all layers could be
	// assembled.
	level      Level
	witnesses  []Witness
	difference *Difference
	notes      []string
	// byLayout says that nothing was assembled: the image lies in git.
	byLayout bool
	// built is what having the image built came to; nil where it was not.
	built *builtFact
	// config and manifest are what was assembled where difference is in them.
	config, manifest []byte
	// err says why config and manifest were not assembled, where the layers
	// are the same.
	err error
}

// layerRebuild is one layer assembled again.
type layerRebuild struct {
	level Level
	// blob is the layer compressed again, where that was asked for.
	blob      v1.Descriptor
	witnesses []Witness
	// difference is set where the layer is not the same.
	difference *Difference
	// built says that a builder made what was compared, result how its files
	// differ; nil where the archives are the same.
	built  bool
	result *filetree.Result
	// err says why the layer was not assembled.
	err error
}

// differs reports whether the layer was compared and is another one.
func (c contentFact) differs() bool { return c.result != nil && !sameTree(c.result) }

// falseBytesError says that bytes are not those that were asked for, so that
// nothing may rest on them.
type falseBytesError struct {
	what string
	want v1.Descriptor
	got  v1.Hash
}

func (e *falseBytesError) Error() string {
	return fmt.Sprintf("the %s is not %s but %s, or of another size", e.what, e.want.Digest, e.got)
}

// manifestErr says why nothing may rest on the manifest; nil where it is the
// one asked for and parses.
func (f *facts) manifestErr() error {
	m, want := f.img.Manifest(), f.img.Descriptor
	switch {
	case kind[*image.AbsentError](m.ParseErr), kind[*image.LimitError](m.ParseErr):
		return m.ParseErr
	case m.Got != want.Digest || m.GotSize != want.Size:
		return &falseBytesError{"manifest", want, m.Got}
	case m.Parsed == nil:
		return fmt.Errorf("the manifest does not parse: %w", m.ParseErr)
	}
	return nil
}

// manifest is the parsed manifest, or an empty one where manifestErr says that
// there is none to rest on.
func (f *facts) manifest() *v1.Manifest {
	if f.manifestErr() != nil {
		return &v1.Manifest{}
	}
	return f.img.Manifest().Parsed
}

// configFile is the parsed config; nil where nothing may rest on it.
func (f *facts) configFile() *v1.ConfigFile {
	c := f.config
	if c == nil || c.Got != c.Want.Digest || int64(len(c.Raw)) != c.Want.Size {
		return nil
	}
	return c.File
}

// configProblem says why configFile is nil.
func (f *facts) configProblem() error {
	switch c := f.config; {
	case f.configErr != nil:
		return f.configErr
	case c == nil:
		return errors.New("the config was not read")
	case c.Got != c.Want.Digest || int64(len(c.Raw)) != c.Want.Size:
		return &falseBytesError{"config", c.Want, c.Got}
	}
	return errors.New("the config does not parse")
}

// layerErr says why nothing may rest on a layer's entries; nil where its bytes
// are the ones that manifest and config name.
func (f *facts) layerErr(i int) error {
	l := f.layers[i]
	switch want := wantDiffID(f.configFile(), i); {
	case l.err != nil:
		return l.err
	case l.layer == nil:
		return errNoLayer
	case isLimit(l.layer.BlobErr), isLimit(l.layer.TarErr):
		return errors.Join(l.layer.BlobErr, l.layer.TarErr)
	case l.layer.Blob != l.desc.Digest || l.layer.BlobSize != l.desc.Size:
		return &falseBytesError{"blob", l.desc, l.layer.Blob}
	case l.layer.BlobErr == nil && want != v1.Hash{} && l.layer.DiffID != want:
		return &falseBytesError{"unpacked layer", v1.Descriptor{Digest: want}, l.layer.DiffID}
	}
	return nil
}

// layersErr says why not all layers could be read, each to its end; nil where all
// were, and their bytes are the ones that manifest and config name.
func (f *facts) layersErr() error {
	for i, l := range f.layers {
		err := f.layerErr(i)
		if err == nil {
			err = errors.Join(l.layer.BlobErr, l.layer.TarErr)
		}
		if err == nil && l.layer.Index == nil {
			err = errNoLayer
		}
		if err != nil {
			return fmt.Errorf("%s: %w", layerName(i), err)
		}
	}
	return nil
}

// judged is the attempt whose Dockerfile the checks rest on, or nil.
func (f *facts) judged() *provenance.Attempt {
	if f.trace == nil {
		return nil
	}
	return f.trace.Judged
}

// close lets go of the base image, and of what was built.
func (f *facts) close() error {
	err := f.base.close()
	if f.rebuilt != nil {
		err = errors.Join(err, f.rebuilt.built.close())
	}
	return err
}

// claims are the claims of origin, those of accepted statements after all others.
func (f *facts) claims() []provenance.Claim {
	if f.trace == nil {
		return nil
	}
	return slices.Concat(f.trace.Claims, f.proved.claims())
}
