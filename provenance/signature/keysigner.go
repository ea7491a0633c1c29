package signature

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"

	"github.com/imageverify/verify/provenance/signed"
)

// keyBeside judges a certificate that stands beside the signature of an accepted key:
// it must be of that key.
func (v *Verifier) keyBeside(e *entity, of Key, r *signed.Result) error {
	for _, k := range v.policy.Keys {
		if k.equal(of) {
			// Nobody vouches here for what the certificate says: the key is who signed.
			r.Accepted, r.Signer = true, signerOfKey(k)
			if e.signedBy(k.Public) {
				return nil
			}
			return faultf(signed.BadSignature, "the signature is not over this content, or not by key %s", k.Fingerprint())
		}
	}
	for _, k := range v.policy.Keys {
		if e.signedBy(k.Public) {
			r.Accepted = true
			return faultf(signed.KeyDiffers, "key %s signed, and the certificate beside the signature, of %s, is of another key", k.Fingerprint(), r.Signer)
		}
	}
	return faultf(signed.IdentityMismatch, "the certificate is of %s, not of %s", r.Signer, v.policy.names())
}

// keySigner finds the accepted key that verifies the signature.
func (v *Verifier) keySigner(e *entity, r *signed.Result) (Key, error) {
	for _, k := range v.policy.Keys {
		if e.signedBy(k.Public) {
			r.Accepted, r.Signer = true, signerOfKey(k)
			return k, nil
		}
	}
	other, claimed := e.claimedKey()
	if claimed {
		r.Signer = signerOfKey(other)
		for _, k := range v.policy.Keys {
			r.Accepted = r.Accepted || k.equal(other)
		}
	}
	switch {
	case !v.policy.accepts():
		return Key{}, nil
	case len(v.policy.Keys) == 0:
		return Key{}, faultf(signed.IdentityMismatch, "a bare key signed%s, no certificate of %s", keyText(other), v.policy.names())
	case claimed && !r.Accepted && e.signedBy(other.Public):
		return Key{}, faultf(signed.IdentityMismatch, "key %s signed, not %s", other.Fingerprint(), v.policy.names())
	}
	return Key{}, faultf(signed.BadSignature, "the signature is not by %s, or not over this content", v.policy.names())
}

func keyText(k Key) string {
	if k.raw == nil {
		return ""
	}
	return ", " + k.Fingerprint()
}

func signerOfKey(k Key) signed.Signer {
	return signed.Signer{Key: k.Fingerprint(), Algorithm: k.Algorithm()}
}

// claimedKey is the key that a log entry names.
func (e *entity) claimedKey() (Key, bool) {
	for _, entry := range e.entries {
		if c, err := parseBody(entry); err == nil {
			if k, ok := c.keyOf(); ok {
				return k, true
			}
		}
	}
	return Key{}, false
}

// signedBy reports whether the key made the signature. Curves larger than P-256 have
// signed over SHA-256 as well as over their own hash.
func (e *entity) signedBy(public crypto.PublicKey) bool {
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		for _, h := range curveHashes(key.Curve) {
			if sum, ok := e.sum(h); ok && ecdsa.VerifyASN1(key, sum, e.signature) {
				return true
			}
		}
	case *rsa.PublicKey:
		sum, ok := e.sum(crypto.SHA256)
		return ok && rsa.VerifyPKCS1v15(key, crypto.SHA256, sum, e.signature) == nil
	case ed25519.PublicKey:
		if e.message != nil && ed25519.Verify(key, e.message, e.signature) {
			return true
		}
		// Logs hold signatures of digests: Ed25519ph is what makes them.
		sum, ok := e.sum(crypto.SHA512)
		return ok && !e.dsse && ed25519.VerifyWithOptions(key, sum, e.signature, &ed25519.Options{Hash: crypto.SHA512}) == nil
	}
	return false
}

func curveHashes(curve elliptic.Curve) []crypto.Hash {
	switch curve {
	case elliptic.P384():
		return []crypto.Hash{crypto.SHA256, crypto.SHA384}
	case elliptic.P521():
		return []crypto.Hash{crypto.SHA256, crypto.SHA512}
	}
	return []crypto.Hash{crypto.SHA256}
}

// sum is the digest of what was signed.
func (e *entity) sum(h crypto.Hash) ([]byte, bool) {
	if e.message == nil {
		return e.digest, h == e.hash
	}
	hash := h.New()
	hash.Write(e.message)
	return hash.Sum(nil), true
}
