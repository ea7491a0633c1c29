package output

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// Colours, as the parameters of "select graphic rendition".
const (
	bold   = "1"
	dim    = "2"
	red    = "31;1"
	green  = "32"
	yellow = "33"
)

const (
	// maxName and maxWord are the widest columns of names and of marks; a longer
	// name has a line to itself.
	maxName = 26
	maxWord = 36
	// minText is the narrowest column of text that can be read; where there is
	// less, names stand above their text.
	minText = 34
)

// canvas takes the lines of a text, wrapped and coloured as the style says.
// A terminal column is taken for one character.
type canvas struct {
	Style
	bytes.Buffer
	// ids are those that the image's part shows in full already.
	ids map[string]bool
}

// paint colours s where colours are allowed.
func (c *canvas) paint(color, s string) string {
	if !c.Color || color == "" || s == "" {
		return s
	}
	return "\x1b[" + color + "m" + s + "\x1b[0m"
}

func (c *canvas) line(s string) { c.WriteString(s + "\n") }

// gap leaves an empty line between what stands there already and what follows.
func (c *canvas) gap() {
	if c.Len() > 0 {
		c.line("")
	}
}

// title begins a section.
func (c *canvas) title(s string) {
	c.gap()
	c.line(c.paint(bold, s))
}

// entry is one thing with a mark, a name, a text, and the evidence for it. All
// of it is safe text.
type entry struct {
	mark     mark // the zero mark is not shown
	name     string
	text     string
	evidence []string
}

// columns say where the parts of entries stand: word and name are widths, text
// the column in which texts begin.
type columns struct {
	indent, word, name, text int
}

// columnsOf fits columns to the entries. Names and texts are stacked where the
// line is too short to put them side by side.
func (c *canvas) columnsOf(indent int, list []entry) columns {
	cols := columns{indent: indent}
	for _, e := range list {
		cols.word = max(cols.word, min(width(e.mark.word), maxWord))
		if n := width(e.name); n <= maxName {
			cols.name = max(cols.name, n)
		}
	}
	cols.text = indent
	if cols.word > 0 {
		cols.text += 2 + cols.word + 2
	}
	if cols.name > 0 {
		cols.text += cols.name + 2
	}
	if c.Width > 0 && c.Width-cols.text < minText {
		cols.text = indent + 4
	}
	return cols
}

// entries writes a list, aligned.
func (c *canvas) entries(indent int, list []entry) {
	cols := c.columnsOf(indent, list)
	for _, e := range list {
		c.entry(cols, e)
	}
}

// bullets writes a title and a list of texts below it; nothing where there is
// nothing to say.
func (c *canvas) bullets(title string, list []string) {
	if len(list) == 0 {
		return
	}
	c.title(title)
	for _, text := range list {
		lines := fill(strings.Split(text, " "), c.room(4))
		c.line("  - " + strings.Join(lines, "\n    "))
	}
}

// entry writes one entry: its head, then text and evidence from the text column
// on, on as many lines as they need.
func (c *canvas) entry(cols columns, e entry) {
	head, n := c.head(cols, e)
	lines := c.body(cols, e)
	if len(lines) == 0 {
		c.line(strings.TrimRight(head, " "))
		return
	}
	margin := strings.Repeat(" ", cols.text)
	switch {
	case e.name == "" && e.mark.word == "":
		// There is no head: the text stands alone.
	case n+2 <= cols.text:
		c.line(head + margin[n:] + lines[0])
		lines = lines[1:]
	default:
		c.line(head)
	}
	for _, line := range lines {
		c.line(margin + line)
	}
}

// head is the mark and the name, and how many columns they take.
func (c *canvas) head(cols columns, e entry) (head string, columns int) {
	head, columns = strings.Repeat(" ", cols.indent), cols.indent
	if cols.word > 0 {
		plain := e.mark.sign + " " + e.mark.word
		head += c.paint(e.mark.color, plain)
		columns += width(plain)
		if e.name == "" {
			return head, columns
		}
		pad := max(2, cols.indent+2+cols.word+2-columns)
		head += strings.Repeat(" ", pad)
		columns += pad
	}
	return head + e.name, columns + width(e.name)
}

// body is the text and the evidence as lines, the evidence on the last line of
// the text where it fits.
func (c *canvas) body(cols columns, e entry) []string {
	room := c.room(cols.text)
	var lines []string
	if e.text != "" {
		lines = fill(strings.Split(e.text, " "), room)
	}
	evidence := fill(bracketed(e.evidence), room)
	if n := len(lines); n > 0 && len(evidence) == 1 && (room == 0 || width(lines[n-1])+2+width(evidence[0]) <= room) {
		lines[n-1] += "  " + c.paint(dim, evidence[0])
		return lines
	}
	for _, line := range evidence {
		lines = append(lines, c.paint(dim, line))
	}
	return lines
}

// room is how many columns are left from a column on; 0: any number.
func (c *canvas) room(column int) int {
	if c.Width <= 0 {
		return 0
	}
	return max(1, c.Width-column)
}

// bracketed turns evidence into units of which none is broken while it fits on
// a line: "[digest sha256:…;" and "git …]".
func bracketed(evidence []string) []string {
	units := make([]string, len(evidence))
	for i, e := range evidence {
		units[i] = e + ";"
	}
	if n := len(units); n > 0 {
		units[0] = "[" + units[0]
		units[n-1] = strings.TrimSuffix(units[n-1], ";") + "]"
	}
	return units
}

// fill sets units side by side, on lines of at most room columns. A unit that is
// longer than a line is broken at its spaces; a word that is longer is left
// whole, so that digests and addresses can be copied, and so that no line begins
// inside of a word.
func fill(units []string, room int) []string {
	if len(units) == 0 {
		return nil
	}
	if room <= 0 {
		return []string{strings.TrimRight(strings.Join(units, " "), " ")}
	}
	var lines []string
	line, used := "", 0
	for _, u := range breakable(units, room) {
		n := width(u)
		switch {
		case line == "":
			line, used = u, n
		case used+1+n <= room:
			line, used = line+" "+u, used+1+n
		default:
			lines = append(lines, strings.TrimRight(line, " "))
			line, used = u, n
		}
	}
	return append(lines, strings.TrimRight(line, " "))
}

func breakable(units []string, room int) []string {
	out := make([]string, 0, len(units))
	for _, u := range units {
		if width(u) > room {
			out = append(out, strings.Split(u, " ")...)
		} else {
			out = append(out, u)
		}
	}
	return out
}

func width(s string) int { return utf8.RuneCountInString(s) }
