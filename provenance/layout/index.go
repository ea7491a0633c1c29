package layout

import (
	"fmt"
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/imageverify/verify/checksums"
)

// Bounds of the indexes that stand one in another below the layout's own.
const (
	maxIndexDepth = 3
	maxIndexes    = 100
)

// index reads the layout's index and finds the entry of the image that it
// names. ok is false where there is none that can be gone on from.
func (c *comparison) index(file string) (entry v1.Descriptor, ok bool) {
	p := Part{What: PartIndex}
	raw, err := c.read(&p, path.Join(c.directory, file))
	if err == nil {
		entry, err = c.chosen(raw)
	}
	if err == nil && c.subject.Manifest != nil {
		err = c.isSubject(entry)
	}
	p.Err = err
	c.add(p)
	return entry, err == nil
}

func (c *comparison) chosen(raw []byte) (v1.Descriptor, error) {
	entries, err := parseFile(raw)
	if err != nil {
		return v1.Descriptor{}, err
	}
	d := descent{c: c, seen: map[v1.Hash]bool{}}
	if err := d.into(entries, 0); err != nil {
		return v1.Descriptor{}, err
	}
	return choose(d.images, c.subject.Platform)
}

// isSubject compares the index's entry with the image's manifest.
func (c *comparison) isSubject(entry v1.Descriptor) error {
	want, size := c.subject.Digest, int64(len(c.subject.Manifest))
	if entry.Digest != want {
		return fmt.Errorf("%w: it names %s, not %s", ErrOtherImage, entry.Digest, want)
	}
	if entry.Size != size {
		return &checksums.DigestError{What: PartManifest, Want: want, Got: want, WantSize: entry.Size, GotSize: size}
	}
	return checkData(entry)
}

// descent gathers the images of an index and of the indexes in it.
type descent struct {
	c      *comparison
	seen   map[v1.Hash]bool
	read   int
	images []v1.Descriptor
}

func (d *descent) into(entries []v1.Descriptor, depth int) error {
	for _, entry := range entries {
		if attached(entry) || d.seen[entry.Digest] {
			continue
		}
		d.seen[entry.Digest] = true
		if entry.MediaType.IsImage() {
			d.images = append(d.images, entry)
			continue
		}
		if err := d.open(entry, depth+1); err != nil {
			return fmt.Errorf("index %s: %w", entry.Digest, err)
		}
	}
	return nil
}

// open reads a nested index and goes on below it.
func (d *descent) open(entry v1.Descriptor, depth int) error {
	if depth > maxIndexDepth {
		return &checksums.LimitError{What: "indexes one in another", Limit: maxIndexDepth}
	}
	if d.read++; d.read > maxIndexes {
		return &checksums.LimitError{What: "indexes", Limit: maxIndexes}
	}
	raw, err := d.c.document(&Part{}, entry)
	if err != nil {
		return err
	}
	entries, err := parseIndex(raw)
	if err != nil {
		return err
	}
	return d.into(entries, depth)
}

// attached reports whether an entry is something that belongs to an image (a
// signature, an attestation, an SBOM), so far as its descriptor says.
func attached(d v1.Descriptor) bool {
	kind, byCosign := strings.CutPrefix(d.Annotations["kind"], "dev.cosignproject.cosign/")
	switch p := d.Platform; {
	case d.ArtifactType != "" && d.ArtifactType != string(types.OCIConfigJSON) && d.ArtifactType != string(types.DockerConfigJSON),
		d.Annotations["vnd.docker.reference.type"] != "":
		return true
	case p != nil && p.OS == "unknown" && p.Architecture == "unknown":
		return true
	case byCosign && kind != "image" && kind != "imageIndex":
		return true
	}
	return !d.MediaType.IsImage() && !d.MediaType.IsIndex()
}

// choose returns the only image, or the only one that is of the platform. An
// entry without a platform may be of any.
func choose(images []v1.Descriptor, platform v1.Platform) (v1.Descriptor, error) {
	found := images
	if len(images) > 1 && platform.Architecture != "" {
		found = slices.DeleteFunc(slices.Clone(images), func(d v1.Descriptor) bool {
			return d.Platform != nil && normal(*d.Platform) != normal(platform)
		})
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(images) == 0:
		return v1.Descriptor{}, fmt.Errorf("%w: the index names no image", ErrOtherImage)
	case len(found) == 0:
		return v1.Descriptor{}, fmt.Errorf("%w: none of its %d images is for %s", ErrOtherImage, len(images), platform)
	case platform.Architecture == "":
		return v1.Descriptor{}, fmt.Errorf("%w: %d", ErrSeveralImages, len(found))
	}
	return v1.Descriptor{}, fmt.Errorf("%w: %d for %s", ErrSeveralImages, len(found), platform)
}

// aliases are other names of architectures than the image specification's.
var aliases = map[string]string{"aarch64": "arm64", "x86_64": "amd64", "i386": "386"}

// normal gives the one spelling in which platforms are compared: arm64 is
// arm64/v8, and arm is arm/v7.
func normal(p v1.Platform) [3]string {
	arch := strings.ToLower(p.Architecture)
	if name, ok := aliases[arch]; ok {
		arch = name
	}
	variant := strings.ToLower(p.Variant)
	switch arch + "/" + variant {
	case "arm64/":
		variant = "v8"
	case "arm/":
		variant = "v7"
	case "amd64/v1":
		variant = ""
	}
	return [3]string{strings.ToLower(p.OS), arch, variant}
}
