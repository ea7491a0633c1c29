package checksums

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"
)

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

// newXZCheck returns the check of that kind, nil for one that is not known.
// Its Sum is in the order in which the file has it.
func newXZCheck(kind byte) hash.Hash {
	switch kind {
	case 0:
		return noCheck{}
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
