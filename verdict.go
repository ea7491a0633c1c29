package verify

import (
	"fmt"
	"slices"
	"strings"
)

// Requirements say which checks are made and which of them must pass. The zero
// value makes every check and requires those that the check table requires.
type Requirements struct {
	// Only names the checks to make, and requires them; empty makes all.
	Only []string
	// Skip names checks not to make.
	Skip []string
	// Require names further checks that must pass.
	Require []string
	// Accept names reasons of warn and unknown findings that do not stand in
	// the way of "verified".
	Accept []string
}

// Validate refuses names that select no check, and reasons that no check gives.
func (r Requirements) Validate() error {
	for _, list := range [][]string{r.Only, r.Skip, r.Require} {
		for _, name := range list {
			if !slices.ContainsFunc(checkTable, func(c check) bool { return selects(name, c.id) }) {
				return fmt.Errorf("no check is called %q; the checks are: %s", name, strings.Join(CheckIDs(), ", "))
			}
		}
	}
	for _, name := range r.Require {
		if slices.ContainsFunc(r.Skip, func(s string) bool { return selects(s, name) }) {
			return fmt.Errorf("check %q is both required and skipped", name)
		}
	}
	for _, reason := range r.Accept {
		if err := acceptable(reason); err != nil {
			return err
		}
	}
	return nil
}

// selects reports whether name is the id or a prefix of it up to a dot.
func selects(name, id string) bool {
	return name == id || strings.HasPrefix(id, strings.TrimSuffix(name, ".")+".")
}

func anySelects(names []string, id string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return selects(name, id) })
}

// wants reports whether the check is to be made.
func (r Requirements) wants(id string) bool {
	return (len(r.Only) == 0 || anySelects(r.Only, id) || anySelects(r.Require, id)) && !anySelects(r.Skip, id)
}

// requires reports whether the check must pass; byTable is the table's own
// answer for the image at hand.
func (r Requirements) requires(id string, byTable bool) bool {
	if anySelects(r.Require, id) || anySelects(r.Only, id) {
		return true
	}
	return byTable && len(r.Only) == 0
}

// accepts reports whether every reason for which a finding warns or is unknown
// is accepted. Where some are not, the finding is given the first of those, so
// that an accepted one never hides another.
func (r Requirements) accepts(f *Finding) bool {
	if f.Status != Warn && f.Status != Unknown {
		return false
	}
	if f.Details != nil {
		for _, p := range f.Details.Parts {
			if p.Status != Pass && !slices.Contains(r.Accept, p.Reason) {
				f.Status, f.Reason, f.Summary = p.Status, p.Reason, p.Name+": "+p.Summary
				return false
			}
		}
	}
	return slices.Contains(r.Accept, f.Reason)
}

// Judge pronounces the verdict over one image's findings. It is the only judge:
// any fail is Failed; else a required finding that does not pass, and whose
// reason is not accepted, or that speaks of another commit than the origin, is
// Incomplete; else the image is Verified. Without a single required finding
// nothing is verified.
func Judge(findings []Finding) Verdict {
	verdict, required := Verified, 0
	for _, f := range findings {
		if f.Status == Fail {
			return Failed
		}
		if !f.Required {
			continue
		}
		required++
		if f.Status != Pass && !f.Accepted || f.elsewhere() {
			verdict = Incomplete
		}
	}
	if required == 0 {
		return Incomplete
	}
	return verdict
}

// judgeRun pronounces the verdict over all images of a run: failed if any
// failed, incomplete if any is, or could not be opened.
func judgeRun(images []Image, errors int) Verdict {
	verdict := Verified
	if errors > 0 || len(images) == 0 {
		verdict = Incomplete
	}
	for _, img := range images {
		switch img.Verdict {
		case Failed:
			return Failed
		case Incomplete:
			verdict = Incomplete
		}
	}
	return verdict
}
