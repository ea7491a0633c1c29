package pins

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"github.com/imageverify/verify/provenance/dockerfile"
)

// Bounds on what is read of one script. The parser's stack grows with what is
// nested, and the largest scripts of the official images have 10 KiB.
const (
	maxScript   = 64 << 10
	maxBrackets = 4000
	// maxCommands bounds how many commands are followed of one RUN, maxDepth how
	// deep functions and shells in shells are.
	maxCommands = 10_000
	maxDepth    = 8
	// maxText bounds what a word may grow to.
	maxText = 16 << 10
)

// shells are the interpreters whose scripts are read.
var shells = []string{"sh", "bash", "ash", "dash", "ksh", "mksh", "zsh"}

// run looks at a RUN.
func (in *inspector) run(d *dockerfile.Directive) {
	s := &script{in: in, vars: maps.Clone(in.vars), many: map[string][]string{}, hashes: map[string][]string{},
		functions: map[string]*syntax.Stmt{}, budget: maxCommands}
	s.line = func(offset uint) int {
		if n := d.Run.LineAt(int(offset)); n > 0 {
			return n
		}
		return d.Line
	}
	var err error
	switch words := d.Run.Words; {
	case len(words) > 0:
		s.command(words, d.Line, use{heeded: true})
	case len(d.Run.Shell) == 0 || !slices.Contains(shells, path.Base(d.Run.Shell[0])):
		err = fmt.Errorf("it is read by %s", dockerfile.Readable(strings.Join(d.Run.Shell, " ")))
	default:
		s.errexit = setsErrexit(d.Run.Shell[1:])
		err = s.text(d.Run.Script, use{heeded: true})
	}
	if err != nil {
		in.add(Shell, d.Line, "the RUN is not judged: "+err.Error(), "look at it by hand")
	}
}

// use is what becomes of what a command gives.
type use struct {
	// heeded says that the build stops where the command fails.
	heeded bool
	// compared says that its output is compared with something.
	compared bool
	// run says that its output is run as a program, taken that it is a value.
	run, taken bool
	// into are the commands that it is piped to.
	into [][]string
	// in is what it reads, as far as that is known; out the file it writes.
	in  input
	out string
}

// input is what a command reads: a text, or files, of which only the lines with
// the words may be left.
type input struct {
	text  string
	known bool
	files []string
	words []string
}

// script is a shell script that is followed.
type script struct {
	in   *inspector
	line func(offset uint) int
	// vars are variables with one known value; many those that take several;
	// hashes those that hold sums, with the files summed.
	vars      map[string]string
	many      map[string][]string
	hashes    map[string][]string
	functions map[string]*syntax.Stmt
	params    []string
	errexit   bool
	budget    int
	depth     int
	// gave is what the last command writes; summed are the files that sums were
	// taken of in the word at hand.
	gave   input
	summed []string
}

// text parses and follows a script.
func (s *script) text(text string, u use) error {
	if len(text) > maxScript {
		return fmt.Errorf("it is longer than %d bytes", maxScript)
	}
	brackets := 0
	for _, c := range []byte(text) {
		if strings.IndexByte("([{`", c) >= 0 {
			brackets++
		}
	}
	if brackets > maxBrackets {
		return fmt.Errorf("it has more than %d brackets", maxBrackets)
	}
	f, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(text), "")
	if err != nil {
		return fmt.Errorf("it cannot be parsed: %w", err)
	}
	s.statements(f.Stmts, u)
	return nil
}

// statements follows a list. A failure of one that is not the last is heeded
// only under set -e.
func (s *script) statements(list []*syntax.Stmt, u use) {
	for i, st := range list {
		each := u
		// Something set -e may stand in the list itself.
		each.heeded = u.heeded && (i == len(list)-1 || s.errexit)
		s.statement(st, each)
	}
}

func (s *script) statement(st *syntax.Stmt, u use) {
	if s.budget--; s.budget < 0 || st == nil {
		return
	}
	u = s.redirect(st.Redirs, u)
	switch c := st.Cmd.(type) {
	case *syntax.CallExpr:
		s.call(c, u)
	case *syntax.DeclClause:
		for _, a := range c.Args {
			s.assign(a, u)
		}
	case *syntax.BinaryCmd:
		s.binary(c, u)
	case *syntax.Block:
		s.statements(c.Stmts, u)
	case *syntax.Subshell:
		outer := *s
		s.vars = maps.Clone(s.vars)
		s.statements(c.Stmts, u)
		s.vars, s.errexit = outer.vars, outer.errexit
	case *syntax.IfClause:
		s.branches(u, ifBranches(c))
	case *syntax.WhileClause:
		s.branches(u, []branch{{cond: c.Cond, body: c.Do}})
	case *syntax.ForClause:
		s.loop(c, u)
	case *syntax.CaseClause:
		s.word(c.Word, use{compared: true, taken: true})
		var all []branch
		for _, item := range c.Items {
			all = append(all, branch{body: item.Stmts})
		}
		s.branches(u, all)
	case *syntax.FuncDecl:
		if c.Name != nil {
			s.functions[c.Name.Value] = c.Body
		}
	case *syntax.TimeClause:
		s.statement(c.Stmt, u)
	case *syntax.TestClause:
		syntax.Walk(c, func(n syntax.Node) bool {
			if w, ok := n.(*syntax.Word); ok {
				s.word(w, use{compared: true, taken: true})
				return false
			}
			return true
		})
		s.compare()
	}
}

// branch is a body that may be run, and what decides it.
type branch struct{ cond, body []*syntax.Stmt }

func ifBranches(c *syntax.IfClause) []branch {
	var out []branch
	for ; c != nil; c = c.Else {
		out = append(out, branch{c.Cond, c.Then})
	}
	return out
}

// branches follows bodies of which one or none is run: a variable that they set
// has no one value afterwards.
func (s *script) branches(u use, all []branch) {
	before := maps.Clone(s.vars)
	values := map[string][]string{}
	for _, b := range all {
		condition := u
		condition.compared, condition.heeded = true, true
		s.statements(b.cond, condition)
		s.statements(b.body, u)
		for name, value := range s.vars {
			if old, ok := before[name]; !ok || old != value {
				values[name] = append(values[name], value)
			}
		}
		s.vars = maps.Clone(before)
	}
	for name, list := range values {
		if old, ok := before[name]; ok {
			list = append(list, old)
		}
		delete(s.vars, name)
		s.many[name] = list
	}
}

// loop follows the body of a for loop once, the variable taking any of its
// words.
func (s *script) loop(c *syntax.ForClause, u use) {
	it, ok := c.Loop.(*syntax.WordIter)
	if !ok {
		s.branches(u, []branch{{body: c.Do}})
		return
	}
	var items []string
	for _, w := range it.Items {
		items = append(items, s.fields(w, use{taken: true})...)
	}
	delete(s.vars, it.Name.Value)
	s.many[it.Name.Value] = nil
	if !it.InPos.IsValid() {
		items = s.params
	}
	s.many[it.Name.Value] = items
	s.branches(u, []branch{{body: c.Do}})
}

// binary follows two commands that are joined.
func (s *script) binary(c *syntax.BinaryCmd, u use) {
	switch c.Op {
	case syntax.AndStmt:
		s.statement(c.X, u)
		s.statement(c.Y, u)
	case syntax.OrStmt:
		left := u
		left.heeded = stops(c.Y)
		s.statement(c.X, left)
		s.statement(c.Y, u)
	default:
		s.pipeline(c, u)
	}
}

// stops reports whether a statement that is run where another fails ends the
// script, or leaves a loop or function with the failure.
func stops(st *syntax.Stmt) bool {
	found := false
	syntax.Walk(st, func(n syntax.Node) bool {
		if c, ok := n.(*syntax.CallExpr); ok && len(c.Args) > 0 {
			found = found || slices.Contains([]string{"exit", "return", "false", "break", "continue"}, c.Args[0].Lit())
		}
		return !found
	})
	return found
}

// pipeline follows commands of which each reads what the one before it writes.
func (s *script) pipeline(c *syntax.BinaryCmd, u use) {
	var parts []*syntax.Stmt
	for st := (&syntax.Stmt{Cmd: c}); ; {
		b, ok := st.Cmd.(*syntax.BinaryCmd)
		if !ok || b.Op != syntax.Pipe && b.Op != syntax.PipeAll {
			parts = append(parts, st)
			break
		}
		parts = append(parts, b.Y)
		st = b.X
	}
	slices.Reverse(parts)
	var calls [][]string
	after := make([]int, len(parts)) // how many of calls stand behind a part
	for i, st := range slices.Backward(parts) {
		after[i] = len(calls)
		calls = append(calls, reversed(callsIn(st))...)
	}
	slices.Reverse(calls)
	s.gave = u.in
	for i, st := range parts {
		each := u
		each.in = s.gave
		if i < len(parts)-1 {
			each.out, each.into = "", slices.Clip(calls[len(calls)-after[i]:])
			if len(u.into) > 0 {
				each.into = append(each.into, u.into...)
			}
		}
		s.gave = input{}
		s.statement(st, each)
	}
}

func reversed[T any](list []T) []T {
	slices.Reverse(list)
	return list
}

// callsIn are the commands of a statement, as far as their words are literal.
func callsIn(st *syntax.Stmt) [][]string {
	var out [][]string
	syntax.Walk(st, func(n syntax.Node) bool {
		c, ok := n.(*syntax.CallExpr)
		if ok && len(c.Args) > 0 {
			var words []string
			for _, w := range c.Args {
				words = append(words, literal(w))
			}
			out = append(out, unwrap(words))
		}
		return true
	})
	return out
}

// literal is a word's text as it is written, quotes dropped.
func literal(w *syntax.Word) string {
	var b strings.Builder
	syntax.Walk(w, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.Lit:
			b.WriteString(n.Value)
		case *syntax.SglQuoted:
			b.WriteString(n.Value)
		case *syntax.ParamExp:
			b.WriteString("${" + nameOf(n) + "}")
			return false
		case *syntax.CmdSubst, *syntax.ProcSubst:
			b.WriteString("$()")
			return false
		}
		return true
	})
	return b.String()
}

// redirect takes up where a statement reads from and writes to.
func (s *script) redirect(list []*syntax.Redirect, u use) use {
	for _, r := range list {
		switch r.Op {
		case syntax.RdrOut, syntax.AppOut, syntax.RdrClob, syntax.RdrAll, syntax.AppAll:
			if r.N == nil || r.N.Value == "1" {
				u.out = s.word(r.Word, use{taken: true})
			}
		case syntax.RdrIn:
			u.in = input{files: []string{s.word(r.Word, use{taken: true, run: u.run})}}
		case syntax.Hdoc, syntax.DashHdoc:
			if r.Hdoc != nil {
				u.in = input{text: s.word(r.Hdoc, use{taken: true}), known: true}
			}
		case syntax.WordHdoc:
			u.in = input{text: s.word(r.Word, use{taken: true, run: u.run}), known: true}
		}
	}
	return u
}
