package replay

import (
	"fmt"
	"io"
)

const (
	aheadChunk  = 128 << 10
	aheadChunks = 4
)

// ahead reads from another reader in a goroutine of its own: to unpack takes
// most of the time, so that what is done with the bytes costs a second
// processor and hardly any time. It must be closed.
type ahead struct {
	full, free chan []byte
	err        error // set before full is closed
	chunk      []byte
	rest       []byte // of chunk
}

func readAhead(r io.Reader) *ahead {
	a := &ahead{full: make(chan []byte, aheadChunks), free: make(chan []byte, aheadChunks)}
	for range aheadChunks {
		a.free <- make([]byte, aheadChunk)
	}
	go a.fill(r)
	return a
}

// fill ends with the reader, or when there are no more chunks to fill. A
// decoder that panics on hostile bytes is one that cannot read them.
func (a *ahead) fill(r io.Reader) {
	defer close(a.full)
	defer func() {
		if p := recover(); p != nil {
			a.err = fmt.Errorf("decoder failed: %v", p)
		}
	}()
	for chunk := range a.free {
		n, err := fillChunk(r, chunk)
		a.full <- chunk[:n] // never blocks: full holds every chunk there is
		if err != nil {
			a.err = err
			return
		}
	}
}

// fillChunk reads until the chunk is full or the reader ends.
func fillChunk(r io.Reader, chunk []byte) (n int, err error) {
	for idle := 0; n < len(chunk) && err == nil; idle++ {
		var k int
		if k, err = r.Read(chunk[n:]); k > 0 {
			idle = 0
		}
		n += k
		if idle > 100 {
			err = io.ErrNoProgress
		}
	}
	return n, err
}

func (a *ahead) Read(p []byte) (int, error) {
	for len(a.rest) == 0 {
		if a.chunk != nil {
			a.free <- a.chunk[:aheadChunk] // never blocks, likewise
			a.chunk = nil
		}
		chunk, ok := <-a.full
		if !ok {
			return 0, a.err
		}
		a.chunk, a.rest = chunk, chunk
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

// Close returns when the goroutine has ended.
func (a *ahead) Close() error {
	close(a.free)
	for range a.free { // nothing more is to be filled
	}
	for range a.full {
	}
	return nil
}
