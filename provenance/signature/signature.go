// Package signature verifies what is signed about images: cosign's simple signing,
// DSSE envelopes and sigstore bundles, by keys and by the certificates of identities.
//
// It takes bytes and gives values: it opens no connection and knows no registry. The
// signature of time, log and certificate authority is left to sigstore-go; what is
// demanded beyond that, and where this package is stricter than cosign, stands in
// docs/signatures.md.
package signature

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/imageverify/verify/provenance/signed"
)

// Policy says whose signatures count, and what is demanded of them. Its zero value
// accepts nobody.
type Policy struct {
	// Keys are the accepted keys: any of them is enough.
	Keys []Key
	// Identities are the accepted identities of certificates: any is enough.
	Identities []Identity
	// Notary is what Notary Project signatures are verified by; nil accepts none.
	Notary *Notary
	// Authority is the certificate authority in place of the trusted root's; nil is
	// the trusted root's.
	Authority *Authority
	// IgnoreLog accepts a signature that no transparency log has, IgnoreSCT a
	// certificate that no certificate log vouches for.
	IgnoreLog, IgnoreSCT bool
	// DemandTimestamp refuses a signature without a signed timestamp (RFC 3161).
	DemandTimestamp bool
	// Annotations must be in the payload of a simple signature, or of the sign
	// predicate's subject, with these values.
	Annotations map[string]string
	// Now is the present; nil is the clock.
	Now func() time.Time
}

// Identity is a pattern of certificates. Subject and SubjectPattern are about the
// certificate's one subject alternative name, Issuer and IssuerPattern about who
// vouched for it. At least one of each pair is set; where both are, both must hold.
type Identity struct {
	Subject, Issuer               string
	SubjectPattern, IssuerPattern *regexp.Regexp
	// Workflow is what the certificate must say of a GitHub workflow; an empty field
	// demands nothing.
	Workflow signed.Workflow
}

// UsageError says that a policy contradicts itself.
type UsageError struct{ Problem string }

// Error is one line.
func (e *UsageError) Error() string { return e.Problem }

// Verifier verifies items against one policy. It is safe for concurrent use.
type Verifier struct {
	policy  Policy
	trust   *Trust
	noTrust error
}

// New makes a verifier. trust may be nil where the policy needs no keys of logs and
// authorities, or where they could not be had; noTrust then says why, in a line that
// says what would help. The error is a *UsageError.
func New(p Policy, trust *Trust, noTrust error) (*Verifier, error) {
	if err := p.validate(); err != nil {
		return nil, err
	}
	if p.Now == nil {
		p.Now = time.Now
	}
	if noTrust == nil {
		noTrust = errors.New("no trusted root was given (name one with --trusted-root)")
	}
	return &Verifier{policy: p, trust: trust, noTrust: noTrust}, nil
}

// NeedsTrust reports whether the policy demands what only the keys of logs and
// authorities can prove.
func (p Policy) NeedsTrust() bool {
	if len(p.Keys) > 0 && p.IgnoreLog && !p.DemandTimestamp {
		return false
	}
	if p.Authority != nil && p.IgnoreLog && p.IgnoreSCT && !p.DemandTimestamp {
		return false
	}
	return len(p.Keys) > 0 || len(p.Identities) > 0
}

func (p Policy) validate() error {
	if len(p.Keys) > 0 && len(p.Identities) > 0 {
		return &UsageError{"a key and the identity of a certificate exclude each other: name the one that signed"}
	}
	if len(p.Keys) > 0 && p.Authority != nil {
		return &UsageError{"a key needs no certificate authority"}
	}
	if p.Authority != nil && len(p.Identities) == 0 {
		return &UsageError{"a certificate authority needs the identity to accept from it"}
	}
	for _, id := range p.Identities {
		if id.Subject == "" && id.SubjectPattern == nil {
			return &UsageError{"the identity to accept has no subject"}
		}
		if id.Issuer == "" && id.IssuerPattern == nil {
			return &UsageError{"the identity to accept has no issuer"}
		}
	}
	for _, k := range p.Keys {
		if problem := k.weakness(); problem != "" {
			return &UsageError{fmt.Sprintf("key %s: %s", k.Fingerprint(), problem)}
		}
	}
	return nil
}

// accepts reports whether the policy accepts anybody.
func (p Policy) accepts() bool { return len(p.Keys)+len(p.Identities) > 0 || p.Notary != nil }
