package signature

import (
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"crypto/sha256"

	"github.com/imageverify/verify/provenance/signed"
)

// Object identifiers of certificates: subject alternative names (RFC 5280, 4.2.1.6)
// and what Fulcio writes (fulcio docs/oid-info.md).
var (
	oidNames     = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidFulcio    = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1}
	oidOtherName = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 7}
)

// The numbers under oidFulcio that the program itself reads.
const (
	extIssuer     = 1
	extTrigger    = 2
	extSHA        = 3
	extName       = 4
	extRepository = 5
	extRef        = 6
	extIssuerV2   = 8
)

// extensionNames are the newer extensions: each holds a UTF8String in DER.
var extensionNames = map[int]string{
	9: "Build Signer URI", 10: "Build Signer Digest", 11: "Runner Environment",
	12: "Source Repository URI", 13: "Source Repository Digest", 14: "Source Repository Ref", 15: "Source Repository Identifier",
	16: "Source Repository Owner URI", 17: "Source Repository Owner Identifier", 18: "Build Config URI", 19: "Build Config Digest",
	20: "Build Trigger", 21: "Run Invocation URI", 22: "Source Repository Visibility At Signing",
}

// signerOf reads who a certificate was issued to. The error is a *fault; the signer
// holds then what could be read.
func signerOf(c *x509.Certificate) (signed.Signer, Key, error) {
	sum := sha256.Sum256(c.Raw)
	s := signed.Signer{Certificate: "SHA256:" + hex.EncodeToString(sum[:]), Authority: c.Issuer.String(), NotBefore: c.NotBefore, NotAfter: c.NotAfter}
	key, err := newKey(c.PublicKey)
	if err != nil {
		return s, key, faultf(signed.WeakKey, "certificate %s: %v", s.Certificate, err)
	}
	s.Key, s.Algorithm = key.Fingerprint(), key.Algorithm()
	names, err := namesOf(c)
	if len(names) > 0 {
		s.Subject = names[0]
	}
	extErr := readExtensions(c, &s)
	switch {
	case err != nil:
		return s, key, faultf(signed.CertificateBad, "certificate %s: %v", s.Certificate, err)
	case len(names) != 1:
		return s, key, faultf(signed.CertificateBad, "certificate %s has %d subject alternative names, not one: %s", s.Certificate, len(names), strings.Join(names, ", "))
	case extErr != nil:
		return s, key, faultf(signed.CertificateBad, "certificate %s of %s: %v", s.Certificate, s.Subject, extErr)
	}
	if problem := key.weakness(); problem != "" {
		return s, key, faultf(signed.WeakKey, "certificate of %s: %s", s.Subject, problem)
	}
	if problem := misfit(c); problem != "" {
		return s, key, faultf(signed.CertificateBad, "certificate of %s: %s", s.Subject, problem)
	}
	return s, key, nil
}

// misfit says why a certificate is none for signing code; "" where it is one. x509
// takes a certificate without extended usages for one with all of them.
func misfit(c *x509.Certificate) string {
	switch {
	case c.IsCA:
		return "it is a certificate authority's"
	case !slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageCodeSigning):
		return "its extended usage is not code signing"
	case c.KeyUsage != 0 && c.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return "its usage is not digital signatures"
	}
	return ""
}

// namesOf are a certificate's subject alternative names, of every kind.
func namesOf(c *x509.Certificate) ([]string, error) {
	var out []string
	for _, ext := range c.Extensions {
		if !ext.Id.Equal(oidNames) {
			continue
		}
		var names asn1.RawValue
		if rest, err := asn1.Unmarshal(ext.Value, &names); err != nil || len(rest) > 0 || names.Tag != asn1.TagSequence {
			return out, errors.New("its subject alternative names do not parse")
		}
		for rest := names.Bytes; len(rest) > 0; {
			var name asn1.RawValue
			var err error
			if rest, err = asn1.Unmarshal(rest, &name); err != nil || name.Class != asn1.ClassContextSpecific {
				return out, errors.New("its subject alternative names do not parse")
			}
			text, err := nameText(name)
			if err != nil {
				return out, err
			}
			out = append(out, text)
		}
	}
	return out, nil
}

// nameText is a GeneralName (RFC 5280, 4.2.1.6) as text.
func nameText(name asn1.RawValue) (string, error) {
	switch name.Tag {
	case 0:
		return otherName(name)
	case 1, 2, 6: // rfc822Name, dNSName, uniformResourceIdentifier
		if len(name.Bytes) == 0 {
			return "", errors.New("a subject alternative name is empty")
		}
		return string(name.Bytes), nil
	case 7:
		return net.IP(name.Bytes).String(), nil
	}
	return "", fmt.Errorf("a subject alternative name is of a kind (%d) that no signer has", name.Tag)
}

// otherName reads the user name that Fulcio puts into an otherName.
func otherName(name asn1.RawValue) (string, error) {
	var value struct {
		Type  asn1.ObjectIdentifier
		Value asn1.RawValue `asn1:"tag:0"`
	}
	if _, err := asn1.UnmarshalWithParams(name.FullBytes, &value, "tag:0"); err != nil || !value.Type.Equal(oidOtherName) {
		return "", errors.New("a subject alternative name is an otherName that is not Fulcio's")
	}
	var text string
	if rest, err := asn1.UnmarshalWithParams(value.Value.Bytes, &text, "utf8"); err != nil || len(rest) > 0 || text == "" {
		return "", errors.New("the user name in its subject alternative name does not parse")
	}
	return text, nil
}

// readExtensions reads what Fulcio writes into a certificate. The issuer stands in two
// places, an older and a newer one: either will do, and both must agree.
func readExtensions(c *x509.Certificate, s *signed.Signer) error {
	w := signed.Workflow{}
	old := map[int]*string{extTrigger: &w.Trigger, extSHA: &w.SHA, extName: &w.Name, extRepository: &w.Repository, extRef: &w.Ref}
	issuers := map[string]bool{}
	for _, ext := range c.Extensions {
		if len(ext.Id) != len(oidFulcio)+1 || !ext.Id[:len(oidFulcio)].Equal(oidFulcio) {
			continue
		}
		n := ext.Id[len(oidFulcio)]
		if to := old[n]; to != nil {
			*to = string(ext.Value)
			continue
		}
		name := extensionNames[n]
		if n != extIssuer && n != extIssuerV2 && name == "" {
			continue
		}
		text := string(ext.Value)
		if n != extIssuer {
			if rest, err := asn1.Unmarshal(ext.Value, &text); err != nil || len(rest) > 0 {
				return fmt.Errorf("its extension %v is no text", ext.Id)
			}
		}
		switch n {
		case extIssuer, extIssuerV2:
			s.Issuer, issuers[text] = text, true
		default:
			if s.Extensions == nil {
				s.Extensions = map[string]string{}
			}
			s.Extensions[name] = text
		}
	}
	s.Workflow = workflowOf(w, s.Extensions)
	if len(issuers) > 1 {
		return errors.New("its two issuer extensions contradict each other")
	}
	return nil
}

// workflowOf is what a certificate says of a GitHub workflow. Where it has only the
// newer extensions, those that hold the same are taken.
func workflowOf(w signed.Workflow, newer map[string]string) *signed.Workflow {
	orElse := func(field *string, text string) {
		if *field == "" {
			*field = text
		}
	}
	orElse(&w.Trigger, newer["Build Trigger"])
	orElse(&w.SHA, newer["Source Repository Digest"])
	orElse(&w.Ref, newer["Source Repository Ref"])
	if repository, ok := strings.CutPrefix(newer["Source Repository URI"], "https://github.com/"); ok {
		orElse(&w.Repository, repository)
	}
	if w == (signed.Workflow{}) {
		return nil
	}
	return &w
}

// accepts reports whether a certificate's signer is one that the identity means.
func (id Identity) accepts(s signed.Signer) bool {
	if id.Subject != "" && id.Subject != s.Subject || id.SubjectPattern != nil && !id.SubjectPattern.MatchString(s.Subject) {
		return false
	}
	if id.Issuer != "" && id.Issuer != s.Issuer || id.IssuerPattern != nil && !id.IssuerPattern.MatchString(s.Issuer) {
		return false
	}
	has := signed.Workflow{}
	if s.Workflow != nil {
		has = *s.Workflow
	}
	want := id.Workflow
	for _, pair := range [][2]string{{want.Trigger, has.Trigger}, {want.SHA, has.SHA}, {want.Name, has.Name}, {want.Repository, has.Repository}, {want.Ref, has.Ref}} {
		if pair[0] != "" && pair[0] != pair[1] {
			return false
		}
	}
	return true
}
