package library

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Candidate is an entry that a tag had for one architecture, over one stretch
// of time. An entry that was replaced and came back has a candidate for each
// stretch.
type Candidate struct {
	Entry Entry
	// LibraryCommit is the library's commit in which the stretch begins, Merged
	// its committer time.
	LibraryCommit string
	Merged        time.Time
	// Until is when the entry was replaced or removed; zero: it was not.
	Until time.Time
	// InForce says that the same entry is the tag's at the library's HEAD, be it
	// in this stretch or a later one.
	InForce bool
	// Behind counts the different entries that came after this one's last
	// stretch; 0 for the newest, even if the tag has ended since.
	Behind int
	// File is the library's file, such as library/alpine.
	File string
}

// Name is the library's name of the image, such as alpine.
func (c Candidate) Name() string { return strings.TrimPrefix(c.File, folder+"/") }

// Candidates returns all entries that a tag of an image (such as "alpine")
// had for an architecture (bashbrew's name of it) in the library's past, newest
// first.
func (l *Library) Candidates(ctx context.Context, image, tag, arch string) ([]Candidate, error) {
	past, err := l.history(ctx, image, tag)
	if err != nil {
		return nil, err
	}
	out := stretches(past, arch)
	if len(out) == 0 {
		return nil, fmt.Errorf("%s:%s for %s: %w", image, tag, arch, ErrNoTag)
	}
	for i := range out {
		out[i].File = folder + "/" + image
	}
	return out, nil
}

// stretches finds when each entry of an architecture came and went.
func stretches(past []moment, arch string) []Candidate {
	var out []Candidate
	open := map[string]int{} // identity to the index in out
	for _, m := range past {
		present := map[string]bool{}
		for _, e := range m.entries {
			key := e.identity()
			if e.Architecture != arch || present[key] {
				continue
			}
			present[key] = true
			if _, ok := open[key]; !ok {
				open[key] = len(out)
				out = append(out, Candidate{Entry: e, LibraryCommit: m.commit, Merged: m.time})
			}
		}
		for key, i := range open {
			if !present[key] {
				out[i].Until = m.time
				delete(open, key)
			}
		}
	}
	slices.Reverse(out)
	rank(out)
	return out
}

// rank sets InForce and Behind of candidates that stand newest first.
func rank(out []Candidate) {
	type standing struct {
		behind  int
		inForce bool
	}
	seen := map[string]standing{}
	for i := range out {
		key := out[i].Entry.identity()
		s, ok := seen[key]
		if !ok {
			s = standing{behind: len(seen), inForce: out[i].Until.IsZero()}
			seen[key] = s
		}
		out[i].Behind, out[i].InForce = s.behind, s.inForce
	}
}

// lastFakeYear is the year up to which a creation time means that there is
// none: builders write 0 or 1980 in its place.
const lastFakeYear = 1980

// maxLead is how much younger than an image its source commit may be: clocks
// differ, and nothing more.
const maxLead = 24 * time.Hour

func known(created time.Time) bool { return created.Year() > lastFakeYear }

// Order returns the candidates, which stand newest first, in the order in which
// to try them for an image: first those whose commit is named, by other claims
// of the build, and the one in force where it holds a built image, which is
// always older than its commit; then the newest merged at or before the creation time, and
// older ones; then those merged later, nearest first, since an image is often
// built before its entry is merged. Where created is not known (zero, or not
// after 1980) it is newest first. An entry with several stretches comes once.
//
// The later ones are candidates only if they pass MayExplain, which needs the
// time of the entry's own commit and is left to the caller, who reads it anyway.
func Order(c []Candidate, created time.Time, named []string) []Candidate {
	var first, before, after []Candidate
	for _, one := range c {
		switch {
		case one.Entry.Commit != "" && slices.Contains(named, one.Entry.Commit),
			one.InForce && one.Entry.Builder == "oci-import":
			first = append(first, one)
		case !known(created) || !one.Merged.After(created):
			before = append(before, one)
		default:
			after = append(after, one)
		}
	}
	slices.Reverse(after)
	return distinct(slices.Concat(first, before, after))
}

func distinct(c []Candidate) []Candidate {
	seen := map[string]bool{}
	return slices.DeleteFunc(c, func(one Candidate) bool {
		key := one.Entry.identity()
		twice := seen[key]
		seen[key] = true
		return twice
	})
}

// MayExplain reports whether an image of that creation time can come from the
// entry, given the committer time of the entry's commit: a cause is never
// younger than its effect, give or take a day. An image without a known
// creation time can come from any entry.
func (c Candidate) MayExplain(created, committed time.Time) bool {
	return !known(created) || !committed.After(created.Add(maxLead))
}
