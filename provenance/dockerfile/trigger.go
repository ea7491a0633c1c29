package dockerfile

import (
	"errors"
	"fmt"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// triggers evaluates the ONBUILD triggers of a stage's base, which run before
// the stage's own commands. A trigger stands at the line of the FROM.
func (s *state) triggers(out []Directive, stage Stage, expressions []string) ([]Directive, error) {
	if len(expressions) == 0 {
		return out, nil
	}
	triggered := Stage{Line: stage.Line}
	for _, expression := range expressions {
		c, err := parseTrigger(expression, stage.Line)
		if err != nil {
			return nil, &Error{stage.Line, fmt.Errorf("ONBUILD of the base: %w", err)}
		}
		triggered.commands = append(triggered.commands, c)
	}
	s.triggered = true
	out, err := s.stage(out, triggered)
	s.triggered = false
	return out, err
}

func parseTrigger(expression string, line int) (instructions.Command, error) {
	if strings.Contains(expression, mark) {
		return nil, errors.New("it holds a NUL byte")
	}
	tree, err := parser.Parse(strings.NewReader(expression))
	if err != nil {
		return nil, located(err).(*Error).Err
	}
	if len(tree.AST.Children) != 1 {
		return nil, errors.New("it is not one instruction")
	}
	node := tree.AST.Children[0]
	if strings.EqualFold(node.Value, "onbuild") {
		return nil, errors.New("ONBUILD ONBUILD is not allowed")
	}
	node.StartLine, node.EndLine = line, line
	return instructions.ParseCommand(node)
}
