package sums

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

func TestMergedKeepsTheRevocationOfEitherCopy(t *testing.T) {
	key := newKey(t)
	plain := keyringOf(t, key)
	sig := signature{}.by(t, key.PrivateKey)
	if err := key.Revoke(packet.NoReason, "", at(signed.AddDate(0, 1, 0))); err != nil {
		t.Fatal(err)
	}
	revoked := keyringOf(t, key)
	print := fingerprint(key)
	for name, rings := range map[string][]*Keyring{"revoked first": {revoked, plain}, "revoked last": {plain, revoked}} {
		data := Join(rings...).Merged(print)
		merged, err := ReadKeyring(bytes.NewReader(data))
		if err != nil || !merged.Usable(print) || len(merged.keys) != 1 {
			t.Fatalf("%s: %v, %d keys; want one that can be used", name, err, len(merged.keys))
		}
		_, err = VerifySignature(t.Context(), strings.NewReader(content), sig, merged, pinning(key), now)
		if !errors.Is(err, ErrKeyRevoked) {
			t.Errorf("%s: %v, want %v", name, err, ErrKeyRevoked)
		}
		if again := Join(merged, revoked, plain).Merged(print); len(again) != len(data) {
			t.Errorf("%s: merged again it is %d bytes, want %d", name, len(again), len(data))
		}
	}
}

func TestMergedLeavesOutWhatOthersSay(t *testing.T) {
	key, other := newKey(t), newKey(t)
	before := len(keyringOf(t, key).Merged(fingerprint(key)))
	for name := range key.Identities {
		if err := key.SignIdentity(name, other, at(signed)); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(keyringOf(t, key).Merged(fingerprint(key))); got != before {
		t.Errorf("%d bytes with another's signature, want %d", got, before)
	}
	if ring := keyringOf(t, key, other); len(ring.Of(fingerprint(key)).keys) != 1 || ring.Of("none") != nil {
		t.Error("Of gives other keys")
	}
}

func TestAKeyThatDoesNotSignItselfIsNotUsable(t *testing.T) {
	key := newKey(t)
	if ring := keyringOf(t, key); !ring.Usable(fingerprint(key)) || ring.Usable("none") {
		t.Error("want the key usable, and no other")
	}
	var bare bytes.Buffer
	if err := key.PrimaryKey.Serialize(&bare); err != nil {
		t.Fatal(err)
	}
	if ring, err := ReadKeyring(&bare); err == nil && ring.Usable(fingerprint(key)) {
		t.Error("a key without a signature by itself is usable")
	}
}
