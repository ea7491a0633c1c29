package checksums

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"

	"github.com/ulikunitz/xz/lzma"
)

const (
	// maxXZBlocks bounds the blocks of one xz stream: a decoder remembers
	// each until the stream's index.
	maxXZBlocks = 1 << 20
	// maxXZTotal bounds the sum of the dictionaries of all blocks: each is
	// allocated and cleared anew, which costs time even for an empty block.
	maxXZTotal int64 = 64 << 30
)

var errXZ = errors.New("not a valid xz stream")

// xzGuard follows the framing of an xz stream (the .xz file format 1.1.0, and
// the LZMA2 chunks inside its blocks) and bounds the dictionary of every block.
type xzGuard struct {
	framing
	res    reserve
	check  int64 // bytes of integrity check behind each block
	blocks int
	total  int64 // bytes of dictionary so far
	body   int64 // bytes of the present block's compressed data so far
}

func newXZGuard(br *bufio.Reader, res reserve) *xzGuard {
	g := &xzGuard{framing: framing{br: br}, res: res}
	g.step = g.stream
	return g
}

// stream reads a stream's header, or four bytes of padding between streams.
func (g *xzGuard) stream() error {
	b, err := g.take(4)
	if err != nil || bytes.Equal(b, make([]byte, 4)) {
		return err
	}
	if b, err = g.take(8); err != nil {
		return unexpected(err)
	}
	id := b[3] & 0xf // 0 none, 1–3 four bytes, 4–6 eight, 7–9 16, 10–12 32, 13–15 64
	g.check = 0
	if id > 0 {
		g.check = 4 << ((id - 1) / 3)
	}
	g.blocks = 0
	g.step = g.block
	return nil
}

func (g *xzGuard) block() error {
	b, err := g.take(1)
	if err != nil {
		return unexpected(err)
	}
	if b[0] == 0 {
		return g.index()
	}
	b, err = g.take(int(b[0])*4 + 3)
	if err != nil {
		return unexpected(err)
	}
	if g.blocks++; g.blocks > maxXZBlocks {
		return &LimitError{What: "xz blocks", Limit: maxXZBlocks}
	}
	dict, err := dictionary(b)
	if err != nil {
		return err
	}
	g.body, g.step = 0, g.chunk
	return g.allow(dict)
}

// allow asks for a dictionary of n bytes.
func (g *xzGuard) allow(n int64) error {
	if n > MaxWindow {
		return &LimitError{What: "bytes of xz dictionary", Limit: MaxWindow}
	}
	if g.total += n; g.total > maxXZTotal {
		return &LimitError{What: "bytes of xz dictionaries", Limit: maxXZTotal}
	}
	return g.res(n)
}

// dictionary finds the LZMA2 filter in a block's header, without the header's
// first byte, and returns its dictionary's size. It must be the only filter.
func dictionary(b []byte) (int64, error) {
	flags := b[0]
	if flags&3 != 0 {
		return 0, errors.New("xz filters other than LZMA2 are not supported")
	}
	b = b[1:]
	for bit := byte(0x40); bit != 0; bit <<= 1 { // compressed, uncompressed size
		if flags&bit == 0 {
			continue
		}
		_, n := binary.Uvarint(b)
		if n <= 0 {
			return 0, errXZ
		}
		b = b[n:]
	}
	if len(b) < 3 || b[0] != 0x21 || b[1] != 1 {
		return 0, errors.New("xz filters other than LZMA2 are not supported")
	}
	return lzma.DecodeDictCap(b[2])
}

// chunk reads the header of an LZMA2 chunk.
func (g *xzGuard) chunk() error {
	b, err := g.take(1)
	if err != nil {
		return unexpected(err)
	}
	control, more := b[0], 2
	switch {
	case control == 0:
		g.skip = (-(g.body + 1))&3 + g.check
		g.step = g.block
		return nil
	case control >= 0xc0:
		more = 5
	case control >= 0x80:
		more = 4
	case control > 2:
		return errXZ
	}
	if b, err = g.take(more); err != nil {
		return unexpected(err)
	}
	size := b[:2]
	if control >= 0x80 {
		size = b[2:4]
	}
	g.skip = int64(binary.BigEndian.Uint16(size)) + 1
	g.body += 1 + int64(more) + g.skip
	return nil
}

// index reads the index and the footer behind the blocks.
func (g *xzGuard) index() error {
	records, size, err := g.uvarint()
	if err != nil {
		return err
	}
	if records != uint64(g.blocks) {
		return errXZ
	}
	size++ // the indicator
	for range 2 * records {
		_, n, err := g.uvarint()
		if err != nil {
			return err
		}
		size += n
	}
	g.skip = int64(-size&3) + 4 + 12 // padding, CRC32, footer
	g.step = g.stream
	return nil
}

// uvarint reads a number as the index has it, and how many bytes it takes.
func (g *xzGuard) uvarint() (uint64, int, error) {
	at := len(g.pending)
	for {
		b, err := g.take(1)
		if err != nil {
			return 0, 0, unexpected(err)
		}
		if b[0]&0x80 == 0 {
			break
		}
		if len(g.pending)-at > binary.MaxVarintLen64 {
			return 0, 0, errXZ
		}
	}
	v, n := binary.Uvarint(g.pending[at:])
	if n <= 0 {
		return 0, 0, errXZ
	}
	return v, n, nil
}
