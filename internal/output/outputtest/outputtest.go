// Package outputtest says, for tests, what may reach a terminal or a log.
package outputtest

import (
	"regexp"
	"testing"
	"unicode"
	"unicode/utf8"
)

// Nasty tries to leave its line, to hide, to run backwards, to colour, to be a
// command of a CI system, to be markup, and is not UTF-8.
const Nasty = "::error::x\n::set-output name=a::b\r##[command]rm \x1b[2J\x1b]0;t\a\u202eevil\u2066\u200b\ufeff\U000e0041\u2028::warning::\u00a0::x ::y ##vso[task]\x80\xff\u0085<b>&amp;|`*_ end"

var commands = regexp.MustCompile(`(?m)^\s*::|##[A-Za-z]*\[`)

// CheckSafe fails the test for whatever in the text is not to be seen, or could
// be taken for a command. It is the slow truth.
func CheckSafe(t testing.TB, text []byte) {
	t.Helper()
	if !utf8.Valid(text) {
		t.Errorf("not UTF-8: %q", text)
	}
	for _, r := range string(text) {
		if r >= ' ' && r < 0x7f || r == '\n' {
			continue
		}
		if unicode.Is(unicode.C, r) || unicode.Is(unicode.Bidi_Control, r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r) ||
			unicode.Is(unicode.Z, r) || unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) || unicode.Is(unicode.Variation_Selector, r) {
			t.Errorf("holds %U", r)
		}
	}
	if m := commands.Find(text); m != nil {
		t.Errorf("holds the command %q", m)
	}
}
