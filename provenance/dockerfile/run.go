package dockerfile

import (
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// Variable is what an ENV or ARG puts in force. Value may contain holes (see
// Hole).
type Variable struct{ Name, Value string }

// Run is what a RUN directive runs. Exactly one of Script and Words is set.
type Run struct {
	// Shell is the command that reads Script, such as "/bin/sh -c": the words of
	// SHELL, or the interpreter that a here-document names.
	Shell []string
	// Script is the text that Shell reads; variables are not expanded.
	Script string
	// Words are the program and arguments of the exec form.
	Words []string
	// From names the stages and images that mounts are taken from.
	From []string

	lines []int // the file's line of each byte offset in breaks
	// breaks are the offsets in Script at which a line of the file begins.
	breaks []int
}

// LineAt is the line of the file that the byte at offset of Script stands on;
// 0 where it is not known.
func (r *Run) LineAt(offset int) int {
	i, found := slices.BinarySearch(r.breaks, offset)
	if !found {
		i--
	}
	if i < 0 {
		return 0
	}
	return r.lines[i]
}

// runOf takes up what a RUN runs, as BuildKit does.
func (s *state) runOf(c *instructions.RunCommand) *Run {
	r := &Run{}
	for _, m := range instructions.GetMounts(c) {
		if m.From != "" {
			r.From = append(r.From, m.From)
		}
	}
	line := c.ShellDependantCmdLine
	if !line.PrependShell {
		r.Words = line.CmdLine
		return r
	}
	r.Shell, r.Script = s.shell, strings.Join(line.CmdLine, " ")
	first := firstLine(c.Location())
	if len(line.Files) == 0 || parser.MustParseHeredoc(r.Script) == nil {
		r.mapLines(s.lines, first, lastLine(c.Location()), byte(s.escape))
	}
	if len(line.Files) > 0 {
		r.takeDocuments(line.Files, first)
	}
	return r
}

// takeDocuments adds here-documents: one that stands alone is the script, with
// an interpreter of its own if it names one; others are read by the shell.
func (r *Run) takeDocuments(files []instructions.ShellInlineFile, first int) {
	if parser.MustParseHeredoc(r.Script) == nil {
		for _, f := range files {
			r.Script += "\n" + f.Data + f.Name
		}
		return
	}
	r.Script = files[0].Data
	if head, _, _ := strings.Cut(r.Script, "\n"); strings.HasPrefix(head, "#!") {
		r.Shell = strings.Fields(head[2:])
	}
	r.breaks, r.lines = nil, nil
	for i := range r.Script {
		if i == 0 || r.Script[i-1] == '\n' {
			r.breaks, r.lines = append(r.breaks, i), append(r.lines, first+1+len(r.lines))
		}
	}
}

// mapLines finds out where in Script each line of the file begins, by joining
// the lines as the parser does; nothing is known where that gives another text.
func (r *Run) mapLines(lines []string, first, last int, escape byte) {
	var joined strings.Builder
	var at, number []int
	for n := first; n <= last && n <= len(lines); n++ {
		text := strings.TrimRight(lines[n-1], "\r\n")
		bare := strings.TrimSpace(text)
		if n > first && (bare == "" || bare[0] == '#') {
			continue
		}
		at, number = append(at, joined.Len()), append(number, n)
		body, more := strings.CutSuffix(strings.TrimRight(text, " \t"), string(escape))
		if !more {
			joined.WriteString(text)
			break
		}
		joined.WriteString(body)
	}
	whole, script := strings.TrimRight(joined.String(), " \t"), strings.TrimRight(r.Script, " \t")
	start := len(whole) - len(script)
	if !strings.HasSuffix(whole, script) {
		return
	}
	for i, offset := range at {
		r.breaks, r.lines = append(r.breaks, max(0, offset-start)), append(r.lines, number[i])
	}
	// Several lines may lie before the script: the last of them holds its begin.
	for len(r.breaks) > 1 && r.breaks[1] == 0 {
		r.breaks, r.lines = r.breaks[1:], r.lines[1:]
	}
}
