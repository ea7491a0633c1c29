package image

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/imageverify/verify/internal/corpus"
)

// TestRealImagesComeBackFromDockersRegistry starts Debian's docker-registry.
func TestRealImagesComeBackFromDockersRegistry(t *testing.T) {
	corpus.Real(t)
	dir := filepath.Join(corpus.Dir(t), "images")
	host := startDockerRegistry(t)
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

// startDockerRegistry runs docker-registry on a free loopback port until the test
// ends, and returns its host:port.
func startDockerRegistry(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("docker-registry")
	if err != nil {
		t.Skip("docker-registry is not installed: apt-get install docker-registry")
	}
	dir := t.TempDir()
	host := freePort(t)
	config := fmt.Sprintf("version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: %s\nhttp:\n  addr: %s\n",
		filepath.Join(dir, "data"), host)
	file := filepath.Join(dir, "config.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	var output bytes.Buffer
	command := exec.Command(program, "serve", file)
	command.Stdout, command.Stderr = &output, &output
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	if err := waitFor("http://" + host + "/v2/"); err != nil {
		_ = command.Process.Kill()
		_ = command.Wait()
		t.Fatalf("docker-registry: %v\n%s", err, output.String())
	}
	return host
}

// freePort returns a loopback address that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// waitFor waits until a URL answers.
func waitFor(url string) error {
	err := errors.New("not asked")
	for range 100 {
		var resp *http.Response
		if resp, err = http.Get(url); err == nil {
			return resp.Body.Close()
		}
		time.Sleep(100 * time.Millisecond)
	}
	return err
}
