package cache

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

// abandonedAfter is how old a file aside must be before Prune takes it for one
// that a killed process left; the lock on it says the same where locks work.
const abandonedAfter = time.Hour

// item is one thing that Prune may remove: a record, a folder or a file aside.
type item struct {
	name string
	size int64
	used time.Time
}

// Prune removes what was not used for longer than olderThan, and then the
// longest unused until at most maxBytes are left. A maxBytes of 0 leaves
// nothing, a negative one sets no bound; an olderThan of 0 or less lets things
// grow as old as they like. Folders in use stay, and so does what has no name
// that this package gives: the directory may be another one than the user
// meant. It returns the bytes that it removed, also beside an error.
func (d *Dir) Prune(maxBytes int64, olderThan time.Duration) (removed int64, err error) {
	if d == nil {
		return 0, nil
	}
	removed, err = d.pruneAside()
	if err != nil {
		return removed, fmt.Errorf("prune the cache %s: %w", d.path, err)
	}
	items, err := d.items()
	if err != nil {
		return removed, fmt.Errorf("prune the cache %s: %w", d.path, err)
	}
	n, err := d.pruneItems(items, maxBytes, olderThan)
	if err != nil {
		err = fmt.Errorf("prune the cache %s: %w", d.path, err)
	}
	return removed + n, err
}

// pruneItems removes items as Prune says; one that cannot be removed does not
// keep the others.
func (d *Dir) pruneItems(items []item, maxBytes int64, olderThan time.Duration) (removed int64, err error) {
	slices.SortFunc(items, func(a, b item) int { return a.used.Compare(b.used) })
	var total int64
	for _, it := range items {
		total += it.size
	}
	var failures []error
	for _, it := range items {
		tooOld := olderThan > 0 && time.Since(it.used) > olderThan
		tooMuch := maxBytes == 0 || maxBytes > 0 && total > maxBytes
		if !tooOld && !tooMuch {
			continue
		}
		gone, err := d.remove(it.name)
		if err != nil {
			failures = append(failures, err)
		}
		if gone {
			removed += it.size
			total -= it.size
		}
	}
	return removed, errors.Join(failures...)
}

// items lists all records and folders.
func (d *Dir) items() ([]item, error) {
	records, err := d.records()
	if err != nil {
		return nil, err
	}
	folders, err := d.folders()
	return append(records, folders...), err
}

func (d *Dir) records() ([]item, error) {
	var items []item
	err := d.walk(recordsDir, func(name string, info fs.FileInfo) {
		if isRecordName(name) {
			items = append(items, item{name, info.Size(), info.ModTime()})
		}
	})
	return items, err
}

// folders lists the folders, each as one item. Their time of use is that of
// their lock file.
func (d *Dir) folders() ([]item, error) {
	names, err := fs.Glob(d.root.FS(), path.Join(foldersDir, "*", "*"))
	if err != nil {
		return nil, err
	}
	var items []item
	for _, name := range names {
		if !isFolderName(name) {
			continue
		}
		it := item{name: name}
		if info, err := d.root.Lstat(lockOf(name)); err == nil {
			it.used = info.ModTime()
		}
		if it.size, err = d.sizeOf(name); err != nil {
			return nil, err
		}
		items = append(items, it)
	}
	return items, nil
}

// sizeOf adds up what lies below a folder; something else in its place, such as
// a link out of the cache, counts as empty.
func (d *Dir) sizeOf(name string) (size int64, err error) {
	info, err := d.root.Lstat(name)
	if err != nil || !info.IsDir() {
		return 0, ignoreAbsent(err)
	}
	err = d.walk(name, func(_ string, info fs.FileInfo) { size += info.Size() })
	return size, err
}

// lockOf returns the name of the lock of the folder at name.
func lockOf(name string) string {
	return locksDir + strings.TrimPrefix(name, foldersDir)
}

// walk calls visit for everything below dir that is not a directory. What
// another process removes meanwhile is passed over.
func (d *Dir) walk(dir string, visit func(name string, info fs.FileInfo)) error {
	return fs.WalkDir(d.root.FS(), dir, func(name string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			visit(name, info)
		}
		return err
	})
}

// remove removes the record or folder at name and reports whether it did: a
// folder that somebody has locked stays.
func (d *Dir) remove(name string) (bool, error) {
	if !strings.HasPrefix(name, foldersDir+"/") {
		err := d.root.Remove(name)
		return err == nil, ignoreAbsent(err)
	}
	if err := d.root.MkdirAll(path.Dir(lockOf(name)), dirMode); err != nil {
		return false, err
	}
	lock, err := d.root.OpenFile(lockOf(name), os.O_RDWR|os.O_CREATE|openNonblock, fileMode)
	if err != nil {
		return false, err
	}
	defer lock.Close()
	locked, err := tryLock(lock)
	if !locked {
		return false, err
	}
	err = d.root.RemoveAll(name)
	return err == nil, err
}

// pruneAside removes what processes that were killed left half-written.
func (d *Dir) pruneAside() (removed int64, err error) {
	var old []item
	err = d.walk(asideDir, func(name string, info fs.FileInfo) {
		if isAsideName(name) && time.Since(info.ModTime()) > abandonedAfter {
			old = append(old, item{name: name, size: info.Size()})
		}
	})
	for _, it := range old {
		gone, failure := d.removeAbandoned(it.name)
		if gone {
			removed += it.size
		}
		err = errors.Join(err, failure)
	}
	return removed, err
}

func (d *Dir) removeAbandoned(name string) (bool, error) {
	file, err := d.root.OpenFile(name, os.O_RDWR|openNonblock, 0)
	if err != nil {
		return false, ignoreAbsent(err)
	}
	defer file.Close()
	if locked, err := tryLock(file); err == nil && !locked {
		return false, nil
	}
	err = d.root.Remove(name)
	return err == nil, ignoreAbsent(err)
}

func ignoreAbsent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// isRecordName reports whether records are called like that: the path that
// identity.record gives.
func isRecordName(name string) bool {
	parts := strings.Split(name, "/")
	return len(parts) == 4 && parts[0] == recordsDir && validKind(parts[1]) && isHash(parts[3]) && parts[2] == parts[3][:2]
}

// isFolderName reports whether folders are called like that.
func isFolderName(name string) bool {
	parts := strings.Split(name, "/")
	return len(parts) == 3 && parts[0] == foldersDir && validKind(parts[1]) && isHash(parts[2])
}

func isHash(text string) bool {
	return len(text) == 2*sha256.Size && strings.Trim(text, "0123456789abcdef") == ""
}

// isAsideName reports whether files aside are called like that: by rand.Text.
func isAsideName(name string) bool {
	text := strings.TrimPrefix(name, asideDir+"/")
	return len(text) == len(rand.Text()) && strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == ""
}
