package cli

import (
	"bytes"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"

	"github.com/imageverify/verify/internal/signers"
	"github.com/imageverify/verify/provenance/signature/signaturetest"
)

// runMain runs the program in this process.
func runMain(args ...string) (code int, output string) {
	var out bytes.Buffer
	code = Main(args, Env{Stdout: &out, Stderr: &out, Getenv: func(string) string { return "" }})
	return code, out.String()
}

func TestATrustedRootThatWasFetchedServesOffline(t *testing.T) {
	w := signaturetest.New(t)
	root := w.TrustedRoot()
	m := signers.NewMirror(t, root, 5, time.Now())
	mirror := m.Serve()
	first := filepath.Join(t.TempDir(), "root.json")
	if err := os.WriteFile(first, m.Root, 0o600); err != nil {
		t.Fatal(err)
	}
	image := filepath.Join(t.TempDir(), "image")
	path, err := layout.Write(image, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	if err := path.AppendImage(empty.Image); err != nil {
		t.Fatal(err)
	}
	digest, err := empty.Image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	signed := w.ByName(w.Leaf("somebody@example.com", "https://issuer.example.com"), signaturetest.Statement(digest, signaturetest.SignPredicate), signaturetest.StatementType)
	bundle := filepath.Join(t.TempDir(), "bundle.json")
	if err := os.WriteFile(bundle, signed.Bundle(digest, 3).Content, 0o600); err != nil {
		t.Fatal(err)
	}
	cache := filepath.Join(t.TempDir(), "cache")
	host, err := url.Parse(mirror)
	if err != nil {
		t.Fatal(err)
	}
	verified := []string{"oci:" + image, "--offline", "--cache-dir", cache, "--only", "signature.image", "--tuf-mirror", mirror, "--tuf-root", first,
		"--certificate-identity", "somebody@example.com", "--certificate-oidc-issuer", "https://issuer.example.com", "--bundle", bundle}
	initialize := []string{"initialize", "--mirror", mirror, "--root", first, "--cache-dir", cache, "--allow-host", host.Host}

	if code, out := runMain(verified...); !strings.Contains(out, "verify initialize") || code == exitVerified {
		t.Errorf("before: exit code %d\n%s", code, out)
	}
	if code, out := runMain(initialize...); code != exitVerified {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	if code, out := runMain(verified...); code != exitVerified {
		t.Errorf("after: exit code %d\n%s", code, out)
	}
	m.Publish(root, 4, time.Now())
	if code, out := runMain(initialize...); code == exitVerified || !strings.Contains(out, "rolled back") {
		t.Errorf("rolled back: exit code %d\n%s", code, out)
	}
	if code, out := runMain("initialize", "--mirror", mirror, "--cache-dir", cache); code == exitVerified || !strings.Contains(out, "root.json to believe it by") {
		t.Errorf("without a root: exit code %d\n%s", code, out)
	}
}

func TestAMirrorThatHangsEndsInALine(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	first := filepath.Join(t.TempDir(), "root.json")
	m := signers.NewMirror(t, []byte("{}"), 1, time.Now())
	if err := os.WriteFile(first, m.Root, 0o600); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	code, out := runMain("initialize", "--mirror", "http://"+listener.Addr().String(), "--root", first, "--cache-dir", t.TempDir(), "--allow-host", listener.Addr().String(), "--timeout", "500ms")
	if code == exitVerified || !strings.Contains(out, "500ms") && !strings.Contains(out, "deadline") || time.Since(start) > 20*time.Second {
		t.Errorf("exit code %d after %v\n%s", code, time.Since(start), out)
	}
}
