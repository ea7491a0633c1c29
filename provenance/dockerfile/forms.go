package dockerfile

import (
	"fmt"
	"strings"
)

// The texts of each instruction, a small function each. What stands before and
// after them is the dialect's: see metadata, near, content and plain.

func pairsText(name string) func(*value) string {
	return func(v *value) string {
		var b strings.Builder
		b.WriteString(name)
		for _, p := range v.pairs {
			b.WriteString(" " + p.String())
		}
		return b.String()
	}
}

// oldPair is how Docker before 1.3 wrote a single pair.
func oldPair(name string) func(*value) string {
	return func(v *value) string {
		if len(v.pairs) != 1 {
			return ""
		}
		return name + " " + v.pairs[0].key + " " + v.pairs[0].value
	}
}

func argText(v *value) string { return pairsText("ARG")(v) }

// argTexts are BuildKit's: older versions wrote the instruction as it stands,
// without the value that comes from the command or from an ARG before FROM.
func argTexts(_ *state, v *value) []string {
	older := "ARG"
	for _, p := range v.pairs {
		older += " " + p.written
	}
	return []string{argText(v), older}
}

// quoted writes ["a" "b"].
func quoted(name string) func(*value) string {
	return func(v *value) string { return fmt.Sprintf("%s %q", name, v.words) }
}

// pointer writes &{["a" "b"]}, as Docker 1.9 to 1.12 did for ENTRYPOINT.
func pointer(name string) func(*value) string {
	return func(v *value) string { return fmt.Sprintf("%s &{%q}", name, v.words) }
}

// listed writes [a b].
func listed(name string) func(*value) string {
	return func(v *value) string { return fmt.Sprintf("%s %v", name, v.words) }
}

// wordsText writes a b.
func wordsText(name string) func(*value) string {
	return func(v *value) string { return name + " " + strings.Join(v.words, " ") }
}

func single(name string) func(*value) string {
	return func(v *value) string { return name + " " + v.text }
}

// bracketed writes [a], as Docker up to 17.06 did for USER and STOPSIGNAL.
func bracketed(name string) func(*value) string {
	return func(v *value) string { return name + " [" + v.text + "]" }
}

// The classic builder's frames.

// metadata frames what leaves no layer: the shell in force, #(nop), two spaces;
// one space before Docker 1.10.
func metadata(texts ...func(*value) string) func(*state, *value) []string {
	return func(s *state, v *value) []string {
		return append(framed(s, v, "  ", texts), framed(s, v, " ", texts)...)
	}
}

// near frames WORKDIR: one space, two before Docker 17.09.
func near(texts ...func(*value) string) func(*state, *value) []string {
	return func(s *state, v *value) []string {
		return append(framed(s, v, " ", texts), framed(s, v, "  ", texts)...)
	}
}

func framed(s *state, v *value, space string, texts []func(*value) string) []string {
	var out []string
	for _, write := range texts {
		if text := write(v); text != "" {
			out = append(out, nop(s)+space+text)
		}
	}
	return out
}

func nop(s *state) string { return strings.Join(s.shell, " ") + " #(nop)" }

// content is the classic builder's ADD and COPY: the content's hash instead of
// the sources. The space at the end came with Docker 1.10, --chown with 17.09,
// without a space after it.
func content(name string) func(*state, *value) []string {
	return func(s *state, v *value) []string {
		c := v.copy
		if c.Chmod != "" || c.Link || c.Parents || len(c.Exclude) > 0 || c.Checksum != "" || len(c.inline) > 0 {
			return nil // BuildKit only
		}
		head, tail := nop(s)+" "+name+" ", Hash+" in "+c.dest
		if c.Chown == "" {
			return []string{head + tail + " ", head + tail}
		}
		head += "--chown=" + c.Chown
		return []string{head + tail + " ", head + " " + tail + " "}
	}
}

// runText is the classic builder's RUN.
func runText(s *state, v *value) []string {
	if v.inline {
		return nil
	}
	return []string{s.classicArgs() + strings.Join(v.words, " ")}
}

// BuildKit's frames.

// plain is BuildKit's metadata and WORKDIR.
func plain(texts ...func(*value) string) func(*state, *value) []string {
	return func(_ *state, v *value) []string {
		var out []string
		for _, write := range texts {
			out = append(out, write(v))
		}
		return out
	}
}

const buildkitTail = " # buildkit"

// runTexts is BuildKit's RUN.
func runTexts(s *state, v *value) []string {
	line := strings.Join(v.words, " ") + buildkitTail
	return []string{"RUN " + s.buildkitArgs(true) + line, "RUN " + s.buildkitArgs(false) + line}
}

// copyTexts is BuildKit's ADD and COPY: without --from, and without the other
// flags too in the BuildKit of Docker 20.10 and before.
func copyTexts(name string) func(*state, *value) []string {
	return func(_ *state, v *value) []string {
		c := v.copy
		flags, words := "", append([]string{}, c.paths...)
		if c.Parents {
			flags += " --parents"
		}
		if c.Chown != "" {
			flags += " --chown=" + c.Chown
		}
		if c.Chmod != "" {
			flags += " --chmod=" + c.Chmod
		}
		for _, doc := range c.inline {
			words = append(words, "<<"+doc)
		}
		tail := " " + strings.Join(append(words, c.dest), " ") + buildkitTail
		return []string{name + flags + tail, name + tail}
	}
}
