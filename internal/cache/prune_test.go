package cache

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// age makes what stands at path unused for d.
func age(t *testing.T, path string, d time.Duration) {
	t.Helper()
	then := time.Now().Add(-d)
	check(t, os.Chtimes(path, then, then))
}

// filled is a cache of three records of 1,000 bytes, headers included, unused
// for one, two and three days, and a folder of 500 bytes, unused for four.
func filled(t *testing.T) *Dir {
	t.Helper()
	d := openTemp(t)
	for i, key := range []string{"one", "two", "three"} {
		put(t, d, "kind", 1, key, strings.Repeat("x", 1000-headerSize))
		age(t, recordPath(t, d, "kind", key), time.Duration(i+1)*24*time.Hour)
	}
	path, unlock, err := d.Folder("git", "four")
	check(t, err)
	check(t, os.WriteFile(filepath.Join(path, "pack"), make([]byte, 500), 0o400))
	check(t, unlock())
	age(t, filepath.Join(d.path, locksDir, "git", filepath.Base(path)), 4*24*time.Hour)
	return d
}

// left names what of filled is still there.
func left(t *testing.T, d *Dir) []string {
	t.Helper()
	var names []string
	for _, key := range []string{"one", "two", "three"} {
		if _, err := os.Stat(recordPath(t, d, "kind", key)); err == nil {
			names = append(names, key)
		}
	}
	id, err := identify("git", "four")
	check(t, err)
	if _, err := os.Stat(filepath.Join(d.path, id.below(foldersDir))); err == nil {
		names = append(names, "four")
	}
	return names
}

func TestPruneRemovesTheLongestUnusedFirst(t *testing.T) {
	const day = 24 * time.Hour
	tests := map[string]struct {
		maxBytes  int64
		olderThan time.Duration
		removed   int64
		left      []string
	}{
		"no bound at all":                 {-1, 0, 0, []string{"one", "two", "three", "four"}},
		"as large as it is":               {3500, 0, 0, []string{"one", "two", "three", "four"}},
		"one byte less":                   {3499, 0, 500, []string{"one", "two", "three"}},
		"room for two records":            {2999, 0, 1500, []string{"one", "two"}},
		"room for less than one record":   {999, 0, 3500, nil},
		"nothing":                         {0, 0, 3500, nil},
		"by age":                          {-1, 2*day + time.Hour, 1500, []string{"one", "two"}},
		"by age and then by size":         {1000, 2*day + time.Hour, 2500, []string{"one"}},
		"by age, which makes room enough": {2000, 2*day + time.Hour, 1500, []string{"one", "two"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			d := filled(t)
			removed, err := d.Prune(test.maxBytes, test.olderThan)
			if err != nil || removed != test.removed {
				t.Errorf("removed %d, %v; want %d", removed, err, test.removed)
			}
			if got := left(t, d); !slices.Equal(got, test.left) {
				t.Errorf("left %q, want %q", got, test.left)
			}
		})
	}
}

func TestPruneOfAnEmptyCacheDoesNothing(t *testing.T) {
	if n, err := openTemp(t).Prune(0, 0); n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

func TestPruneLeavesAFolderInUse(t *testing.T) {
	d := filled(t)
	_, unlock, err := d.Folder("git", "four")
	check(t, err)
	if removed, err := d.Prune(0, 0); removed != 3000 || err != nil {
		t.Errorf("while it is used: %d, %v", removed, err)
	}
	if got := left(t, d); !slices.Equal(got, []string{"four"}) {
		t.Errorf("left %q", got)
	}
	check(t, unlock())
	if removed, err := d.Prune(0, 0); removed != 500 || err != nil {
		t.Errorf("afterwards: %d, %v", removed, err)
	}
}

func TestUsingAFolderRenewsItsTimeOfUse(t *testing.T) {
	d := filled(t)
	_, unlock, err := d.Folder("git", "four")
	check(t, err)
	check(t, unlock())
	if _, err := d.Prune(-1, time.Hour); err != nil {
		t.Error(err)
	}
	if got := left(t, d); !slices.Equal(got, []string{"four"}) {
		t.Errorf("left %q", got)
	}
}

func TestPruneRemovesWhatKilledWritersLeft(t *testing.T) {
	d := openTemp(t)
	abandoned := filepath.Join(d.path, asideDir, strings.Repeat("A", 26))
	recent := filepath.Join(d.path, asideDir, strings.Repeat("B", 26))
	check(t, errors.Join(os.Mkdir(filepath.Dir(abandoned), 0o700), os.WriteFile(abandoned, make([]byte, 70), 0o600), os.WriteFile(recent, nil, 0o600)))
	age(t, abandoned, 2*abandonedAfter)
	slow := create(t, d, "key")
	age(t, filepath.Join(d.path, slow.aside), 2*abandonedAfter)
	removed, err := d.Prune(-1, 0)
	if removed != 70 || err != nil {
		t.Errorf("removed %d, %v; want the 70 bytes of the abandoned file", removed, err)
	}
	if _, err := os.Stat(abandoned); err == nil {
		t.Error("the abandoned file is still there")
	}
	if _, err := os.Stat(recent); err != nil {
		t.Error(err)
	}
	if err := slow.Commit(); err != nil {
		t.Errorf("a writer that is slow: %v", err)
	}
}

func TestPruneGoesOnAfterWhatItCannotRemove(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root can remove everything")
	}
	d := filled(t)
	locked := filepath.Dir(recordPath(t, d, "kind", "three"))
	check(t, os.Chmod(locked, 0o500))
	defer os.Chmod(locked, 0o700)
	removed, err := d.Prune(0, 0)
	if removed != 2500 || !errors.Is(err, os.ErrPermission) || !strings.HasPrefix(err.Error(), "prune the cache "+d.path+": ") {
		t.Errorf("removed %d, %v", removed, err)
	}
}

func TestPruneRemovesNothingThatTheCacheDidNotName(t *testing.T) {
	d := filled(t)
	outside := t.TempDir()
	kept := filepath.Join(outside, "kept")
	check(t, os.WriteFile(kept, []byte("kept"), 0o600))
	hash := strings.Repeat("ab", 32)
	for _, name := range []string{"report", "records/report", "records/kind/report", "records/kind/zz/" + hash, "records/kind/ab/" + hash[1:], "records/Kind/ab/" + hash,
		"folders/git/report/f", "folders/Git/" + hash + "/f", "aside/report", "aside/" + strings.Repeat("a", 26), "locks/git/" + hash} {
		file := filepath.Join(d.path, name)
		check(t, errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte("x"), 0o600)))
		age(t, file, 1000*time.Hour)
		defer func() {
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}()
	}
	// Links under names of the cache's own go, and what they point to stays.
	for _, name := range []string{"records/kind/ab/" + hash, "folders/git/" + hash, "aside/" + strings.Repeat("C", 26), "folders/link", "records/link"} {
		file := filepath.Join(d.path, name)
		check(t, errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.Symlink(outside, file)))
	}
	removed, err := d.Prune(0, 0)
	if err != nil || removed < 3500 || len(left(t, d)) != 0 {
		t.Errorf("removed %d, %v; left %v", removed, err, left(t, d))
	}
	for _, name := range []string{"records/kind/ab/" + hash, "folders/git/" + hash} {
		if _, err := os.Lstat(filepath.Join(d.path, name)); err == nil {
			t.Errorf("%s is still there", name)
		}
	}
	if data, err := os.ReadFile(kept); err != nil || string(data) != "kept" {
		t.Errorf("what lies outside: %q, %v", data, err)
	}
}

func TestPruneOfACacheWhosePartsAreLinksRemovesNothingOutside(t *testing.T) {
	for _, part := range []string{recordsDir, foldersDir, locksDir, asideDir} {
		d, other := openTemp(t), filled(t)
		check(t, os.Symlink(filepath.Join(other.path, part), filepath.Join(d.path, part)))
		if removed, err := d.Prune(0, 0); removed != 0 {
			t.Errorf("%s: removed %d, %v", part, removed, err)
		}
		if got := left(t, other); len(got) != 4 {
			t.Errorf("%s: the other cache has only %v", part, got)
		}
	}
}
