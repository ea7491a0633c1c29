package image

import (
	"errors"
	"os"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// dockerHub is how Docker Hub is named in results. Its other names are read as
// this one.
const dockerHub = "docker.io"

var (
	errScheme = errors.New("a reference has no URL scheme")
	errPath   = errors.New("each part of a repository's path starts and ends with a letter or digit, and all have 255 characters at most")
)

// registryReference is a reference to a registry, parsed.
type registryReference struct {
	host       string // canonical: docker.io for Docker Hub
	repository string // with library/ where Docker Hub implies it
	tag        string // "" where only a digest was given
	digest     v1.Hash
}

// name is the reference's full name, without the digest.
func (r registryReference) name() string {
	return r.host + "/" + r.repository + prefixed(":", r.tag)
}

// canonicalHost gives Docker Hub's hosts one name.
func canonicalHost(host string) string {
	host = strings.ToLower(host)
	switch host {
	case dockerHub, name.DefaultRegistry, "registry-1.docker.io":
		return dockerHub
	}
	return host
}

// parseRegistry parses [HOST/]REPOSITORY[:TAG][@DIGEST].
func parseRegistry(given string) (registryReference, error) {
	text, digest, pinned := strings.Cut(strings.TrimPrefix(given, "docker://"), "@")
	ref := registryReference{}
	if pinned {
		h, err := v1.NewHash(digest)
		if err != nil {
			return ref, &ReferenceError{Given: given, Problem: "what follows @ is not a digest",
				Advice: "a digest is sha256: and 64 hexadecimal digits", Err: err}
		}
		ref.digest = h
	}
	if err := ref.setName(text, pinned); err != nil {
		return ref, &ReferenceError{Given: given, Problem: "not an image reference: " + err.Error(),
			Advice: adviceFor(given), Err: err}
	}
	return ref, nil
}

// setName parses the part before the digest.
func (r *registryReference) setName(text string, pinned bool) error {
	if strings.Contains(text, "://") {
		return errScheme
	}
	tag, err := name.NewTag(canonicalName(text), name.WithDefaultTag(defaultTag(pinned)))
	if err != nil {
		return err
	}
	r.host = canonicalHost(tag.RegistryStr())
	r.repository = tag.RepositoryStr()
	if !isRepositoryPath(r.repository) {
		return errPath
	}
	if r.tag = tag.TagStr(); r.tag == noTag {
		r.tag = ""
	}
	return nil
}

// maxRepositoryPath is the longest path that registries accept, with the
// library/ that Docker Hub implies.
const maxRepositoryPath = 255

// isRepositoryPath reports whether every component of a repository's path starts
// and ends with a letter or digit; the name package lets ".." and "" through,
// which would lead to another path on the registry.
func isRepositoryPath(path string) bool {
	if len(path) > maxRepositoryPath {
		return false
	}
	for component := range strings.SplitSeq(path, "/") {
		if component == "" || strings.Trim(component, "._-") != component {
			return false
		}
	}
	return true
}

// noTag stands for "no tag given" beside a digest; no tag can hold an @.
const noTag = "@"

func defaultTag(pinned bool) string {
	if pinned {
		return noTag
	}
	return name.DefaultTag
}

// canonicalName gives Docker Hub's other host the name that implies library/.
func canonicalName(text string) string {
	host, rest, ok := strings.Cut(text, "/")
	if ok && canonicalHost(host) == dockerHub {
		return dockerHub + "/" + rest
	}
	return text
}

// adviceFor says what the user may have meant by what is not a reference.
func adviceFor(given string) string {
	if info, err := os.Stat(given); err == nil {
		if info.IsDir() {
			return "for the OCI layout in that directory write oci:" + given
		}
		return "for a tar archive of an OCI layout write oci-archive:" + given + ", for one of docker save docker-archive:" + given
	}
	if strings.Contains(given, "://") {
		return "write it without the scheme, as HOST/REPOSITORY:TAG"
	}
	return "write REPOSITORY:TAG, HOST/REPOSITORY@DIGEST, oci:DIRECTORY, oci-archive:FILE, docker-archive:FILE or docker-daemon:NAME"
}

// unsupported refuses the transports of other tools, which would otherwise be
// read as a repository's name.
func unsupported(given string) error {
	for _, scheme := range []string{"containers-storage:", "ostree:"} {
		if strings.HasPrefix(given, scheme) {
			return &ReferenceError{Given: given, Problem: scheme + " is not supported",
				Advice: "save the image and write oci:DIRECTORY, oci-archive:FILE or docker-archive:FILE"}
		}
	}
	return nil
}
