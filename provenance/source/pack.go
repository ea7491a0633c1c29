package source

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/klauspost/compress/zlib"
)

const (
	kindOffsetDelta kind = 6 // the base is at an offset in the same pack
	kindNameDelta   kind = 7 // the base is named by its id

	// maxDeltaDepth bounds a chain of deltas; git itself never makes one longer
	// than 4,095.
	maxDeltaDepth = 4095
	// maxInMemory is the largest delta base held in memory, in bytes; larger
	// ones go to an unlinked temporary file.
	maxInMemory   = 8 << 20
	packHeader    = 12
	packSignature = "PACK\x00\x00\x00\x02"
)

// errNoBase says that a delta's base is not in the pack.
var errNoBase = fmt.Errorf("base of a delta is not in its pack: %w", ErrMalformed)

// pack is an open pack file with its index. It is safe for concurrent use.
type pack struct {
	file  *os.File
	size  int64
	xfile *os.File
	index locator
	bases *baseCache
}

// locator finds the offset of an object in a pack.
type locator interface {
	find(want id) (offset int64, ok bool, err error)
}

func (p *pack) close() error { return errors.Join(p.file.Close(), p.xfile.Close()) }

// entry is the header of an object in a pack.
type entry struct {
	kind   kind
	size   int64 // of what is compressed: the content, or the delta
	data   int64 // offset of the compressed bytes
	base   int64 // deltas: offset of the base
	baseID id    // kindNameDelta: its name
}

// entryAt reads the header of the object at an offset.
func (p *pack) entryAt(offset int64) (entry, error) {
	if offset < packHeader || offset > p.size-idSize {
		return entry{}, fmt.Errorf("offset %d is outside the pack: %w", offset, ErrMalformed)
	}
	var raw [64]byte
	n, err := p.file.ReadAt(raw[:], offset)
	if n == 0 {
		return entry{}, fmt.Errorf("pack: %w: %w", ErrMalformed, err)
	}
	e, length, err := parseEntry(raw[:n], offset)
	e.data = offset + int64(length)
	return e, err
}

// parseEntry reads an object header from the start of raw and returns its
// length.
func parseEntry(raw []byte, offset int64) (entry, int, error) {
	cut := fmt.Errorf("object header in pack: %w", ErrMalformed)
	e := entry{kind: kind(raw[0] >> 4 & 7), size: int64(raw[0] & 15)}
	n := 1
	for shift := 4; raw[n-1]&0x80 != 0; shift += 7 {
		if n == len(raw) || shift > 50 {
			return entry{}, 0, cut
		}
		e.size |= int64(raw[n]&0x7f) << shift
		n++
	}
	switch e.kind {
	case kindCommit, kindTree, kindBlob, kindTag:
		return e, n, nil
	case kindNameDelta:
		if len(raw) < n+idSize {
			return entry{}, 0, cut
		}
		copy(e.baseID[:idSize], raw[n:])
		return e, n + idSize, nil
	case kindOffsetDelta:
		back, length := parseBackward(raw[n:])
		if length == 0 || back <= 0 || back >= offset {
			return entry{}, 0, cut
		}
		e.base = offset - back
		return e, n + length, nil
	}
	return entry{}, 0, cut
}

// parseBackward reads the distance to an offset delta's base; length 0 says
// that it is malformed.
func parseBackward(raw []byte) (back int64, length int) {
	for i, b := range raw {
		if i > 7 {
			return 0, 0
		}
		back = back<<7 | int64(b&0x7f)
		if b&0x80 == 0 {
			return back, i + 1
		}
		back++
	}
	return 0, 0
}

// inflater is a reusable decompressor.
type inflater struct {
	in  *bufio.Reader
	z   io.ReadCloser
	out *bufio.Reader
}

var inflaters = sync.Pool{New: func() any {
	return &inflater{in: bufio.NewReaderSize(nil, 4096), out: bufio.NewReaderSize(nil, 4096)}
}}

// inflate starts to decompress the bytes at an offset.
func (p *pack) inflate(offset int64) (_ *inflater, err error) {
	in := inflaters.Get().(*inflater)
	in.in.Reset(io.NewSectionReader(p.file, offset, p.size-idSize-offset))
	if in.z == nil {
		in.z, err = zlib.NewReader(in.in)
	} else {
		err = in.z.(zlib.Resetter).Reset(in.in, nil)
	}
	if err != nil {
		return nil, fmt.Errorf("pack: %w: %w", ErrMalformed, err)
	}
	in.out.Reset(in.z)
	return in, nil
}

// packReader is the content of an object in a pack. Close gives the inflater
// back and frees the delta's base.
type packReader struct {
	damaged
	in   *inflater
	base content
}

func newPackReader(r io.Reader, in *inflater, base content) *packReader {
	return &packReader{damaged: damaged{Reader: r}, in: in, base: base}
}

func (r *packReader) Close() error {
	if r.in == nil {
		return nil
	}
	inflaters.Put(r.in)
	r.in, r.Reader = nil, nil
	return r.base.close()
}

// chain follows deltas down to an object that is whole, or whose content is
// kept. links are the deltas, outermost first.
func (p *pack) chain(offset int64) (links []entry, bottom entry, at int64, err error) {
	for len(links) <= maxDeltaDepth {
		if len(links) > 0 && p.bases.has(p, offset) {
			return links, entry{}, offset, nil
		}
		e, err := p.entryAt(offset)
		if err != nil {
			return nil, entry{}, 0, err
		}
		switch e.kind {
		default:
			return links, e, offset, nil
		case kindOffsetDelta:
			links, offset = append(links, e), e.base
		case kindNameDelta:
			base, ok, err := p.index.find(e.baseID)
			if err == nil && !ok {
				err = fmt.Errorf("%w: %s", errNoBase, e.baseID)
			}
			if err != nil {
				return nil, entry{}, 0, err
			}
			e.base = base
			links, offset = append(links, e), base
		}
	}
	return nil, entry{}, 0, &LimitError{What: "length of a chain of git deltas", Limit: maxDeltaDepth}
}

// open opens the object at an offset for streaming; small ones are read now and
// kept, since they are likely the base of the next one.
func (p *pack) open(offset int64) (*object, error) {
	if c, ok := p.bases.get(p, offset); ok {
		return c.open(), nil
	}
	o, err := p.stream(offset)
	if err != nil || o.size > maxCachedItem {
		return o, err
	}
	c, err := p.keep(offset, o)
	if err != nil {
		return nil, err
	}
	return c.open(), nil
}

func (p *pack) stream(offset int64) (*object, error) {
	links, bottom, at, err := p.chain(offset)
	if err != nil {
		return nil, err
	}
	if len(links) == 0 {
		return p.openWhole(bottom)
	}
	base, err := p.bottom(bottom, at)
	for i := len(links) - 1; i > 0 && err == nil; i-- {
		base, err = p.apply(base, links[i], links[i-1].base)
	}
	if err != nil {
		return nil, err
	}
	return p.openDelta(base, links[0])
}

// openWhole streams an object that is no delta.
func (p *pack) openWhole(e entry) (*object, error) {
	in, err := p.inflate(e.data)
	if err != nil {
		return nil, err
	}
	return &object{kind: e.kind, size: e.size, ReadCloser: newPackReader(in.out, in, content{})}, nil
}

// openDelta streams the result of a delta. It takes the base over.
func (p *pack) openDelta(base content, e entry) (*object, error) {
	in, err := p.inflate(e.data)
	if err != nil {
		base.close()
		return nil, err
	}
	r, size, err := newDeltaReader(base.reader(), base.size, in.out)
	body := newPackReader(r, in, base)
	if err != nil {
		body.Close()
		return nil, err
	}
	return &object{kind: base.kind, size: size, ReadCloser: body}, nil
}

// bottom returns the content at the foot of a chain: kept, or read now.
func (p *pack) bottom(e entry, at int64) (content, error) {
	if c, ok := p.bases.get(p, at); ok {
		return c, nil
	}
	if e.kind != 0 {
		o, err := p.openWhole(e)
		if err != nil {
			return content{}, err
		}
		return p.keep(at, o)
	}
	// It was kept when the chain was followed, and was dropped since.
	o, err := p.stream(at)
	if err != nil {
		return content{}, err
	}
	return p.keep(at, o)
}

// apply builds the next content of a chain, whose own offset is at.
func (p *pack) apply(base content, e entry, at int64) (content, error) {
	o, err := p.openDelta(base, e)
	if err != nil {
		return content{}, err
	}
	return p.keep(at, o)
}

func (p *pack) keep(at int64, o *object) (content, error) {
	c, err := hold(o)
	if err == nil {
		p.bases.put(p, at, c)
	}
	return c, err
}
