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
		if s.object != "" {
			evidence = append(evidence, Evidence{Kind: "file", Value: s.object})
		}
		if s.line.Line > 0 {
			evidence = append(evidence, Evidence{Kind: "file", Value: s.where()},
				Evidence{Kind: "digest", Value: s.line.Algorithm + ":" + s.line.Digest})
		}
	}
	all := fmt.Sprintf("%s is in %s's %s", f.sums[0].name, f.sums[0].distributor.Name, f.sums[0].list.File)
	if !independent {
		all += ", a list of the same commit: consistent, not independent"
	}
	out := ofParts(parts, all).with(evidence...)
	out.details().Independent = &independent
	return out
}

// where is the list's line for the file.
func (s sumFact) where() string { return fmt.Sprintf("%s:%d", s.list.File, s.line.Line) }

func sumPart(s sumFact) Part {
	switch {
	case s.listErr != nil:
		return listPart(s)
	case s.line.Line == 0:
		return Part{s.name, Fail, "not-listed", fmt.Sprintf("%s has no line for it", s.list.File)}
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
		return Part{s.name, Fail, reason, fmt.Sprintf("%s: %s", s.list.File, s.listErr)}
	}
	return Part{s.name, Unknown, reason, fmt.Sprintf("%s: %s", s.list.File, s.listErr)}
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
