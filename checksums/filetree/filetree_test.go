package filetree

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/imageverify/verify/checksums"
)

func compare(t testing.TB, a, b []checksums.Entry, o Options) *Result {
	t.Helper()
	r, err := Compare(context.Background(), indexOf(t, a), indexOf(t, b), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func keysOf(t testing.TB, r *Result) map[key]bool {
	t.Helper()
	got := map[key]bool{}
	counts := map[Class]int{}
	for _, d := range r.Differences {
		if got[key{d.Path, d.Class}] {
			t.Errorf("%q differs twice in %s", d.Path, d.Class)
		}
		got[key{d.Path, d.Class}] = true
		counts[d.Class]++
	}
	if !maps.Equal(counts, r.Counts) {
		t.Errorf("counts %v, and the differences are %v", r.Counts, counts)
	}
	return got
}

func TestEveryDifferenceIsFoundAndNoneInvented(t *testing.T) {
	seen := map[Class]int{}
	for seed := range uint64(400) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		a := randomTree(rnd, 1+rnd.IntN(80))
		b, want := damaged(rnd, a)
		r := compare(t, a, b, Options{})
		if got := keysOf(t, r); !maps.Equal(got, want) {
			t.Fatalf("seed %d: got %v\nwant %v", seed, got, want)
		}
		if r.Equal() != (len(want) == 0) || r.Total() != len(want) {
			t.Errorf("seed %d: Equal %v, Total %d with %d differences", seed, r.Equal(), r.Total(), len(want))
		}
		checkMirrored(t, seed, r, compare(t, b, a, Options{}))
		for k := range want {
			seen[k.class]++
		}
	}
	for _, class := range classes {
		if class != Order && seen[class] < 20 {
			t.Errorf("the generator made only %d differences of class %s", seen[class], class)
		}
	}
}

// checkMirrored tells whether the comparison the other way round found the
// same with the sides changed.
func checkMirrored(t *testing.T, seed uint64, r, other *Result) {
	t.Helper()
	mirrored := map[Class]Class{OnlyInA: OnlyInB, OnlyInB: OnlyInA}
	want := make([]Difference, len(r.Differences))
	for i, d := range r.Differences {
		want[i] = Difference{d.Path, d.Class, d.B, d.A}
		if m, ok := mirrored[d.Class]; ok {
			want[i].Class = m
		}
	}
	if !slices.Equal(other.Differences, want) {
		t.Errorf("seed %d: the other way round: %v\nwant %v", seed, other.Differences, want)
	}
	if other.EqualFiles != r.EqualFiles || other.EqualBytes != r.EqualBytes {
		t.Errorf("seed %d: other equal files the other way round", seed)
	}
}

func TestATreeEqualsItself(t *testing.T) {
	tree := randomTree(rand.New(rand.NewPCG(1, 1)), 200)
	files, size := 0, int64(0)
	for _, e := range tree {
		if e.Type == '0' {
			files++
			size += e.Size
		}
	}
	r := compare(t, tree, tree, Options{})
	if !r.Equal() || len(r.Differences) != 0 || r.EqualFiles != files || r.EqualBytes != size {
		t.Errorf("got %+v, want %d files of %d bytes", r, files, size)
	}
}

func file(path string) checksums.Entry {
	return checksums.Entry{Path: path, Type: '0', Mode: 0o644, Size: 3, Digest: [32]byte{1}, ModTime: time.Unix(100, 0)}
}

func with(e checksums.Entry, set func(*checksums.Entry)) checksums.Entry {
	set(&e)
	return e
}

func TestDifferencesReadLikeThis(t *testing.T) {
	f := file("f")
	dir := checksums.Entry{Path: "f", Type: '5', Mode: 0o755}
	null := checksums.Entry{Path: "f", Type: '3', Devmajor: 1, Devminor: 3}
	link := checksums.Entry{Path: "f", Type: '2', Link: "a"}
	const one = "0100000000000000000000000000000000000000000000000000000000000000"
	for name, test := range map[string]struct {
		a, b []checksums.Entry
		want []Difference
	}{
		"content": {[]checksums.Entry{f}, []checksums.Entry{with(f, func(e *checksums.Entry) { e.Size = 4 })},
			[]Difference{{"f", Content, "3 bytes, sha256:" + one, "4 bytes, sha256:" + one}}},
		"mode": {[]checksums.Entry{f}, []checksums.Entry{with(f, func(e *checksums.Entry) { e.Mode = 0o4755 })},
			[]Difference{{"f", Mode, "0644", "4755"}}},
		"owner": {[]checksums.Entry{f}, []checksums.Entry{with(f, func(e *checksums.Entry) { e.GID = 5 })},
			[]Difference{{"f", Owner, "0:0", "0:5"}}},
		"time": {[]checksums.Entry{f}, []checksums.Entry{with(f, func(e *checksums.Entry) { e.ModTime = time.Unix(101, 5) })},
			[]Difference{{"f", Time, "1970-01-01T00:01:40Z", "1970-01-01T00:01:41.000000005Z"}}},
		"xattr": {[]checksums.Entry{with(f, func(e *checksums.Entry) { e.Xattrs = map[string]string{"b": "\x01", "c": "same"} })},
			[]checksums.Entry{with(f, func(e *checksums.Entry) { e.Xattrs = map[string]string{"a": "", "b": "\x02", "c": "same"} })},
			[]Difference{{"f", Xattr, "b=0x01", "a=0x b=0x02"}}},
		"link": {[]checksums.Entry{link}, []checksums.Entry{with(link, func(e *checksums.Entry) { e.Link = "../b" })},
			[]Difference{{"f", Link, "a", "../b"}}},
		"type, and nothing else": {[]checksums.Entry{f}, []checksums.Entry{dir},
			[]Difference{{"f", Type, "file", "directory"}}},
		"a device's numbers": {[]checksums.Entry{null}, []checksums.Entry{with(null, func(e *checksums.Entry) { e.Devminor = 5 })},
			[]Difference{{"f", Type, "character device 1,3", "character device 1,5"}}},
		"only in a": {[]checksums.Entry{f}, nil, []Difference{{"f", OnlyInA, "file, 3 bytes", ""}}},
		"only in b": {nil, []checksums.Entry{link}, []Difference{{"f", OnlyInB, "", "symbolic link to a"}}},
		"a whiteout is a path": {[]checksums.Entry{file("d/.wh..wh..opq")}, nil,
			[]Difference{{"d/.wh..wh..opq", OnlyInA, "file, 3 bytes", ""}}},
		"twice in one side": {[]checksums.Entry{f}, []checksums.Entry{dir, f}, []Difference{{"f", Duplicate, "1 entry", "2 entries"}}},
		"twice in both sides": {[]checksums.Entry{f, f, f}, []checksums.Entry{f, f},
			[]Difference{{"f", Duplicate, "3 entries", "2 entries"}}},
		"twice, and the last differs": {[]checksums.Entry{f, with(f, func(e *checksums.Entry) { e.Mode = 0 })}, []checksums.Entry{f},
			[]Difference{{"f", Mode, "0000", "0644"}, {"f", Duplicate, "2 entries", "1 entry"}}},
		"twice where the other side has none": {[]checksums.Entry{f, f}, nil, []Difference{{"f", OnlyInA, "file, 3 bytes", ""}}},
		"a global header": {[]checksums.Entry{{Path: "pax_global_header", Type: 'g'}, f}, []checksums.Entry{f},
			[]Difference{{"pax_global_header", Format, "global header", ""}}},
		"a global header is not the file of its name": {[]checksums.Entry{{Path: "f", Type: 'g'}, {Path: "f", Type: 'g'}}, []checksums.Entry{f},
			[]Difference{{"f", OnlyInB, "", "file, 3 bytes"}, {"f", Format, "2 global headers", ""}}},
		"what the header says besides": {[]checksums.Entry{f}, []checksums.Entry{with(f, func(e *checksums.Entry) { e.Odd = "acl,uname" })},
			[]Difference{{"f", Format, "", "acl,uname"}}},
		"what the header says besides, and a global header": {
			[]checksums.Entry{{Path: "f", Type: 'g'}, with(f, func(e *checksums.Entry) { e.Odd = "acl" })}, []checksums.Entry{f},
			[]Difference{{"f", Format, "global header,acl", ""}}},
		"a global header beside something odd on both sides": {
			[]checksums.Entry{{Path: "f", Type: 'g'}, with(f, func(e *checksums.Entry) { e.Odd = "acl" })}, []checksums.Entry{with(f, func(e *checksums.Entry) { e.Odd = "acl" })},
			[]Difference{{"f", Format, "global header", ""}}},
		"something odd, of another type": {[]checksums.Entry{with(f, func(e *checksums.Entry) { e.Odd = "acl" })}, []checksums.Entry{{Path: "f", Type: 'g'}, dir},
			[]Difference{{"f", Type, "file", "directory"}, {"f", Format, "", "global header"}}},
		"order": {[]checksums.Entry{file("a"), file("b"), file("c")}, []checksums.Entry{file("b"), file("c"), file("a")},
			[]Difference{{"a", Order, "entry 0", "entry 2"}}},
	} {
		if got := compare(t, test.a, test.b, Options{}).Differences; !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: got %q\nwant %q", name, got, test.want)
		}
	}
}

func TestEqualFilesAreThoseWithoutAnyDifference(t *testing.T) {
	a := []checksums.Entry{file("equal"), file("odd"), file("mode"), file("twice"), file("moved"), {Path: "d", Type: '5'}, file("content")}
	b := []checksums.Entry{file("moved"), file("equal"), with(file("odd"), func(e *checksums.Entry) { e.Odd = "x" }), with(file("mode"), func(e *checksums.Entry) { e.Mode = 1 }),
		file("twice"), file("twice"), {Path: "d", Type: '5'}, with(file("content"), func(e *checksums.Entry) { e.Digest[0] = 9 })}
	if r := compare(t, a, b, Options{}); r.EqualFiles != 2 || r.EqualBytes != 6 {
		t.Errorf("got %d files of %d bytes, want equal and moved", r.EqualFiles, r.EqualBytes)
	}
}

func TestTimesAreComparedAsAsked(t *testing.T) {
	at := func(sec, nsec int64) []checksums.Entry {
		return []checksums.Entry{with(file("f"), func(e *checksums.Entry) { e.ModTime = time.Unix(sec, nsec) })}
	}
	unknown := []checksums.Entry{with(file("f"), func(e *checksums.Entry) { e.ModTime = time.Time{} })}
	never := Options{Times: func(a, b checksums.Entry) bool { return false }}
	always := Options{Times: func(a, b checksums.Entry) bool { return a.Path == b.Path }}
	for name, test := range map[string]struct {
		a, b []checksums.Entry
		o    Options
		want bool
	}{
		"the same second":               {at(5, 1), at(5, 999_999_999), Options{}, true},
		"the next second":               {at(5, 999_999_999), at(6, 0), Options{}, false},
		"the same second before 1970":   {at(-1, 1), at(-1, 2), Options{}, true},
		"unknown in a":                  {unknown, at(5, 0), Options{}, true},
		"unknown in b":                  {at(5, 0), unknown, Options{}, false},
		"a rule that never agrees":      {at(5, 0), at(5, 0), never, false},
		"a rule that always agrees":     {at(5, 0), at(7, 0), always, true},
		"ignored":                       {at(5, 0), at(7, 0), Options{IgnoreTime: true}, true},
		"ignored, whatever a rule says": {at(5, 0), at(5, 0), Options{IgnoreTime: true, Times: never.Times}, true},
	} {
		r := compare(t, test.a, test.b, test.o)
		if r.Equal() != test.want || !test.want && r.Counts[Time] != 1 {
			t.Errorf("%s: got %+v, want equal %v", name, r, test.want)
		}
	}
}

func TestDifferencesBeyondTheMaximumAreCounted(t *testing.T) {
	var a []checksums.Entry
	for i := range 5 {
		a = append(a, file(fmt.Sprint(i)))
	}
	for limit, want := range map[int]int{0: 5, 4: 4, 5: 5, 6: 5} {
		r := compare(t, a, nil, Options{Max: limit})
		if len(r.Differences) != want || r.Counts[OnlyInA] != 5 || r.Total() != 5 {
			t.Errorf("Max %d: %d kept, %v", limit, len(r.Differences), r.Counts)
		}
	}
}

func TestTheDefaultMaximumHoldsOnBothSides(t *testing.T) {
	var a []checksums.Entry
	for i := range DefaultMax + 1 {
		a = append(a, file(fmt.Sprintf("%06d", i)))
	}
	if r := compare(t, a[1:], nil, Options{}); len(r.Differences) != DefaultMax || r.Total() != DefaultMax {
		t.Errorf("at the maximum: %d of %d", len(r.Differences), r.Total())
	}
	if r := compare(t, a, nil, Options{}); len(r.Differences) != DefaultMax || r.Total() != DefaultMax+1 {
		t.Errorf("over the maximum: %d of %d", len(r.Differences), r.Total())
	}
}

// longestRun is the slow truth for movedPairs: the length of the longest
// ascending run in b of pairs sorted by a.
func longestRun(pairs []pair) int {
	best := make([]int, len(pairs))
	longest := 0
	for i := range pairs {
		best[i] = 1
		for j := range i {
			if pairs[j].b < pairs[i].b {
				best[i] = max(best[i], best[j]+1)
			}
		}
		longest = max(longest, best[i])
	}
	return longest
}

func TestTheFewestPathsAreSaidToHaveMoved(t *testing.T) {
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		n := rnd.IntN(30)
		pairs := make([]pair, n)
		for i, b := range rnd.Perm(n) {
			if seed%3 == 0 {
				b = i ^ b&1 // nearly in order
			}
			pairs[i] = pair{uint32(i), uint32(2*b) + uint32(i&1)}
		}
		rnd.Shuffle(n, func(i, j int) { pairs[i], pairs[j] = pairs[j], pairs[i] })
		all := slices.Clone(pairs)
		moved := movedPairs(pairs)
		slices.SortFunc(all, func(x, y pair) int { return int(x.a) - int(y.a) })
		rest := slices.DeleteFunc(slices.Clone(all), func(p pair) bool { return slices.Contains(moved, p) })
		if !slices.IsSortedFunc(rest, func(x, y pair) int { return int(x.b) - int(y.b) }) {
			t.Errorf("seed %d: what has not moved is out of order: %v", seed, rest)
		}
		if want := n - longestRun(all); len(moved) != want {
			t.Errorf("seed %d: %d moved, want %d", seed, len(moved), want)
		}
	}
}

func TestCompareEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	x := indexOf(t, []checksums.Entry{file("f")})
	if _, err := Compare(ctx, x, x, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestADamagedIndexIsAnErrorThatNamesTheSide(t *testing.T) {
	good := indexOf(t, []checksums.Entry{file("a"), file("b")})
	var data bytes.Buffer
	if _, err := good.WriteTo(&data); err != nil {
		t.Fatal(err)
	}
	b := data.Bytes()
	b[len(b)-1] ^= 0x80
	bad, err := checksums.ReadIndex(bytes.NewReader(b), int64(len(b)), nil)
	if err != nil {
		t.Fatal(err)
	}
	for want, sides := range map[string][2]*checksums.Index{"first tree: ": {bad, good}, "second tree: ": {good, bad}} {
		_, err := Compare(context.Background(), sides[0], sides[1], Options{})
		if err == nil || !bytes.HasPrefix([]byte(err.Error()), []byte(want)) {
			t.Errorf("got %v, want %s…", err, want)
		}
	}
}

func BenchmarkCompare(b *testing.B) {
	var tree []checksums.Entry
	for i := range 100_000 {
		tree = append(tree, file(fmt.Sprintf("usr/lib/%03d/%06d", i/100, i)))
	}
	x, y := indexOf(b, tree), indexOf(b, tree)
	b.ReportAllocs()
	for b.Loop() {
		if r, err := Compare(context.Background(), x, y, Options{}); err != nil || !r.Equal() {
			b.Fatal(err, r)
		}
	}
}
