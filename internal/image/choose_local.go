package image

import (
	"context"
	"errors"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// fromRoot finds what a layout holds when the reference names nothing in it.
func (c *chooser) fromRoot(ctx context.Context, entries []v1.Descriptor) ([]found, error) {
	candidates := images(entries)
	if len(candidates) == 0 {
		return nil, c.noImage()
	}
	return c.among(ctx, candidates, c.followImage)
}

// byRef finds what a layout calls ref. What the user names is taken, also when
// it is an attachment.
func (c *chooser) byRef(ctx context.Context, entries []v1.Descriptor, ref string) ([]found, error) {
	matches := matchRef(entries, ref)
	if len(matches) == 0 {
		return nil, &NotFoundError{What: "no image is named " + ref, Where: c.src.where(),
			Label: "present", Present: present(images(entries)), Advice: "the layout holds no image"}
	}
	if candidates := images(matches); len(candidates) > 0 {
		matches = candidates
	}
	return c.among(ctx, matches, c.follow)
}

// follower is follow or followImage.
type follower func(context.Context, v1.Descriptor, []Index) ([]found, error)

// among finds the image among candidates of a layout's index.json: the only one;
// or, when all have platforms, the one of the wanted platform.
func (c *chooser) among(ctx context.Context, candidates []v1.Descriptor, follow follower) ([]found, error) {
	candidates = distinct(candidates)
	if len(candidates) > 1 && !allHavePlatforms(candidates) {
		var err error
		if candidates, err = c.dropAttached(ctx, candidates); err != nil {
			return nil, err
		}
	}
	if len(candidates) == 1 {
		all, err := follow(ctx, candidates[0], nil)
		return withName(all, candidates[0]), err
	}
	if !allHavePlatforms(candidates) {
		return nil, c.several("several images", candidates)
	}
	return c.amongPlatforms(ctx, candidates)
}

// amongPlatforms treats candidates as the entries of one index. Two of them for
// the wanted platform are two images: the user must say which.
func (c *chooser) amongPlatforms(ctx context.Context, candidates []v1.Descriptor) ([]found, error) {
	if !c.o.AllPlatforms {
		same := filter(candidates, c.mayBeWanted)
		if len(same) > 1 {
			return nil, c.several("several images for "+c.o.wanted().String(), same)
		}
	}
	all, err := c.byPlatform(ctx, candidates, nil)
	for i, f := range all {
		if j := slices.IndexFunc(candidates, func(d v1.Descriptor) bool { return d.Digest == f.outermost() }); j >= 0 {
			all[i].named = ownName(candidates[j])
		}
	}
	return all, err
}

// outermost returns the digest of the outermost document that led to an image.
func (f found) outermost() v1.Hash {
	if len(f.indexes) > 0 {
		return f.indexes[0].Descriptor.Digest
	}
	return f.doc.desc.Digest
}

// byDigest finds the descriptor of a digest at any depth of a layout.
func (c *chooser) byDigest(ctx context.Context, entries []v1.Descriptor, want v1.Hash) ([]found, error) {
	for _, d := range entries {
		all, err := c.search(ctx, d, want, nil)
		if err != nil {
			return nil, err
		}
		if all != nil {
			return withName(all, d), nil
		}
	}
	return nil, &NotFoundError{What: "no image has the digest " + want.String(), Where: c.src.where(),
		Label: "present", Present: present(entries), Advice: "the layout is empty"}
}

// search looks for a digest at d and below it; nil when it is not there. Below an
// index that is absent or is none there is nothing.
func (c *chooser) search(ctx context.Context, d v1.Descriptor, want v1.Hash, chain []Index) ([]found, error) {
	if d.Digest == want {
		return c.follow(ctx, d, chain)
	}
	if d.MediaType != "" && !d.MediaType.IsIndex() {
		return nil, nil
	}
	doc, err := c.loadIndex(ctx, d)
	if absent := (*AbsentError)(nil); errors.As(err, &absent) {
		return nil, nil
	}
	if err != nil || doc.index == nil {
		return nil, err
	}
	if chain, err = c.enter(doc, chain); err != nil {
		return nil, err
	}
	for _, inner := range doc.index.Manifests {
		all, err := c.search(ctx, inner, want, chain)
		if all != nil || err != nil {
			return all, err
		}
	}
	return nil, nil
}

// dropAttached reads the documents of the candidates and drops those that say
// themselves that they are attached to another one, unless their entries name
// platforms to run them on.
func (c *chooser) dropAttached(ctx context.Context, candidates []v1.Descriptor) ([]v1.Descriptor, error) {
	if len(candidates) > MaxImages {
		return nil, c.several("several images", candidates)
	}
	var kept []v1.Descriptor
	for _, d := range candidates {
		doc, err := load(ctx, c.src, d)
		if err != nil && !aboutContent(err) {
			return nil, err
		}
		if err != nil || !doc.attached() {
			kept = append(kept, d)
		}
	}
	if len(kept) == 0 {
		return nil, c.noImage()
	}
	return kept, nil
}

// attached reports whether a document says that it is attached to another one.
func (d *document) attached() bool {
	if d.index != nil {
		return (d.index.Subject != nil || d.index.ArtifactType != "") && !isForMachines(d.desc)
	}
	return found{doc: d}.attached()
}

// several says that the reference names more than one image.
func (c *chooser) several(what string, candidates []v1.Descriptor) error {
	return &NotFoundError{What: what, Where: c.src.where(),
		Label: "write " + c.src.where() + ":NAME or @DIGEST; present", Present: present(candidates)}
}

// ambiguous says that several images are for the wanted platform.
func (c *chooser) ambiguous(candidates []v1.Descriptor) error {
	e := &NotFoundError{What: "several images for " + c.o.wanted().String(), Where: c.src.where(),
		Label: "write " + c.src.where() + "@DIGEST; present"}
	for _, d := range candidates {
		e.Present = append(e.Present, "@"+d.Digest.String())
	}
	return e
}

// distinct drops entries that name a digest again, as an image with two names has.
func distinct(entries []v1.Descriptor) []v1.Descriptor {
	seen := map[v1.Hash]bool{}
	return filter(entries, func(d v1.Descriptor) bool {
		again := seen[d.Digest]
		seen[d.Digest] = true
		return !again
	})
}

func allHavePlatforms(entries []v1.Descriptor) bool {
	return !slices.ContainsFunc(entries, func(d v1.Descriptor) bool { return !hasPlatform(d) })
}

// withName sets the name that a layout's entry gives to what was found below it.
func withName(all []found, d v1.Descriptor) []found {
	for i := range all {
		all[i].named = ownName(d)
	}
	return all
}
