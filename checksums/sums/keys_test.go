package sums

import (
	"bytes"
	"crypto"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// Times of the keys and signatures in these tests.
var (
	made   = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	signed = made.AddDate(1, 0, 0)
	now    = made.AddDate(5, 0, 0)
)

const day = 24 * 60 * 60

func at(t time.Time) *packet.Config {
	no := false
	return &packet.Config{
		Time:      func() time.Time { return t },
		Algorithm: packet.PubKeyAlgoEdDSA, Curve: packet.Curve25519,
		NonDeterministicSignaturesViaNotation: &no,
	}
}

// newKey makes a key of the tests' distributor.
func newKey(t testing.TB, change ...func(*packet.Config)) *openpgp.Entity {
	t.Helper()
	config := at(made)
	for _, c := range change {
		c(config)
	}
	e, err := openpgp.NewEntity("Test Distributor", "", "keys@distributor.example", config)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func lasts(seconds uint32) func(*packet.Config) {
	return func(c *packet.Config) { c.KeyLifetimeSecs = seconds }
}

func rsa(bits int) func(*packet.Config) {
	return func(c *packet.Config) { c.Algorithm, c.RSABits, c.MinRSABits = packet.PubKeyAlgoRSA, bits, 1024 }
}

func publicBytes(t testing.TB, keys ...*openpgp.Entity) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, k := range keys {
		if err := k.Serialize(&b); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func keyringOf(t testing.TB, keys ...*openpgp.Entity) *Keyring {
	t.Helper()
	k, err := ReadKeyring(bytes.NewReader(publicBytes(t, keys...)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func fingerprint(e *openpgp.Entity) string { return fmt.Sprintf("%X", e.PrimaryKey.Fingerprint) }

// pinning is a distributor whose row has the keys and strong hashes.
func pinning(keys ...*openpgp.Entity) Distributor {
	d := Distributor{Name: "Test", Hashes: strongHashes}
	for _, k := range keys {
		d.Keys = append(d.Keys, Key{Fingerprint: fingerprint(k), UserID: "Test Distributor <keys@distributor.example>"})
	}
	return d
}

// signature makes one signature packet with a private key of any kind.
type signature struct {
	hash     crypto.Hash
	time     time.Time
	kind     packet.SignatureType
	lifetime uint32
	notation string // critical
	text     string
}

func (s signature) by(t testing.TB, key *packet.PrivateKey) []byte {
	t.Helper()
	if s.hash == 0 {
		s.hash = crypto.SHA256
	}
	if s.time.IsZero() {
		s.time = signed
	}
	if s.text == "" {
		s.text = content
	}
	sig := &packet.Signature{
		Version: 4, SigType: s.kind, PubKeyAlgo: key.PubKeyAlgo, Hash: s.hash,
		CreationTime: s.time, IssuerKeyId: &key.KeyId, SigLifetimeSecs: &s.lifetime,
	}
	if s.notation != "" {
		sig.Notations = []*packet.Notation{{Name: s.notation, IsCritical: true}}
	}
	h, err := sig.PrepareSign(at(s.time))
	if err != nil {
		t.Fatal(err)
	}
	document := io.Writer(h)
	if s.kind == packet.SigTypeText {
		document = openpgp.NewCanonicalTextHash(h)
	}
	io.WriteString(document, s.text)
	var b bytes.Buffer
	if err := sig.Sign(h, key, at(s.time)); err != nil {
		t.Fatal(err)
	}
	if err := sig.Serialize(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func armored(t testing.TB, blockType string, body []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := armor.Encode(&b, blockType, map[string]string{"Comment": "made by a test"})
	if err != nil {
		t.Fatal(err)
	}
	w.Write(body)
	w.Close()
	b.WriteByte('\n')
	return b.Bytes()
}
