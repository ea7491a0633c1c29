package verify

import (
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/imageverify/verify/provenance"
	"github.com/imageverify/verify/provenance/history"
	"github.com/imageverify/verify/provenance/library"
)

// findDirectives judges history.directives.
func findDirectives(f *facts) *Finding {
	a := f.judged()
	if f.inLayout() {
		return nil
	}
	if a == nil || a.Alignment == nil {
		return noDockerfile(f)
	}
	var parts []Part
	for _, p := range a.Alignment.Problems {
		parts = append(parts, problemPart(p))
	}
	all := fmt.Sprintf("%s and %s match in the %s builder's form", plural(len(a.Build.Directives), "directive"),
		entriesMatched(a.Alignment), a.Alignment.Dialect)
	if n := rowsBut(a.Alignment, history.WhiteSpace); n > 0 {
		all += fmt.Sprintf(" (%d of them but for white space)", n)
	}
	if a.Alignment.Squashed {
		all += ", squashed into one layer"
	}
	if a.Alignment.BaseEntries > 0 {
		all += fmt.Sprintf(", above %s of the base image", plural(a.Alignment.BaseEntries, "entry"))
	}
	out := ofParts(parts, all).with(fileEvidence(a))
	if len(f.also) > 0 {
		out.details().AlsoMatches = f.also
	}
	if c := f.nearest; c != nil {
		out.details().Nearest = nearestOf(c)
	}
	if len(a.Alignment.Holes) > 0 {
		out.details().Holes = slices.Sorted(maps.Keys(a.Alignment.Holes))
	}
	if !a.Matched() && out.Status == Pass {
		return finding(Fail, "text-differs", "the history does not match %s", dockerfileOf(a))
	}
	return out
}

// nearestOf states the entry of the library that the image does come from by its
// history.
func nearestOf(c *library.Candidate) *NearestEntry {
	e := c.Entry
	return &NearestEntry{Tags: slices.Concat(e.Tags, e.SharedTags), Repository: e.Repository, Commit: e.Commit, Directory: e.Directory, File: e.File,
		LibraryCommit: c.LibraryCommit, Merged: c.Merged.UTC(), InForce: c.InForce}
}

// noDockerfile says that there is nothing to match the history with, and who
// made the image where it says so itself.
func noDockerfile(f *facts) *Finding {
	out := finding(Unknown, "no-dockerfile", "there is no Dockerfile to match the history with")
	if f.nearest != nil {
		out.details().Nearest = nearestOf(f.nearest)
	}
	cfg := f.configFile()
	if cfg == nil {
		return out
	}
	if maker, ok := history.MadeBy(cfg.History, cfg.Config.Labels); ok {
		out.Summary = fmt.Sprintf("by its own account the image was made by %s, which reads no Dockerfile", maker.Name)
		out.details().Builder = maker.Name
		out.with(Evidence{Kind: "line", Value: maker.Sign})
	}
	return out
}

func entriesMatched(a *history.Alignment) string {
	n := 0
	for _, row := range a.Rows {
		if row.Entry >= 0 && row.Directive >= 0 {
			n++
		}
	}
	return plural(n, "history entry")
}

func rowsBut(a *history.Alignment, how string) int {
	n := 0
	for _, row := range a.Rows {
		if row.How == how {
			n++
		}
	}
	return n
}

func problemPart(p history.Problem) Part {
	name := "history"
	switch {
	case p.Line > 0:
		name = fmt.Sprintf("Dockerfile:%d", p.Line)
	case p.Entry >= 0:
		name = fmt.Sprintf("history entry %d", p.Entry+1)
	}
	if p.Code == history.HistoryLost {
		return Part{name, Unknown, string(p.Code), problemText(p)}
	}
	return Part{name, Fail, string(p.Code), problemText(p)}
}

func problemText(p history.Problem) string {
	switch p.Code {
	case history.TextDiffers:
		if d := diffTexts(p.Want, p.Got); d != nil && len(p.Want)+len(p.Got) > maxDiff {
			return d.String()
		}
		return fmt.Sprintf("the Dockerfile gives %q, history has %q", p.Want, p.Got)
	case history.EntryMissing:
		return fmt.Sprintf("no entry of the history is %q", p.Want)
	case history.HistoryLost:
		return fmt.Sprintf("the history has the last directive alone (%q), as buildah leaves it with --layers and --squash", p.Got)
	case history.EntryUnexplained:
		return fmt.Sprintf("no directive gives %q", p.Got)
	}
	return fmt.Sprintf("want %s, got %s", p.Want, p.Got)
}

// contentHash finds a build hash in the text of a history entry.
var contentHash = regexp.MustCompile(`\b(file|dir|multi):[0-9a-f]{64}\b`)

// findHistoryContent judges history.content; it applies where history holds a
// content hash.
func findHistoryContent(f *facts) *Finding {
	a := f.judged()
	if f.inLayout() {
		return nil
	}
	if a == nil || a.Alignment == nil {
		if !historyHasHash(f) {
			return nil
		}
		return finding(Unknown, "no-dockerfile", "history holds content hashes, and there are no files to compare them with")
	}
	if len(a.Contents) == 0 {
		return nil
	}
	parts, variant := make([]Part, 0, len(a.Contents)), ""
	for _, h := range a.Contents {
		parts = append(parts, hashPart(h))
		variant = h.Variant
	}
	out := ofParts(parts, fmt.Sprintf("%s recomputed from the files of the context (%s)", plural(len(parts), "content hash"), variant))
	out.details().Variant = variant
	for _, h := range a.Contents {
		out.with(Evidence{Kind: "digest", Value: h.Want})
	}
	return out.with(contextEvidence(a))
}

func historyHasHash(f *facts) bool {
	cfg := f.configFile()
	if cfg == nil {
		return false
	}
	for _, h := range cfg.History {
		if contentHash.MatchString(h.CreatedBy) {
			return true
		}
	}
	return false
}

func hashPart(h provenance.ContentHash) Part {
	name := fmt.Sprintf("Dockerfile:%d", h.Line)
	switch {
	case h.Err != nil && h.Sources == nil:
		return Part{name, Unknown, "files-elsewhere", h.Err.Error()}
	case h.Err != nil:
		reason := reasonOf(h.Err)
		return Part{name, unknownUnless(reason, "object-mismatch"), reason, h.Err.Error()}
	case !h.Equal:
		return Part{name, Fail, "hash-differs", fmt.Sprintf("history has %s, which no known way of hashing %q gives", h.Want, h.Sources)}
	}
	return Part{name, Pass, "", h.Want + " (" + h.Variant + ")"}
}

// unknownUnless is Fail for a reason that is itself a failure.
func unknownUnless(reason string, failures ...string) Status {
	for _, r := range failures {
		if r == reason {
			return Fail
		}
	}
	return Unknown
}
