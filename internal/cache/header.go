package cache

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// The header of a record, big-endian, at fixed offsets. Each byte of it is
// compared with what the caller asked for or with what the payload gives, so a
// record under another record's name, or with any bit changed, is found out.
//
//	0    8  magic
//	8    8  version of the payload's format, chosen by the caller
//	16   8  length of the payload
//	24  32  sha256 of kind and key
//	56  32  sha256 of the payload
//	88  40  kind, padded with NUL
const (
	magic      = "verifyc\x01"
	headerSize = 128
	maxKind    = 40

	atVersion = 8
	atLength  = 16
	atName    = 24
	atSum     = 56
	atKind    = 88
)

var (
	errNotRecord = errors.New("not a record")
	errVersion   = errors.New("written in another version")
	errOther     = errors.New("the record of something else")
	errLength    = errors.New("truncated or too long")
	errDamaged   = errors.New("damaged")
)

// header is what stands before a record's payload.
type header struct {
	id      identity
	version int
	length  int64
	sum     [sha256.Size]byte
}

func (h header) marshal() []byte {
	b := make([]byte, headerSize)
	copy(b, magic)
	binary.BigEndian.PutUint64(b[atVersion:], uint64(h.version))
	binary.BigEndian.PutUint64(b[atLength:], uint64(h.length))
	copy(b[atName:], h.id.name[:])
	copy(b[atSum:], h.sum[:])
	copy(b[atKind:], h.id.kind)
	return b
}

// parseHeader reads the header of a file of size bytes that should hold the
// record of id in version. The payload's digest is the caller's to check.
func parseHeader(b []byte, id identity, version int, size int64) (header, error) {
	if len(b) != headerSize || !bytes.HasPrefix(b, []byte(magic)) {
		return header{}, errNotRecord
	}
	h := header{id: id, version: version, length: size - headerSize}
	copy(h.sum[:], b[atSum:])
	if got := binary.BigEndian.Uint64(b[atVersion:]); got != uint64(version) {
		return header{}, fmt.Errorf("%w: %d, not %d", errVersion, got, version)
	}
	want := h.marshal()
	if !bytes.Equal(b[atName:atSum], want[atName:atSum]) || !bytes.Equal(b[atKind:], want[atKind:]) {
		return header{}, errOther
	}
	if !bytes.Equal(b, want) {
		return header{}, errLength
	}
	return h, nil
}
