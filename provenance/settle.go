package provenance

import (
	"errors"
	"io/fs"
	"slices"

	"github.com/imageverify/verify/provenance/dockerfile"
	"github.com/imageverify/verify/provenance/layout"
)

// settle chooses the origin and the attempt that the checks judge. A candidate
// that could not be read and stands before the one that matches stays the
// origin: nothing shows that the image does not come from it. Where none
// matches, nothing is judged if the image could come from one that was not
// read, unless the image itself names the one that differs.
func (t *Trace) settle() {
	defer t.claim()
	t.Judged = best(t.Attempts)
	t.Origin = t.Judged
	unread := slices.IndexFunc(t.Attempts, func(a *Attempt) bool { return a.Err != nil && !ruledOut(a.Err) })
	matched := slices.Index(t.Attempts, t.Judged)
	switch {
	case t.Judged == nil && len(t.Attempts) > 0:
		t.Origin = t.Attempts[max(unread, 0)]
	case t.Judged.Matched() && t.Judged.Layout == nil && unread >= 0 && unread < matched:
		t.Origin = t.Attempts[unread]
	case t.Judged.Matched() || t.Judged == nil || t.named(t.Judged):
	case unread >= 0:
		t.Origin, t.Judged = t.Attempts[unread], nil
	case t.Truncated, t.PastErr != nil:
		t.Judged = nil
	}
}

// named reports whether the image itself claims to come from the attempt, or the
// attempt's layout claims to hold the image.
func (t *Trace) named(a *Attempt) bool {
	if a.Layout != nil && !errors.Is(a.Layout.Err(), layout.ErrOtherImage) {
		return true
	}
	return a.Candidate == nil || slices.Contains(namedCommits(t.published), a.Commit)
}

// claim puts the library's or the user's claim for the origin before the
// image's own. Which of its labels the image has from its base is known where a
// Dockerfile was matched.
func (t *Trace) claim() {
	t.Claims = publisherClaims(t.subject, t.Judged.inherits)
	if t.Origin != nil && (t.Origin.Candidate != nil || t.Origin.ByFlag()) {
		t.Claims = append([]Claim{t.Origin.Claim}, t.Claims...)
	}
}

// inherits reports whether the base image carries the label with that value,
// and no directive sets it.
func (a *Attempt) inherits(key, value string) bool {
	if !a.Matched() || a.Layout != nil {
		return false
	}
	_, own := a.Build.Config.Labels[key]
	return !own && a.Alignment.BaseLabel(key, value)
}

// ruledOut reports whether err says that the image cannot come from the
// candidate, as opposed to files that could not be had or are not true.
func ruledOut(err error) bool {
	_, invalid := errors.AsType[*dockerfile.Error](err)
	return invalid || errors.Is(err, ErrYounger) || errors.Is(err, fs.ErrNotExist)
}

// problems counts what stands against the match.
func (a *Attempt) problems() int {
	if a.Layout == nil {
		return len(a.Alignment.Problems)
	}
	n := 0
	for _, p := range a.Layout.Parts {
		if p.Err != nil {
			n++
		}
	}
	return n
}

// best is the first attempt that matches with its contents, else the first
// that matches, else the one that comes nearest.
func best(attempts []*Attempt) *Attempt {
	var found *Attempt
	for _, a := range attempts {
		switch {
		case a.Err != nil || a.Alignment == nil && a.Layout == nil:
		case a.Matched() && !a.contentDiffers():
			return a
		case found == nil,
			a.Matched() && !found.Matched(),
			!found.Matched() && a.problems() < found.problems():
			found = a
		}
	}
	return found
}
