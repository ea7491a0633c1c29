package dockerfile

import (
	"errors"
	"fmt"
	"strings"
)

const (
	// maxExpansion bounds what all words of a build may grow to, in bytes, as
	// estimated before each is expanded: "ENV A=$A$A" doubles at every line. A
	// pattern, as in ${A#*x}, counts once for each of its bytes.
	maxExpansion = 16 << 20
	// maxNesting bounds the "${" in one word: each may nest in another.
	maxNesting = 1000
)

var errExpansion = errors.New("a variable's expansion is too large")

// variables is the environment as BuildKit's lexer asks for it.
type variables struct {
	get     func(string) (string, bool)
	covered map[string]string // stand-ins for expressions over unknown variables
}

func (v *variables) Get(name string) (string, bool) {
	if value, ok := v.covered[name]; ok {
		return value, true
	}
	return v.get(name)
}

// Keys is asked for by linters only.
func (v *variables) Keys() []string { return nil }

// expand expands one word, quotes removed.
func (s *state) expand(word string) (string, error) {
	return s.process(word, s.lookup, false)
}

// expandRaw expands the text of a here-document, where quotes are text.
func (s *state) expandRaw(text string) (string, error) {
	return s.process(text, s.lookup, true)
}

// expandGlobal expands a word of FROM, or of an ARG before it.
func (s *state) expandGlobal(word string) (string, error) {
	return s.process(word, func(name string) (string, bool) {
		v, ok := s.globals[name]
		return v, ok
	}, false)
}

func (s *state) process(word string, get func(string) (string, bool), raw bool) (string, error) {
	if !strings.ContainsAny(word, `$'"<`+string(s.escape)) {
		return word, nil
	}
	v := &variables{get: get, covered: map[string]string{}}
	if err := s.bound(word, v); err != nil {
		return "", err
	}
	s.lex.SkipProcessQuotes = raw
	out, _, err := s.lex.ProcessWord(s.cover(word, v), v)
	return out, err
}

// expandWords expands a word that may give several, as EXPOSE's may.
func (s *state) expandWords(word string) ([]string, error) {
	v := &variables{get: s.lookup, covered: map[string]string{}}
	if err := s.bound(word, v); err != nil {
		return nil, err
	}
	s.lex.SkipProcessQuotes = false
	return s.lex.ProcessWords(s.cover(word, v), v)
}

// bound refuses a word whose expansion could grow past maxExpansion.
func (s *state) bound(word string, v *variables) error {
	dollars := strings.Count(word, "$")
	if dollars == 0 {
		return nil
	}
	if n := strings.Count(word, "${"); n > maxNesting {
		return fmt.Errorf("%w: %d expressions in one word", errExpansion, n)
	}
	cost := (s.longest + 1) * dollars
	if hasPattern(word) {
		cost *= len(word)
	}
	if s.expanded += cost; s.expanded > maxExpansion {
		return errExpansion
	}
	return nil
}

// hasPattern reports whether some expression in the word may be one of
// ${X#pattern}, ${X%pattern} and ${X/pattern/…}.
func hasPattern(word string) bool {
	for _, piece := range strings.Split(word, "${")[1:] {
		if i := strings.IndexAny(piece, "#%/}"); i >= 0 && piece[i] != '}' {
			return true
		}
	}
	return false
}

// cover replaces each expression with a modifier over an unknown variable, such
// as ${X:+y}, by a stand-in whose value is one hole: what it gives does not
// follow from any text.
func (s *state) cover(word string, v *variables) string {
	if !strings.Contains(word, "${") {
		return word
	}
	double := strings.IndexByte(word, '"')
	var out strings.Builder
	for i := 0; i < len(word); i++ {
		if word[i] == '\'' && (double < 0 || i < double) {
			end := strings.IndexByte(word[i+1:], '\'')
			if end < 0 {
				return word
			}
			out.WriteString(word[i : i+1+end])
			i += 1 + end
		}
		inner, length := expression(word[i:])
		if length == 0 || escaped(word, i, byte(s.escape)) || !s.unknown(inner, v) {
			out.WriteByte(word[i])
			continue
		}
		name := fmt.Sprintf("hole_%d_", len(v.covered))
		v.covered[name] = s.holes.add(inner)
		out.WriteString("${" + name + "}")
		i += length - 1
	}
	return out.String()
}

// expression is what stands in the braces at the head of text, and the length
// with braces, when it is a variable with a modifier.
func expression(text string) (inner string, length int) {
	if !strings.HasPrefix(text, "${") {
		return "", 0
	}
	depth := 0
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '{':
			depth++
		case '}':
			depth--
		}
		if depth == 0 {
			inner = text[2:i]
			if plainName(inner) {
				return "", 0
			}
			return inner, i + 1
		}
	}
	return "", 0
}

// unknown reports whether an expression's variable is one that only the base
// knows.
func (s *state) unknown(inner string, v *variables) bool {
	end := strings.IndexFunc(inner, func(r rune) bool { return !plainName("_" + string(r)) })
	if end <= 0 || !plainName(inner[:end]) {
		return false
	}
	before := len(s.holes.names)
	value, ok := v.get(inner[:end])
	if !ok || value != Hole(inner[:end]) {
		return false
	}
	// Asking may have listed the bare name, which the text does not use.
	for _, name := range s.holes.names[before:] {
		delete(s.holes.seen, name)
	}
	s.holes.names = s.holes.names[:before]
	return true
}

// escaped reports whether the byte at i has an odd run of escapes before it.
func escaped(word string, i int, escape byte) bool {
	n := 0
	for i--; i >= 0 && word[i] == escape; i-- {
		n++
	}
	return n%2 == 1
}
