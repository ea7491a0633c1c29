package image

import (
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

const (
	// refNameAnnotation holds a name or only a tag, as the OCI image layout says.
	refNameAnnotation = "org.opencontainers.image.ref.name"
	// imageNameAnnotation holds a full name; containerd and BuildKit write it.
	imageNameAnnotation = "io.containerd.image.name"
)

// matchRef returns the entries whose ref.name is ref, else those whose ref.name
// has ref as its tag.
func matchRef(entries []v1.Descriptor, ref string) []v1.Descriptor {
	exact := filter(entries, func(d v1.Descriptor) bool { return d.Annotations[refNameAnnotation] == ref })
	if len(exact) > 0 {
		return exact
	}
	return filter(entries, func(d v1.Descriptor) bool {
		tag := tagPart(d.Annotations[refNameAnnotation])
		return tag != "" && tag == ref
	})
}

// tagPart returns the tag in a name such as HOST:PORT/REPOSITORY:TAG, or "".
func tagPart(refName string) string {
	refName, _, _ = strings.Cut(refName, "@")
	colon := strings.LastIndexByte(refName, ':')
	if colon < 0 || strings.Contains(refName[colon:], "/") {
		return ""
	}
	return refName[colon+1:]
}

// ownName returns the name that a layout's entry gives to its image, or the zero
// value: io.containerd.image.name, else a ref.name that is more than a tag.
func ownName(d v1.Descriptor) registryReference {
	if n, ok := parseOwnName(d.Annotations[imageNameAnnotation]); ok {
		return n
	}
	return nameOf(d.Annotations[refNameAnnotation])
}

// nameOf returns the name in text that is more than a tag, or the zero value.
func nameOf(text string) registryReference {
	if !strings.ContainsAny(text, ":/@") {
		return registryReference{}
	}
	n, _ := parseOwnName(text)
	return n
}

func parseOwnName(text string) (registryReference, bool) {
	if text == "" {
		return registryReference{}, false
	}
	n, err := parseRegistry(text)
	if err != nil {
		return registryReference{}, false
	}
	return n, true
}

// present lists the names of entries, or the digests of those that have none.
func present(entries []v1.Descriptor) []string {
	var names []string
	for _, d := range entries {
		n := d.Annotations[refNameAnnotation]
		if n == "" {
			n = "@" + d.Digest.String()
		}
		if !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return names
}

func filter(entries []v1.Descriptor, keep func(v1.Descriptor) bool) []v1.Descriptor {
	var kept []v1.Descriptor
	for _, d := range entries {
		if keep(d) {
			kept = append(kept, d)
		}
	}
	return kept
}
