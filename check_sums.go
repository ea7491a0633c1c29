package verify

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/imageverify/verify/checksums/sums"
)

// findChecksum judges rootfs.checksum; it applies where a known distributor's
// archives are unpacked.
func findChecksum(f *facts) *Finding {
	if len(f.sums) == 0 {
		return nil
	}
	parts := make([]Part, 0, len(f.sums))
	independent := true
	var evidence []Evidence
	for _, s := range f.sums {
		parts = append(parts, sumPart(s))
		independent = independent && s.independent()
		evidence = append(evidence, sumEvidence(s)...)
	}
	first := f.sums[0]
	all := fmt.Sprintf("%s is in %s's %s", first.name, first.distributor.Name, first.lists())
	if !independent {
		all += ", a list of the same commit: consistent, not independent"
	}
	if first.published.err != nil {
		all += fmt.Sprintf(" (%s)", first.published.err)
	}
	out := ofParts(parts, all).with(evidence...)
	out.details().Independent = &independent
	if err := first.published.err; err != nil && !independent {
		out.Details.NotIndependent = reasonOf(err)
	}
	return out
}

// lists names the lists that have the file.
func (s sumFact) lists() string {
	switch {
	case !s.published.agrees():
		return s.listFile()
	case errors.Is(s.listErr, errListAbsent):
		return "list at " + s.published.address
	}
	return s.listFile() + " and in the list at " + s.published.address
}

func sumEvidence(s sumFact) []Evidence {
	var out []Evidence
	if s.object != "" {
		out = append(out, Evidence{Kind: "file", Value: s.object})
	}
	if s.line.Line > 0 {
		out = append(out, Evidence{Kind: "file", Value: s.where()},
			Evidence{Kind: "digest", Value: s.line.Algorithm + ":" + s.line.Digest})
	}
	if p := s.published; p.agrees() {
		text := p.address
		if !p.when.IsZero() {
			text += " (as of " + p.when.Format(time.RFC3339) + ")"
		}
		out = append(out, Evidence{Kind: "url", Value: text}, Evidence{Kind: "digest", Value: p.result.Algorithm + ":" + p.result.Want})
	}
	return out
}

// listFile is the name of the list in the commit.
func (s sumFact) listFile() string { return s.list.FileFor(s.name) }

// where is the list's line for the file.
func (s sumFact) where() string { return fmt.Sprintf("%s:%d", s.listFile(), s.line.Line) }

// sumPart judges an archive by both lists: what either says against it stands,
// and for what one does not tell the other stands in.
func sumPart(s sumFact) Part {
	commit := commitPart(s)
	if s.published.address == "" || commit.Status == Fail {
		return commit
	}
	published := publishedPart(s)
	switch {
	case published.Status == Fail, errors.Is(s.listErr, errListAbsent):
		return published
	}
	commit.Summary += "; " + published.Summary
	return commit
}

// publishedPart judges an archive by the list at the distributor's address.
func publishedPart(s sumFact) Part {
	p := s.published
	switch {
	case p.err != nil:
		reason := reasonOf(p.err)
		return Part{s.name, unknownUnless(reason, "two-sums", "object-mismatch"), reason, p.err.Error()}
	case p.result.Status == sums.NotListed:
		return Part{s.name, Fail, "not-listed", p.address + " has no line for it"}
	case p.result.Status != sums.ListedAndEqual:
		return Part{s.name, Fail, "sum-differs", fmt.Sprintf("%s says %s, the file's %s is %s", p.address, p.result.Want, p.result.Algorithm, p.result.Got)}
	}
	return Part{s.name, Pass, "", p.address + " has it too"}
}

// commitPart judges an archive by the list of its own commit.
func commitPart(s sumFact) Part {
	switch {
	case s.listErr != nil:
		return listPart(s)
	case s.line.Line == 0:
		return Part{s.name, Fail, "not-listed", fmt.Sprintf("%s has no line for it", s.listFile())}
	case s.archiveErr != nil:
		reason := reasonOf(s.archiveErr)
		if errors.Is(s.archiveErr, fs.ErrNotExist) {
			reason = "source-absent"
		}
		return Part{s.name, unknownUnless(reason, "object-mismatch", "sum-differs"), reason,
			fmt.Sprintf("%s says %s:%s; %s", s.where(), s.line.Algorithm, s.line.Digest, s.archiveErr)}
	case s.result.Status != sums.ListedAndEqual:
		return Part{s.name, Fail, "sum-differs", fmt.Sprintf("%s says %s, the file's %s is %s", s.where(), s.result.Want, s.result.Algorithm, s.result.Got)}
	}
	text := s.result.Got
	if s.object != "" {
		text += ", handed in as " + s.object
	}
	return Part{s.name, Pass, "", text}
}

// listPart judges a list that tells nothing of the file.
func listPart(s sumFact) Part {
	reason := reasonOf(s.listErr)
	switch reason {
	case "two-sums", "object-mismatch":
		return Part{s.name, Fail, reason, fmt.Sprintf("%s: %s", s.listFile(), s.listErr)}
	}
	if s.list.Where == "" {
		return Part{s.name, Unknown, reason, s.listErr.Error()}
	}
	return Part{s.name, Unknown, reason, fmt.Sprintf("%s: %s", s.listFile(), s.listErr)}
}

// signedFact is one signature over a list or an archive.
type signedFact struct {
	what        string
	distributor sums.Distributor
	result      sums.SignatureResult
	err         error
}

// signatures are those that belong to an archive: of the list in the commit, and
// of what the distributor's address holds.
func (s sumFact) signatures() []signedFact {
	var out []signedFact
	if s.signed {
		out = append(out, signedFact{s.listFile(), s.distributor, s.signature, s.signatureErr})
	}
	if p := s.published; p.signature != "" {
		out = append(out, signedFact{p.over, s.distributor, p.signed, p.signatureErr})
	}
	return out
}

// findSignature judges rootfs.signature; it applies where the distributor signs
// its list, or the archive itself.
func findSignature(f *facts) *Finding {
	var parts []Part
	var evidence []Evidence
	all := ""
	for _, s := range f.sums {
		for _, one := range s.signatures() {
			parts = append(parts, one.part())
			if one.err == nil {
				all = one.text()
				evidence = append(evidence, Evidence{Kind: "key", Value: one.result.Fingerprint})
			}
		}
	}
	if len(parts) == 0 {
		return nil
	}
	return ofParts(parts, all).with(evidence...)
}

func (s signedFact) text() string {
	text := fmt.Sprintf("%s is signed by %s's key %s, %s over %s", s.what, s.distributor.Name,
		s.result.Fingerprint, date(s.result.Created), s.result.Hash)
	if s.result.Weak {
		text += " (weak; allowed for this distributor alone)"
	}
	if s.result.KeyExpired {
		text += "; the key has expired since"
	}
	return text
}

func (s signedFact) part() Part {
	if s.err == nil {
		return Part{s.what, Pass, "", s.text()}
	}
	reason := reasonOf(s.err)
	status := Fail
	switch reason {
	case "key-absent", "signature-unsupported", "list-absent", "source-absent", "not-followed", "object-format", "over-limit", "offline", "no-network", "unreadable":
		status = Unknown
	}
	summary := s.err.Error()
	if reason == "key-absent" {
		for _, k := range s.distributor.Keys {
			summary += "; get it with: " + k.Command("distributor.asc") + ", and give it with --keyring distributor.asc"
		}
	}
	return Part{s.what, status, reason, summary}
}
