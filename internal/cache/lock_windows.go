package cache

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// openNonblock has no counterpart here: a name inside a directory is never a
// pipe.
const openNonblock = 0

// tryLock locks f against every other open file, in this process and in others,
// until f is closed. It reports false when another one holds the lock.
func tryLock(f *os.File) (bool, error) {
	const flags = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	err := windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, &windows.Overlapped{})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return false, nil
	}
	return err == nil, err
}
