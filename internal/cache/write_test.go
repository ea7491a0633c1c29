package cache

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func create(t *testing.T, d *Dir, key string) *Writer {
	t.Helper()
	w, err := d.Create("kind", 1, key)
	check(t, err)
	return w
}

func TestAnUncommittedWriterLeavesNothing(t *testing.T) {
	d := openTemp(t)
	w := create(t, d, "key")
	_, err := w.Write(make([]byte, 3*writeBuffer))
	check(t, err)
	if names := files(t, d.path); len(names) != 1 || !strings.HasPrefix(names[0], "aside/") {
		t.Errorf("while it writes: %q, want one file aside", names)
	}
	check(t, w.Close())
	check(t, w.Close())
	if names := files(t, d.path); len(names) != 0 {
		t.Errorf("left %q", names)
	}
	if err := w.Commit(); !errors.Is(err, errFinished) {
		t.Errorf("Commit after Close: %v", err)
	}
	if _, err := w.Write([]byte("x")); !errors.Is(err, errFinished) {
		t.Errorf("Write after Close: %v", err)
	}
}

func TestAnUncommittedWriterLeavesTheEarlierRecord(t *testing.T) {
	d := openTemp(t)
	put(t, d, "kind", 1, "key", "earlier")
	w := create(t, d, "key")
	_, err := w.Write([]byte("later"))
	check(t, errors.Join(err, w.Close()))
	if got, err := both(t, d, "kind", 1, "key"); err != nil || string(got) != "earlier" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestACommittedWriterIsReadBack(t *testing.T) {
	d := openTemp(t)
	w := create(t, d, "key")
	var want bytes.Buffer
	for i := range 50_000 {
		line := fmt.Sprintf("line %d\n", i)
		want.WriteString(line)
		_, err := w.Write([]byte(line))
		check(t, err)
	}
	if _, err := d.Get("kind", 1, "key"); !errors.Is(err, ErrAbsent) {
		t.Errorf("before Commit: %v, want ErrAbsent", err)
	}
	check(t, w.Commit())
	check(t, w.Close())
	if err := w.Commit(); !errors.Is(err, errFinished) {
		t.Errorf("a second Commit: %v", err)
	}
	got, err := both(t, d, "kind", 1, "key")
	if err != nil || !bytes.Equal(got, want.Bytes()) {
		t.Errorf("got %d bytes, %v; want %d", len(got), err, want.Len())
	}
	if names := files(t, d.path); len(names) != 1 {
		t.Errorf("left %q", names)
	}
}

func TestTheRecordIsForTheUserAlone(t *testing.T) {
	d := openTemp(t)
	put(t, d, "kind", 1, "key", "data")
	info, err := os.Stat(recordPath(t, d, "kind", "key"))
	check(t, err)
	if info.Mode() != 0o600 {
		t.Errorf("mode %v, want -rw-------", info.Mode())
	}
}

func TestPutTakesMaxSmallBytesAndNotOneMore(t *testing.T) {
	d := openTemp(t)
	data := make([]byte, MaxSmall+1)
	err := d.Put("kind", 1, "key", data)
	if want := "kind record of more than 67108864 bytes: too large for the cache"; !errors.Is(err, ErrTooLarge) || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	if names := files(t, d.path); len(names) != 0 {
		t.Errorf("left %q", names)
	}
	check(t, d.Put("kind", 1, "key", data[:MaxSmall]))
	if got, err := d.Get("kind", 1, "key"); err != nil || len(got) != MaxSmall {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
}

func TestAWriterTakesMaxRecordBytesAndNotOneMore(t *testing.T) {
	// A nil Dir's writer counts like any other and needs no disk.
	w := create(t, nil, "key")
	chunk := make([]byte, 1<<20)
	for range MaxRecord >> 20 {
		_, err := w.Write(chunk)
		check(t, err)
	}
	if n, err := w.Write([]byte("x")); n != 0 || !errors.Is(err, ErrTooLarge) {
		t.Errorf("one more: %d, %v", n, err)
	}
	if err := w.Commit(); !errors.Is(err, ErrTooLarge) {
		t.Errorf("Commit: %v, want ErrTooLarge", err)
	}
}

func TestAFullOrReadOnlyDiskIsAnErrorAndLeavesNothing(t *testing.T) {
	d := openTemp(t)
	w := create(t, d, "key")
	check(t, w.file.Close()) // stands for every write that fails
	_, err := w.Write(make([]byte, 2*writeBuffer))
	if err == nil || w.Commit() == nil {
		t.Errorf("Write: %v, and Commit must fail too", err)
	}
	if names := files(t, d.path); len(names) != 0 {
		t.Errorf("left %q", names)
	}
}

// Every writer of one key writes one letter many times; a reader must only ever
// see one writer's record, whole.
func writeLetters(d *Dir, letter byte, times int) error {
	for i := range times {
		data := bytes.Repeat([]byte{letter}, 1000+i)
		if err := d.Put("kind", 1, "shared", data); err != nil {
			return err
		}
	}
	return nil
}

func checkLetters(d *Dir) error {
	data, err := d.Get("kind", 1, "shared")
	if err != nil {
		return err
	}
	if len(data) < 1000 || len(bytes.Trim(data, string(data[:1]))) != 0 {
		return fmt.Errorf("a mixed record of %d bytes", len(data))
	}
	return nil
}

func TestGoroutinesWriteOneKeyAtOnce(t *testing.T) {
	d := openTemp(t)
	check(t, writeLetters(d, 'z', 1))
	var wg sync.WaitGroup
	for _, letter := range []byte("abcd") {
		wg.Go(func() {
			if err := writeLetters(d, letter, 25); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			for range 100 {
				if err := checkLetters(d); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if names := files(t, d.path); len(names) != 1 {
		t.Errorf("left %q", names)
	}
}

const childVariable = "VERIFY_CACHE_TEST_CHILD"

func TestProcessesWriteOneKeyAtOnce(t *testing.T) {
	if letter := os.Getenv(childVariable); letter != "" {
		d, err := Open(os.Getenv(childVariable + "_DIR"))
		check(t, err)
		check(t, writeLetters(d, letter[0], 25))
		return
	}
	d := openTemp(t)
	check(t, writeLetters(d, 'z', 1))
	var wg sync.WaitGroup
	for _, letter := range []string{"a", "b"} {
		wg.Go(func() {
			child := exec.Command(os.Args[0], "-test.run=^TestProcessesWriteOneKeyAtOnce$")
			child.Env = append(os.Environ(), childVariable+"="+letter, childVariable+"_DIR="+d.path)
			if out, err := child.CombinedOutput(); err != nil {
				t.Errorf("child %s: %v\n%s", letter, err, out)
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for reading := true; reading; {
		select {
		case <-done:
			reading = false
		default:
		}
		check(t, checkLetters(d))
	}
	data, err := d.Get("kind", 1, "shared")
	if err != nil || !strings.Contains("ab", string(data[:1])) || len(data) != 1024 {
		t.Errorf("the last record: %.10q of %d bytes, %v", data, len(data), err)
	}
	if names := files(t, filepath.Join(d.path, asideDir)); len(names) != 0 {
		t.Errorf("left %q", names)
	}
}
