//go:build !windows

package cache

import (
	"errors"
	"os"
	"syscall"
)

// openNonblock keeps a FIFO under a record's name from blocking the opening.
const openNonblock = syscall.O_NONBLOCK

// tryLock locks f against every other open file, in this process and in others,
// until f is closed. It reports false when another one holds the lock.
func tryLock(f *os.File) (bool, error) {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	for errors.Is(err, syscall.EINTR) {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	}
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}
