package local

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

func write(t *testing.T, name, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

func openDir(t *testing.T, name string) *Dir {
	t.Helper()
	d, err := OpenDir(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestReadFileTakesRegularFilesUpToTheLimit(t *testing.T) {
	name := write(t, filepath.Join(t.TempDir(), "f"), "12345")
	if data, err := ReadFile(name, 5); err != nil || string(data) != "12345" {
		t.Errorf("at the limit: %q, %v", data, err)
	}
	_, err := ReadFile(name, 4)
	if limit, ok := errors.AsType[*LimitError](err); !ok || limit.Limit != 4 || !strings.Contains(err.Error(), name) {
		t.Errorf("over the limit: %v", err)
	}
	if _, err := ReadFile(name+"2", 5); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent: %v", err)
	}
	if _, err := ReadFile(filepath.Dir(name), 5); !errors.Is(err, ErrNotRegular) || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("a directory: %v", err)
	}
	if _, err := ReadFile(os.DevNull, 5); !errors.Is(err, ErrNotRegular) {
		t.Errorf("a device: %v", err)
	}
}

func TestADirectoryIsAFileSystem(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a"), "one")
	write(t, filepath.Join(dir, "d/b"), "two")
	if err := os.Symlink("d/b", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	d := openDir(t, dir)
	if err := fstest.TestFS(d, "a", "d/b", "link"); err != nil {
		t.Error(err)
	}
	if target, err := d.ReadLink("link"); err != nil || target != "d/b" {
		t.Errorf("link %q, %v", target, err)
	}
}

func TestOnlyADirectoryOpensAsOne(t *testing.T) {
	name := write(t, filepath.Join(t.TempDir(), "f"), "x")
	if _, err := OpenDir(name); err == nil || !strings.Contains(err.Error(), "not a directory") {
		t.Errorf("a file: %v", err)
	}
	if _, err := OpenDir(name + "2"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent: %v", err)
	}
}

func TestNothingOutsideADirectoryIsOpened(t *testing.T) {
	top := t.TempDir()
	secret := write(t, filepath.Join(top, "secret"), "secret")
	dir := filepath.Join(top, "dir")
	write(t, filepath.Join(dir, "a"), "one")
	for name, target := range map[string]string{"up": "../secret", "absolute": secret, "far": "/etc/passwd", "folder": ".."} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	d := openDir(t, dir)
	for _, name := range []string{"up", "absolute", "far", "folder/secret", "../secret"} {
		if f, err := d.Open(name); err == nil {
			data, _ := io.ReadAll(f)
			t.Errorf("%s was opened: %q", name, data)
		}
	}
	if err := os.Symlink("a", filepath.Join(dir, "inside")); err != nil {
		t.Fatal(err)
	}
	if data, err := fs.ReadFile(d, "inside"); err != nil || string(data) != "one" {
		t.Errorf("a link that stays inside: %q, %v", data, err)
	}
}

func TestAFileThatChangesBetweenTwoReadingsIsNotReadTwice(t *testing.T) {
	dir := t.TempDir()
	name := write(t, filepath.Join(dir, "a"), "one")
	d := openDir(t, dir)
	for range 2 {
		if data, err := fs.ReadFile(d, "a"); err != nil || string(data) != "one" {
			t.Fatalf("unchanged: %q, %v", data, err)
		}
	}
	write(t, name, "two")
	later := time.Now().Add(time.Minute)
	if err := os.Chtimes(name, later, later); err != nil {
		t.Fatal(err)
	}
	if data, err := fs.ReadFile(d, "a"); !errors.Is(err, ErrChanged) {
		t.Errorf("changed: %q, %v", data, err)
	}
}

func TestAFileThatChangesWhileItIsReadEndsInAnError(t *testing.T) {
	dir := t.TempDir()
	name := write(t, filepath.Join(dir, "a"), "one")
	f, err := openDir(t, dir).Open("a")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	first := make([]byte, 1)
	if _, err := io.ReadFull(f, first); err != nil {
		t.Fatal(err)
	}
	write(t, name, "three")
	if data, err := io.ReadAll(f); !errors.Is(err, ErrChanged) {
		t.Errorf("read %q, %v", data, err)
	}
}

func TestHardLinksAreSeen(t *testing.T) {
	dir := t.TempDir()
	name := write(t, filepath.Join(dir, "d/a"), "one")
	if openDir(t, dir).HasHardLinks() {
		t.Error("a file of one name is said to have two")
	}
	if err := os.Link(name, filepath.Join(dir, "b")); err != nil {
		t.Fatal(err)
	}
	if !openDir(t, dir).HasHardLinks() {
		t.Error("a file of two names is said to have one")
	}
}
