package sums

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

func verify(t testing.TB, text string, sig []byte, k *Keyring, d Distributor) (SignatureResult, error) {
	t.Helper()
	return VerifySignature(t.Context(), strings.NewReader(text), sig, k, d, now)
}

// wantKind checks an error's kind and that nothing comes with it.
func wantKind(t *testing.T, label string, got SignatureResult, err, kind error, particular string) {
	t.Helper()
	if !errors.Is(err, kind) || got != (SignatureResult{}) {
		t.Errorf("%s: %+v, error %v, want %v", label, got, err, kind)
		return
	}
	if e, ok := errors.AsType[*SignatureError](err); !ok || !strings.Contains(err.Error(), particular) {
		t.Errorf("%s: error %q of %T, want %q in it", label, err, e, particular)
	}
}

func TestAPinnedKeysSignatureIsAccepted(t *testing.T) {
	ed, big := newKey(t), newKey(t, rsa(2048))
	modern := newKey(t, func(c *packet.Config) { c.Algorithm = packet.PubKeyAlgoEd25519 })
	curve := newKey(t, func(c *packet.Config) { c.Algorithm, c.Curve = packet.PubKeyAlgoECDSA, packet.CurveNistP256 })
	for _, c := range []struct {
		name string
		key  *openpgp.Entity
		s    signature
		hash string
	}{
		{"EdDSA, SHA-256", ed, signature{}, "SHA256"},
		{"EdDSA, SHA-512", ed, signature{hash: crypto.SHA512}, "SHA512"},
		{"Ed25519", modern, signature{hash: crypto.SHA512}, "SHA512"},
		{"ECDSA, SHA-384", curve, signature{hash: crypto.SHA384}, "SHA384"},
		{"RSA, SHA-256", big, signature{}, "SHA256"},
		{"RSA, over text", big, signature{kind: packet.SigTypeText, text: "a\r\nb\n"}, "SHA256"},
		{"with a lifetime that is not over", ed, signature{lifetime: 10 * 365 * day}, "SHA256"},
	} {
		text := content
		if c.s.text != "" {
			text = "a\nb\r\n" // line ends do not count in text
		}
		want := SignatureResult{
			Fingerprint: fingerprint(c.key), Signer: fingerprint(c.key), KeyID: fingerprint(c.key)[24:],
			Created: signed, Hash: c.hash,
		}
		sig := c.s.by(t, c.key.PrivateKey)
		for form, file := range map[string][]byte{"binary": sig, "armored": armored(t, openpgp.SignatureType, sig)} {
			got, err := verify(t, text, file, keyringOf(t, c.key), pinning(c.key))
			if err != nil || got != want {
				t.Errorf("%s, %s: %+v (error %v), want %+v", c.name, form, got, err, want)
			}
		}
	}
}

func TestSignaturesThatProveNothingSayWhy(t *testing.T) {
	key, other := newKey(t), newKey(t)
	stranger, err := openpgp.NewEntity("Somebody", "", "else@example.org", at(made))
	if err != nil {
		t.Fatal(err)
	}
	short, old := newKey(t, rsa(1024)), newKey(t, rsa(2048))
	d, ring := pinning(key), keyringOf(t, key)
	good := signature{}.by(t, key.PrivateKey)
	certification := signature{kind: packet.SigTypeGenericCert}.by(t, key.PrivateKey)
	v3 := bytes.Clone(good)
	v3[len(v3)-len(body(good))] = 3
	md5 := bytes.Clone(good)
	md5[len(md5)-len(body(good))+3] = hashMD5
	for _, c := range []struct {
		name       string
		text       string
		sig        []byte
		ring       *Keyring
		d          Distributor
		kind       error
		particular string
	}{
		{"an empty file", content, nil, ring, d, ErrNoSignature, "not signed"},
		{"a page", content, []byte("<!DOCTYPE html>"), ring, d, ErrNoSignature, "not signed"},
		{"another kind of armor", content, armored(t, openpgp.PublicKeyType, good), ring, d, ErrNoSignature, ""},
		{"a key in place of a signature", content, publicBytes(t, key)[:35], ring, d, ErrBadSignature, "broken OpenPGP packets"},
		{"a certification", content, certification, ring, d, ErrNoSignature, "it is not over data"},
		{"no keyring", content, good, nil, d, ErrKeyAbsent, fingerprint(key) + " is needed"},
		{"a keyring without the key", content, good, keyringOf(t, stranger), d, ErrKeyAbsent, ""},
		{"nobody's key at hand", content, signature{}.by(t, stranger.PrivateKey), nil, d, ErrKeyAbsent, "to tell whose"},
		{"a row without keys", content, good, ring, Distributor{}, ErrWrongKey, "is not pinned"},
		{"a stranger's, of whom there is no key", content, signature{}.by(t, stranger.PrivateKey), ring, d, ErrWrongKey, "none of the pinned keys"},
		{"a stranger's, with the key", content, signature{}.by(t, stranger.PrivateKey), keyringOf(t, stranger), d, ErrWrongKey, fingerprint(stranger)},
		{"another key of the same name", content, signature{}.by(t, other.PrivateKey), keyringOf(t, other), d, ErrWrongKey, fingerprint(other)},
		{"another key of the same name beside the real one", content, signature{}.by(t, other.PrivateKey), keyringOf(t, other, key), d, ErrWrongKey, fingerprint(other)},
		{"another key of the same name for the real signature", content, good, keyringOf(t, other), d, ErrWrongKey, `calls itself "Test Distributor`},
		{"another byte", content + " ", good, ring, d, ErrBadSignature, ""},
		{"nothing to sign", "", good, ring, d, ErrBadSignature, ""},
		{"a signature cut short", content, good[:len(good)-1], ring, d, ErrBadSignature, "broken OpenPGP packets"},
		{"armor cut short", content, armored(t, openpgp.SignatureType, good)[:90], ring, d, ErrBadSignature, "broken armor"},
		{"armor of nonsense", content, []byte("-----BEGIN PGP SIGNATURE-----\n\n!!!!\n-----END PGP SIGNATURE-----\n"), ring, d, ErrBadSignature, "broken armor"},
		{"armor with an endless line", content, []byte("-----BEGIN PGP SIGNATURE-----\n" + strings.Repeat("a", maxArmorLine+1)), ring, d, ErrBadSignature, "broken armor"},
		{"SHA-1", content, signature{hash: crypto.SHA1}.by(t, old.PrivateKey), keyringOf(t, old), pinning(old), ErrWeakHash, "SHA256, SHA384, SHA512"},
		{"SHA-224", content, signature{hash: crypto.SHA224}.by(t, key.PrivateKey), ring, d, ErrWeakHash, "SHA224"},
		{"MD5", content, md5, ring, d, ErrWeakHash, "MD5"},
		{"version 3", content, v3, ring, d, ErrUnsupported, "version 3"},
		{"a key of 1,024 bits", content, signature{}.by(t, short.PrivateKey), keyringOf(t, short), pinning(short), ErrUnsupported, "too weak"},
		{"a critical notation", content, signature{notation: "must@example.org"}.by(t, key.PrivateKey), ring, d, ErrUnsupported, "critical notation"},
		{"dated in the future", content, signature{time: now.Add(time.Hour)}.by(t, key.PrivateKey), ring, d, ErrSignatureExpired, "2025-01-01T01:00:00Z"},
		{"with a lifetime that is over", content, signature{lifetime: day}.by(t, key.PrivateKey), ring, d, ErrSignatureExpired, ""},
		{"dated before its key", content, signature{time: made.Add(-time.Hour)}.by(t, key.PrivateKey), ring, d, ErrBadSignature, "older than its key"},
		{"by a subkey for encryption", content, signature{}.by(t, signingTwin(key)), ring, d, ErrBadSignature, ""},
	} {
		got, err := verify(t, c.text, c.sig, c.ring, c.d)
		wantKind(t, c.name, got, err, c.kind, c.particular)
	}
}

// body is a signature packet's content.
func body(sig []byte) []byte {
	p, err := splitPackets(sig)
	if err != nil || len(p) != 1 {
		panic("not one packet")
	}
	return p[0].Contents
}

// signingTwin is another private key under the key's ID.
func signingTwin(key *openpgp.Entity) *packet.PrivateKey {
	e, err := openpgp.NewEntity("Twin", "", "twin@example.org", at(made))
	if err != nil {
		panic(err)
	}
	e.PrivateKey.KeyId, e.PrivateKey.Fingerprint = key.PrimaryKey.KeyId, key.PrimaryKey.Fingerprint
	return e.PrivateKey
}

func TestSHA1IsAllowedInTheRowsThatSaySoAndShown(t *testing.T) {
	key := newKey(t, rsa(2048))
	d := pinning(key)
	d.Hashes = append([]string{"SHA1"}, d.Hashes...)
	sig := signature{hash: crypto.SHA1}.by(t, key.PrivateKey)
	got, err := verify(t, content, sig, keyringOf(t, key), d)
	if err != nil || got.Hash != "SHA1" || !got.Weak {
		t.Errorf("%+v, error %v", got, err)
	}
	got, err = verify(t, content+"x", sig, keyringOf(t, key), d)
	wantKind(t, "another byte", got, err, ErrBadSignature, "SHA1")
}

func TestExpiryIsJudgedAtTheSignaturesTime(t *testing.T) {
	key := newKey(t, lasts(2*365*day))
	d, ring := pinning(key), keyringOf(t, key)
	got, err := verify(t, content, signature{}.by(t, key.PrivateKey), ring, d)
	if err != nil || !got.KeyExpired {
		t.Errorf("signed before the key expired: %+v, error %v", got, err)
	}
	got, err = verify(t, content, signature{time: made.AddDate(3, 0, 0)}.by(t, key.PrivateKey), ring, d)
	wantKind(t, "signed after", got, err, ErrKeyExpired, "2023-01-01T00:00:00Z")
}

func TestAKeyOfWhichOnlyTheNewestSelfSignatureIsKeptStillCounts(t *testing.T) {
	key := newKey(t)
	for _, id := range key.Identities {
		id.SelfCertifications[0].Packet.CreationTime = made.AddDate(4, 0, 0)
	}
	for _, id := range key.Identities {
		if err := id.SelfCertifications[0].Packet.SignUserId(id.Name, key.PrimaryKey, key.PrivateKey, at(made.AddDate(4, 0, 0))); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := verify(t, content, signature{}.by(t, key.PrivateKey), keyringOf(t, key), pinning(key)); err != nil || got.Created != signed {
		t.Errorf("%+v, error %v", got, err)
	}
}

func TestRevocationsAreHonoured(t *testing.T) {
	before, after := signed.AddDate(0, -1, 0), signed.AddDate(0, 1, 0)
	for _, c := range []struct {
		name    string
		reason  packet.ReasonForRevocation
		when    time.Time
		refused bool
	}{
		{"compromised, later", packet.KeyCompromised, after, true},
		{"no reason, later", packet.NoReason, after, true},
		{"superseded, earlier", packet.KeySuperseded, before, true},
		{"superseded, later", packet.KeySuperseded, after, false},
		{"retired, later", packet.KeyRetired, after, false},
	} {
		key := newKey(t)
		sig, unrevoked := signature{}.by(t, key.PrivateKey), keyringOf(t, key)
		if err := key.Revoke(c.reason, "", at(c.when)); err != nil {
			t.Fatal(err)
		}
		for order, ring := range map[string]*Keyring{
			"alone":                   keyringOf(t, key),
			"after an older copy":     Join(unrevoked, keyringOf(t, key)),
			"before an older copy":    Join(keyringOf(t, key), nil, unrevoked),
			"in one file with a copy": mustRead(t, slices.Concat(publicBytes(t, key), publicBytes(t, key))),
		} {
			got, err := verify(t, content, sig, ring, pinning(key))
			if c.refused {
				wantKind(t, c.name+" "+order, got, err, ErrKeyRevoked, "revoked")
			} else if err != nil {
				t.Errorf("%s %s: error %v", c.name, order, err)
			}
		}
		if _, err := verify(t, content, sig, unrevoked, pinning(key)); err != nil {
			t.Errorf("%s: the copy without the revocation: %v", c.name, err)
		}
	}
}

func TestARevocationBySomebodyElseIsNone(t *testing.T) {
	key, enemy := newKey(t), newKey(t)
	sig := signature{}.by(t, key.PrivateKey)
	if err := enemy.Revoke(packet.KeyCompromised, "", at(made)); err != nil {
		t.Fatal(err)
	}
	key.Revocations = append(key.Revocations, enemy.Revocations...)
	if _, err := verify(t, content, sig, keyringOf(t, key), pinning(key)); err != nil {
		t.Error(err)
	}
}

func TestSubkeysSignForThePinnedPrimaryKey(t *testing.T) {
	key, thief := newKey(t), newKey(t)
	if err := key.AddSigningSubkey(at(made)); err != nil {
		t.Fatal(err)
	}
	own := len(key.Subkeys) - 1
	sub := key.Subkeys[own]
	d, sig := pinning(key), signature{}.by(t, sub.PrivateKey)
	got, err := verify(t, content, sig, keyringOf(t, key), d)
	if err != nil || got.Fingerprint != fingerprint(key) || got.Signer == got.Fingerprint || got.KeyID != got.Signer[24:] {
		t.Fatalf("%+v, error %v", got, err)
	}
	got, err = verify(t, content, sig, nil, d)
	wantKind(t, "without the key", got, err, ErrKeyAbsent, "")

	got, err = verify(t, content, sig, keyringOf(t, key), pinning(thief))
	wantKind(t, "pinned by nobody", got, err, ErrWrongKey, "")
	pinnedSub := Distributor{Hashes: strongHashes, Keys: []Key{{Fingerprint: strings.ToUpper(hexOf(sub.PublicKey.Fingerprint))}}}
	got, err = verify(t, content, sig, keyringOf(t, key), pinnedSub)
	wantKind(t, "a subkey's fingerprint in the row", got, err, ErrKeyAbsent, "")

	if err := thief.AddSigningSubkey(at(made)); err != nil {
		t.Fatal(err)
	}
	stolen := thief.Subkeys[len(thief.Subkeys)-1]
	key.Subkeys = append(key.Subkeys, stolen)
	got, err = verify(t, content, signature{}.by(t, stolen.PrivateKey), keyringOf(t, key), d)
	wantKind(t, "a subkey that the primary key did not bind", got, err, ErrWrongKey, "does not vouch")

	if err := key.Subkeys[own].Revoke(packet.KeyCompromised, "", at(now)); err != nil {
		t.Fatal(err)
	}
	got, err = verify(t, content, sig, keyringOf(t, key), d)
	wantKind(t, "a revoked subkey", got, err, ErrKeyRevoked, "subkey")
}

func TestASubkeyExpiresByItself(t *testing.T) {
	key := newKey(t)
	config := at(made)
	config.KeyLifetimeSecs = 2 * 365 * day
	if err := key.AddSigningSubkey(config); err != nil {
		t.Fatal(err)
	}
	sub := key.Subkeys[len(key.Subkeys)-1].PrivateKey
	if got, err := verify(t, content, signature{}.by(t, sub), keyringOf(t, key), pinning(key)); err != nil || !got.KeyExpired {
		t.Errorf("%+v, error %v", got, err)
	}
	got, err := verify(t, content, signature{time: made.AddDate(3, 0, 0)}.by(t, sub), keyringOf(t, key), pinning(key))
	wantKind(t, "after", got, err, ErrKeyExpired, "")
}

func TestOneGoodSignatureAmongSeveralIsEnough(t *testing.T) {
	a, b, stranger := newKey(t), newKey(t), newKey(t)
	sig := func(k *openpgp.Entity, text string) []byte { return signature{text: text}.by(t, k.PrivateKey) }
	d, ring := pinning(a, b), keyringOf(t, a, b)
	file := slices.Concat(sig(stranger, content), sig(a, "other"), sig(b, content))
	if got, err := verify(t, content, file, ring, d); err != nil || got.Fingerprint != fingerprint(b) {
		t.Errorf("%+v, error %v", got, err)
	}
	blocks := append(armored(t, openpgp.SignatureType, sig(stranger, content)), armored(t, openpgp.SignatureType, sig(a, content))...)
	if got, err := verify(t, content, blocks, ring, d); err != nil || got.Fingerprint != fingerprint(a) {
		t.Errorf("two blocks: %+v, error %v", got, err)
	}
	got, err := verify(t, content, slices.Concat(sig(stranger, content), sig(a, "other")), ring, d)
	wantKind(t, "the pinned key's failure outweighs a stranger's", got, err, ErrBadSignature, fingerprint(a)[24:])
	got, err = verify(t, content, bytes.Repeat(sig(stranger, content), maxSignatures), ring, d)
	wantKind(t, "as many as are read", got, err, ErrWrongKey, "")
	got, err = verify(t, content, bytes.Repeat(sig(a, content), maxSignatures+1), ring, d)
	wantKind(t, "one more", got, err, ErrUnsupported, "more than 16 signatures")
}

func TestAFileOfSignaturesIsBoundedOnBothSides(t *testing.T) {
	key := newKey(t)
	file := armored(t, openpgp.SignatureType, signature{}.by(t, key.PrivateKey))
	pad := func(n int) []byte { return append(bytes.Clone(file), bytes.Repeat([]byte("\n"), n-len(file))...) }
	if _, err := verify(t, content, pad(maxSignature), keyringOf(t, key), pinning(key)); err != nil {
		t.Errorf("as long as allowed: %v", err)
	}
	got, err := verify(t, content, pad(maxSignature+1), keyringOf(t, key), pinning(key))
	wantKind(t, "a byte longer", got, err, ErrUnsupported, "262144 bytes")
}

func TestReadingWhatIsSignedCanFail(t *testing.T) {
	key := newKey(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := VerifySignature(ctx, strings.NewReader(content), signature{}.by(t, key.PrivateKey), keyringOf(t, key), pinning(key), now)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled context: error %v", err)
	}
}

func TestOneKeyringServesManyAtOnce(t *testing.T) {
	key := newKey(t)
	ring, sig, done := keyringOf(t, key), signature{}.by(t, key.PrivateKey), make(chan error)
	for range 4 {
		go func() {
			_, err := VerifySignature(context.Background(), strings.NewReader(content), sig, ring, pinning(key), now)
			done <- err
		}()
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
