package image

import (
	"context"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// single takes a manifest that no choice led to: an explicit platform that its
// config contradicts is refused.
func (c *chooser) single(ctx context.Context, doc *document, chain []Index) ([]found, error) {
	one := []found{{doc: doc, indexes: chain}}
	if !c.o.explicit() || hasPlatform(doc.desc) {
		return one, nil
	}
	config, err := readConfig(ctx, c.src, doc.manifest.Config)
	if err != nil {
		if aboutContent(err) {
			return one, nil // the config cannot contradict: it is for the checks to report
		}
		return nil, err
	}
	if config.Got != config.Want.Digest || config.File == nil || config.File.Platform() == nil {
		return one, nil
	}
	if p := config.File.Platform(); Contradicts(*p, c.o.wanted()) {
		return nil, c.noPlatform([]v1.Descriptor{{Platform: p}})
	}
	return one, nil
}

// explicit reports whether the user asked for one platform by name.
func (o Options) explicit() bool { return o.PlatformExplicit && !o.AllPlatforms && o.Platform != nil }
