package replay

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/checksums"
	"github.com/imageverify/verify/internal/corpus"
	"github.com/imageverify/verify/provenance/dockerfile"
)

// fact is what a registry said of an image.
type fact struct {
	Architecture, Variant, Directory, Tarball string
	Layer                                     struct {
		Digest string
		Size   int64
	}
}

type factFile struct {
	Source struct{ Commit string }
	Images []fact
}

func readFacts(t *testing.T, name string) factFile {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(corpus.Dir(t), "facts", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var f factFile
	if err := json.Unmarshal(data, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

// blobSum hashes and counts a compressed layer.
type blobSum struct {
	digest v1.Hash
	size   int64
}

func compressed(t *testing.T, in Input, stamp Stamp) (*Written, blobSum) {
	t.Helper()
	sum := checksums.NewSumWriter(io.Discard)
	z := Compress(sum)
	w, err := WriteLayer(t.Context(), in, stamp, z)
	if err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return w, blobSum{sum.Digest(), sum.Size()}
}

func TestBlobsOfPublishedImagesFollowFromGit(t *testing.T) {
	git := filepath.Join(corpus.Dir(t), "git")
	// When hello was written into the build context, a few seconds before created.
	written := map[string]int64{"amd64": 1632440870, "arm64": 1647706371, "s390x": 1632436790}
	for _, c := range []struct {
		facts, mirror, dialect string
		images, times          int
		directive              func(fact) dockerfile.Directive
	}{
		{"alpine-3.20.3", "alpinelinux+docker-alpine.git", BuildKit, 8, 0, func(f fact) dockerfile.Directive { return addOf("/", f.Tarball) }},
		{"alpine-3.14.10", "alpinelinux+docker-alpine.git", Classic, 5, 0, func(f fact) dockerfile.Directive { return addOf("/", f.Tarball) }},
		{"hello-world-linux", "docker-library+hello-world.git", Classic, 3, 1, func(fact) dockerfile.Directive { return copyOf("/", "hello") }},
	} {
		t.Run(c.facts, func(t *testing.T) {
			t.Parallel()
			facts := readFacts(t, c.facts)
			if len(facts.Images) != c.images {
				t.Errorf("%d images, want %d", len(facts.Images), c.images)
			}
			for _, f := range facts.Images {
				in := Input{Directive: c.directive(f), Dialect: c.dialect, Umask: 0o002, Piped: true,
					Context: gitFolder(t, filepath.Join(git, c.mirror), facts.Source.Commit, f.Directory)}
				at := func(string) (time.Time, bool) { return time.Unix(written[f.Architecture], 0), true }
				w, blob := compressed(t, in, Stamp{Time: at})
				if got := blob.digest.String(); got != f.Layer.Digest || blob.size != f.Layer.Size {
					t.Errorf("%s%s: %s of %d bytes, published %s of %d", f.Architecture, f.Variant, got, blob.size, f.Layer.Digest, f.Layer.Size)
				}
				if len(w.Times) != c.times || len(w.Undated) > 0 {
					t.Errorf("%s%s: times from elsewhere %v, none for %v", f.Architecture, f.Variant, w.Times, w.Undated)
				}
			}
		})
	}
}

func diffIDOf(archive []byte) string {
	sum := sha256.Sum256(archive)
	return hex.EncodeToString(sum[:])
}
