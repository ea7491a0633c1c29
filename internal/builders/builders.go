// Package builders starts the real image builders that tests compare with:
// Debian's Docker Engine (whose classic builder still works), BuildKit built
// from its Go module, and Debian's buildah. Everything runs on unix sockets in
// temporary folders, as root, for as long as the test that asked for it. cosign,
// built from its Go module, signs what they and others made.
package builders

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// patience is how long a daemon may take to answer for the first time.
const patience = 30 * time.Second

// shortDir is a temporary folder with a path short enough for a unix socket.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "b")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// start runs a daemon until the test ends, and waits until ready says that it
// answers. kill ends it at once.
func start(t testing.TB, origin string, ready func() error, name string, args ...string) (kill func() error) {
	t.Helper()
	var log bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatalf("%s (%s): %v", name, origin, err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	stop := func() {
		_ = cmd.Process.Signal(os.Interrupt)
		select {
		case <-exited:
		case <-time.After(patience):
			_ = cmd.Process.Kill()
			<-exited
		}
	}
	for end := time.Now().Add(patience); ; {
		err := ready()
		if err == nil {
			t.Cleanup(stop)
			return cmd.Process.Kill
		}
		select {
		case end := <-exited:
			t.Fatalf("%s ended: %v\n%s", name, end, log.String())
		case <-time.After(100 * time.Millisecond):
		}
		if time.Now().After(end) {
			stop()
			t.Fatalf("%s does not answer: %v\n%s", name, err, log.String())
		}
	}
}

// run runs a program with more environment and returns what it wrote to its
// standard output.
func run(t testing.TB, environment []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), environment...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, stdout.String(), stderr.String())
	}
	return stdout.String()
}

// Context writes files by path into a new folder and returns it: a build
// context. Modes are 0644, and 0755 for what begins with "#!".
func Context(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		mode := os.FileMode(0o644)
		if strings.HasPrefix(text, "#!") {
			mode = 0o755
		}
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, mode); err != nil { // whatever the umask
			t.Fatal(err)
		}
	}
	return dir
}

// cacheFile names a program that the Makefile's target "builders" makes.
func cacheFile(folder, program string) (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "verify-builders", folder, program)
	if _, err := os.Stat(name); err != nil {
		return "", fmt.Errorf("%w (make builders makes it)", err)
	}
	return name, nil
}
