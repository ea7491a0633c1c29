package image

import (
	"context"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// leaf is an entry of an index, at any depth, that is not an index itself.
type leaf struct {
	desc  v1.Descriptor
	chain []Index
	// doc is set where the document had to be read to know that it is a leaf.
	doc *document
}

// leaves returns the images below entries in order, reading nested indexes. An
// index that does not hash to its digest and cannot be entered is a leaf too,
// without a manifest.
func (c *chooser) leaves(ctx context.Context, entries []v1.Descriptor, chain []Index) ([]leaf, error) {
	var all []leaf
	for _, d := range entries {
		if d.MediaType != "" && !d.MediaType.IsIndex() {
			all = append(all, leaf{desc: d, chain: chain})
			continue
		}
		below, err := c.below(ctx, d, chain)
		if err != nil {
			return nil, err
		}
		all = append(all, below...)
	}
	return all, nil
}

// below reads an entry that is, or may be, an index.
func (c *chooser) below(ctx context.Context, d v1.Descriptor, chain []Index) ([]leaf, error) {
	doc, err := c.loadIndex(ctx, d)
	if err != nil {
		return nil, err
	}
	inner, err := c.belowDocument(ctx, doc, chain)
	if err != nil && doc.mismatched() && aboutContent(err) {
		return []leaf{{desc: d, chain: chain, doc: broken(doc, chain, err).doc}}, nil
	}
	return inner, err
}

func (c *chooser) belowDocument(ctx context.Context, doc *document, chain []Index) ([]leaf, error) {
	if doc.err != nil {
		return nil, doc.err
	}
	if doc.index == nil {
		return []leaf{{desc: doc.desc, chain: chain, doc: doc}}, nil
	}
	chain, err := c.enter(doc, chain)
	if err != nil {
		return nil, err
	}
	return c.leaves(ctx, images(doc.index.Manifests), chain)
}

// loadLeaf reads a leaf's manifest unless it has been read. An index under a
// manifest's media type has been refused by its parser.
func (c *chooser) loadLeaf(ctx context.Context, l leaf) (*document, error) {
	if l.doc != nil {
		return l.doc, nil
	}
	return load(ctx, c.src, l.desc)
}

// descriptors lists the leaves' descriptors.
func descriptors(leaves []leaf) []v1.Descriptor {
	all := make([]v1.Descriptor, len(leaves))
	for i, l := range leaves {
		all[i] = l.desc
	}
	return all
}

// noPlatform says that none of entries is for the wanted platform.
func (c *chooser) noPlatform(entries []v1.Descriptor) error {
	e := &NotFoundError{What: "no image for " + c.o.wanted().String(), Where: c.src.where(), Label: "present"}
	for _, d := range entries {
		name := "@" + d.Digest.String() + " of no platform"
		if hasPlatform(d) {
			name = d.Platform.String()
		}
		if !slices.Contains(e.Present, name) {
			e.Present = append(e.Present, name)
		}
	}
	if len(e.Present) == 0 {
		e.Advice = "the index lists no image"
	}
	return e
}

// noImage says that there are only attachments.
func (c *chooser) noImage() error {
	return &NotFoundError{What: "no image", Where: c.src.where(),
		Advice: "there are only signatures, attestations or other artifacts"}
}
