// Package history matches an image's history with the directives of a
// Dockerfile.
//
// The match is an alignment of the two lists, made from the end: the newest
// entry is the last directive's. Where they disagree the alignment says which
// directive has no entry, which entry has no directive, and which texts differ.
// It proves a text, not a content: who makes an image may write any history.
package history

import (
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/provenance/dockerfile"
)

// Alignment is an image's history beside a Dockerfile's directives.
type Alignment struct {
	// Rows are in the history's order, oldest first. Every entry and every
	// directive is in exactly one.
	Rows []Row
	// Matched is true when every directive matched, no entry is unexplained
	// and there are no Problems.
	Matched bool
	// Dialect is the builder in whose forms the history is read, one for the
	// whole image: one of dockerfile.Dialects.
	Dialect string
	// Combined says that the build's directives share one layer, which stands
	// at the last of each stage: buildah's --layers=false and --squash.
	Combined bool
	// Squashed says that the image's own layers were made one after the build,
	// for which the newest entry stands: docker build --squash. Those of earlier
	// stages were not.
	Squashed bool
	// BaseEntries is how many entries lie below the first directive's: those
	// of the base image.
	BaseEntries int
	// Problems are all that stands against the match; never empty when Matched
	// is false.
	Problems []Problem
	// Holes are the values that the match found for what only the base image
	// knows, by the names in Build.Holes. Each has one value everywhere.
	Holes map[string]string
	// FromBase are the base's variables that the Dockerfile uses, as its
	// entries in the history (and the builders' default PATH) give them. A
	// variable that is set nowhere is not in it.
	FromBase map[string]string
	// Build is the build that was matched, evaluated with FromBase. Directive
	// indices are the same as in the build that was given.
	Build *dockerfile.Build

	cost int
}

// Row is one line of the alignment.
type Row struct {
	// Entry and Directive are indices; -1 is none.
	Entry, Directive int
	// Status and How are of the constants below; How is "" for what is not matched.
	Status, How string
	// Layer is the index of the image's layer that the entry stands for; -1
	// when it has none.
	Layer int
	// Hash is the content hash in the entry ("file:…", "dir:…", "multi:…").
	Hash string
	// Want is the text that the directive gives, for reading: "$NAME" stands
	// for a hole. Got is the entry's created_by.
	Want, Got string
}

// What a row's Status says.
const (
	Matched     = "matched"     // entry and directive are of one text
	Differs     = "differs"     // of the same instruction, not of one text
	Base        = "base"        // an entry of the base image
	Unexplained = "unexplained" // an entry no directive gives
	Missing     = "missing"     // a directive without its entry
	NoEntry     = "no-entry"    // a directive for which the builder leaves no entry
	Squash      = "squash"      // the entry of the one layer that a squashed image's directives share
)

// What a matched row's How says: in which sense it is matched.
const (
	Exact      = "exact"
	WhiteSpace = "white-space" // but for the length of runs of spaces
)

// Problem is one thing that stands against the match.
type Problem struct {
	Code string
	// Line is the directive's in the Dockerfile, 0 for none; Directive and
	// Entry are indices, -1 for none.
	Line, Directive, Entry int
	Want, Got              string
}

// The codes of problems.
const (
	TextDiffers      = "text-differs"
	EntryMissing     = "entry-missing"
	EntryUnexplained = "entry-unexplained"
	EmptyLayer       = "empty-layer-differs" // the entry says it has (no) layer, the directive must (not) leave one
	LayerCount       = "layer-count"
	CommentDiffers   = "comment-differs" // the comment is another builder's
	HistoryLost      = "history-lost"    // the history has the last directive alone, as some builders leave it
	NothingMatched   = "nothing-matched" // no entry was matched: any image would do
)

// BuildKitComment is what BuildKit writes as the comment of its entries.
const BuildKitComment = "buildkit.dockerfile.v0"

// Match aligns the entries with the build's directives. layers is how many
// layers the image has; less than 0 is not known. Each dialect is tried on the
// whole history, and the better alignment is the result.
func Match(entries []v1.History, layers int, b *dockerfile.Build) *Alignment {
	if build, ok := unsquashed(entries); ok && layers != 0 {
		return matchSquashed(build, entries[len(entries)-1], layers, b)
	}
	return match(&matcher{entries: readEntries(entries), layers: layers}, b)
}

// match tries each dialect.
func match(in *matcher, b *dockerfile.Build) *Alignment {
	var best *Alignment
	for _, dialect := range dockerfile.Dialects() {
		m := *in
		m.dialect = dialect
		if a := m.match(b); best == nil || a.better(best) {
			best = a
		}
	}
	return best
}

// better says whether a is to be preferred: a match first, then fewer and
// smaller differences.
func (a *Alignment) better(than *Alignment) bool {
	if a.Matched != than.Matched {
		return a.Matched
	}
	return a.cost < than.cost
}

// matcher matches one history in one dialect.
type matcher struct {
	entries []entry
	layers  int
	dialect string
	// squashed says that the layers of the build's last stage were made one.
	squashed bool
}

// match aligns, with the base's triggers where its own entries tell of any and
// their entries follow.
func (m *matcher) match(b *dockerfile.Build) *Alignment {
	if b.Base == dockerfile.Scratch || b.File == nil || b.Options.BaseOnBuild != nil || b.Options.BaseEnv != nil {
		return m.matchBase(b)
	}
	for _, triggers := range m.triggers(b) {
		child, err := b.WithBase(func(o *dockerfile.Options) { o.BaseOnBuild = triggers })
		if err != nil {
			continue
		}
		if a := m.matchBase(child); a.Matched {
			return a
		}
	}
	return m.matchBase(b)
}

// triggers are what the base's ONBUILD may have been, by the entries that are
// not the build's own: the last that stand together, or all of them. Those of
// an image further down have run before.
func (m *matcher) triggers(b *dockerfile.Build) [][]string {
	var all []int
	for i, e := range m.entries {
		if e.name == "ONBUILD" {
			all = append(all, i)
		}
	}
	for _, d := range b.Directives {
		if d.Name == "ONBUILD" && !leavesNone(d, m.dialect) && len(all) > 0 {
			all = all[:len(all)-1]
		}
	}
	if len(all) == 0 {
		return nil
	}
	last := len(all) - 1
	for last > 0 && all[last-1] == all[last]-1 {
		last--
	}
	out := [][]string{m.bodies(all[last:])}
	if last > 0 {
		out = append(out, m.bodies(all))
	}
	return out
}

// bodies are the entries' texts behind the instruction's name.
func (m *matcher) bodies(entries []int) []string {
	var out []string
	for _, i := range entries {
		out = append(out, m.entries[i].body)
	}
	return out
}

// matchBase aligns; where the build stands on an image of which little is known,
// the entries below the directives' tell more about it.
func (m *matcher) matchBase(b *dockerfile.Build) *Alignment {
	first := m.align(b)
	if b.Base == dockerfile.Scratch || b.File == nil || b.Options.BaseEnv != nil {
		return first
	}
	best := (*Alignment)(nil)
	for _, below := range m.splits(first, b) {
		for _, base := range m.bases(below, b) {
			resolved, err := base.apply(b)
			if err != nil {
				continue
			}
			a := m.align(resolved)
			a.FromBase = base.used
			if a.Matched {
				return a
			}
			if best == nil || a.better(best) {
				best = a
			}
		}
	}
	if best == nil {
		// The base's own values make no build of it: then it is not the base.
		first.refuse()
		return first
	}
	return best
}

// refuse takes a match back whose holes the base's entries contradict.
func (a *Alignment) refuse() {
	if a.Matched {
		a.Matched = false
		a.Problems = append(a.Problems, Problem{Code: NothingMatched, Directive: -1, Entry: -1,
			Want: "a base image whose variables fit", Got: "other values in the base image's history"})
	}
}

// splits are the places where the base's entries may end: where the first
// alignment says, and where they would if nothing were amiss. A base's SHELL
// stands before every text of the classic builder, so the first may be wrong.
func (m *matcher) splits(first *Alignment, b *dockerfile.Build) []int {
	leaving := 0
	for _, d := range b.Directives {
		if !leavesNone(d, m.dialect) {
			leaving++
		}
	}
	out := []int{first.BaseEntries}
	if n := len(m.entries) - leaving; n >= 0 && n != first.BaseEntries {
		out = append(out, n)
	}
	return out
}
