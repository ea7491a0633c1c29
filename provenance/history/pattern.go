package history

import (
	"strings"

	"github.com/imageverify/verify/provenance/dockerfile"
)

const (
	// maxSteps bounds the search for the values of holes in one alignment; a
	// step is a part of a text, or so many bytes that were looked through. A
	// text that needs more counts as one that does not match.
	maxSteps  = 1_000_000
	bytesStep = 64
)

// pattern is a form's text: literals, content hashes and holes.
type pattern struct {
	parts  []dockerfile.Part
	spaced []dockerfile.Part // the same with runs of spaces made one
	text   string            // for reading
	fixed  bool              // no hash and no hole
	holes  []string          // each once
}

func newPattern(f dockerfile.Form) pattern {
	p := pattern{parts: f.Parts(), text: dockerfile.Readable(f.Text), fixed: true}
	p.spaced = spacedParts(p.parts)
	seen := map[string]bool{}
	for _, part := range p.parts {
		p.fixed = p.fixed && !part.Hash && !part.Digest && part.Hole == ""
		if part.Hole != "" && !seen[part.Hole] {
			seen[part.Hole] = true
			p.holes = append(p.holes, part.Hole)
		}
	}
	return p
}

func spacedParts(parts []dockerfile.Part) []dockerfile.Part {
	var out []dockerfile.Part
	for i, p := range parts {
		p.Literal = squeeze(p.Literal)
		if i == 0 {
			p.Literal = strings.TrimLeft(p.Literal, " ")
		}
		if i == len(parts)-1 {
			p.Literal = strings.TrimRight(p.Literal, " ")
		}
		if p.Literal != "" || p.Hash || p.Digest || p.Hole != "" {
			out = append(out, p)
		}
	}
	return out
}

// found is how a text matched a pattern.
type found struct {
	how   string
	hash  string
	holes map[string]string
}

// match reads the entry's text by the pattern. A hole that has a value keeps
// it; the others take any, each the same everywhere.
func (p *pattern) match(e *entry, values map[string]string, budget *int) (found, bool) {
	if p.fixed {
		return p.matchFixed(e)
	}
	if f, ok := search(p.parts, e.text, values, budget); ok {
		f.how = Exact
		return f, true
	}
	f, ok := search(p.spaced, e.spaced, values, budget)
	f.how = WhiteSpace
	return f, ok
}

func (p *pattern) matchFixed(e *entry) (found, bool) {
	switch {
	case literal(p.parts) == e.text:
		return found{how: Exact}, true
	case literal(p.spaced) == e.spaced:
		return found{how: WhiteSpace}, true
	}
	return found{}, false
}

// literal is the text of parts that are at most one literal.
func literal(parts []dockerfile.Part) string {
	if len(parts) == 0 {
		return ""
	}
	return parts[0].Literal
}

// searcher looks for values of the holes that make parts the text.
type searcher struct {
	parts  []dockerfile.Part
	text   string
	values map[string]string // given
	found  found
	budget *int
}

func search(parts []dockerfile.Part, text string, values map[string]string, budget *int) (found, bool) {
	s := searcher{parts: parts, text: text, values: values, budget: budget}
	if !s.from(0, 0) {
		return found{}, false
	}
	return s.found, true
}

// from matches the parts from k on with the text from pos on.
func (s *searcher) from(k, pos int) bool {
	if k == len(s.parts) {
		return pos == len(s.text)
	}
	part := s.parts[k]
	switch {
	case part.Hash:
		n := hashLength(s.text[pos:])
		if n == 0 || !s.from(k+1, pos+n) {
			return false
		}
		s.found.hash = s.text[pos : pos+n]
		return true
	case part.Digest:
		n := digestLength(s.text[pos:])
		return n > 0 && s.from(k+1, pos+n)
	case part.Hole == "":
		return strings.HasPrefix(s.text[pos:], part.Literal) && s.from(k+1, pos+len(part.Literal))
	}
	if value, ok := s.value(part.Hole); ok {
		return strings.HasPrefix(s.text[pos:], value) && s.from(k+1, pos+len(value))
	}
	return s.guess(k, pos)
}

// guess tries values for the hole at k, the shortest first.
func (s *searcher) guess(k, pos int) bool {
	if s.found.holes == nil {
		s.found.holes = map[string]string{}
	}
	name, next := s.parts[k].Hole, ""
	if k+1 == len(s.parts) {
		s.found.holes[name] = s.text[pos:]
		return true
	}
	next = s.parts[k+1].Literal
	for end := pos; end <= len(s.text) && *s.budget > 0; end++ {
		i := strings.Index(s.text[end:], next)
		if i < 0 {
			*s.budget -= 1 + len(s.text[end:])/bytesStep
			break
		}
		*s.budget -= 1 + i/bytesStep
		end += i
		s.found.holes[name] = s.text[pos:end]
		if s.from(k+1, end) {
			return true
		}
	}
	delete(s.found.holes, name)
	return false
}

func (s *searcher) value(hole string) (string, bool) {
	if v, ok := s.values[hole]; ok {
		return v, true
	}
	v, ok := s.found.holes[hole]
	return v, ok
}

// hashLength is the length of the content hash at the text's head, 0 for none.
func hashLength(text string) int {
	kind, rest, ok := strings.Cut(text, ":")
	if !ok || kind != "file" && kind != "dir" && kind != "multi" || !beginsHex(rest) {
		return 0
	}
	return len(kind) + 1 + hexLength
}

// digestLength is the length of the sha256 digest at the text's head, 0 for
// none.
func digestLength(text string) int {
	const kind = "sha256:"
	if rest, ok := strings.CutPrefix(text, kind); !ok || !beginsHex(rest) {
		return 0
	}
	return len(kind) + hexLength
}

// hexLength is how many digits a hash has.
const hexLength = 64

func beginsHex(text string) bool {
	if len(text) < hexLength {
		return false
	}
	for _, c := range []byte(text[:hexLength]) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
