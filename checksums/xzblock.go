package checksums

import (
	"bytes"
	"encoding/binary"
	"hash"
	"io"
	"math"

	"github.com/ulikunitz/xz/lzma"
)

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
