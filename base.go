package verify

import (
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/internal/image"
	"github.com/imageverify/verify/provenance/chain"
)

// How a base image was found, as Base.Found has it.
const (
	byFlag       = "flag"       // --base names an image for it
	byDigest     = "digest"     // FROM names its digest
	byAnnotation = "annotation" // the image's manifest names its digest
	byTag        = "tag"        // it is what the tag of FROM names now
	byLayers     = "layers"     // it is known by the image's own lowest layers alone
)

// AllBases and NoBases are values of Options.Depth.
const (
	AllBases = -1
	NoBases  = -2
)

// maxDepth is how many base images are followed at most.
const maxDepth = 32

// depth is how many base images below are to be verified.
func (o Options) depth() int {
	switch o.Depth {
	case 0:
		return 1
	case AllBases:
		return maxDepth
	case NoBases:
		return 0
	}
	return min(o.Depth, maxDepth)
}

// baseFact is what was found out about the image that another is built on.
type baseFact struct {
	// named is the image as FROM names it, full its whole reference.
	named, full string
	// found is one of the constants above; "" where err says why it was not.
	found    string
	given    string // the reference that was opened
	set      *image.Set
	img      *image.Image
	config   *v1.ConfigFile
	raw      *image.Config // what config was read from; nil for byLayers
	relation chain.Relation
	// layers and entries are how many of the image's layers and history entries,
	// from the lowest and the oldest, are the base's.
	layers, entries int
	err             error
	// claimErr says in what the base that the image's manifest names by digest is
	// another one; otherName is how the manifest calls it, where that cannot be
	// the base.
	claimErr  error
	otherName string

	// now is what the tag of FROM names now; nil where that was not asked.
	now *tagFact

	// facts and report are those of the base itself, nil where it was not
	// verified.
	facts  *facts
	report *Image
}

// blob is the descriptor that a layer has in the base's own manifest; zero where
// it has none.
func (b *baseFact) blob(i int) v1.Descriptor {
	if b.set == nil || !b.img.HasManifest() {
		return v1.Descriptor{}
	}
	if m := b.img.Manifest().Parsed; m != nil && i < len(m.Layers) {
		return m.Layers[i]
	}
	return v1.Descriptor{}
}

// tagFact is what a tag names now.
type tagFact struct {
	digest  v1.Hash
	created time.Time
	diffIDs []v1.Hash
	err     error
}

// chainID names the layers of the image that are the base's; zero for none.
func (b *baseFact) chainID(f *facts) v1.Hash {
	return chain.ID(f.configFile().RootFS.DiffIDs[:b.layers])
}

// close lets go of the base, and of the ones below it.
func (b *baseFact) close() error {
	if b == nil {
		return nil
	}
	if b.facts != nil {
		if err := b.facts.base.close(); err != nil {
			return err
		}
	}
	if b.set != nil {
		return b.set.Close()
	}
	return nil
}

// unsound says why nothing may rest on the base's own layers; "" where they may
// be counted. That some of them are not proved stands with each of them.
func (b *baseFact) unsound() string {
	for _, f := range b.report.Findings {
		if f.Required && !f.Accepted && f.Status != Pass && f.Check != "layer.content" {
			return fmt.Sprintf("which is not verified: %s (%s)", f.Check, f.Reason)
		}
	}
	return ""
}

// doubt says why nothing may rest on the base.
func (b *baseFact) doubt() string {
	if why := b.unsound(); why != "" {
		return why
	}
	return "which another one is named for"
}

// sameLayers reports whether the tag still names an image of the layers that
// the image is built on.
func (t *tagFact) sameLayers(diffIDs []v1.Hash) bool { return slices.Equal(t.diffIDs, diffIDs) }

// lowest are the numbers of the image's layers and history entries that its
// Dockerfile's directives do not make.
func lowest(f *facts) (layers, entries int) {
	a := f.judged()
	entries = a.Alignment.BaseEntries
	for _, row := range a.Alignment.Rows {
		if row.Entry >= 0 && row.Entry < entries && row.Layer >= 0 {
			layers++
		}
	}
	return layers, entries
}

// errBase tells what is wrong with a base; reason is the finding's.
type errBase struct{ reason, text string }

func (e *errBase) Error() string { return e.text }

func baseError(reason, format string, args ...any) error {
	return &errBase{reason, fmt.Sprintf(format, args...)}
}

// baseOf states what was found out about the base for the report.
func baseOf(f *facts, depth int) *Base {
	b := f.base
	if b == nil {
		return nil
	}
	out := &Base{Reference: b.named, Found: b.found, Depth: depth}
	if b.found != "" {
		out.Layers, out.Entries = b.layers, b.entries
		if id := b.chainID(f); id != (v1.Hash{}) {
			out.ChainID = id.String()
		}
	}
	if b.config != nil {
		out.OnBuild = b.config.Config.OnBuild
	}
	if b.img != nil && b.found != byLayers {
		out.Image = b.given
		if b.img.HasManifest() {
			out.Digest = text(b.img.Descriptor.Digest.String())
		}
		if m := b.img.Manifest().Parsed; m != nil {
			out.ImageID = text(m.Config.Digest.String())
		}
	}
	if b.report != nil {
		out.Verdict, out.Origin, out.Findings, out.Created = b.report.Verdict, b.report.Origin, b.report.Findings, b.report.Created
		if out.Base = baseOf(b.facts, depth+1); out.Base == nil && onScratch(b.facts) {
			out.Base = &Base{Reference: "scratch", Depth: depth + 1}
		}
	}
	return out
}

// onScratch reports whether an image's Dockerfile stands on nothing.
func onScratch(f *facts) bool {
	a := f.judged()
	return a.Matched() && a.Build != nil && a.Build.Base == "scratch"
}

// shortReference is a full reference as people write it.
func shortReference(full string) string {
	return strings.TrimPrefix(strings.TrimPrefix(full, "docker.io/"), "library/")
}
