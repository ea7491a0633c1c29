package verify

import (
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/internal/image"
)

// TestALayerOfABaseWithoutBlobsIsNotAtTheLevelDigest takes the layer of a base that
// has no manifest, as one out of docker save: the image's own word for its blob
// proves nothing of it.
func TestALayerOfABaseWithoutBlobsIsNotAtTheLevelDigest(t *testing.T) {
	published := v1.Descriptor{Digest: v1.Hash{Algorithm: "sha256", Hex: "1f"}, Size: 3}
	f := &facts{img: &image.Image{Descriptor: published}, layers: []layerFact{{desc: published}},
		base: &baseFact{set: &image.Set{}, img: &image.Image{}, layers: 1}, rebuilt: &rebuildFact{layers: []layerRebuild{{err: errBaseUnverified}}}}
	takeBase(f)
	l := f.rebuilt.layers[0]
	if l.level != SameLayers || l.blob.Digest == published.Digest || len(f.rebuilt.notes) != 1 {
		t.Errorf("level %s, blob %v, notes %q", l.level, l.blob.Digest, f.rebuilt.notes)
	}
}
