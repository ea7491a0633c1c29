package builders

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/imageverify/verify/internal/corpus"
)

// Buildah is a store of Debian's buildah; it has no daemon.
type Buildah struct {
	dir string
}

// StartBuildah makes an empty store. It skips as corpus.Real does, and fails
// where the program is missing.
func StartBuildah(t testing.TB) *Buildah {
	t.Helper()
	corpus.Real(t)
	if _, err := exec.LookPath("buildah"); err != nil {
		t.Fatalf("Debian's package buildah: %v", err)
	}
	return &Buildah{dir: shortDir(t)}
}

// Build builds a context. args are more arguments of buildah bud, such as
// --layers or --timestamp.
func (b *Buildah) Build(t testing.TB, name, context string, args ...string) {
	t.Helper()
	args = append([]string{"bud", "--isolation", "chroot", "--network", "host", "--no-cache", "-t", name}, args...)
	b.Run(t, append(args, context)...)
}

// Push writes an image to a destination that containers/image knows, such as
// oci-archive:FILE or docker-archive:FILE.
func (b *Buildah) Push(t testing.TB, name, destination string) {
	t.Helper()
	b.Run(t, "push", name, destination)
}

// Run runs buildah on the store and returns its output.
func (b *Buildah) Run(t testing.TB, args ...string) string {
	t.Helper()
	return run(t, nil, "buildah", append([]string{"--root", filepath.Join(b.dir, "r"), "--runroot", filepath.Join(b.dir, "rr"), "--storage-driver", "vfs"}, args...)...)
}
