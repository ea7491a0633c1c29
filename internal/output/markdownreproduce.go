package output

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/imageverify/verify"
)

// maxMarkdown is how many differences Markdown shows: the summary of a CI run
// has a limit of its own, of 1 MiB at GitHub.
const maxMarkdown = 50

// markdown takes the lines of a document.
type markdown struct{ bytes.Buffer }

func (m *markdown) line(format string, args ...any) { fmt.Fprintf(m, format+"\n", args...) }

func reproduceMarkdown(r *verify.ReproduceReport) ([]byte, error) {
	m, v := &markdown{}, reproductionOf(r)
	m.line("## %s %s: %s", v.Mark.sign, v.Mark.word, SafeMarkdown(r.Reference))
	m.line("")
	if r.Platform != nil {
		m.line("- platform: %s", SafeMarkdown(*r.Platform))
	}
	for _, f := range v.Facts {
		m.line("- %s: %s", f.Name, SafeMarkdown(f.Value))
	}
	for _, f := range v.Problems {
		m.line("- %s %s: %s", markOf(f.Status).sign, SafeMarkdown(f.Check), SafeMarkdown(f.Summary+" ("+f.Reason+")"))
	}
	if len(v.Log) > 0 {
		m.title("What the builder said at last")
		m.block("", v.Log)
	}
	m.layers(v)
	m.causes(v)
	m.differences(r)
	m.steps(v)
	m.command(r)
	return m.Bytes(), nil
}

func (m *markdown) title(s string) { m.line("\n### %s\n", s) }

func (m *markdown) layers(v reproduction) {
	if len(v.Layers) == 0 {
		return
	}
	m.title("Layers")
	for _, l := range v.Layers {
		text := fmt.Sprintf("%d. %s %s, %s %s", l.Number, l.Mark.sign, orNone(l.Level), l.Size, bar(l.Proved))
		for _, more := range []string{l.Made, l.Reason, l.Differ} {
			if more != "" {
				text += ", " + SafeMarkdown(more)
			}
		}
		m.line("%s", text)
	}
}

func (m *markdown) causes(v reproduction) {
	if len(v.Causes) == 0 {
		return
	}
	m.title("Causes")
	for i, c := range v.Causes {
		m.line("%d. %s **%s** %s: %s", i+1, c.Mark.sign, c.Mark.word, SafeMarkdown(c.Title), SafeMarkdown(c.Summary))
		if c.Made != "" {
			m.line("   - made by %s", SafeMarkdown(c.Made))
		}
		m.line("   - what would fix it: %s", SafeMarkdown(c.Fix))
		m.line("   - such as %s", SafeMarkdown(strings.Join(c.Examples, ", ")))
	}
}

func (m *markdown) differences(r *verify.ReproduceReport) {
	if len(r.Differences) == 0 {
		return
	}
	m.title("Differences")
	m.line("<details><summary>%d, rebuilt → published</summary>\n", len(r.Differences)+r.Unlisted)
	for i, d := range r.Differences {
		if i == maxMarkdown {
			m.line("- and %d more, which the JSON report lists", len(r.Differences)-i)
			break
		}
		m.line("- %s %s: %s → %s", SafeMarkdown(d.Class), SafeMarkdown(d.Path), SafeMarkdown(d.Rebuilt), SafeMarkdown(d.Published))
		m.block("  ", d.Change)
	}
	m.line("\n</details>")
}

// block is lines that are shown as they are.
func (m *markdown) block(indent string, lines []string) {
	if len(lines) == 0 {
		return
	}
	var text strings.Builder
	for _, l := range lines {
		text.WriteString(indent + SafeText(l) + "\n")
	}
	fence := fenceFor(text.String(), 3)
	m.line("\n%s%s\n%s%s%s\n", indent, fence, text.String(), indent, fence)
}

func (m *markdown) steps(v reproduction) {
	if len(v.Steps) == 0 {
		return
	}
	m.title("What to do next")
	for _, step := range v.Steps {
		m.line("- %s", SafeMarkdown(step))
	}
}

func (m *markdown) command(r *verify.ReproduceReport) {
	if r.Environment.Command != "" {
		m.title("Repeat it")
		m.block("", []string{r.Environment.Command})
	}
}
