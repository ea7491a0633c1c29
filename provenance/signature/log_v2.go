package signature

import (
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"regexp"
	"strings"
	"time"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/tlog"
	sigverify "github.com/sigstore/sigstore-go/pkg/verify"
	sigstore "github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/options"

	"github.com/imageverify/verify/provenance/signed"
)

// checkV2 verifies an entry of a Rekor v2 log. sigstore-go makes the entry again from
// signature, key and content and looks for that in the log: the body that was handed
// in is not looked at, so that nothing in it may be reported.
func (v *Verifier) checkV2(e *entity, entry logEntry, key Key) error {
	proof := entry.proto.GetInclusionProof()
	if proof == nil || firstVersionCheckpoint(proof.GetCheckpoint().GetEnvelope()) {
		return faultf(signed.BadLogEntry, "the entry %d of %s has no proof of inclusion of Rekor v2", entry.index, entry.log)
	}
	if len(entry.promise) > 0 || entry.integrated != 0 {
		return faultf(signed.BadLogEntry, "the entry %d of %s has a promise or a time, which Rekor v2 gives nobody", entry.index, entry.log)
	}
	parsed, err := tlog.ParseTransparencyLogEntry(entry.proto)
	if err != nil || !parsed.IsRekorV2() {
		return faultf(signed.BadLogEntry, "the entry %d of %s is not one of Rekor v2", entry.index, entry.log)
	}
	if _, err := sigverify.VerifyTlogEntry(&logged{entity: e, entry: parsed}, logTrust{v.trust.material, key.Public}, 1, false); err != nil {
		return faultf(signed.BadLogEntry, "the log %s has no entry of this signature where the proof says", entry.log)
	}
	return nil
}

// firstVersion is how the origin of a Rekor v1 checkpoint ends.
var firstVersion = regexp.MustCompile(` - [0-9]+$`)

func firstVersionCheckpoint(envelope string) bool {
	origin, _, _ := strings.Cut(envelope, "\n")
	return firstVersion.MatchString(origin)
}

// logged shows one entity with one log entry to sigstore-go.
type logged struct {
	sigverify.BaseSignedEntity
	entity *entity
	entry  *tlog.Entry
}

// TlogEntries is the one entry.
func (l *logged) TlogEntries() ([]*tlog.Entry, error) { return []*tlog.Entry{l.entry}, nil }

// SignatureContent is the envelope, or the message's digest.
func (l *logged) SignatureContent() (sigverify.SignatureContent, error) {
	e := l.entity
	if e.dsse {
		return &bundle.Envelope{Envelope: &dsse.Envelope{
			PayloadType: e.payloadType, Payload: base64.StdEncoding.EncodeToString(e.payload),
			Signatures: []dsse.Signature{{Sig: base64.StdEncoding.EncodeToString(e.signature)}},
		}}, nil
	}
	digest := e.digest
	if digest == nil {
		h := e.hash.New()
		h.Write(e.message)
		digest = h.Sum(nil)
	}
	return bundle.NewMessageSignature(digest, hashNames[e.hash], e.signature), nil
}

// VerificationContent is who signed.
func (l *logged) VerificationContent() (sigverify.VerificationContent, error) {
	if l.entity.certificate != nil {
		return bundle.NewCertificate(l.entity.certificate), nil
	}
	return bareKey{}, nil
}

// bareKey stands for the one key that logTrust knows.
type bareKey struct{}

// Hint is empty: there is one key.
func (bareKey) Hint() string { return "" }

// CompareKey is not asked about entries of Rekor v2.
func (bareKey) CompareKey(any, root.TrustedMaterial) bool { return false }

// ValidAtTime is true: a bare key has no life.
func (bareKey) ValidAtTime(time.Time, root.TrustedMaterial) bool { return true }

// Certificate is nil, and so are Intermediates.
func (bareKey) Certificate() *x509.Certificate { return nil }

// Intermediates is nil.
func (bareKey) Intermediates() []*x509.Certificate { return nil }

// PublicKey is the key itself.
func (k bareKey) PublicKey() sigverify.PublicKeyProvider { return k }

// logTrust is the trusted root with the key that signed.
type logTrust struct {
	root.TrustedMaterial
	key crypto.PublicKey
}

// PublicKeyVerifier is the key's.
func (t logTrust) PublicKeyVerifier(string) (root.TimeConstrainedVerifier, error) {
	verifier, err := sigstore.LoadDefaultVerifier(t.key, options.WithED25519ph())
	if err != nil {
		return nil, err
	}
	return root.NewExpiringKey(verifier, time.Time{}, time.Time{}), nil
}
