package verify

import (
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/checksums"
	"github.com/imageverify/verify/checksums/filetree"
	"github.com/imageverify/verify/checksums/sums"
	"github.com/imageverify/verify/internal/image"
	"github.com/imageverify/verify/provenance"
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

	trace     *provenance.Trace
	traceErr  error
	reachable reachFact

	sums    []sumFact
	content []contentFact
}

// layerFact is what reading one layer gave.
type layerFact struct {
	desc  v1.Descriptor
	layer *checksums.Layer
	// err says that the blob could not be had.
	err error
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
	line        int
	result      sums.Result
	err         error
}

// contentFact is one layer compared with what its directive makes.
type contentFact struct {
	layer     int // index into the image's layers
	directive int // index into the judged build's directives; -1: none
	line      int // the directive's line in the Dockerfile
	what      string
	base      bool
	result    *filetree.Result
	// variant names how the context's files were stamped, where it matters.
	variant string
	// err says why the layer could not be compared; a *replay.NotReplayable
	// where its content follows from nothing that can be checked here.
	err error
}

// manifest is the parsed manifest, or an empty one where it does not parse.
func (f *facts) manifest() *v1.Manifest {
	if m := f.img.Manifest().Parsed; m != nil {
		return m
	}
	return &v1.Manifest{}
}

// configFile is the parsed config, or nil.
func (f *facts) configFile() *v1.ConfigFile {
	if f.config == nil {
		return nil
	}
	return f.config.File
}

// judged is the attempt whose Dockerfile the checks rest on, or nil.
func (f *facts) judged() *provenance.Attempt {
	if f.trace == nil {
		return nil
	}
	return f.trace.Judged
}
