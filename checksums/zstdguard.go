package checksums

import (
	"bufio"
	"encoding/binary"
	"errors"
)

// zstdGuard follows the framing of a zstd stream (RFC 8878, section 3.1) and
// bounds the window of every frame.
type zstdGuard struct {
	framing
	res      reserve
	checksum bool
}

func newZstdGuard(br *bufio.Reader, res reserve) *zstdGuard {
	g := &zstdGuard{framing: framing{br: br}, res: res}
	g.step = g.frame
	return g
}

func (g *zstdGuard) frame() error {
	magic, err := g.take(4)
	if err != nil {
		return err
	}
	if isSkippable(magic) {
		return g.skippable()
	}
	if binary.LittleEndian.Uint32(magic) != 0xfd2fb528 {
		return errors.New("no frame where one should begin")
	}
	window, err := g.header()
	if err != nil {
		return err
	}
	if window > uint64(MaxWindow) {
		return &LimitError{What: "bytes of zstd window", Limit: MaxWindow}
	}
	g.step = g.block
	return g.res(int64(window))
}

func (g *zstdGuard) skippable() error {
	size, err := g.take(4)
	if err != nil {
		return unexpected(err)
	}
	g.skip = int64(binary.LittleEndian.Uint32(size))
	return nil
}

// header reads a frame's header and returns the window it asks for.
func (g *zstdGuard) header() (uint64, error) {
	b, err := g.take(1)
	if err != nil {
		return 0, unexpected(err)
	}
	descriptor := b[0]
	g.checksum = descriptor&4 != 0
	single := descriptor&0x20 != 0
	var window uint64
	if !single {
		if b, err = g.take(1); err != nil {
			return 0, unexpected(err)
		}
		window = 1 << (10 + b[0]>>3)
		window += window / 8 * uint64(b[0]&7)
	}
	if _, err = g.take([]int{0, 1, 2, 4}[descriptor&3]); err != nil {
		return 0, unexpected(err)
	}
	size, err := g.contentSize(descriptor>>6, single)
	if single {
		window = size
	}
	return window, err
}

func (g *zstdGuard) contentSize(flag byte, single bool) (uint64, error) {
	n := []int{0, 2, 4, 8}[flag]
	if n == 0 && single {
		n = 1
	}
	b, err := g.take(n)
	if err != nil {
		return 0, unexpected(err)
	}
	var le [8]byte
	copy(le[:], b)
	size := binary.LittleEndian.Uint64(le[:])
	if n == 2 {
		size += 256
	}
	return size, nil
}

func (g *zstdGuard) block() error {
	b, err := g.take(3)
	if err != nil {
		return unexpected(err)
	}
	h := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16
	g.skip = int64(h >> 3)
	if kind := h >> 1 & 3; kind == 1 { // one byte, repeated
		g.skip = 1
	}
	if h&1 == 0 {
		return nil
	}
	if g.checksum {
		g.skip += 4
	}
	g.step = g.frame
	return nil
}
