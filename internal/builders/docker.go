package builders

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/imageverify/verify/internal/corpus"
)

// dockerClient is Debian's client; a newer one elsewhere on the path sends
// other file modes to the classic builder.
const dockerClient = "/usr/bin/docker"

// Docker is a running Docker Engine 20.10.
type Docker struct {
	// Host is the value for DOCKER_HOST.
	Host string
}

// StartDocker starts Debian's dockerd, without a bridge and without rules for
// the firewall. It skips as corpus.Real does, and fails where the program is
// missing. args are more arguments of dockerd, such as --experimental.
func StartDocker(t testing.TB, args ...string) *Docker {
	t.Helper()
	corpus.Real(t)
	dir := shortDir(t)
	d := &Docker{Host: "unix://" + filepath.Join(dir, "d.sock")}
	answers := func() error { return exec.Command(dockerClient, "-H", d.Host, "version").Run() }
	start(t, "Debian's package docker.io", answers, "dockerd", append([]string{
		"--data-root", filepath.Join(dir, "data"), "--exec-root", filepath.Join(dir, "exec"),
		"--pidfile", filepath.Join(dir, "pid"), "-H", d.Host,
		"--iptables=false", "--bridge=none", "--storage-driver", "overlay2"}, args...)...)
	return d
}

// Run runs the docker client and returns its output.
func (d *Docker) Run(t testing.TB, args ...string) string {
	t.Helper()
	return run(t, nil, dockerClient, append([]string{"-H", d.Host}, args...)...)
}

// BuildClassic builds a context with the classic builder, without a network.
// args are more arguments of docker build.
func (d *Docker) BuildClassic(t testing.TB, name, context string, args ...string) {
	t.Helper()
	d.build(t, "DOCKER_BUILDKIT=0", name, context, args)
}

// BuildKit builds a context with the BuildKit that is part of the engine.
func (d *Docker) BuildKit(t testing.TB, name, context string, args ...string) {
	t.Helper()
	d.build(t, "DOCKER_BUILDKIT=1", name, context, args)
}

func (d *Docker) build(t testing.TB, builder, name, context string, args []string) {
	t.Helper()
	args = append([]string{"-H", d.Host, "build", "--network=none", "-t", name}, args...)
	run(t, []string{builder}, dockerClient, append(args, context)...)
}

// Save writes an image into a file, as docker save does.
func (d *Docker) Save(t testing.TB, name, file string) {
	t.Helper()
	d.Run(t, "save", "-o", file, name)
}
