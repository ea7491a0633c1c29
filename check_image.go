package verify

import (
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/imageverify/verify/checksums"
	"github.com/imageverify/verify/internal/image"
)

// findDigests judges image.digests.
func findDigests(f *facts) *Finding {
	parts := documentParts(f)
	parts = append(parts, countParts(f)...)
	cached := len(f.layers) > 0
	var bytes int64
	for i, l := range f.layers {
		parts = append(parts, layerPart(i, l, wantDiffID(f.configFile(), i)))
		bytes += l.desc.Size
		cached = cached && l.layer != nil && l.layer.FromCache
	}
	all := fmt.Sprintf("manifest, config and %s (%s) hash to their digests and diff IDs", plural(len(f.layers), "layer"), FormatBytes(bytes))
	if f.above != nil && len(f.layers) > 0 {
		all = fmt.Sprintf("manifest and config hash to their digests; %s as read in the image above, by diff ID", plural(len(f.layers), "layer"))
	} else if cached {
		all += ", the layers as read before"
	}
	out := ofParts(parts, all).with(Evidence{Kind: "digest", Value: identity(f.img).String()})
	if cached {
		out.details().Cached = true
	}
	return out
}

// documentParts judges the indexes, the manifest, the config and the platform
// they name.
func documentParts(f *facts) []Part {
	var parts []Part
	for _, x := range f.img.Indexes {
		parts = append(parts, documentPart("index", x.Descriptor, x.Got, int64(len(x.Raw)), nil))
	}
	if m := f.img.Manifest(); f.img.HasManifest() {
		parts = append(parts, documentPart("manifest", f.img.Descriptor, m.Got, m.GotSize, m.ParseErr))
	}
	if f.config == nil {
		if f.manifestErr() != nil {
			return parts
		}
		return append(parts, Part{"config", Unknown, reasonOf(f.configErr), errorLine(f.configErr)})
	}
	parts = append(parts, documentPart("config", f.config.Want, f.config.Got, int64(len(f.config.Raw)), f.config.ParseErr))
	if p, ok := platformPart(f); ok {
		parts = append(parts, p)
	}
	return parts
}

func documentPart(name string, want v1.Descriptor, got v1.Hash, size int64, parseErr error) Part {
	switch {
	case kind[*image.AbsentError](parseErr), kind[*image.LimitError](parseErr):
		return Part{name, Unknown, reasonOf(parseErr), parseErr.Error()}
	case got != want.Digest:
		return Part{name, Fail, "digest-mismatch", fmt.Sprintf("asked for %s, got bytes of %s", want.Digest, got)}
	case want.Size != size:
		return Part{name, Fail, "size-mismatch", fmt.Sprintf("the descriptor says %d bytes, there are %d", want.Size, size)}
	case parseErr != nil:
		return Part{name, Fail, "malformed", parseErr.Error()}
	}
	return Part{name, Pass, "", got.String()}
}

// platformPart compares the platform of the descriptor with the config's.
func platformPart(f *facts) (Part, bool) {
	want, cfg := f.img.Descriptor.Platform, f.configFile()
	if want == nil || cfg == nil {
		return Part{}, false
	}
	got := v1.Platform{OS: cfg.OS, Architecture: cfg.Architecture, Variant: cfg.Variant}
	if got.OS == "" || got.Architecture == "" || image.Contradicts(got, *want) {
		return Part{"platform", Fail, "platform-mismatch", fmt.Sprintf("the index says %s, the config %s", want, got)}, true
	}
	return Part{"platform", Pass, "", want.String()}, true
}

// countParts judges that layers, diff IDs and history entries count up.
func countParts(f *facts) []Part {
	cfg := f.configFile()
	if cfg == nil {
		return nil
	}
	layers, ids := len(f.manifest().Layers), len(cfg.RootFS.DiffIDs)
	if layers != ids {
		return []Part{{"config", Fail, "layer-count", fmt.Sprintf("%s in the manifest, %s in the config", plural(layers, "layer"), plural(ids, "diff ID"))}}
	}
	told := 0
	for _, h := range cfg.History {
		if !h.EmptyLayer {
			told++
		}
	}
	if len(cfg.History) > 0 && told != layers {
		return []Part{{"history", Fail, "layer-count", fmt.Sprintf("history tells of %s, the manifest has %d", plural(told, "layer"), layers)}}
	}
	return nil
}

func wantDiffID(cfg *v1.ConfigFile, i int) v1.Hash {
	if cfg == nil || i >= len(cfg.RootFS.DiffIDs) {
		return v1.Hash{}
	}
	return cfg.RootFS.DiffIDs[i]
}

// layerPart judges one layer's blob and its unpacked form.
func layerPart(i int, f layerFact, diffID v1.Hash) Part {
	name := layerName(i)
	if f.err != nil {
		return Part{name, Unknown, reasonOf(f.err), errorLine(f.err)}
	}
	l := f.layer
	switch {
	case isLimit(l.BlobErr):
		return Part{name, Unknown, "over-limit", l.BlobErr.Error()}
	case l.BlobSize < f.desc.Size:
		return Part{name, Fail, "truncated", fmt.Sprintf("blob %s ends after %d of %d bytes", f.desc.Digest, l.BlobSize, f.desc.Size)}
	case l.BlobSize > f.desc.Size:
		return Part{name, Fail, "size-mismatch", fmt.Sprintf("blob %s goes on after the %d bytes of its descriptor", f.desc.Digest, f.desc.Size)}
	case l.Blob != f.desc.Digest:
		return Part{name, Fail, "digest-mismatch", fmt.Sprintf("asked for %s, got bytes of %s", f.desc.Digest, l.Blob)}
	case l.BlobErr != nil:
		return Part{name, Fail, "malformed", l.BlobErr.Error()}
	case diffID == v1.Hash{}:
		return Part{name, Unknown, "layer-count", "the config has no diff ID for it"}
	case l.DiffID != diffID:
		return Part{name, Fail, "diff-id-mismatch", fmt.Sprintf("the config says %s, it unpacks to %s", diffID, l.DiffID)}
	case isLimit(l.TarErr):
		return Part{name, Unknown, "over-limit", l.TarErr.Error()}
	case l.TarErr != nil:
		return Part{name, Fail, "malformed", l.TarErr.Error()}
	}
	if want, known := layerTypes[f.desc.MediaType]; !known || want != l.Compression {
		return Part{name, Warn, "media-type-differs", fmt.Sprintf("the media type is %q, the blob's compression %s", f.desc.MediaType, l.Compression)}
	}
	return Part{name, Pass, "", diffID.String()}
}

// layerTypes are the media types of layers, as the OCI image specification and
// Docker's manifest schema 2 have them, with the compression that each states.
var layerTypes = map[types.MediaType]checksums.Compression{
	types.OCILayer:                       checksums.Gzip,
	types.OCILayerZStd:                   checksums.Zstd,
	types.OCIUncompressedLayer:           checksums.None,
	types.OCIRestrictedLayer:             checksums.Gzip,
	types.OCIUncompressedRestrictedLayer: checksums.None,
	types.DockerLayer:                    checksums.Gzip,
	types.DockerUncompressedLayer:        checksums.None,
	types.DockerForeignLayer:             checksums.Gzip,
	dockerZstdLayer:                      checksums.Zstd,
}

// dockerZstdLayer is what BuildKit writes for zstd layers of Docker images.
const dockerZstdLayer types.MediaType = "application/vnd.docker.image.rootfs.diff.tar.zstd"

func isLimit(err error) bool { return kind[*checksums.LimitError](err) }

func layerName(i int) string { return fmt.Sprintf("layer %d", i+1) }

// identity is what an image is known by: its manifest's digest, or the image ID
// where it has no manifest.
func identity(img *image.Image) v1.Hash {
	if m := img.Manifest().Parsed; !img.HasManifest() && m != nil {
		return m.Config.Digest
	}
	return img.Descriptor.Digest
}

// findReference judges image.reference.
func findReference(f *facts) *Finding {
	ref := f.set.Reference
	digest := identity(f.img)
	if len(f.img.Indexes) > 0 && !strings.HasSuffix(ref.Given, digest.String()) {
		digest = f.img.Indexes[0].Descriptor.Digest
	}
	if ref.Pinned {
		return passed("pinned by digest %s", digest).with(Evidence{Kind: "digest", Value: digest.String()})
	}
	pin := pinned(ref, digest)
	if !f.img.HasManifest() {
		pin = ref.Store + ":" + digest.String()
	}
	out := finding(Warn, "mutable-tag", "%q can mean another image tomorrow; today it is %s", ref.Given, digest)
	out.details().Pin = pin
	return out.with(Evidence{Kind: "digest", Value: digest.String()})
}

// pinned writes the reference by digest, its tag dropped.
func pinned(ref image.Reference, digest v1.Hash) string {
	given := ref.Given
	if ref.Tag != "" {
		given = strings.TrimSuffix(given, ":"+ref.Tag)
	}
	return given + "@" + digest.String()
}

// errorLine is an error as one line; a nil error has one as well, so that a
// missing fact is never shown as an empty reason.
func errorLine(err error) string {
	if err == nil {
		return "not read"
	}
	return err.Error()
}
