package image

import (
	"context"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"
)

// parallelManifests bounds the manifests that are asked for at one time.
const parallelManifests = 8

// found is an image that a reference names.
type found struct {
	doc     *document
	indexes []Index           // outermost first
	named   registryReference // by the layout's own account
}

// image hands a found image out.
func (f found) image(src source) *Image {
	return &Image{
		Descriptor:            f.doc.desc,
		DescriptorAnnotations: f.doc.desc.Annotations,
		Indexes:               f.indexes,
		src:                   src,
		manifest: Manifest{Raw: f.doc.raw, Got: f.doc.got, GotSize: int64(len(f.doc.raw)),
			Parsed: f.doc.manifest, ParseErr: f.doc.err},
	}
}

// chooser finds the images of one reference. It is used once.
type chooser struct {
	src source
	o   Options
	// read and bytes count what was read in search of images.
	read  int
	bytes int
}

func newChooser(src source, o Options) *chooser { return &chooser{src: src, o: o} }

// follow reads the document that desc names and finds the images in it.
func (c *chooser) follow(ctx context.Context, desc v1.Descriptor, chain []Index) ([]found, error) {
	if c.o.explicit() && hasPlatform(desc) && !SamePlatform(*desc.Platform, c.o.wanted()) {
		return nil, c.noPlatform([]v1.Descriptor{desc})
	}
	doc, err := load(ctx, c.src, desc)
	if err != nil {
		return nil, err
	}
	return c.followDocument(ctx, doc, chain)
}

// followDocument finds the images in a document. A document that does not hash to
// its digest and in which none can be found is returned as an image without a
// manifest: that its bytes are wrong is what there is to report.
func (c *chooser) followDocument(ctx context.Context, doc *document, chain []Index) ([]found, error) {
	all, err := c.inDocument(ctx, doc, chain)
	if err != nil && doc.mismatched() && aboutContent(err) {
		return []found{broken(doc, chain, err)}, nil
	}
	return all, err
}

// broken makes an image of a document that is none.
func broken(doc *document, chain []Index, err error) found {
	return found{doc: &document{desc: doc.desc, raw: doc.raw, got: doc.got, err: err}, indexes: chain}
}

func (c *chooser) inDocument(ctx context.Context, doc *document, chain []Index) ([]found, error) {
	if doc.err != nil {
		return nil, doc.err
	}
	if doc.index == nil {
		return c.single(ctx, doc, chain)
	}
	chain, err := c.enter(doc, chain)
	if err != nil {
		return nil, err
	}
	entries := images(doc.index.Manifests)
	if len(entries) == 1 {
		return c.followImage(ctx, entries[0], chain)
	}
	return c.byPlatform(ctx, entries, chain)
}

// followImage is follow for an entry that must not be an attachment.
func (c *chooser) followImage(ctx context.Context, desc v1.Descriptor, chain []Index) ([]found, error) {
	all, err := c.follow(ctx, desc, chain)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, found.attached)
	if len(all) == 0 {
		return nil, c.noImage()
	}
	return all, nil
}

// attached reports whether a found document says itself that it belongs to
// another one, or is an artifact, and its entry names no platform to run it on.
func (f found) attached() bool {
	m := f.doc.manifest
	return m != nil && (m.Subject != nil || m.ArtifactType != "") && !isForMachines(f.doc.desc)
}

// enter adds an index to the chain within the bound of depth.
func (c *chooser) enter(doc *document, chain []Index) ([]Index, error) {
	if len(chain) == MaxIndexDepth {
		return nil, &LimitError{What: titled("index", doc.desc.Digest) + ": indexes in one another", Limit: MaxIndexDepth}
	}
	index := Index{Descriptor: doc.desc, Raw: doc.raw, Got: doc.got, Manifest: doc.index}
	return append(slices.Clip(chain), index), nil
}

// loadIndex reads a document that is, or may be, an index, within the bounds of
// what is read for one reference.
func (c *chooser) loadIndex(ctx context.Context, d v1.Descriptor) (*document, error) {
	if c.read++; c.read > MaxIndexes {
		return nil, &LimitError{What: c.src.where() + ": indexes to read", Limit: MaxIndexes}
	}
	doc, err := load(ctx, c.src, d)
	if err != nil {
		return nil, err
	}
	if c.bytes += len(doc.raw); c.bytes > MaxIndexBytes {
		return nil, &LimitError{What: c.src.where() + ": bytes of indexes", Limit: MaxIndexBytes}
	}
	return doc, nil
}

// byPlatform chooses among the images of an index, nested indexes included.
func (c *chooser) byPlatform(ctx context.Context, entries []v1.Descriptor, chain []Index) ([]found, error) {
	leaves, err := c.leaves(ctx, entries, chain)
	if err != nil {
		return nil, err
	}
	if c.o.AllPlatforms {
		return c.all(ctx, leaves)
	}
	return c.one(ctx, leaves)
}

// one chooses the image of the wanted platform; if there is none, an index whose
// bytes are wrong, since the image may have been named there.
func (c *chooser) one(ctx context.Context, leaves []leaf) ([]found, error) {
	wanted, err := c.only(leaves)
	if err != nil {
		return nil, err
	}
	if wanted != nil {
		f, err := c.followLeaf(ctx, *wanted)
		if err != nil {
			return nil, err
		}
		return []found{f}, nil
	}
	for _, l := range leaves {
		if l.doc != nil && l.doc.err != nil {
			return []found{{doc: l.doc, indexes: l.chain}}, nil
		}
	}
	return nil, c.noPlatform(descriptors(leaves))
}

// only returns the one image for the wanted platform, or nil. Of two, which one is
// run depends on who runs it: they are refused. A digest that is listed twice is
// one image.
func (c *chooser) only(leaves []leaf) (*leaf, error) {
	var wanted *leaf
	var mine []v1.Descriptor
	for i, l := range leaves {
		if !c.mayBeWanted(l.desc) {
			continue
		}
		mine = append(mine, l.desc)
		if wanted == nil && SamePlatform(*l.desc.Platform, c.o.wanted()) {
			wanted = &leaves[i]
		}
	}
	if mine = distinct(mine); len(mine) > 1 {
		return nil, c.ambiguous(mine)
	}
	return wanted, nil
}

// mayBeWanted reports whether a descriptor is for the wanted platform, or would
// be if it named an operating system.
func (c *chooser) mayBeWanted(d v1.Descriptor) bool {
	if !hasPlatform(d) {
		return false
	}
	p := *d.Platform
	if p.OS == "" {
		p.OS = c.o.wanted().OS
	}
	return SamePlatform(p, c.o.wanted())
}

// followLeaf reads an image's manifest; an error says that it is not one.
func (c *chooser) followLeaf(ctx context.Context, l leaf) (found, error) {
	doc, err := c.loadLeaf(ctx, l)
	if err != nil {
		return found{}, err
	}
	if doc.err != nil && !doc.mismatched() {
		return found{}, doc.err
	}
	return found{doc: doc, indexes: l.chain}, nil
}

// all opens every image; one that cannot be read as one is kept with the reason,
// so that the others are still opened.
func (c *chooser) all(ctx context.Context, leaves []leaf) ([]found, error) {
	if len(leaves) > MaxImages {
		return nil, &LimitError{What: c.src.where() + ": images", Limit: MaxImages}
	}
	opened := make([]found, len(leaves))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelManifests)
	for i, l := range leaves {
		group.Go(func() error {
			doc, err := c.loadLeaf(ctx, l)
			if err != nil && !aboutContent(err) {
				return err
			}
			if err != nil {
				doc = &document{desc: l.desc, err: err}
			}
			opened[i] = found{doc: doc, indexes: l.chain}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	opened = slices.DeleteFunc(opened, found.attached)
	if len(opened) == 0 {
		return nil, c.noImage()
	}
	return opened, nil
}
