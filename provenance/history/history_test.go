package history

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/internal/corpus"
	"github.com/imageverify/verify/provenance/dockerfile"
)

const (
	addHash  = "file:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	copyHash = "multi:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
)

// build evaluates a Dockerfile for a platform.
func build(t testing.TB, text string) *dockerfile.Build {
	t.Helper()
	f, err := dockerfile.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	b, err := f.Evaluate(dockerfile.Options{OS: "linux", Architecture: "amd64"})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// classic makes entries of the classic builder: texts that begin with a space
// are put behind "#(nop)", and those of metadata leave no layer.
func classic(texts ...string) []v1.History {
	var out []v1.History
	for _, text := range texts {
		h := v1.History{CreatedBy: text}
		if strings.HasPrefix(text, " ") {
			h.CreatedBy = "/bin/sh -c #(nop)" + text
			h.EmptyLayer = strings.HasPrefix(text, "  ")
		}
		out = append(out, h)
	}
	return out
}

// buildkit makes entries of BuildKit.
func buildkit(texts ...string) []v1.History {
	var out []v1.History
	for _, text := range texts {
		layer := strings.HasSuffix(text, "# buildkit") || strings.HasPrefix(text, "WORKDIR")
		out = append(out, v1.History{CreatedBy: text, Comment: BuildKitComment, EmptyLayer: !layer})
	}
	return out
}

func layersOf(entries []v1.History) int {
	n := 0
	for _, h := range entries {
		if !h.EmptyLayer {
			n++
		}
	}
	return n
}

// short writes rows as "entry/directive status", for comparison.
func short(a *Alignment) string {
	var out []string
	for _, r := range a.Rows {
		out = append(out, fmt.Sprintf("%d/%d %s", r.Entry, r.Directive, r.Status))
	}
	return strings.Join(out, ", ")
}

func codes(a *Alignment) string {
	var out []string
	for _, p := range a.Problems {
		out = append(out, p.Code)
	}
	return strings.Join(out, ", ")
}

const scratchFile = "FROM scratch\nADD a.tar /\nENV A=1\nRUN x  y\nCMD [\"c\"]\n"

func scratchEntries() []v1.History {
	return classic(" ADD "+addHash+" in / ", "  ENV A=1", "/bin/sh -c x  y", `  CMD ["c"]`)
}

func TestDisagreementsAreNamedWhereTheyAre(t *testing.T) {
	at := func(i int, change func(*v1.History)) []v1.History {
		entries := scratchEntries()
		change(&entries[i])
		return entries
	}
	tests := []struct {
		name, rows, problems string
		entries              []v1.History
	}{
		{"nothing is amiss", "0/0 matched, 1/1 matched, 2/2 matched, 3/3 matched", "", scratchEntries()},
		{"one text differs", "0/0 matched, 1/1 differs, 2/2 matched, 3/3 matched", "text-differs",
			at(1, func(h *v1.History) { h.CreatedBy = "/bin/sh -c #(nop)  ENV A=2" })},
		{"an entry is missing in the middle", "0/0 matched, -1/1 missing, 1/2 matched, 2/3 matched", "entry-missing",
			slices.Delete(scratchEntries(), 1, 2)},
		{"the last entry is missing", "0/0 matched, 1/1 matched, 2/2 matched, -1/3 missing", "entry-missing", scratchEntries()[:3]},
		{"the first entry is missing", "-1/0 missing, 0/1 matched, 1/2 matched, 2/3 matched", "entry-missing", scratchEntries()[1:]},
		{"an entry nobody explains is in between", "0/0 matched, 1/1 matched, 2/-1 unexplained, 3/2 matched, 4/3 matched", "entry-unexplained",
			slices.Insert(scratchEntries(), 2, classic("  USER evil")...)},
		{"one on top", "0/0 matched, 1/1 matched, 2/2 matched, 3/3 matched, 4/-1 unexplained", "entry-unexplained",
			append(scratchEntries(), classic("/bin/sh -c rm -rf /")...)},
		{"one below what is FROM scratch", "0/-1 unexplained, 1/0 matched, 2/1 matched, 3/2 matched, 4/3 matched", "entry-unexplained",
			append(classic("  ENV B=1"), scratchEntries()...)},
		{"no history at all", "-1/0 missing, -1/1 missing, -1/2 missing, -1/3 missing",
			"entry-missing, entry-missing, entry-missing, entry-missing", nil},
		{"metadata with a layer", "0/0 matched, 1/1 matched, 2/2 matched, 3/3 matched", "empty-layer-differs",
			at(1, func(h *v1.History) { h.EmptyLayer = false })},
		{"an ADD without a layer", "0/0 matched, 1/1 matched, 2/2 matched, 3/3 matched", "empty-layer-differs",
			at(0, func(h *v1.History) { h.EmptyLayer = true })},
		{"a RUN that changed nothing", "0/0 matched, 1/1 matched, 2/2 matched, 3/3 matched", "",
			at(2, func(h *v1.History) { h.EmptyLayer = true })},
		{"BuildKit's comment on the classic builder's text", "0/0 matched, 1/1 matched, 2/2 matched, 3/3 matched", "comment-differs",
			at(3, func(h *v1.History) { h.Comment = BuildKitComment })},
		{"one entry of the other builder", "0/0 matched, 1/1 matched, 2/2 matched, 3/3 differs", "text-differs",
			at(3, func(h *v1.History) { *h = buildkit(`CMD ["c"]`)[0] })},
		{"a hash that is none", "0/0 differs, 1/1 matched, 2/2 matched, 3/3 matched", "text-differs",
			at(0, func(h *v1.History) { h.CreatedBy = strings.Replace(h.CreatedBy, "aa", "gg", 1) })},
	}
	for _, test := range tests {
		a := Match(test.entries, layersOf(test.entries), build(t, scratchFile))
		if got := short(a); got != test.rows || codes(a) != test.problems {
			t.Errorf("%s:\n got %s (%s)\nwant %s (%s)", test.name, got, codes(a), test.rows, test.problems)
		}
		if a.Matched != (test.problems == "") || a.Dialect != "classic" {
			t.Errorf("%s: matched %v, dialect %s", test.name, a.Matched, a.Dialect)
		}
	}
}

func TestAProblemSaysWhatWasWantedAndFound(t *testing.T) {
	entries := scratchEntries()
	entries[1].CreatedBy = "/bin/sh -c #(nop)  ENV A=2"
	a := Match(entries[1:], 5, build(t, scratchFile))
	want := []Problem{
		{Code: LayerCount, Directive: -1, Entry: -1, Want: "5 layers, as the image has", Got: "1 entries with a layer"},
		{Code: EntryMissing, Line: 2, Directive: 0, Entry: -1, Want: "/bin/sh -c #(nop) ADD file:… in / "},
		{Code: TextDiffers, Line: 3, Directive: 1, Entry: 0, Want: "/bin/sh -c #(nop)  ENV A=1", Got: "/bin/sh -c #(nop)  ENV A=2"},
	}
	if !slices.Equal(a.Problems, want) {
		t.Errorf("got  %+v\nwant %+v", a.Problems, want)
	}
}

func TestRowsCountTheLayersUp(t *testing.T) {
	entries := append(classic(" ADD "+addHash+" in / ", `  CMD ["sh"]`), classic("  ENV A=1", " COPY "+copyHash+" in /x ", "/bin/sh -c x")...)
	a := Match(entries, 3, build(t, "FROM debian\nENV A=1\nCOPY a b /x\nRUN x\n"))
	if !a.Matched || a.BaseEntries != 2 {
		t.Fatalf("matched %v above %d entries: %v", a.Matched, a.BaseEntries, a.Problems)
	}
	var layers []int
	for _, r := range a.Rows {
		layers = append(layers, r.Layer)
	}
	if !slices.Equal(layers, []int{0, -1, -1, 1, 2}) || a.Rows[3].Hash != copyHash {
		t.Errorf("layers %v, hash %q", layers, a.Rows[3].Hash)
	}
	if b := Match(entries, -1, build(t, "FROM debian\nENV A=1\nCOPY a b /x\nRUN x\n")); !b.Matched {
		t.Errorf("with the number of layers unknown: %v", b.Problems)
	}
	if b := Match(entries, 4, build(t, "FROM debian\nENV A=1\nCOPY a b /x\nRUN x\n")); codes(b) != "layer-count" {
		t.Errorf("with a layer too many: %v", b.Problems)
	}
}

func TestRunsOfSpacesMayDifferAndAreNamed(t *testing.T) {
	entries := scratchEntries()
	entries[2].CreatedBy = "/bin/sh -c x y"
	a := Match(entries, 2, build(t, scratchFile))
	if !a.Matched || a.Rows[2].How != WhiteSpace || a.Rows[1].How != Exact {
		t.Errorf("matched %v, %q and %q", a.Matched, a.Rows[2].How, a.Rows[1].How)
	}
	for _, text := range []string{"/bin/sh -c xy", "/bin/sh -c x\ty"} {
		entries[2].CreatedBy = text
		if Match(entries, 2, build(t, scratchFile)).Matched {
			t.Errorf("%q matches a RUN of x  y", text)
		}
	}
}

func TestBuildKitLeavesNoEntryForATrigger(t *testing.T) {
	entries := buildkit("COPY a / # buildkit", "ENV A=1")
	a := Match(entries, 1, build(t, "FROM scratch\nONBUILD RUN x\nCOPY a /\nONBUILD RUN y\nENV A=1\nONBUILD RUN z\n"))
	want := "-1/0 no-entry, 0/1 matched, -1/2 no-entry, 1/3 matched, -1/4 no-entry"
	if !a.Matched || short(a) != want || a.Dialect != "buildkit" {
		t.Errorf("%s (%v) in %s", short(a), a.Problems, a.Dialect)
	}
}

func TestADockerfileThatLeavesNothingMatchesNothing(t *testing.T) {
	for _, text := range []string{"FROM debian\n", "FROM debian\nONBUILD RUN x\n"} {
		a := Match(buildkit("ADD a / # buildkit"), 1, build(t, text))
		if a.Matched || codes(a) != "nothing-matched" {
			t.Errorf("%q: matched %v (%s)", text, a.Matched, codes(a))
		}
	}
}

func TestTheBaseFillsHoles(t *testing.T) {
	const debian = " ADD " + addHash + " in / "
	tests := []struct {
		name, file string
		base, own  []string
		matched    bool
		holes      map[string]string
		from       map[string]string
	}{
		{"with the builders' default PATH", "ENV P=/x:$PATH", []string{debian}, []string{"  ENV P=/x:" + dockerfile.DefaultPath}, true,
			nil, map[string]string{"PATH": dockerfile.DefaultPath}},
		{"and with no other", "ENV P=/x:$PATH", []string{debian}, []string{"  ENV P=/x:/evil"}, false, nil, nil},
		{"with what its last ENV says", "ENV P=/x:$PATH", []string{debian, "  ENV PATH=/one", "  ENV PATH=/two"}, []string{"  ENV P=/x:/two"}, true,
			nil, map[string]string{"PATH": "/two"}},
		{"and not an earlier one", "ENV P=/x:$PATH", []string{debian, "  ENV PATH=/one", "  ENV PATH=/two"}, []string{"  ENV P=/x:/one"}, false, nil, nil},
		{"with one of several pairs", "ENV V=$B", []string{debian, "  ENV A=1 B=2 3 C=4"}, []string{"  ENV V=2 3"}, true, nil, map[string]string{"B": "2 3"}},
		{"or a value that looks like pairs", "ENV V=$B", []string{debian, "  ENV A=1 B=2 3 C=4"}, []string{"  ENV V=2 3 C=4"}, true, nil, map[string]string{"B": "2 3 C=4"}},
		{"with nothing where no ENV sets it", "ENV L=${L:+$L:}/x", []string{debian}, []string{"  ENV L=/x"}, true, nil, map[string]string{}},
		{"or its value where one does", "ENV L=${L:+$L:}/x", []string{debian, "  ENV L=/l"}, []string{"  ENV L=/l:/x"}, true, nil, map[string]string{"L": "/l"}},
		{"with its WORKDIR", "WORKDIR sub", []string{debian, " WORKDIR /srv"}, []string{" WORKDIR /srv/sub"}, true, nil, map[string]string{}},
		{"with its SHELL", "ENV A=1", []string{debian, "  SHELL [/bin/bash -c]"}, []string{"/bin/bash -c #(nop)  ENV A=1"}, true, nil, map[string]string{}},
		{"with any one value where its history is not a builder's", "ENV A=$X\nENV B=$X", []string{"imported"}, []string{"  ENV A=1", "  ENV B=1"}, true,
			map[string]string{"X": "1"}, map[string]string{}},
		{"but not with two", "ENV A=$X\nENV B=$X", []string{"imported"}, []string{"  ENV A=1", "  ENV B=2"}, false, nil, nil},
		{"in whatever order the texts tell it", "ENV A=$X$Y\nENV B=$Y", []string{"imported"}, []string{"  ENV A=12345", "  ENV B=345"}, true,
			map[string]string{"X": "12", "Y": "345"}, map[string]string{}},
		{"with a PATH of its own where its history is not a builder's", "ENV P=$PATH", []string{"imported"}, []string{"  ENV P=/own"}, true,
			map[string]string{"PATH": "/own"}, map[string]string{}},
	}
	for _, test := range tests {
		entries := classic(append(slices.Clone(test.base), test.own...)...)
		for i := range entries {
			if strings.Contains(entries[i].CreatedBy, "ENV") {
				entries[i].EmptyLayer = true
			}
		}
		a := Match(entries, layersOf(entries), build(t, "FROM debian\n"+test.file+"\n"))
		if a.Matched != test.matched {
			t.Errorf("%s: matched %v: %+v", test.name, a.Matched, a.Problems)
			continue
		}
		if test.matched && (!maps.Equal(a.Holes, test.holes) || !maps.Equal(a.FromBase, test.from) || a.BaseEntries != len(test.base)) {
			t.Errorf("%s: holes %q, from the base %q, above %d entries", test.name, a.Holes, a.FromBase, a.BaseEntries)
		}
	}
}

func TestTheBasesTriggersAreRowsOfTheChild(t *testing.T) {
	base := classic(" ADD "+addHash+" in / ", "  ENV DIR=/app", "  ONBUILD COPY . $DIR/", "  ONBUILD RUN make")
	child := classic(" COPY "+copyHash+" in /app/ ", "/bin/sh -c make", "  USER app")
	b := build(t, "FROM app:onbuild\nUSER app\n")
	tests := []struct {
		name     string
		entries  []v1.History
		matched  bool
		triggers int
	}{
		{"run before its own directives", append(slices.Clone(base), child...), true, 2},
		{"or not at all where there are none", append(slices.Clone(base[:2]), child[2]), true, 0},
		{"in their order", append(slices.Clone(base), child[1], child[0], child[2]), true, 0}, // entries of the base, for all that is known
		{"each of them", append(slices.Clone(base), child[1:]...), true, 0},                   // the base has none that ran: its RUN is its own
		{"of the nearest image with any", slices.Concat(base, classic(" COPY "+copyHash+" in /app/ ", "/bin/sh -c make", "  ONBUILD RUN test"), classic("/bin/sh -c test", "  USER app")), true, 1},
		{"and nothing but them", slices.Concat(base, classic(" COPY "+copyHash+" in /app/ ", "/bin/sh -c make", "  USER app"), classic("  CMD []")), false, 0},
	}
	for _, test := range tests {
		a := Match(test.entries, layersOf(test.entries), b)
		triggers := 0
		for _, d := range a.Build.Directives {
			if d.Trigger {
				triggers++
			}
		}
		if a.Matched != test.matched || triggers != test.triggers {
			t.Errorf("%s: matched %v with %d triggers: %s (%s)", test.name, a.Matched, triggers, short(a), codes(a))
		}
	}
	entries := append(slices.Clone(base), child...)
	known, err := b.WithBase(func(o *dockerfile.Options) { o.BaseOnBuild = []string{"COPY . $DIR/", "RUN make"} })
	if err != nil {
		t.Fatal(err)
	}
	a := Match(entries, layersOf(entries), known)
	if !a.Matched || a.BaseEntries != 4 || !a.Build.Directives[0].Trigger || a.Build.Directives[2].Trigger || a.Build.Directives[0].Copy.Dest != "/app" {
		t.Errorf("with the base's config known: %s (%s), %+v", short(a), codes(a), a.Build.Directives[0])
	}
	if a := Match(append(slices.Clone(base), child[1:]...), 2, known); a.Matched {
		t.Error("a trigger of a known base did not run, and it matches")
	}
}

func TestTheBuildOfAnAlignmentKnowsTheBase(t *testing.T) {
	entries := classic(" ADD "+addHash+" in / ", "  ENV HOME_DIR=/srv/app", " COPY "+addHash+" in /srv/app/ ")
	given := build(t, "FROM debian\nCOPY a $HOME_DIR/\n")
	a := Match(entries, 2, given)
	if !a.Matched || a.Build.Directives[0].Copy.Dest != "/srv/app" || !dockerfile.HasHole(given.Directives[0].Copy.Dest) {
		t.Errorf("matched %v, to %q, given %q", a.Matched, a.Build.Directives[0].Copy.Dest, given.Directives[0].Copy.Dest)
	}
}

func TestListsOfAnyLengthAreAligned(t *testing.T) {
	const many = 3000 // beyond what the table holds
	var file strings.Builder
	file.WriteString("FROM scratch\n")
	var lines []string
	for i := range many {
		fmt.Fprintf(&file, "RUN a%d\n", i)
		lines = append(lines, fmt.Sprintf("/bin/sh -c a%d", i))
	}
	b := build(t, file.String())
	if a := Match(classic(lines...), many, b); !a.Matched {
		t.Errorf("%d problems", len(a.Problems))
	}
	lines[many-1], lines[0] = "/bin/sh -c zz", "/bin/sh -c zz"
	a := Match(classic(lines[1:]...), many-1, b)
	if len(a.Problems) != 2 || a.Problems[0].Code != EntryMissing || a.Problems[1].Code != TextDiffers {
		t.Errorf("problems %+v", a.Problems[:min(4, len(a.Problems))])
	}
}

// parsed is the build of a Dockerfile, nil for one that is none.
func parsed(text string) *dockerfile.Build {
	f, err := dockerfile.Parse([]byte(text))
	if err != nil {
		return nil
	}
	b, err := f.Evaluate(dockerfile.Options{OS: "linux", Architecture: "amd64"})
	if err != nil {
		return nil
	}
	return b
}

func BenchmarkMatch(b *testing.B) {
	records := corpus.Records(b)
	for b.Loop() {
		for _, r := range records {
			Match(r.Entries(), len(r.Layers), buildOf(b, r))
		}
	}
}
