package output

import (
	"fmt"
	"strings"

	"github.com/imageverify/verify"
)

// barWidth is how many characters show how much of a layer is proved.
const barWidth = 10

func reproduceText(r *verify.ReproduceReport, s Style) []byte {
	c := &canvas{Style: s, ids: map[string]bool{}}
	v := reproductionOf(r)
	platform := SafeText(orElse(r.Platform, ""))
	if s.Quiet {
		digest := r.ImageID
		if r.Digest != nil {
			digest = *r.Digest
		}
		c.quietLine(v.Mark.word, v.Mark.color, SafeText(r.Reference), platform, SafeText(digest))
		return c.Bytes()
	}
	c.line(strings.TrimRight(c.paint(v.Mark.color, v.Mark.sign+" "+v.Mark.word)+"  "+c.paint(bold, SafeText(r.Reference))+"  "+platform, " "))
	var rows []entry
	for _, f := range v.Facts {
		rows = append(rows, row(f.Name, f.Value))
	}
	c.entries(2, rows)
	c.problems(v)
	if len(v.Log) > 0 {
		c.title("what the builder said at last")
		for _, line := range v.Log {
			c.line("  " + SafeText(line))
		}
	}
	c.layerRows(v)
	c.causeRows(v)
	c.discrepancies(r)
	c.section("witnesses", c.witnessEntries(r.Rebuild))
	c.bullets("what to do next", v.Steps)
	if r.Environment.Command != "" {
		c.title("repeat it")
		c.line("  " + SafeText(r.Environment.Command))
	}
	if s.Verbose {
		c.gap()
		c.line(c.paint(dim, fmt.Sprintf("verify %s, report schema %d; %s", SafeText(r.Program.Version), r.SchemaVersion, seconds(r.Timings.Total))))
	}
	return c.Bytes()
}

// problems are the findings that do not pass.
func (c *canvas) problems(v reproduction) {
	var rows []entry
	for _, f := range v.Problems {
		rows = append(rows, entry{mark: markOf(f.Status), name: SafeText(f.Check), text: SafeText(f.Summary), evidence: []string{SafeText(f.Reason)}})
	}
	c.section("findings", rows)
}

func (c *canvas) layerRows(v reproduction) {
	var rows []entry
	for _, l := range v.Layers {
		e := entry{mark: mark{l.Mark.sign, orNone(l.Level), l.Mark.color}, name: fmt.Sprintf("layer %d", l.Number), text: bar(l.Proved) + "  " + l.Size}
		for _, more := range []string{l.Made, l.Reason, l.Differ} {
			if more != "" {
				e.text += "  " + SafeText(more)
			}
		}
		rows = append(rows, e)
	}
	c.section("layers", rows)
}

func orNone(level string) string {
	if level == "" {
		return "not rebuilt"
	}
	return level
}

// bar shows what is proved (█), what a verified base proves (▓), and the rest.
// What is not proved shows, however little it is.
func bar(c verify.Coverage) string {
	total := c.Total()
	if total <= 0 {
		return strings.Repeat("█", barWidth)
	}
	part := func(n int64) int { return min(max(int(float64(n)/float64(total)*barWidth), 0), barWidth) }
	proved := part(c.Proved)
	both := max(part(c.Proved+c.Base), proved)
	return strings.Repeat("█", proved) + strings.Repeat("▓", both-proved) + strings.Repeat("░", barWidth-both)
}

func (c *canvas) causeRows(v reproduction) {
	if len(v.Causes) == 0 {
		return
	}
	c.title("causes")
	for i, cause := range v.Causes {
		c.line(fmt.Sprintf("  %d. ", i+1) + c.paint(cause.Mark.color, cause.Mark.word) + "  " + SafeText(cause.Title))
		rows := []entry{row("what", cause.Summary)}
		if cause.Made != "" {
			rows = append(rows, row("made by", cause.Made))
		}
		rows = append(rows, row("what would fix it", cause.Fix), row("such as", strings.Join(cause.Examples, ", ")))
		c.entries(5, rows)
	}
}

// discrepancies writes the differences, those of files with what changed.
func (c *canvas) discrepancies(r *verify.ReproduceReport) {
	if len(r.Differences) == 0 {
		return
	}
	c.title("differences, rebuilt → published")
	for i, d := range r.Differences {
		if i == maxOfClass && !c.Verbose {
			c.line(fmt.Sprintf("  and %d more; -v shows those that are listed", len(r.Differences)-i))
			break
		}
		notes := []string{}
		if d.Layer != nil {
			notes = append(notes, fmt.Sprintf("layer %d", *d.Layer+1))
		}
		if d.Line > 0 {
			notes = append(notes, fmt.Sprintf("Dockerfile:%d", d.Line))
		}
		text := c.abbreviate(SafeText(valueOr(d.Rebuilt))) + " → " + c.abbreviate(SafeText(valueOr(d.Published)))
		c.entries(2, []entry{{mark: mark{"-", SafeText(d.Class), ""}, name: SafeText(d.Path), text: text, evidence: notes}})
		for _, line := range d.Change {
			c.line("      " + SafeText(line))
		}
	}
}
