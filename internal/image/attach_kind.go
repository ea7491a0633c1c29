package image

import (
	"cmp"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// AttachmentKind is what an attachment is by its media types. Who made it is
// free to lie in them: whoever reads the contents must refuse those of another
// kind.
type AttachmentKind string

// The kinds of attachments.
const (
	// KindSignature: cosign's signatures, one a layer: the payload is the layer,
	// signature and certificates are its annotations.
	KindSignature AttachmentKind = "signature"
	// KindAttestation: cosign's attestations, a DSSE envelope a layer.
	KindAttestation AttachmentKind = "attestation"
	// KindBundle: a sigstore bundle.
	KindBundle AttachmentKind = "bundle"
	// KindNotary: a Notary Project signature, JWS or COSE.
	KindNotary AttachmentKind = "notary"
	// KindBuildKit: the statements that BuildKit puts beside an image, one a
	// layer; they are not signed.
	KindBuildKit AttachmentKind = "buildkit"
	// KindSBOM: a bill of materials that is not signed.
	KindSBOM AttachmentKind = "sbom"
	// KindArtifact: something else.
	KindArtifact AttachmentKind = "artifact"
)

// byArtifactType are the kinds of the artifact types that start so.
var byArtifactType = []struct {
	prefix string
	kind   AttachmentKind
}{
	{"application/vnd.dev.sigstore.bundle", KindBundle},
	{"application/vnd.cncf.notary.signature", KindNotary},
	{"application/vnd.dev.cosign.artifact.sig.", KindSignature},
	{"application/vnd.dev.cosign.artifact.att.", KindAttestation},
	{"application/vnd.dev.cosign.artifact.sbom.", KindSBOM},
	{"application/vnd.docker.attestation.manifest.", KindBuildKit},
	{"application/vnd.dev.cosign.simplesigning.", KindSignature},
	{"application/vnd.dsse.envelope.", KindAttestation},
	{"application/spdx", KindSBOM},
	{"text/spdx", KindSBOM},
	{"application/vnd.cyclonedx", KindSBOM},
	{"application/vnd.syft", KindSBOM},
}

// kindOf is the kind of an attachment's manifest: what its artifact type says,
// else the media type of its first layer that is known, else how it was found.
func kindOf(a *Attachment) AttachmentKind {
	if a.Via == ViaIndex {
		return KindBuildKit
	}
	if k := kindOfType(a.ArtifactType); k != "" {
		return k
	}
	for _, l := range a.Layers {
		if k := kindOfType(string(l.MediaType)); k != "" {
			return k
		}
	}
	return cmp.Or(kindOfTag(a.Tag), KindArtifact)
}

func kindOfType(mediaType string) AttachmentKind {
	for _, known := range byArtifactType {
		if strings.HasPrefix(mediaType, known.prefix) {
			return known.kind
		}
	}
	return ""
}

// cosignTags are the endings of cosign's tags.
var cosignTags = []struct {
	suffix string
	kind   AttachmentKind
}{
	{".sig", KindSignature},
	{".att", KindAttestation},
	{".sbom", KindSBOM},
}

// kindOfTag is the kind that cosign's tags end in, or "".
func kindOfTag(tag string) AttachmentKind {
	for _, t := range cosignTags {
		if strings.HasSuffix(tag, t.suffix) {
			return t.kind
		}
	}
	return ""
}

// signs reports whether each layer of an attachment of the kind is to be
// verified.
func (k AttachmentKind) signs() bool {
	return k == KindSignature || k == KindAttestation || k == KindBundle || k == KindNotary
}

// attachedTag is the tag under which cosign attaches things to a manifest, but
// for the ending.
func attachedTag(subject v1.Hash) string { return subject.Algorithm + "-" + subject.Hex }

// referrersTag is the tag of the list of referrers that clients keep: the parts
// of the digest are cut to 32 and 64 characters (OCI distribution spec 1.1,
// "Referrers Tag Schema").
func referrersTag(subject v1.Hash) string {
	return subject.Algorithm[:min(len(subject.Algorithm), 32)] + "-" + subject.Hex[:min(len(subject.Hex), 64)]
}
