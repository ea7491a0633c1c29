package source

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// blobs reads texts back by their names.
func checkBlobs(t *testing.T, r *testRepo, texts ...string) {
	t.Helper()
	repo := r.open()
	for _, text := range texts {
		got, err := repo.Blob(t.Context(), nameOf(kindBlob, text).String(), maxBlob)
		if err != nil || string(got) != text {
			t.Errorf("blob of %d bytes: %d bytes, %v", len(text), len(got), err)
		}
	}
}

func TestDeltasOfBothKindsAreApplied(t *testing.T) {
	r := newTestRepo(t)
	base := strings.Repeat("0123456789", 20)
	one := base[10:110] + "one"
	two := one[3:50] + "two"
	three := "three" // all inserted
	r.addPack([]packItem{
		{kind: kindNameDelta, baseID: nameOf(kindBlob, one), data: deltaData(len(one), 3, 47, "two")}, // its base comes later
		{kind: kindBlob, data: base},
		{kind: kindOffsetDelta, base: 1, data: deltaData(len(base), 10, 100, "one")},
		{kind: kindOffsetDelta, base: 2, data: deltaData(len(one), 0, 0, three)},
	})
	checkBlobs(t, r, base, one, two, three)
}

func TestLargeDeltaBasesGoThroughAFile(t *testing.T) {
	random := make([]byte, maxInMemory+1)
	rng := rand.NewChaCha8([32]byte{})
	rng.Read(random)
	base := string(random)
	one := base[100:] + "one"
	two := one[:len(one)-100] + strings.Repeat("two", 100)
	r := newTestRepo(t)
	r.addPack([]packItem{
		{kind: kindBlob, data: base},
		{kind: kindOffsetDelta, base: 0, data: deltaData(len(base), 100, len(base)-100, "one")},
		{kind: kindOffsetDelta, base: 1, data: deltaData(len(one), 0, len(one)-100, strings.Repeat("two", 100))},
	})
	checkBlobs(t, r, two, one, base)
}

func TestPacksThatAreWrongAreNotIndexed(t *testing.T) {
	blob := packItem{kind: kindBlob, data: "content"}
	limit := func(err error) bool { var l *LimitError; return errors.As(err, &l) }
	malformed := func(err error) bool { return errors.Is(err, ErrMalformed) }
	for name, one := range map[string]struct {
		items []packItem
		edit  func([]byte) []byte
		is    func(error) bool
	}{
		"object shorter than it says":         {items: []packItem{{kind: kindBlob, data: "content", size: 8}}, is: malformed},
		"object longer than it says":          {items: []packItem{{kind: kindBlob, data: "content", size: 6}}, is: malformed},
		"object over the bound":               {items: []packItem{{kind: kindBlob, data: "content", size: maxBlob + 1}}, is: limit},
		"object at the bound that is shorter": {items: []packItem{{kind: kindBlob, data: "content", size: maxBlob}}, is: malformed},
		"unknown kind of object":              {items: []packItem{{kind: 5, data: "content"}}, is: malformed},
		"delta without its base":              {items: []packItem{{kind: kindNameDelta, data: deltaData(7, 0, 7, "")}}, is: malformed},
		"delta on itself":                     {items: []packItem{{kind: kindOffsetDelta, base: 0, data: deltaData(7, 0, 7, "")}}, is: malformed},
		"delta for a base of another size":    {items: []packItem{blob, {kind: kindOffsetDelta, data: deltaData(8, 0, 7, "")}}, is: malformed},
		"delta that copies beyond the base":   {items: []packItem{blob, {kind: kindOffsetDelta, data: deltaData(7, 1, 7, "")}}, is: malformed},
		"delta that ends early":               {items: []packItem{blob, {kind: kindOffsetDelta, data: deltaData(7, 0, 7, "xyz")[:12]}}, is: malformed},
		"delta to more than the bound":        {items: []packItem{blob, {kind: kindOffsetDelta, data: string(binary.AppendUvarint([]byte{7}, maxBlob+1))}}, is: malformed},
		"delta that gives more than its size": {items: []packItem{blob, {kind: kindOffsetDelta, data: "\x07\x03\x05abcde"}}, is: malformed},
		"delta with the reserved instruction": {items: []packItem{blob, {kind: kindOffsetDelta, data: "\x07\x03\x00"}}, is: malformed},
		"bytes after the last object":         {items: []packItem{blob, blob}, edit: func(b []byte) []byte { b[11] = 1; return resum(b) }, is: malformed},
		"fewer objects than it says":          {items: []packItem{blob}, edit: func(b []byte) []byte { b[11] = 2; return resum(b) }, is: malformed},
		"more objects than the bound":         {items: []packItem{blob}, edit: func(b []byte) []byte { b[8] = 0xff; return resum(b) }, is: limit},
		"checksum that is wrong":              {items: []packItem{blob}, edit: func(b []byte) []byte { b[len(b)-1] ^= 1; return b }, is: malformed},
		"version 3":                           {items: []packItem{blob}, edit: func(b []byte) []byte { b[7] = 3; return resum(b) }, is: malformed},
		"cut short":                           {items: []packItem{blob}, edit: func(b []byte) []byte { return b[:len(b)-7] }, is: malformed},
		"empty":                               {edit: func([]byte) []byte { return nil }, is: malformed},
	} {
		data, _ := packData(one.items)
		if one.edit != nil {
			data = one.edit(data)
		}
		sum, err := indexBytes(t, data, new(bytes.Buffer))
		if !one.is(err) || sum != "" {
			t.Errorf("%s: %q, %v", name, sum, err)
		}
	}
}

func resum(data []byte) []byte {
	body := data[:len(data)-idSize]
	sum := sha1.Sum(body)
	return append(body, sum[:]...)
}

func indexBytes(t testing.TB, data []byte, out *bytes.Buffer) (string, error) {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "pack")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(data); err != nil {
		t.Fatal(err)
	}
	return indexPack(t.Context(), f, out)
}

func TestAnIndexThatIsWrongIsRefused(t *testing.T) {
	data, _ := packData([]packItem{{kind: kindBlob, data: "one"}, {kind: kindBlob, data: "two"}})
	var good bytes.Buffer
	if _, err := indexBytes(t, data, &good); err != nil {
		t.Fatal(err)
	}
	name := nameOf(kindBlob, "one")
	find := func(raw []byte) (int64, bool, error) {
		x, err := newPackIndex(bytes.NewReader(raw), int64(len(raw)))
		if err != nil {
			return 0, false, err
		}
		return x.find(name)
	}
	if offset, ok, err := find(good.Bytes()); offset != packHeader || !ok || err != nil {
		t.Fatalf("the index itself: %d, %v, %v", offset, ok, err)
	}
	for what, edit := range map[string]func([]byte) []byte{
		"version 1":           func(b []byte) []byte { b[7] = 1; return b },
		"cut in the counts":   func(b []byte) []byte { return b[:500] },
		"cut in the ids":      func(b []byte) []byte { return b[:1060] },
		"cut in the trailer":  func(b []byte) []byte { return b[:len(b)-1] },
		"counts that go down": func(b []byte) []byte { b[indexHeader+3] = 9; return b },
		"more than the bound": func(b []byte) []byte { b[indexHeader+fanoutSize-4] = 0xff; return b },
		"offset in no wide table": func(b []byte) []byte {
			for i := range 2 {
				b[len(b)-indexTrailer-8+4*i] = 0x80
			}
			return b
		},
	} {
		_, ok, err := find(edit(bytes.Clone(good.Bytes())))
		var limit *LimitError
		if ok || !errors.Is(err, ErrMalformed) && !errors.As(err, &limit) {
			t.Errorf("%s: found %v, %v; want an error", what, ok, err)
		}
	}
}

func TestOffsetsBeyondTwoGiBStandInTheWideTable(t *testing.T) {
	wide := int64(5) << 30
	x := &indexer{objects: []packed{{id: id{1}, offset: 12}, {id: id{2}, offset: wide}, {id: id{2, 1}, offset: 1 << 31}}}
	empty, err := os.Create(filepath.Join(t.TempDir(), "empty"))
	if err != nil {
		t.Fatal(err)
	}
	defer empty.Close()
	x.pack = &pack{file: empty}
	var out bytes.Buffer
	if err := x.write(&out, id{}); err != nil {
		t.Fatal(err)
	}
	index, err := newPackIndex(bytes.NewReader(out.Bytes()), int64(out.Len()))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[id]int64{{1}: 12, {2}: wide, {2, 1}: 1 << 31} {
		if got, ok, err := index.find(name); got != want || !ok || err != nil {
			t.Errorf("%s: %d, %v, %v; want %d", name, got, ok, err, want)
		}
	}
}

func TestTheCacheOfBasesIsBounded(t *testing.T) {
	b, p := newBaseCache(), &pack{}
	for i := range 40 {
		b.put(p, int64(i), content{size: maxCachedItem, memory: make([]byte, maxCachedItem)})
	}
	if b.size > maxCached || len(b.items) != maxCached/maxCachedItem || b.order.Len() != len(b.items) {
		t.Errorf("%d items of together %d bytes", len(b.items), b.size)
	}
	if b.put(p, 100, content{size: maxCachedItem + 1}); b.has(p, 100) {
		t.Error("an item over the bound was kept")
	}
	if !b.has(p, 39) || b.has(p, 0) {
		t.Error("not the items used last were kept")
	}
}
