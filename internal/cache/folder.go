package cache

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sync"
	"time"
)

const (
	lockPollFirst = 5 * time.Millisecond
	lockPollMost  = 250 * time.Millisecond
)

// Folder is FolderContext without an end to the waiting.
func (d *Dir) Folder(kind, key string) (path string, unlock func() error, err error) {
	return d.FolderContext(context.Background(), kind, key)
}

// FolderContext returns the absolute path of a folder that is kept for key,
// empty at first. It is the caller's alone, in this process and among others,
// until unlock is called; FolderContext waits for it as long as ctx allows. The
// contents are not checked: the caller must not believe them. For a nil Dir it
// is a temporary folder that unlock removes.
func (d *Dir) FolderContext(ctx context.Context, kind, key string) (path string, unlock func() error, err error) {
	id, err := identify(kind, key)
	if err != nil {
		return "", nil, err
	}
	if d == nil {
		return temporaryFolder(kind)
	}
	lock, err := d.lockFolder(ctx, id)
	if err != nil {
		return "", nil, fmt.Errorf("%s folder: %w", kind, err)
	}
	path, err = d.makeFolder(id)
	if err != nil {
		lock.Close()
		return "", nil, fmt.Errorf("%s folder: %w", kind, err)
	}
	return path, sync.OnceValue(lock.Close), nil
}

func temporaryFolder(kind string) (string, func() error, error) {
	dir, err := os.MkdirTemp("", "verify-"+kind+"-")
	if err != nil {
		return "", nil, fmt.Errorf("%s folder: %w", kind, err)
	}
	return dir, sync.OnceValue(func() error { return os.RemoveAll(dir) }), nil
}

// lockFolder locks the file that stands for the folder, and waits for it.
// The time of the lock file is the folder's time of use. Lock files are never
// removed: a lock on a removed file would exclude nobody.
func (d *Dir) lockFolder(ctx context.Context, id identity) (*os.File, error) {
	lock, err := d.openLock(id)
	if err != nil {
		return nil, err
	}
	for wait := lockPollFirst; ; wait = min(2*wait, lockPollMost) {
		locked, err := tryLock(lock)
		if locked {
			now := time.Now()
			_ = d.root.Chtimes(id.below(locksDir), now, now)
			return lock, nil
		}
		if err == nil {
			err = sleep(ctx, wait)
		}
		if err != nil {
			lock.Close()
			return nil, fmt.Errorf("waiting for the lock %s: %w", filepath.Join(d.path, id.below(locksDir)), err)
		}
	}
}

func (d *Dir) openLock(id identity) (*os.File, error) {
	name := id.below(locksDir)
	if err := d.root.MkdirAll(path.Dir(name), dirMode); err != nil {
		return nil, err
	}
	return d.root.OpenFile(name, os.O_RDWR|os.O_CREATE|openNonblock, fileMode)
}

// makeFolder creates the folder where there is none. One that others could have
// filled is refused; the user, who must have made it so, is told which.
func (d *Dir) makeFolder(id identity) (string, error) {
	name := id.below(foldersDir)
	if err := d.root.MkdirAll(name, dirMode); err != nil {
		return "", err
	}
	full := filepath.Join(d.path, filepath.FromSlash(name))
	info, err := d.root.Lstat(name)
	if err != nil {
		return "", err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		return "", &UnsafeError{full, "is a symbolic link"}
	}
	if reason := notOurs(info); reason != "" {
		return "", &UnsafeError{full, reason}
	}
	return full, nil
}

// sleep waits for d, or until ctx ends and returns why it did.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// TempFile returns a new file without a name, for what does not fit in memory:
// its room on the disk, that of the cache or for a nil Dir that of os.TempDir,
// is given back when it is closed or the process ends.
func (d *Dir) TempFile() (*os.File, error) {
	if d == nil {
		return namelessTemp()
	}
	file, name, err := d.createAside()
	if err != nil {
		return nil, fmt.Errorf("temporary file: %w", err)
	}
	if err := d.root.Remove(name); err != nil {
		file.Close()
		return nil, fmt.Errorf("temporary file: %w", err)
	}
	return file, nil
}

func namelessTemp() (*os.File, error) {
	file, err := os.CreateTemp("", "verify-")
	if err != nil {
		return nil, fmt.Errorf("temporary file: %w", err)
	}
	if err := os.Remove(file.Name()); err != nil {
		file.Close()
		return nil, fmt.Errorf("temporary file: %w", err)
	}
	return file, nil
}
