package image

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/imageverify/verify/internal/corpus"
)

// TestRealImagesComeBackFromDockersRegistry starts Debian's docker-registry.
func TestRealImagesComeBackFromDockersRegistry(t *testing.T) {
	dir := filepath.Join(corpus.Dir(t), "images")
	host := corpus.Registry(t)
	for _, real := range realImages {
		if real.blobs {
			checkFromRegistry(t, host, filepath.Join(dir, real.layout), real.name, real.history)
		}
	}
	s := &server{}
	_, err := openFor(t, host+"/library/gone:1", s.options(t, Options{}))
	wantError(t, err, "no such repository in "+host+"/library/gone", "check the repository's name")
	_, err = openFor(t, host+"/library/alpine@"+"sha256:"+fmt.Sprintf("%064d", 0), s.options(t, Options{}))
	wantError(t, err, fmt.Sprintf("no image has the digest sha256:%064d in %s/library/alpine", 0, host),
		"check the repository's name and the digest")
}
