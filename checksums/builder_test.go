package checksums

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// randomEntries returns entries with every field in use and some paths twice.
func randomEntries(seed uint64, n int) []Entry {
	rnd := rand.New(rand.NewPCG(seed, 1))
	entries := make([]Entry, n)
	for i := range entries {
		e := Entry{
			Path: CleanPath(fmt.Sprintf("d%d/s-%d/f%d", rnd.IntN(9), rnd.IntN(20), rnd.IntN(n))),
			Type: "01234567gVS"[rnd.IntN(11)],
			Mode: int64(rnd.IntN(0o10000)), UID: rnd.IntN(1 << 31), GID: rnd.IntN(3) - 1,
			Devmajor: int64(rnd.IntN(3)), Devminor: -int64(rnd.IntN(3)),
			Seq: i,
		}
		if hasContent(e.Type) {
			e.Size = rnd.Int64N(1 << 16)
			e.Digest[rnd.IntN(32)] = 1
		}
		if i%3 > 0 {
			e.ModTime = time.Unix(rnd.Int64N(1<<40)-1<<39, rnd.Int64N(int64(time.Second))).UTC()
		}
		if i%5 == 0 {
			e.Link = strings.Repeat("../", rnd.IntN(5)) + "x"
			e.Xattrs = map[string]string{"user.b": "", "security.capability": "\x01\x00\xff", "": "x"}
			e.Odd = "acl,uname"
		}
		entries[i] = e
	}
	return entries
}

func build(t testing.TB, memory int64, entries []Entry) *Index {
	t.Helper()
	b := NewBuilder(nil, Limits{})
	defer b.Close()
	if memory > 0 {
		b.memory = memory
	}
	for _, e := range entries {
		e.Seq = -1 // Add gives the place
		if err := b.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	x, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close() })
	return x
}

func entriesOf(t testing.TB, x *Index) []Entry {
	t.Helper()
	var all []Entry
	for e, err := range x.Entries() {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

func serialised(t testing.TB, x *Index) []byte {
	t.Helper()
	var b bytes.Buffer
	n, err := x.WriteTo(&b)
	if err != nil || n != int64(b.Len()) {
		t.Fatalf("WriteTo: %d of %d bytes, %v", n, b.Len(), err)
	}
	return b.Bytes()
}

func TestAnIndexHoldsWhatWasAddedInWalkOrder(t *testing.T) {
	entries := randomEntries(1, 5000)
	x := build(t, 0, entries)
	want := slices.Clone(entries)
	slices.SortStableFunc(want, func(a, b Entry) int { return compareSlowly(a.Path, b.Path) })
	if got := entriesOf(t, x); !reflect.DeepEqual(got, want) {
		t.Error("entries differ from those added, sorted stably by components")
	}
	var sum int64
	for _, e := range entries {
		sum += e.Size
	}
	if x.Len() != len(entries) || x.Bytes() != sum {
		t.Errorf("Len %d, Bytes %d; want %d, %d", x.Len(), x.Bytes(), len(entries), sum)
	}
}

func TestSpillingMakesTheSameIndex(t *testing.T) {
	entries := randomEntries(2, 5000)
	want := serialised(t, build(t, 0, entries))
	for _, memory := range []int64{1, 1 << 10, 20 << 10, 300 << 10} {
		x := build(t, memory, entries)
		if x.closer == nil {
			t.Errorf("memory %d: nothing was spilled", memory)
		}
		if !bytes.Equal(serialised(t, x), want) {
			t.Errorf("memory %d: index differs from the one made in memory", memory)
		}
	}
}

func TestOnlyWhatIsBeyondHalfTheMemoryIsSpilled(t *testing.T) {
	entries := randomEntries(3, 100)
	size := int64(len(serialised(t, build(t, 0, entries)))) - headerSize
	if x := build(t, 2*size, entries); x.closer != nil {
		t.Error("spilled, although the records are half of the memory")
	}
	if x := build(t, 2*size-2, entries); x.closer == nil {
		t.Error("kept in memory, although the records are more than half of it")
	}
}

func TestTemporaryFilesAreClosedAndHaveNoName(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	x := build(t, 1, randomEntries(4, 50))
	if names, _ := filepath.Glob(filepath.Join(dir, "*")); len(names) != 0 {
		t.Errorf("left behind: %q", names)
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := x.WriteTo(&bytes.Buffer{}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("reading a closed index: %v", err)
	}
}

func TestAFailingTemporaryFileIsASpillError(t *testing.T) {
	full := errors.New("disk full")
	readOnly := func() (*os.File, error) { return os.Open(os.DevNull) }
	for name, spill := range map[string]func() (*os.File, error){
		"that cannot be opened":  func() (*os.File, error) { return nil, full },
		"that cannot be written": readOnly,
	} {
		b := NewBuilder(spill, Limits{})
		b.memory = 1
		err := b.Add(Entry{Path: "a"})
		if err == nil {
			err = b.Add(Entry{Path: "b"})
		}
		if !errors.As(err, new(*SpillError)) {
			t.Errorf("%s: got %v", name, err)
		}
		b.Close()
	}
}

func TestBuilderLimitsHoldOnBothSides(t *testing.T) {
	long := func(n int) string { return strings.Repeat("p", n) }
	small := Limits{Unpacked: 100, Entries: 3, PathBytes: 10}
	for name, test := range map[string]struct {
		limits   Limits
		in, over []Entry
		want     LimitError
	}{
		"entries": {small,
			[]Entry{{Path: "a"}, {Path: "b"}, {Path: "c"}}, []Entry{{Path: "d"}},
			LimitError{"entries", 3}},
		"path": {small,
			[]Entry{{Path: long(10)}}, []Entry{{Path: long(11)}},
			LimitError{"bytes in a path", 10}},
		"link": {small,
			[]Entry{{Path: "a", Type: '2', Link: long(10)}}, []Entry{{Path: "a", Type: '2', Link: long(11)}},
			LimitError{"bytes in a link target", 10}},
		"content of one": {small,
			[]Entry{{Path: "a", Size: 100}}, []Entry{{Path: "b", Size: 1}},
			LimitError{"bytes of content", 100}},
		"content that would overflow": {small,
			[]Entry{{Path: "a", Size: 1}}, []Entry{{Path: "b", Size: 1<<63 - 1}},
			LimitError{"bytes of content", 100}},
		"default path": {Limits{},
			[]Entry{{Path: long(DefaultPathBytes)}}, []Entry{{Path: long(DefaultPathBytes + 1)}},
			LimitError{"bytes in a path", 4096}},
		"default content": {Limits{},
			[]Entry{{Path: "a", Size: DefaultUnpacked}}, []Entry{{Path: "b", Size: 1}},
			LimitError{"bytes of content", 8 << 30}},
		"record": {Limits{},
			[]Entry{{Path: "a", Xattrs: map[string]string{"x": long(maxRecord - 100)}}},
			[]Entry{{Path: "a", Xattrs: map[string]string{"x": long(maxRecord)}}},
			LimitError{"bytes in one entry's header", maxRecord}},
	} {
		b := NewBuilder(nil, test.limits)
		for _, e := range test.in {
			if err := b.Add(e); err != nil {
				t.Errorf("%s, inside: %v", name, err)
			}
		}
		var got *LimitError
		for _, e := range test.over {
			if err := b.Add(e); !errors.As(err, &got) || *got != test.want {
				t.Errorf("%s, outside: got %v, want %v", name, err, &test.want)
			}
		}
		b.Close()
	}
}

func TestTheDefaultLimitOfEntriesHoldsOnBothSides(t *testing.T) {
	b := NewBuilder(nil, Limits{})
	b.count = DefaultEntries - 1
	if err := b.Add(Entry{Path: "last"}); err != nil {
		t.Errorf("entry 2,000,000: %v", err)
	}
	if err := b.Add(Entry{Path: "one more"}); err == nil || err.Error() != "more than 2000000 entries" {
		t.Errorf("entry 2,000,001: %v", err)
	}
}

func TestBuilderRefusesWhatNoReaderMakes(t *testing.T) {
	for _, e := range []Entry{{Path: "a/"}, {Path: "/a"}, {Path: ""}, {Path: "./a"}, {Path: "a", Size: -1}} {
		if err := NewBuilder(nil, Limits{}).Add(e); err == nil {
			t.Errorf("path %q, size %d: no error", e.Path, e.Size)
		}
	}
}
