package signature

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"math/big"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/imageverify/verify/provenance/signature/signaturetest"
	"github.com/imageverify/verify/provenance/signed"
)

func TestAKeySignatureIsRefusedForWhatIsWrongWithIt(t *testing.T) {
	w := signaturetest.New(t)
	key, other := signaturetest.Key(t), signaturetest.Key(t)
	mine := keys(t, key)
	ignoring := mine
	ignoring.IgnoreLog = true
	annotated := mine
	annotated.Annotations = map[string]string{"env": "test"}
	missing := mine
	missing.Annotations = map[string]string{"no": "prod"}
	for name, c := range map[string]struct {
		item     signed.Item
		policy   Policy
		reason   string
		accepted bool
	}{
		"another key signed, as the log says":      {w.ByKey(other, simplePayload(), "").Simple(image), mine, signed.IdentityMismatch, false},
		"another key signed, which nothing says":   {w.Sign(other, simplePayload(), "").Simple(image), ignoring, signed.BadSignature, false},
		"the log says the key, and another signed": {relogged(w, key, other), mine, signed.BadSignature, true},
		"no log entry":                   {w.Sign(key, simplePayload(), "").Simple(image), mine, signed.NotInLog, true},
		"an annotation is another":       {w.ByKey(key, simplePayload(), "").Simple(image), annotated, signed.OtherClaims, true},
		"an annotation is missing":       {w.ByKey(key, simplePayload(), "").Simple(image), missing, signed.OtherClaims, true},
		"a certificate of another key":   {beside(w, key, other), mine, signed.KeyDiffers, true},
		"a certificate signed":           {named(w, "").Simple(image), mine, signed.IdentityMismatch, false},
		"a bundle's certificate signed":  {named(w, signaturetest.StatementType).Bundle(image, 3), mine, signed.IdentityMismatch, false},
		"a bundle of another digest":     {w.ByKey(key, signStatement(), signaturetest.StatementType).Bundle(digestOf("other"), 3), mine, signed.OtherDigest, true},
		"nobody is accepted":             {w.ByKey(key, simplePayload(), "").Simple(image), Policy{}, signed.NoAcceptedSigner, false},
		"a name is accepted, not a key":  {w.ByKey(key, simplePayload(), "").Simple(image), byAlice(), signed.IdentityMismatch, false},
		"a timestamp is demanded":        {w.ByKey(key, simplePayload(), "").Simple(image), demanding(mine), signed.NoTimestamp, true},
		"a form that nobody verifies":    {signed.Item{Kind: "other", Content: []byte("x")}, mine, signed.NotBuiltIn, false},
		"Notary's form":                  {signed.Item{Kind: signed.Notary, Content: []byte("x")}, mine, signed.WrongType, false},
		"an envelope with another's key": {w.ByKey(other, signStatement(), signaturetest.StatementType).Attestation(image), mine, signed.IdentityMismatch, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := verifier(t, w, c.policy).Verify(context.Background(), c.item)
			if outcome(r) != c.reason || r.Accepted != c.accepted {
				t.Errorf("%s, accepted %v: %s; want %s, %v", outcome(r), r.Accepted, r.Detail, c.reason, c.accepted)
			}
		})
	}
}

func demanding(p Policy) Policy { p.DemandTimestamp = true; return p }

// relogged is a signature of another key whose log entry names the accepted one.
func relogged(w *signaturetest.World, key, other *ecdsa.PrivateKey) signed.Item {
	s := w.ByKey(key, simplePayload(), "")
	s.Key = other
	s.Sign(w)
	return s.Simple(image)
}

// beside is a signature of a key with a certificate of another key beside it.
func beside(w *signaturetest.World, key, other *ecdsa.PrivateKey) signed.Item {
	s := w.ByKey(key, simplePayload(), "")
	s.Cert = w.Certify(w.Leaf(alice, issuer), other.Public())
	return s.Simple(image)
}

func TestWithoutATrustedRootOnlyAKeyWithoutALogIsJudged(t *testing.T) {
	w := signaturetest.New(t)
	key := signaturetest.Key(t)
	item := w.ByKey(key, simplePayload(), "").Simple(image)
	ignoring := keys(t, key)
	ignoring.IgnoreLog = true
	for reason, p := range map[string]Policy{"valid": ignoring, signed.NoTrustedRoot: keys(t, key)} {
		v, err := New(p, nil, errors.New("fetch it with FETCH"))
		if err != nil {
			t.Fatal(err)
		}
		if r := v.Verify(context.Background(), item); outcome(r) != reason || !r.Valid && !strings.Contains(r.Detail, "FETCH") {
			t.Errorf("%s: %s; want %s", outcome(r), r.Detail, reason)
		}
	}
	v, err := New(byAlice(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if r := v.Verify(context.Background(), named(w, "").Simple(image)); r.Reason != signed.NoTrustedRoot {
		t.Errorf("%s: %s", outcome(r), r.Detail)
	}
}

// Every kind of key that is accepted, and that the weaker ones are not.
func TestKeysAreAcceptedByTheirStrength(t *testing.T) {
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	curve := func(c elliptic.Curve) *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(c, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	long, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	w := signaturetest.New(t)
	for _, p := range []Policy{keys(t, curve(elliptic.P256())), keys(t, curve(elliptic.P384())), keys(t, curve(elliptic.P521())), keys(t, long), keys(t, ed)} {
		if _, err := New(p, nil, nil); err != nil {
			t.Errorf("%s: %v", p.Keys[0].Algorithm(), err)
		}
	}
	for _, s := range []*signaturetest.Signature{
		w.ByKey(curve(elliptic.P384()), simplePayload(), ""), w.ByKey(curve(elliptic.P521()), simplePayload(), ""), w.ByKey(long, simplePayload(), ""), w.ByKey(ed, simplePayload(), ""),
	} {
		if r := verifier(t, w, keys(t, s.Key)).Verify(context.Background(), s.Simple(image)); !r.Valid {
			t.Errorf("%T: %s: %s", s.Key, r.Reason, r.Detail)
		}
	}
	for name, k := range map[string]any{"P-224": &curve(elliptic.P224()).PublicKey, "exponent": &rsa.PublicKey{N: long.N, E: 3}, "1024": &rsa.PublicKey{N: new(big.Int).Rsh(long.N, 1024), E: 65537}} {
		key, err := newKey(k)
		if err != nil {
			t.Fatal(err)
		}
		_, err = New(Policy{Keys: []Key{key}}, nil, nil)
		if _, ok := errors.AsType[*UsageError](err); !ok || !strings.Contains(err.Error(), key.Fingerprint()) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPoliciesThatContradictThemselvesAreRefused(t *testing.T) {
	w := signaturetest.New(t)
	ca, err := NewAuthority(signaturetest.CertificatePEM(w.Root), signaturetest.CertificatePEM(w.Intermediate))
	if err != nil {
		t.Fatal(err)
	}
	some := keys(t, signaturetest.Key(t))
	for want, p := range map[string]Policy{
		"exclude each other":         {Keys: some.Keys, Identities: byAlice().Identities},
		"needs no certificate":       {Keys: some.Keys, Authority: ca},
		"needs the identity":         {Authority: ca},
		"has no subject":             {Identities: []Identity{{Issuer: issuer}}},
		"has no issuer":              {Identities: []Identity{{SubjectPattern: regexp.MustCompile("x")}}},
		"has no subject of anything": {Identities: []Identity{{}}},
	} {
		_, err := New(p, nil, nil)
		if u, ok := errors.AsType[*UsageError](err); !ok || !strings.Contains(u.Problem, strings.TrimSuffix(want, " of anything")) {
			t.Errorf("%v; want %q", err, want)
		}
	}
}

func TestAnIdentityMustMatchInEveryPart(t *testing.T) {
	s := signed.Signer{Subject: alice, Issuer: issuer, Workflow: &signed.Workflow{Trigger: "push", SHA: "abc", Name: "Release", Repository: "alice/app", Ref: "refs/tags/v1"}}
	re := regexp.MustCompile
	for _, c := range []struct {
		id   Identity
		want bool
	}{
		{Identity{Subject: alice, Issuer: issuer}, true},
		{Identity{Subject: alice, Issuer: issuer, Workflow: *s.Workflow}, true},
		{Identity{SubjectPattern: re("alice"), IssuerPattern: re("")}, true},
		{Identity{Subject: alice, SubjectPattern: re("mallory"), Issuer: issuer}, false},
		{Identity{Subject: "mallory", SubjectPattern: re("alice"), Issuer: issuer}, false},
		{Identity{Subject: alice, Issuer: "x", IssuerPattern: re("")}, false},
		{Identity{SubjectPattern: re("^alice"), Issuer: issuer}, false},
		{Identity{Subject: strings.ToUpper(alice), Issuer: issuer}, false},
		{Identity{Subject: alice, Issuer: issuer, Workflow: signed.Workflow{Trigger: "pull_request"}}, false},
		{Identity{Subject: alice, Issuer: issuer, Workflow: signed.Workflow{SHA: "ab"}}, false},
		{Identity{Subject: alice, Issuer: issuer, Workflow: signed.Workflow{Name: "release"}}, false},
		{Identity{Subject: alice, Issuer: issuer, Workflow: signed.Workflow{Repository: "mallory/app"}}, false},
		{Identity{Subject: alice, Issuer: issuer, Workflow: signed.Workflow{Ref: "refs/heads/main"}}, false},
	} {
		if got := c.id.accepts(s); got != c.want {
			t.Errorf("%+v: %v", c.id, got)
		}
	}
	bare := signed.Signer{Subject: alice, Issuer: issuer}
	if (Identity{Subject: alice, Issuer: issuer, Workflow: signed.Workflow{Ref: "refs/tags/v1"}}).accepts(bare) {
		t.Error("a certificate without a workflow is accepted for one")
	}
}

// A certificate is judged by the present where nothing proves a time.
func TestWithoutAProvedTimeTheCertificateMustBeValidNow(t *testing.T) {
	for reason, at := range map[string]time.Time{"valid": time.Now(), signed.ExpiredUntimed: time.Now().Add(-time.Hour), signed.FromTheFuture: time.Now().Add(time.Hour)} {
		w := signaturetest.At(t, at)
		s := named(w, "")
		s.Entries = nil
		p := byAlice()
		p.IgnoreLog = true
		if r := verifier(t, w, p).Verify(context.Background(), s.Simple(image)); outcome(r) != reason {
			t.Errorf("%s: %s; want %s", outcome(r), r.Detail, reason)
		}
	}
}

func TestKeyFilesAreReadWholeOrRefused(t *testing.T) {
	one, two := signaturetest.KeyPEM(t, signaturetest.Key(t).Public()), signaturetest.KeyPEM(t, signaturetest.Key(t).Public())
	both, err := ParseKeys(append(append([]byte("a comment\n"), one...), two...))
	if err != nil || len(both) != 2 || both[0].equal(both[1]) {
		t.Errorf("%d keys, %v", len(both), err)
	}
	w := signaturetest.New(t)
	for name, data := range map[string][]byte{
		"empty": nil, "text": []byte("x"), "a certificate": signaturetest.CertificatePEM(w.Root),
		"a private key": []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), "too large": make([]byte, MaxKeyFile+1),
		"too many":       []byte(strings.Repeat(string(one), maxKeys+1)),
		"a cut key":      []byte("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"),
		"good, then bad": append(append([]byte{}, one...), []byte("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")...),
	} {
		if found, err := ParseKeys(data); err == nil || found != nil {
			t.Errorf("%s: %d keys, %v", name, len(found), err)
		}
	}
	if all, err := ParseKeys([]byte(strings.Repeat(string(one), maxKeys))); err != nil || len(all) != maxKeys {
		t.Errorf("%d keys, %v", len(all), err)
	}
}

// A key's signature is its own, whatever a certificate beside it says: else one key
// with two certificates would count as two signers.
func TestACertificateBesideAKeyNamesNobody(t *testing.T) {
	w := signaturetest.New(t)
	key := signaturetest.Key(t)
	s := w.Sign(key, simplePayload(), "")
	s.Cert = w.Issue(w.Leaf("somebody@else.test", issuer), nil, nil, key.Public(), key)
	s.Entries = []*signaturetest.Entry{w.Log("hashedrekord", "0.0.1", s, w.Now)}
	p := keys(t, key)
	r := verifier(t, w, p).Verify(context.Background(), s.Simple(image))
	if !r.Valid || !reflect.DeepEqual(r.Signer, signerOfKey(p.Keys[0])) {
		t.Errorf("%s: %s; signed by %+v", outcome(r), r.Detail, r.Signer)
	}
}

// Where a log promised nothing, only the place in its tree is proved.
func TestOnlyAProvedPlaceInALogIsTold(t *testing.T) {
	w := signaturetest.New(t)
	s := stamped(w, named(w, signaturetest.StatementType))
	s.Entries[0].Promise, s.Entries[0].Index = nil, 999999
	r := verifier(t, w, byAlice()).Verify(context.Background(), s.Bundle(image, 3))
	if !r.Valid || len(r.Logs) != 1 || r.Logs[0].Index != 1 {
		t.Errorf("%s: %s; logs %+v", outcome(r), r.Detail, r.Logs)
	}
}
