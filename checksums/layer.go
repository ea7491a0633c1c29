package checksums

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Layer is what one reading of a layer's blob found. Nothing in it is compared
// with what a manifest or config says; that is for the caller to do.
type Layer struct {
	// Blob and BlobSize are the digest, by LayerOptions.Algorithm, and number
	// of the bytes read. A blob
	// longer than LayerOptions.Size is read one byte beyond it, so BlobSize is
	// then Size+1. Blob is zero (BlobSize as far as it was read) only where
	// the blob itself is over the bound that LayerOptions.Limits sets.
	Blob     v1.Hash
	BlobSize int64
	// DiffID is the sha256 digest of the unpacked bytes, whatever the blob's
	// algorithm is; zero when BlobErr is set.
	DiffID v1.Hash
	// Unpacked is the number of unpacked bytes.
	Unpacked    int64
	Compression Compression
	// Index holds the archive's entries; nil when BlobErr or TarErr is set.
	Index *Index
	// Trailing says that there are bytes other than zero behind the archive's
	// end marker.
	Trailing bool
	// TarErr says why the unpacked bytes cannot be read as an archive, a
	// *LimitError in its chain where a bound was met. DiffID is still true.
	TarErr error
	// BlobErr says why the blob does not unpack: cut short, damaged, or over
	// a bound (a *LimitError in its chain).
	BlobErr error
	// FromCache says that the bytes were not read in this run.
	FromCache bool
}

// LayerOptions says how to read a layer.
type LayerOptions struct {
	// Size is how many bytes the blob should have, below 0 if unknown. At most
	// one byte more is read.
	Size int64
	// Algorithm is the one of the digest that the blob is to be compared with:
	// "sha256", which "" stands for, or "sha512".
	Algorithm string
	// Limits bounds the layer; zero fields have their defaults.
	Limits Limits
	// Memory is how many bytes making the index may hold before it goes to a
	// temporary file; 0 means DefaultMemory.
	Memory int64
	// Spill opens temporary files, as for NewBuilder.
	Spill func() (*os.File, error)
	// Windows is shared by layers that are read at the same time; nil bounds
	// this layer alone.
	Windows *Windows
	// Progress, where not nil, is called with the number of bytes that each
	// further reading of the blob gave, from another goroutine than
	// ReadLayer's, but never after it returned.
	Progress func(n int64)
}

// blobLimit is how long the blob of a layer of that many unpacked bytes may be:
// gzip and zstd add well under a hundredth to what does not compress.
func blobLimit(unpacked int64) int64 {
	const slack = 1 << 20
	return unpacked + min(unpacked/64, 1<<40) + slack
}

// ReadLayer reads a layer's blob once, to its end: it hashes the blob, unpacks
// it, hashes what comes out, and indexes the archive in that. Whatever is wrong
// with the layer is told in the Layer. The error is for what says nothing
// about the layer: reading from blob failed, ctx ended, the temporary file of
// the index failed (*SpillError), or o.Algorithm is not known. blob is read in another goroutine, which
// has ended when ReadLayer returns; a Read that blocks should end with ctx.
func ReadLayer(ctx context.Context, blob io.Reader, o LayerOptions) (*Layer, error) {
	limits := o.Limits.OrDefault()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	src, err := newBlobReader(ctx, blob, o)
	if err != nil {
		return nil, err
	}
	p := startPump(ctx, src, limits.Unpacked, o.Windows.reserve(ctx))
	b := NewBuilder(o.Spill, limits)
	defer b.Close()
	if o.Memory > 0 {
		b.memory = o.Memory
	}
	unpacked := &pumped{pump: p, hash: sha256.New()}
	facts, tarErr := IndexTar(ctx, unpacked, b)
	var spill *SpillError
	if errors.As(tarErr, &spill) {
		cancel()
	}
	unpacked.drain()
	if spill != nil {
		return nil, spill
	}
	if err := transportError(ctx, src, p); err != nil {
		return nil, err
	}
	return result(src, p, unpacked, facts, tarErr, b)
}

// transportError returns the error that says nothing about the layer.
func transportError(ctx context.Context, src *blobReader, p *pump) error {
	if src.err != nil {
		return fmt.Errorf("reading a layer after %d bytes: %w", src.n, src.err)
	}
	if p.err != nil && ctx.Err() != nil {
		return fmt.Errorf("reading a layer after %d bytes: %w", src.n, ctx.Err())
	}
	return nil
}

func result(src *blobReader, p *pump, unpacked *pumped, facts TarFacts, tarErr error, b *Builder) (*Layer, error) {
	l := &Layer{
		Blob:        src.digest(),
		BlobSize:    src.n,
		Unpacked:    unpacked.n,
		Compression: p.compression,
		BlobErr:     p.err,
	}
	if l.BlobErr != nil {
		return l, nil
	}
	l.DiffID = digestOf("sha256", unpacked.hash)
	l.Trailing, l.TarErr = facts.Trailing, tarErr
	if l.TarErr != nil {
		return l, nil
	}
	var err error
	if l.Index, err = b.Finish(); err != nil {
		return nil, err
	}
	return l, nil
}

// blobReader reads a blob as far as it may, and hashes it.
type blobReader struct {
	ctx       context.Context
	r         io.Reader
	algorithm string
	hash      hash.Hash
	progress  func(int64)
	n, limit  int64
	end       error // what is returned at limit
	err       error // of r or ctx, never io.EOF
}

func newBlobReader(ctx context.Context, r io.Reader, o LayerOptions) (*blobReader, error) {
	b := &blobReader{ctx: ctx, r: r, algorithm: cmp.Or(o.Algorithm, "sha256"), progress: o.Progress}
	if b.hash = newHash(b.algorithm); b.hash == nil {
		return nil, fmt.Errorf("reading a layer: digest algorithm %q is not supported", b.algorithm)
	}
	if b.progress == nil {
		b.progress = func(int64) {}
	}
	b.limit = blobLimit(o.Limits.OrDefault().Unpacked)
	b.end = &LimitError{What: "bytes of blob", Limit: b.limit - 1}
	if o.Size >= 0 && o.Size < b.limit {
		b.limit, b.end = o.Size+1, io.EOF
	}
	return b, nil
}

func (b *blobReader) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.n == b.limit {
		return 0, b.end
	}
	if b.err = b.ctx.Err(); b.err != nil {
		return 0, b.err
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.limit-b.n)])
	b.hash.Write(p[:n])
	b.n += int64(n)
	b.progress(int64(n))
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}

// digest returns the digest of the blob, zero if it was not read to its end.
func (b *blobReader) digest() v1.Hash {
	if b.n == b.limit && b.end != io.EOF {
		return v1.Hash{}
	}
	return digestOf(b.algorithm, b.hash)
}

// input returns what a decoder reads from.
func (b *blobReader) input() *bufio.Reader { return bufio.NewReaderSize(b, inputBuffer) }
