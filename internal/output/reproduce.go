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

// Formats that a reproduction alone is written in.
const (
	HTML     Format = "html"     // one page for a browser
	Markdown Format = "markdown" // for the summary of a CI run, or an issue
	InToto   Format = "intoto"   // an in-toto statement; docs/reproduce.md describes its predicate
)

// ReproduceFormats are the names of the formats of a reproduction, the default
// first.
func ReproduceFormats() []string {
	return append(Formats(), string(HTML), string(Markdown), string(InToto))
}

// WriteReproduce writes what verify.Reproduce found, as Write does.
func WriteReproduce(w io.Writer, f Format, r *verify.ReproduceReport, s Style) error {
	switch f {
	case HTML:
		return writeMade(w, r, reproduceHTML)
	case Markdown:
		return writeMade(w, r, reproduceMarkdown)
	case InToto:
		return writeMade(w, r, reproduceStatement)
	}
	return write(w, f, r, func() []byte { return reproduceText(r, s) })
}

// writeMade writes a document that is made whole first.
func writeMade(w io.Writer, r *verify.ReproduceReport, make func(*verify.ReproduceReport) ([]byte, error)) error {
	data, err := make(r)
	if err != nil {
		return err
	}
	return writeAll(w, data)
}

// fact is a name and a value; the value can hold foreign text.
type fact struct{ Name, Value string }

// reproduction is a report as all formats for people show it. Its texts can
// hold foreign text: each format makes them safe.
type reproduction struct {
	*verify.ReproduceReport
	Mark     mark
	Facts    []fact
	Problems []verify.Finding
	Steps    []string // what to do next
	Log      []string // the end of what a builder said that built nothing
	Layers   []layerRow
	Causes   []causeRow
}

// layerRow is one layer.
type layerRow struct {
	Number         int
	Mark           mark
	Level, Made    string // "" where there is none
	Size           string
	Reason         string
	Proved         verify.Coverage
	DiffID, Differ string
}

// causeRow is one cause.
type causeRow struct {
	verify.Cause
	Mark        mark
	Title, Made string
}

func reproductionOf(r *verify.ReproduceReport) reproduction {
	out := reproduction{ReproduceReport: r, Mark: reproduceMark(r), Facts: reproduceFacts(r)}
	for _, f := range r.Findings {
		if f.Status != verify.Pass {
			out.Problems = append(out.Problems, f)
		}
		if step := reproduceStep(f); step != "" && !slices.Contains(out.Steps, step) {
			out.Steps = append(out.Steps, step)
		}
	}
	if r.Rebuild != nil {
		if b := r.Rebuild.Build; b != nil {
			out.Log = b.Log
		}
		for i, l := range r.Rebuild.Layers {
			out.Layers = append(out.Layers, layerRowOf(r, i, l))
		}
	}
	for _, c := range r.Causes {
		out.Causes = append(out.Causes, causeRow{Cause: c, Mark: causeMark(c.Kind), Title: causeTitle(c), Made: madeBy(r, c.Directives)})
	}
	return out
}

// reproduceStep says what to do about a finding that does not pass; "" where the
// causes say it.
func reproduceStep(f verify.Finding) string {
	switch {
	case f.Status == verify.Pass, f.Reason == "level-not-reached", strings.Contains(advice[f.Reason], "{"):
		return ""
	case f.Reason == "run-unproved", f.Reason == "needs-builder":
		return "have what RUN makes built again: --rebuild build"
	}
	return advice[f.Reason]
}

func reproduceMark(r *verify.ReproduceReport) mark {
	level := verify.NoLevel
	if r.Rebuild != nil {
		level = r.Rebuild.Level
	}
	switch r.Verdict {
	case verify.Verified:
		return mark{"✓", "reproduced to the level " + level.String(), green}
	case verify.Failed:
		return mark{"✗", "NOT reproduced", red}
	}
	return mark{"?", "could not be rebuilt", yellow}
}

func reproduceFacts(r *verify.ReproduceReport) []fact {
	e := r.Environment
	list := []fact{
		{"level", levelAsked(r)}, {"proved", shareOf(r)}, {"digest", orElse(r.Digest, "none")}, {"image id", r.ImageID},
		{"source", sourceText(e)}, {"dockerfile", e.File}, {"stage", e.Target}, {"build arguments", argsText(e.BuildArgs)},
		{"base", basesText(e.Bases)}, {"builder", builderText(e)}, {"network", e.Network}, {"rebuilds", runsText(r)},
	}
	if e.SourceDate != nil {
		list = append(list, fact{"source date", moment(*e.SourceDate) + fmt.Sprintf(" (SOURCE_DATE_EPOCH=%d)", e.SourceDate.Unix())})
	}
	if r.Rebuild != nil && len(r.Rebuild.Witnesses) > 0 {
		list = append(list, fact{"witnesses", plural(len(r.Rebuild.Witnesses), "value") + " taken from the published image"})
	}
	if len(r.Counts) > 0 {
		list = append(list, fact{"differ", countsText(r.Counts)})
	}
	if r.Unlisted > 0 {
		list = append(list, fact{"not listed", fmt.Sprintf("%d differences, which have no cause below", r.Unlisted)})
	}
	return slices.DeleteFunc(list, func(f fact) bool { return f.Value == "" })
}

func levelAsked(r *verify.ReproduceReport) string {
	if r.Rebuild == nil || r.Rebuild.Level == verify.NoLevel {
		return "none, since not all of it could be rebuilt; asked for: " + r.Asked.String()
	}
	return fmt.Sprintf("%s; asked for: %s", r.Rebuild.Level, r.Asked)
}

func shareOf(r *verify.ReproduceReport) string {
	if r.Rebuild == nil || r.Rebuild.Coverage == nil {
		return ""
	}
	return provedShare(r.Rebuild.Coverage)
}

func sourceText(e verify.RebuildEnvironment) string {
	if e.Repository == "" {
		return e.Context
	}
	text := e.Repository + "#" + e.Commit
	if e.Directory != "" && e.Directory != "." {
		text += ":" + e.Directory
	}
	return text
}

func argsText(args map[string]string) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(args)) {
		list = append(list, name+"="+args[name])
	}
	return strings.Join(list, " ")
}

func basesText(bases []verify.PinnedImage) string {
	var list []string
	for _, b := range bases {
		if b.Digest != "" {
			b.Reference += "@" + b.Digest
		}
		list = append(list, b.Reference)
	}
	return strings.Join(list, ", ")
}

func builderText(e verify.RebuildEnvironment) string {
	text := strings.TrimSpace(e.Builder + " " + e.Version)
	switch e.Builder {
	case "replay":
		text = "none: assembled in process (verify " + e.Version + ")"
	case "layout":
		return "none: the repository holds the image itself"
	}
	if e.Format != "" {
		text += ", in the format of the " + e.Format + " builder"
	}
	return text
}

func runsText(r *verify.ReproduceReport) string {
	switch n := len(r.Builds); {
	case n < 2 && r.Environment.Builder == "replay", n == 0:
		return ""
	case n == 1:
		return "1"
	case r.Steady == verify.NoLevel:
		return fmt.Sprint(n)
	default:
		return fmt.Sprintf("%d, which agree to the level %s", n, r.Steady)
	}
}

func layerRowOf(r *verify.ReproduceReport, i int, l verify.RebuiltLayer) layerRow {
	row := layerRow{Number: i + 1, Level: l.Level.String(), Reason: l.Reason, DiffID: l.DiffID, Mark: layerMark(r, l)}
	if l.Directive > 0 {
		row.Made = fmt.Sprintf("Dockerfile:%d  %s", l.Directive, directiveText(r, l.Directive))
	}
	if l.Coverage != nil {
		row.Proved, row.Size = l.Coverage.Bytes, verify.FormatBytes(l.Coverage.Bytes.Total())
	}
	n := 0
	for _, d := range r.Differences {
		if d.Layer != nil && *d.Layer == i {
			n++
		}
	}
	if n > 0 {
		row.Differ = plural(n, "difference")
	}
	return row
}

func layerMark(r *verify.ReproduceReport, l verify.RebuiltLayer) mark {
	switch {
	case l.Level == verify.NoLevel:
		return unknownMark
	case l.Level.Reaches(min(r.Asked, verify.SameLayers)):
		return okMark
	}
	return failMark
}

// maxDirective is how many characters of a directive stand beside what it made.
const maxDirective = 120

// directiveText is the directive at a line, on one line of text, cut.
func directiveText(r *verify.ReproduceReport, line int) string {
	for _, d := range r.Directives {
		if d.Line != line {
			continue
		}
		text := []rune(strings.Join(strings.Fields(d.Text), " "))
		if len(text) > maxDirective {
			return string(text[:maxDirective]) + cut
		}
		return string(text)
	}
	return ""
}

func causeMark(k verify.CauseKind) mark {
	switch k {
	case verify.KnownNoise:
		return mark{"~", "known noise", ""}
	case verify.BuilderNoise:
		return mark{"≈", "each build differs", yellow}
	}
	return mark{"✗", "difference", red}
}

func causeTitle(c verify.Cause) string {
	title, noun := c.Name, "file"
	if c.Subject != "" {
		title += " " + c.Subject
	}
	if strings.HasPrefix(c.Name, "config") || c.Name == "annotation" {
		noun = "member"
	}
	return title + ", " + plural(c.Files, noun)
}

// valueOr is a value, or what stands for none.
func valueOr(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

// madeBy names the directives behind a cause, those with most files first.
func madeBy(r *verify.ReproduceReport, list []verify.CausingDirective) string {
	const most = 3
	list = slices.SortedStableFunc(slices.Values(list), func(a, b verify.CausingDirective) int { return cmp.Compare(b.Files, a.Files) })
	var parts []string
	for i, d := range list {
		if i == most {
			parts = append(parts, fmt.Sprintf("and %d more", len(list)-i))
			break
		}
		text := "the base image"
		if d.Line > 0 {
			text = fmt.Sprintf("Dockerfile:%d %s", d.Line, directiveText(r, d.Line))
		}
		if len(list) > 1 {
			text += fmt.Sprintf(" (%d)", d.Files)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}
