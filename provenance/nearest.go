package provenance

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/imageverify/verify/provenance/library"
)

// Bounds of the search for an entry that matches: how many are read, and for how
// long. It explains a failure, which stands without it.
const (
	maxNearest  = 300
	nearestTime = 10 * time.Second
)

// Nearest looks for an entry of the image's own file in the library, of any tag
// and time, whose Dockerfile gives the image's history, where those that
// were tried do not: newest first, within bounds. It is nil where there is none,
// and never the origin.
func (t *Trace) Nearest(ctx context.Context) (*library.Candidate, error) {
	name, official := strings.CutPrefix(t.subject.Repository, libraryPrefix)
	if !official || t.from.Given != nil || !t.contradicted() {
		return nil, nil
	}
	bounded, cancel := context.WithTimeout(ctx, nearestTime)
	defer cancel()
	lib, err := t.from.Library(bounded)
	if err != nil {
		return nil, ctx.Err()
	}
	s := t.subject
	all, err := lib.Every(bounded, name, library.Arch(s.OS, s.Architecture, s.Variant), maxNearest)
	if err != nil {
		return nil, ctx.Err()
	}
	for i := range all {
		c := &all[i]
		if bounded.Err() != nil {
			break
		}
		if c.Entry.Builder == importBuilder || t.tried(c.Entry) {
			continue
		}
		a := &Attempt{Claim: libraryClaim(*c, nil), Candidate: c, Builder: "dockerfile"}
		if a.Err = a.read(bounded, s, t.from); a.Matched() {
			return c, ctx.Err()
		}
	}
	return nil, ctx.Err()
}

// contradicted reports whether entries were tried, and the image is of none of
// them.
func (t *Trace) contradicted() bool {
	if j := t.Judged; j != nil {
		return j.Alignment != nil && !j.Matched()
	}
	return len(t.Attempts) > 0 && !slices.ContainsFunc(t.Attempts, func(a *Attempt) bool { return a.Err != nil && !ruledOut(a.Err) })
}

// tried reports whether an entry is among the attempts.
func (t *Trace) tried(e library.Entry) bool {
	for _, a := range t.Attempts {
		if a.Candidate != nil && a.Commit == e.Commit && a.Directory == cleanDirectory(e.Directory) && a.File == e.File {
			return true
		}
	}
	return false
}
