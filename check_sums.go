package verify

import (
	"errors"
	"fmt"
	"io/fs"

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
		if s.result.Line > 0 {
			evidence = append(evidence, Evidence{Kind: "file", Value: fmt.Sprintf("%s:%d", s.list.File, s.result.Line)},
				Evidence{Kind: "digest", Value: s.result.Algorithm + ":" + s.result.Got})
		}
	}
	all := fmt.Sprintf("%s is in %s's %s", f.sums[0].name, f.sums[0].distributor.Name, f.sums[0].list.File)
	if !independent {
		all += ", a list of the same commit: consistent, not independent"
	}
	out := ofParts(parts, all)
	if out.Status == Pass || out.Status == Fail {
		out.with(evidence...)
	}
	out.details().Independent = &independent
	return out
}

func sumPart(s sumFact) Part {
	switch {
	case errors.Is(s.err, sums.ErrTwoSums):
		return Part{s.name, Fail, "two-sums", s.err.Error()}
	case errors.Is(s.err, errListAbsent):
		return Part{s.name, Unknown, "list-absent", s.err.Error()}
	case errors.Is(s.err, fs.ErrNotExist):
		return Part{s.name, Unknown, "source-absent", s.err.Error()}
	case errors.Is(s.err, sums.ErrSyntax):
		return Part{s.name, Unknown, "list-invalid", fmt.Sprintf("%s: %s", s.list.File, s.err)}
	case s.err != nil:
		reason := reasonOf(s.err)
		return Part{s.name, unknownUnless(reason, "object-mismatch"), reason, s.err.Error()}
	case s.result.Status == sums.NotListed:
		return Part{s.name, Fail, "not-listed", fmt.Sprintf("%s has no line for it", s.list.File)}
	case s.result.Status != sums.ListedAndEqual:
		return Part{s.name, Fail, "sum-differs", fmt.Sprintf("%s:%d says %s, the file's %s is %s", s.list.File, s.result.Line, s.result.Want, s.result.Algorithm, s.result.Got)}
	}
	return Part{s.name, Pass, "", s.result.Got}
}

// findSignature judges rootfs.signature; it applies where the distributor signs
// its list.
func findSignature(f *facts) *Finding {
	var parts []Part
	var evidence []Evidence
	all := ""
	for _, s := range f.sums {
		if !s.signed {
			continue
		}
		parts = append(parts, signaturePart(s))
		if s.signatureErr == nil {
			all = signedText(s)
			evidence = append(evidence, Evidence{Kind: "key", Value: s.signature.Fingerprint})
		}
	}
	if len(parts) == 0 {
		return nil
	}
	return ofParts(parts, all).with(evidence...)
}

func signedText(s sumFact) string {
	text := fmt.Sprintf("%s is signed by %s's key %s, %s over %s", s.list.File, s.distributor.Name,
		s.signature.Fingerprint, date(s.signature.Created), s.signature.Hash)
	if s.signature.Weak {
		text += " (weak; allowed for this distributor alone)"
	}
	if s.signature.KeyExpired {
		text += "; the key has expired since"
	}
	return text
}

func signaturePart(s sumFact) Part {
	if s.signatureErr == nil {
		return Part{s.list.File, Pass, "", signedText(s)}
	}
	reason := reasonOf(s.signatureErr)
	status := Fail
	switch reason {
	case "key-absent", "signature-unsupported", "list-absent", "source-absent", "not-followed", "object-format", "over-limit", "offline", "no-network", "unreadable":
		status = Unknown
	}
	summary := s.signatureErr.Error()
	if reason == "key-absent" {
		for _, k := range s.distributor.Keys {
			summary += "; get it with: " + k.Command("distributor.asc") + ", and give it with --keyring distributor.asc"
		}
	}
	return Part{s.list.File, status, reason, summary}
}
