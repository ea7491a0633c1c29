package pins

import (
	"path"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// split marks where the shell splits an unquoted variable's value.
const split = "\x01"

// fields are the words that one word of a script gives. What is not known
// stands in them as it is written: "${NAME}".
func (s *script) fields(w *syntax.Word, u use) []string {
	text := s.raw(w, u)
	if !strings.Contains(text, split) {
		return []string{text}
	}
	return slices.DeleteFunc(strings.Split(text, split), func(f string) bool { return f == "" })
}

// word is the text of a word that is not split.
func (s *script) word(w *syntax.Word, u use) string {
	return strings.ReplaceAll(s.raw(w, u), split, " ")
}

func (s *script) raw(w *syntax.Word, u use) string {
	if w == nil {
		return ""
	}
	var b strings.Builder
	for _, p := range w.Parts {
		s.part(&b, p, false, u)
	}
	text := b.String()
	return text[:min(len(text), maxText)]
}

func (s *script) part(b *strings.Builder, p syntax.WordPart, quoted bool, u use) {
	if b.Len() > maxText {
		return
	}
	switch p := p.(type) {
	case *syntax.Lit:
		b.WriteString(unescaped(p.Value, quoted))
	case *syntax.SglQuoted:
		b.WriteString(p.Value)
	case *syntax.DblQuoted:
		for _, q := range p.Parts {
			s.part(b, q, true, u)
		}
	case *syntax.ParamExp:
		value := s.param(p, u)
		if !quoted {
			value = strings.Join(strings.FieldsFunc(value, isBlank), split)
		}
		b.WriteString(value)
	case *syntax.CmdSubst:
		inner := u
		inner.taken, inner.into, inner.in, inner.out = true, nil, input{}, ""
		s.nested(func() { s.statements(p.Stmts, inner) })
		b.WriteString("$(…)")
	case *syntax.ProcSubst:
		inner := u
		inner.taken, inner.into, inner.in, inner.out = true, nil, input{}, ""
		s.nested(func() { s.statements(p.Stmts, inner) })
		b.WriteString("/dev/fd")
	case *syntax.ArithmExp:
		b.WriteString("$((…))")
	case *syntax.ExtGlob:
		if p.Pattern != nil {
			b.WriteString(p.Op.String() + p.Pattern.Value + ")")
		}
	}
}

func isBlank(r rune) bool { return r == ' ' || r == '\t' || r == '\n' || r == '\x01' }

// nested follows something inside of what is followed, as deep as is allowed.
func (s *script) nested(follow func()) {
	if s.depth >= maxDepth {
		return
	}
	s.depth++
	gave := s.gave
	follow()
	s.gave = gave
	s.depth--
}

// unescaped is a literal without its escapes; inside of double quotes only some
// bytes can be escaped.
func unescaped(text string, quoted bool) string {
	if !strings.Contains(text, `\`) {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+1 < len(text) && (!quoted || strings.IndexByte("$`\"\\\n", text[i+1]) >= 0) {
			i++
			if text[i] == '\n' {
				continue
			}
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

// nameOf names the variable of an expansion.
func nameOf(p *syntax.ParamExp) string {
	if p.Param == nil {
		return ""
	}
	return p.Param.Value
}

// param is a variable's value, or the expansion as it is written.
func (s *script) param(p *syntax.ParamExp, u use) string {
	name := nameOf(p)
	if u.compared {
		s.summed = append(s.summed, s.hashes[name]...)
	}
	plain := p.Exp == nil && p.Repl == nil && p.Slice == nil && p.Index == nil && !p.Excl && !p.Length && p.Names == 0
	value, known := s.lookup(name)
	switch {
	case plain && known:
		return value
	case plain:
		return "${" + name + "}"
	case p.Exp != nil && (p.Exp.Op == syntax.DefaultUnset || p.Exp.Op == syntax.DefaultUnsetOrNull) && known && value != "":
		return value
	case p.Exp != nil && (p.Exp.Op == syntax.AlternateUnset || p.Exp.Op == syntax.AlternateUnsetOrNull) && known && value != "":
		return s.word(p.Exp.Word, u)
	}
	if p.Exp != nil {
		s.word(p.Exp.Word, u) // for what it runs
	}
	var b strings.Builder
	if err := syntax.NewPrinter().Print(&b, &syntax.Word{Parts: []syntax.WordPart{p}}); err != nil {
		return "${" + name + "}"
	}
	return b.String()
}

func (s *script) lookup(name string) (string, bool) {
	if len(name) == 1 && '1' <= name[0] && name[0] <= '9' {
		i := int(name[0] - '1')
		if s.params != nil && i < len(s.params) {
			return s.params[i], true
		}
		return "", s.params != nil
	}
	if name == "@" || name == "*" {
		return strings.Join(s.params, " "), s.params != nil
	}
	value, ok := s.vars[name]
	return value, ok
}

// values are what a word can be: for a variable that takes several values all
// of them, and their words where it is a list.
func (s *script) values(word string) []string {
	name, ok := strings.CutPrefix(word, "${")
	name, end := strings.CutSuffix(name, "}")
	many := s.many[name]
	if !ok || !end || len(many) == 0 {
		return []string{word}
	}
	var out []string
	for _, value := range many {
		out = append(out, strings.FieldsFunc(value, isBlank)...)
	}
	return out
}

// assign follows an assignment.
func (s *script) assign(a *syntax.Assign, u use) {
	if a.Name == nil {
		s.word(a.Value, use{taken: true})
		return
	}
	name := a.Name.Value
	if a.Naked {
		return
	}
	s.summed = nil
	value := s.word(a.Value, use{taken: true, heeded: u.heeded})
	delete(s.many, name)
	if s.hashes[name] = s.summed; len(s.summed) == 0 {
		delete(s.hashes, name)
	}
	s.summed = nil
	if a.Append {
		value = s.vars[name] + value
	}
	if a.Array != nil || a.Index != nil || strings.Contains(value, "$(…)") || len(value) > maxText {
		delete(s.vars, name)
		return
	}
	s.vars[name] = value
}

// compare notes that the sums at hand are compared.
func (s *script) compare() {
	for _, file := range s.summed {
		s.in.check(file, true)
	}
	s.summed = nil
}

// call follows a simple command.
func (s *script) call(c *syntax.CallExpr, u use) {
	for _, a := range c.Assigns {
		s.assign(a, u)
	}
	if len(c.Args) == 0 {
		return
	}
	inner := use{taken: true, heeded: u.heeded, run: runsItsWords(c)}
	first := literal(c.Args[0])
	if first == "[" || first == "test" {
		inner.compared = true
	}
	var words []string
	for _, w := range c.Args {
		words = append(words, s.fields(w, inner)...)
	}
	if inner.compared {
		s.compare()
		return
	}
	if len(words) > 0 {
		s.command(words, s.line(c.Pos().Offset()), u)
	}
}

// runsItsWords reports whether a command runs what its words hold: eval, source,
// and shells that are given a text or a file.
func runsItsWords(c *syntax.CallExpr) bool {
	switch literal(c.Args[0]) {
	case "eval", "source", ".":
		return true
	}
	for _, w := range c.Args[:min(4, len(c.Args))] {
		if isInterpreter(literal(w)) {
			return true
		}
	}
	return false
}

// isInterpreter reports whether a program runs what it is given.
func isInterpreter(name string) bool {
	name = path.Base(name)
	if slices.Contains(shells, name) {
		return true
	}
	bare := strings.TrimRight(name, "0123456789.")
	return slices.Contains([]string{"python", "perl", "ruby", "node", "php"}, bare)
}
