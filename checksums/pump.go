package checksums

import (
	"context"
	"fmt"
	"hash"
	"io"
)

const (
	// chunkSize is the size of the pieces that unpacked bytes travel in.
	chunkSize = 128 << 10
	// chunkCount is how many of them a layer may have in use.
	chunkCount = 4
)

// pump unpacks a blob in a goroutine of its own: inflating takes most of the
// time, so that hashing and indexing what comes out costs a second processor
// and hardly any time.
type pump struct {
	out  chan []byte
	free chan []byte
	made int // chunks so far

	// Set before out is closed.
	compression Compression
	err         error // why it does not unpack
}

// startPump unpacks src until its end, an error, or one byte over limit, and
// in each case reads src to its end, so that its digest is known.
func startPump(ctx context.Context, src *blobReader, limit int64, res reserve) *pump {
	p := &pump{out: make(chan []byte, chunkCount), free: make(chan []byte, chunkCount)}
	go func() {
		defer close(p.out)
		p.err = p.unpack(ctx, src, limit, res)
		if ctx.Err() != nil {
			return
		}
		if _, err := io.Copy(io.Discard, src); err != nil && p.err == nil {
			p.err = err
		}
	}()
	return p
}

// unpack sends the unpacked bytes. A decoder that panics on hostile bytes is
// one that cannot read them.
func (p *pump) unpack(ctx context.Context, src *blobReader, limit int64, res reserve) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%s decoder failed: %v", p.compression, r)
		}
	}()
	dec, kind, err := decompress(src.input(), res)
	p.compression = kind
	if err != nil {
		return err
	}
	defer dec.Close()
	for total := int64(0); ; {
		chunk := p.chunk(ctx)
		if chunk == nil {
			return ctx.Err()
		}
		n, err := fill(dec, chunk[:min(chunkSize, limit+1-total)])
		p.out <- chunk[:n] // never blocks: out holds every chunk there is
		if total += int64(n); total > limit {
			return &LimitError{What: "unpacked bytes", Limit: limit}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
	}
}

// chunk returns a chunk to fill, nil when ctx ended.
func (p *pump) chunk(ctx context.Context) []byte {
	if ctx.Err() != nil {
		return nil
	}
	if p.made < chunkCount && len(p.free) == 0 {
		p.made++
		return make([]byte, chunkSize)
	}
	select {
	case c := <-p.free:
		return c[:chunkSize]
	case <-ctx.Done():
		return nil
	}
}

// fill reads until buf is full or r ends.
func fill(r io.Reader, buf []byte) (n int, err error) {
	for idle := 0; n < len(buf) && err == nil; {
		var k int
		k, err = r.Read(buf[n:])
		n += k
		if idle++; k > 0 {
			idle = 0
		}
		if idle > 100 {
			err = io.ErrNoProgress
		}
	}
	return n, err
}

// pumped is the other end of a pump: it hashes the unpacked bytes and hands
// them out.
type pumped struct {
	*pump
	hash  hash.Hash
	n     int64
	chunk []byte // as received
	rest  []byte // not yet handed out
}

func (p *pumped) Read(b []byte) (int, error) {
	for len(p.rest) == 0 {
		if !p.receive() {
			if p.err != nil {
				return 0, p.err
			}
			return 0, io.EOF
		}
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

// receive takes the next chunk, and reports whether there was one.
func (p *pumped) receive() bool {
	if p.chunk != nil {
		p.free <- p.chunk // never blocks: free holds every chunk there is
	}
	var ok bool
	p.chunk, ok = <-p.out
	p.rest = p.chunk
	p.hash.Write(p.rest)
	p.n += int64(len(p.rest))
	return ok
}

// drain hashes what is left, and returns when the pump has ended.
func (p *pumped) drain() {
	for p.receive() {
	}
}
