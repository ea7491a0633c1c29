package cli

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// cachedRun verifies a layout's layers with a cache and returns the exit code
// and what was written.
func cachedRun(layout, cache string) (int, string) {
	var out bytes.Buffer
	code := Main([]string{"oci:" + layout, "--only", "image.digests", "--offline", "--platform", "linux/amd64", "--cache-dir", cache, "-o", "json"},
		Env{Stdout: &out, Stderr: &out, Getenv: func(string) string { return "" }})
	return code, out.String()
}

// records are the files of a cache's records.
func records(t *testing.T, cache string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(filepath.Join(cache, "records"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files = append(files, path)
		}
		return err
	})
	if err != nil || len(files) < 2 {
		t.Fatalf("%d records, %v", len(files), err)
	}
	return files
}

// TestACacheThatWasTamperedWithIsMadeAgain sees that no answer comes from a
// record that is not as it was written, under the name it was written for.
func TestACacheThatWasTamperedWithIsMadeAgain(t *testing.T) {
	layout := foreignLayout(t, foreignImage(t, time.Now(), map[string]string{"a": "x"}, v1.History{CreatedBy: "x"}))
	outside := t.TempDir()
	for name, tamper := range map[string]func(files []string) error{
		"cut":     func(files []string) error { return each(files, func(f string) error { return os.Truncate(f, 20) }) },
		"emptied": func(files []string) error { return each(files, func(f string) error { return os.Truncate(f, 0) }) },
		"swapped": func(files []string) error {
			if err := os.Rename(files[0], filepath.Join(outside, "swap")); err != nil {
				return err
			}
			if err := os.Rename(files[1], files[0]); err != nil {
				return err
			}
			return os.Rename(filepath.Join(outside, "swap"), files[1])
		},
		"linked from outside": func(files []string) error {
			return each(files, func(f string) error {
				other := filepath.Join(outside, filepath.Base(f))
				if err := os.Rename(f, other); err != nil {
					return err
				}
				return os.Symlink(other, f)
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			cache := filepath.Join(t.TempDir(), "cache")
			if code, out := cachedRun(layout, cache); code != exitVerified || strings.Contains(out, `"cached": true`) {
				t.Fatalf("exit code %d, %s", code, out)
			}
			if code, out := cachedRun(layout, cache); code != exitVerified || !strings.Contains(out, `"cached": true`) {
				t.Fatalf("a second run: exit code %d, %s", code, out)
			}
			if err := tamper(records(t, cache)); err != nil {
				t.Fatal(err)
			}
			if code, out := cachedRun(layout, cache); code != exitVerified || strings.Contains(out, `"cached": true`) {
				t.Errorf("exit code %d, %s", code, out)
			}
			if code, out := cachedRun(layout, cache); code != exitVerified || !strings.Contains(out, `"cached": true`) {
				t.Errorf("made again: exit code %d, %s", code, out)
			}
		})
	}
}

func each(files []string, do func(string) error) error {
	for _, f := range files {
		if err := do(f); err != nil {
			return err
		}
	}
	return nil
}

func TestACacheThatOthersCouldHaveFilledIsRefused(t *testing.T) {
	layout := foreignLayout(t, foreignImage(t, time.Now(), map[string]string{"a": "x"}, v1.History{CreatedBy: "x"}))
	open, owned, link := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(t.TempDir(), link); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	dirs := map[string]string{open: "is writable by others", link: "is a symbolic link"}
	if os.Geteuid() == 0 {
		if err := os.Chown(owned, 12345, 12345); err != nil {
			t.Fatal(err)
		}
		dirs[owned] = "belongs to"
	}
	for dir, want := range dirs {
		if code, out := cachedRun(layout, dir); code != exitNotRun || !strings.Contains(out, want) {
			t.Errorf("want %q: exit code %d, %s", want, code, out)
		}
		var out bytes.Buffer
		code := Main([]string{"cache", "prune", "--cache-dir", dir}, Env{Stdout: &out, Stderr: &out, Getenv: func(string) string { return "" }})
		if code != exitNotRun || !strings.Contains(out.String(), want) {
			t.Errorf("prune, want %q: exit code %d, %s", want, code, out.String())
		}
	}
}
