package output_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/imageverify/verify/internal/output"
	"github.com/imageverify/verify/internal/output/outputtest"
)

const maxText = 4 << 10

func TestSafeTextShowsWhatCannotBeSeen(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"plain text stays":                          {"RUN apk add é €𝄞 日本", "RUN apk add é €𝄞 日本"},
		"nothing stays nothing":                     {"", ""},
		"backslashes stay":                          {`a\b\\n`, `a\b\\n`},
		"a newline is shown":                        {"a\nb\r\nc\td", `a\nb\r\nc\td`},
		"an escape sequence is shown":               {"\x1b[2J\x07\x00\x7f", `\x1b[2J\x07\x00\x7f`},
		"a C1 control is shown":                     {"\u009b31m", `\u009b31m`},
		"bidirectional marks are shown":             {"a\u202eb\u2066c\u200fd", `a\u202eb\u2066c\u200fd`},
		"zero-width characters are shown":           {"a\u200bb\ufeffc\u2060d\u00ade", `a\u200bb\ufeffc\u2060d\u00ade`},
		"line and paragraph separators are shown":   {"a\u2028b\u2029c", `a\u2028b\u2029c`},
		"odd spaces are shown":                      {"a\u00a0b\u3000c", `a\u00a0b\u3000c`},
		"invisible letters are shown":               {"a\u115fb\u3164c\ufe0fd", `a\u115fb\u3164c\ufe0fd`},
		"tags are shown":                            {"\U000e0041\U0010fffd", `\U000e0041\U0010fffd`},
		"bytes that are not UTF-8 are shown":        {"a\x80\xffb\xc3", `a\x80\xffb\xc3`},
		"a real replacement character stays":        {"\ufffd", "\ufffd"},
		"a workflow command is broken":              {"::error::x", `\x3a:error::x`},
		"one after spaces too":                      {"  ::error::x", `  \x3a:error::x`},
		"and one at the start of any word":          {"see ::stop-commands::x", `see \x3a:stop-commands::x`},
		"colons within a word stay":                 {"std::vector a::b [::1]", "std::vector a::b [::1]"},
		"a bracket command is broken":               {"##[error]x", `\x23#[error]x`},
		"one within a line too":                     {"x##[group]", `x\x23#[group]`},
		"other systems' bracket commands":           {"##vso[task.setvariable] ##teamcity[x]", `\x23#vso[task.setvariable] \x23#teamcity[x]`},
		"hashes in a row hide no command":           {"####[x]", `##\x23#[x]`},
		"hashes without a bracket stay":             {"## heading #1 [x]", "## heading #1 [x]"},
		"a command behind a zero-width character":   {"\u200b::x", `\u200b::x`},
		"a command behind a newline starts no line": {"a\n::x", `a\n::x`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := output.SafeText(c.in); got != c.want {
				t.Errorf("SafeText(%q) = %q, want %q", c.in, got, c.want)
			}
		})
	}
}

func TestSafeTextCutsAtFourKiBAndNotBefore(t *testing.T) {
	full := strings.Repeat("x", maxText)
	for name, c := range map[string]struct{ in, want string }{
		"just fits":                           {full, full},
		"one byte more":                       {full + "x", full + "…"},
		"a character is not cut in two":       {full[1:] + "é", full[1:] + "…"},
		"an escape is not cut in two":         {full[3:] + "\x1b", full[3:] + "…"},
		"an escape that just fits":            {full[4:] + "\x1b", full[4:] + `\x1b`},
		"a megabyte of controls grows little": {strings.Repeat("\x00", 1<<20), strings.Repeat(`\x00`, maxText/4) + "…"},
	} {
		if got := output.SafeText(c.in); got != c.want {
			t.Errorf("%s: %d bytes, ends in %q; want %d", name, len(got), got[len(got)-8:], len(c.want))
		}
	}
}

// The law: what comes out is valid UTF-8 on one line of at most 4 KiB and the
// mark of the cut, holds nothing that is not printable and no workflow command,
// and is not changed by being made safe again.
func FuzzSafeText(f *testing.F) {
	f.Add(nasty)
	f.Add("::::##[a]###vso[::")
	f.Add(strings.Repeat("é", maxText))
	f.Add(strings.Repeat("##a", maxText))
	f.Add(strings.Repeat("x", maxText-1) + "::\n ::")
	f.Fuzz(func(t *testing.T, s string) {
		got := output.SafeText(s)
		if len(got) > maxText+len("…") {
			t.Errorf("%d bytes", len(got))
		}
		if strings.Contains(got, "\n") {
			t.Errorf("more than one line: %q", got)
		}
		if again := output.SafeText(got); again != got {
			t.Errorf("%q again gives %q", got, again)
		}
		for _, word := range strings.Split(got, " ") {
			if strings.HasPrefix(word, "::") {
				t.Errorf("word %q in %q", word, got)
			}
		}
		outputtest.CheckSafe(t, []byte(got))
	})
}

var colours = regexp.MustCompile("\x1b\\[[0-9;]+m")
