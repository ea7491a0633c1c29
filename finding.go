package verify

import (
	"fmt"
	"slices"
	"strings"
)

func finding(s Status, reason, format string, args ...any) *Finding {
	return &Finding{Status: s, Reason: reason, Summary: fmt.Sprintf(format, args...)}
}

func passed(format string, args ...any) *Finding { return finding(Pass, "", format, args...) }

// with adds evidence, dropping what is empty.
func (f *Finding) with(evidence ...Evidence) *Finding {
	for _, e := range evidence {
		if e.Value != "" {
			f.Evidence = append(f.Evidence, e)
		}
	}
	return f
}

// details are the finding's details, made when they are first needed.
func (f *Finding) details() *Details {
	if f.Details == nil {
		f.Details = &Details{}
	}
	return f.Details
}

// ofParts makes a finding from its parts: status, reason and summary are those
// of the worst part, or all's summary where every part passes.
func ofParts(parts []Part, all string) *Finding {
	slices.SortStableFunc(parts, func(a, b Part) int { return worstFirst(a.Status, b.Status) })
	f := passed("%s", all)
	if len(parts) > 0 {
		f.details().Parts = parts
	}
	if len(parts) == 0 || parts[0].Status == Pass {
		return f
	}
	worst := parts[0]
	f.Status, f.Reason = worst.Status, worst.Reason
	f.Summary = worst.Name + ": " + worst.Summary
	if n := countWorse(parts) - 1; n > 0 {
		f.Summary += fmt.Sprintf(" (and %d more)", n)
	}
	return f
}

func countWorse(parts []Part) int {
	n := 0
	for _, p := range parts {
		if p.Status != Pass {
			n++
		}
	}
	return n
}

// plural writes "1 layer", "2 layers".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if before, ok := strings.CutSuffix(noun, "y"); ok {
		return fmt.Sprintf("%d %sies", n, before)
	}
	if strings.HasSuffix(noun, "sh") {
		return fmt.Sprintf("%d %ses", n, noun)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
