package verify

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
)

// loosePattern says what makes a pattern of signers accept more than it seems to,
// with an example; problem is "" where nothing does. Patterns are Go's regular
// expressions and match anywhere in a name, as they do in cosign.
func loosePattern(pattern string) (problem, example string) {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return "", ""
	}
	re = re.Simplify()
	plain := shortest(re)
	switch {
	case !anchored(re, syntax.OpBeginText, first):
		return firstMatch(pattern, "it has no ^ at its beginning", "https://evil.example/"+plain, "evil"+plain, plain)
	case !anchored(re, syntax.OpEndText, last):
		return firstMatch(pattern, "it has no $ at its end", plain+".evil.example", plain+"evil", plain)
	}
	if i := looseDot(pattern); i >= 0 {
		other := pattern[:i] + "x" + pattern[i+1:]
		if re, err := syntax.Parse(other, syntax.Perl); err == nil {
			return firstMatch(pattern, "it has a dot that is not escaped", shortest(re.Simplify()))
		}
	}
	return "", ""
}

// firstMatch gives the first example that the pattern matches.
func firstMatch(pattern, problem string, examples ...string) (string, string) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return "", ""
	}
	for _, e := range examples {
		if re.MatchString(e) {
			return problem, e
		}
	}
	return problem, examples[len(examples)-1]
}

func first(subs []*syntax.Regexp) *syntax.Regexp { return subs[0] }
func last(subs []*syntax.Regexp) *syntax.Regexp  { return subs[len(subs)-1] }

// anchored reports whether every match of re begins, or ends, with the anchor;
// end chooses the part of a sequence where it has to stand.
func anchored(re *syntax.Regexp, anchor syntax.Op, end func([]*syntax.Regexp) *syntax.Regexp) bool {
	switch re.Op {
	case anchor:
		return true
	case syntax.OpConcat:
		return anchored(end(re.Sub), anchor, end)
	case syntax.OpCapture, syntax.OpPlus:
		return anchored(re.Sub[0], anchor, end)
	case syntax.OpAlternate:
		return !slices.ContainsFunc(re.Sub, func(s *syntax.Regexp) bool { return !anchored(s, anchor, end) })
	}
	return false
}

// looseDot finds a dot between two letters, digits or escapes, as in a host's
// name, that stands for any character; -1 where there is none.
func looseDot(pattern string) int {
	class := false
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '\\':
			i++
		case c == '[':
			class = true
		case c == ']':
			class = false
		case c == '.' && !class && !strings.ContainsAny(next(pattern, i), "*+?{"):
			return i
		}
	}
	return -1
}

func next(s string, i int) string {
	if i+1 < len(s) {
		return s[i+1 : i+2]
	}
	return " "
}

// shortest is a text that re matches, as short as is easily found.
func shortest(re *syntax.Regexp) string {
	switch re.Op {
	case syntax.OpLiteral:
		return string(re.Rune)
	case syntax.OpCharClass:
		if len(re.Rune) > 0 {
			return string(re.Rune[0])
		}
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return "."
	case syntax.OpConcat:
		var b strings.Builder
		for _, s := range re.Sub {
			b.WriteString(shortest(s))
		}
		return b.String()
	case syntax.OpCapture, syntax.OpPlus, syntax.OpAlternate:
		return shortest(re.Sub[0])
	case syntax.OpRepeat:
		return strings.Repeat(shortest(re.Sub[0]), max(re.Min, 0))
	}
	return ""
}
