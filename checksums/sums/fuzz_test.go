package sums

import (
	"bytes"
	"crypto"
	"errors"
	"slices"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

func FuzzReadKeyring(f *testing.F) {
	key := newKey(f)
	if err := key.AddSigningSubkey(at(made)); err != nil {
		f.Fatal(err)
	}
	if err := key.Revoke(packet.KeyRetired, "", at(now)); err != nil {
		f.Fatal(err)
	}
	f.Add(publicBytes(f, key))
	f.Add(publicBytes(f, newKey(f, rsa(1024))))
	f.Add(armored(f, openpgp.PublicKeyType, publicBytes(f, newKey(f))))
	sig := signature{}.by(f, key.PrivateKey)
	// The law: no panic; an error has no keyring; a keyring has a key, and each
	// of its keys can be asked for a signature, which only a pinned key accepts.
	f.Fuzz(func(t *testing.T, data []byte) {
		k, err := ReadKeyring(bytes.NewReader(data))
		if (err == nil) != (k != nil) {
			t.Fatalf("%v, error %v", k, err)
		}
		if err != nil {
			return
		}
		prints := k.Fingerprints()
		if len(prints) == 0 {
			t.Fatal("an empty keyring")
		}
		for _, p := range prints {
			d := Distributor{Keys: []Key{{Fingerprint: p}}, Hashes: strongHashes}
			got, err := verify(t, content, sig, k, d)
			if err == nil && got.Fingerprint != fingerprint(key) {
				t.Fatalf("accepted by %+v", got)
			}
			if err != nil && got != (SignatureResult{}) {
				t.Fatalf("an error with %+v", got)
			}
		}
	})
}

func FuzzVerifySignature(f *testing.F) {
	key := newKey(f)
	ring, d := keyringOf(f, key), pinning(key)
	good := signature{}.by(f, key.PrivateKey)
	f.Add(good)
	f.Add(armored(f, openpgp.SignatureType, good))
	f.Add(signature{hash: crypto.SHA512, kind: packet.SigTypeText, notation: "a@b"}.by(f, key.PrivateKey))
	f.Add(slices.Concat(good, good))
	f.Add([]byte(string(clearBegin) + "\nHash: SHA256\n\na\n" + string(armored(f, openpgp.SignatureType, good))))
	f.Add([]byte("-----BEGIN PGP SIGNED MESSAGE-----\n\n-----BEGIN PGP SIGNATURE-----"))
	// The law: no panic; an error has no result and a kind; what was not signed
	// is not accepted.
	f.Fuzz(func(t *testing.T, data []byte) {
		if got, err := verify(t, content+"other", data, ring, d); err == nil || got != (SignatureResult{}) {
			t.Fatalf("%+v, error %v", got, err)
		} else if _, ok := errors.AsType[*SignatureError](err); !ok {
			t.Fatalf("error %v of %T", err, err)
		}
		if text, got, err := VerifyClearSigned(t.Context(), data, ring, d, now); err == nil || text != nil || got != (SignatureResult{}) {
			t.Fatalf("%q, %+v, error %v", text, got, err)
		}
	})
}
