package filetree

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/imageverify/verify/checksums"
)

// short makes entries from words: "d/" is a directory, "h=f" a hard link,
// "s>t" a symbolic link, anything else a file.
func short(words string) []checksums.Entry {
	var entries []checksums.Entry
	for _, w := range strings.Fields(words) {
		e := checksums.Entry{Path: w, Type: '0'}
		if name, target, ok := strings.Cut(w, "="); ok {
			e = checksums.Entry{Path: name, Type: '1', Link: target}
		} else if name, target, ok := strings.Cut(w, ">"); ok {
			e = checksums.Entry{Path: name, Type: '2', Link: target}
		} else if name, ok := strings.CutSuffix(w, "/"); ok {
			e = checksums.Entry{Path: name, Type: '5'}
		}
		entries = append(entries, e)
	}
	return entries
}

func disorderOf(t testing.TB, entries []checksums.Entry) []string {
	t.Helper()
	r := compare(t, nil, entries, Options{})
	if r.DisorderedCount != len(r.Disordered) {
		t.Errorf("%d disordered, and %q listed", r.DisorderedCount, r.Disordered)
	}
	return r.Disordered
}

func TestEntriesWhosePlaceMattersAreListed(t *testing.T) {
	for entries, want := range map[string]string{
		"":                        "",
		"d/ d/a d/b=d/a d-e":      "",
		"b a c":                   "",
		"d/ e/ e/f d/f":           "",
		"b=a a":                   "b",
		"a=b b":                   "a",
		"a b=a":                   "",
		"z a=z":                   "",
		"a=b c=b b":               "a c",
		"c=b b a=b":               "c",
		"c=b b=a a":               "b c",
		"h=lower x":               "",
		"x h=lower":               "",
		"h=h":                     "",
		"d/passwd d/":             "d/passwd",
		"d/e/f d/e/ d/":           "d/e d/e/f",
		"d/ d/e/f d/e/":           "d/e/f",
		"d/e/ d/e/f d/":           "d/e d/e/f",
		"d/e/f d/":                "d/e/f",
		"d/f d>etc":               "d/f",
		"d>etc d/f":               "",
		"d-e d/":                  "",
		"a b ./":                  "",
		"a b .>x":                 "a b",
		".wh.a a":                 "",
		"a .wh.a":                 "a",
		"d/ d/.wh.a d/a d/a/b":    "",
		"d/ d/a/b d/.wh.a":        "d/a/b",
		"d/ d/ab d/.wh.a":         "",
		"d/ d/.wh.x d/.wh.a":      "",
		"d/ d/+ d/.wh..wh..opq":   "d/+",
		"d/ d/.wh..wh..opq d/+":   "",
		"d/ d/e/f d/.wh..wh..opq": "d/e/f",
		"d/.wh..wh..opq d/":       "d/.wh..wh..opq",
		"a .wh..wh..opq":          "a",
		".wh..wh..opq a":          "",
		"d/ d/a .wh.d":            "d d/a",
		"d/ d/.wh.b .wh.d":        "d",
		"../a/b ../a/":            "../a/b",
		"d/a .wh.":                "d/a",
	} {
		if got := strings.Join(disorderOf(t, short(entries)), " "); got != want {
			t.Errorf("%s: got %q, want %q", entries, got, want)
		}
	}
}

func TestAGlobalHeaderHasNoPlace(t *testing.T) {
	g := checksums.Entry{Path: "d", Type: 'g'}
	if got := disorderOf(t, append(short("d/f"), g)); len(got) != 0 {
		t.Errorf("got %q", got)
	}
	if got := disorderOf(t, append(short("d/f d/"), g)); len(got) != 1 {
		t.Errorf("got %q", got)
	}
}

func TestOfSeveralEntriesOfAPathTheLastHasThePlace(t *testing.T) {
	if got := disorderOf(t, short("d/ d/f d/")); !slices.Equal(got, []string{"d/f"}) {
		t.Errorf("got %q", got)
	}
	if got := disorderOf(t, short("d/f d/ d/f")); len(got) != 0 {
		t.Errorf("got %q", got)
	}
}

func TestDisorderedPathsBeyondTheMaximumAreCounted(t *testing.T) {
	for limit, want := range map[int]int{1: 1, 3: 3, 4: 4, 5: 4, 0: 4} {
		r := compare(t, nil, short("d/a d/b d/c d/d d/"), Options{Max: limit})
		if r.DisorderedCount != 4 || len(r.Disordered) != want || r.Disordered[0] != "d/a" {
			t.Errorf("Max %d: %d, %q", limit, r.DisorderedCount, r.Disordered)
		}
	}
}

func TestOnlyTheSecondTreesDisorderIsTold(t *testing.T) {
	a, b := short("h=f f"), short("f h=f")
	if r := compare(t, a, b, Options{}); r.DisorderedCount != 0 || r.Counts[Order] != 1 {
		t.Errorf("got %+v", r)
	}
	if r := compare(t, b, a, Options{}); r.DisorderedCount != 1 || r.Counts[Order] != 1 || r.Total() != 1 {
		t.Errorf("got %+v", r)
	}
	if r := compare(t, a, a, Options{}); r.DisorderedCount != 1 || !r.Equal() {
		t.Errorf("got %+v", r)
	}
}

// world is a small file system that archives are unpacked over, one entry
// after another, as plainly as can be.
type world struct{ root *thing }

// thing is a file, a symbolic link or a directory.
type thing struct {
	kind     byte // '0', '2' or '5'
	text     string
	children map[string]*thing
}

func newWorld() *world { return &world{&thing{kind: '5', children: map[string]*thing{}}} }

var errWorld = errors.New("cannot be unpacked")

// dir walks to a directory, following symbolic links within the root, and
// makes what is missing.
func (w *world) dir(path string, hops int) (*thing, error) {
	at := w.root
	if path == "." {
		return at, nil
	}
	for _, name := range strings.Split(path, "/") {
		next := at.children[name]
		if next == nil {
			next = &thing{kind: '5', children: map[string]*thing{}}
			at.children[name] = next
		}
		if next.kind == '2' && hops > 0 {
			var err error
			if next, err = w.dir(next.text, hops-1); err != nil {
				return nil, err
			}
		}
		if next.kind != '5' {
			return nil, errWorld
		}
		at = next
	}
	return at, nil
}

func parent(path string) (dir, base string) {
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		return path[:i], path[i+1:]
	}
	return ".", path
}

func (w *world) unpack(e checksums.Entry) error {
	where, base := parent(e.Path)
	d, err := w.dir(where, 3)
	if err != nil {
		return err
	}
	name, white := strings.CutPrefix(base, ".wh.")
	switch {
	case base == ".wh..wh..opq":
		clear(d.children)
	case white:
		delete(d.children, name)
	case e.Type == '5':
		if old := d.children[base]; old == nil || old.kind != '5' {
			d.children[base] = &thing{kind: '5', children: map[string]*thing{}}
		}
	case e.Type == '1':
		where, other := parent(e.Link)
		from, err := w.dir(where, 3)
		if err != nil || from.children[other] == nil || from.children[other].kind == '5' {
			return errWorld
		}
		d.children[base] = from.children[other]
	case e.Type == '2':
		d.children[base] = &thing{kind: '2', text: e.Link}
	default:
		d.children[base] = &thing{kind: '0', text: fmt.Sprint(e.Size)}
	}
	return nil
}

func (f *thing) show(b *strings.Builder) {
	fmt.Fprintf(b, "%c%s", f.kind, f.text)
	names := make([]string, 0, len(f.children))
	for name := range f.children {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(b, "{%s ", name)
		f.children[name].show(b)
		b.WriteByte('}')
	}
}

// unpacked says what is there after the entries were unpacked over the lower
// ones; "" where they cannot be.
func unpacked(lower, entries []checksums.Entry) string {
	w := newWorld()
	for _, e := range lower {
		_ = w.unpack(e) // what does not fit is left out
	}
	for _, e := range entries {
		if w.unpack(e) != nil {
			return ""
		}
	}
	var b strings.Builder
	w.root.show(&b)
	return b.String()
}

// closedLayer returns entries of which each has its directories
// in the layer, and each hard link a target.
func closedLayer(rnd *rand.Rand) []checksums.Entry {
	names := []string{"a", "b", "+", "z"}
	dirs := []string{""}
	kinds := map[string]byte{}
	var entries []checksums.Entry
	var files []string
	for i := range 2 + rnd.IntN(8) {
		in := dirs[rnd.IntN(len(dirs))]
		p := in + names[rnd.IntN(len(names))]
		kind := "05512wo"[rnd.IntN(7)]
		switch {
		case kind == 'w':
			entries = appendNew(entries, checksums.Entry{Path: in + ".wh." + names[rnd.IntN(len(names))], Type: '0'})
			continue
		case kind == 'o':
			entries = appendNew(entries, checksums.Entry{Path: in + checksums.OpaqueName, Type: '0'})
			continue
		case kinds[p] != 0 || kind == '1' && len(files) == 0:
			continue
		}
		kinds[p] = kind
		e := checksums.Entry{Path: p, Type: kind}
		switch kind {
		case '0':
			e.Size = int64(100 + i)
			files = append(files, p)
		case '1':
			e.Link = files[rnd.IntN(len(files))]
			files = append(files, p)
		case '2':
			e.Link = names[rnd.IntN(len(names))]
		case '5':
			dirs = append(dirs, p+"/")
		}
		entries = append(entries, e)
	}
	return entries
}

func appendNew(entries []checksums.Entry, e checksums.Entry) []checksums.Entry {
	if slices.ContainsFunc(entries, func(x checksums.Entry) bool { return x.Path == e.Path }) {
		return entries
	}
	return append(entries, e)
}

// The law that Result.Disordered states.
func TestTwoOrdersWithoutDisorderUnpackAlike(t *testing.T) {
	agreed, differed := 0, 0
	for seed := range uint64(6000) {
		rnd := rand.New(rand.NewPCG(seed, 11))
		lower, layer := closedLayer(rnd), closedLayer(rnd)
		shuffled := slices.Clone(layer)
		for range 1 + rnd.IntN(3) {
			i, j := rnd.IntN(len(layer)+1), rnd.IntN(len(layer)+1)
			if max(i, j) < len(layer) {
				shuffled[i], shuffled[j] = shuffled[j], shuffled[i]
			}
		}
		same := unpacked(lower, layer) == unpacked(lower, shuffled)
		if !same {
			differed++
		}
		if len(disorderOf(t, layer)) > 0 || len(disorderOf(t, shuffled)) > 0 {
			continue
		}
		if agreed++; !same {
			t.Fatalf("seed %d: over %+v\n%+v\n%+v", seed, lower, layer, shuffled)
		}
	}
	if agreed < 1000 || differed < 500 {
		t.Errorf("only %d pairs without disorder, %d that unpack differently", agreed, differed)
	}
}

func TestLookingForDisorderEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := &comparer{tidy: tidy{broken: true}, result: &Result{}}
	if err := c.disorder(ctx, indexOf(t, short("a"))); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func BenchmarkDisorder(b *testing.B) {
	tree := short("usr/lib/zzz/last usr/")
	for i := range 100_000 {
		tree = append(tree, short(fmt.Sprintf("usr/lib/%03d/%06d=usr/lib/zzz/last", i/100, i))...)
	}
	x := indexOf(b, tree)
	b.ReportAllocs()
	for b.Loop() {
		if r, err := Compare(context.Background(), x, x, Options{}); err != nil || r.DisorderedCount != 1 {
			b.Fatal(err, r)
		}
	}
}
