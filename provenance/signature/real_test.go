package signature

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/internal/corpus"
	"github.com/imageverify/verify/provenance/signed"
)

const (
	sigstoreGo = "github.com/sigstore/sigstore-go"
	cosign     = "github.com/sigstore/cosign/v2@v2.6.5"
	rootGood   = "examples/trusted-root-public-good.json"
	rootLocal  = "pkg/testing/data/trusted-roots/scaffolding.json"
	github     = "https://github.com/login/oauth"
	actions    = "https://token.actions.githubusercontent.com"
	release    = "https://github.com/sigstore/sigstore-js/.github/workflows/release.yml@refs/heads/main"
)

// Bundles that real signers made, in the modules of the reference implementations.
func TestRealBundlesVerifyByWhoeverSignedThem(t *testing.T) {
	for _, c := range []struct {
		module, file, root string
		digest             string
		subject, issuer    string
		reason             string
		times, logs        int
	}{
		{sigstoreGo, "pkg/testing/data/bundles/dsse.sigstore.json", rootGood,
			"sha512:bbfd372fc9beeb777fe35d05bb10c0c70a9733d366a75fed7dd18866c7391de3ee7e88ba74dd47abf3e15c845e547fcf0e5c3da80854c751554224d3a6d4e55f",
			"brian@dehamer.com", github, "", 1, 1},
		{sigstoreGo, "pkg/testing/data/bundles/dsse.sigstore.json", rootGood, "sha512:" + strings.Repeat("0", 128),
			"brian@dehamer.com", github, signed.OtherDigest, 1, 1},
		{sigstoreGo, "pkg/testing/data/bundles/dsse.sigstore.json", rootLocal, "sha512:" + strings.Repeat("0", 128),
			"brian@dehamer.com", github, signed.LogUnknown, 0, 0},
		{sigstoreGo, "pkg/testing/data/bundles/sigstore.js@2.0.0-provenance.sigstore.json", rootGood,
			"sha512:46d4e2f74c4877316640000a6fdf8a8b59f1e0847667973e9859f774dd31b8f1e0937813b777fb66a2ac67d50540fe34640966eee9fc2ccca387082b4c85cd3c",
			release, actions, "", 1, 1},
		{sigstoreGo, "pkg/testing/data/bundles/othername.sigstore.json", rootLocal,
			"sha256:bc103b4a84971ef6459b294a2b98568a2bfb72cded09d4acd1e16366a401f95b", "foo!oidc.local", "http://oidc.local:8080", "", 1, 1},
		{sigstoreGo, "pkg/testing/data/bundles/othername.sigstore.json", rootLocal,
			"sha256:bc103b4a84971ef6459b294a2b98568a2bfb72cded09d4acd1e16366a401f95b", "foo!oidc.local", "http://other.local:8080", signed.IdentityMismatch, 0, 0},
		{sigstoreGo, "pkg/testing/data/bundles/dsse-2sigs.sigstore.json", rootGood, "sha512:" + strings.Repeat("0", 128), "x", "y", signed.Malformed, 0, 0},
		{sigstoreGo, "examples/bundle-provenance.json", rootGood,
			"sha512:76176ffa33808b54602c7c35de5c6e9a4deb96066dba6533f50ac234f4f1f4c6b3527515dc17c06fbe2860030f410eee69ea20079bd3a2c6f3dcf3b329b10751",
			release, actions, "", 1, 1},
		{cosign, "pkg/cosign/testdata/oci-attestation.sigstore.json", rootGood,
			"sha256:732112270d7e59418a8c080b134b24cabd67d250d0d0147a97ed95ba5c280aa4", "cody@soyland.com", github, "", 1, 1},
	} {
		name := filepath.Base(c.file) + " " + c.reason
		t.Run(name, func(t *testing.T) {
			trust, err := ParseTrustedRoot(moduleFile(t, sigstoreGo, c.root))
			if err != nil {
				t.Fatal(err)
			}
			subject, err := v1.NewHash(c.digest)
			if err != nil {
				t.Fatal(err)
			}
			exact, err := New(Policy{Identities: []Identity{{Subject: c.subject, Issuer: c.issuer}}}, trust, nil)
			if err != nil {
				t.Fatal(err)
			}
			loose, err := New(Policy{Identities: []Identity{{SubjectPattern: regexp.MustCompile("^" + regexp.QuoteMeta(c.subject) + "$"), IssuerPattern: regexp.MustCompile(regexp.QuoteMeta(c.issuer))}}}, trust, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range []*Verifier{exact, loose} {
				r := v.Verify(context.Background(), signed.Item{Kind: signed.Bundle, Content: moduleFile(t, c.module, c.file), Subject: subject})
				if r.Valid != (c.reason == "") || r.Reason != c.reason || len(r.Times) != c.times || len(r.Logs) != c.logs {
					t.Errorf("valid %v, %s: %s; times %v, logs %v", r.Valid, r.Reason, r.Detail, r.Times, r.Logs)
				}
			}
		})
	}
}

func moduleFile(t *testing.T, module, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(corpus.Module(t, module), filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return data
}
