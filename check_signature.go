package verify

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/imageverify/verify/provenance/signed"
)

// signatureFails are the reasons for which a signature is not valid.
var signatureFails = []string{
	signed.NoSignature, signed.IdentityMismatch, signed.BadSignature, signed.KeyDiffers, signed.WeakKey, signed.CertificateBad, signed.Untrusted, signed.ChainExpired,
	signed.ExpiredUntimed, signed.OutsideValidity, signed.FromTheFuture, signed.NoTimestamp, signed.BadTimestamp,
	signed.NotInLog, signed.LogUnknown, signed.LogMismatch, signed.BadLogEntry, signed.NoSCT,
	signed.OtherDigest, signed.OtherClaims, signed.NotASignature, signed.WrongType, signed.Malformed, signed.Ambiguous, signed.ThresholdUnmet, "digest-mismatch",
}

// findSigned judges signature.image.
func findSigned(f *facts) *Finding {
	s := f.signed
	if s == nil {
		return nil
	}
	if s.notBuiltIn {
		return finding(Unknown, signed.NotBuiltIn, "this program has nothing that verifies signatures")
	}
	if err := f.subjectsErr(); err != nil {
		return finding(Fail, reasonOf(err), "%v: what is signed is not what the registry serves", err)
	}
	signers, on := s.signers()
	if len(s.signing.Accepted) > 0 && len(signers) >= max(1, s.signing.Threshold) {
		return s.passed(signers, on)
	}
	return s.refused(signers)
}

// subjectsErr says why manifest or indexes are not the bytes that could have been
// signed: only what hashes to its name leads to the image.
func (f *facts) subjectsErr() error {
	for _, x := range f.img.Indexes {
		if x.Got != x.Descriptor.Digest {
			return &falseBytesError{"index", x.Descriptor, x.Got}
		}
	}
	if f.img.HasManifest() {
		return f.manifestErr()
	}
	return nil
}

// signers are the accepted signers of the image, each once with the item that
// proves it, and the subjects that they signed.
func (s *signaturesFact) signers() (signers []signedItem, on []string) {
	seen := map[string]bool{}
	for _, subject := range s.subjects {
		for _, item := range subject.items {
			if !item.result.Valid || !item.forImage() {
				continue
			}
			if name := subject.name(); !slices.Contains(on, name) {
				on = append(on, name)
			}
			if id := item.result.Signer.ID(); !seen[id] {
				seen[id] = true
				signers = append(signers, item)
			}
		}
	}
	return signers, on
}

// name is what the subject is to the image, with its digest.
func (s *signedSubject) name() string {
	if s.index {
		return "index " + s.digest.String()
	}
	return "manifest " + s.digest.String()
}

func (s *signaturesFact) passed(signers []signedItem, on []string) *Finding {
	names := make([]string, len(signers))
	f := passed("")
	for i, item := range signers {
		r := item.result
		names[i] = r.Signer.String()
		f.details().Parts = append(f.details().Parts, Part{Name: item.where, Status: Pass, Summary: "signed by " + r.Signer.String() + provedWhen(r)})
		f.with(Evidence{"key", cmp.Or(r.Signer.Certificate, r.Signer.Key)})
		if item.attachment != nil {
			f.with(Evidence{"digest", item.layer.Digest.String()})
		} else {
			f.with(Evidence{"file", item.where})
		}
		for _, l := range r.Logs {
			f.with(Evidence{"url", l.Log + "#" + fmt.Sprint(l.Index)})
		}
	}
	f.Summary = fmt.Sprintf("%s signed by %s (accepted: %s)", strings.Join(on, " and "), strings.Join(names, ", "), strings.Join(s.signing.Accepted, "; "))
	return f
}

// provedWhen tells of the times and log entries that a signature has.
func provedWhen(r signed.Result) string {
	var out strings.Builder
	for _, t := range r.Times {
		fmt.Fprintf(&out, ", at %s by %s", t.Time.UTC().Format("2006-01-02T15:04:05Z"), t.By)
	}
	for _, l := range r.Logs {
		fmt.Fprintf(&out, ", entry %d of %s", l.Index, l.Log)
	}
	return out.String()
}

// refused states why too few accepted signers were found.
func (s *signaturesFact) refused(signers []signedItem) *Finding {
	parts := s.parts()
	if len(s.signing.Accepted) == 0 {
		return s.nobody(parts)
	}
	if n := s.signing.Threshold; len(signers) > 0 {
		short := Part{Name: "threshold", Status: Fail, Reason: signed.ThresholdUnmet, Summary: fmt.Sprintf("%s signed, and %d are asked for", plural(len(signers), "accepted signer"), n)}
		parts = append([]Part{short}, parts...)
	}
	if len(s.subjects) == 0 {
		return finding(Fail, signed.NoSignature, "the image has no manifest that could be signed")
	}
	if len(parts) == 0 {
		return finding(Fail, signed.NoSignature, "no signature of the image was found on %s", s.subjectNames())
	}
	// Strangers' signatures say nothing of one that could not be judged.
	if unread := slices.DeleteFunc(slices.Clone(parts), func(p Part) bool { return p.Status != Unknown }); len(unread) > 0 {
		parts = unread
	}
	return ofParts(parts, "")
}

// nobody is the finding where no signer is accepted: whoever signed is told, and
// nothing passes.
func (s *signaturesFact) nobody(parts []Part) *Finding {
	var found []string
	for _, subject := range s.subjects {
		for _, item := range subject.items {
			if name := item.result.Signer.String(); item.err == nil && item.forImage() && !slices.Contains(found, name) {
				found = append(found, name)
			}
		}
	}
	by := "no signature was found"
	if len(found) > 0 {
		by = "signed, by its own account, by " + strings.Join(found, ", ")
	}
	f := finding(Unknown, signed.NoAcceptedSigner, "no signer is accepted (name one with --key or --certificate-identity): %s", by)
	f.details().Parts = parts
	return f
}

func (s *signaturesFact) subjectNames() string {
	names := make([]string, len(s.subjects))
	for i, subject := range s.subjects {
		names[i] = subject.name()
	}
	return strings.Join(names, " or ")
}

// parts are one an item that is not valid, those of accepted signers first, and
// one a place that could not be looked at.
func (s *signaturesFact) parts() []Part {
	var out, others []Part
	for _, subject := range s.subjects {
		if subject.err != nil {
			out = append(out, Part{Name: subject.name(), Status: Fail, Reason: reasonOf(subject.err), Summary: subject.err.Error()}.unread())
		}
		for _, item := range subject.items {
			switch part := item.part(subject); {
			case item.result.Valid && item.forImage():
			case item.kind == signed.Envelope:
			case item.err != nil:
				out = append(out, part.unread())
			case item.result.Accepted:
				out = append(out, part)
			default:
				others = append(others, part)
			}
		}
	}
	return append(out, others...)
}

// unread gives a part the status of what could not be read; what was read, and is
// not what it should be, fails.
func (p Part) unread() Part {
	if !slices.Contains(signatureFails, p.Reason) {
		p.Status = Unknown
	}
	return p
}

// part says of an item why it does not count.
func (i signedItem) part(subject *signedSubject) Part {
	p := Part{Name: i.where + " on " + subject.name(), Status: Fail, Reason: i.result.Reason, Summary: i.result.Detail}
	switch {
	case i.err != nil:
		p.Reason, p.Summary = reasonOf(i.err), i.err.Error()
	case i.result.Valid || !i.forImage() && signed.Unjudged(i.result.Reason):
		p.Reason, p.Summary = signed.NotASignature, "a signed statement of type "+i.result.PredicateType+" is no signature of the image"
	case signed.Unjudged(i.result.Reason):
		p.Status = Unknown
	}
	return p
}

// findSignedReference judges signature.reference.
func findSignedReference(f *facts) *Finding {
	s := f.signed
	if s == nil || s.repository == "" {
		return nil
	}
	signers, _ := s.signers()
	var other string
	for _, item := range signers {
		switch named := item.result.Reference; {
		case named == "":
		case sameRepository(named, s.repository):
			return passed("the signed payload names %s", s.repository).with(Evidence{"digest", item.layer.Digest.String()})
		default:
			other = named
		}
	}
	status := Warn
	if s.signing.CheckReference {
		status = Fail
	}
	switch {
	case other != "":
		return finding(status, "reference-differs", "the signed payload names %s, the image was asked for as %s", other, s.repository)
	case status == Fail && len(signers) > 0:
		return finding(Fail, "reference-differs", "no signed payload names a repository")
	}
	return nil
}

// sameRepository compares a payload's reference with a repository, both with their
// hosts in one spelling.
func sameRepository(reference, repository string) bool {
	named, _, err := splitName(reference)
	return err == nil && named == repository
}

// findPattern judges signature.pattern.
func findPattern(f *facts) *Finding {
	if f.signed == nil || len(f.signed.signing.Patterns) == 0 {
		return nil
	}
	var parts []Part
	for _, p := range f.signed.signing.Patterns {
		part := Part{Name: p, Status: Pass, Summary: "anchored, and its dots are escaped"}
		if problem, example := loosePattern(p); problem != "" {
			part.Status, part.Reason, part.Summary = Warn, "loose-pattern", fmt.Sprintf("%s: it would accept %q as well", problem, example)
		}
		parts = append(parts, part)
	}
	return ofParts(parts, "every pattern is anchored, and its dots are escaped")
}
