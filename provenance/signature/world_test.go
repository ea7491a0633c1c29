package signature

import (
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/provenance/signature/signaturetest"
	"github.com/imageverify/verify/provenance/signed"
)

const (
	alice  = "https://github.com/alice/app/.github/workflows/release.yml@refs/tags/v1"
	issuer = "https://token.actions.githubusercontent.com"
)

var image = digestOf("image")

func digestOf(text string) v1.Hash {
	sum := sha256.Sum256([]byte(text))
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}
}

// verifier verifies with the world's trusted root.
func verifier(t *testing.T, w *signaturetest.World, p Policy) *Verifier {
	t.Helper()
	trust, err := ParseTrustedRoot(w.TrustedRoot())
	if err != nil {
		t.Fatal(err)
	}
	v, err := New(p, trust, nil)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func byAlice() Policy { return Policy{Identities: []Identity{{Subject: alice, Issuer: issuer}}} }

// keys accepts some keys.
func keys(t *testing.T, some ...crypto.Signer) Policy {
	t.Helper()
	p := Policy{}
	for _, k := range some {
		parsed, err := ParseKeys(signaturetest.KeyPEM(t, k.Public()))
		if err != nil {
			t.Fatal(err)
		}
		p.Keys = append(p.Keys, parsed...)
	}
	return p
}

// outcome is a result in a word: "valid", or the reason.
func outcome(r signed.Result) string {
	if r.Valid {
		return "valid"
	}
	return r.Reason
}

func simplePayload() []byte {
	return signaturetest.Payload(image, "registry.test/app", map[string]any{"env": "prod"})
}

func signStatement() []byte { return signaturetest.Statement(image, signaturetest.SignPredicate) }

func TestSoundSignaturesAreValid(t *testing.T) {
	w := signaturetest.New(t)
	key, second := signaturetest.Key(t), signaturetest.Key(t)
	for name, c := range map[string]struct {
		item   func() signed.Item
		policy func() Policy
		times  int
		logs   int
	}{
		"a key with its log entry": {func() signed.Item { return w.ByKey(key, simplePayload(), "").Simple(image) }, func() Policy { return keys(t, key) }, 1, 1},
		"the second of two keys":   {func() signed.Item { return w.ByKey(key, simplePayload(), "").Simple(image) }, func() Policy { return keys(t, second, key) }, 1, 1},
		"a key without a log where that is allowed": {func() signed.Item { return w.Sign(key, simplePayload(), "").Simple(image) }, func() Policy {
			p := keys(t, key)
			p.IgnoreLog = true
			return p
		}, 0, 0},
		"a name with its log entry":               {func() signed.Item { return named(w, "").Simple(image) }, byAlice, 1, 1},
		"a name with log entry and timestamp":     {func() signed.Item { return stamped(w, named(w, "")).Simple(image) }, byAlice, 2, 1},
		"a bundle of version 0.1":                 {func() signed.Item { return named(w, signaturetest.StatementType).Bundle(image, 1) }, byAlice, 1, 1},
		"a bundle of version 0.2":                 {func() signed.Item { return named(w, signaturetest.StatementType).Bundle(image, 2) }, byAlice, 1, 1},
		"a bundle of version 0.3":                 {func() signed.Item { return named(w, signaturetest.StatementType).Bundle(image, 3) }, byAlice, 1, 1},
		"a bundle by a key":                       {func() signed.Item { return w.ByKey(key, signStatement(), signaturetest.StatementType).Bundle(image, 3) }, func() Policy { return keys(t, key) }, 1, 1},
		"a bundle of Rekor v2 with its timestamp": {func() signed.Item { return inSecondLog(w).Bundle(image, 3) }, byAlice, 1, 1},
		"a bundle of Rekor v2 by a key": {func() signed.Item {
			s := w.Sign(key, signStatement(), signaturetest.StatementType)
			s.Entries = []*signaturetest.Entry{w.LogV2(s)}
			return s.Bundle(image, 3)
		}, func() Policy { return keys(t, key) }, 0, 1},
		"an attestation under cosign's tag": {func() signed.Item { return named(w, signaturetest.StatementType).Attestation(image) }, byAlice, 1, 1},
		"a proof without a promise, with a timestamp": {func() signed.Item {
			s := stamped(w, named(w, signaturetest.StatementType))
			s.Entries[0].Promise = nil
			return s.Bundle(image, 3)
		}, byAlice, 1, 1},
		"a certificate with only the newer issuer": {func() signed.Item {
			leaf := w.Leaf(alice, issuer)
			leaf.ExtraExtensions = leaf.ExtraExtensions[1:]
			return w.ByName(leaf, simplePayload(), "").Simple(image)
		}, byAlice, 1, 1},
		"a certificate with only the older issuer": {func() signed.Item {
			leaf := w.Leaf(alice, issuer)
			leaf.ExtraExtensions = leaf.ExtraExtensions[:1]
			return w.ByName(leaf, simplePayload(), "").Simple(image)
		}, byAlice, 1, 1},
		"a certificate beside its own key": {func() signed.Item {
			s := w.Sign(key, simplePayload(), "")
			s.Cert = w.Certify(w.Leaf(alice, issuer), key.Public())
			s.Entries = []*signaturetest.Entry{w.Log("hashedrekord", "0.0.1", s, w.Now)}
			return s.Simple(image)
		}, func() Policy { return keys(t, key) }, 1, 1},
		"an entry of the kind intoto 0.0.1": {func() signed.Item { return loggedAs(w, "0.0.1").Attestation(image) }, byAlice, 1, 1},
		"an entry of the kind intoto 0.0.2": {func() signed.Item { return loggedAs(w, "0.0.2").Attestation(image) }, byAlice, 1, 1},
		"the authority that the user names": {func() signed.Item { return named(w, "").Simple(image) }, func() Policy {
			p := byAlice()
			var err error
			p.Authority, err = NewAuthority(signaturetest.CertificatePEM(w.Root), nil)
			if err != nil {
				t.Fatal(err)
			}
			return p
		}, 1, 1},
		"an annotation that is there": {func() signed.Item { return w.ByKey(key, simplePayload(), "").Simple(image) }, func() Policy {
			p := keys(t, key)
			p.Annotations = map[string]string{"env": "prod"}
			return p
		}, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			r := verifier(t, w, c.policy()).Verify(context.Background(), c.item())
			if !r.Valid || len(r.Times) != c.times || len(r.Logs) != c.logs || len(r.Warnings) > 0 {
				t.Errorf("%s: %s; times %v, logs %v, warnings %q", outcome(r), r.Detail, r.Times, r.Logs, r.Warnings)
			}
		})
	}
}

// named is a signature of alice's.
func named(w *signaturetest.World, payloadType string) *signaturetest.Signature {
	if payloadType == "" {
		return w.ByName(w.Leaf(alice, issuer), simplePayload(), "")
	}
	return w.ByName(w.Leaf(alice, issuer), signStatement(), payloadType)
}

func stamped(w *signaturetest.World, s *signaturetest.Signature) *signaturetest.Signature {
	s.Stamp(w, w.Now.Add(time.Second))
	return s
}

// inSecondLog is a signature of alice's in the Rekor v2 log.
func inSecondLog(w *signaturetest.World) *signaturetest.Signature {
	s := stamped(w, named(w, signaturetest.StatementType))
	s.Entries = []*signaturetest.Entry{w.LogV2(s)}
	return s
}

// loggedAs is an attestation of alice's in the log as a kind intoto.
func loggedAs(w *signaturetest.World, version string) *signaturetest.Signature {
	s := named(w, signaturetest.StatementType)
	s.Entries = []*signaturetest.Entry{w.Log("intoto", version, s, w.Now)}
	return s
}
