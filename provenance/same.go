package provenance

import (
	"context"
	"errors"
	"slices"

	"github.com/imageverify/verify/checksums/sums"
	"github.com/imageverify/verify/provenance/source"
)

// maxVersions bounds how many contents of the origin's directory are compared
// with the image, where the origin itself is absent.
const maxVersions = 50

// Same says in what the attempt that is judged is the origin's like, beside the
// Dockerfile's matching the image.
type Same struct {
	// Serial is the date of the distributor's build, by the library's tags for
	// the origin and by what is judged; "" where they tell none.
	Serial string
	// Content says that every file the history has a hash of is the image's.
	Content bool
}

// judgeElsewhere settles what is judged where the origin's own files could not
// be read: another candidate that matches, if it is the origin's like; else a
// commit of the repository that the library does not name and whose directory
// is. What an image says of itself is never followed here.
func (t *Trace) judgeElsewhere(ctx context.Context) error {
	o := t.Origin
	if o == nil || o.Err == nil || o.Candidate == nil || o.Builder == importBuilder {
		return nil
	}
	if t.Judged != nil && t.Judged != o {
		if t.Same = t.Judged.like(o, Serial(t.Judged)); t.Same != nil {
			return nil
		}
		t.Judged = nil
	}
	if o.Repo == nil || !errors.Is(o.Err, source.ErrObjectAbsent) {
		return nil
	}
	if a, same := t.findLike(ctx, o); a != nil {
		t.Judged, t.Same = a, same
	}
	return ctx.Err()
}

// Serial is the serial of what an attempt reads: as the library's tags say it,
// else as the commit does; "" where neither tells one.
func Serial(a *Attempt) string {
	if a.Candidate != nil {
		if serials := tagSerials(a.Candidate.Entry.Tags); len(serials) > 0 {
			return serials[0]
		}
	}
	return statedSerial(a)
}

func statedSerial(a *Attempt) string {
	d, ok := sums.Find(a.Repository)
	if !ok || a.Tree == nil {
		return ""
	}
	return d.SerialAt(a.Tree.Root(), a.Directory)
}

func tagSerials(tags []string) []string {
	var out []string
	for _, tag := range tags {
		if serial := sums.SerialIn(tag); serial != "" && !slices.Contains(out, serial) {
			out = append(out, serial)
		}
	}
	return out
}

// like says in what an attempt that matches the image, and holds a serial, is the
// same as the origin; nil where it does not stand for it. What contradicts the
// image or the library does not: a content hash that differs, or another serial.
// What is not the library's word must be shown to be the same by one of the two,
// unless the build takes no file at all.
func (a *Attempt) like(o *Attempt, serial string) *Same {
	if !a.Matched() || a.contentDiffers() {
		return nil
	}
	same := &Same{Content: a.contentEqual()}
	if serials := tagSerials(o.Candidate.Entry.Tags); len(serials) > 0 && serial != "" {
		if !slices.Contains(serials, serial) {
			return nil
		}
		same.Serial = serial
	}
	if same.Serial == "" && !same.Content && a.Candidate == nil && a.copies() > 0 {
		return nil
	}
	return same
}

// contentEqual reports whether history holds a hash for everything that the
// build copies, and each is equal.
func (a *Attempt) contentEqual() bool {
	equal := 0
	for _, h := range a.Contents {
		if h.Equal {
			equal++
		}
	}
	return equal > 0 && equal == a.copies()
}

// copies counts the directives that copy files into the image.
func (a *Attempt) copies() int {
	n := 0
	for _, d := range a.Build.Directives {
		if d.Copy != nil {
			n++
		}
	}
	return n
}

// findLike looks for the origin's like in the history of the reference that the
// library says holds its commit, or of all of the repository's branches and tags
// where it names none. (The branches of a distributor that builds for several
// machines hold the same Dockerfile for each: the reference tells them apart.)
// A search that cannot go on has found nothing: the origin is unknown either way.
func (t *Trace) findLike(ctx context.Context, o *Attempt) (found *Attempt, same *Same) {
	serials := tagSerials(o.Candidate.Entry.Tags)
	tried := 0
	_ = o.Repo.Versions(ctx, o.Candidate.Entry.Fetch, o.Directory, func(c *source.Commit) bool {
		a := o.at(c)
		if a.Err = a.enter(ctx, c); a.Err != nil {
			return ctx.Err() == nil
		}
		serial := statedSerial(a)
		if serial != "" && len(serials) > 0 && !slices.Contains(serials, serial) {
			return true
		}
		if tried++; tried > maxVersions {
			return false
		}
		if a.Err = a.matchTree(ctx, t.subject); a.Err != nil {
			return ctx.Err() == nil
		}
		if same = a.like(o, serial); same != nil {
			found = a
		}
		return found == nil
	})
	return found, same
}

// at is the origin's directory at another commit, which nobody claims.
func (a *Attempt) at(c *source.Commit) *Attempt {
	claim := Claim{Kind: KindBuild, Repository: a.Repository, Commit: c.ID, Directory: a.Directory, File: a.File}
	return &Attempt{Claim: claim, Builder: a.Builder, Repo: a.Repo, CommitTime: c.Time}
}
