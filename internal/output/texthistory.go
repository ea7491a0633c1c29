package output

import (
	"fmt"
	"strings"
	"time"

	"github.com/imageverify/verify"
)

// rowMarks are how the rows of a history are shown.
var rowMarks = map[string]mark{
	"matched":     {"✓", "matched", green},
	"differs":     {"✗", "differs", red},
	"unexplained": {"✗", "unexplained", red},
	"missing":     {"✗", "missing", red},
	"base":        {"·", "base", dim},
	"no-entry":    {"·", "no-entry", dim},
	"squash":      {"·", "squash", dim},
	"unjudged":    {"?", "unjudged", yellow},
}

const (
	// verdictWidth and the next are the columns of a history's table, cellWidth
	// those of its two texts where the lines have no end.
	verdictWidth = 13
	lineWidth    = 7
	sizeWidth    = 9
	dateWidth    = 10
	layerWidth   = 12
	cellWidth    = 60
	// minCell is the narrowest column in which two texts can stand side by side.
	minCell = 28
	// shortDigest is how many digits of a layer's digest the table shows.
	shortDigest = 12
)

// history writes the image's history beside the Dockerfile's directives: a
// line a row, and below it what differs.
func (c *canvas) history(img *verify.Image) {
	if len(img.History) == 0 {
		return
	}
	c.title("history, oldest first, with the stored size of each layer")
	cell := c.cell()
	head := fmt.Sprintf("  %-*s %*s %*s  %-*s  %-*s", verdictWidth, "verdict", lineWidth, "line", sizeWidth, "size", dateWidth, "created", layerWidth, "layer")
	if cell > 0 {
		head += "  " + padded("directive", cell) + "  entry"
	}
	c.line(c.paint(dim, strings.TrimRight(head, " ")))
	var total int64
	layers := 0
	for i := range img.History {
		row := &img.History[i]
		c.historyRow(row, cell)
		if row.Layer != nil {
			total, layers = total+row.Layer.Size, layers+1
		}
	}
	c.line(fmt.Sprintf("  %-*s %*s %*s  in %s", verdictWidth, "", lineWidth, "total", sizeWidth, verify.FormatBytes(total), plural(layers, "layer")))
}

// cell is the width of each of the two texts where they stand side by side; 0
// where they stand below the row.
func (c *canvas) cell() int {
	if c.Verbose {
		return 0
	}
	if c.Width <= 0 {
		return cellWidth
	}
	fixed := 2 + verdictWidth + 1 + lineWidth + 1 + sizeWidth + 2 + dateWidth + 2 + layerWidth + 2 + 2
	if cell := (c.Width - fixed) / 2; cell >= minCell {
		return min(cell, cellWidth)
	}
	return 0
}

func (c *canvas) historyRow(row *verify.HistoryRow, cell int) {
	m, ok := rowMarks[row.Status]
	if !ok {
		m = mark{"?", SafeText(row.Status), yellow}
	}
	if row.How == "white-space" {
		m.sign = "≈"
	}
	size, date, layer := "0 B", "", ""
	if row.Layer != nil {
		size, layer = verify.FormatBytes(row.Layer.Size), layerName(row.Layer.Digest)
	}
	if row.Entry == nil {
		size = ""
	} else if row.Entry.Created != nil {
		date = row.Entry.Created.UTC().Format(time.DateOnly)
	}
	verdict := padded(m.sign+" "+m.word, verdictWidth)
	line := fmt.Sprintf(" %*s %*s  %-*s  %-*s", lineWidth, linesOf(row.Directive), sizeWidth, size, dateWidth, date, layerWidth, layer)
	directive, entry := c.rowTexts(row)
	if cell > 0 {
		line += "  " + padded(cutTo(directive, cell), cell) + "  " + cutTo(entry, cell)
	}
	c.line(strings.TrimRight("  "+c.paint(m.color, verdict)+line, " "))
	if cell == 0 {
		c.below("directive", directive)
		c.below("entry", entry)
	}
	if c.Verbose {
		c.below("how", row.How)
		c.below("signed", authored(row.Entry))
		if row.Layer != nil {
			c.below("layer", SafeText(row.Layer.Digest))
			c.below("diff ID", SafeText(row.Layer.DiffID))
		}
	}
	c.difference(row)
}

// rowTexts are the directive and the entry as they are shown, on one line; with
// runs of white space made one space and ids left out, unless all is to be
// shown.
func (c *canvas) rowTexts(row *verify.HistoryRow) (directive, entry string) {
	show := func(text string) string {
		if c.Verbose {
			return SafeText(text)
		}
		return SafeText(idPattern.ReplaceAllString(strings.Join(strings.Fields(text), " "), "…"))
	}
	if row.Directive != nil {
		directive = show(row.Directive.Text)
		if row.Directive.Trigger {
			directive = "ONBUILD of the base: " + directive
		}
	}
	if row.Entry != nil {
		entry = show(row.Entry.CreatedBy)
		if entry == "" {
			entry = show(row.Entry.Comment)
		}
	}
	return directive, entry
}

// authored is what an entry says beside its text.
func authored(e *verify.HistoryEntry) string {
	if e == nil {
		return ""
	}
	var parts []string
	if e.Author != "" {
		parts = append(parts, "by "+SafeText(e.Author))
	}
	if e.Comment != "" {
		parts = append(parts, "with the comment "+SafeText(e.Comment))
	}
	return strings.Join(parts, ", ")
}

// below writes a text below its row: in full with Verbose, else one line of it.
func (c *canvas) below(name, text string) {
	if text == "" {
		return
	}
	if !c.Verbose {
		text = cutTo(text, max(minCell, c.Width-columnOfBelow))
	}
	c.entry(columns{indent: 4, name: len("directive"), text: columnOfBelow}, entry{name: name, text: text})
}

// columnOfBelow is where texts below a row begin.
const columnOfBelow = 4 + len("directive") + 2

// difference writes where the two texts part, or what a missing entry would be.
func (c *canvas) difference(row *verify.HistoryRow) {
	switch d := row.Diff; {
	case d != nil:
		c.below("column", fmt.Sprint(d.Column))
		c.line(c.paint(red, "    - "+SafeText(d.Before+d.Want+d.After)))
		c.line(c.paint(green, "    + "+SafeText(d.Before+d.Got+d.After)))
	case row.Want != "":
		c.below("want", SafeText(row.Want))
	}
}

func linesOf(d *verify.HistoryDirective) string {
	if d == nil {
		return ""
	}
	if d.EndLine > d.Line {
		return fmt.Sprintf("%d-%d", d.Line, d.EndLine)
	}
	return fmt.Sprint(d.Line)
}

// layerName is the first digits of a layer's digest.
func layerName(digest string) string {
	_, hex, _ := strings.Cut(digest, ":")
	return SafeText(hex[:min(len(hex), shortDigest)])
}

func padded(s string, columns int) string {
	return s + strings.Repeat(" ", max(0, columns-width(s)))
}

// cutTo is the text's first columns, with a mark where it was cut.
func cutTo(text string, columns int) string {
	if width(text) <= columns {
		return text
	}
	return string([]rune(text)[:columns-1]) + cut
}
