package image

import (
	"context"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Open opens what reference names:
//
//	[docker://][HOST/]REPOSITORY[:TAG][@DIGEST]
//	oci:DIRECTORY[:REF|@DIGEST]
//	oci-archive:FILE[:REF|@DIGEST]
//	docker-archive:FILE[:REF|:IMAGE-ID]
//	docker-daemon:REF or docker-daemon:IMAGE-ID
//
// Indexes and the chosen images' manifests are read, nothing else, except that
// the config of a single manifest is read where o.PlatformExplicit asks about it,
// and that the config of an image without a manifest tells what its layers are.
// Errors about the reference or the image are one line and have a Hint method;
// the caller closes the set.
func Open(ctx context.Context, reference string, o Options) (*Set, error) {
	if o.Platform != nil && o.Platform.OS == "" {
		return nil, &ReferenceError{Given: reference, Problem: "the platform to open names no operating system",
			Advice: "write it as linux/amd64 or linux/arm/v7"}
	}
	if err := unsupported(reference); err != nil {
		return nil, err
	}
	switch kind, _, _ := strings.Cut(reference, ":"); kind {
	case KindLayout, KindArchive:
		return openLocal(ctx, reference, kind, o)
	case KindDockerArchive:
		return openDockerArchive(ctx, reference, o)
	case KindDockerDaemon:
		return openDockerDaemon(ctx, reference, o)
	}
	return openRegistry(ctx, reference, o)
}

// openRegistry opens a reference to a registry.
func openRegistry(ctx context.Context, given string, o Options) (*Set, error) {
	ref, err := parseRegistry(given)
	if err != nil {
		return nil, err
	}
	src, err := o.Registries.of(ref, o)
	if err != nil {
		return nil, err
	}
	doc, err := src.resolve(ctx, ref)
	if err != nil {
		return nil, err
	}
	found, err := newChooser(src, o).followDocument(ctx, doc, nil)
	if err != nil {
		return nil, err
	}
	set := newSet(src, found, Reference{Given: given, Kind: KindRegistry, Name: ref.name(),
		Pinned: ref.digest != v1.Hash{}, Tag: ref.tag})
	set.finder = attachedIn{src, o.Unwanted}
	return set, nil
}

// openLocal opens a reference to a layout or an archive of one.
func openLocal(ctx context.Context, given, kind string, o Options) (*Set, error) {
	ref, err := parseLocal(given, kind)
	if err != nil {
		return nil, err
	}
	src, root, err := openStore(ctx, given, ref)
	if err != nil {
		return nil, err
	}
	return openRoot(ctx, given, ref, src, root, o)
}

// openRoot opens what a reference names in a layout or an archive of one.
func openRoot(ctx context.Context, given string, ref localReference, src source, root *v1.IndexManifest, o Options) (*Set, error) {
	found, err := chooseLocal(ctx, src, root, ref, o)
	if err != nil {
		src.close()
		return nil, err
	}
	named := commonName(found)
	r := Reference{Given: given, Kind: ref.kind, Store: ref.where(), Pinned: ref.digest != v1.Hash{}, Tag: named.tag}
	if named != (registryReference{}) {
		r.Name, r.OwnAccount = named.name(), true
	}
	set := newSet(src, found, r)
	set.root, set.finder = root.Manifests, &store{src: src, root: root.Manifests}
	return set, nil
}

// openStore opens a layout's directory or archive and its index.json.
func openStore(ctx context.Context, given string, ref localReference) (source, *v1.IndexManifest, error) {
	if ref.kind == KindArchive {
		return openArchive(ctx, given, ref)
	}
	return openLayout(given, ref)
}

// chooseLocal finds what the reference names below a layout's index.json.
func chooseLocal(ctx context.Context, src source, root *v1.IndexManifest, ref localReference, o Options) ([]found, error) {
	c := newChooser(src, o)
	switch {
	case ref.digest != v1.Hash{}:
		return c.byDigest(ctx, root.Manifests, ref.digest)
	case ref.ref != "":
		return c.byRef(ctx, root.Manifests, ref.ref)
	default:
		return c.fromRoot(ctx, root.Manifests)
	}
}

// newSet makes the set of what was found.
func newSet(src source, all []found, r Reference) *Set {
	s := &Set{Reference: r, Close: src.close, src: src}
	for _, f := range all {
		s.Images = append(s.Images, f.image(src))
	}
	if indexes := all[0].indexes; len(indexes) > 0 {
		s.Index = &indexes[0]
	}
	if sharesNoIndex(all) {
		s.Index = nil
	}
	return s
}

// sharesNoIndex reports whether images were reached through different outermost
// indexes, or some of them through none.
func sharesNoIndex(all []found) bool {
	for _, f := range all {
		if len(f.indexes) == 0 || f.indexes[0].Descriptor.Digest != all[0].indexes[0].Descriptor.Digest {
			return true
		}
	}
	return false
}

// commonName returns the name that a layout gives to all that was found, or the
// zero value.
func commonName(all []found) registryReference {
	named := all[0].named
	for _, f := range all {
		if f.named != named {
			return registryReference{}
		}
	}
	return named
}
