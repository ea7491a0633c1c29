package sums

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

var (
	// ErrNotKeyring says that a file holds no OpenPGP public key.
	ErrNotKeyring = errors.New("no OpenPGP public key in it")
	// ErrKeyringTooLong says that a file of keys is over the bound.
	ErrKeyringTooLong = fmt.Errorf("a keyring longer than %d bytes", maxKeyring)
)

// Keyring is a set of OpenPGP public keys, as found: being in it makes no key
// trusted. It is never changed once made, and safe for concurrent use.
type Keyring struct {
	keys []publicKey
}

// publicKey is one copy of a key, a primary key with what follows it. It stays
// in bytes, since the library's form of it changes with every look at it.
type publicKey struct {
	fingerprint string // of the primary key, in upper case
	ids         []uint64
	userIDs     []string
	packets     []byte
}

// ReadKeyring reads public keys, armored or binary as the content shows. Parts
// that do not parse are left out; a file without any key is ErrNotKeyring.
func ReadKeyring(r io.Reader) (*Keyring, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxKeyring+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxKeyring {
		return nil, ErrKeyringTooLong
	}
	data, err = unarmor(data, openpgp.PublicKeyType)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotKeyring, err)
	}
	packets, err := splitPackets(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotKeyring, err)
	}
	k := &Keyring{keys: groupKeys(packets)}
	if len(k.keys) == 0 {
		return nil, ErrNotKeyring
	}
	return k, nil
}

// groupKeys joins each primary key with the packets up to the next.
func groupKeys(packets []*packet.OpaquePacket) []publicKey {
	var out []publicKey
	var key *publicKey
	add := func() {
		if key != nil && key.entity() != nil {
			out = append(out, *key)
		}
		key = nil
	}
	signed := false // whether signatures that follow are of a packet that was kept
	for _, p := range packets {
		if p.Tag == tagPublicKey || p.Tag == tagSecretKey {
			add()
		}
		parsed := parsePacket(p)
		if p.Tag != tagSignature {
			signed = parsed != nil
		}
		if parsed == nil || !signed {
			continue
		}
		if primary, ok := parsed.(*packet.PublicKey); ok && p.Tag == tagPublicKey {
			key = &publicKey{fingerprint: fmt.Sprintf("%X", primary.Fingerprint)}
		}
		if key != nil {
			key.add(p, parsed)
		}
	}
	add()
	return out
}

func (k *publicKey) add(p *packet.OpaquePacket, parsed packet.Packet) {
	switch parsed := parsed.(type) {
	case *packet.PublicKey:
		k.ids = append(k.ids, parsed.KeyId)
	case *packet.UserId:
		k.userIDs = append(k.userIDs, parsed.Id)
	}
	var b bytes.Buffer
	if p.Serialize(&b) == nil {
		k.packets = append(k.packets, b.Bytes()...)
	}
}

// entity parses the key; nil for one that has no signature by itself.
func (k *publicKey) entity() *openpgp.Entity {
	e, err := openpgp.ReadEntity(packet.NewReader(bytes.NewReader(k.packets)))
	if err != nil {
		return nil
	}
	return e
}

// Join makes one keyring of several; nil ones are left out.
func Join(keyrings ...*Keyring) *Keyring {
	out := &Keyring{}
	for _, k := range keyrings {
		if k != nil {
			out.keys = append(out.keys, k.keys...)
		}
	}
	return out
}

// Has reports whether the key of that primary fingerprint is in the keyring.
func (k *Keyring) Has(fingerprint string) bool { return len(k.copies(fingerprint)) > 0 }

// Fingerprints are those of the primary keys, in the keyring's order.
func (k *Keyring) Fingerprints() []string {
	var out []string
	for _, key := range Join(k).keys {
		out = append(out, key.fingerprint)
	}
	return out
}

func (k *Keyring) copies(fingerprint string) []publicKey {
	var out []publicKey
	for _, key := range Join(k).keys {
		if key.fingerprint == fingerprint {
			out = append(out, key)
		}
	}
	return out
}

// withID returns the keys that have, or say that they have, a key of that ID.
func (k *Keyring) withID(id uint64) []publicKey {
	var out []publicKey
	for _, key := range Join(k).keys {
		for _, known := range key.ids {
			if known == id {
				out = append(out, key)
				break
			}
		}
	}
	return out
}

// entity joins all copies of a key, so that what one copy lacks (a revocation
// before all) is taken from the others. It is made anew each time.
func (k *Keyring) entity(fingerprint string) *openpgp.Entity {
	var out *openpgp.Entity
	for _, key := range k.copies(fingerprint) {
		e := key.entity()
		if out == nil {
			out = e
			continue
		}
		joinEntity(out, e)
	}
	return out
}

func joinEntity(into, from *openpgp.Entity) {
	into.Revocations = append(into.Revocations, from.Revocations...)
	into.DirectSignatures = append(into.DirectSignatures, from.DirectSignatures...)
	for name, id := range from.Identities {
		known, ok := into.Identities[name]
		if !ok {
			into.Identities[name] = id
			continue
		}
		known.SelfCertifications = append(known.SelfCertifications, id.SelfCertifications...)
		known.Revocations = append(known.Revocations, id.Revocations...)
	}
	for _, sub := range from.Subkeys {
		if known := subkeyOf(into, sub.PublicKey); known != nil {
			known.Bindings = append(known.Bindings, sub.Bindings...)
			known.Revocations = append(known.Revocations, sub.Revocations...)
			continue
		}
		into.Subkeys = append(into.Subkeys, sub)
	}
}

func subkeyOf(e *openpgp.Entity, key *packet.PublicKey) *openpgp.Subkey {
	for i := range e.Subkeys {
		if bytes.Equal(e.Subkeys[i].PublicKey.Fingerprint, key.Fingerprint) {
			return &e.Subkeys[i]
		}
	}
	return nil
}
