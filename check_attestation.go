package verify

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/imageverify/verify/provenance"
	"github.com/imageverify/verify/provenance/attestation"
	"github.com/imageverify/verify/provenance/signed"
)

// attestationFails are the reasons for which a statement is not accepted.
var attestationFails = slices.Concat(signatureFails, []string{"no-attestation", attestation.TypeDiffers, attestation.BuilderDiffers,
	attestation.SourceDiffers, attestation.RefDiffers, attestation.BuildUnknown})

// findProved judges attestation.provenance.
func findProved(f *facts) *Finding {
	p := f.proved
	if p == nil {
		return nil
	}
	if f.signed.notBuiltIn {
		return finding(Unknown, signed.NotBuiltIn, "this program has nothing that verifies signatures")
	}
	if f.img != nil {
		if err := f.subjectsErr(); err != nil {
			return finding(Fail, reasonOf(err), "%v: what is signed is not what the registry serves", err)
		}
	}
	if len(p.proving.Accepted) == 0 {
		return p.nobody()
	}
	for _, item := range p.items {
		if item.accepted() && item.statement != nil {
			return p.passed(f, item)
		}
	}
	parts := p.parts()
	if len(parts) == 0 {
		return finding(Fail, "no-attestation", "no signed statement about the image was found")
	}
	return ofParts(parts, "")
}

// passed names the accepted statement, and why others are not.
func (p *provedFact) passed(f *facts, item provedItem) *Finding {
	out := passed("%s on %s, %s, signed by %s (accepted: %s)%s", item.where, item.on, item.statement.PredicateType, item.result.Signer,
		strings.Join(p.proving.Accepted, "; "), saysOfBuild(item.provenance))
	if standing := standingOf(f, item.provenance); standing != "" {
		out.Summary += "; " + standing
	}
	out.details().Parts = []Part{{Name: item.where, Status: Pass, Summary: "signed by " + item.result.Signer.String() + provedWhen(item.result) + saysOfBuild(item.provenance)}}
	out.with(Evidence{"key", cmp.Or(item.result.Signer.Certificate, item.result.Signer.Key)}, item.evidence)
	for _, l := range item.result.Logs {
		out.with(Evidence{"url", l.Log + "#" + fmt.Sprint(l.Index)})
	}
	return out
}

// saysOfBuild tells what provenance says, in a line.
func saysOfBuild(p *attestation.Provenance) string {
	if p == nil {
		return ""
	}
	text := ": built by " + p.Builder
	if p.Source.Repository != "" {
		text += " from " + p.Source.Repository
	}
	for _, ref := range []string{p.Tag, p.Branch} {
		if ref != "" {
			text += " at " + ref
			break
		}
	}
	if p.Source.Commit != "" {
		text += " (" + p.Source.Commit + ")"
	}
	return text
}

// standingOf says how what was signed stands to what the trace proved: signed and proved
// where both lead to one commit.
func standingOf(f *facts, p *attestation.Provenance) string {
	switch {
	case p == nil || p.Source.Commit == "" || f.trace == nil:
		return ""
	case !f.trace.Judged.Matched() || f.trace.Judged.Commit == "":
		return "signed only: the trace proved no commit"
	case f.trace.Judged.Commit == p.Source.Commit:
		return "signed and proved: the trace leads to the same commit"
	}
	return "the trace leads to another commit, " + f.trace.Judged.Commit
}

// claims are the accepted statements' claims of origin, as those of other claimants.
func (p *provedFact) claims() []provenance.Claim {
	if p == nil || len(p.proving.Accepted) == 0 {
		return nil
	}
	var out []provenance.Claim
	for _, item := range p.items {
		b := item.provenance
		if !item.accepted() || b == nil || !strings.HasPrefix(b.Source.Repository, "https://") {
			continue
		}
		c := provenance.Claim{Source: provenance.ByAttestation, Kind: provenance.KindBuild, Repository: b.Source.Repository, Commit: b.Source.Commit,
			Directory: b.Source.Directory, File: b.Dockerfile, Evidence: []provenance.Evidence{{Kind: item.evidence.Kind, Value: item.evidence.Value}}}
		if !slices.ContainsFunc(out, func(have provenance.Claim) bool { return have.Repository == c.Repository && have.Commit == c.Commit }) {
			out = append(out, c)
		}
	}
	return out
}

// nobody is the finding where no signer is accepted.
func (p *provedFact) nobody() *Finding {
	var found []string
	for _, item := range p.items {
		line := item.where + ": " + cmp.Or(item.result.PredicateType, "no statement")
		switch {
		case item.err != nil:
			line = item.where + ": " + item.err.Error()
		case item.unsigned:
			line = item.where + ": " + item.statement.PredicateType + ", which nobody signed"
		case item.result.Signer.String() != "":
			line += ", by its own account signed by " + item.result.Signer.String()
		}
		found = append(found, line)
	}
	if len(found) == 0 {
		found = []string{"no statement was found"}
	}
	return finding(Unknown, signed.NoAcceptedSigner, "no signer is accepted (name one with --key or --certificate-identity, or a source with --source-uri): %s", strings.Join(found, "; "))
}

// parts are one a statement that does not count, and one a place that could not be
// looked at.
func (p *provedFact) parts() []Part {
	var out, others []Part
	for _, err := range p.errs {
		out = append(out, Part{Name: "attachments", Status: Fail, Reason: reasonOf(err), Summary: err.Error()}.unread())
	}
	someSigned := slices.ContainsFunc(p.items, func(i provedItem) bool { return !i.unsigned })
	for _, item := range p.items {
		if item.unsigned && someSigned {
			continue // what is signed tells more
		}
		part := Part{Name: item.where + " on " + item.on, Status: Fail, Reason: item.result.Reason, Summary: item.result.Detail}
		switch {
		case item.err != nil:
			part.Reason, part.Summary = statementReason(item.err), item.err.Error()
			part = part.unread()
		case item.unsigned:
			part.Reason, part.Summary = signed.NoSignature, "nobody signed this statement of type "+item.statement.PredicateType
		case item.problem != nil:
			part.Reason, part.Summary = statementReason(item.problem), item.problem.Error()
		case item.result.Valid:
			part.Reason, part.Summary = "no-attestation", "it signs the bytes, and is no statement about them"
		case signed.Unjudged(item.result.Reason):
			part.Status = Unknown
		}
		if item.problem != nil || item.result.Accepted {
			out = append(out, part)
		} else {
			others = append(others, part)
		}
	}
	return append(out, others...)
}

func statementReason(err error) string {
	if e, ok := errors.AsType[*attestation.Error](err); ok {
		return e.Reason
	}
	return reasonOf(err)
}
