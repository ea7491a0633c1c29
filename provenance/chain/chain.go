// Package chain compares an image with the one that it is said to be built on.
//
// Layers are compared by diff ID, never by the digest of a blob: a base whose
// layers were compressed again is still the base.
package chain

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
)

// Relation says how an image stands to a base.
type Relation struct {
	// Layers is how many layers the base has, Equal how many of them, counted
	// from the lowest, are the image's.
	Layers, Equal int
	// Entries is how many history entries the base has, EqualEntries how many of
	// them, counted from the oldest, are the image's.
	Entries, EqualEntries int
	// ChainID names the base's layers one upon the other, as the OCI image
	// specification defines it; zero where the base has none.
	ChainID v1.Hash
}

// Compare lays a base below an image.
func Compare(image, base *v1.ConfigFile) Relation {
	r := Relation{Layers: len(base.RootFS.DiffIDs), Entries: len(base.History), ChainID: ID(base.RootFS.DiffIDs)}
	r.Equal = common(image.RootFS.DiffIDs, base.RootFS.DiffIDs)
	for i := range min(len(image.History), len(base.History)) {
		if !sameEntry(image.History[i], base.History[i]) {
			break
		}
		r.EqualEntries++
	}
	return r
}

// OnLayers reports whether the base's layers are all there, and the lowest.
func (r Relation) OnLayers() bool { return r.Equal == r.Layers }

// OnHistory reports whether the base's history is all there, and the oldest.
func (r Relation) OnHistory() bool { return r.EqualEntries == r.Entries }

func common(a, b []v1.Hash) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// sameEntry compares two entries; times are compared as instants.
func sameEntry(a, b v1.History) bool {
	same := a.Created.Equal(b.Created.Time)
	a.Created, b.Created = v1.Time{}, v1.Time{}
	return same && reflect.DeepEqual(a, b)
}

// ID is the chain ID of layers, lowest first; zero for none.
func ID(diffIDs []v1.Hash) v1.Hash {
	if len(diffIDs) == 0 {
		return v1.Hash{}
	}
	list := make([]digest.Digest, len(diffIDs))
	for i, d := range diffIDs {
		list[i] = digest.Digest(d.String())
	}
	id, err := v1.NewHash(identity.ChainID(list).String())
	if err != nil {
		return v1.Hash{}
	}
	return id
}

// Lower is what an image's config tells of the image that it is built on: the
// lowest layers and the oldest entries, so many of each. Nothing else of the
// base's config is known. raw is its JSON, for a digest that names it.
func Lower(image *v1.ConfigFile, layers, entries int) (lower *v1.ConfigFile, raw []byte, err error) {
	if layers > len(image.RootFS.DiffIDs) || entries > len(image.History) {
		return nil, nil, fmt.Errorf("%d layers and %d entries of an image that has %d and %d", layers, entries, len(image.RootFS.DiffIDs), len(image.History))
	}
	lower = &v1.ConfigFile{
		Architecture: image.Architecture, OS: image.OS, OSVersion: image.OSVersion, Variant: image.Variant,
		RootFS:  v1.RootFS{Type: image.RootFS.Type, DiffIDs: slices.Clone(image.RootFS.DiffIDs[:layers])},
		History: slices.Clone(image.History[:entries]),
	}
	if entries > 0 {
		lower.Created = image.History[entries-1].Created
	}
	raw, err = json.Marshal(lower)
	return lower, raw, err
}

// hostForm is HOST or HOST:PORT; package name lets the port be empty, so that
// "oci:/path" would be a reference.
var hostForm = regexp.MustCompile(`^[a-zA-Z0-9.-]+(:[0-9]+)?$`)

// Reference is a reference to an image in a registry as FROM has it, with the
// host, the library and the tag that it implies: "docker.io/library/alpine:3.20".
// A digest stays behind the tag.
func Reference(text string) (string, error) {
	ref, err := name.ParseReference(text)
	if err != nil {
		return "", err
	}
	full := hub(ref.Context().Name())
	if host, _, _ := strings.Cut(full, "/"); !hostForm.MatchString(host) {
		return "", fmt.Errorf("%q is no registry's host", host)
	}
	if d, ok := ref.(name.Digest); ok {
		if tag := tagBefore(text); tag != "" {
			full += ":" + tag
		}
		return full + "@" + d.DigestStr(), nil
	}
	return full + ":" + ref.Identifier(), nil
}
