package verify

import (
	"fmt"
	"slices"
	"strings"
)

// need says which stages a check rests on.
type need int

const (
	needConfig need = 1 << iota
	needLayers
	needTrace
	needSums
	needContent
	needReach
)

// check is a row of the table: one thing that is checked about an image.
type check struct {
	id string
	// passes completes the sentence "passes when …".
	passes string
	needs  need
	// required says whether the verdict rests on the check for this image when
	// the user says nothing.
	required func(*facts) bool
	// reasons are the codes a finding of this check may carry.
	reasons []string
	// find makes the finding; nil when the check does not apply to the image.
	find func(*facts) *Finding
}

func always(*facts) bool { return true }
func never(*facts) bool  { return false }

// checkTable returns the checks in report order. It is the one place that
// turns facts into findings.
var checkTable = []check{
	{
		id:       "image.digests",
		passes:   "manifest, config and every layer blob hash to their digests, every layer unpacks to its diff ID, sizes agree, history and layers count up, and descriptor and config name the same platform",
		needs:    needConfig | needLayers,
		required: always,
		reasons: []string{"digest-mismatch", "size-mismatch", "diff-id-mismatch", "malformed", "truncated", "over-limit",
			"layer-count", "platform-mismatch", "blob-absent", "foreign-layer", "unreadable", "offline", "no-network"},
		find: findDigests,
	},
	{
		id:       "image.reference",
		passes:   "the reference is pinned by digest",
		required: never,
		reasons:  []string{"mutable-tag"},
		find:     findReference,
	},
	{
		id:       "trace.origin",
		passes:   "the Dockerfile was read at the origin's commit, every git object re-hashed, and it matches the image",
		needs:    needConfig | needTrace,
		required: always,
		reasons: []string{"text-differs", "object-mismatch", "dockerfile-invalid", "claim-not-proved", "no-claim", "name-unknown", "not-in-library",
			"tag-not-in-library", "library-unavailable", "source-absent", "not-followed", "builder-unsupported", "commit-younger", "object-format", "offline", "no-network", "unreadable"},
		find: findOrigin,
	},
	{
		id:       "trace.claims",
		passes:   "all claims of origin agree",
		needs:    needConfig | needTrace,
		required: always,
		reasons:  []string{"repository-differs", "commit-differs", "directory-differs", "other-repository"},
		find:     findClaims,
	},
	{
		id:       "trace.current",
		passes:   "the matching library entry is the one in force now for the tag",
		needs:    needConfig | needTrace,
		required: never,
		reasons:  []string{"superseded", "tag-ended"},
		find:     findCurrent,
	},
	{
		id:       "trace.reachable",
		passes:   "the origin's commit is an ancestor of a branch or tag of the repository",
		needs:    needConfig | needTrace | needReach,
		required: claimedByImage,
		reasons:  []string{"commit-unreachable", "unreadable"},
		find:     findReachable,
	},
	{
		id:       "history.directives",
		passes:   "every directive of the final stage has its history entry, in order, with nothing unexplained between or after",
		needs:    needConfig | needTrace,
		required: always,
		reasons: []string{"text-differs", "entry-missing", "entry-unexplained", "layer-count", "empty-layer-differs",
			"comment-differs", "nothing-matched", "no-dockerfile", "unreadable"},
		find: findDirectives,
	},
	{
		id:       "history.content",
		passes:   "each file:, dir: and multi: hash in history is the hash of the named files at the commit",
		needs:    needConfig | needTrace,
		required: never,
		reasons:  []string{"hash-differs", "no-dockerfile", "source-absent", "object-mismatch", "files-elsewhere", "unreadable"},
		find:     findHistoryContent,
	},
	{
		id:       "rootfs.checksum",
		passes:   "the digest of each unpacked archive is in the distributor's published checksum file",
		needs:    needConfig | needTrace | needSums,
		required: always,
		reasons:  []string{"sum-differs", "two-sums", "not-listed", "list-absent", "list-invalid", "source-absent", "object-mismatch", "unreadable"},
		find:     findChecksum,
	},
	{
		id:       "layer.content",
		passes:   "every layer is accounted for: ADD, COPY and WORKDIR layers entry by entry from the source, base layers by a verified base",
		needs:    needConfig | needLayers | needTrace | needContent,
		required: always,
		reasons: []string{"content-differs", "file-added", "file-missing", "type-differs", "mode-differs", "owner-differs", "link-differs",
			"xattr-differs", "time-differs", "format-differs", "duplicate-path", "unsafe-path", "trailing-data", "object-mismatch",
			"malformed", "over-limit", "run-unproved", "base-unverified", "no-dockerfile", "blob-absent", "foreign-layer", "source-absent", "needs-builder", "unreadable"},
		find: findContent,
	},
}

// CheckIDs are the ids of all checks, in report order.
func CheckIDs() []string {
	ids := make([]string, len(checkTable))
	for i, c := range checkTable {
		ids[i] = c.id
	}
	return ids
}

// CheckInfo describes a check for the manual.
type CheckInfo struct {
	ID, Passes string
	// Reasons are the codes its findings may carry.
	Reasons []string
}

// Checks describes every check, in report order.
func Checks() []CheckInfo {
	out := make([]CheckInfo, len(checkTable))
	for i, c := range checkTable {
		out[i] = CheckInfo{ID: c.id, Passes: c.passes, Reasons: slices.Clone(c.reasons)}
	}
	return out
}

// acceptable refuses a reason that no check gives, or that only failures carry.
func acceptable(reason string) error {
	for _, c := range checkTable {
		if slices.Contains(c.reasons, reason) {
			return nil
		}
	}
	return fmt.Errorf("no check gives the reason %q (see docs/checks.md)", reason)
}

// needsOf joins the needs of all checks that are wanted.
func needsOf(r Requirements) need {
	var n need
	for _, c := range checkTable {
		if r.wants(c.id) {
			n |= c.needs
		}
	}
	return n
}

// findAll makes the findings that are wanted, in the table's order.
func findAll(f *facts, r Requirements) []Finding {
	findings := []Finding{}
	for _, c := range checkTable {
		if !r.wants(c.id) {
			continue
		}
		found := c.find(f)
		if found == nil {
			continue
		}
		found.Check = c.id
		found.Required = r.requires(c.id, c.required(f))
		found.Accepted = r.accepts(*found)
		if found.Evidence == nil {
			found.Evidence = []Evidence{}
		}
		findings = append(findings, *found)
	}
	return findings
}

func finding(s Status, reason, format string, args ...any) *Finding {
	return &Finding{Status: s, Reason: reason, Summary: fmt.Sprintf(format, args...)}
}

func passed(format string, args ...any) *Finding { return finding(Pass, "", format, args...) }

// with adds evidence, dropping what is empty.
func (f *Finding) with(evidence ...Evidence) *Finding {
	for _, e := range evidence {
		if e.Value != "" {
			f.Evidence = append(f.Evidence, e)
		}
	}
	return f
}

// details are the finding's details, made when they are first needed.
func (f *Finding) details() *Details {
	if f.Details == nil {
		f.Details = &Details{}
	}
	return f.Details
}

// ofParts makes a finding from its parts: status, reason and summary are those
// of the worst part, or all's summary where every part passes.
func ofParts(parts []Part, all string) *Finding {
	slices.SortStableFunc(parts, func(a, b Part) int { return int(b.Status) - int(a.Status) })
	f := passed("%s", all)
	if len(parts) > 0 {
		f.details().Parts = parts
	}
	if len(parts) == 0 || parts[0].Status == Pass {
		return f
	}
	worst := parts[0]
	f.Status, f.Reason = worst.Status, worst.Reason
	f.Summary = worst.Name + ": " + worst.Summary
	if n := countWorse(parts) - 1; n > 0 {
		f.Summary += fmt.Sprintf(" (and %d more)", n)
	}
	return f
}

func countWorse(parts []Part) int {
	n := 0
	for _, p := range parts {
		if p.Status != Pass {
			n++
		}
	}
	return n
}

// plural writes "1 layer", "2 layers".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if before, ok := strings.CutSuffix(noun, "y"); ok {
		return fmt.Sprintf("%d %sies", n, before)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
