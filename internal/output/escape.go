package output

import "strings"

// SafeMarkdown makes foreign text safe anywhere in a line of Markdown but in a
// table: a code span that holds what SafeText makes of it, so that nothing in it
// is mark-up, HTML, a link or a mention.
func SafeMarkdown(s string) string {
	s = SafeText(s)
	if strings.Trim(s, " ") == "" {
		return "–"
	}
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") || strings.HasPrefix(s, " ") && strings.HasSuffix(s, " ") {
		s = " " + s + " " // which a reader's program takes off again
	}
	fence := fenceFor(s, 1)
	return fence + s + fence
}

// fenceFor is a run of at least so many backticks as is not in the text.
func fenceFor(s string, least int) string {
	run := 0
	for _, r := range s {
		if r != '`' {
			run = 0
			continue
		}
		if run++; run >= least {
			least = run + 1
		}
	}
	return strings.Repeat("`", least)
}
