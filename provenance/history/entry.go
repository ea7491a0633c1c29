package history

import (
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// entry is one history entry with what its text says about it.
type entry struct {
	text    string
	spaced  string // text with runs of spaces made one
	comment string
	empty   bool

	name   string // the instruction, in capitals
	body   string // what follows the instruction's name
	opaque bool   // written by neither builder, as far as one can see
}

const nop = "#(nop)"

// instructions are the names that BuildKit's entries begin with.
var instructions = []string{
	"ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL",
	"MAINTAINER", "ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
}

func readEntries(history []v1.History) []entry {
	out := make([]entry, len(history))
	for i, h := range history {
		out[i] = readEntry(h)
	}
	return out
}

func readEntry(h v1.History) entry {
	e := entry{text: h.CreatedBy, spaced: oneSpace(h.CreatedBy), comment: h.Comment, empty: h.EmptyLayer}
	if _, after, ok := strings.Cut(h.CreatedBy, nop); ok {
		e.name, e.body, _ = strings.Cut(strings.TrimLeft(after, " "), " ")
		e.opaque = !slices.Contains(instructions, e.name)
		return e
	}
	name, body, _ := strings.Cut(h.CreatedBy, " ")
	if slices.Contains(instructions, name) {
		e.name, e.body = name, body
		return e
	}
	e.name, e.body = "RUN", h.CreatedBy
	e.opaque = !strings.HasPrefix(e.text, "/bin/sh -c ") && !strings.HasPrefix(e.text, "|")
	return e
}

// oneSpace makes each run of spaces one space and drops those at both ends.
func oneSpace(text string) string {
	return strings.Trim(squeeze(text), " ")
}

// squeeze makes each run of spaces one space.
func squeeze(text string) string {
	if !strings.Contains(text, "  ") {
		return text
	}
	var b strings.Builder
	b.Grow(len(text))
	for i := 0; i < len(text); i++ {
		if text[i] != ' ' || i == 0 || text[i-1] != ' ' {
			b.WriteByte(text[i])
		}
	}
	return b.String()
}
