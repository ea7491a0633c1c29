package source

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"sort"
	"sync"
)

// Layout of a pack index, version 2; see gitformat-pack(5): a header, a table of
// 256 cumulated counts by first byte, the sorted ids, their checksums, their
// offsets (31 bits, or a reference to a table of 64-bit ones), two trailing ids.
const (
	indexHeader    = 8
	fanoutSize     = 256 * 4
	idSize         = 20
	indexTrailer   = 2 * idSize
	indexSignature = "\xfftOc\x00\x00\x00\x02"
	// maxPackObjects bounds the objects of one pack; the largest public
	// repositories have some ten million.
	maxPackObjects = 50_000_000
	// maxBuckets bounds the ids of one index that are kept in memory, in bytes.
	maxBuckets = 64 << 20
)

// packIndex finds the offset of an object in a pack. It reads the ids of one
// first byte when they are first asked for.
type packIndex struct {
	r      io.ReaderAt
	size   int64
	fanout [257]int64 // fanout[b] objects have a first byte below b
	mu     sync.Mutex
	kept   int
	bucket [256][]byte
}

func newPackIndex(r io.ReaderAt, size int64) (*packIndex, error) {
	head := make([]byte, indexHeader+fanoutSize)
	if _, err := r.ReadAt(head, 0); err != nil {
		return nil, fmt.Errorf("pack index: %w: %w", ErrMalformed, err)
	}
	if string(head[:indexHeader]) != indexSignature {
		return nil, fmt.Errorf("pack index is not of version 2: %w", ErrMalformed)
	}
	x := &packIndex{r: r, size: size}
	for b := range 256 {
		x.fanout[b+1] = int64(binary.BigEndian.Uint32(head[indexHeader+4*b:]))
		if x.fanout[b+1] < x.fanout[b] {
			return nil, fmt.Errorf("pack index counts downwards: %w", ErrMalformed)
		}
	}
	if x.count() > maxPackObjects {
		return nil, &LimitError{What: "number of objects in a pack", Limit: maxPackObjects}
	}
	if size < x.wideOffsets()+indexTrailer {
		return nil, fmt.Errorf("pack index is cut short: %w", ErrMalformed)
	}
	return x, nil
}

func (x *packIndex) count() int64       { return x.fanout[256] }
func (x *packIndex) ids() int64         { return indexHeader + fanoutSize }
func (x *packIndex) offsets() int64     { return x.ids() + x.count()*(idSize+4) }
func (x *packIndex) wideOffsets() int64 { return x.offsets() + x.count()*4 }

// find returns the offset of an object in the pack.
func (x *packIndex) find(want id) (int64, bool, error) {
	names, err := x.names(want[0])
	if err != nil {
		return 0, false, err
	}
	n := len(names) / idSize
	i := sort.Search(n, func(i int) bool { return bytes.Compare(names[i*idSize:(i+1)*idSize], want[:idSize]) >= 0 })
	if i == n || !bytes.Equal(names[i*idSize:(i+1)*idSize], want[:idSize]) {
		return 0, false, nil
	}
	offset, err := x.offset(x.fanout[want[0]] + int64(i))
	return offset, err == nil, err
}

// names returns the sorted ids that start with b, one after the other.
func (x *packIndex) names(b byte) ([]byte, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.bucket[b] != nil {
		return x.bucket[b], nil
	}
	names := make([]byte, (x.fanout[int(b)+1]-x.fanout[b])*idSize)
	if _, err := x.r.ReadAt(names, x.ids()+x.fanout[b]*idSize); err != nil {
		return nil, fmt.Errorf("pack index: %w: %w", ErrMalformed, err)
	}
	if x.kept+len(names) <= maxBuckets {
		x.kept += len(names)
		x.bucket[b] = names
	}
	return names, nil
}

func (x *packIndex) offset(i int64) (int64, error) {
	var raw [8]byte
	if _, err := x.r.ReadAt(raw[:4], x.offsets()+4*i); err != nil {
		return 0, fmt.Errorf("pack index: %w: %w", ErrMalformed, err)
	}
	narrow := binary.BigEndian.Uint32(raw[:4])
	if narrow&(1<<31) == 0 {
		return int64(narrow), nil
	}
	at := x.wideOffsets() + 8*int64(narrow&^(1<<31))
	if at+8 > x.size-indexTrailer {
		return 0, fmt.Errorf("pack index points outside itself: %w", ErrMalformed)
	}
	if _, err := x.r.ReadAt(raw[:], at); err != nil {
		return 0, fmt.Errorf("pack index: %w: %w", ErrMalformed, err)
	}
	return int64(binary.BigEndian.Uint64(raw[:]) &^ (1 << 63)), nil
}
