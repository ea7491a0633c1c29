// Package dockerfile parses a Dockerfile and evaluates it to the directives of
// its final stage, each with the texts that builders write into an image's
// history for it.
//
// Parsing is BuildKit's own. Evaluation runs no command and opens no file: it
// follows ENV, ARG, WORKDIR, USER and SHELL through the stage and its
// predecessors, as the classic Docker builder and BuildKit do. What only the
// base image knows (the value of $PATH, as a rule) is left as a hole.
package dockerfile

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

const (
	// MaxSize is the size in bytes up to which a Dockerfile is read. The
	// largest of the official images has 30 KiB.
	MaxSize = 1 << 20
	// MaxDirectives is how many directives a build may have, inherited stages
	// included: as many as an image may have history entries.
	MaxDirectives = 10_000
	// maxMessage bounds an error's text, which may repeat the input.
	maxMessage = 300
)

// File is a parsed Dockerfile. It is not changed by Evaluate and may be used by
// several goroutines.
type File struct {
	Stages []Stage
	// Text is the file as it was given to Parse.
	Text []byte

	escape rune
	lines  []string
	global []instructions.ArgCommand // ARGs before the first FROM
}

// Stage is one FROM with what follows it.
type Stage struct {
	Name string // "" when it has none; lower case
	Base string // as written, variables not expanded
	Line int    // of its FROM

	commands []instructions.Command
}

// Error is a Dockerfile that cannot be parsed or evaluated.
type Error struct {
	Line int // from 1; 0 when it is the file as a whole
	Err  error
}

func (e *Error) Error() string {
	text := e.Err.Error()
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "") + "…"
	}
	if e.Line > 0 {
		return fmt.Sprintf("line %d: %s", e.Line, text)
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

// Parse parses a Dockerfile of at most MaxSize bytes. Errors are of type
// *Error.
func Parse(data []byte) (*File, error) {
	if len(data) > MaxSize {
		return nil, &Error{Err: fmt.Errorf("the Dockerfile is larger than %d bytes", MaxSize)}
	}
	// Holes are marked with NUL, and no builder's text has one.
	if i := bytes.IndexByte(data, 0); i >= 0 {
		return nil, &Error{1 + bytes.Count(data[:i], []byte("\n")), errors.New("the Dockerfile holds a NUL byte")}
	}
	tree, err := parser.Parse(bytes.NewReader(data))
	if err != nil {
		return nil, located(err)
	}
	if err := checkTriggers(tree.AST); err != nil {
		return nil, err
	}
	stages, global, err := instructions.Parse(tree.AST, nil)
	if err != nil {
		return nil, located(err)
	}
	if len(stages) == 0 {
		return nil, &Error{Err: errors.New("the Dockerfile has no FROM")}
	}
	f := &File{Text: data, escape: tree.EscapeToken, lines: strings.Split(string(data), "\n"), global: global}
	for _, s := range stages {
		f.Stages = append(f.Stages, Stage{Name: s.Name, Base: s.BaseName, Line: firstLine(s.Location), commands: s.Commands})
	}
	return f, nil
}

// checkTriggers refuses an ONBUILD in an ONBUILD before BuildKit does, which
// takes quadratic time for a long chain of them.
func checkTriggers(tree *parser.Node) error {
	for _, n := range tree.Children {
		if n.Next == nil || len(n.Next.Children) == 0 || !strings.EqualFold(n.Value, "onbuild") {
			continue
		}
		if strings.EqualFold(n.Next.Children[0].Value, "onbuild") {
			return &Error{n.StartLine, errors.New("ONBUILD ONBUILD is not allowed")}
		}
	}
	return nil
}

// located takes the line out of a BuildKit error.
func located(err error) error {
	var at *parser.LocationError
	if !errors.As(err, &at) {
		return &Error{Err: err}
	}
	line := 0
	for _, ranges := range at.Locations {
		line = max(line, firstLine(ranges))
	}
	return &Error{line, at.Unwrap()}
}

func firstLine(ranges []parser.Range) int {
	if len(ranges) == 0 {
		return 0
	}
	return ranges[0].Start.Line
}

func lastLine(ranges []parser.Range) int {
	if len(ranges) == 0 {
		return 0
	}
	return ranges[len(ranges)-1].End.Line
}

// StageOf is the index of the stage that a COPY --from or a mount in the stage
// at before names: an earlier one, by name or number.
func (f *File) StageOf(name string, before int) (int, bool) {
	if i, ok := f.find(name, before); ok {
		return i, true
	}
	i, err := strconv.Atoi(name)
	return i, err == nil && i >= 0 && i < before
}

// find is the index of the stage that name means for a FROM or COPY --from in
// the stage at before: an earlier stage of that name.
func (f *File) find(name string, before int) (int, bool) {
	for i := before - 1; i >= 0; i-- {
		if f.Stages[i].Name != "" && strings.EqualFold(f.Stages[i].Name, name) {
			return i, true
		}
	}
	return 0, false
}
