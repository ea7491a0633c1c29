package rebuild

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/imageverify/verify/provenance/library"
)

// OfficialAnnotations are those that the official library's pipeline puts on
// the manifest of an image (docker-library/meta-scripts, build_annotations).
// name is the library's name of the image, such as "alpine"; base the image
// that the Dockerfile's final stage is FROM.
func OfficialAnnotations(name string, e library.Entry, committed time.Time, base string) map[string]string {
	out := map[string]string{
		"com.docker.official-images.bashbrew.arch": e.Architecture,
		"org.opencontainers.image.base.name":       base,
		"org.opencontainers.image.created":         committed.UTC().Format(time.RFC3339),
		"org.opencontainers.image.revision":        e.Commit,
		"org.opencontainers.image.source":          officialSource(e),
		"org.opencontainers.image.url":             "https://hub.docker.com/_/" + name,
	}
	if tags := slices.Concat(e.Tags, e.SharedTags); len(tags) > 0 {
		out["org.opencontainers.image.version"] = tags[0]
	}
	return out
}

// officialSource is REPOSITORY.git#COMMIT:DIRECTORY.
func officialSource(e library.Entry) string {
	repository := e.Repository
	if strings.HasPrefix(repository, "https://github.com/") && !strings.HasSuffix(repository, ".git") {
		repository += ".git"
	}
	return repository + "#" + e.Commit + ":" + cmp.Or(e.Directory, ".")
}
