//go:build !unix

package local

import "io/fs"

// nonblock does nothing where no name leads to a FIFO.
const nonblock = 0

// linked reports whether a file has several names; it is not told here.
func linked(fs.FileInfo) bool { return false }
