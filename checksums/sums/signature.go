package sums

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// maxSignatures bounds the signatures in one file that are looked at.
const maxSignatures = 16

// The kinds of SignatureError, each of its own meaning to the reader.
var (
	// ErrNoSignature: there is no OpenPGP signature over data.
	ErrNoSignature = errors.New("not signed")
	// ErrKeyAbsent: the pinned key is not at hand, so nothing could be checked.
	ErrKeyAbsent = errors.New("the distributor's key is not at hand")
	// ErrWrongKey: it is signed, by a key that is not pinned, or a key is
	// offered that bears the pinned one's name and is another.
	ErrWrongKey = errors.New("signed by a key that is not the distributor's")
	// ErrBadSignature: the pinned key did not sign these bytes.
	ErrBadSignature = errors.New("the signature is not over these bytes")
	// ErrWeakHash: the hash is not one that the distributor's row allows.
	ErrWeakHash = errors.New("signed over a hash that is too weak")
	// ErrKeyRevoked: the key was revoked, for a reason that touches this
	// signature.
	ErrKeyRevoked = errors.New("signed by a revoked key")
	// ErrKeyExpired: the key had expired when the signature was made.
	ErrKeyExpired = errors.New("signed by a key that had expired")
	// ErrSignatureExpired: the signature's own time is over or still to come.
	ErrSignatureExpired = errors.New("the signature is not in force")
	// ErrUnsupported: the signature, or its key, is of a form or an algorithm
	// that is not accepted, so that nothing could be checked.
	ErrUnsupported = errors.New("a signature that cannot be checked")
)

// SignatureError says why no signature was accepted. It unwraps to its kind.
type SignatureError struct {
	Kind error
	// What is the particular, in a clause; "" for none.
	What string
	// KeyID is the signing key's, 16 hexadecimal digits, and Hash the
	// signature's; "" where there is no signature to read them from.
	KeyID, Hash string
}

func (e *SignatureError) Error() string {
	out := e.Kind.Error()
	if e.KeyID != "" {
		out += fmt.Sprintf(" (key %s, %s)", e.KeyID, e.Hash)
	}
	if e.What != "" {
		out += ": " + e.What
	}
	return out
}

// Unwrap returns the kind.
func (e *SignatureError) Unwrap() error { return e.Kind }

// SignatureResult is a signature that was accepted.
type SignatureResult struct {
	// Fingerprint is the pinned primary key's, and Signer that of the key that
	// signed: the same one or a subkey. Upper-case hexadecimal.
	Fingerprint, Signer string
	// KeyID is the signer's, 16 hexadecimal digits.
	KeyID string
	// Created is the signature's own time, in UTC.
	Created time.Time
	// Hash is what it was made over: "SHA1", "SHA256", …
	Hash string
	// Weak is whether that hash is allowed in this row only (SHA-1).
	Weak bool
	// KeyExpired is whether the key has expired since.
	KeyExpired bool
}

// VerifySignature checks that one of the signatures in a file, armored or
// binary, is over the signed bytes and by a key that the distributor's row
// pins. The key's expiry is judged at the signature's time, its revocations as
// OpenPGP has it: one for compromise or without a reason voids all signatures,
// the others only later ones. Signed is read once, to its end.
//
// The error is nil or a *SignatureError, except where reading fails.
func VerifySignature(ctx context.Context, signed io.Reader, signature []byte, keyring *Keyring, d Distributor, now time.Time) (SignatureResult, error) {
	signatures, err := readSignatures(signature)
	if err != nil {
		return SignatureResult{}, err
	}
	worst := &SignatureError{Kind: ErrNoSignature}
	var open []*candidate
	for _, s := range signatures {
		c, err := newCandidate(s, keyring, d)
		if err != nil {
			worst = worse(worst, err)
			continue
		}
		open = append(open, c)
	}
	if err := hashAll(ctx, signed, open); err != nil {
		return SignatureResult{}, err
	}
	for _, c := range open {
		result, err := c.verify(now)
		if err == nil {
			return result, nil
		}
		worst = worse(worst, err)
	}
	return SignatureResult{}, worst
}

// severity orders the kinds by how much they say of the pinned key; the most
// telling one is reported.
var severity = []error{
	ErrNoSignature, ErrUnsupported, ErrWrongKey, ErrKeyAbsent, ErrSignatureExpired,
	ErrKeyExpired, ErrWeakHash, ErrKeyRevoked, ErrBadSignature,
}

func worse(a, b *SignatureError) *SignatureError {
	for _, kind := range severity {
		if a.Kind == kind {
			return b
		}
		if b.Kind == kind {
			return a
		}
	}
	return a
}

// readSignatures returns the signatures over data in a file, at most
// maxSignatures of them.
func readSignatures(file []byte) ([]*packet.OpaquePacket, error) {
	if len(file) > maxSignature {
		return nil, &SignatureError{Kind: ErrUnsupported, What: fmt.Sprintf("the file is longer than %d bytes", maxSignature)}
	}
	data, err := unarmor(file, openpgp.SignatureType)
	if err != nil {
		return nil, &SignatureError{Kind: ErrBadSignature, What: err.Error()}
	}
	packets, err := splitPackets(data)
	if err != nil {
		return nil, &SignatureError{Kind: ErrBadSignature, What: err.Error()}
	}
	var out []*packet.OpaquePacket
	for _, p := range packets {
		if p.Tag == tagSignature {
			out = append(out, p)
		}
	}
	if len(out) > maxSignatures {
		return nil, &SignatureError{Kind: ErrUnsupported, What: fmt.Sprintf("more than %d signatures", maxSignatures)}
	}
	return out, nil
}

// parseSignature reads a signature over data.
func parseSignature(p *packet.OpaquePacket) (*packet.Signature, *SignatureError) {
	c := p.Contents
	switch {
	case len(c) > 0 && c[0] != 4:
		return nil, &SignatureError{Kind: ErrUnsupported, What: fmt.Sprintf("it is of version %d", c[0])}
	case len(c) > 3 && (c[3] == hashMD5 || c[3] == hashRIPEMD160):
		return nil, &SignatureError{Kind: ErrWeakHash, What: "MD5 or RIPEMD-160"}
	}
	s, ok := parsePacket(p).(*packet.Signature)
	switch {
	case !ok:
		return nil, &SignatureError{Kind: ErrUnsupported, What: "it does not parse"}
	case s.SigType != packet.SigTypeBinary && s.SigType != packet.SigTypeText:
		return nil, &SignatureError{Kind: ErrNoSignature, What: "it is not over data"}
	case s.IssuerKeyId == nil:
		return nil, &SignatureError{Kind: ErrUnsupported, What: "it names no key"}
	}
	for _, n := range s.Notations {
		if n.IsCritical {
			return nil, &SignatureError{Kind: ErrUnsupported, What: "it holds a critical notation"}
		}
	}
	return s, nil
}

// Numbers of hashes that the library does not know, RFC 9580 section 9.5.
const (
	hashMD5       = 1
	hashRIPEMD160 = 3
)

// hashName is a hash's name in a row: "SHA256".
func hashName(h crypto.Hash) string { return strings.Replace(h.String(), "SHA-", "SHA", 1) }

func keyID(id uint64) string { return fmt.Sprintf("%016X", id) }
