//go:build unix

package local

import (
	"io/fs"
	"syscall"
)

// nonblock opens a FIFO without waiting for its other end.
const nonblock = syscall.O_NONBLOCK

// linked reports whether a file has several names.
func linked(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stat.Nlink > 1
}
