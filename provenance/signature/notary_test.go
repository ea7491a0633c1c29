package signature

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	core "github.com/notaryproject/notation-core-go/signature"
	"github.com/notaryproject/notation-go"
	"github.com/notaryproject/notation-go/signer"
	digest "github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/imageverify/verify/provenance/signature/signaturetest"
	"github.com/imageverify/verify/provenance/signed"
)

const notationGo = "github.com/notaryproject/notation-go"

// notaryPolicy is a trust policy of one statement. verification is the value of
// signatureVerification.
func notaryPolicy(scope, verification, stores, identity string) []byte {
	return fmt.Appendf(nil, `{"version":"1.0","trustPolicies":[{"name":"test","registryScopes":[%q],"signatureVerification":%s,"trustStores":[%s],"trustedIdentities":[%q]}]}`, scope, verification, stores, identity)
}

const (
	strict  = `{"level":"strict"}`
	oneCA   = `"ca:test"`
	anybody = "*"
)

// notaryStore writes certificates into a trust store's folder "ca/test".
func notaryStore(t *testing.T, kind string, certificates ...*x509.Certificate) string {
	t.Helper()
	dir := t.TempDir()
	folder := filepath.Join(dir, "truststore/x509", kind, "test")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for i, c := range certificates {
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprint(i, ".pem")), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// notaryItem is a signature of whatever its payload names.
func notaryItem(t *testing.T, mediaType string, content []byte) signed.Item {
	t.Helper()
	item := signed.Item{Kind: signed.Notary, MediaType: mediaType, Content: content, Repository: "registry.example.com/app"}
	var r signed.Result
	payload, err := readNotary(item, &r)
	if err != nil {
		t.Fatal(err)
	}
	var p struct{ TargetArtifact ocispec.Descriptor }
	if err := json.Unmarshal(payload, &p); err != nil {
		t.Fatal(err)
	}
	if item.Subject, err = v1.NewHash(p.TargetArtifact.Digest.String()); err != nil {
		t.Fatal(err)
	}
	item.SubjectType, item.SubjectSize = p.TargetArtifact.MediaType, p.TargetArtifact.Size
	return item
}

func notaryResult(t *testing.T, store string, policy []byte, item signed.Item) signed.Result {
	t.Helper()
	n, err := NewNotary(store, policy)
	if err != nil {
		t.Fatal(err)
	}
	v, err := New(Policy{Notary: n}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return v.Verify(t.Context(), item)
}

// rootOf is the last certificate that an envelope holds.
func rootOf(t *testing.T, item signed.Item) *x509.Certificate {
	t.Helper()
	envelope, err := core.ParseEnvelope(item.MediaType, item.Content)
	if err != nil {
		t.Fatal(err)
	}
	content, err := envelope.Content()
	if err != nil {
		t.Fatal(err)
	}
	chain := content.SignerInfo.CertificateChain
	return chain[len(chain)-1]
}

func TestRealNotaryEnvelopesAreJudged(t *testing.T) {
	for file, c := range map[string]struct{ mediaType, reason string }{
		"internal/testdata/jws_signature.sig":                             {mediaJWS, ""},
		"internal/testdata/cose_signature.sig":                            {mediaCOSE, ""},
		"internal/mock/testdata/ca_valid_sig_env.json":                    {mediaJWS, ""},
		"internal/mock/testdata/ca_expired_sig_env.json":                  {mediaJWS, signed.OutsideValidity},
		"internal/mock/testdata/ca_plugin_sig_env.json":                   {mediaJWS, signed.NotBuiltIn},
		"internal/mock/testdata/sa_valid_sig_env.json":                    {mediaJWS, signed.Untrusted},
		"verifier/testdata/timestamp/sigEnv/withoutTimestamp.sig":         {mediaJWS, signed.BadTimestamp},
		"verifier/testdata/timestamp/sigEnv/timestampAfterNotAfter.sig":   {mediaCOSE, signed.BadTimestamp},
		"verifier/testdata/timestamp/sigEnv/timestampBeforeNotBefore.sig": {mediaJWS, signed.BadTimestamp},
		"verifier/testdata/timestamp/sigEnv/jwsWithTimestamp.sig":         {mediaJWS, ""},
		"verifier/testdata/timestamp/sigEnv/coseWithTimestamp.sig":        {mediaCOSE, ""},
	} {
		t.Run(filepath.Base(file), func(t *testing.T) {
			item := notaryItem(t, c.mediaType, moduleFile(t, notationGo, file))
			store, stores := notaryStore(t, "ca", rootOf(t, item)), oneCA
			if strings.Contains(file, "timestamp") {
				stores += `,"tsa:test"`
				addStampRoots(t, store)
			}
			r := notaryResult(t, store, notaryPolicy(anybody, strict, stores, anybody), item)
			if r.Valid != (c.reason == "") || r.Reason != c.reason {
				t.Errorf("valid %v, %s: %s", r.Valid, r.Reason, r.Detail)
			}
		})
	}
}

// addStampRoots copies notation's roots of timestamp authorities into a store.
func addStampRoots(t *testing.T, store string) {
	t.Helper()
	folder := filepath.Join(store, "truststore/x509/tsa/test")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"verifier/testdata/truststore/x509/tsa/test-mismatch/DigiCertTSARootSHA384.cer", "verifier/testdata/truststore/x509/tsa/test-timestamp/globalsignRoot.cer"} {
		if err := os.WriteFile(filepath.Join(folder, filepath.Base(name)), moduleFile(t, notationGo, name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// notarySigning is a key with its certificate, and the root that issued that.
func notarySigning(t *testing.T) (key *ecdsa.PrivateKey, leaf, root *x509.Certificate) {
	t.Helper()
	w := signaturetest.New(t)
	key, rootKey := signaturetest.Key(t), signaturetest.Key(t)
	template := func(serial int64, name string) *x509.Certificate {
		return &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{Country: []string{"US"}, Province: []string{"WA"}, Organization: []string{"Notary"}, CommonName: name},
			NotBefore: w.Now.Add(-time.Hour), NotAfter: w.Now.Add(time.Hour)}
	}
	ca, of := template(1, "root"), template(2, "leaf")
	ca.IsCA, ca.BasicConstraintsValid, ca.KeyUsage = true, true, x509.KeyUsageCertSign
	of.KeyUsage, of.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}
	root = w.Issue(ca, nil, nil, rootKey.Public(), rootKey)
	return key, w.Issue(of, root, rootKey, key.Public(), nil), root
}

func TestANotarySignatureThatIsWrongIsRefused(t *testing.T) {
	key, leaf, ca := notarySigning(t)
	_, _, stranger := notarySigning(t)
	s, err := signer.NewGenericSigner(key, []*x509.Certificate{leaf, ca})
	if err != nil {
		t.Fatal(err)
	}
	image := []byte("an image's manifest")
	target := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromBytes(image), Size: int64(len(image))}
	envelope, _, err := s.Sign(t.Context(), target, notation.SignerSignOptions{SignatureMediaType: mediaJWS})
	if err != nil {
		t.Fatal(err)
	}
	good := notaryStore(t, "ca", ca)
	type attempt struct {
		store, scope, verification, stores, identity string
		item                                         signed.Item
	}
	content := func(change func([]byte) []byte) func(*attempt) {
		return func(a *attempt) { a.item.Content = change(bytes.Clone(a.item.Content)) }
	}
	field := func(name string, value any) func(*attempt) {
		return content(func(data []byte) []byte {
			var fields map[string]any
			if err := json.Unmarshal(data, &fields); err != nil {
				t.Fatal(err)
			}
			fields[name] = value
			data, err := json.Marshal(fields)
			if err != nil {
				t.Fatal(err)
			}
			return data
		})
	}
	other := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"targetArtifact":{"mediaType":%q,"digest":%q,"size":1}}`, target.MediaType, digest.FromString("other")))
	for name, c := range map[string]struct {
		change func(*attempt)
		reason string
	}{
		"nothing":                          {func(*attempt) {}, ""},
		"a policy of this repository":      {func(a *attempt) { a.scope = "registry.example.com/app" }, ""},
		"an image without a name":          {func(a *attempt) { a.item.Repository = "" }, ""},
		"an identity that is the signer's": {func(a *attempt) { a.identity = "x509.subject:C=US,ST=WA,O=Notary" }, ""},
		"another digest":                   {func(a *attempt) { a.item.Subject.Hex = strings.Repeat("0", 64) }, signed.OtherDigest},
		"another size":                     {func(a *attempt) { a.item.SubjectSize++ }, signed.OtherDigest},
		"another media type":               {func(a *attempt) { a.item.SubjectType = ocispec.MediaTypeImageIndex }, signed.OtherDigest},
		"level skip":                       {func(a *attempt) { a.verification, a.stores, a.identity = `{"level":"skip"}`, "", "" }, signed.NoAcceptedSigner},
		"level audit":                      {func(a *attempt) { a.verification = `{"level":"audit"}` }, signed.NoAcceptedSigner},
		"authenticity is only logged":      {func(a *attempt) { a.verification = `{"level":"strict","override":{"authenticity":"log"}}` }, signed.NoAcceptedSigner},
		"level permissive with a stranger": {func(a *attempt) {
			a.verification, a.store = `{"level":"permissive"}`, notaryStore(t, "ca", stranger)
		}, signed.Untrusted},
		"a policy of another repository":    {func(a *attempt) { a.scope = "registry.example.com/other" }, signed.NoAcceptedSigner},
		"a policy of one, an image without": {func(a *attempt) { a.scope, a.item.Repository = "registry.example.com/app", "" }, signed.NoAcceptedSigner},
		"another authority":                 {func(a *attempt) { a.store = notaryStore(t, "ca", stranger) }, signed.Untrusted},
		"no such trust store":               {func(a *attempt) { a.store = t.TempDir() }, signed.Untrusted},
		"the authority of another scheme": {func(a *attempt) {
			a.store, a.stores = notaryStore(t, "signingAuthority", ca), `"signingAuthority:test"`
		}, signed.Untrusted},
		"another identity":              {func(a *attempt) { a.identity = "x509.subject:C=US,ST=WA,O=Other" }, signed.IdentityMismatch},
		"another payload":               {field("payload", other), signed.BadSignature},
		"another signature":             {field("signature", base64.RawURLEncoding.EncodeToString(make([]byte, 384))), signed.BadSignature},
		"no signature":                  {field("signature", nil), signed.Malformed},
		"no certificate":                {field("header", map[string]any{}), signed.Malformed},
		"a name in another letter case": {field("Payload", other), signed.Ambiguous},
		"a name twice":                  {content(func(d []byte) []byte { return append([]byte(`{"payload":"`+other+`",`), d[1:]...) }), signed.Ambiguous},
		"cut short":                     {content(func(d []byte) []byte { return d[:len(d)/2] }), signed.Malformed},
		"nothing at all":                {content(func([]byte) []byte { return nil }), signed.Malformed},
		"null":                          {content(func([]byte) []byte { return []byte("null") }), signed.Malformed},
		"JWS that is said to be COSE":   {func(a *attempt) { a.item.MediaType = mediaCOSE }, signed.Malformed},
		"a media type of nobody":        {func(a *attempt) { a.item.MediaType = "application/json" }, signed.WrongType},
		"COSE of one byte":              {func(a *attempt) { a.item.MediaType, a.item.Content = mediaCOSE, []byte{0xd2} }, signed.Malformed},
	} {
		t.Run(name, func(t *testing.T) {
			a := attempt{good, anybody, strict, oneCA, anybody, notaryItem(t, mediaJWS, envelope)}
			c.change(&a)
			policy := notaryPolicy(a.scope, a.verification, a.stores, a.identity)
			if a.identity == "" {
				policy = bytes.Replace(policy, []byte(`[""]`), []byte("[]"), 1)
			}
			r := notaryResult(t, a.store, policy, a.item)
			if r.Valid != (c.reason == "") || r.Reason != c.reason || strings.Contains(r.Detail, "\n") || c.reason != "" && r.Detail == "" {
				t.Errorf("valid %v, %s: %s", r.Valid, r.Reason, r.Detail)
			}
		})
	}
}

func TestATrustPolicyThatIsNoneIsRefused(t *testing.T) {
	good := notaryPolicy(anybody, strict, oneCA, anybody)
	if _, err := NewNotary(t.TempDir(), append(good, bytes.Repeat([]byte(" "), MaxTrustPolicy-len(good))...)); err != nil {
		t.Errorf("at the bound: %v", err)
	}
	for name, policy := range map[string][]byte{
		"a byte over the bound": append(good, bytes.Repeat([]byte(" "), MaxTrustPolicy-len(good)+1)...),
		"cut short":             good[:len(good)-3],
		"null":                  []byte("null"),
		"a name twice":          bytes.Replace(good, []byte(`{"version"`), []byte(`{"version":"1.0","version"`), 1),
		"an unknown level":      notaryPolicy(anybody, `{"level":"none"}`, oneCA, anybody),
		"no trust store":        notaryPolicy(anybody, strict, "", anybody),
		"a store outside":       notaryPolicy(anybody, strict, `"ca:../x"`, anybody),
	} {
		if _, err := NewNotary(t.TempDir(), policy); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
