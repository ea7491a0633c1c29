package sums

import (
	"context"
	"crypto"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/pjbgf/sha1cd"

	"github.com/imageverify/verify/checksums"
)

// candidate is a signature whose issuer is a pinned key, over a hash that the
// row allows.
type candidate struct {
	signature *packet.Signature
	signer    signer
	direct    hash.Hash // what the signature is over
	document  io.Writer // feeds direct, line ends made one where it is text
}

// newCandidate finds the pinned key that a signature says it is by. The issuer
// is only a hint: verify decides.
func newCandidate(p *packet.OpaquePacket, keyring *Keyring, d Distributor) (*candidate, *SignatureError) {
	s, err := parseSignature(p)
	if err != nil {
		return nil, err
	}
	c := &candidate{signature: s}
	found := false
	for _, k := range d.Keys {
		if c.signer, found = findSigner(keyring.entity(k.Fingerprint), s); found {
			break
		}
	}
	if !found {
		return nil, c.fail(whoElse(*s.IssuerKeyId, keyring, d))
	}
	if !slices.Contains(d.Hashes, hashName(s.Hash)) {
		return nil, c.fail(d.Name+"'s signatures are made over "+strings.Join(d.Hashes, ", "), ErrWeakHash)
	}
	if s.Hash == crypto.SHA1 {
		c.direct = sha1cd.New()
	} else if c.direct, _ = s.PrepareVerify(); c.direct == nil {
		return nil, c.fail("the hash is not built in", ErrUnsupported)
	}
	c.document = c.direct
	if s.SigType == packet.SigTypeText {
		c.document = openpgp.NewCanonicalTextHash(c.direct)
	}
	return c, nil
}

// whoElse tells a signature by a stranger from one whose key is missing.
func whoElse(issuer uint64, keyring *Keyring, d Distributor) (what string, kind error) {
	pinnedAtHand := len(d.Keys) > 0
	for _, k := range d.Keys {
		if keyring.Has(k.Fingerprint) {
			continue
		}
		pinnedAtHand = false
		if other := namesake(keyring, k); other != "" {
			return fmt.Sprintf("a key at hand calls itself %q and is %s, not %s", k.UserID, other, k.Fingerprint), ErrWrongKey
		}
	}
	for _, k := range d.Keys {
		if strings.HasSuffix(k.Fingerprint, keyID(issuer)) && !pinnedAtHand {
			return k.Fingerprint + " is needed", ErrKeyAbsent
		}
	}
	switch others := keyring.withID(issuer); {
	case len(others) > 0:
		return others[0].fingerprint + " is not pinned", ErrWrongKey
	case pinnedAtHand:
		return "none of the pinned keys has that ID", ErrWrongKey
	}
	return "the pinned keys are needed to tell whose signature it is", ErrKeyAbsent
}

// namesake returns the fingerprint of a key that bears a pinned key's name and
// is another; "" where there is none.
func namesake(keyring *Keyring, k Key) string {
	for _, other := range Join(keyring).keys {
		if other.fingerprint != k.Fingerprint && k.UserID != "" && slices.Contains(other.userIDs, k.UserID) {
			return other.fingerprint
		}
	}
	return ""
}

// hashAll reads the signed bytes once for all candidates.
func hashAll(ctx context.Context, signed io.Reader, open []*candidate) error {
	if len(open) == 0 {
		return nil
	}
	writers := make([]io.Writer, 0, len(open))
	for _, c := range open {
		writers = append(writers, c.document)
	}
	if _, err := io.Copy(io.MultiWriter(writers...), checksums.ContextReader(ctx, signed)); err != nil {
		return fmt.Errorf("reading what is signed: %w", err)
	}
	return nil
}

// verify judges the signature after its bytes were hashed: first what needs no
// clock, so that the signature's own time is believed only once it is proved.
func (c *candidate) verify(now time.Time) (SignatureResult, *SignatureError) {
	s := c.signature
	if what, err := c.signer.maySign(); err != nil {
		return SignatureResult{}, c.fail(what, err)
	}
	if err := c.signer.key.VerifySignature(c.direct, s); err != nil {
		return SignatureResult{}, c.fail("", ErrBadSignature)
	}
	if h, ok := c.direct.(sha1cd.CollisionResistantHash); ok {
		if _, collision := h.CollisionResistantSum(nil); collision {
			return SignatureResult{}, c.fail("the bytes are a SHA-1 collision", ErrBadSignature)
		}
	}
	if s.SigExpired(now) {
		return SignatureResult{}, c.fail(dated(s.CreationTime), ErrSignatureExpired)
	}
	if what, err := c.signer.validAt(s.CreationTime); err != nil {
		return SignatureResult{}, c.fail(what, err)
	}
	name := hashName(s.Hash)
	return SignatureResult{
		Fingerprint: fmt.Sprintf("%X", c.signer.entity.PrimaryKey.Fingerprint),
		Signer:      fmt.Sprintf("%X", c.signer.key.Fingerprint),
		KeyID:       keyID(c.signer.key.KeyId),
		Created:     s.CreationTime.UTC(),
		Hash:        name,
		Weak:        !slices.Contains(strongHashes, name),
		KeyExpired:  c.signer.expired(now),
	}, nil
}

func (c *candidate) fail(what string, kind error) *SignatureError {
	return &SignatureError{Kind: kind, What: what, KeyID: keyID(*c.signature.IssuerKeyId), Hash: hashName(c.signature.Hash)}
}

func dated(t time.Time) string { return "it is of " + t.UTC().Format(time.RFC3339) }
