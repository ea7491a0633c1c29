package output

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/imageverify/verify"
)

// textReport writes a report for people: verdict and origin, the checks, what
// follows from them, and what to do next.
func textReport(r *verify.Report, s Style) []byte {
	c := &canvas{Style: s}
	if s.Quiet {
		c.quiet(r)
		return c.Bytes()
	}
	if len(r.Images) != 1 || len(r.Errors) > 0 {
		c.summary(r)
	}
	for i := range r.Images {
		if c.Len() > 0 {
			c.gap()
			c.line(c.paint(dim, strings.Repeat("─", c.ruled())))
		}
		c.image(&r.Images[i])
	}
	c.bullets("what to do next", nextSteps(r))
	if s.Verbose {
		c.footer(r)
	}
	return c.Bytes()
}

// ruled is how long the rule between images is.
func (c *canvas) ruled() int {
	if c.Width > 0 {
		return min(c.Width, 80)
	}
	return 80
}

// textError is the error on one line, and each line of its hint below.
func textError(e *verify.RunError, s Style) []byte {
	c := &canvas{Style: s}
	c.line(c.paint(red, "verify:") + " " + SafeText(e.Message))
	for _, line := range hintLines(e) {
		c.entry(columns{indent: 2, text: 2}, entry{text: line})
	}
	return c.Bytes()
}

func hintLines(e *verify.RunError) []string {
	var lines []string
	for line := range strings.Lines(e.Hint) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, SafeText(line))
		}
	}
	return lines
}

// quiet writes one line an image, and one an error: verdict, what was verified,
// platform.
func (c *canvas) quiet(r *verify.Report) {
	for i := range r.Images {
		img := &r.Images[i]
		m := verdictMark(img.Verdict)
		c.quietLine(m.word, m.color, SafeText(exactReference(img)), SafeText(platformOf(img)))
	}
	for i := range r.Errors {
		e := &r.Errors[i]
		c.quietLine("error", red, SafeText(e.Input), SafeText(e.Message))
	}
}

func (c *canvas) quietLine(word, color string, fields ...string) {
	line := c.paint(color, fmt.Sprintf("%-10s", word))
	for _, f := range fields {
		if f != "" {
			line += "  " + f
		}
	}
	c.line(line)
}

// exactReference names the very image that was verified: the reference with the
// manifest's digest, in place of another digest that led to it.
func exactReference(img *verify.Image) string {
	switch {
	case img.Digest == nil && img.ImageID != "":
		return img.Reference + " (image id " + img.ImageID + ")"
	case img.Digest == nil:
		return img.Reference
	}
	name, _, _ := strings.Cut(img.Reference, "@sha256:")
	return name + "@" + *img.Digest
}

func platformOf(img *verify.Image) string {
	if img.Platform == nil {
		return ""
	}
	return *img.Platform
}

// summary begins a report of several images: the verdict over all, a line an
// image, and the references that could not be opened.
func (c *canvas) summary(r *verify.Report) {
	m := verdictMark(r.Verdict)
	if len(r.Errors) > 0 && r.Verdict == verify.Verified {
		m = mark{"!", "verified, with errors", yellow}
	}
	c.entries(0, []entry{{mark: m, text: counted(r)}})
	if len(r.Images) > 0 {
		c.gap()
		c.entries(2, imageRows(r))
	}
	if len(r.Errors) > 0 {
		c.title("could not be opened")
		c.entries(2, errorRows(r.Errors))
	}
}

// counted says "3 images: 1 verified, 2 failed; 1 reference could not be
// opened".
func counted(r *verify.Report) string {
	text := plural(len(r.Images), "image")
	var kinds []string
	for _, v := range []verify.Verdict{verify.Verified, verify.Failed, verify.Incomplete} {
		n := 0
		for i := range r.Images {
			if r.Images[i].Verdict == v {
				n++
			}
		}
		if n > 0 {
			kinds = append(kinds, fmt.Sprintf("%d %s", n, v))
		}
	}
	if len(kinds) > 0 {
		text += ": " + strings.Join(kinds, ", ")
	}
	if n := len(r.Errors); n > 0 {
		text += fmt.Sprintf("; %s could not be opened", plural(n, "reference"))
	}
	return text
}

// imageRows name the images by platform, or by reference where there are
// several. Digests are short: each image's own part has them in full.
func imageRows(r *verify.Report) []entry {
	several := slices.ContainsFunc(r.Images, func(img verify.Image) bool { return img.Reference != r.Images[0].Reference })
	rows := make([]entry, len(r.Images))
	for i := range r.Images {
		img := &r.Images[i]
		platform, digest := platformOf(img), img.ImageID
		if img.Digest != nil {
			digest = *img.Digest
		}
		rows[i] = entry{mark: imageMark(img), name: SafeText(platform), text: SafeText(short(digest))}
		if several {
			rows[i].name, rows[i].text = SafeText(img.Reference), SafeText(strings.TrimSpace(platform+"  "+short(digest)))
		}
		if len(img.Signatures) > 0 {
			rows[i].text += ", " + signedHow(img)
		}
	}
	return rows
}

func errorRows(list []verify.RunError) []entry {
	var rows []entry
	for i := range list {
		e := &list[i]
		rows = append(rows, entry{mark: mark{"✗", "error", red}, name: SafeText(e.Input), text: SafeText(e.Message) + " (" + SafeText(e.Code) + ")"})
		for _, line := range hintLines(e) {
			rows = append(rows, entry{text: line})
		}
	}
	return rows
}

// footer tells what only few ask for: the program and the time it took.
func (c *canvas) footer(r *verify.Report) {
	text := fmt.Sprintf("verify %s, report schema %d; %s", SafeText(r.Program.Version), r.SchemaVersion, seconds(r.Timings.Total))
	var stages []string
	for _, name := range slices.Sorted(maps.Keys(r.Timings.Stages)) {
		stages = append(stages, SafeText(name)+" "+seconds(r.Timings.Stages[name]))
	}
	if len(stages) > 0 {
		text += " (" + strings.Join(stages, ", ") + ")"
	}
	c.gap()
	for _, line := range fill(strings.Split(text, " "), c.room(0)) {
		c.line(c.paint(dim, line))
	}
}

func seconds(d verify.Duration) string { return fmt.Sprintf("%.2fs", time.Duration(d).Seconds()) }

// plural writes "1 layer", "2 layers".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
