package image

import (
	"context"
	"io"
	"path"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/imageverify/verify/checksums"
)

// makeManifest lists an image's config and layers, each with the digest that it
// should have. Nothing is trusted: the config's ID is its name's, a layer's diff
// ID is the config's, and whoever reads them compares.
func (s *saved) makeManifest(ctx context.Context, image *savedImage) (*v1.Manifest, error) {
	m := &v1.Manifest{SchemaVersion: 2, MediaType: types.DockerManifestSchema2}
	var err error
	if m.Config, err = s.config(ctx, image.Config); err != nil {
		return nil, err
	}
	ids, err := s.diffIDs(ctx, m.Config)
	if err != nil {
		return nil, err
	}
	for i, name := range image.Layers {
		var id v1.Hash
		if i < len(ids) {
			id = ids[i]
		}
		d, err := s.layer(ctx, name, id)
		if err != nil {
			return nil, err
		}
		m.Layers = append(m.Layers, d)
	}
	return m, nil
}

// config describes the config of that name by the ID in the name, or, where
// there is none, by the one it has.
func (s *saved) config(ctx context.Context, name string) (v1.Descriptor, error) {
	id := namedDigest(name)
	if file, err := s.follow(name); err == nil {
		return s.stored(ctx, file, types.DockerConfigJSON, id)
	} else if id == (v1.Hash{}) {
		return v1.Descriptor{}, &AbsentError{What: "the image's config", Where: s.name, Note: err.Error()}
	}
	s.blobs[id] = name
	return v1.Descriptor{MediaType: types.DockerConfigJSON, Digest: id}, nil
}

// diffIDs returns what a config says its layers unpack to; nil where it cannot
// be read as a config, which is for the checks to report.
func (s *saved) diffIDs(ctx context.Context, desc v1.Descriptor) ([]v1.Hash, error) {
	c, err := readConfig(ctx, s, desc)
	if err != nil && !aboutContent(err) {
		return nil, err
	}
	if err != nil || c.File == nil {
		return nil, nil
	}
	return c.File.RootFS.DiffIDs, nil
}

// layer describes the layer of that name. One that is not compressed should hash
// to its diff ID; that of a compressed one is compared when it is unpacked.
func (s *saved) layer(ctx context.Context, name string, diffID v1.Hash) (v1.Descriptor, error) {
	file, err := s.follow(name)
	if err != nil {
		return s.absentLayer(name, diffID), nil
	}
	kind, err := s.compression(file)
	if err != nil {
		return v1.Descriptor{}, err
	}
	want := blobName(file)
	switch {
	case want != v1.Hash{}:
	case kind == "":
		want = diffID
	default:
		want = namedDigest(file)
	}
	return s.stored(ctx, file, layerType(kind), want)
}

// absentLayer describes a layer that is not there by what it should hash to.
func (s *saved) absentLayer(name string, diffID v1.Hash) v1.Descriptor {
	want := namedDigest(name)
	if want == (v1.Hash{}) {
		want = diffID
	}
	if _, taken := s.blobs[want]; !taken {
		s.blobs[want] = name
	}
	return v1.Descriptor{MediaType: types.DockerLayer, Digest: want}
}

// layerType is the media type of a layer compressed so.
func layerType(compression string) types.MediaType {
	switch compression {
	case "":
		return types.DockerUncompressedLayer
	case "zstd":
		return types.OCILayerZStd
	}
	return types.DockerLayer
}

// stored describes a file by the digest that it should have; where that is
// stated nowhere, or another file has it already, by the one it has: two files
// under one digest would be read as one.
func (s *saved) stored(ctx context.Context, file string, m types.MediaType, want v1.Hash) (v1.Descriptor, error) {
	if other, taken := s.blobs[want]; want == (v1.Hash{}) || taken && other != file {
		var err error
		if want, err = s.hash(ctx, file); err != nil {
			return v1.Descriptor{}, err
		}
	}
	if _, taken := s.blobs[want]; !taken {
		s.blobs[want] = file
	}
	return v1.Descriptor{MediaType: m, Digest: want, Size: s.files[file].size}, nil
}

// hash reads a file of the archive, once.
func (s *saved) hash(ctx context.Context, file string) (v1.Hash, error) {
	if h, ok := s.hashed[file]; ok {
		return h, nil
	}
	r, err := s.archive.open(file)
	if err != nil {
		return v1.Hash{}, err
	}
	h, _, err := v1.SHA256(checksums.ContextReader(ctx, r))
	if err == nil {
		s.hashed[file] = h
	}
	return h, err
}

// compression names a file's compression, or "". A file that starts like a
// compressed one and is none does no harm: it is known by the digest it has.
func (s *saved) compression(file string) (string, error) {
	e := s.files[file]
	magic := make([]byte, min(magicBytes, e.size))
	if _, err := s.file.ReadAt(magic, e.offset); err != nil && err != io.EOF {
		return "", err
	}
	return compression(magic), nil
}

// namedDigest returns the digest in a name such as blobs/sha256/HEX, HEX.json,
// sha256:HEX or HEX.tar.gz, or the zero value.
func namedDigest(name string) v1.Hash {
	name = cleanName(name)
	if h := blobName(name); h != (v1.Hash{}) {
		return h
	}
	base := path.Base(name)
	for _, suffix := range []string{".json", ".tar", ".tar.gz", ".tgz"} {
		base = strings.TrimSuffix(base, suffix)
	}
	h, err := v1.NewHash("sha256:" + strings.TrimPrefix(base, "sha256:"))
	if err != nil {
		return v1.Hash{}
	}
	return h
}
