package output

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/imageverify/verify"
)

// maxOfClass is how many differences of a class are shown without Verbose.
const maxOfClass = 10

// WriteDiff writes what verify.Diff found, as Write does.
func WriteDiff(w io.Writer, f Format, r *verify.DiffReport, s Style) error {
	return write(w, f, r, func() []byte { return diffText(r, s) })
}

func diffText(r *verify.DiffReport, s Style) []byte {
	c := &canvas{Style: s, ids: map[string]bool{}}
	m := diffMark(r)
	if s.Quiet {
		c.quietLine(m.word, m.color, SafeText(r.A.Reference), SafeText(r.B.Reference), SafeText(countsText(r.Counts)))
		return c.Bytes()
	}
	c.line(c.paint(m.color, m.sign+" "+m.word) + "  " + c.paint(bold, SafeText(r.A.Reference)) + "  " + c.paint(bold, SafeText(r.B.Reference)))
	c.entries(2, diffFacts(r))
	for _, class := range slices.SortedFunc(maps.Keys(r.Counts), func(a, b string) int { return cmp.Compare(firstOf(r, a), firstOf(r, b)) }) {
		c.diffClass(r, class)
	}
	if s.Verbose {
		c.gap()
		c.line(c.paint(dim, fmt.Sprintf("verify %s, report schema %d; %s", SafeText(r.Program.Version), r.SchemaVersion, seconds(r.Timings.Total))))
	}
	return c.Bytes()
}

// diffMark says how near the two are; a level short of the best is shown as
// what it is, never as equality.
func diffMark(r *verify.DiffReport) mark {
	switch r.Level {
	case verify.SameDigest:
		return mark{"✓", "equal, digest and all", green}
	case verify.SameImageID:
		return mark{"=", "equal up to the image ID", ""}
	case verify.SameLayers:
		return mark{"=", "equal layers", ""}
	case verify.SameFiles:
		return mark{"=", "equal files", ""}
	}
	return mark{"✗", "different", red}
}

func diffFacts(r *verify.DiffReport) []entry {
	rows := []entry{row("a", sideText(r.A)), row("b", sideText(r.B)), row("level", r.Level.String())}
	if len(r.Ignored) > 0 {
		rows = append(rows, row("judged", fmt.Sprintf("%s, ignoring %s", r.Judged, strings.Join(r.Ignored, ", "))))
	}
	rows = append(rows, row("equal", fmt.Sprintf("%s files (%s)", countText(r.Files), verify.FormatBytes(r.Bytes))))
	if len(r.Counts) > 0 {
		rows = append(rows, row("differ", countsText(r.Counts)))
	}
	if len(r.Noise) > 0 {
		rows = append(rows, row("of it noise", countsText(r.Noise)))
	}
	if r.Unread > 0 {
		rows = append(rows, row("not looked into", fmt.Sprintf("%d changed files; --content reads them again", r.Unread)))
	}
	return rows
}

func sideText(s verify.DiffSide) string {
	text := orElse(s.Platform, "platform unknown")
	if s.Digest != nil {
		text += "  " + *s.Digest
	} else {
		text += "  image id " + s.ImageID
	}
	if s.Cached {
		text += ", layers as read before"
	}
	return text
}

// countsText writes "content 3, mode 1", the most first.
func countsText(counts map[string]int) string {
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	for i, name := range names {
		names[i] = fmt.Sprintf("%s %d", name, counts[name])
	}
	return strings.Join(names, ", ")
}

func countText(n int) string { return fmt.Sprint(n) }

// firstOf is the place of a class among the differences.
func firstOf(r *verify.DiffReport, class string) int {
	i := slices.IndexFunc(r.Differences, func(d verify.DiffEntry) bool { return d.Class == class })
	if i < 0 {
		return len(r.Differences)
	}
	return i
}

// diffClass writes the differences of one class.
func (c *canvas) diffClass(r *verify.DiffReport, class string) {
	c.title(fmt.Sprintf("%s  %d", SafeText(class), r.Counts[class]))
	shown := 0
	for _, d := range r.Differences {
		if d.Class != class {
			continue
		}
		if shown == maxOfClass && !c.Verbose {
			break
		}
		shown++
		c.entries(2, []entry{{name: SafeText(d.Path), text: c.valuesText(d), evidence: diffNotes(d)}})
		for _, line := range d.Change {
			c.line("      " + SafeText(line))
		}
	}
	switch rest := r.Counts[class] - shown; {
	case rest > 0 && c.Verbose:
		c.line(fmt.Sprintf("  and %d more, which are not listed", rest))
	case rest > 0:
		c.line(fmt.Sprintf("  and %d more; -v shows those that are listed", rest))
	}
}

func (c *canvas) valuesText(d verify.DiffEntry) string {
	switch {
	case d.A == "" && d.B == "":
		return ""
	case d.A == "":
		return c.abbreviate(SafeText(d.B))
	case d.B == "":
		return c.abbreviate(SafeText(d.A))
	}
	return c.abbreviate(SafeText(d.A)) + " → " + c.abbreviate(SafeText(d.B))
}

func diffNotes(d verify.DiffEntry) []string {
	var notes []string
	if d.Layer != nil {
		notes = append(notes, fmt.Sprintf("layer %d", *d.Layer+1))
	}
	if d.Noise != "" {
		notes = append(notes, "known noise: "+SafeText(d.Noise))
	}
	return notes
}
