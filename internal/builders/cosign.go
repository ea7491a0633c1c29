package builders

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/imageverify/verify/internal/corpus"
)

// cosignVersion is the module's version that the Makefile builds.
const cosignVersion = "v2.6.5"

// Cosign is the cosign program, with a key pair of its own.
type Cosign struct {
	// Program is its path, PrivateKey and PublicKey are files in PEM; the private
	// key has no password.
	Program, PrivateKey, PublicKey string
	// Trust is more environment: the keys of logs and authorities to believe.
	Trust []string

	dir string
}

// NewCosign makes a key pair with cosign. It skips as corpus.Real does, and fails
// where the program is missing.
func NewCosign(t testing.TB) *Cosign {
	t.Helper()
	corpus.Real(t)
	program, err := cacheFile("cosign-"+cosignVersion, "cosign")
	if err != nil {
		t.Fatal(err)
	}
	c := &Cosign{Program: program, dir: t.TempDir()}
	prefix := filepath.Join(c.dir, "cosign")
	c.PrivateKey, c.PublicKey = prefix+".key", prefix+".pub"
	c.Run(t, "generate-key-pair", "--output-key-prefix", prefix)
	return c
}

// Environment is what the program runs with, beside the process's: a home of its
// own, no password, and nothing fetched that was not asked for.
func (c *Cosign) Environment() []string {
	return append([]string{"COSIGN_PASSWORD=", "COSIGN_YES=true", "HOME=" + c.dir, "DOCKER_CONFIG=" + c.dir, "TUF_ROOT=" + filepath.Join(c.dir, "tuf")}, c.Trust...)
}

// Run runs cosign and returns its output.
func (c *Cosign) Run(t testing.TB, args ...string) string {
	t.Helper()
	return run(t, c.Environment(), c.Program, args...)
}

// Sign signs an image in a registry on loopback with the private key, without a
// log. args are more arguments of cosign sign, before the image.
func (c *Cosign) Sign(t testing.TB, image string, args ...string) {
	t.Helper()
	c.Run(t, append(append([]string{"sign", "--key", c.PrivateKey, "--tlog-upload=false"}, args...), image)...)
}

// Attest attaches an attestation with that predicate of that type.
func (c *Cosign) Attest(t testing.TB, image, predicateType, predicate string, args ...string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "predicate.json")
	if err := os.WriteFile(file, []byte(predicate), 0o600); err != nil {
		t.Fatal(err)
	}
	c.Run(t, append(append([]string{"attest", "--key", c.PrivateKey, "--tlog-upload=false", "--type", predicateType, "--predicate", file}, args...), image)...)
}
