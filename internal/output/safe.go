package output

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxText is the most bytes of one foreign value that are shown: a screenful,
// and far more than any honest value has.
const maxText = 4 << 10

// cut stands at the end of a value that was longer than maxText.
const cut = "…"

// SafeText makes foreign text safe for terminals and logs: one line of valid
// UTF-8 in which control, bidirectional, zero-width and other invisible
// characters, spaces other than the common one, and invalid bytes are shown as
// escapes (\n, \x1b, \u202e), cut after 4 KiB with "…". Workflow commands of CI
// systems are broken, wherever a line may later be wrapped: "::" at the start of
// a word, and "##[", "##vso[" and their like anywhere.
//
// Backslashes stay as they are, so text that was made safe once is not changed
// by making it safe again.
func SafeText(s string) string {
	var b strings.Builder
	wordStart := true
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		piece := shown(s[i:], r, n, wordStart)
		if b.Len()+len(piece) > maxText {
			return b.String() + cut
		}
		b.WriteString(piece)
		wordStart = r == ' '
		i += n
	}
	return b.String()
}

// shown is how the first rune of rest, r of n bytes, is shown.
func shown(rest string, r rune, n int, wordStart bool) string {
	switch {
	case r == utf8.RuneError && n == 1:
		return fmt.Sprintf(`\x%02x`, rest[0])
	case r == '\n':
		return `\n`
	case r == '\r':
		return `\r`
	case r == '\t':
		return `\t`
	case hidden(r) && r < utf8.RuneSelf:
		return fmt.Sprintf(`\x%02x`, r)
	case hidden(r) && r <= 0xffff:
		return fmt.Sprintf(`\u%04x`, r)
	case hidden(r):
		return fmt.Sprintf(`\U%08x`, r)
	case wordStart && strings.HasPrefix(rest, "::"):
		return `\x3a`
	case r == '#' && beginsCommand(rest):
		return `\x23`
	}
	return rest[:n]
}

// hidden reports whether a reader may not see r for what it is: everything that
// Unicode does not count as printable (control, format, bidirectional and
// private characters, odd spaces), and printable characters without a shape.
func hidden(r rune) bool {
	return !unicode.IsPrint(r) || unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// beginsCommand reports whether rest begins as the commands of CI systems do
// that are found anywhere in a line: "##", letters, "[".
func beginsCommand[T string | []byte](rest T) bool {
	if len(rest) < 3 || rest[0] != '#' || rest[1] != '#' {
		return false
	}
	i := 2
	for i < len(rest) && ('a' <= rest[i]|0x20 && rest[i]|0x20 <= 'z') {
		i++
	}
	return i < len(rest) && rest[i] == '['
}
