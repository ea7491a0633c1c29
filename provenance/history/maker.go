package history

import (
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Maker is a program that makes images without a Dockerfile.
type Maker struct {
	Name string
	// Sign is the text of the history or the label's name that it is known by.
	Sign string
}

// signs tell makers by their own entries in history: a text that the field
// begins with. The texts are those of the programs' own source code.
var signs = []struct {
	maker  string
	field  func(v1.History) string
	prefix string
}{
	{"Jib", createdBy, "jib-"},
	{"ko", createdBy, "ko build "},
	{"ko", createdBy, "ko publish "},
	{"ko", author, "github.com/ko-build/ko"},
	{"ko", author, "github.com/google/ko"},
	{"apko", createdBy, "apko"},
	{"apko", comment, "This is an apko "},
	{"Bazel", createdBy, "bazel build "},
	{"Bazel", author, "Bazel"},
	{"Nix", comment, "store paths: ["},
	{"Cloud Native Buildpacks", createdBy, "Buildpacks "},
	{"Cloud Native Buildpacks", createdBy, "Buildpack "},
	{"kaniko", author, "kaniko"},
	{"umoci", createdBy, "umoci "},
	{"debuerreotype", comment, "debuerreotype "},
	{"docker import", comment, "Imported from "},
}

func createdBy(h v1.History) string { return h.CreatedBy }
func author(h v1.History) string    { return h.Author }
func comment(h v1.History) string   { return h.Comment }

// buildpackLabels are on every image that the buildpacks' lifecycle exports.
var buildpackLabels = []string{"io.buildpacks.lifecycle.metadata", "io.buildpacks.build.metadata"}

// MadeBy names the program that made the image, where its newest entry, or a
// label that only one program sets, tells of one that reads no Dockerfile; what
// an image is FROM may be of another. It is the image's own account.
func MadeBy(entries []v1.History, labels map[string]string) (Maker, bool) {
	for _, name := range buildpackLabels {
		if _, ok := labels[name]; ok {
			return Maker{"Cloud Native Buildpacks", name}, true
		}
	}
	if len(entries) == 0 {
		return Maker{}, false
	}
	last := entries[len(entries)-1]
	for _, s := range signs {
		if text := s.field(last); strings.HasPrefix(text, s.prefix) {
			return Maker{s.maker, text}, true
		}
	}
	return Maker{}, false
}
