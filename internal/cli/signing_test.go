package cli

import (
	"bytes"
	"crypto"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/imageverify/verify/provenance/signature/signaturetest"
)

// signedApp is an image of one absent layer in a registry, signed by a key and, in a
// file of its own, by a name.
type signedApp struct {
	ref, host                     string
	key                           crypto.Signer
	keyFile, rootFile, bundleFile string
}

const (
	signerName   = "https://github.com/alice/app/.github/workflows/release.yml@refs/tags/v1"
	signerIssuer = "https://token.actions.githubusercontent.com"
)

func newSignedApp(t *testing.T) *signedApp {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	w, dir := signaturetest.New(t), t.TempDir()
	app := &signedApp{host: strings.TrimPrefix(server.URL, "http://"), key: signaturetest.Key(t)}
	tag, err := name.NewTag(app.host+"/team/app:1", name.Insecure)
	check(t, err)
	app.ref = tag.String()
	img, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{OS: "linux", Architecture: "amd64", RootFS: v1.RootFS{Type: "layers"}})
	check(t, err)
	check(t, remote.Write(tag, img))
	digest, err := img.Digest()
	check(t, err)
	item := w.ByKey(app.key, signaturetest.Payload(digest, tag.Repository.String(), map[string]any{"env": "prod"}), "").Simple(digest)
	media := types.MediaType(item.MediaType)
	sig, err := mutate.Append(empty.Image, mutate.Addendum{Layer: static.NewLayer(item.Content, media), MediaType: media, Annotations: item.Annotations})
	check(t, err)
	check(t, remote.Write(tag.Repository.Tag("sha256-"+digest.Hex+".sig"), sig))
	named := w.ByName(w.Leaf(signerName, signerIssuer), signaturetest.Statement(digest, signaturetest.SignPredicate), signaturetest.StatementType)
	for file, data := range map[*string][]byte{&app.keyFile: signaturetest.KeyPEM(t, app.key.Public()), &app.rootFile: w.TrustedRoot(), &app.bundleFile: named.Bundle(digest, 3).Content} {
		f, err := os.CreateTemp(dir, "")
		check(t, err)
		check(t, f.Close())
		check(t, os.WriteFile(f.Name(), data, 0o600))
		*file = f.Name()
	}
	return app
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (a *signedApp) run(env map[string]string, args ...string) (code int, out string) {
	var text bytes.Buffer
	args = append([]string{a.ref, "--insecure-registry", a.host, "--no-cache", "--color", "never"}, args...)
	code = Main(args, Env{Stdout: &text, Stderr: &text, Getenv: func(name string) string { return env[name] }})
	return code, text.String()
}

func TestSignaturesAreJudgedByTheFlags(t *testing.T) {
	app := newSignedApp(t)
	pem, err := os.ReadFile(app.keyFile)
	check(t, err)
	other := filepath.Join(t.TempDir(), "other.pub")
	check(t, os.WriteFile(other, signaturetest.KeyPEM(t, signaturetest.Key(t).Public()), 0o600))
	both := filepath.Join(t.TempDir(), "both.pub")
	check(t, os.WriteFile(both, append(signaturetest.KeyPEM(t, signaturetest.Key(t).Public()), pem...), 0o600))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(pem) }))
	t.Cleanup(server.Close)
	address := strings.TrimPrefix(server.URL, "http://")
	only := []string{"--only", "signature.image"}
	trusted := append([]string{"--trusted-root", app.rootFile}, only...)
	identity := []string{"--certificate-identity", signerName, "--certificate-oidc-issuer", signerIssuer, "--bundle", app.bundleFile}
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"a key":                        {append([]string{"--key", app.keyFile}, trusted...), 0, "signed by key SHA256:"},
		"the second key of a file":     {append([]string{"--key", both}, trusted...), 0, "signed by key SHA256:"},
		"a key in a variable":          {append([]string{"--key", "env://KEY"}, trusted...), 0, "signed by key"},
		"a key at a URL":               {append([]string{"--key", server.URL, "--allow-host", address}, trusted...), 0, "signed by key"},
		"a key without a log":          {append([]string{"--key", app.keyFile, "--insecure-ignore-tlog"}, only...), 0, "signed by key"},
		"a key beside another --only":  {[]string{"--key", other, "--trusted-root", app.rootFile, "--only", "image.reference"}, 1, "identity-mismatch"},
		"another key":                  {append([]string{"--key", other}, trusted...), 1, "identity-mismatch"},
		"an annotation":                {append([]string{"--key", app.keyFile, "-a", "env=prod"}, trusted...), 0, "signed by key"},
		"another annotation":           {append([]string{"--key", app.keyFile, "-a", "env=test"}, trusted...), 1, "annotations-differ"},
		"two signers asked for":        {append([]string{"--key", app.keyFile, "--signature-threshold", "2"}, trusted...), 1, "threshold-unmet"},
		"a timestamp asked for":        {append([]string{"--key", app.keyFile, "--use-signed-timestamps"}, trusted...), 1, "no-timestamp"},
		"a bundle of a name":           {append(identity, trusted...), 0, "signed by " + signerName},
		"nobody":                       {trusted, 3, "no-accepted-signer"},
		"another repository":           {append([]string{"--key", app.keyFile, "--as", "example.com/other:1"}, trusted...), 0, "reference-differs"},
		"another repository, checked":  {append([]string{"--key", app.keyFile, "--as", "example.com/other:1", "--check-reference"}, trusted...), 1, "reference-differs"},
		"a loose pattern":              {append([]string{"--certificate-identity-regexp", "alice", "--certificate-oidc-issuer", signerIssuer, "--bundle", app.bundleFile}, trusted...), 0, "loose-pattern"},
		"no trusted root, offline":     {append([]string{"--certificate-identity", signerName, "--certificate-oidc-issuer", signerIssuer, "--bundle", app.bundleFile, "--offline", "--registry-mirror", app.host + "=" + app.host}, only...), 3, "no-trusted-root"},
		"a key and a name":             {append(append([]string{"--key", app.keyFile}, identity...), trusted...), 2, "exclude each other"},
		"a name without an issuer":     {append([]string{"--certificate-identity", signerName}, trusted...), 2, "--certificate-oidc-issuer"},
		"an issuer without a name":     {append([]string{"--certificate-oidc-issuer", signerIssuer}, trusted...), 2, "--certificate-identity"},
		"a workflow without a name":    {append([]string{"--certificate-github-workflow-ref", "refs/tags/v1"}, trusted...), 2, "--certificate-identity"},
		"a pattern that is none":       {append([]string{"--certificate-identity-regexp", "(", "--certificate-oidc-issuer", signerIssuer}, trusted...), 2, "--certificate-identity-regexp"},
		"a threshold of none":          {append([]string{"--key", app.keyFile, "--signature-threshold", "0"}, trusted...), 2, "--signature-threshold 0"},
		"a key that is not there":      {append([]string{"--key", "nowhere.pub"}, trusted...), 2, "nowhere.pub"},
		"a key that is none":           {append([]string{"--key", app.rootFile}, trusted...), 2, "no public key"},
		"a variable that is not set":   {append([]string{"--key", "env://NOTHING"}, trusted...), 2, "NOTHING"},
		"a key of a service":           {append([]string{"--key", "awskms:///alias/x"}, trusted...), 2, "cosign public-key --key awskms:///alias/x"},
		"a key on a token":             {append([]string{"--key", "pkcs11:token=x"}, trusted...), 2, "cosign public-key --key pkcs11:token=x"},
		"a trusted root that is none":  {append([]string{"--key", app.keyFile, "--trusted-root", app.keyFile}, only...), 2, "trusted root"},
		"intermediates without roots":  {append([]string{"--ca-intermediates", app.keyFile}, trusted...), 2, "--ca-intermediates needs --ca-roots"},
		"roots that are no roots":      {append(append([]string{"--ca-roots", app.keyFile}, identity...), trusted...), 2, "ca-roots"},
		"a bundle that is not there":   {append([]string{"--key", app.keyFile, "--bundle", "nowhere.json"}, trusted...), 2, "nowhere.json"},
		"an annotation without value":  {append([]string{"--key", app.keyFile, "-a", "env"}, trusted...), 2, "--annotations"},
		"a workflow that is not there": {append(append([]string{"--certificate-github-workflow-ref", "refs/tags/v1"}, identity...), trusted...), 1, "identity-mismatch"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out := app.run(map[string]string{"KEY": string(pem)}, c.args...)
			if code != c.code || !strings.Contains(out, c.want) {
				t.Errorf("exit %d, want %d and %q:\n%s", code, c.code, c.want, out)
			}
		})
	}
}

func TestOnlyASignatureOpensNoLayer(t *testing.T) {
	app := newSignedApp(t)
	code, out := app.run(nil, "--key", app.keyFile, "--trusted-root", app.rootFile, "--only", "signature.image", "-v")
	if code != 0 || strings.Contains(out, "layer.content") {
		t.Errorf("exit %d:\n%s", code, out)
	}
}
