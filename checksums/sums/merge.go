package sums

import (
	"bytes"
	"slices"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// Of returns the copies of one key; nil where there is none.
func (k *Keyring) Of(fingerprint string) *Keyring {
	copies := k.copies(fingerprint)
	if len(copies) == 0 {
		return nil
	}
	return &Keyring{keys: copies}
}

// Usable reports whether the key is there and signed by itself, without which no
// signature of it can be judged. Key servers give keys that are not.
func (k *Keyring) Usable(fingerprint string) bool {
	e := k.entity(fingerprint)
	if e == nil {
		return false
	}
	_, err := e.PrimarySelfSignature(time.Time{}, policy)
	return err == nil
}

// Merged returns all copies of a key as one, in binary, with every signature
// that the key made over itself: its revocations before all. What others say of
// it is left out; it counts for nothing here, and there is no end to it.
func (k *Keyring) Merged(fingerprint string) []byte {
	var parts []keyPart
	for _, key := range k.copies(fingerprint) {
		packets, err := splitPackets(key.packets)
		if err != nil {
			continue
		}
		parts = addParts(parts, packets)
	}
	var out bytes.Buffer
	for _, p := range parts {
		out.Write(p.head)
		for _, s := range p.signatures {
			out.Write(s)
		}
	}
	return out.Bytes()
}

// keyPart is a packet that is no signature, with the signatures over it.
type keyPart struct {
	head       []byte
	signatures [][]byte
}

// addParts adds one copy of a key to what the copies before it held.
func addParts(parts []keyPart, packets []*packet.OpaquePacket) []keyPart {
	var primary *packet.PublicKey
	at := -1
	for _, p := range packets {
		parsed := parsePacket(p)
		var b bytes.Buffer
		if p.Serialize(&b) != nil {
			continue
		}
		if p.Tag != tagSignature {
			if key, ok := parsed.(*packet.PublicKey); ok && primary == nil {
				primary = key
			}
			if at = slices.IndexFunc(parts, func(part keyPart) bool { return bytes.Equal(part.head, b.Bytes()) }); at < 0 {
				at, parts = len(parts), append(parts, keyPart{head: b.Bytes()})
			}
			continue
		}
		s, ok := parsed.(*packet.Signature)
		if !ok || at < 0 || primary == nil || !s.CheckKeyIdOrFingerprint(primary) {
			continue
		}
		known := func(other []byte) bool { return bytes.Equal(other, b.Bytes()) }
		if !slices.ContainsFunc(parts[at].signatures, known) {
			parts[at].signatures = append(parts[at].signatures, b.Bytes())
		}
	}
	return parts
}
