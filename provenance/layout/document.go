package layout

import (
	"bytes"
	"errors"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/imageverify/verify/checksums"
)

// Bounds of the documents: the index, the manifest and the marker.
const (
	maxDocument = 4 << 20 // bytes
	maxEntries  = 1_000   // of an index, and layers of a manifest
)

// layoutVersion is the only version of the layout that there is.
const layoutVersion = "1.0.0"

// parseMarker reads the file oci-layout.
func parseMarker(raw []byte) error {
	var marker struct {
		Version string `json:"imageLayoutVersion"`
	}
	if err := decode(raw, &marker); err != nil {
		return err
	}
	if marker.Version != layoutVersion {
		return fmt.Errorf("%w: version %.40q, not %s", ErrMalformed, marker.Version, layoutVersion)
	}
	return nil
}

// outline is what tells documents apart. A list that is null counts as absent.
type outline struct {
	SchemaVersion int64           `json:"schemaVersion"`
	MediaType     types.MediaType `json:"mediaType"`
	Manifests     *descriptors    `json:"manifests"`
	Config        *v1.Descriptor  `json:"config"`
	Layers        *descriptors    `json:"layers"`
	Digest        *v1.Hash        `json:"digest"`
}

// parseFile reads the file that a library entry names: an index, or a
// descriptor alone.
func parseFile(raw []byte) ([]v1.Descriptor, error) {
	var o outline
	if err := decode(raw, &o); err != nil {
		return nil, err
	}
	if o.Digest == nil {
		return o.index()
	}
	if o.Manifests != nil || o.Config != nil || o.Layers != nil {
		return nil, fmt.Errorf("%w: both a descriptor and an index or manifest", ErrMalformed)
	}
	var d v1.Descriptor
	if err := decode(raw, &d); err != nil {
		return nil, err
	}
	return []v1.Descriptor{d}, checkEntry(d)
}

// parseIndex reads an index.
func parseIndex(raw []byte) ([]v1.Descriptor, error) {
	var o outline
	if err := decode(raw, &o); err != nil {
		return nil, err
	}
	return o.index()
}

func (o outline) index() ([]v1.Descriptor, error) {
	switch {
	case o.Manifests == nil || o.Config != nil || o.Layers != nil || o.Digest != nil:
		return nil, fmt.Errorf("%w: not an index", ErrMalformed)
	case o.SchemaVersion != 2:
		return nil, fmt.Errorf("%w: index of schema version %d, not 2", ErrMalformed, o.SchemaVersion)
	case o.MediaType != "" && !o.MediaType.IsIndex():
		return nil, fmt.Errorf("%w: media type %.100q is not an index's", ErrMalformed, o.MediaType)
	}
	for _, d := range *o.Manifests {
		if err := checkEntry(d); err != nil {
			return nil, err
		}
	}
	return *o.Manifests, nil
}

// manifest is what a manifest says of the image's blobs.
type manifest struct{ outline }

func (m *manifest) layers() []v1.Descriptor {
	if m.Layers == nil {
		return nil
	}
	return *m.Layers
}

func parseManifest(raw []byte) (*manifest, error) {
	if len(raw) > maxDocument {
		return nil, &checksums.LimitError{What: "bytes in a manifest", Limit: maxDocument}
	}
	var m manifest
	if err := decode(raw, &m.outline); err != nil {
		return nil, err
	}
	switch {
	case m.Config == nil || m.Manifests != nil || m.Digest != nil:
		return nil, fmt.Errorf("%w: not an image manifest", ErrMalformed)
	case m.SchemaVersion != 2:
		return nil, fmt.Errorf("%w: manifest of schema version %d, not 2", ErrMalformed, m.SchemaVersion)
	case m.MediaType != "" && !m.MediaType.IsImage():
		return nil, fmt.Errorf("%w: media type %.100q is not an image manifest's", ErrMalformed, m.MediaType)
	}
	for _, d := range append([]v1.Descriptor{*m.Config}, m.layers()...) {
		if err := checkEntry(d); err != nil {
			return nil, err
		}
	}
	return &m, nil
}

// checkEntry demands of a descriptor what the specification does.
func checkEntry(d v1.Descriptor) error {
	switch {
	case d.Digest == (v1.Hash{}):
		return fmt.Errorf("%w: an entry has no digest", ErrMalformed)
	case d.MediaType == "":
		return fmt.Errorf("%w: entry %s has no media type", ErrMalformed, d.Digest)
	case d.Size < 0:
		return fmt.Errorf("%w: entry %s has the size %d", ErrMalformed, d.Digest, d.Size)
	}
	return nil
}

// checkData compares the content that a descriptor may hold itself with its
// digest: some readers take it in place of the blob.
func checkData(d v1.Descriptor) error {
	if d.Data == nil {
		return nil
	}
	err := drain(checksums.VerifyReader(bytes.NewReader(d.Data), d.Size, d.Digest))
	if digest, ok := errors.AsType[*checksums.DigestError](err); ok {
		digest.What = "data in the descriptor of"
	}
	return err
}
