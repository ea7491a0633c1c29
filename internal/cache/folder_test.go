package cache

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestAFolderKeepsItsContentsBetweenUses(t *testing.T) {
	d := openTemp(t)
	path, unlock, err := d.Folder("git", "https://example.com/../x")
	check(t, err)
	if !strings.HasPrefix(path, d.Path()+"/folders/git/") {
		t.Errorf("the folder is %s", path)
	}
	info, err := os.Lstat(path)
	check(t, err)
	if info.Mode() != fs.ModeDir|0o700 {
		t.Errorf("mode %v, want drwx------", info.Mode())
	}
	check(t, os.WriteFile(filepath.Join(path, "HEAD"), []byte("x"), 0o600))
	check(t, unlock())
	check(t, unlock())
	again, unlock, err := d.Folder("git", "https://example.com/../x")
	check(t, err)
	defer unlock()
	if _, err := os.Stat(filepath.Join(again, "HEAD")); err != nil || again != path {
		t.Errorf("the second time: %s, %v; the first time %s", again, err, path)
	}
}

func TestAFolderIsOneHoldersAtATime(t *testing.T) {
	d := openTemp(t)
	_, unlock, err := d.Folder("git", "one")
	check(t, err)
	if _, unlockOther, err := d.Folder("git", "two"); err != nil {
		t.Error(err)
	} else {
		check(t, unlockOther())
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	_, _, err = d.FolderContext(ctx, "git", "one")
	if !errors.Is(err, context.DeadlineExceeded) || !strings.HasPrefix(err.Error(), "git folder: waiting for the lock "+d.Path()+"/locks/git/") {
		t.Errorf("while it is held: %v", err)
	}
	got := make(chan error)
	go func() {
		_, unlock, err := d.Folder("git", "one")
		if err == nil {
			err = unlock()
		}
		got <- err
	}()
	select {
	case err := <-got:
		t.Fatalf("a second holder came in: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	check(t, unlock())
	check(t, <-got)
}

func TestAFolderThatOthersCouldHaveFilledIsRefused(t *testing.T) {
	tests := map[string]struct {
		damage func(t *testing.T, path string)
		want   string
	}{
		"writable by others": {func(t *testing.T, path string) { check(t, os.Chmod(path, 0o777)) }, "is writable by others (mode 0777)"},
		"a symbolic link":    {replace(func(path string) error { return os.Symlink(".", path) }), "is a symbolic link"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			d := openTemp(t)
			path, unlock, err := d.Folder("git", "key")
			check(t, err)
			check(t, unlock())
			test.damage(t, path)
			_, _, err = d.Folder("git", "key")
			var unsafe *UnsafeError
			if !errors.As(err, &unsafe) || unsafe.Path != path || unsafe.Reason != test.want {
				t.Errorf("error %v, want %s %s", err, path, test.want)
			}
			// The lock was given back: the answer is the same at once.
			if _, _, again := d.Folder("git", "key"); again == nil || again.Error() != err.Error() {
				t.Errorf("the second time: %v", again)
			}
		})
	}
}

func TestANilDirsFolderIsGoneAfterUnlock(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	path, unlock, err := (*Dir)(nil).Folder("git", "key")
	check(t, err)
	check(t, os.WriteFile(filepath.Join(path, "x"), nil, 0o600))
	check(t, unlock())
	check(t, unlock())
	if names, _ := os.ReadDir(os.TempDir()); len(names) != 0 {
		t.Errorf("left %v", names)
	}
}

func TestATempFileHasNoName(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	d := openTemp(t)
	for name, dir := range map[string]*Dir{d.Path(): d, os.TempDir(): nil} {
		f, err := dir.TempFile()
		check(t, err)
		_, err = f.WriteString("spilled")
		check(t, err)
		got, err := io.ReadAll(io.NewSectionReader(f, 0, 100))
		if err != nil || string(got) != "spilled" {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
		if left := files(t, name); len(left) != 0 {
			t.Errorf("%s holds %q", name, left)
		}
		check(t, f.Close())
	}
}
