package image

import (
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Lower is what an image holds of the one that it is built on: its lowest
// layers, and a config that somebody made of what the image's own tells of
// them. It has no manifest, and its ID is that of the config's bytes. The caller
// keeps the image's set open.
func (i *Image) Lower(config *v1.ConfigFile, raw []byte, layers int) *Image {
	id := hashOf("sha256", raw)
	desc := v1.Descriptor{Digest: id, Size: int64(len(raw))}
	out := &Image{src: i.src, config: &Config{Want: desc, Raw: raw, Got: id, File: config, History: config.History}}
	out.manifest.Parsed = &v1.Manifest{SchemaVersion: 2, Config: desc}
	if m := i.manifest.Parsed; m != nil {
		out.manifest.Parsed.Layers = m.Layers[:min(layers, len(m.Layers))]
	}
	return out
}
