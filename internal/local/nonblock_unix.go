//go:build unix

package local

import "syscall"

// nonblock opens a FIFO without waiting for its other end.
const nonblock = syscall.O_NONBLOCK
