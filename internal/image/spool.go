package image

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/imageverify/verify/checksums"
	"github.com/imageverify/verify/internal/cache"
)

// spoolBuffer is the size of the pieces that are written to a temporary file.
const spoolBuffer = 256 << 10

// spooler keeps a stream in a temporary file while it is scanned: reading from it
// reads the stream and writes what was read.
type spooler struct {
	from  io.Reader
	file  *bufio.Writer
	limit int64
	n     int64
}

// errTempFile says that keeping a stream failed, which says nothing about it.
var errTempFile = errors.New("temporary file")

// unpackSaved scans a file where it lies, or unpacks it to a temporary file. It
// closes the file that it does not return.
func unpackSaved(ctx context.Context, file *os.File, o Options) (*os.File, map[string]extent, error) {
	plain, err := isPlain(file)
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	if !plain {
		defer file.Close()
		return spool(ctx, file, inSaved, o.spill(), MaxSpoolBytes)
	}
	files, err := scanArchive(ctx, file, inSaved, position(file))
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return file, files, nil
}

// isPlain reports whether a file is not compressed, and goes back to its start.
func isPlain(file *os.File) (bool, error) {
	r, kind, err := checksums.Decompress(file)
	if err != nil {
		return false, err
	}
	r.Close()
	_, err = file.Seek(0, io.SeekStart)
	return kind == checksums.None, err
}

// spool unpacks a stream, compressed or not, into a temporary file and scans it
// for the files that keep wants. It reads no further than the archive's end, and
// keeps limit bytes at most.
func spool(ctx context.Context, in io.Reader, keep func(string) bool, spill spillFunc, limit int64) (*os.File, map[string]extent, error) {
	file, err := spill()
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errTempFile, err)
	}
	s := &spooler{file: bufio.NewWriterSize(file, spoolBuffer), limit: limit}
	files, err := s.scan(ctx, in, keep)
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return file, files, nil
}

// scan scans a stream. A decoder that panics on hostile bytes is one that cannot
// read them.
func (s *spooler) scan(ctx context.Context, in io.Reader, keep func(string) bool) (files map[string]extent, err error) {
	defer func() {
		if r := recover(); r != nil {
			files, err = nil, fmt.Errorf("decoder failed: %v", r)
		}
	}()
	unpacked, _, err := checksums.Decompress(checksums.ContextReader(ctx, in))
	if err != nil {
		return nil, err
	}
	defer unpacked.Close()
	s.from = unpacked
	if files, err = scanArchive(ctx, s, keep, s.at); err != nil {
		return nil, err
	}
	if err := s.file.Flush(); err != nil {
		return nil, fmt.Errorf("%w: %w", errTempFile, err)
	}
	return files, nil
}

// Read reads the stream and keeps what it read.
func (s *spooler) Read(p []byte) (int, error) {
	n, err := s.from.Read(p)
	if s.n += int64(n); s.n > s.limit {
		return 0, s.tooLarge()
	}
	if _, bad := s.file.Write(p[:n]); bad != nil {
		return 0, fmt.Errorf("%w: %w", errTempFile, bad)
	}
	return n, err
}

// at returns where the next byte of the stream stands in the file. It refuses an
// entry that will not fit before it is read.
func (s *spooler) at(size int64) (int64, error) {
	if size > s.limit-s.n {
		return 0, s.tooLarge()
	}
	return s.n, nil
}

func (s *spooler) tooLarge() error {
	return &LimitError{What: "bytes to keep in a temporary file", Limit: s.limit,
		Advice: "save and unpack it first: a plain archive is read where it lies"}
}

// spillFunc makes a temporary file.
type spillFunc func() (*os.File, error)

// spill returns how temporary files are made.
func (o Options) spill() spillFunc {
	if o.Spill != nil {
		return o.Spill
	}
	return (*cache.Dir)(nil).TempFile
}
