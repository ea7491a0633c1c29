package history

import (
	"regexp"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/provenance/dockerfile"
)

// squashComment is what Docker's daemon/images/image_squash.go writes as the
// comment of the entry of a squashed layer, which is made by no directive: what
// was merged down to the image it is FROM, or into an image of its own.
var squashComment = regexp.MustCompile(`^(merge sha256:[0-9a-f]{64} to|create new from) sha256:[0-9a-f]{64}$`)

// unsquashed is the history as the build left it, where its newest entry is that
// of docker build --squash.
func unsquashed(entries []v1.History) ([]v1.History, bool) {
	if len(entries) == 0 {
		return nil, false
	}
	below, last := entries[:len(entries)-1], entries[len(entries)-1]
	return below, last.CreatedBy == "" && !last.EmptyLayer && squashComment.MatchString(last.Comment)
}

// matchSquashed matches what the build left, and puts the squashed layer's entry
// above it.
func matchSquashed(build []v1.History, last v1.History, layers int, b *dockerfile.Build) *Alignment {
	below := layers
	if layers > 0 {
		below--
	}
	a := match(&matcher{entries: readEntries(build), layers: below, squashed: true}, b)
	a.Rows = append(a.Rows, Row{Entry: len(build), Directive: -1, Status: Squash, Layer: layers - 1, Got: last.Comment})
	if layers < 0 {
		a.Rows[len(a.Rows)-1].Layer = layersIn(build)
	}
	return a
}

// layersIn counts the entries that have a layer.
func layersIn(entries []v1.History) int {
	n := 0
	for _, h := range entries {
		if !h.EmptyLayer {
			n++
		}
	}
	return n
}
