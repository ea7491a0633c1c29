package cli

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/imageverify/verify/internal/corpus"
)

// TestRealRegistryScripts runs the scripts against Debian's docker-registry,
// filled with the real images, at $REG.
func TestRealRegistryScripts(t *testing.T) {
	dir := corpus.Dir(t)
	host := corpus.Registry(t)
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
