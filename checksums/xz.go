package checksums

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"
	"math"

	"github.com/ulikunitz/xz/lzma"
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
		return orElse(err, errXZ)
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

// xzBlock reads the content of one block.
type xzBlock struct {
	lzma  *lzma.Reader2
	check hash.Hash
	n     int64  // bytes of content so far
	start int64  // where the block begins
	body  int64  // where its data begins
	size  uint64 // declared bytes of content
	data  uint64 // declared bytes of data
}

// undeclared stands for a size that a block's header does not have.
const undeclared = math.MaxUint64

// declared reads a size, if it is there.
func declared(r io.ByteReader, present bool) (uint64, error) {
	if !present {
		return undeclared, nil
	}
	n, err := binary.ReadUvarint(r)
	if err != nil || n > math.MaxInt64 {
		return 0, errXZ
	}
	return n, nil
}

func (b *xzBlock) Read(p []byte) (int, error) {
	n, err := b.lzma.Read(p)
	b.check.Write(p[:n])
	if b.n += int64(n); uint64(b.n) > b.size {
		return n, errXZ
	}
	if err == io.EOF && !b.lzma.EOS() {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// openBlock reads a block's header, whose first byte is given, and makes the
// decoder, once its dictionary is found to be within bounds.
func (x *xzReader) openBlock(first byte) error {
	start := x.in.n - 1
	rest, err := x.in.take(int(first)*4 + 3)
	if err != nil {
		return err
	}
	b := append([]byte{first}, rest...)
	fields, sum := b[:len(b)-4], b[len(b)-4:]
	if !sumIs(fields, sum) {
		return errXZ
	}
	block := &xzBlock{check: newXZCheck(x.flags), start: start, body: x.in.n}
	dict, err := block.parse(fields[1:])
	if err != nil {
		return err
	}
	if err := x.allow(dict); err != nil {
		return err
	}
	block.lzma, err = lzma.Reader2Config{DictCap: int(dict)}.NewReader2(&x.in)
	x.block = block
	return err
}

// parse reads the fields of a block's header and returns how large the
// dictionary must be.
func (b *xzBlock) parse(fields []byte) (dict int64, err error) {
	flags := fields[0]
	if flags&0x3c != 0 {
		return 0, errXZ
	}
	if flags&3 != 0 {
		return 0, errXZFilter
	}
	r := bytes.NewReader(fields[1:])
	if b.data, err = declared(r, flags&0x40 != 0); err != nil {
		return 0, err
	}
	if b.size, err = declared(r, flags&0x80 != 0); err != nil {
		return 0, err
	}
	var filter [3]byte
	if _, err := io.ReadFull(r, filter[:]); err != nil || filter[0] != 0x21 || filter[1] != 1 {
		return 0, errXZFilter
	}
	return lzma.DecodeDictCap(filter[2])
}

// allow asks for a dictionary of n bytes.
func (x *xzReader) allow(n int64) error {
	if n > MaxWindow {
		return &LimitError{What: "bytes of xz dictionary", Limit: MaxWindow}
	}
	if x.total += n; x.total > maxXZTotal {
		return &LimitError{What: "bytes of xz dictionaries", Limit: maxXZTotal}
	}
	return x.res(n)
}

// endBlock checks a block that was read to its end.
func (x *xzReader) endBlock() error {
	b := x.block
	x.block = nil
	data := x.in.n - b.body
	if b.size != undeclared && uint64(b.n) != b.size || b.data != undeclared && uint64(data) != b.data {
		return errXZ
	}
	if err := x.in.padding(data); err != nil {
		return unexpected(err)
	}
	stored, err := x.in.take(b.check.Size())
	if err != nil {
		return unexpected(err)
	}
	if !bytes.Equal(stored, b.check.Sum(nil)) {
		return errXZCheck
	}
	addRecord(x.records, uint64(b.body-b.start+data)+uint64(b.check.Size()), uint64(b.n))
	x.blocks++
	return nil
}

// counter is what an xz stream is read through.
type counter struct {
	br  *bufio.Reader
	n   int64
	sum hash.Hash32 // of what is read, where not nil
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.br.Read(p)
	c.n += int64(n)
	return n, err
}

func (c *counter) ReadByte() (byte, error) {
	b, err := c.take(1)
	if err != nil {
		return 0, err
	}
	return b[0], nil
}

// take returns the next n bytes.
func (c *counter) take(n int) ([]byte, error) {
	b := make([]byte, n)
	got, err := io.ReadFull(c.br, b)
	c.n += int64(got)
	if c.sum != nil {
		c.sum.Write(b[:got])
	}
	return b, err
}

// padding reads the zeros that make n bytes a multiple of four.
func (c *counter) padding(n int64) error {
	b, err := c.take(int(-n & 3))
	if err == nil && !allZero(b) {
		err = errXZ
	}
	return err
}

func sumIs(b, sum []byte) bool { return crc32.ChecksumIEEE(b) == binary.LittleEndian.Uint32(sum) }

func orElse(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

// newXZCheck returns the check of that kind, nil for one that is not known.
// Its Sum is in the order in which the file has it.
func newXZCheck(kind byte) hash.Hash {
	switch kind {
	case 0:
		return noCheck{sha256.New()}
	case 1:
		return littleEndian{crc32.NewIEEE()}
	case 4:
		return littleEndian{crc64.New(crc64.MakeTable(crc64.ECMA))}
	case 10:
		return sha256.New()
	}
	return nil
}

// littleEndian is a hash whose Sum has the last byte first.
type littleEndian struct{ hash.Hash }

func (l littleEndian) Sum(b []byte) []byte {
	sum := l.Hash.Sum(nil)
	for i := range sum {
		b = append(b, sum[len(sum)-1-i])
	}
	return b
}

// noCheck is the check of a stream that has none.
type noCheck struct{ hash.Hash }

func (noCheck) Write(p []byte) (int, error) { return len(p), nil }
func (noCheck) Size() int                   { return 0 }
func (noCheck) Sum(b []byte) []byte         { return b }
