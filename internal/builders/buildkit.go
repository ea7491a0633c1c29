package builders

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imageverify/verify/internal/corpus"
)

// buildkitVersion is the module's version that the Makefile builds.
const buildkitVersion = "v0.34.2"

// BuildKit is a running buildkitd.
type BuildKit struct {
	// Address is the value for BUILDKIT_HOST.
	Address string

	client string
	dir    string
	kill   func() error
}

// StartBuildKit starts buildkitd with Debian's runc. It skips as corpus.Real
// does, and fails where a program is missing.
func StartBuildKit(t testing.TB) *BuildKit {
	t.Helper()
	corpus.Real(t)
	daemon, err := cacheFile("buildkit-"+buildkitVersion, "buildkitd")
	if err != nil {
		t.Fatal(err)
	}
	client, err := cacheFile("buildkit-"+buildkitVersion, "buildctl")
	if err != nil {
		t.Fatal(err)
	}
	dir := shortDir(t)
	b := &BuildKit{Address: "unix://" + filepath.Join(dir, "b.sock"), client: client, dir: dir}
	answers := func() error { return exec.Command(client, "--addr", b.Address, "debug", "workers").Run() }
	b.kill = start(t, "make builders", answers, daemon,
		"--root", filepath.Join(dir, "root"), "--addr", b.Address,
		"--oci-worker=true", "--containerd-worker=false", "--oci-worker-snapshotter=overlayfs",
		"--oci-worker-net=host", "--oci-worker-binary=/usr/sbin/runc")
	return b
}

// Build builds a context into an OCI archive: with SOURCE_DATE_EPOCH set to
// epoch (a decimal; "" leaves it unset), without a network for RUN, times
// rewritten. args are more arguments of buildctl build.
func (b *BuildKit) Build(t testing.TB, context, archive, epoch string, args ...string) {
	t.Helper()
	output := "type=oci,dest=" + archive
	if epoch != "" {
		output += ",rewrite-timestamp=true"
		args = append([]string{"--opt", "build-arg:SOURCE_DATE_EPOCH=" + epoch}, args...)
	}
	b.Run(t, append([]string{"build", "--progress=plain", "--no-cache", "--frontend=dockerfile.v0",
		"--local", "context=" + context, "--local", "dockerfile=" + context,
		"--opt", "force-network-mode=none", "--output", output}, args...)...)
}

// Run runs buildctl and returns its output.
func (b *BuildKit) Run(t testing.TB, args ...string) string {
	t.Helper()
	return run(t, nil, b.client, append([]string{"--addr", b.Address}, args...)...)
}

// Kill ends the daemon at once, and takes away the mounts that it leaves. What a
// RUN was doing goes on by itself.
func (b *BuildKit) Kill(t testing.TB) {
	t.Helper()
	if err := b.kill(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		mounts, err := os.ReadFile("/proc/self/mountinfo")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(mounts)) {
			if fields := strings.Fields(line); len(fields) > 4 && strings.HasPrefix(fields[4], b.dir+"/") {
				_ = exec.Command("umount", "--lazy", fields[4]).Run() // one below another goes with it
			}
		}
	})
}
