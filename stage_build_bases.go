package verify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/internal/image"
	"github.com/imageverify/verify/provenance/chain"
	"github.com/imageverify/verify/provenance/dockerfile"
	"github.com/imageverify/verify/provenance/pins"
	"github.com/imageverify/verify/rebuild"
)

// buildBases are the images that a build reads from: the base that the published
// image stands on, and what other stages and --from name, as that is now. A
// builder gets their bytes from here, and pulls nothing. release, which is never
// nil, lets go of them.
func (s *session) buildBases(ctx context.Context, f *facts) (bases []rebuild.Base, release func(), err error) {
	var sets []*image.Set
	release = func() {
		for _, set := range sets {
			set.Close() // it was only read
		}
	}
	a := f.judged()
	if a.Build.Base != dockerfile.Scratch {
		b := f.base
		if b == nil || b.img == nil || b.set == nil {
			return nil, release, baseError("base-unknown", "nothing was built: the base image %s is not at hand%s", dockerfile.Readable(a.Build.Base), because(b))
		}
		base, err := baseOn(b.named, b.img)
		if err != nil {
			return nil, release, err
		}
		bases = append(bases, base)
	}
	for _, in := range pins.Inspect(a.Build, &f.configFile().Config.User).Images {
		set, err := s.openInputImage(ctx, f, in.Name)
		if err != nil {
			return nil, release, baseError("base-unknown", "nothing was built: line %d reads from the image %s, which is not at hand: %s", in.Line, in.Name, err)
		}
		sets = append(sets, set)
		base, err := baseOn(in.Name, set.Images[0])
		if err != nil {
			return nil, release, err
		}
		bases = append(bases, base)
		f.rebuilt.notes = append(f.rebuilt.notes, fmt.Sprintf("%s was taken as it is now, %s", in.Name, base.Descriptor.Digest))
	}
	return bases, release, nil
}

func because(b *baseFact) string {
	if b == nil || b.err == nil {
		return ""
	}
	return ": " + b.err.Error()
}

// openInputImage opens an image that the Dockerfile names, or what the user
// gives for it.
func (s *session) openInputImage(ctx context.Context, f *facts, name string) (*image.Set, error) {
	full, err := chain.Reference(name)
	if err != nil {
		return nil, err
	}
	reference := full
	if given, ok := s.givenBase(full); ok {
		reference = given
	} else if err := s.mayAsk(f); err != nil {
		return nil, err
	}
	set, err := s.openFor(ctx, reference, f)
	if err != nil {
		return nil, err
	}
	if _, err := configOf(ctx, set); err != nil {
		return nil, errors.Join(err, set.Close())
	}
	return set, nil
}

// baseOn is an image as a builder is given it. One that has no manifest gets
// one.
func baseOn(name string, img *image.Image) (rebuild.Base, error) {
	b := rebuild.Base{Name: name, Descriptor: img.Descriptor, Manifest: img.Manifest().Raw, Blob: img.Blob}
	if img.HasManifest() {
		b.Descriptor.MediaType = img.Manifest().Parsed.MediaType
		b.Descriptor.Size = int64(len(b.Manifest))
		return b, nil
	}
	raw, err := json.Marshal(img.Manifest().Parsed)
	if err != nil {
		return b, err
	}
	b.Manifest, b.Descriptor = raw, v1.Descriptor{MediaType: img.Manifest().Parsed.MediaType}
	b.Descriptor.Digest, b.Descriptor.Size, err = v1.SHA256(bytes.NewReader(raw))
	return b, err
}
