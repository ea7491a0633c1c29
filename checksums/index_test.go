package checksums

import (
	"bytes"
	"encoding/binary"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"
)

func readIndex(b []byte) (*Index, error) {
	return ReadIndex(bytes.NewReader(b), int64(len(b)), nil)
}

func TestAnIndexSurvivesItsSerialisedForm(t *testing.T) {
	for _, n := range []int{0, 1, 2000} {
		x := build(t, 0, randomEntries(5, n))
		b := serialised(t, x)
		got, err := readIndex(b)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(entriesOf(t, got), entriesOf(t, x)) || got.Len() != n || got.Bytes() != x.Bytes() {
			t.Errorf("%d entries: not the same after reading", n)
		}
		if !bytes.Equal(serialised(t, got), b) {
			t.Errorf("%d entries: not the same bytes", n)
		}
	}
}

func TestFindGivesTheLastEntryOfAPath(t *testing.T) {
	x := build(t, 1, []Entry{
		{Path: "etc/passwd", Mode: 1}, {Path: "b"}, {Path: "etc/passwd", Mode: 2}, {Path: "etc/passwd-", Mode: 3}, {Path: "."},
	})
	got, err := x.Find("etc/passwd", "none", ".", "etc")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]Entry{"etc/passwd": {Path: "etc/passwd", Mode: 2, Seq: 2}, ".": {Path: ".", Seq: 4}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestEntriesCanBeLeftEarlyAndReadAgain(t *testing.T) {
	x := build(t, 0, randomEntries(6, 20))
	for range x.Entries() {
		break
	}
	if n := len(entriesOf(t, x)); n != 20 {
		t.Errorf("second reading gave %d entries", n)
	}
}

func TestClosingNoIndexIsFine(t *testing.T) {
	if err := (*Index)(nil).Close(); err != nil {
		t.Error(err)
	}
}

type closeCounter int

func (c *closeCounter) Close() error { *c++; return nil }

func TestCloseClosesWhatTheIndexReadsFrom(t *testing.T) {
	b := serialised(t, build(t, 0, nil))
	var c closeCounter
	x, err := ReadIndex(bytes.NewReader(b), int64(len(b)), &c)
	if err != nil {
		t.Fatal(err)
	}
	if err := x.Close(); err != nil || c != 1 {
		t.Errorf("closed %d times, %v", c, err)
	}
}

// rawIndex is a serialised index made by hand.
func rawIndex(count, content uint64, records ...[]byte) []byte {
	b := []byte(indexMagic)
	b = binary.LittleEndian.AppendUint64(b, count)
	b = binary.LittleEndian.AppendUint64(b, content)
	for _, r := range records {
		b = append(b, r...)
	}
	return b
}

func rawRecord(body string) []byte {
	return append(binary.LittleEndian.AppendUint32(nil, uint32(len(body))), body...)
}

// readAll reads an index to its end and returns the first error.
func readAll(b []byte) error {
	x, err := readIndex(b)
	if err != nil {
		return err
	}
	for _, err := range x.Entries() {
		if err != nil {
			return err
		}
	}
	return nil
}

func TestDamagedIndexesAreRefused(t *testing.T) {
	a, b := appendRecord(nil, &Entry{Path: "a", Size: 1}), appendRecord(nil, &Entry{Path: "b", Size: 2, Seq: 1})
	again := appendRecord(nil, &Entry{Path: "a", Seq: 0})
	// path type mode uid gid size link devmajor devminor time xattrs digest seq odd
	const good = "\x01a0\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	if err := readAll(rawIndex(1, 0, rawRecord(good))); err != nil {
		t.Fatalf("the record that the others are made of: %v", err)
	}
	if err := readAll(rawIndex(2, 3, a, b)); err != nil {
		t.Fatalf("two good records: %v", err)
	}
	for name, raw := range map[string][]byte{
		"nothing":                          nil,
		"a cut header":                     rawIndex(0, 0)[:headerSize-1],
		"another magic":                    append([]byte("vindex\x00\x01"), rawIndex(0, 0)[8:]...),
		"more entries than bytes":          rawIndex(1<<62, 0, a),
		"a negative sum":                   rawIndex(1, 1<<63, a),
		"an entry too few":                 rawIndex(2, 1, a),
		"an entry too many":                rawIndex(1, 3, a, b),
		"another sum":                      rawIndex(2, 4, a, b),
		"the wrong order":                  rawIndex(2, 3, b, a),
		"the same place twice":             rawIndex(2, 1, a, again),
		"a cut record":                     rawIndex(1, 1, a[:len(a)-1]),
		"a cut length":                     rawIndex(1, 1, a, []byte{1, 0}),
		"a length beyond the end":          rawIndex(1, 1, []byte{0xff, 0xff, 0xff, 0xff}),
		"an empty record":                  rawIndex(1, 0, rawRecord("")),
		"bytes behind the fields":          rawIndex(1, 0, rawRecord(good+"\x00")),
		"a path longer than the record":    rawIndex(1, 0, rawRecord("\xffa")),
		"a path that is not clean":         rawIndex(1, 0, rawRecord("\x02a/"+good[2:])),
		"a number longer than needed":      rawIndex(1, 0, rawRecord("\x81\x00a"+good[2:])),
		"a number beyond 64 bits":          rawIndex(1, 0, rawRecord(good[:3]+strings.Repeat("\xff", 10)+"\x01"+good[4:])),
		"a size beyond 63 bits":            rawIndex(1, 0, rawRecord(good[:6]+strings.Repeat("\xff", 9)+"\x01"+good[7:])),
		"a time flag that is neither":      rawIndex(1, 0, rawRecord(good[:10]+"\x02"+good[11:])),
		"nanoseconds beyond a second":      rawIndex(1, 0, rawRecord(good[:10]+"\x01\x00\x80\x94\xeb\xdc\x03"+good[11:])),
		"a zero time that is written":      rawIndex(1, 0, rawRecord(good[:10]+"\x01"+string(binary.AppendVarint(nil, time.Time{}.Unix()))+"\x00"+good[11:])),
		"more attributes than bytes":       rawIndex(1, 0, rawRecord(good[:11]+"\x7f"+good[12:])),
		"attributes out of order":          rawIndex(1, 0, rawRecord(good[:11]+"\x02\x01b\x00\x01a\x00"+good[12:])),
		"an attribute twice":               rawIndex(1, 0, rawRecord(good[:11]+"\x02\x01a\x00\x01a\x00"+good[12:])),
		"a zero digest that is written":    rawIndex(1, 0, rawRecord(good[:12]+"\x01"+strings.Repeat("\x00", 32)+good[13:])),
		"oddities that are cut":            rawIndex(1, 0, rawRecord(good[:14]+"\x02x")),
		"a digest that is cut":             rawIndex(1, 0, rawRecord(good[:12]+"\x01abc")),
		"a record longer than the longest": rawIndex(1, 0, rawRecord(strings.Repeat("x", maxRecord))),
	} {
		if err := readAll(raw); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestFindReportsDamage(t *testing.T) {
	x, err := readIndex(rawIndex(1, 0, rawRecord("\x01a")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.Find("a"); err != errRecord {
		t.Errorf("got %v", err)
	}
}

func TestAnIndexWhoseFileGotShorterIsAnError(t *testing.T) {
	b := serialised(t, build(t, 0, randomEntries(7, 10)))
	x, err := ReadIndex(bytes.NewReader(b[:len(b)-1]), int64(len(b)), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.WriteTo(io.Discard); err != io.ErrUnexpectedEOF {
		t.Errorf("WriteTo: %v", err)
	}
}

// The law: an index that reads without an error writes back to the same bytes,
// entry by entry.
func FuzzReadIndex(f *testing.F) {
	for n := range 4 {
		f.Add(serialised(f, build(f, 0, randomEntries(uint64(n), n*3))))
	}
	f.Add(rawIndex(1, 0, rawRecord("\x01a")))
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := readIndex(b)
		if err != nil {
			return
		}
		var again []byte
		count, content := 0, int64(0)
		for e, err := range x.Entries() {
			if err != nil {
				return
			}
			again = appendRecord(again, &e)
			count++
			content += e.Size
		}
		if again = append(appendHeader(nil, count, content), again...); !bytes.Equal(again, b) {
			t.Errorf("%x reads, and writes back to %x", b, again)
		}
		if _, err := x.Find("a"); err != nil {
			t.Errorf("Find: %v", err)
		}
	})
}
