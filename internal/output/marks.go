package output

import (
	"fmt"
	"math"

	"github.com/imageverify/verify"
)

// mark is how an outcome is shown: the sign and the word tell it without
// colour, and only what is proved looks like success.
type mark struct{ sign, word, color string }

var (
	okMark         = mark{"✓", "ok", green}
	consistentMark = mark{"=", "consistent", ""}
	warnMark       = mark{"!", "warn", yellow}
	unknownMark    = mark{"?", "unknown", yellow}
	failMark       = mark{"✗", "FAIL", red}
)

func markOf(s verify.Status) mark {
	switch s {
	case verify.Pass:
		return okMark
	case verify.Warn:
		return warnMark
	case verify.Fail:
		return failMark
	}
	return unknownMark
}

// findingMark tells a pass that proves something from one that rests on a list
// out of the same hand.
func findingMark(f *verify.Finding) mark {
	if isConsistent(f) {
		return consistentMark
	}
	return markOf(f.Status)
}

func isConsistent(f *verify.Finding) bool {
	d := f.Details
	return f.Status == verify.Pass && d != nil && d.Independent != nil && !*d.Independent
}

// verdictMark is the mark of a verdict in one word.
func verdictMark(v verify.Verdict) mark {
	switch v {
	case verify.Verified:
		return mark{"✓", "verified", green}
	case verify.Failed:
		return mark{"✗", "FAILED", red}
	case verify.Incomplete:
		return mark{"?", "incomplete", yellow}
	case "":
		return mark{"?", "no verdict", yellow}
	}
	return mark{"?", SafeText(string(v)), yellow}
}

// imageMark is the mark of an image's verdict; an incomplete one says how far
// the image was traced.
func imageMark(img *verify.Image) mark {
	m := verdictMark(img.Verdict)
	origin, content := find(img, "trace.origin"), find(img, "layer.content")
	if img.Verdict != verify.Incomplete || origin == nil || origin.Status != verify.Pass {
		return m
	}
	if content != nil && content.Details != nil && content.Details.Bytes != nil {
		m.word = "traced, " + provedBytes(*content.Details.Bytes)
	}
	return m
}

func find(img *verify.Image, check string) *verify.Finding {
	for i := range img.Findings {
		if img.Findings[i].Check == check {
			return &img.Findings[i]
		}
	}
	return nil
}

// provedBytes says "71.2 of 74.0 MB proved".
func provedBytes(c verify.Coverage) string { return amounts(c) + " proved" }

// amounts says "71.2 of 74.0 MB", both numbers in one unit. Whatever is not
// proved shows: the first number is rounded down, and where both would still
// look the same, the rest is named instead.
func amounts(c verify.Coverage) string {
	total, proved := c.Total(), c.Proved+c.Base
	scale, unit := verify.ByteUnit(total)
	if unit == "B" {
		return fmt.Sprintf("%d of %d B", proved, total)
	}
	p := fmt.Sprintf("%.1f", math.Floor(float64(proved)/scale*10)/10)
	t := fmt.Sprintf("%.1f", float64(total)/scale)
	switch {
	case proved == 0:
		p = "0"
	case proved == total:
		p = t
	case p == t:
		return fmt.Sprintf("all but %s of %s %s", verify.FormatBytes(total-proved), t, unit)
	}
	return fmt.Sprintf("%s of %s %s", p, t, unit)
}
