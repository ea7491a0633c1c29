package verify

import (
	"path/filepath"
	"testing"

	"github.com/imageverify/verify/internal/corpus"
)

// BenchmarkRebuild goes from alpine's tarball in git to the digest of its
// manifest: the library looked up, objects hashed, the layer assembled and
// compressed, the layout written.
func BenchmarkRebuild(b *testing.B) {
	dir := filepath.Join(corpus.Dir(b), "git")
	o := Options{Platform: "linux/amd64", Offline: true, Library: filepath.Join(dir, "official-images.git"), Cache: filepath.Join(b.TempDir(), "cache"),
		GitMirrors: map[string]string{alpineSource: filepath.Join(dir, "alpinelinux+docker-alpine.git")}}
	make := func() {
		r, err := Rebuild(b.Context(), "alpine:3.20.3", o, RebuildOptions{To: filepath.Join(b.TempDir(), "out")})
		if err != nil || r.Output == nil {
			b.Fatal(err, r)
		}
	}
	make() // fills the cache with the library's index
	for b.Loop() {
		make()
	}
}
