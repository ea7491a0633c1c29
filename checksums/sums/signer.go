package sums

import (
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// signer is a key that may have made a signature: a pinned primary key, or one
// of its subkeys.
type signer struct {
	entity *openpgp.Entity
	key    *packet.PublicKey
	subkey *openpgp.Subkey // nil for the primary key
}

// policy is the library's own for keys and the signatures inside them: no MD5,
// no DSA, RSA of at least 2,047 bits. SHA-1 is allowed there: those signatures
// only say what a key that is pinned by its fingerprint is for, and the ones
// inside old keys have it.
var policy = &packet.Config{}

// findSigner finds the key that a signature says it is by. Entity may be nil.
func findSigner(entity *openpgp.Entity, s *packet.Signature) (signer, bool) {
	if entity == nil {
		return signer{}, false
	}
	if s.CheckKeyIdOrFingerprint(entity.PrimaryKey) {
		return signer{entity: entity, key: entity.PrimaryKey}, true
	}
	for i := range entity.Subkeys {
		sub := &entity.Subkeys[i]
		if s.CheckKeyIdOrFingerprint(sub.PublicKey) {
			return signer{entity: entity, key: sub.PublicKey, subkey: sub}, true
		}
	}
	return signer{}, false
}

// maySign reports why a key may not sign data at any time; nil where it may.
func (s signer) maySign() (what string, kind error) {
	if !strong(s.entity.PrimaryKey) || !strong(s.key) {
		return "the key's algorithm is too weak", ErrUnsupported
	}
	self, err := s.entity.PrimarySelfSignature(time.Time{}, policy)
	if err != nil {
		return "the copy at hand is not signed by itself", ErrKeyAbsent
	}
	if s.subkey == nil {
		if self.FlagsValid && !self.FlagSign {
			return "it is not for signing data", ErrWrongKey
		}
		return "", nil
	}
	binding, err := s.subkey.LatestValidBindingSignature(time.Time{}, policy)
	if err != nil {
		return "the pinned key does not vouch for the subkey", ErrWrongKey
	}
	if !binding.FlagsValid || !binding.FlagSign {
		return "the subkey is not for signing data", ErrWrongKey
	}
	return "", nil
}

// strong reports whether a key's algorithm and size are accepted.
func strong(k *packet.PublicKey) bool {
	if policy.RejectPublicKeyAlgorithm(k.PubKeyAlgo) {
		return false
	}
	switch k.PubKeyAlgo {
	case packet.PubKeyAlgoRSA, packet.PubKeyAlgoRSASignOnly:
		bits, err := k.BitLength()
		return err == nil && bits >= policy.MinimumRSABits()
	case packet.PubKeyAlgoECDSA, packet.PubKeyAlgoEdDSA:
		curve, err := k.Curve()
		return err == nil && !policy.RejectCurve(curve)
	}
	return true
}

// validAt reports why the key was not in force at the signature's time; nil
// where it was.
func (s signer) validAt(t time.Time) (what string, kind error) {
	if s.key.CreationTime.After(t) {
		return "it is older than its key", ErrBadSignature
	}
	if s.entity.Revoked(t) {
		return "", ErrKeyRevoked
	}
	if s.subkey != nil && s.subkey.Revoked(s.binding(t), t) {
		return "the subkey was revoked", ErrKeyRevoked
	}
	if s.expired(t) {
		return dated(t), ErrKeyExpired
	}
	return "", nil
}

// expired reports whether the key had expired at a time.
func (s signer) expired(t time.Time) bool {
	if self := s.self(t); self == nil || s.entity.PrimaryKey.KeyExpired(self, t) {
		return true
	}
	if direct, err := s.entity.LatestValidDirectSignature(t, policy); err == nil && s.entity.PrimaryKey.KeyExpired(direct, t) {
		return true
	}
	if s.subkey == nil {
		return false
	}
	binding := s.binding(t)
	return binding == nil || s.key.KeyExpired(binding, t)
}

// self is the signature by itself that was in force at a time. Key servers
// often keep just the newest, made long after: it stands in for what was.
func (s signer) self(t time.Time) *packet.Signature {
	if self, err := s.entity.PrimarySelfSignature(t, policy); err == nil {
		return self
	}
	self, err := s.entity.PrimarySelfSignature(time.Time{}, policy)
	if err != nil {
		return nil
	}
	return self
}

// binding is as self, for the subkey.
func (s signer) binding(t time.Time) *packet.Signature {
	if b, err := s.subkey.LatestValidBindingSignature(t, policy); err == nil {
		return b
	}
	b, err := s.subkey.LatestValidBindingSignature(time.Time{}, policy)
	if err != nil {
		return nil
	}
	return b
}
