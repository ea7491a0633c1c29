package image

import (
	"context"
	"errors"
	"fmt"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// How an attachment was found, as Attachment.Via has it.
const (
	// ViaTag: under one of the tags that cosign gives it, sha256-HEX.sig and so
	// on, in a registry or as a name in a layout.
	ViaTag = "tag"
	// ViaIndex: beside the image in its index, as BuildKit puts it.
	ViaIndex = "index"
	// ViaCosign: in a layout that `cosign save` wrote, by the kind of its entry.
	ViaCosign = "cosign-save"
	// ViaReferrers: in the list that a registry gives of what names the manifest
	// as its subject, or in a layout's index.json.
	ViaReferrers = "referrers"
	// ViaReferrersTag: in the list under the tag sha256-HEX, which clients keep
	// where the registry keeps none.
	ViaReferrersTag = "referrers-tag"
)

// Attached is what hangs on one manifest or index, so far as it could be found.
type Attached struct {
	// Subject is the digest of the manifest or index.
	Subject v1.Hash
	// Attachments are in the order of the Via constants, each digest once.
	Attachments []*Attachment
	// Err joins the *LookupErrors of places that could not be looked at, or not
	// to their end, so that more may hang there; nil where all were.
	Err error
}

// Attachment is a signature, an attestation or something else that hangs on a
// manifest. That it hangs there is the registry's word, or that of whoever could
// write to it: nothing in it is verified but that its bytes are those of its
// digest.
type Attachment struct {
	// Subject is the digest of the manifest or index that it hangs on.
	Subject v1.Hash
	// Via says how it was found: one of the Via constants. Tag is the tag, or the
	// name in a layout, that led to it, or "".
	Via string
	Tag string
	// Kind is what its media types make of it.
	Kind AttachmentKind
	// Descriptor is what named its manifest; of one behind a tag, that of the
	// bytes that were there.
	Descriptor v1.Descriptor
	// ArtifactType is its manifest's, else the media type of the manifest's
	// config, else what Descriptor says.
	ArtifactType string
	// Annotations are its manifest's.
	Annotations map[string]string
	// Layers are its manifest's: Blob reads them. Signatures carry what belongs to
	// a payload in the annotations of its layer.
	Layers []v1.Descriptor
	// Err says why nothing may rest on the attachment: its manifest is absent, is
	// not one, has other bytes than its digest's, or names another subject. Layers
	// are then nil.
	Err error

	src   source
	blobs *attachedBlobs
}

// LookupError says that a place where attachments could be was not looked at, or
// not to its end.
type LookupError struct {
	// Via is the Via constant of the place, Tag the tag that was asked for, or "".
	Via, Tag string
	Err      error
}

// Error is one line.
func (e *LookupError) Error() string {
	if e.Tag != "" {
		return fmt.Sprintf("attachments under the tag %s: %v", e.Tag, e.Err)
	}
	return fmt.Sprintf("attachments by %s: %v", e.Via, e.Err)
}

// Unwrap returns the reason.
func (e *LookupError) Unwrap() error { return e.Err }

// SubjectError says that what is listed as an attachment of one manifest says
// itself that it belongs to another one, or to none.
type SubjectError struct {
	// Attachment is its digest, Want the manifest that it is listed for, Got its
	// own subject, zero where it names none.
	Attachment, Want, Got v1.Hash
}

// Error is one line.
func (e *SubjectError) Error() string {
	if e.Got == (v1.Hash{}) {
		return fmt.Sprintf("manifest %s is listed for %s and names no subject", e.Attachment, e.Want)
	}
	return fmt.Sprintf("manifest %s is listed for %s and names %s as its subject", e.Attachment, e.Want, e.Got)
}

// errNoManifest says that nothing can hang on an image that has no manifest.
var errNoManifest = errors.New("the image has no manifest that something could be attached to")

// Attached finds and reads the manifests of what is attached to a manifest or
// index of the set, once a digest: later calls give the same value. The error is
// that of ctx, or says that the set's images have no manifests; whatever else
// goes wrong is in the value.
func (s *Set) Attached(ctx context.Context, subject v1.Hash) (*Attached, error) {
	if s.finder == nil || subject == (v1.Hash{}) {
		return nil, errNoManifest
	}
	s.mu.Lock()
	once, ok := s.attached[subject]
	if !ok {
		once = &attachedOnce{}
		if s.attached == nil {
			s.attached = map[v1.Hash]*attachedOnce{}
		}
		s.attached[subject] = once
	}
	s.mu.Unlock()
	once.Lock()
	defer once.Unlock()
	if once.found == nil {
		found := s.findAttached(ctx, subject)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		once.found = found
	}
	return once.found, nil
}

// attachedOnce keeps what was found for one subject.
type attachedOnce struct {
	sync.Mutex
	found *Attached
}

// Subjects returns the digests that a signature of the image can hang on: its
// manifest's, then those of the indexes that led to it, innermost first. It is
// empty for an image without a manifest.
func (i *Image) Subjects() []v1.Hash {
	if !i.HasManifest() {
		return nil
	}
	all := []v1.Hash{i.Descriptor.Digest}
	for n := range i.Indexes {
		all = append(all, i.Indexes[len(i.Indexes)-1-n].Descriptor.Digest)
	}
	return all
}
