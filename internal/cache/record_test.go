package cache

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// both reads a record in the two ways there are, which must agree.
func both(t *testing.T, d *Dir, kind string, version int, key string) ([]byte, error) {
	t.Helper()
	got, err := d.Get(kind, version, key)
	f, errOpen := d.Open(kind, version, key)
	if errOpen != nil {
		if err == nil || err.Error() != errOpen.Error() {
			t.Errorf("Get says %v, Open says %v", err, errOpen)
		}
		return nil, errOpen
	}
	defer f.Close()
	all, errRead := io.ReadAll(f.Section())
	if errRead != nil || err != nil || !bytes.Equal(got, all) || f.Size() != int64(len(all)) {
		t.Errorf("Get gives %q, %v; Open gives %q, %v, size %d", got, err, all, errRead, f.Size())
	}
	return got, nil
}

func TestARecordIsReadBackAsItWasWritten(t *testing.T) {
	d := openTemp(t)
	for _, data := range []string{"", "x", strings.Repeat("0123456789", 100_000)} {
		put(t, d, "kind", 3, "key", data)
		got, err := both(t, d, "kind", 3, "key")
		if err != nil || string(got) != data {
			t.Errorf("%d bytes: got %d bytes, %v", len(data), len(got), err)
		}
	}
	if names := files(t, d.path); len(names) != 1 {
		t.Errorf("three writes of one key left %q", names)
	}
}

func TestFileReadsAtAnyPlaceAndNotBeyond(t *testing.T) {
	d := openTemp(t)
	put(t, d, "kind", 1, "key", "0123456789")
	f, err := d.Open("kind", 1, "key")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tests := map[string]struct {
		off  int64
		size int
		want string
		err  error
	}{
		"the beginning":       {0, 3, "012", nil},
		"the end":             {7, 3, "789", nil},
		"over the end":        {8, 3, "89", io.EOF},
		"behind the end":      {11, 1, "", io.EOF},
		"before the payload":  {-1, 1, "", io.EOF},
		"the header's offset": {-headerSize, 1, "", io.EOF},
	}
	for name, test := range tests {
		p := make([]byte, test.size)
		n, err := f.ReadAt(p, test.off)
		if string(p[:n]) != test.want || err != test.err {
			t.Errorf("%s: got %q, %v; want %q, %v", name, p[:n], err, test.want, test.err)
		}
	}
}

func TestAnOpenFileKeepsItsBytesWhenTheRecordIsReplaced(t *testing.T) {
	d := openTemp(t)
	put(t, d, "kind", 1, "key", "old")
	f, err := d.Open("kind", 1, "key")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	put(t, d, "kind", 1, "key", "new")
	got, err := io.ReadAll(f.Section())
	if err != nil || string(got) != "old" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestARecordThatWasNeverWrittenIsAbsent(t *testing.T) {
	d := openTemp(t)
	if _, err := both(t, d, "kind", 1, "key"); !errors.Is(err, ErrAbsent) {
		t.Errorf("in an empty cache: %v", err)
	}
	put(t, d, "kind", 1, "key", "data")
	for name, ask := range map[string]struct {
		kind    string
		version int
		key     string
	}{
		"another kind":    {"kin", 1, "key"},
		"a newer version": {"kind", 2, "key"},
		"an older one":    {"kind", 0, "key"},
		"another key":     {"kind", 1, "kez"},
		"a negative one":  {"kind", -1, "key"},
	} {
		if _, err := both(t, d, ask.kind, ask.version, ask.key); !errors.Is(err, ErrAbsent) {
			t.Errorf("%s: %v, want ErrAbsent", name, err)
		}
	}
	if got, err := both(t, d, "kind", 1, "key"); err != nil || string(got) != "data" {
		t.Errorf("the record itself: %q, %v", got, err)
	}
}

func TestEveryFlippedBitAndEveryCutIsFoundOut(t *testing.T) {
	d := openTemp(t)
	put(t, d, "kind", 1, "key", "the payload")
	path := recordPath(t, d, "kind", "key")
	valid, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	attack := func(name string, data []byte) {
		t.Helper()
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := both(t, d, "kind", 1, "key"); !errors.Is(err, ErrAbsent) {
			t.Errorf("%s got through: %q, %v", name, got, err)
		}
	}
	for i := range len(valid) * 8 {
		flipped := bytes.Clone(valid)
		flipped[i/8] ^= 1 << (i % 8)
		attack(fmt.Sprintf("byte %d with bit %d flipped", i/8, i%8), flipped)
	}
	for n := range len(valid) {
		attack(fmt.Sprintf("a cut after %d bytes", n), valid[:n])
	}
	attack("one byte more", append(bytes.Clone(valid), 0))
	attack("doubled", append(bytes.Clone(valid), valid...))
	attack("zeroes", make([]byte, len(valid)))
	if err := os.WriteFile(path, valid, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := both(t, d, "kind", 1, "key"); err != nil || string(got) != "the payload" {
		t.Errorf("the valid record, put back: %q, %v", got, err)
	}
}

func TestARecordUnderAnotherName(t *testing.T) {
	d := openTemp(t)
	put(t, d, "evil", 1, "key", "data")
	put(t, d, "kind", 1, "other", "data")
	for name, from := range map[string]string{
		"of another kind": recordPath(t, d, "evil", "key"),
		"of another key":  recordPath(t, d, "kind", "other"),
	} {
		to := recordPath(t, d, "kind", "key")
		copyFile(t, from, to)
		_, err := both(t, d, "kind", 1, "key")
		if !errors.Is(err, ErrAbsent) || !errors.Is(err, errOther) {
			t.Errorf("%s: %v, want ErrAbsent: the record of something else", name, err)
		}
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o700), os.WriteFile(to, data, 0o600)); err != nil {
		t.Fatal(err)
	}
}

func TestTheErrorSaysWhyARecordIsAbsent(t *testing.T) {
	tests := map[string]struct {
		damage func(t *testing.T, path string)
		want   string
	}{
		"another version":         {func(t *testing.T, path string) { patch(t, path, atVersion+7, 9) }, "kind record: not in the cache: written in another version: 9, not 1"},
		"a flipped payload byte":  {func(t *testing.T, path string) { patch(t, path, headerSize, '?') }, "kind record: not in the cache: damaged"},
		"another magic":           {func(t *testing.T, path string) { patch(t, path, 7, 2) }, "kind record: not in the cache: not a record"},
		"truncated":               {truncate(headerSize + 3), "kind record: not in the cache: truncated or too long"},
		"truncated in the header": {truncate(headerSize - 1), "kind record: not in the cache: not a record"},
		"writable by others":      {func(t *testing.T, path string) { check(t, os.Chmod(path, 0o666)) }, "kind record: not in the cache: the record is writable by others (mode 0666)"},
		"a directory":             {replace(func(path string) error { return os.Mkdir(path, 0o700) }), "kind record: not in the cache: not a record"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			d := openTemp(t)
			put(t, d, "kind", 1, "key", "data")
			test.damage(t, recordPath(t, d, "kind", "key"))
			_, err := both(t, d, "kind", 1, "key")
			if !errors.Is(err, ErrAbsent) || err.Error() != test.want {
				t.Errorf("error %q\nwant  %q", err, test.want)
			}
		})
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func patch(t *testing.T, path string, off int64, b byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	check(t, err)
	_, err = f.WriteAt([]byte{b}, off)
	check(t, errors.Join(err, f.Close()))
}

func truncate(size int64) func(*testing.T, string) {
	return func(t *testing.T, path string) { check(t, os.Truncate(path, size)) }
}

func replace(with func(path string) error) func(*testing.T, string) {
	return func(t *testing.T, path string) { check(t, errors.Join(os.Remove(path), with(path))) }
}

func TestALinkOutOfTheCacheIsNotFollowed(t *testing.T) {
	d := openTemp(t)
	put(t, d, "kind", 1, "key", "data")
	path := recordPath(t, d, "kind", "key")
	outside := filepath.Join(t.TempDir(), "outside")
	check(t, errors.Join(os.Rename(path, outside), os.Symlink(outside, path)))
	if got, err := both(t, d, "kind", 1, "key"); !errors.Is(err, ErrAbsent) {
		t.Errorf("got %q, %v", got, err)
	}
	put(t, d, "kind", 1, "key", "made again")
	if got, err := both(t, d, "kind", 1, "key"); err != nil || string(got) != "made again" {
		t.Errorf("after writing it again: %q, %v", got, err)
	}
	old, err := os.ReadFile(outside)
	if err != nil || !bytes.HasSuffix(old, []byte("data")) {
		t.Errorf("the file outside was written to: %q, %v", old, err)
	}
}

func TestADamagedRecordIsMadeAgain(t *testing.T) {
	d := openTemp(t)
	put(t, d, "kind", 1, "key", "data")
	patch(t, recordPath(t, d, "kind", "key"), headerSize, '?')
	put(t, d, "kind", 2, "key", "new")
	if got, err := both(t, d, "kind", 2, "key"); err != nil || string(got) != "new" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestAHitRenewsTheTimeOfUseOnceAnHour(t *testing.T) {
	d := openTemp(t)
	put(t, d, "kind", 1, "key", "data")
	path := recordPath(t, d, "kind", "key")
	for age, renewed := range map[time.Duration]bool{touchAfter - time.Minute: false, touchAfter + time.Minute: true} {
		before := time.Now().Add(-age)
		check(t, os.Chtimes(path, before, before))
		if _, err := d.Get("kind", 1, "key"); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		check(t, err)
		if got := time.Since(info.ModTime()) < time.Minute; got != renewed {
			t.Errorf("unused for %v: renewed is %v, want %v", age, got, renewed)
		}
	}
}

func TestGetServesUpToMaxSmallAndOpenUpToMaxRecord(t *testing.T) {
	tests := map[string]struct {
		size     int64
		get, big bool
	}{
		"at Get's limit":    {MaxSmall, true, true},
		"above Get's limit": {MaxSmall + 1, false, true},
		"at Open's limit":   {MaxRecord, false, true},
		"above it":          {MaxRecord + 1, false, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			d := openTemp(t)
			id, err := identify("kind", "key")
			check(t, err)
			// A sparse file; the digest is not looked at before the length.
			path := recordPath(t, d, "kind", "key")
			check(t, os.MkdirAll(filepath.Dir(path), 0o700))
			check(t, os.WriteFile(path, header{id: id, version: 1, length: test.size}.marshal(), 0o600))
			check(t, os.Truncate(path, headerSize+test.size))
			for limit, want := range map[int64]bool{MaxSmall: test.get, MaxRecord: test.big} {
				f, err := d.open("kind", 1, "key", limit)
				if got := err == nil; got != want {
					t.Errorf("limit %d: error %v, want success %v", limit, err, want)
				}
				if err == nil {
					f.Close()
				} else if !errors.Is(err, ErrAbsent) || !errors.Is(err, ErrTooLarge) {
					t.Errorf("limit %d: error %v, want ErrAbsent and ErrTooLarge", limit, err)
				}
			}
		})
	}
}

// The law: a header is accepted only if it is, byte for byte, the header that
// would be written for what was asked and for the size of the file.
func FuzzParseHeader(f *testing.F) {
	id, err := identify("kind", "key")
	if err != nil {
		f.Fatal(err)
	}
	valid := header{id: id, version: 1, length: 7, sum: sha256.Sum256([]byte("payload"))}.marshal()
	f.Add(valid, int64(headerSize+7))
	f.Add(valid, int64(headerSize+8))
	f.Add(valid[:headerSize-1], int64(headerSize-1))
	f.Add([]byte(magic), int64(8))
	f.Add([]byte{}, int64(0))
	f.Fuzz(func(t *testing.T, b []byte, size int64) {
		h, err := parseHeader(b, id, 1, size)
		if err != nil {
			if h != (header{}) {
				t.Errorf("an error, and the header %+v", h)
			}
			return
		}
		if h.length != size-headerSize || !bytes.Equal(h.marshal(), b) {
			t.Errorf("accepted %x for a file of %d bytes, as %+v", b, size, h)
		}
	})
}
