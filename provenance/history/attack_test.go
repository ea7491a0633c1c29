package history

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/internal/corpus"
)

// attack changes a matching history; it gives the number of layers that goes
// with it, so that only the texts can betray the change.
type attack struct {
	name   string
	change func(r *rand.Rand, a *Alignment, entries []v1.History) []v1.History
}

// ownRow picks a row that matches a directive.
func ownRow(r *rand.Rand, a *Alignment) Row {
	for {
		if row := a.Rows[r.IntN(len(a.Rows))]; row.Status == Matched {
			return row
		}
	}
}

var attacks = []attack{
	{"one letter changed", func(r *rand.Rand, a *Alignment, entries []v1.History) []v1.History {
		row := ownRow(r, a)
		entries[row.Entry].CreatedBy = otherLetter(r, row)
		return entries
	}},
	{"one entry dropped", func(r *rand.Rand, a *Alignment, entries []v1.History) []v1.History {
		i := ownRow(r, a).Entry
		return slices.Delete(entries, i, i+1)
	}},
	{"an empty entry added among them", func(r *rand.Rand, a *Alignment, entries []v1.History) []v1.History {
		return slices.Insert(entries, 1+ownRow(r, a).Entry, classic("  ENV EVIL=1")...)
	}},
	// A second entry of the first directive would pass for one of the base's:
	// that is for whoever compares the base.
	{"one entry doubled", func(r *rand.Rand, a *Alignment, entries []v1.History) []v1.History {
		i := ownRow(r, a).Entry
		if i == a.BaseEntries && a.BaseEntries > 0 {
			i = len(entries) - 1
			entries[i].CreatedBy += "x"
		}
		return slices.Insert(entries, i+1, entries[i])
	}},
	{"two neighbours swapped", func(r *rand.Rand, a *Alignment, entries []v1.History) []v1.History {
		if i := ownRow(r, a).Entry; i+1 < len(entries) && entries[i].CreatedBy != entries[i+1].CreatedBy {
			entries[i], entries[i+1] = entries[i+1], entries[i]
			return entries
		}
		return entries[:len(entries)-1]
	}},
	{"an entry on top", func(_ *rand.Rand, _ *Alignment, entries []v1.History) []v1.History {
		return append(entries, classic("/bin/sh -c true")...)
	}},
	{"an empty entry on top", func(_ *rand.Rand, _ *Alignment, entries []v1.History) []v1.History {
		return append(entries, v1.History{EmptyLayer: true})
	}},
}

// otherLetter is the row's text with one byte changed that is neither a space
// nor of the content hash, which is compared with the files.
func otherLetter(r *rand.Rand, row Row) string {
	hash := strings.Index(row.Got, row.Hash)
	for {
		i := r.IntN(len(row.Got))
		if row.Got[i] == ' ' || row.Hash != "" && i >= hash && i < hash+len(row.Hash) {
			continue
		}
		with := byte('a' + r.IntN(26))
		if with != row.Got[i] {
			return row.Got[:i] + string(with) + row.Got[i+1:]
		}
	}
}

func TestNoTamperedHistoryOfARealImageMatches(t *testing.T) {
	tried := 0
	for _, rec := range corpus.Records(t) {
		entries := rec.Entries()
		b := buildOf(t, rec)
		a := Match(entries, len(rec.Layers), b)
		if !a.Matched {
			continue
		}
		for seed := range uint64(4) {
			r := rand.New(rand.NewPCG(seed, uint64(tried)))
			for _, attack := range attacks {
				changed := attack.change(r, a, slices.Clone(entries))
				tried++
				if got := Match(changed, layersOf(changed), b); got.Matched || len(got.Problems) == 0 {
					t.Fatalf("%s (%s): %s, and it matches: %s", rec.Ref, rec.Architecture, attack.name, short(got))
				}
			}
		}
	}
	if want := 322 * 4 * len(attacks); tried != want {
		t.Errorf("%d histories were tampered with, want %d", tried, want)
	}
}

// FuzzMatch states: no history and no Dockerfile make it panic; what does not
// match has a problem and what matches has none; every entry and every
// directive is in exactly one row, in order; and layers count up.
func FuzzMatch(f *testing.F) {
	f.Add(scratchFile, strings.Join([]string{"/bin/sh -c #(nop) ADD " + addHash + " in / ", "/bin/sh -c #(nop)  ENV A=1", "/bin/sh -c x  y", `/bin/sh -c #(nop)  CMD ["c"]`}, "\n"), uint64(0b1010), 2)
	f.Add("FROM x\nENV A=$X$Y B=${X:-$PATH}\nWORKDIR s\nRUN z\nONBUILD RUN y\n", "ENV X=a b=c Y=d\nENV A=adcd B=a\nWORKDIR /s\nRUN /bin/sh -c z # buildkit", uint64(0b0011), 2)
	f.Add("FROM x\nENV A=$A$A$A$B$C$A\n", "imported\n/bin/sh -c #(nop)  ENV A=aaaaaaaaaaaaaaaaaaaaaaaaaaaaa", uint64(2), -1)
	f.Add("FROM x\nENV A=1\nRUN --mount=type=bind,target=/x c\nARG V=1\n", "imported\n/bin/sh -c #(nop) ENV A=1\n/bin/sh -c --mount=type=bind,target=/x c:sha256:"+addHash[len("file:"):]+"\n/bin/sh -c #(nop) ARG V", uint64(0b1010), 2)
	f.Add("FROM x\nUSER a\n", "/bin/sh -c #(nop)  ONBUILD RUN b\n/bin/sh -c b\n/bin/sh -c #(nop)  USER a", uint64(0b101), 1)
	f.Add("FROM x\nUSER a\n", "imported\n/bin/sh -c #(nop)  USER a\ncreate new from sha256:"+addHash[len("file:"):], uint64(0b010), 2)
	f.Fuzz(func(t *testing.T, file, lines string, empty uint64, layers int) {
		if len(file)+len(lines) > 1<<14 {
			return
		}
		b := parsed(file)
		if b == nil {
			return
		}
		var entries []v1.History
		for i, text := range strings.Split(lines, "\n") {
			entries = append(entries, v1.History{CreatedBy: text, EmptyLayer: empty>>(i%64)&1 == 1})
			if squashComment.MatchString(text) {
				entries[i].CreatedBy, entries[i].Comment = "", text
			}
		}
		a := Match(entries, layers, b)
		checkAlignment(t, a, len(entries), len(a.Build.Directives)) // with the base's triggers
	})
}

func checkAlignment(t *testing.T, a *Alignment, entries, directives int) {
	t.Helper()
	if a.Matched == (len(a.Problems) > 0) {
		t.Fatalf("matched %v with problems %+v", a.Matched, a.Problems)
	}
	entry, directive, layer := 0, 0, 0
	for _, r := range a.Rows {
		if r.Entry >= 0 && r.Entry != entry || r.Directive >= 0 && r.Directive != directive || r.Layer >= 0 && r.Layer != layer {
			t.Fatalf("row %+v, want entry %d, directive %d, layer %d", r, entry, directive, layer)
		}
		if r.Entry >= 0 {
			entry++
		}
		if r.Directive >= 0 {
			directive++
		}
		if r.Layer >= 0 {
			layer++
		}
		if a.Matched && (r.Status == Differs || r.Status == Missing || r.Status == Unexplained) {
			t.Fatalf("matched with row %+v", r)
		}
	}
	if entry != entries || directive != directives {
		t.Fatalf("%d of %d entries, %d of %d directives in the rows", entry, entries, directive, directives)
	}
}
