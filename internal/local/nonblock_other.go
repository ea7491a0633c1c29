//go:build !unix

package local

// nonblock does nothing where no name leads to a FIFO.
const nonblock = 0
