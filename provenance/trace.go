// Package provenance finds where an image comes from: it gathers every claim of
// origin and chooses the one that the evidence matches.
package provenance

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/provenance/dockerfile"
	"github.com/imageverify/verify/provenance/history"
	"github.com/imageverify/verify/provenance/layout"
	"github.com/imageverify/verify/provenance/library"
	"github.com/imageverify/verify/provenance/source"
)

// maxAttempts bounds how many candidates are read for one image, maxMoves how
// many of them are compared with its layers.
const (
	maxAttempts = 100
	maxMoves    = 10
)

// Subject is what is known of the image that is traced. Nothing in it is
// trusted.
type Subject struct {
	// Repository and Tag are the name to trace under, such as
	// "docker.io/library/alpine" and "3.20.3"; "" where the image has no name.
	Repository, Tag           string
	OS, Architecture, Variant string
	// Created is the time the config claims; zero where it claims none.
	Created time.Time
	History []v1.History
	// Digest is the manifest's digest and Manifest its bytes; zero for an image
	// without one, which ImageID and DiffIDs then stand for.
	Digest   v1.Hash
	Manifest []byte
	ImageID  v1.Hash
	DiffIDs  []v1.Hash
	// Layers is the number of layers of the manifest.
	Layers                                     int
	Annotations, DescriptorAnnotations, Labels map[string]string
}

// Sources gives what a trace reads. Library is asked at most once, and only
// for an image of the official library of which no build definition is Given.
type Sources struct {
	Given   *Given
	Library func(ctx context.Context) (*library.Library, error)
	Open    func(ctx context.Context, repository string, trusted bool) (*source.Repository, error)
}

// Trace is what was found out about an image's origin.
type Trace struct {
	// Claims are the claims of origin; of the library's entries only the one
	// that is the origin.
	Claims []Claim
	// Origin is the candidate that the image comes from as far as is known: the
	// first whose Dockerfile matches, else the first; nil without candidates.
	Origin *Attempt
	// Judged is the attempt whose Dockerfile was read: Origin, or one that holds
	// the same build where the origin's own files are absent. nil when no
	// Dockerfile could be read.
	Judged *Attempt
	// Same says in what Judged is Origin's like, where it is another attempt.
	Same *Same
	// Attempts are all candidates that were tried, in order.
	Attempts []*Attempt
	// InForce is the library's entry in force now for the tag; nil where there
	// is none. LastEntry is the newest there ever was.
	InForce, LastEntry *library.Candidate
	// Truncated says that there are more candidates than are tried.
	Truncated bool
	// LibraryErr says why the library gave no candidates, Stale why its copy
	// was not brought up to date, and PastErr why no other candidates could be
	// had than the entry in force.
	LibraryErr, Stale, PastErr error

	subject   Subject
	from      Sources
	published []Claim
	rest      []*Attempt // candidates not yet tried
	past      func(context.Context) ([]library.Candidate, []Evidence, error)
	silent    map[string]error // repositories that did not answer
	moves     int
}

// Attempt is one candidate origin, and what reading it gave.
type Attempt struct {
	Claim
	// Candidate is the library's entry, where the claim is the library's.
	Candidate *library.Candidate
	// Builder is "dockerfile" or "oci-import".
	Builder string
	// Err says why the Dockerfile could not be read or evaluated.
	Err error
	// The rest is set as far as reading came.
	Repo       *source.Repository
	CommitTime time.Time
	// Context is the build context, nil where none is known; Tree is the same
	// where it is a directory of the commit. AsFound says that the context's
	// modes are its own, and not git's two.
	Context fs.FS
	Tree    *source.Tree
	AsFound bool
	// ContextName is what the user calls a context that was handed in.
	ContextName string
	// Buildah says that the image may be buildah's, whose ways differ from the
	// classic builder's where its history does not.
	Buildah bool
	// Ignore is the text of the Dockerfile's own ignore file, nil where it has
	// none.
	Ignore []byte
	// FileID is the git object id of the Dockerfile, or of the layout's index;
	// the digest of a Dockerfile that was handed in.
	FileID string
	// Layout is how a layout in git compares with the image, for oci-import; the
	// rest is set for a Dockerfile.
	Layout    *layout.Result
	Build     *dockerfile.Build
	Alignment *history.Alignment
	// Contents are the content hashes that history holds, recomputed.
	Contents []ContentHash

	given *Given
}

// Matched reports whether there is an attempt, its Dockerfile was read, and its
// directives are the image's history; or its layout was read, and is the image.
func (a *Attempt) Matched() bool {
	if a != nil && a.Layout != nil {
		return a.Err == nil && a.Layout.Equal()
	}
	return a != nil && a.Err == nil && a.Alignment != nil && a.Alignment.Matched
}

// ErrNotInLibrary is given for a name that is not docker.io/library/….
var ErrNotInLibrary = errors.New("not a name of the official library")

// ErrNameUnknown is given for an image that has no name to trace under.
var ErrNameUnknown = errors.New("the image has no name to trace under")

// ErrTagUnknown is given for a name of the official library without a tag, by
// which the library's entries are found.
var ErrTagUnknown = errors.New("the name has no tag, by which the library's entries are found")

// ErrYounger is given for a candidate whose commit is younger than the image: a
// cause is never younger than its effect.
var ErrYounger = errors.New("the commit is younger than the image")

const libraryPrefix = "docker.io/library/"

// Find traces an image.
func Find(ctx context.Context, s Subject, from Sources) (*Trace, error) {
	t := &Trace{subject: s, from: from, published: publisherClaims(s, nil)}
	if from.Given != nil {
		t.rest = []*Attempt{givenAttempt(from.Given)}
		return t.finish(ctx)
	}
	candidates, evidence, err := t.libraryCandidates(ctx, s, from)
	t.LibraryErr = err
	t.line(candidates, evidence)
	return t.finish(ctx)
}

// finish tries the candidates and settles on one.
func (t *Trace) finish(ctx context.Context) (*Trace, error) {
	if _, err := t.advance(ctx); err != nil {
		return nil, err
	}
	t.settle()
	if j := t.Judged; j != nil && j.Alignment != nil && !j.Alignment.Matched {
		if err := j.hashContents(ctx); err != nil {
			return nil, err
		}
	}
	return t, t.judgeElsewhere(ctx)
}

// line makes candidates the next to be tried.
func (t *Trace) line(candidates []library.Candidate, evidence []Evidence) {
	t.InForce, t.LastEntry = nil, nil
	if len(candidates) > 0 {
		t.LastEntry = &candidates[0]
		if i := slices.IndexFunc(candidates, func(c library.Candidate) bool { return c.InForce }); i >= 0 {
			t.InForce = &candidates[i]
		}
	}
	t.rest = attempts(library.Order(candidates, t.subject.Created, namedCommits(t.published)), evidence, t.published)
}

// libraryCandidates asks the library: for the entry in force alone, where that
// is sure to be the first to try and the past is not at hand, else for all.
func (t *Trace) libraryCandidates(ctx context.Context, s Subject, from Sources) ([]library.Candidate, []Evidence, error) {
	if s.Repository == "" {
		return nil, nil, ErrNameUnknown
	}
	name, ok := strings.CutPrefix(s.Repository, libraryPrefix)
	switch {
	case !ok:
		return nil, nil, ErrNotInLibrary
	case s.Tag == "":
		return nil, nil, ErrTagUnknown
	}
	lib, err := from.Library(ctx)
	if err != nil {
		return nil, nil, err
	}
	head, date := lib.Head()
	evidence := []Evidence{
		{Kind: "url", Value: lib.Location()},
		{Kind: "git", Value: head + " (" + date.UTC().Format(time.RFC3339) + ")"},
	}
	if t.Stale = lib.Stale(); t.Stale != nil {
		evidence = append(evidence, Evidence{Kind: "line", Value: "the library's copy was not brought up to date: " + t.Stale.Error()})
	}
	arch := library.Arch(s.OS, s.Architecture, s.Variant)
	past := func(ctx context.Context) ([]library.Candidate, []Evidence, error) {
		all, err := lib.Candidates(ctx, name, s.Tag, arch)
		return all, evidence, err
	}
	now, sure, err := lib.Certain(ctx, name, s.Tag, arch, namedCommits(t.published))
	if err != nil || !sure {
		return past(ctx)
	}
	t.past = past
	return []library.Candidate{now}, evidence, nil
}

// lookBack asks the library's past for more candidates, once. Those that were
// tried are not tried again.
func (t *Trace) lookBack(ctx context.Context) error {
	past := t.past
	t.past = nil
	candidates, evidence, err := past(ctx)
	if err != nil {
		t.PastErr = err
		return ctx.Err()
	}
	t.line(candidates, evidence)
	t.rest = slices.DeleteFunc(t.rest, func(a *Attempt) bool {
		return slices.ContainsFunc(t.Attempts, func(tried *Attempt) bool {
			return tried.Repository == a.Repository && tried.Commit == a.Commit && tried.Directory == a.Directory && tried.File == a.File
		})
	})
	return nil
}

// namedCommits are the commits that build claims other than the library's name.
func namedCommits(claims []Claim) []string {
	var out []string
	for _, c := range claims {
		if c.Kind == KindBuild && fullCommit.MatchString(c.Commit) {
			out = append(out, c.Commit)
		}
	}
	return out
}

// attempts lists what to try: the library's entries in order, or, without any,
// what the image itself claims as its build definition.
func attempts(ordered []library.Candidate, evidence []Evidence, claims []Claim) []*Attempt {
	var out []*Attempt
	for i := range ordered {
		c := &ordered[i]
		builder := c.Entry.Builder
		if builder != importBuilder {
			builder = "dockerfile"
		}
		out = append(out, &Attempt{Claim: libraryClaim(*c, evidence), Candidate: c, Builder: builder})
	}
	if len(out) > 0 {
		return out
	}
	for _, c := range claims {
		if c.Kind == KindBuild && c.Directory != "" && fullCommit.MatchString(c.Commit) {
			out = append(out, &Attempt{Claim: c, Builder: "dockerfile"})
		}
	}
	return out
}

// advance reads candidates in order until one matches in every respect, and
// returns it; nil when there is none left. A repository that does not answer is
// asked once.
func (t *Trace) advance(ctx context.Context) (*Attempt, error) {
	for len(t.rest) > 0 || t.past != nil {
		if len(t.rest) == 0 {
			if len(t.silent) > 0 {
				return nil, nil // the entry in force could not be asked about
			}
			if err := t.lookBack(ctx); err != nil {
				return nil, err
			}
			continue
		}
		if len(t.Attempts) == maxAttempts {
			t.Truncated = true
			return nil, nil
		}
		a := t.rest[0]
		t.rest, t.Attempts = t.rest[1:], append(t.Attempts, a)
		repository := source.NormalizeURL(a.Repository)
		if a.Err = t.silent[repository]; a.Err != nil {
			continue
		}
		a.Err = a.read(ctx, t.subject, t.from)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if errors.Is(a.Err, source.ErrUnreachable) || errors.Is(a.Err, source.ErrNoRepository) || errors.Is(a.Err, source.ErrNotFollowed) {
			if t.silent == nil {
				t.silent = map[string]error{}
			}
			t.silent[repository] = a.Err
		}
		if a.Matched() && !a.contentDiffers() {
			return a, nil
		}
	}
	return nil, nil
}

// Next moves on to the next candidate that matches, for a caller that found the
// files of the one at hand to be other ones: two commits can hold the same
// Dockerfile. It reports false, and changes nothing, where there is none.
func (t *Trace) Next(ctx context.Context) (bool, error) {
	if t.moves++; t.moves > maxMoves {
		return false, nil
	}
	a, err := t.advance(ctx)
	if a == nil || err != nil {
		return false, err
	}
	t.Rejudge(a)
	return true, nil
}

// Rejudge makes one of the attempts the origin, and the one that is judged.
func (t *Trace) Rejudge(a *Attempt) {
	t.Origin, t.Judged = a, a
	t.claim()
}
