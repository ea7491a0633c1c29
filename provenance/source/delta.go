package source

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
)

// deltaReader rebuilds an object from its base and a delta: a list of runs to
// copy from the base and bytes to insert; see gitformat-pack(5). The delta is
// read as a stream and the base by position, so that neither has to be held.
type deltaReader struct {
	base  io.ReaderAt
	delta *bufio.Reader
	left  int64 // bytes of the result still to come
	run   int64 // bytes of the current instruction still to come
	at    int64 // where they are in the base; -1: in the delta
}

// newDeltaReader reads the two sizes that head a delta and returns the size of
// the result.
func newDeltaReader(base io.ReaderAt, baseSize int64, delta *bufio.Reader) (*deltaReader, int64, error) {
	from, err := binary.ReadUvarint(delta)
	if err != nil {
		return nil, 0, fmt.Errorf("delta header: %w: %w", ErrMalformed, err)
	}
	to, err := binary.ReadUvarint(delta)
	if err != nil {
		return nil, 0, fmt.Errorf("delta header: %w: %w", ErrMalformed, err)
	}
	if from != uint64(baseSize) || to > maxBlob {
		return nil, 0, fmt.Errorf("delta of %d bytes for a base of %d, not %d: %w", to, from, baseSize, ErrMalformed)
	}
	return &deltaReader{base: base, delta: delta, left: int64(to)}, int64(to), nil
}

func (d *deltaReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if d.left == 0 {
		return 0, io.EOF
	}
	if d.run == 0 {
		if err := d.next(); err != nil {
			return 0, err
		}
	}
	p = p[:min(int64(len(p)), d.run)]
	n, err := d.copy(p)
	d.run -= int64(n)
	d.left -= int64(n)
	if err != nil && n < len(p) {
		return n, fmt.Errorf("delta: %w: %w", ErrMalformed, err)
	}
	return n, nil
}

func (d *deltaReader) copy(p []byte) (int, error) {
	if d.at < 0 {
		return io.ReadFull(d.delta, p)
	}
	n, err := d.base.ReadAt(p, d.at)
	d.at += int64(n)
	return n, err
}

// next reads one instruction.
func (d *deltaReader) next() error {
	op, err := d.delta.ReadByte()
	if err != nil {
		return fmt.Errorf("delta ends early: %w: %w", ErrMalformed, err)
	}
	switch {
	case op == 0:
		return fmt.Errorf("delta instruction 0: %w", ErrMalformed)
	case op&0x80 == 0:
		d.run, d.at = int64(op), -1
	default:
		if err := d.readCopy(op); err != nil {
			return err
		}
	}
	if d.run > d.left {
		return fmt.Errorf("delta gives more than its size: %w", ErrMalformed)
	}
	return nil
}

// readCopy reads the bytes of offset and length that a copy instruction's low
// seven bits announce.
func (d *deltaReader) readCopy(op byte) error {
	var fields [7]byte
	for i := range fields {
		if op&(1<<i) == 0 {
			continue
		}
		b, err := d.delta.ReadByte()
		if err != nil {
			return fmt.Errorf("delta ends early: %w: %w", ErrMalformed, err)
		}
		fields[i] = b
	}
	d.at = int64(binary.LittleEndian.Uint32(fields[:4]))
	d.run = int64(fields[4]) | int64(fields[5])<<8 | int64(fields[6])<<16
	if d.run == 0 {
		d.run = 0x10000
	}
	return nil
}
