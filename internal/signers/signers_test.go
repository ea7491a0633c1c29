package signers

import (
	"io"
	"log"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/imageverify/verify/internal/builders"
)

func TestTheRealCosignSignsWithTheseServicesAndBelievesThem(t *testing.T) {
	cosign := builders.NewCosign(t)
	w := Start(t)
	cosign.Trust = w.Environment(t)
	server := httptest.NewServer(registry.New(registry.WithReferrersSupport(true), registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	token := Token("somebody@example.com", "https://issuer.example.com")
	services := []string{"--rekor-url", w.URL, "--fulcio-url", w.URL, "--timestamp-server-url", w.URL + "/api/v1/timestamp"}
	keyless := []string{"--certificate-identity", "somebody@example.com", "--certificate-oidc-issuer", "https://issuer.example.com"}
	root := w.TrustedRootFile(t)
	for how, c := range map[string]struct{ sign, verify []string }{
		"key":            {[]string{"--key", cosign.PrivateKey}, []string{"--key", cosign.PublicKey}},
		"keyless":        {[]string{"--identity-token", token}, keyless},
		"key bundle":     {[]string{"--key", cosign.PrivateKey, "--new-bundle-format"}, []string{"--key", cosign.PublicKey, "--new-bundle-format"}},
		"keyless bundle": {[]string{"--identity-token", token, "--new-bundle-format"}, append([]string{"--new-bundle-format"}, keyless...)},
	} {
		t.Run(how, func(t *testing.T) {
			img, err := random.Image(10, 1)
			if err != nil {
				t.Fatal(err)
			}
			digest, err := img.Digest()
			if err != nil {
				t.Fatal(err)
			}
			ref, err := name.NewDigest(strings.TrimPrefix(server.URL, "http://") + "/app@" + digest.String())
			if err != nil {
				t.Fatal(err)
			}
			if err := remote.Write(ref, img); err != nil {
				t.Fatal(err)
			}
			cosign.Run(t, append(append(append([]string{"sign"}, services...), c.sign...), ref.String())...)
			cosign.Run(t, append(append([]string{"verify", "--offline", "--use-signed-timestamps", "--trusted-root", root}, c.verify...), ref.String())...)
		})
	}
}
