package checksums

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Compression is how a blob is compressed, found by its first bytes.
type Compression string

// The compressions that Decompress knows.
const (
	None  Compression = "none"
	Gzip  Compression = "gzip"
	Zstd  Compression = "zstd"
	XZ    Compression = "xz"
	Bzip2 Compression = "bzip2"
)

// MaxWindow is the largest zstd window and the largest xz dictionary, in
// bytes: what the zstd program's --long and xz -9 need fit, while a file of 76
// bytes that asks for 1.5 GiB is refused before anything is allocated.
const MaxWindow int64 = 128 << 20

// sniffBytes is how many bytes tell the compressions apart.
const sniffBytes = 10

// inputBuffer is the size of the buffer between a blob and its decoder.
const inputBuffer = 64 << 10

// reserve is asked before a decoder allocates a window of n bytes, and may
// wait. The window replaces the one asked for before; 0 gives all back.
type reserve func(n int64) error

// Decompress finds out how r is compressed and returns its content. Several
// gzip members, zstd frames or xz streams behind one another are one content;
// anything else behind the end is an error. What is not compressed in a way
// that is known comes back as it is. Closing frees the decoder, not r.
func Decompress(r io.Reader) (io.ReadCloser, Compression, error) {
	br := bufio.NewReaderSize(r, inputBuffer)
	return decompress(br, func(int64) error { return nil })
}

func decompress(br *bufio.Reader, res reserve) (io.ReadCloser, Compression, error) {
	start, err := br.Peek(sniffBytes)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, None, err
	}
	kind := sniff(start)
	rc, err := open(br, kind, res)
	if err != nil {
		return nil, kind, errors.Join(fmt.Errorf("%s: %w", kind, unexpected(err)), res(0))
	}
	return rc, kind, nil
}

func open(br *bufio.Reader, kind Compression, res reserve) (io.ReadCloser, error) {
	switch kind {
	case Gzip:
		return gzip.NewReader(br)
	case Zstd:
		return openZstd(br, res)
	case XZ:
		return openXZ(br, res)
	case Bzip2:
		return io.NopCloser(bzip2.NewReader(br)), nil
	}
	return io.NopCloser(br), nil
}

// sniff names the compression. bzip2's "BZh" alone could begin the name of a
// tar's first file, so that the magic of its first block is read too.
func sniff(b []byte) Compression {
	switch {
	case bytes.HasPrefix(b, []byte{0x1f, 0x8b, 8}):
		return Gzip
	case bytes.HasPrefix(b, []byte{0x28, 0xb5, 0x2f, 0xfd}), isSkippable(b):
		return Zstd
	case bytes.HasPrefix(b, []byte{0xfd, '7', 'z', 'X', 'Z', 0}):
		return XZ
	case isBzip2(b):
		return Bzip2
	}
	return None
}

func isSkippable(b []byte) bool {
	return len(b) >= 4 && b[0]&0xf0 == 0x50 && bytes.Equal(b[1:4], []byte{0x2a, 0x4d, 0x18})
}

func isBzip2(b []byte) bool {
	if len(b) < sniffBytes || !bytes.HasPrefix(b, []byte("BZh")) || b[3] < '1' || b[3] > '9' {
		return false
	}
	block := []byte{0x31, 0x41, 0x59, 0x26, 0x53, 0x59}
	end := []byte{0x17, 0x72, 0x45, 0x38, 0x50, 0x90}
	return bytes.Equal(b[4:], block) || bytes.Equal(b[4:], end)
}

func openZstd(br *bufio.Reader, res reserve) (io.ReadCloser, error) {
	d, err := zstd.NewReader(newZstdGuard(br, res),
		zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(uint64(MaxWindow)))
	if err != nil {
		return nil, err
	}
	return &windowed{Reader: d, close: d.Close, res: res}, nil
}

func openXZ(br *bufio.Reader, res reserve) (io.ReadCloser, error) {
	d, err := newXZReader(br, res)
	if err != nil {
		return nil, err
	}
	return &windowed{Reader: d, close: func() {}, res: res}, nil
}

// windowed gives its window back when it is closed.
type windowed struct {
	io.Reader
	close func()
	res   reserve
}

func (w *windowed) Close() error {
	w.close()
	return w.res(0)
}

// unexpected makes an end at the wrong place tell itself from a proper one.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
