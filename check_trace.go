package verify

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/imageverify/verify/provenance"
	"github.com/imageverify/verify/provenance/history"
	"github.com/imageverify/verify/provenance/library"
)

// findOrigin judges trace.origin.
func findOrigin(f *facts) *Finding {
	if f.trace == nil {
		reason := reasonOf(f.traceErr)
		return finding(unknownUnless(reason, "digest-mismatch"), reason, "the image could not be traced: %s", errorLine(f.traceErr))
	}
	origin, judged := f.trace.Origin, f.trace.Judged
	switch {
	case origin == nil:
		return noOrigin(f.trace)
	case origin.Candidate == nil && libraryFailed(f.trace.LibraryErr):
		return noLibrary(f.trace.LibraryErr).with(evidenceOf(origin.Claim)...)
	case origin.Candidate == nil && slices.ContainsFunc([]error{library.ErrNoImage, library.ErrNoTag, provenance.ErrTagUnknown},
		func(no error) bool { return errors.Is(f.trace.LibraryErr, no) }):
		return finding(Unknown, reasonOf(f.trace.LibraryErr), "an official name, and %s; the image itself names %s", f.trace.LibraryErr, place(origin)).
			with(evidenceOf(origin.Claim)...)
	case origin != judged && judged != nil:
		return sameElsewhere(f.trace)
	case origin.Err != nil:
		return unreadOrigin(f.trace)
	case judged == nil && f.trace.PastErr != nil:
		return noPast(f.trace)
	case judged == nil:
		return withAttempts(finding(Unknown, "over-limit", "none of the first %s matches, and there are more", plural(len(f.trace.Attempts), "candidate")), f.trace)
	case origin.Layout != nil && !origin.Matched():
		return layoutOrigin(f.trace)
	case !origin.Matched():
		return mismatched(f.trace)
	case origin.HandedIn():
		return passed("%s, which was handed in, matches; no repository and no commit are known", dockerfileOf(origin)).
			with(originEvidence(origin)...)
	}
	out := passed("%s at %s, every object re-hashed, matches", dockerfileOf(origin), origin.Commit)
	return withAttempts(out.with(originEvidence(origin)...), f.trace)
}

// noOrigin says why there is no candidate at all.
func noOrigin(t *provenance.Trace) *Finding {
	for _, c := range t.Claims {
		if c.Commit != "" && c.Kind == provenance.KindBuild {
			return finding(Unknown, "claim-not-proved", "the %s names %s at %s, which was not read", c.Source, c.Repository, c.Commit).with(evidenceOf(c)...)
		}
	}
	if libraryFailed(t.LibraryErr) {
		return noLibrary(t.LibraryErr)
	}
	return finding(Unknown, reasonOf(t.LibraryErr), "no origin is known: %s", errorLine(t.LibraryErr))
}

// libraryFailed reports whether the library could not be asked, as opposed to
// an answer of "no".
func libraryFailed(err error) bool {
	return err != nil && !slices.ContainsFunc([]error{provenance.ErrNameUnknown, provenance.ErrTagUnknown, provenance.ErrNotInLibrary, library.ErrNoImage, library.ErrNoTag},
		func(no error) bool { return errors.Is(err, no) })
}

func noLibrary(err error) *Finding {
	reason := reasonOf(err)
	if reason == "unreadable" || reason == "source-absent" {
		reason = "library-unavailable"
	}
	return finding(Unknown, reason, "the official library could not be read: %s", err)
}

// noPast is for an entry in force that does not match while no other entries of
// the library could be had.
func noPast(t *provenance.Trace) *Finding {
	return withAttempts(finding(Unknown, reasonOf(t.PastErr), "the entry in force does not match, and the library's past could not be read: %s", errorLine(t.PastErr)), t)
}

// sameElsewhere is for an origin whose own files are absent while another
// commit holds a build that matches as well.
func sameElsewhere(t *provenance.Trace) *Finding {
	o, j := t.Origin, t.Judged
	reason := reasonOf(o.Err)
	out := finding(unknownUnless(reason, "object-mismatch"), reason, "%s could not be read (%s); what follows was judged on %s, which has %s",
		place(o), errorLine(o.Err), place(j), likeness(t.Same)).with(originEvidence(j)...)
	out = withAttempts(out, t)
	out.details().SameAs = sameAs(t)
	return out
}

// likeness says in what another commit is the origin's like.
func likeness(same *provenance.Same) string {
	text := "a Dockerfile that matches"
	if same.Serial != "" {
		text += ", of the serial " + same.Serial
	}
	if same.Content {
		text += ", and the files that the history has the hashes of"
	}
	return text
}

// sameAs is the commit that was judged in the origin's place; nil where the
// origin itself was.
func sameAs(t *provenance.Trace) *SameAs {
	if t == nil || t.Judged == nil || t.Judged == t.Origin {
		return nil
	}
	j := t.Judged
	return &SameAs{j.Repository, j.Commit, j.Directory, j.File, t.Same.Serial, t.Same.Content}
}

// judgedElsewhere adds to a finding that rests on the judged files that they are
// another commit's than the origin's.
func (f *Finding) judgedElsewhere(same *SameAs) {
	f.Summary += "; judged on another commit, " + same.Commit
	f.details().SameAs = same
}

// elsewhere reports whether the finding rests on another commit than the
// origin's: references led to that, and they prove nothing.
func (f *Finding) elsewhere() bool { return f.Details != nil && f.Details.SameAs != nil }

func unreadOrigin(t *provenance.Trace) *Finding {
	o := t.Origin
	status, reason := Unknown, reasonOf(o.Err)
	if reason == "object-mismatch" || reason == "dockerfile-invalid" {
		status = Fail
	}
	if reason == "unreadable" {
		reason = "claim-not-proved"
	}
	out := finding(status, reason, "the %s names %s: %s", o.Source, place(o), errorLine(o.Err)).with(evidenceOf(o.Claim)...)
	return withAttempts(out, t)
}

func mismatched(t *provenance.Trace) *Finding {
	o := t.Origin
	if o.Alignment.Lost() {
		return withAttempts(finding(Unknown, history.HistoryLost, "%s could be it: its last directive is the image's, and the history has no other", dockerfileOf(o)).with(originEvidence(o)...), t)
	}
	if o.ByFlag() {
		text := dockerfileOf(o)
		if !o.HandedIn() {
			text += " at " + o.Commit
		}
		return finding(Fail, "text-differs", "%s, which the flag names, does not match the image's history", text).with(originEvidence(o)...)
	}
	out := finding(Fail, "text-differs", "no Dockerfile matches: of %s tried, %s comes nearest", plural(len(t.Attempts), "candidate"), place(o))
	return withAttempts(out.with(originEvidence(o)...), t)
}

// withAttempts lists what was tried, where that was more than one.
func withAttempts(f *Finding, t *provenance.Trace) *Finding {
	if len(t.Attempts) < 2 {
		return f
	}
	for _, a := range t.Attempts {
		f.details().Candidates = append(f.Details.Candidates, Attempt{a.Repository, a.Commit, a.Directory, outcome(a)})
	}
	return f
}

func outcome(a *provenance.Attempt) string {
	switch {
	case a.Err != nil:
		return reasonOf(a.Err)
	case a.Layout != nil && !a.Matched():
		return reasonOf(a.Layout.Err())
	case !a.Matched():
		return "text-differs"
	}
	for _, h := range a.Contents {
		if h.Err == nil && !h.Equal {
			return "hash-differs"
		}
	}
	return "matched"
}

// place names an attempt in a sentence: repository, commit and directory, or
// the file that was handed in.
func place(a *provenance.Attempt) string {
	if a.HandedIn() {
		return dockerfileOf(a)
	}
	return fmt.Sprintf("%s#%s:%s", a.Repository, a.Commit, a.Directory)
}

func dockerfileOf(a *provenance.Attempt) string { return path.Join(a.Directory, a.File) }

func originEvidence(a *provenance.Attempt) []Evidence {
	var out []Evidence
	if !a.HandedIn() {
		out = append(out, Evidence{Kind: "git", Value: place(a)})
	}
	if a.FileID != "" {
		out = append(out, fileEvidence(a))
	}
	return append(out, evidenceOf(a.Claim)...)
}

// fileEvidence names the Dockerfile by its object id, or by its digest.
func fileEvidence(a *provenance.Attempt) Evidence {
	kind := "git"
	if a.HandedIn() {
		kind = "digest"
	}
	return Evidence{Kind: kind, Value: a.FileID + " (" + dockerfileOf(a) + ")"}
}

// contextEvidence names where the build context was read.
func contextEvidence(a *provenance.Attempt) Evidence {
	if a.HandedIn() {
		return Evidence{Kind: "file", Value: a.ContextName}
	}
	return Evidence{Kind: "git", Value: place(a)}
}

func evidenceOf(c provenance.Claim) []Evidence {
	out := make([]Evidence, len(c.Evidence))
	for i, e := range c.Evidence {
		out[i] = Evidence(e)
	}
	return out
}

// findClaims judges trace.claims. A single claim agrees with itself; no claim
// at all leaves nothing to check.
func findClaims(f *facts) *Finding {
	claims := f.claims()
	if len(claims) == 0 {
		return nil
	}
	n, inherited := 0, 0
	for _, c := range claims {
		if c.Base {
			inherited++
		} else {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	var parts []Part
	for _, d := range provenance.Disagreements(claims) {
		status := Fail
		if d.Reason == "other-repository" {
			status = Warn
		}
		parts = append(parts, Part{d.A.Source + " and " + d.B.Source, status, d.Reason,
			fmt.Sprintf("%s against %s", claimText(d.A), claimText(d.B))})
	}
	all := plural(n, "claim") + " agree on " + claimText(claims[0])
	if n == 1 {
		all = "one claim, by the " + claims[0].Source + ": " + claimText(claims[0])
	}
	if inherited > 0 {
		all += fmt.Sprintf("; %s of the base image, which speaks of the base", plural(inherited, "claim"))
	}
	out := ofParts(parts, all)
	for _, c := range claims {
		out.with(evidenceOf(c)...)
	}
	return out
}

func claimText(c provenance.Claim) string {
	text := c.Repository
	if c.Commit != "" {
		text += "#" + c.Commit
	}
	if c.Directory != "" {
		text += ":" + c.Directory
	}
	if text == "" {
		return c.File
	}
	return text
}

// findCurrent judges trace.current, for an origin that is a library entry.
func findCurrent(f *facts) *Finding {
	if f.trace == nil || f.trace.Origin == nil || f.trace.Origin.Candidate == nil || !f.trace.Judged.Matched() {
		return nil
	}
	c := f.trace.Origin.Candidate
	if c.InForce && f.trace.Stale != nil {
		return finding(Unknown, "library-stale", "the entry in force as of an old copy of the library: %s", f.trace.Stale)
	}
	if c.InForce && c.Merged.IsZero() {
		return passed("the library's entry in force").with(Evidence{Kind: "git", Value: c.LibraryCommit})
	}
	if c.InForce {
		return passed("the library's entry in force, since %s", date(c.Merged)).with(Evidence{Kind: "git", Value: c.LibraryCommit})
	}
	last := f.trace.LastEntry
	if f.trace.InForce == nil {
		out := finding(Warn, "tag-ended", "the library dropped the tag on %s; the image's entry was in force from %s to %s",
			date(last.Until), date(c.Merged), date(c.Until))
		out.Details = newerDetails(c, last)
		return out.with(Evidence{Kind: "git", Value: c.LibraryCommit})
	}
	out := finding(Warn, "superseded", "%s newer in the library, the newest of %s (commit %s)",
		plural(c.Behind, "entry"), date(last.Merged), last.Entry.Commit)
	out.Details = newerDetails(c, last)
	return out.with(Evidence{Kind: "git", Value: last.LibraryCommit})
}

func newerDetails(c, last *library.Candidate) *Details {
	if c.Behind == 0 {
		return nil
	}
	e := last.Entry
	return &Details{Behind: c.Behind, Newer: &Claim{Source: provenance.ByLibrary, Kind: provenance.KindBuild,
		Repository: e.Repository, Commit: e.Commit, Directory: e.Directory, File: e.File,
		Evidence: []Evidence{{Kind: "git", Value: last.LibraryCommit}}}}
}

func date(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// commitClaimed reports whether the origin's commit comes from the image itself
// or from a flag, rather than from the library.
func commitClaimed(f *facts) bool {
	return f.trace != nil && f.trace.Origin != nil && f.trace.Origin.Candidate == nil && f.trace.Origin.Commit != ""
}

// findReachable judges trace.reachable, for an origin that was read.
func findReachable(f *facts) *Finding {
	if !f.reachable.asked {
		return nil
	}
	o := f.trace.Origin
	switch {
	case f.reachable.err != nil:
		reason := reasonOf(f.reachable.err)
		return finding(unknownUnless(reason, "object-mismatch"), reason, "branches and tags of %s: %s", o.Repository, f.reachable.err)
	case !f.reachable.ok:
		return finding(Unknown, "commit-unreachable", "no branch or tag of %s leads to %s; a fork's commit looks like this", o.Repository, o.Commit)
	}
	return passed("a branch or tag of %s leads to the commit", o.Repository).with(Evidence{Kind: "git", Value: o.Commit})
}
