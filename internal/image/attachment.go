package image

import (
	"regexp"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	// buildkitReference marks the attestation manifests that BuildKit puts into
	// an index beside the image they speak of.
	buildkitReference = "vnd.docker.reference.type"
	// cosignKind is the annotation with which `cosign save` tells an image from
	// its signatures and attestations; values start with cosignPrefix.
	cosignKind   = "kind"
	cosignPrefix = "dev.cosignproject.cosign/"
)

// isAttachment reports whether an index's entry is something attached to an
// image (a signature, an attestation, an SBOM), so far as its descriptor says.
// An entry for machines is an image whatever else it says: those who run images
// choose by platform alone, and would take it.
func isAttachment(d v1.Descriptor) bool {
	if isForMachines(d) {
		return false
	}
	if isArtifactType(d.ArtifactType) || d.Annotations[buildkitReference] != "" || isForNone(d) {
		return true
	}
	return attachedByCosign(d.Annotations[cosignKind]) || attachedTags.MatchString(nameTag(d)) || !isImageType(d.MediaType)
}

// attachedTags are the names under which cosign's tags, and those of lists of
// referrers, are copied into a layout.
var attachedTags = regexp.MustCompile(`^sha256-[0-9a-f]{64}(\.(sig|att|sbom))?$`)

// isArtifactType reports whether a descriptor's artifact type is of something
// else than an image. An image's is the media type of its config (OCI image
// spec, descriptor.md), which go-containerregistry and crane write.
func isArtifactType(t string) bool { return t != "" && !types.MediaType(t).IsConfig() }

// isForMachines reports whether a descriptor names a platform that a machine
// can have. The architecture is enough: where no operating system is named,
// containerd takes the host's.
func isForMachines(d v1.Descriptor) bool {
	return d.Platform != nil && d.Platform.Architecture != "" && !isForNone(d)
}

// isForNone reports whether a descriptor names the platform that BuildKit gives
// to what is no image.
func isForNone(d v1.Descriptor) bool {
	p := d.Platform
	return p != nil && p.OS == "unknown" && p.Architecture == "unknown"
}

// attachedByCosign reports whether a cosign kind is neither image nor index.
func attachedByCosign(kind string) bool {
	name, ok := strings.CutPrefix(kind, cosignPrefix)
	return ok && name != "image" && name != "imageIndex"
}

// isImageType reports whether a media type is one of an image or an index. One
// that is left out may be either.
func isImageType(m types.MediaType) bool {
	return m == "" || m.IsIndex() || m.IsImage() || m.IsSchema1()
}

// images returns the entries that are not attachments.
func images(entries []v1.Descriptor) []v1.Descriptor {
	return filter(entries, func(d v1.Descriptor) bool { return !isAttachment(d) })
}
