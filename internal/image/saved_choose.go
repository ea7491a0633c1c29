package image

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// manifestFile lists the images of an archive of `docker save`.
const manifestFile = "manifest.json"

// savedImage is an image as manifest.json has it: the names of files in the
// archive, and the image's own names.
type savedImage struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// savedOutline is what must be known of a savedImage before it is decoded.
type savedOutline struct {
	Config, RepoTags, Layers member
}

// savedShape is an image of manifest.json.
var savedShape = object([]string{"Config", "RepoTags", "Layers", "Parent"}, map[string]*shape{"LayerSources": freeForm})

// parseSaved parses manifest.json within the bounds of its lists. One in which a
// member could be read in two ways is refused.
func parseSaved(raw []byte, where string) ([]savedImage, error) {
	bad := func(problem string, err error) error {
		return &FormatError{What: manifestFile, Where: where, Problem: problem, Err: err}
	}
	if err := checkMembers("manifest", raw, savedShape, v1.Descriptor{}, where); err != nil {
		return nil, ofManifestFile(err)
	}
	var list []skipped
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, bad("is not a list of images", err)
	}
	if len(list) > MaxSavedImages {
		return nil, &LimitError{What: manifestFile + " in " + where + ": images", Limit: MaxSavedImages}
	}
	var outlines []savedOutline
	if err := json.Unmarshal(raw, &outlines); err != nil {
		return nil, bad("is not a list of images", err)
	}
	for _, o := range outlines {
		if o.Layers.count > MaxLayers {
			return nil, &LimitError{What: manifestFile + " in " + where + ": layers", Limit: MaxLayers}
		}
	}
	var images []savedImage
	if err := json.Unmarshal(raw, &images); err != nil {
		return nil, bad("is not a list of images", err)
	}
	for i, image := range images {
		if image.Config == "" {
			return nil, bad(fmt.Sprintf("names no config for image %d", i+1), nil)
		}
	}
	return images, nil
}

// ofManifestFile makes an error about a manifest one about manifest.json.
func ofManifestFile(err error) error {
	if format := (*FormatError)(nil); errors.As(err, &format) {
		format.What, format.Problem = manifestFile, strings.Replace(format.Problem, notJSON["manifest"], "is not a list of images", 1)
	}
	return err
}

// chosenImage is an image and the name it was asked for by, or its first one.
type chosenImage struct {
	image *savedImage
	name  registryReference // the zero value: it has none
}

// choose finds the image that ref names: by its ID; by one of its names, exactly
// or after normalisation; else by its tag. Without a ref there must be one only.
func (s *saved) choose(ref string) (chosenImage, error) {
	if ref == "" {
		return s.only()
	}
	if id, err := v1.NewHash(ref); err == nil {
		return s.among(ref, func(i savedImage) (string, bool) { return first(i.RepoTags), namedDigest(i.Config) == id })
	}
	wanted, isName := parseOwnName(ref)
	for _, same := range []func(tag string) bool{
		func(tag string) bool { return tag == ref },
		func(tag string) bool { own, ok := parseOwnName(tag); return ok && isName && own == wanted },
		func(tag string) bool { return tagPart(tag) == ref },
	} {
		if !slices.ContainsFunc(s.images, func(i savedImage) bool { return slices.ContainsFunc(i.RepoTags, same) }) {
			continue
		}
		return s.among(ref, func(i savedImage) (string, bool) {
			at := slices.IndexFunc(i.RepoTags, same)
			return first(i.RepoTags[max(at, 0):]), at >= 0
		})
	}
	return chosenImage{}, s.noneNamed(ref)
}

// only takes the one image that there is.
func (s *saved) only() (chosenImage, error) {
	switch len(s.images) {
	case 0:
		return chosenImage{}, &NotFoundError{What: "no image", Where: s.name, Advice: manifestFile + " lists none"}
	case 1:
		return chosen(&s.images[0], first(s.images[0].RepoTags)), nil
	}
	return chosenImage{}, s.several("several images")
}

// among takes the one image that matches, under the name that match gives.
func (s *saved) among(ref string, match func(savedImage) (string, bool)) (chosenImage, error) {
	var all []chosenImage
	for i := range s.images {
		if tag, ok := match(s.images[i]); ok {
			all = append(all, chosen(&s.images[i], tag))
		}
	}
	switch len(all) {
	case 0:
		return chosenImage{}, s.noneNamed(ref)
	case 1:
		return all[0], nil
	}
	return chosenImage{}, s.several("several images named " + ref)
}

func chosen(image *savedImage, tag string) chosenImage {
	return chosenImage{image: image, name: nameOf(tag)}
}

func (s *saved) noneNamed(ref string) error {
	return &NotFoundError{What: "no image is named " + ref, Where: s.name,
		Label: "present", Present: s.present(), Advice: manifestFile + " lists none"}
}

func (s *saved) several(what string) error {
	return &NotFoundError{What: what, Where: s.name,
		Label: "write " + s.store + ":NAME; present", Present: s.present()}
}

// present lists the names of the images, or the IDs of those that have none.
func (s *saved) present() []string {
	var names []string
	for _, image := range s.images {
		if len(image.RepoTags) > 0 {
			names = append(names, image.RepoTags...)
			continue
		}
		if id := namedDigest(image.Config); id != (v1.Hash{}) {
			names = append(names, id.String())
		}
	}
	return names
}

func first(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return names[0]
}
