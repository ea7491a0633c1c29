// Package dockerfiletest changes Dockerfiles for tests that must notice.
package dockerfiletest

import (
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/imageverify/verify/provenance/dockerfile"
)

// expanded are the instructions whose variables builders expand: what such a
// variable's name is need not show in history.
var expanded = []string{"ADD", "COPY", "ENV", "EXPOSE", "LABEL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"}

// ChangeLetter changes one letter of a directive in a Dockerfile that stands in
// what every builder records of it: not its name, a comment, the name of a
// variable that is expanded, the sources of ADD and COPY, or a flag of RUN. It
// reports false where there is no such letter.
func ChangeLetter(r *rand.Rand, text string, d dockerfile.Directive) (string, bool) {
	places := recorded(text, d)
	if len(places) == 0 {
		return text, false
	}
	i := places[r.IntN(len(places))]
	for {
		letter := byte('a' + r.IntN(26))
		if letter != text[i]|0x20 {
			return text[:i] + string(letter) + text[i+1:], true
		}
	}
}

// recorded are the offsets of a directive's recorded letters.
func recorded(text string, d dockerfile.Directive) []int {
	var out []int
	offset, script := 0, false
	for n, line := range slices.Collect(strings.Lines(text)) {
		start := offset
		offset += len(line)
		if n+1 < d.Line || n+1 > d.EndLine {
			continue
		}
		// Of a here-document that is a script by itself only its name is recorded.
		if script = script || d.Name == "RUN" && n+1 > d.Line && strings.HasPrefix(line, "#!"); script {
			continue
		}
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		from := 0
		if n+1 == d.Line {
			from = len(line) - len(strings.TrimLeft(line, " \t")) + len(d.Name)
		}
		out = append(out, letters(line, from, start, d.Name)...)
	}
	if d.Copy != nil {
		out = inDestination(text, d, out)
	}
	return out
}

// letters are the offsets in the whole text of a line's letters.
func letters(line string, from, start int, name string) []int {
	var out []int
	for i := from; i < len(line); i++ {
		if line[i] == '$' && slices.Contains(expanded, name) {
			i += variable(line[i:]) - 1
			continue
		}
		if name == "RUN" && strings.HasPrefix(line[i:], "--") && i > 0 && line[i-1] == ' ' {
			end := strings.IndexAny(line[i:], " \n")
			if end < 0 {
				break
			}
			i += end
			continue
		}
		if c := line[i] | 0x20; 'a' <= c && c <= 'z' {
			out = append(out, start+i)
		}
	}
	return out
}

// variable is the length of $NAME or ${…} at the text's head.
func variable(text string) int {
	if strings.HasPrefix(text, "${") {
		depth := 0
		for i := range text {
			switch text[i] {
			case '{':
				depth++
			case '}':
				if depth--; depth == 0 {
					return i + 1
				}
			}
		}
		return len(text)
	}
	n := 1
	for n < len(text) && (text[n] == '_' || '0' <= text[n] && text[n] <= '9' || 'a' <= text[n]|0x20 && text[n]|0x20 <= 'z') {
		n++
	}
	return n
}

// inDestination keeps the letters of a copy's last word.
func inDestination(text string, d dockerfile.Directive, places []int) []int {
	end, line := 0, 1
	for end < len(text) && line <= d.EndLine {
		if text[end] == '\n' {
			line++
		}
		end++
	}
	end = len(strings.TrimRight(text[:end], " \t\n]\""))
	start := strings.LastIndexAny(text[:end], " \t\"\n") + 1
	return slices.DeleteFunc(places, func(i int) bool { return i < start || i >= end })
}
