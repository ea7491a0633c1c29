package checksums

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"hash/crc32"
	"io"
)

// maxXZTotal bounds the sum of the dictionaries of all blocks: each is
// allocated and cleared anew, which costs time even for an empty block.
const maxXZTotal int64 = 64 << 30

var (
	errXZ       = errors.New("not a valid xz stream")
	errXZFilter = errors.New("xz filters other than LZMA2 are not supported")
	errXZCheck  = errors.New("xz checksum is wrong")
	xzMagic     = []byte{0xfd, '7', 'z', 'X', 'Z', 0}
)

// xzReader reads xz streams (the .xz file format 1.1.0). The container is read
// here and only the LZMA2 data of a block is left to the lzma package: xz.Reader
// there allocates whatever dictionary a block's header asks for, and a check in
// front of it can be led astray by a chunk that holds more than it decodes to.
type xzReader struct {
	in    counter
	res   reserve
	total int64 // bytes of dictionary so far

	flags   byte // of the present stream: its kind of check
	records hash.Hash
	blocks  uint64
	block   *xzBlock // nil between blocks
	err     error    // sticky
}

func newXZReader(br *bufio.Reader, res reserve) (*xzReader, error) {
	x := &xzReader{in: counter{br: br}, res: res}
	return x, unexpected(x.header())
}

func (x *xzReader) Read(p []byte) (int, error) {
	for x.err == nil {
		if x.block == nil {
			x.err = x.next()
			continue
		}
		n, err := x.block.Read(p)
		if err == io.EOF {
			err = x.endBlock()
		}
		x.err = err
		if n > 0 || len(p) == 0 {
			return n, nil
		}
	}
	return 0, x.err
}

// next begins the next block, or reads what is behind the last.
func (x *xzReader) next() error {
	first, err := x.in.take(1)
	if err != nil {
		return unexpected(err)
	}
	if first[0] != 0 {
		return unexpected(x.openBlock(first[0]))
	}
	if err := x.tail(); err != nil {
		return unexpected(err)
	}
	return x.nextStream()
}

// nextStream passes padding over and begins the next stream; io.EOF if there
// is none.
func (x *xzReader) nextStream() error {
	for {
		ahead, err := x.in.br.Peek(4)
		if len(ahead) == 0 {
			return err
		}
		if err != nil {
			return unexpected(err)
		}
		if !bytes.Equal(ahead, zeros[:4]) {
			return unexpected(x.header())
		}
		if _, err := x.in.take(4); err != nil {
			return err
		}
	}
}

// header reads the header of a stream.
func (x *xzReader) header() error {
	b, err := x.in.take(12)
	if err != nil {
		return err
	}
	if !bytes.Equal(b[:6], xzMagic) || b[6] != 0 || !sumIs(b[6:8], b[8:]) {
		return errXZ
	}
	if newXZCheck(b[7]) == nil {
		return errors.New("xz check of an unknown kind")
	}
	x.flags, x.blocks, x.records = b[7], 0, sha256.New()
	return nil
}

// tail reads the index and the footer of a stream. The index must list the
// blocks that were read: their digest stands for them, so that any number of
// them takes no memory.
func (x *xzReader) tail() error {
	x.in.sum = crc32.NewIEEE()
	defer func() { x.in.sum = nil }()
	x.in.sum.Write(zeros[:1]) // the indicator
	start := x.in.n - 1
	if n, err := binary.ReadUvarint(&x.in); err != nil || n != x.blocks {
		return cmp.Or(err, errXZ)
	}
	listed := sha256.New()
	for range x.blocks {
		unpadded, err := binary.ReadUvarint(&x.in)
		if err != nil {
			return err
		}
		size, err := binary.ReadUvarint(&x.in)
		if err != nil {
			return err
		}
		addRecord(listed, unpadded, size)
	}
	if err := x.in.padding(x.in.n - start); err != nil {
		return err
	}
	sum := x.in.sum.Sum32()
	stored, err := x.in.take(4)
	if err != nil {
		return err
	}
	if binary.LittleEndian.Uint32(stored) != sum || !bytes.Equal(listed.Sum(nil), x.records.Sum(nil)) {
		return errXZ
	}
	return x.footer(x.in.n - start)
}

// footer reads the footer, behind an index of so many bytes.
func (x *xzReader) footer(index int64) error {
	b, err := x.in.take(12)
	if err != nil {
		return err
	}
	size := (int64(binary.LittleEndian.Uint32(b[4:])) + 1) * 4
	if !sumIs(b[4:10], b[:4]) || size != index || b[8] != 0 || b[9] != x.flags || string(b[10:]) != "YZ" {
		return errXZ
	}
	return nil
}

func addRecord(h hash.Hash, unpadded, size uint64) {
	h.Write(binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, unpadded), size))
}
