package sums

import (
	"bytes"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

func hexOf(b []byte) string { return hex.EncodeToString(b) }

func mustRead(t testing.TB, data []byte) *Keyring {
	t.Helper()
	k, err := ReadKeyring(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestKeyringsAreReadInEveryForm(t *testing.T) {
	a, b := newKey(t), newKey(t)
	binary, both := publicBytes(t, a, b), []string{fingerprint(a), fingerprint(b)}
	block := func(k *openpgp.Entity) []byte { return armored(t, openpgp.PublicKeyType, publicBytes(t, k)) }
	for _, c := range []struct {
		name string
		data []byte
	}{
		{"binary", binary},
		{"armored", armored(t, openpgp.PublicKeyType, binary)},
		{"two blocks", append(block(a), block(b)...)},
		{"armored below text, with Windows line ends", append([]byte("pub ed25519\r\n"), bytes.ReplaceAll(armored(t, openpgp.PublicKeyType, binary), []byte("\n"), []byte("\r\n"))...)},
		{"with a broken signature in between", slices.Concat(publicBytes(t, a), []byte{0xc2, 2, 4, 0}, publicBytes(t, b))},
		{"with a signature of version 6 that asks for 4 GiB", slices.Concat(publicBytes(t, a), []byte{0xc2, 8, 6, 0, 22, 10, 0xff, 0xff, 0xff, 0xff}, publicBytes(t, b))},
		{"with an unknown packet in between", slices.Concat(publicBytes(t, a), []byte{0xfc, 1, 0}, publicBytes(t, b))},
		{"with a key of version 6 in between", slices.Concat(publicBytes(t, a), []byte{0xc6, 1, 6}, publicBytes(t, b))},
	} {
		k, err := ReadKeyring(bytes.NewReader(c.data))
		if err != nil || !slices.Equal(k.Fingerprints(), both) || !k.Has(both[1]) || k.Has(strings.Repeat("0", 40)) {
			t.Errorf("%s: %v, error %v", c.name, k.Fingerprints(), err)
		}
	}
}

func TestFilesWithoutAPublicKeyAreErrors(t *testing.T) {
	key := newKey(t)
	var secret bytes.Buffer
	if err := key.SerializePrivateWithoutSigning(&secret, nil); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		data []byte
		kind error
	}{
		{"nothing", nil, ErrNotKeyring},
		{"text", []byte("no key here\n"), ErrNotKeyring},
		{"a signature", signature{}.by(t, key.PrivateKey), ErrNotKeyring},
		{"a secret key", secret.Bytes(), ErrNotKeyring},
		{"a key without a user ID", publicBytes(t, key)[:53], ErrNotKeyring},
		{"a key cut short", publicBytes(t, key)[:40], ErrNotKeyring},
		{"armor cut short", armored(t, openpgp.PublicKeyType, publicBytes(t, key))[:200], ErrNotKeyring},
		{"zeros", make([]byte, 64), ErrNotKeyring},
		{"a file over the bound", append(publicBytes(t, key), make([]byte, maxKeyring)...), ErrKeyringTooLong},
	} {
		if k, err := ReadKeyring(bytes.NewReader(c.data)); !errors.Is(err, c.kind) || k != nil {
			t.Errorf("%s: %v, error %v", c.name, k.Fingerprints(), err)
		}
	}
}

func TestKeyringsAreBoundedOnBothSides(t *testing.T) {
	key := armored(t, openpgp.PublicKeyType, publicBytes(t, newKey(t)))
	pad := func(n int) []byte { return append(bytes.Clone(key), bytes.Repeat([]byte("\n"), n-len(key))...) }
	if _, err := ReadKeyring(bytes.NewReader(pad(maxKeyring))); err != nil {
		t.Errorf("as long as allowed: %v", err)
	}
	if _, err := ReadKeyring(bytes.NewReader(pad(maxKeyring + 1))); !errors.Is(err, ErrKeyringTooLong) {
		t.Errorf("a byte longer: %v", err)
	}
	marker := []byte{0xca, 0}
	if _, err := splitPackets(bytes.Repeat(marker, maxPackets)); err != nil {
		t.Errorf("as many packets as allowed: %v", err)
	}
	if _, err := splitPackets(bytes.Repeat(marker, maxPackets+1)); err == nil {
		t.Error("one packet more is no error")
	}
}

// frame is a signature of version 4 around hashed subpackets.
func frame(hashed []byte) []byte {
	out := append([]byte{4, 0, 22, 10, byte(len(hashed) >> 8), byte(len(hashed))}, hashed...)
	return append(out, 0, 0, 1, 2, 0, 1, 1, 0, 1, 1)
}

func TestSignaturesThatUpsetTheLibraryDoNotReachIt(t *testing.T) {
	created := []byte{5, 2, 0, 0, 0, 1}
	bomb := []byte{6, 0, 22, 10, 0xff, 0xff, 0xff, 0xff}
	embed := func(sig []byte) []byte { return append([]byte{byte(len(sig) + 1), 32}, sig...) }
	for _, c := range []struct {
		name  string
		sig   []byte
		sound bool
	}{
		{"a plain one", frame(created), true},
		{"a signature in it", frame(append(embed(frame(created)), created...)), true},
		{"a signature in a signature in it", frame(embed(frame(embed(frame(created))))), false},
		{"one of version 6 in it, asking for 4 GiB", frame(embed(bomb)), false},
		{"an empty exportable subpacket, which panics", frame([]byte{1, 4}), false},
		{"subpackets longer than it is", []byte{4, 0, 22, 10, 0xff, 0xff}, false},
		{"a subpacket longer than its area", frame([]byte{200, 2}), false},
		{"version 6", bomb, false},
		{"nothing", nil, false},
	} {
		if got := soundSignature(c.sig, true); got != c.sound {
			t.Errorf("%s: %v", c.name, got)
		}
		parsePacket(&packet.OpaquePacket{Tag: tagSignature, Contents: c.sig}) // law: no panic
	}
}

func TestAKeyThatDoesNotSignItselfIsNoKey(t *testing.T) {
	key, other := newKey(t), newKey(t)
	for name, id := range other.Identities {
		key.Identities[name] = id // signed by the other key
	}
	if k, err := ReadKeyring(bytes.NewReader(publicBytes(t, key))); !errors.Is(err, ErrNotKeyring) {
		t.Errorf("%v, error %v", k.Fingerprints(), err)
	}
}
