package image

import (
	"path"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// daemonName returns the name or ID to ask for: a name without a tag means
// latest, where the daemon would send all tags there are.
func daemonName(given, ref string) (string, error) {
	if strings.Contains(ref, "@") {
		return "", &ReferenceError{Given: given, Problem: "an image in a daemon has no manifest that could have that digest",
			Advice: "write docker-daemon:NAME:TAG or docker-daemon:sha256:… with the image's ID"}
	}
	if _, err := v1.NewHash("sha256:" + strings.TrimPrefix(ref, "sha256:")); err == nil {
		return "sha256:" + strings.TrimPrefix(ref, "sha256:"), nil
	}
	var parsed registryReference
	err := parsed.setName(ref, false)
	if err == nil && (path.Clean(ref) != ref || leaves(ref)) {
		err = errPath
	}
	if err != nil {
		return "", &ReferenceError{Given: given, Problem: "not the name of an image: " + err.Error(),
			Advice: "write docker-daemon:NAME:TAG or docker-daemon:IMAGE-ID", Err: err}
	}
	if tagPart(ref) == "" {
		ref += ":" + parsed.tag
	}
	return ref, nil
}

// isShortID reports whether a reference can be the start of an image's ID.
func isShortID(ref string) bool {
	return len(ref) <= 64 && strings.Trim(ref, "0123456789abcdef") == ""
}

// sent chooses what a daemon was asked for in what it sent: a daemon that does
// not know Docker Hub's short names gives its own, and one that keeps images by
// their manifests knows other IDs.
func (s *saved) sent(asked string) (chosenImage, error) {
	c, err := s.choose(asked)
	if err == nil || len(s.images) != 1 {
		return c, err
	}
	image := &s.images[0]
	for _, tag := range image.RepoTags {
		if strings.HasSuffix(tag, "/"+asked) {
			return chosen(image, tag), nil
		}
	}
	if id := strings.TrimPrefix(asked, "sha256:"); isShortID(id) && s.holds(image, id) {
		return chosen(image, first(image.RepoTags)), nil
	}
	return chosenImage{}, &DaemonError{Host: s.sentBy.host, Problem: "was asked for " + asked + " and sent another image"}
}

// holds reports whether an ID starts like the image's, or like the digest of
// something else in the archive.
func (s *saved) holds(image *savedImage, id string) bool {
	if strings.HasPrefix(namedDigest(image.Config).Hex, id) {
		return true
	}
	for name := range s.files {
		if strings.HasPrefix(blobName(name).Hex, id) {
			return true
		}
	}
	return false
}
