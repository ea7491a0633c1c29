package verify

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// TextDiff is the one stretch in which two texts part, and the equal texts on
// both sides of it, cut to what is needed to find it.
type TextDiff struct {
	// Column is the byte at which they part, from 1.
	Column int `json:"column"`
	// Before is the end of the equal text before the stretch.
	Before string `json:"before,omitempty"`
	// Want is what the directive gives there.
	Want string `json:"want"`
	// Got is what the entry has there.
	Got string `json:"got"`
	// After is the beginning of the equal text behind the stretch.
	After string `json:"after,omitempty"`
}

// diffContext is how many bytes of equal text a diff shows on either side,
// maxDiff how many it shows of what differs.
const (
	diffContext = 24
	maxDiff     = 120
)

// diffTexts compares two texts from both ends. Words are not taken apart: what
// is shown begins and ends at white space.
func diffTexts(want, got string) *TextDiff {
	if want == got {
		return nil
	}
	short := min(len(want), len(got))
	head := 0
	for head < short && want[head] == got[head] {
		head++
	}
	tail := 0
	for tail < short-head && want[len(want)-1-tail] == got[len(got)-1-tail] {
		tail++
	}
	d := &TextDiff{Column: head + 1}
	start, end := wordStart(want, head), wordEnd(want, len(want)-tail)
	d.Before = lastBytes(want[:start], diffContext)
	d.After = firstBytes(want[end:], diffContext)
	d.Want = firstBytes(want[start:end], maxDiff)
	d.Got = firstBytes(got[start:len(got)-(len(want)-end)], maxDiff)
	return d
}

// wordStart is the start of the word at i.
func wordStart(text string, i int) int {
	return strings.LastIndexAny(text[:i], " \t\n") + 1
}

// wordEnd is the end of the word that ends at i or later.
func wordEnd(text string, i int) int {
	if n := strings.IndexAny(text[i:], " \t\n"); n >= 0 {
		return i + n
	}
	return len(text)
}

// firstBytes is the text's first n bytes or a few less, with a mark where it
// was cut.
func firstBytes(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + "…"
}

func lastBytes(text string, n int) string {
	if len(text) <= n {
		return text
	}
	i := len(text) - n
	for i < len(text) && !utf8.RuneStart(text[i]) {
		i++
	}
	return "…" + text[i:]
}

// String writes both texts, the same cut.
func (d *TextDiff) String() string {
	return fmt.Sprintf("at column %d the Dockerfile gives %q, history has %q", d.Column, d.Before+d.Want+d.After, d.Before+d.Got+d.After)
}
