package rebuild

import (
	"encoding/json"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// ManifestForm names a way of writing a manifest.
type ManifestForm string

// The forms. They differ in media types, in the order of a descriptor's fields
// and in white space.
const (
	// FormOCI is BuildKit's OCI manifest.
	FormOCI ManifestForm = "oci"
	// FormOfficial is BuildKit's as the official library's pipeline writes it
	// anew, with annotations.
	FormOfficial ManifestForm = "oci-official"
	// FormDocker is BuildKit's with Docker media types (oci-mediatypes=false).
	FormDocker ManifestForm = "docker"
	// FormPushed is what docker push of Docker 20.10 makes.
	FormPushed ManifestForm = "docker-push"
)

// Forms are all of them.
func Forms() []ManifestForm {
	return []ManifestForm{FormOCI, FormOfficial, FormDocker, FormPushed}
}

// OCI reports whether the form has OCI media types.
func (f ManifestForm) OCI() bool { return f == FormOCI || f == FormOfficial }

// descriptor has BuildKit's order of fields.
type descriptor struct {
	MediaType   types.MediaType   `json:"mediaType"`
	Digest      v1.Hash           `json:"digest"`
	Size        int64             `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

type manifest struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     types.MediaType   `json:"mediaType"`
	Config        descriptor        `json:"config"`
	Layers        []descriptor      `json:"layers"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

// NewManifest writes a manifest over a config and compressed layers, lowest
// first. Of the descriptors digest, size and annotations count; media types are
// the form's.
func NewManifest(form ManifestForm, config v1.Descriptor, layers []v1.Descriptor, annotations map[string]string) ([]byte, error) {
	manifestType, configType, layerType := types.OCIManifestSchema1, types.OCIConfigJSON, types.OCILayer
	if !form.OCI() {
		manifestType, configType, layerType = types.DockerManifestSchema2, types.DockerConfigJSON, types.DockerLayer
	}
	if form == FormPushed {
		return pushed(config, layers)
	}
	m := manifest{SchemaVersion: 2, MediaType: manifestType, Annotations: annotations,
		Config: descriptor{MediaType: configType, Digest: config.Digest, Size: config.Size}}
	for _, l := range layers {
		d := descriptor{MediaType: layerType, Digest: l.Digest, Size: l.Size}
		if form == FormOCI {
			d.Annotations = l.Annotations
		}
		m.Layers = append(m.Layers, d)
	}
	if form == FormOfficial {
		return indented(m, "  ")
	}
	return json.MarshalIndent(m, "", "  ")
}

// pushed has the order of fields that docker push writes, which is that of the
// registry's own types, and three spaces.
func pushed(config v1.Descriptor, layers []v1.Descriptor) ([]byte, error) {
	m := v1.Manifest{SchemaVersion: 2, MediaType: types.DockerManifestSchema2,
		Config: v1.Descriptor{MediaType: types.DockerConfigJSON, Size: config.Size, Digest: config.Digest}}
	for _, l := range layers {
		m.Layers = append(m.Layers, v1.Descriptor{MediaType: types.DockerLayer, Size: l.Size, Digest: l.Digest})
	}
	return json.MarshalIndent(m, "", "   ")
}
