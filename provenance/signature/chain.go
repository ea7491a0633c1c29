package signature

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"slices"
	"time"

	"github.com/digitorus/timestamp"
	"github.com/sigstore/sigstore-go/pkg/root"
	sigverify "github.com/sigstore/sigstore-go/pkg/verify"
	tsaverify "github.com/sigstore/timestamp-authority/v2/pkg/verification"

	"github.com/imageverify/verify/provenance/signed"
)

// maxSkew is how far a trusted clock may be ahead of this machine's.
const maxSkew = time.Minute

// checkCertificate verifies that a certificate leads to a trusted authority, and that
// it and every authority on the way were valid at each of the times; and that a
// certificate log vouches for it. The error is a *fault.
func (v *Verifier) checkCertificate(e *entity, s signed.Signer, times []signed.Time) error {
	if e.certificate.NotBefore.After(v.policy.Now().Add(maxSkew)) {
		return faultf(signed.FromTheFuture, "the certificate of %s is not valid before %s", s, e.certificate.NotBefore.UTC().Format(time.RFC3339))
	}
	at, err := v.momentsOf(e.certificate, s, times)
	if err != nil {
		return err
	}
	var chains [][]*x509.Certificate
	for _, t := range at {
		found := v.chainsAt(e, t)
		if len(found) == 0 {
			return v.unchained(e, s, t)
		}
		chains = found
	}
	if v.policy.IgnoreSCT {
		return nil
	}
	if v.trust == nil {
		return faultf(signed.NoTrustedRoot, "%v", v.noTrust)
	}
	if err := sigverify.VerifySignedCertificateTimestamp(chains, 1, v.trust.material); err != nil {
		return faultf(signed.NoSCT, "no trusted certificate log vouches for the certificate of %s: %v", s, err)
	}
	return nil
}

// momentsOf are the times at which a certificate must have been valid: all that are
// proved, or the present.
func (v *Verifier) momentsOf(c *x509.Certificate, s signed.Signer, times []signed.Time) ([]time.Time, error) {
	now := v.policy.Now()
	if len(times) == 0 {
		if now.After(c.NotAfter) {
			return nil, faultf(signed.ExpiredUntimed, "the certificate of %s expired at %s, and no log entry or timestamp proves that it signed before", s, c.NotAfter.UTC().Format(time.RFC3339))
		}
		return []time.Time{now}, nil
	}
	var out []time.Time
	for _, t := range times {
		if t.Time.Before(c.NotBefore) || t.Time.After(c.NotAfter) {
			return nil, faultf(signed.OutsideValidity, "%s says that it was signed at %s; the certificate of %s is valid from %s to %s", t.By,
				t.Time.UTC().Format(time.RFC3339), s, c.NotBefore.UTC().Format(time.RFC3339), c.NotAfter.UTC().Format(time.RFC3339))
		}
		out = append(out, t.Time)
	}
	return out, nil
}

// unchained says why no chain of an entity's certificate holds at a time.
func (v *Verifier) unchained(e *entity, s signed.Signer, at time.Time) error {
	if v.policy.Authority == nil && v.trust == nil {
		return faultf(signed.NoTrustedRoot, "%v", v.noTrust)
	}
	for _, c := range append(v.authorities(), e.chain...) {
		for _, t := range []time.Time{e.certificate.NotBefore, c.NotBefore, c.NotAfter} {
			if len(v.chainsAt(e, t)) > 0 || len(v.untimedChains(e, t)) > 0 {
				return faultf(signed.ChainExpired, "an authority above the certificate of %s (%s) was not valid at %s", s, s.Authority, at.UTC().Format(time.RFC3339))
			}
		}
	}
	return faultf(signed.Untrusted, "the certificate of %s, issued by %q, leads to no trusted authority", s, s.Authority)
}

// authorities are the certificates of all trusted authorities.
func (v *Verifier) authorities() []*x509.Certificate {
	if a := v.policy.Authority; a != nil {
		return append(slices.Clone(a.roots), a.intermediates...)
	}
	var out []*x509.Certificate
	for _, ca := range v.trust.material.FulcioCertificateAuthorities() {
		if f, ok := ca.(*root.FulcioCertificateAuthority); ok {
			out = append(append(out, f.Root), f.Intermediates...)
		}
	}
	return out
}

// chainsAt are the chains from the entity's certificate to a trusted root all of whose
// certificates are valid at a time.
func (v *Verifier) chainsAt(e *entity, at time.Time) [][]*x509.Certificate {
	leaf := withoutNames(e.certificate)
	if a := v.policy.Authority; a != nil {
		return verifyChain(leaf, a.roots, append(slices.Clone(a.intermediates), e.chain...), at)
	}
	if v.trust == nil {
		return nil
	}
	for _, ca := range v.trust.material.FulcioCertificateAuthorities() {
		f, ok := ca.(*root.FulcioCertificateAuthority)
		if !ok || at.Before(f.ValidityPeriodStart) || !f.ValidityPeriodEnd.IsZero() && at.After(f.ValidityPeriodEnd) {
			continue
		}
		if chains := verifyChain(leaf, []*x509.Certificate{f.Root}, append(slices.Clone(f.Intermediates), e.chain...), at); len(chains) > 0 {
			return chains
		}
	}
	return nil
}

// untimedChains are chains that hold but for the time for which the trusted root
// believes an authority.
func (v *Verifier) untimedChains(e *entity, at time.Time) [][]*x509.Certificate {
	if v.policy.Authority != nil {
		return nil
	}
	return verifyChain(withoutNames(e.certificate), v.authorities(), append(v.authorities(), e.chain...), at)
}

func verifyChain(leaf *x509.Certificate, roots, intermediates []*x509.Certificate, at time.Time) [][]*x509.Certificate {
	o := x509.VerifyOptions{CurrentTime: at, Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}}
	for _, c := range roots {
		o.Roots.AddCert(c)
	}
	for _, c := range intermediates {
		o.Intermediates.AddCert(c)
	}
	chains, err := leaf.Verify(o)
	if err != nil {
		return nil
	}
	return chains
}

// withoutNames is a certificate whose subject alternative names count as handled: they
// are critical in certificates without a subject, and x509 does not know otherName.
func withoutNames(c *x509.Certificate) *x509.Certificate {
	out := *c
	out.UnhandledCriticalExtensions = nil
	for _, id := range c.UnhandledCriticalExtensions {
		if !id.Equal(oidNames) {
			out.UnhandledCriticalExtensions = append(out.UnhandledCriticalExtensions, id)
		}
	}
	return &out
}

// checkTimestamps are the times that trusted timestamp authorities vouch for, each
// authority once; what is wrong with the others is told. Every certificate of an
// authority must be valid at the time that it vouches for.
func (v *Verifier) checkTimestamps(e *entity) (times []signed.Time, problems []error) {
	for _, raw := range e.timestamps {
		t, err := v.checkTimestamp(raw, e.stamped)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		if !slices.ContainsFunc(times, func(have signed.Time) bool { return have.By == t.By }) {
			times = append(times, t)
		}
	}
	return times, problems
}

func (v *Verifier) checkTimestamp(raw, over []byte) (signed.Time, error) {
	ts, err := timestamp.ParseResponse(raw)
	if err != nil {
		return signed.Time{}, faultf(signed.BadTimestamp, "a timestamp does not parse: %v", err)
	}
	if !slices.Contains([]crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512}, ts.HashAlgorithm) {
		return signed.Time{}, faultf(signed.BadTimestamp, "a timestamp is over a hash that is not used")
	}
	problem := error(faultf(signed.BadTimestamp, "the trusted root has no timestamp authority"))
	for _, authority := range v.trust.material.TimestampingAuthorities() {
		tsa, ok := authority.(*root.SigstoreTimestampingAuthority)
		if !ok || tsa.Root == nil {
			continue
		}
		verified, err := tsaverify.VerifyTimestampResponse(raw, bytes.NewReader(over), tsaverify.VerifyOpts{
			Roots: []*x509.Certificate{tsa.Root}, Intermediates: tsa.Intermediates, TSACertificate: tsa.Leaf, CurrentTime: ts.Time,
		})
		switch {
		case err != nil:
			problem = faultf(signed.BadTimestamp, "a timestamp is not of the authority %s, or not over this signature: %v", tsa.URI, err)
		case verified.Time.Before(tsa.ValidityPeriodStart), !tsa.ValidityPeriodEnd.IsZero() && verified.Time.After(tsa.ValidityPeriodEnd):
			problem = faultf(signed.BadTimestamp, "a timestamp of %s is outside the time for which the authority is trusted", tsa.URI)
		case verified.Time.After(v.policy.Now().Add(maxSkew)):
			problem = faultf(signed.FromTheFuture, "a timestamp of %s is of %s", tsa.URI, verified.Time.UTC().Format(time.RFC3339))
		default:
			return signed.Time{Time: verified.Time, By: tsa.URI}, nil
		}
	}
	return signed.Time{}, problem
}
