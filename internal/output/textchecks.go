package output

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/imageverify/verify"
)

const (
	// maxParts, maxAttempts and maxEvidence are how many of each are shown
	// without Verbose.
	maxParts    = 10
	maxAttempts = 5
	maxEvidence = 3
)

// checks writes one line a finding, and its parts and details below it.
func (c *canvas) checks(img *verify.Image) {
	c.title("checks")
	if len(img.Findings) == 0 {
		c.line("  none was made")
		return
	}
	list := make([]entry, len(img.Findings))
	for i := range img.Findings {
		list[i] = c.findingEntry(&img.Findings[i], img)
	}
	cols := c.columnsOf(2, list)
	for i := range img.Findings {
		c.entry(cols, list[i])
		c.entries(6, c.partEntries(&img.Findings[i]))
		if img.Findings[i].Check == "rebuild.level" {
			c.entries(6, c.witnessEntries(img.Rebuild))
		}
		c.entries(6, c.detailEntries(&img.Findings[i]))
	}
}

func (c *canvas) findingEntry(f *verify.Finding, img *verify.Image) entry {
	if d := f.Details; d != nil && f.Reason == "mutable-tag" && !f.Accepted {
		c.note(d.Pin) // stands in full under what to do next
	}
	e := entry{mark: findingMark(f), name: SafeText(f.Check), text: c.legible(f.Status, findingText(f))}
	e.evidence = c.shownEvidence(f.Evidence, img)
	return e
}

// legible abbreviates what does not fail.
func (c *canvas) legible(s verify.Status, text string) string {
	if s == verify.Fail {
		c.note(text)
		return text
	}
	return c.abbreviate(text)
}

// findingText is the summary, with what the verdict makes of it before and the
// reason after it.
func findingText(f *verify.Finding) string {
	text := SafeText(f.Summary)
	switch {
	case f.Accepted:
		text = "accepted: " + text
	case f.Required && f.Status != verify.Pass:
		text = "required: " + text
	}
	if f.Reason != "" {
		text += " (" + SafeText(f.Reason) + ")"
	}
	return text
}

// shownEvidence is all evidence in full with Verbose, else the first of it, as
// short as can be without losing anything.
func (c *canvas) shownEvidence(list []verify.Evidence, img *verify.Image) []string {
	if c.Verbose {
		return evidenceOf(list)
	}
	var out []string
	for _, e := range list[:min(len(list), maxEvidence)] {
		if img.Origin != nil && e.Kind == "git" {
			e.Value = withinOrigin(e.Value, img.Origin.Repository)
		}
		out = append(out, c.abbreviate(SafeText(e.Kind+" "+e.Value)))
	}
	if more := len(list) - len(out); more > 0 {
		out = append(out, fmt.Sprintf("and %d more", more))
	}
	return out
}

// evidenceOf names the kind of each piece of evidence.
func evidenceOf(list []verify.Evidence) []string {
	out := make([]string, len(list))
	for i, e := range list {
		out[i] = SafeText(e.Kind + " " + e.Value)
	}
	return out
}

// partEntries are the parts that do not pass, worst first; with Verbose all
// parts. A single part that the summary quotes is not shown twice.
func (c *canvas) partEntries(f *verify.Finding) []entry {
	if f.Details == nil || isAdvice(f) && !c.Verbose {
		return nil
	}
	parts := slices.Clone(f.Details.Parts)
	slices.SortStableFunc(parts, func(a, b verify.Part) int { return int(b.Status) - int(a.Status) })
	if !c.Verbose {
		parts = slices.DeleteFunc(parts, func(p verify.Part) bool { return p.Status == verify.Pass })
		if len(parts) == 1 && strings.HasPrefix(f.Summary, parts[0].Name+": "+parts[0].Summary) && f.Reason == parts[0].Reason {
			return nil
		}
	}
	var rows []entry
	for i, p := range parts {
		if i == maxParts && !c.Verbose {
			return append(rows, entry{text: fmt.Sprintf("and %d more; -v shows all", len(parts)-i)})
		}
		text := SafeText(p.Summary)
		if p.Reason != "" {
			text += " (" + SafeText(p.Reason) + ")"
		}
		rows = append(rows, entry{mark: markOf(p.Status), name: SafeText(p.Name), text: c.legible(p.Status, text)})
	}
	return rows
}

// detailEntries are the details that tell more than the summary.
func (c *canvas) detailEntries(f *verify.Finding) []entry {
	d := f.Details
	if d == nil {
		return nil
	}
	var rows []entry
	add := func(name, text string) {
		if text != "" {
			rows = append(rows, row(name, text))
		}
	}
	if f.Status != verify.Pass || c.Verbose {
		add("bytes", coverage(d.Bytes, c.size))
		add("files", coverage(d.Files, number))
		add("differences", counts(d.Counts))
		rows = append(rows, c.attemptRows(d.Candidates)...)
	}
	if d.Newer != nil {
		add("newer", place(d.Newer))
	}
	if d.Behind > 0 {
		add("behind", newerEntries(d.Behind))
	}
	if len(d.AlsoMatches) > 0 {
		add("matches too", alsoMatches(d.AlsoMatches, c.Verbose))
	}
	if d.Nearest != nil {
		add("matches instead", nearest(d.Nearest))
	}
	if len(d.Holes) > 0 {
		add("variables", strings.Join(d.Holes, ", ")+": only the base image knows what they were")
	}
	if c.Verbose {
		add("judged on", sameAsText(d.SameAs))
		add("stamped", d.Variant)
		add("builder", d.Builder)
		add("pin", d.Pin)
		if d.Cached {
			add("cached", "layers were hashed and unpacked by an earlier run")
		}
		add("independent", independence(d))
	}
	return rows
}

// sameAsText names the commit that was judged in the origin's place.
func sameAsText(s *verify.SameAs) string {
	if s == nil {
		return ""
	}
	text := place(&verify.Claim{Repository: s.Repository, Commit: s.Commit, Directory: s.Directory})
	if s.Serial != "" {
		text += ", of the serial " + s.Serial
	}
	if s.Content {
		text += ", with the files that the history has the hashes of"
	}
	return text
}

func newerEntries(n int) string {
	if n == 1 {
		return "1 newer entry"
	}
	return fmt.Sprintf("%d newer entries", n)
}

func independence(d *verify.Details) string {
	switch {
	case d.Independent == nil:
		return ""
	case *d.Independent:
		return "yes"
	case d.NotIndependent != "":
		return "no: the list comes from the same commit as the file, and of the distributor's own: " + why(d.NotIndependent, d.NotIndependent) + " (" + d.NotIndependent + ")"
	}
	return "no: the list comes from the same commit as the file"
}

func (c *canvas) attemptRows(list []verify.Attempt) []entry {
	var rows []entry
	for i, a := range list {
		if i == maxAttempts && !c.Verbose {
			return append(rows, entry{text: fmt.Sprintf("and %d more; -v shows all", len(list)-i)})
		}
		claim := verify.Claim{Repository: a.Repository, Commit: a.Commit, Directory: a.Directory}
		rows = append(rows, row("tried", a.Outcome+": "+place(&claim)))
	}
	return rows
}

// coverage says how much is proved, comes from the base, and is not proved.
func coverage(c *verify.Coverage, show func(int64) string) string {
	if c == nil {
		return ""
	}
	text := show(c.Proved) + " proved from the source"
	if c.Base > 0 {
		text += ", " + show(c.Base) + " of a verified base"
	}
	return text + ", " + show(c.Unproved) + " not proved"
}

func (c *canvas) size(n int64) string {
	if text := verify.FormatBytes(n); !c.Verbose || n < 1000 {
		return text
	}
	return fmt.Sprintf("%s (%d bytes)", verify.FormatBytes(n), n)
}

func number(n int64) string { return fmt.Sprint(n) }

func counts(m map[string]int) string {
	var list []string
	for _, class := range slices.Sorted(maps.Keys(m)) {
		list = append(list, fmt.Sprintf("%d %s", m[class], class))
	}
	return strings.Join(list, ", ")
}

// nearest names an entry of the library.
func nearest(n *verify.NearestEntry) string {
	tags, when := n.Tags[:min(len(n.Tags), maxAlso)], "until "+n.Merged.Format(time.DateOnly)
	if n.InForce {
		when = "in force"
	}
	return fmt.Sprintf("the library's entry for %s (%s): %s#%s:%s", strings.Join(tags, ", "), when, n.Repository, n.Commit, n.Directory)
}

// maxAlso is how many directories that match too are named unless all are to
// be shown.
const maxAlso = 4

// alsoMatches names directories.
func alsoMatches(dirs []string, all bool) string {
	more := ""
	if n := len(dirs) - maxAlso; n > 0 && !all {
		dirs, more = dirs[:maxAlso], fmt.Sprintf(" and %d more", n)
	}
	return strings.Join(dirs, ", ") + more + ": the history cannot tell them apart"
}
