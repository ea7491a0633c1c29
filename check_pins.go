package verify

import (
	"fmt"

	"github.com/imageverify/verify/provenance/pins"
)

// pinChecks are the rows of the table for what a Dockerfile leaves open: one a
// rule. None is required, and none says more than warn.
func pinChecks() []check {
	var out []check
	for _, r := range pins.Rules() {
		out = append(out, check{
			id: r.ID, passes: r.Passes, fix: r.Fix,
			needs:    needConfig | needTrace,
			required: never,
			others:   []string{r.Reason},
			find:     func(f *facts) *Finding { return findPin(f, r) },
		})
	}
	return out
}

// withPins adds what the reasons of the pin checks mean.
func withPins(texts map[string]string) map[string]string {
	for _, r := range pins.Rules() {
		texts[r.Reason] = r.Means
	}
	return texts
}

// inspectPins looks at the directives that the image was built by.
func (s *session) inspectPins(f *facts, n need) {
	a := f.judged()
	if n&needTrace == 0 || !a.Matched() || a.Build == nil {
		return
	}
	f.pins = pins.Inspect(a.Build, &f.configFile().Config.User)
}

// inputsOf are the images that the build reads from beside its base.
func inputsOf(f *facts) []Input {
	if f.pins == nil {
		return nil
	}
	var out []Input
	for _, x := range f.pins.Images {
		out = append(out, Input{Reference: x.Name, Line: x.Line, How: x.How})
	}
	return out
}

// findPin judges one rule. It applies where the directives hold something that
// the rule speaks of. Where some script was not read, nothing is said to be in
// order that could stand in it.
func findPin(f *facts, rule pins.Rule) *Finding {
	if f.pins == nil {
		return nil
	}
	var parts []Part
	unread := false
	for _, x := range f.pins.Facts {
		unread = unread || x.Rule == pins.Shell
		if x.Rule == rule.ID {
			parts = append(parts, Part{fmt.Sprintf("Dockerfile:%d", x.Line), Warn, rule.Reason, x.What + "; " + x.Fix})
		}
	}
	n := f.pins.Pinned[rule.ID]
	if len(parts) == 0 && (n == 0 || unread && rule.ID != pins.Base && rule.ID != pins.User) {
		return nil
	}
	a := f.judged()
	out := ofParts(parts, fmt.Sprintf("%s (%d looked at)", rule.Passes, n))
	if a.FileID != "" {
		out.with(fileEvidence(a))
	}
	return out
}
