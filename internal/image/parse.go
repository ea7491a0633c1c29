package image

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// document is an index or a manifest: exactly one of index, manifest and err is
// set.
type document struct {
	desc     v1.Descriptor
	raw      []byte
	got      v1.Hash
	index    *v1.IndexManifest
	manifest *v1.Manifest
	err      error
}

// mismatched reports whether the bytes are not those that the digest names.
func (d *document) mismatched() bool { return d.got != d.desc.Digest }

// newDocument hashes and parses raw, which was asked for as desc.
func newDocument(desc v1.Descriptor, raw []byte, where string) *document {
	d := &document{desc: desc, raw: raw, got: hashOf(desc.Digest.Algorithm, raw)}
	d.index, d.manifest, d.err = parseDocument(raw, desc, where)
	return d
}

// hashOf hashes data with the named algorithm, or SHA-256 if it is not known.
func hashOf(algorithm string, data []byte) v1.Hash {
	h, err := v1.Hasher(algorithm)
	if err != nil {
		algorithm = "sha256"
		h, _ = v1.Hasher(algorithm)
	}
	h.Write(data)
	return v1.Hash{Algorithm: algorithm, Hex: hex.EncodeToString(h.Sum(nil))}
}

// parseDocument parses an index or a manifest. What it is follows from its
// content; a document that could be read as both, or in which a member could be
// read in two ways, is refused, since two readers could then see two different
// images under one digest.
func parseDocument(raw []byte, desc v1.Descriptor, where string) (*v1.IndexManifest, *v1.Manifest, error) {
	if err := checkMembers("manifest", raw, documentShape, desc, where); err != nil {
		return nil, nil, err
	}
	var o outline
	if err := json.Unmarshal(raw, &o); err != nil {
		return nil, nil, formatError("manifest", desc, where, notJSON["manifest"], err)
	}
	if problem := o.problem(desc.MediaType); problem != nil {
		problem.What, problem.Where = titled("manifest", desc.Digest), where
		return nil, nil, problem
	}
	if o.isIndex() {
		index, err := parseIndex(raw, o, desc, where)
		return index, nil, err
	}
	manifest, err := parseManifest(raw, o, desc, where)
	return nil, manifest, err
}

func parseIndex(raw []byte, o outline, desc v1.Descriptor, where string) (*v1.IndexManifest, error) {
	if o.Manifests.count > MaxIndexEntries {
		return nil, &LimitError{What: titled("index", desc.Digest) + ": entries", Limit: MaxIndexEntries}
	}
	var index v1.IndexManifest
	if err := json.Unmarshal(raw, &index); err != nil {
		return nil, formatError("index", desc, where, "is not JSON of an index", err)
	}
	for _, d := range index.Manifests {
		if d.Digest == (v1.Hash{}) {
			return nil, formatError("index", desc, where, "has an entry without a digest", nil)
		}
	}
	return &index, nil
}

func parseManifest(raw []byte, o outline, desc v1.Descriptor, where string) (*v1.Manifest, error) {
	if o.Layers.count > MaxLayers {
		return nil, &LimitError{What: titled("manifest", desc.Digest) + ": layers", Limit: MaxLayers}
	}
	var manifest v1.Manifest
	if err := json.Unmarshal(raw, &manifest); err != nil {
		return nil, formatError("manifest", desc, where, notJSON["manifest"], err)
	}
	if manifest.Config.Digest == (v1.Hash{}) {
		return nil, formatError("manifest", desc, where, "names no config", nil)
	}
	for _, d := range manifest.Layers {
		if d.Digest == (v1.Hash{}) {
			return nil, formatError("manifest", desc, where, "has a layer without a digest", nil)
		}
	}
	return &manifest, nil
}

// parseConfig parses an image's config within the bounds of its lists. One in
// which a member could be read in two ways is refused.
func parseConfig(raw []byte, desc v1.Descriptor, where string) (*v1.ConfigFile, error) {
	if err := checkMembers("config", raw, configShape, desc, where); err != nil {
		return nil, err
	}
	var o struct {
		History member `json:"history"`
		RootFS  struct {
			DiffIDs member `json:"diff_ids"`
		} `json:"rootfs"`
	}
	if err := json.Unmarshal(raw, &o); err != nil {
		return nil, formatError("config", desc, where, notJSON["config"], err)
	}
	if o.History.count > MaxHistory {
		return nil, &LimitError{What: titled("config", desc.Digest) + ": history entries", Limit: MaxHistory}
	}
	if o.RootFS.DiffIDs.count > MaxLayers {
		return nil, &LimitError{What: titled("config", desc.Digest) + ": layers", Limit: MaxLayers}
	}
	file := &v1.ConfigFile{}
	if err := json.Unmarshal(raw, file); err != nil {
		return nil, formatError("config", desc, where, notJSON["config"], err)
	}
	return file, nil
}

func formatError(kind string, desc v1.Descriptor, where, problem string, err error) *FormatError {
	return &FormatError{What: titled(kind, desc.Digest), Where: where, Problem: problem, Err: err}
}

// readBounded reads all of r, at most MaxManifestBytes.
func readBounded(r io.Reader, what string) ([]byte, error) {
	var b bytes.Buffer
	n, err := io.Copy(&b, io.LimitReader(r, MaxManifestBytes+1))
	if err != nil {
		return nil, err
	}
	if n > MaxManifestBytes {
		return nil, &LimitError{What: what + ": bytes", Limit: MaxManifestBytes}
	}
	return b.Bytes(), nil
}

// aboutContent reports whether an error says something about the image's bytes,
// as against the network, the file system or a cancelled context.
func aboutContent(err error) bool {
	var (
		absent   *AbsentError
		notFound *NotFoundError
		limit    *LimitError
		format   *FormatError
	)
	return errors.As(err, &absent) || errors.As(err, &notFound) ||
		errors.As(err, &limit) || errors.As(err, &format)
}
