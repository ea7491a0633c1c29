package checksums

import (
	"bufio"
	"fmt"
	"io"
)

// framing passes a compressed stream on unchanged while it follows the
// stream's framing, so that what a frame asks for is known, and can be
// refused, before the decoder that reads from it sees the frame.
type framing struct {
	br      *bufio.Reader
	pending []byte // parsed, not yet passed on
	skip    int64  // payload still to be passed on unread
	// step parses the next piece of framing: it calls take, and sets skip.
	// io.EOF is for the end of the whole stream.
	step func() error
	err  error
}

func (f *framing) Read(p []byte) (int, error) {
	for {
		switch {
		case len(f.pending) > 0:
			n := copy(p, f.pending)
			f.pending = f.pending[n:]
			return n, nil
		case f.skip > 0:
			n, err := f.br.Read(p[:min(int64(len(p)), f.skip)])
			f.skip -= int64(n)
			return n, unexpected(err)
		case f.err != nil:
			return 0, f.err
		}
		f.pending = f.pending[:0]
		if f.err = f.next(); f.err != nil {
			f.pending = nil // the decoder must not see what was refused
		}
	}
}

// next takes a step. A cut is wrapped: zstd's decoder takes the bare error at
// the start of a frame for the proper end of the stream.
func (f *framing) next() error {
	err := f.step()
	if err == io.ErrUnexpectedEOF {
		return fmt.Errorf("cut short: %w", err)
	}
	return err
}

// take reads n bytes of framing, to be passed on. The error is io.EOF only
// where there was not one byte.
func (f *framing) take(n int) ([]byte, error) {
	at := len(f.pending)
	f.pending = append(f.pending, make([]byte, n)...)
	_, err := io.ReadFull(f.br, f.pending[at:])
	return f.pending[at:], err
}
