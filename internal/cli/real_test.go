package cli

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/imageverify/verify/internal/corpus"
)

// TestRealRegistryScripts runs the scripts against Debian's docker-registry,
// filled with the real images, at $REG.
func TestRealRegistryScripts(t *testing.T) {
	corpus.Real(t)
	dir := corpus.Dir(t)
	host := startRegistry(t)
	for layout, ref := range map[string]string{
		"alpine-3.20.3":     "library/alpine:3.20.3",
		"alpine-3.14.10":    "library/alpine:3.14.10",
		"hello-world-linux": "library/hello-world:linux",
	} {
		if err := push(filepath.Join(dir, "images", layout), host+"/"+ref); err != nil {
			t.Fatalf("push %s: %v", ref, err)
		}
	}
	runScripts(t, "testdata/real", func(e *testscript.Env) {
		corpusEnv(e, dir)
		e.Setenv("REG", host)
	})
}

// startRegistry starts docker-registry on a free loopback port, and stops it
// when the test ends.
func startRegistry(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := l.Addr().String()
	l.Close()
	dir := t.TempDir()
	config := filepath.Join(dir, "config.yml")
	text := fmt.Sprintf("version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: %s\nhttp:\n  addr: %s\n", filepath.Join(dir, "data"), host)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("docker-registry", "serve", config)
	if err := cmd.Start(); err != nil {
		t.Fatalf("docker-registry: %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for range 100 {
		if resp, err := http.Get("http://" + host + "/v2/"); err == nil {
			resp.Body.Close()
			return host
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("docker-registry does not answer")
	return ""
}

// TestDemoPassesInAnEmptyNetworkNamespace runs the demo where even loopback is
// down.
func TestDemoPassesInAnEmptyNetworkNamespace(t *testing.T) {
	corpus.Real(t)
	program := filepath.Join(t.TempDir(), "verify")
	if out, err := exec.Command("go", "build", "-o", program, "github.com/imageverify/verify/cmd/verify").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	if out, err := exec.Command("unshare", "--net", program, "demo").CombinedOutput(); err != nil {
		t.Errorf("verify demo without a network: %v\n%s", err, out)
	}
}
