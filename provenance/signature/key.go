package signature

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
)

const (
	// MaxKeyFile bounds a file of keys or certificates, in bytes.
	MaxKeyFile = 1 << 20
	// maxKeys bounds the keys of a file.
	maxKeys = 100
	// minRSA is the shortest RSA modulus that is accepted, in bits, maxRSA the
	// longest; minExponent is the smallest public exponent.
	minRSA      = 2048
	maxRSA      = 16384
	minExponent = 65537
)

// Key is a public key.
type Key struct {
	Public crypto.PublicKey
	// raw is its SubjectPublicKeyInfo in DER.
	raw []byte
}

// ParseKeys reads the public keys of a PEM file, all of them, in order. Certificates
// are not keys; a private key is refused by name, so that nobody hands one out.
func ParseKeys(data []byte) ([]Key, error) {
	var keys []Key
	if len(data) > MaxKeyFile {
		return nil, fmt.Errorf("keys of more than %d bytes", MaxKeyFile)
	}
	for rest := data; ; {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil {
			break
		}
		key, err := parseKey(block)
		if err != nil {
			return nil, err
		}
		if keys = append(keys, key); len(keys) > maxKeys {
			return nil, fmt.Errorf("more than %d keys", maxKeys)
		}
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("no public key in PEM (BEGIN PUBLIC KEY)")
	}
	return keys, nil
}

func parseKey(block *pem.Block) (Key, error) {
	switch block.Type {
	case "PUBLIC KEY":
		public, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return Key{}, fmt.Errorf("public key: %w", err)
		}
		return newKey(public)
	case "RSA PUBLIC KEY":
		public, err := x509.ParsePKCS1PublicKey(block.Bytes)
		if err != nil {
			return Key{}, fmt.Errorf("public key: %w", err)
		}
		return newKey(public)
	}
	return Key{}, fmt.Errorf("%q is no public key", block.Type)
}

// newKey refuses kinds of keys that nothing signs with.
func newKey(public crypto.PublicKey) (Key, error) {
	switch public.(type) {
	case *ecdsa.PublicKey, *rsa.PublicKey, ed25519.PublicKey:
	default:
		return Key{}, fmt.Errorf("keys of the type %T are not supported", public)
	}
	raw, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return Key{}, fmt.Errorf("public key: %w", err)
	}
	return Key{Public: public, raw: raw}, nil
}

// Fingerprint is "SHA256:" and the hash of the key's SubjectPublicKeyInfo in hex.
func (k Key) Fingerprint() string { return fingerprint(k.raw) }

func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return "SHA256:" + hex.EncodeToString(sum[:])
}

// Algorithm names the key's kind and size: "ECDSA P-256", "RSA 2048", "Ed25519".
func (k Key) Algorithm() string {
	switch public := k.Public.(type) {
	case *ecdsa.PublicKey:
		return "ECDSA " + public.Curve.Params().Name
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", public.N.BitLen())
	}
	return "Ed25519"
}

func (k Key) equal(other Key) bool { return len(k.raw) > 0 && bytes.Equal(k.raw, other.raw) }

// weakness says why the key is too weak to rest on; "" where it is not.
func (k Key) weakness() string {
	switch public := k.Public.(type) {
	case *ecdsa.PublicKey:
		switch public.Curve {
		case elliptic.P256(), elliptic.P384(), elliptic.P521():
			return ""
		}
		return fmt.Sprintf("the curve is %s, not P-256, P-384 or P-521", public.Curve.Params().Name)
	case *rsa.PublicKey:
		switch bits := public.N.BitLen(); {
		case bits < minRSA:
			return fmt.Sprintf("the RSA modulus has %d bits, fewer than %d", bits, minRSA)
		case bits > maxRSA:
			return fmt.Sprintf("the RSA modulus has %d bits, more than %d", bits, maxRSA)
		case public.E < minExponent:
			return fmt.Sprintf("the RSA exponent is %d, less than %d", public.E, minExponent)
		}
		return ""
	case ed25519.PublicKey:
		return ""
	}
	return fmt.Sprintf("keys of the type %T are not supported", k.Public)
}
