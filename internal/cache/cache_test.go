package cache

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func openTemp(t *testing.T) *Dir {
	t.Helper()
	d, err := Open(filepath.Join(t.TempDir(), "cache"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func put(t *testing.T, d *Dir, kind string, version int, key, data string) {
	t.Helper()
	if err := d.Put(kind, version, key, []byte(data)); err != nil {
		t.Fatal(err)
	}
}

// recordPath is where the record of key stands, for tests that damage it.
func recordPath(t *testing.T, d *Dir, kind, key string) string {
	t.Helper()
	id, err := identify(kind, key)
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(d.path, id.record())
}

// files lists every file below dir, relative to it.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			relative, _ := filepath.Rel(dir, path)
			names = append(names, relative)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestOpenCreatesTheDirectoryForTheUserAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b")
	d, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode(); got != fs.ModeDir|0o700 {
		t.Errorf("mode %v, want drwx------", got)
	}
	if d.Path() != path {
		t.Errorf("Path is %s, want %s", d.Path(), path)
	}
}

func TestOpenMakesARelativePathAbsolute(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	d, err := Open("here")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if want := filepath.Join(dir, "here"); d.Path() != want {
		t.Errorf("Path is %s, want %s", d.Path(), want)
	}
}

func TestOpenTakesADirectoryThatOthersMayOnlyRead(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	d, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	d.Close()
}

func TestOpenRefusesADirectoryThatOthersCouldHaveFilled(t *testing.T) {
	tests := map[string]struct {
		make   func(t *testing.T, dir string)
		reason string
	}{
		"writable by everybody": {chmod(0o777), "is writable by others (mode 0777)"},
		"writable by its group": {chmod(0o770), "is writable by others (mode 0770)"},
		"writable by others":    {chmod(0o702), "is writable by others (mode 0702)"},
		"another user's":        {chown, "belongs to user 65534, and this is user 0"},
		"a symbolic link":       {symlink, "is a symbolic link; name the directory it points to"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "cache")
			test.make(t, dir)
			for _, path := range []string{dir, dir + "/"} {
				_, err := Open(path)
				var unsafe *UnsafeError
				if !errors.As(err, &unsafe) {
					t.Fatalf("%s: error %v, want an *UnsafeError", path, err)
				}
				if want := "cache directory " + dir + " " + test.reason; err.Error() != want {
					t.Errorf("error %q\nwant  %q", err, want)
				}
			}
		})
	}
}

func chmod(mode fs.FileMode) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		if err := errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, mode)); err != nil {
			t.Fatal(err)
		}
	}
}

func chown(t *testing.T, dir string) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a directory away")
	}
	if err := errors.Join(os.Mkdir(dir, 0o700), os.Chown(dir, 65534, 65534)); err != nil {
		t.Fatal(err)
	}
}

func symlink(t *testing.T, dir string) {
	if err := os.Symlink(t.TempDir(), dir); err != nil {
		t.Fatal(err)
	}
}

func TestOpenSaysWhatIsWrongWithAPath(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct{ path, want string }{
		"an empty one":  {"", "cache directory: the path is empty"},
		"a file":        {file, "cache directory " + file + ": mkdir " + file + ": not a directory"},
		"below a file":  {file + "/x", "cache directory " + file + "/x: mkdir " + file + ": not a directory"},
		"with a NUL":    {"/\x00", "cache directory /\x00: "},
		"nothing there": {"/proc/none/x", "cache directory /proc/none/x: mkdir /proc/none: no such file or directory"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Open(test.path)
			if err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("error %v\nwant  %v", err, test.want)
			}
		})
	}
}

func TestNoKeyNamesAFileOutsideOfItsKind(t *testing.T) {
	d := openTemp(t)
	keys := []string{"", ".", "..", "../../../etc/passwd", "/etc/passwd", "a/b", "a\x00b", `..\..\x`, strings.Repeat("k", 1<<20), "\xff"}
	for _, key := range keys {
		put(t, d, "kind", 1, key, "data of "+key)
	}
	for _, key := range keys {
		data, err := d.Get("kind", 1, key)
		if err != nil || string(data) != "data of "+key {
			t.Errorf("key %.20q: got %.20q, %v", key, data, err)
		}
	}
	names := files(t, filepath.Dir(d.path))
	if len(names) != len(keys) {
		t.Errorf("%d files for %d keys: %q", len(names), len(keys), names)
	}
	for _, name := range names {
		if !strings.HasPrefix(name, "cache/records/kind/") || len(filepath.Base(name)) != 64 {
			t.Errorf("a record stands at %s", name)
		}
	}
}

func TestAKindThatCannotNameAFolderIsRefusedEverywhere(t *testing.T) {
	d := openTemp(t)
	for _, kind := range []string{"", ".", "..", "a/b", "../x", "Kind", "a b", "a\x00", strings.Repeat("k", maxKind+1)} {
		_, errGet := d.Get(kind, 1, "key")
		_, errOpen := d.Open(kind, 1, "key")
		_, errCreate := d.Create(kind, 1, "key")
		_, _, errFolder := d.Folder(kind, "key")
		_, _, errNil := (*Dir)(nil).Folder(kind, "key")
		for _, err := range []error{errGet, errOpen, errCreate, errFolder, errNil, d.Put(kind, 1, "key", nil)} {
			if err == nil || errors.Is(err, ErrAbsent) || !strings.HasSuffix(err.Error(), "cannot name a kind of record") {
				t.Errorf("kind %q: error %v", kind, err)
			}
		}
	}
	put(t, d, strings.Repeat("k", maxKind), 1, "key", "the longest kind")
}

func TestANilDirHoldsNothingAndKeepsNothing(t *testing.T) {
	var d *Dir
	put(t, d, "kind", 1, "key", "data")
	if _, err := d.Get("kind", 1, "key"); !errors.Is(err, ErrAbsent) {
		t.Errorf("Get: %v, want ErrAbsent", err)
	}
	if _, err := d.Open("kind", 1, "key"); !errors.Is(err, ErrAbsent) {
		t.Errorf("Open: %v, want ErrAbsent", err)
	}
	w, err := d.Create("kind", 1, "key")
	if err != nil {
		t.Fatal(err)
	}
	if n, err := w.Write(bytes.Repeat([]byte("x"), 100)); n != 100 || err != nil {
		t.Errorf("Write: %d, %v", n, err)
	}
	if err := errors.Join(w.Commit(), w.Close(), d.Close()); err != nil {
		t.Error(err)
	}
	if n, err := d.Prune(0, 0); n != 0 || err != nil {
		t.Errorf("Prune: %d, %v", n, err)
	}
	if d.Path() != "" {
		t.Errorf("Path: %q", d.Path())
	}
}

func TestAfterCloseTheCacheServesNothing(t *testing.T) {
	d := openTemp(t)
	put(t, d, "kind", 1, "key", "data")
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Get("kind", 1, "key"); !errors.Is(err, ErrAbsent) {
		t.Errorf("Get: %v, want ErrAbsent", err)
	}
	if err := d.Put("kind", 1, "key", nil); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Put: %v, want os.ErrClosed", err)
	}
}
