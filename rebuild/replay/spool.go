package replay

import (
	"bufio"
	"io"
	"os"

	"github.com/imageverify/verify/checksums"
)

// spoolMemory is how many bytes of file contents are kept in memory; what goes
// beyond them is in a temporary file, together with them.
const spoolMemory = 4 << 20

// spool keeps the contents of files one after another. Writing comes first:
// after the first read nothing more is written.
type spool struct {
	openFile func() (*os.File, error) // nil stands for the system's temporary folder
	head     []byte
	file     *os.File
	w        *bufio.Writer
	size     int64
}

// Write adds bytes at the end.
func (s *spool) Write(p []byte) (int, error) {
	if s.file == nil && len(s.head)+len(p) <= spoolMemory {
		s.head = append(s.head, p...)
		s.size += int64(len(p))
		return len(p), nil
	}
	if err := s.spill(); err != nil {
		return 0, &SpoolError{err}
	}
	n, err := s.w.Write(p)
	s.size += int64(n)
	if err != nil {
		err = &SpoolError{err}
	}
	return n, err
}

// spill moves to a file what is in memory.
func (s *spool) spill() error {
	if s.file != nil {
		return nil
	}
	open := s.openFile
	if open == nil {
		open = checksums.TempFile
	}
	f, err := open()
	if err != nil {
		return err
	}
	s.file, s.w = f, bufio.NewWriterSize(f, 256<<10)
	_, err = s.w.Write(s.head)
	s.head = nil
	return err
}

// ReadAt reads what was written; it must not be called at the same time as
// Write.
func (s *spool) ReadAt(p []byte, off int64) (int, error) {
	if s.file == nil {
		if off >= int64(len(s.head)) {
			return 0, io.EOF
		}
		n := copy(p, s.head[off:])
		if n < len(p) {
			return n, io.EOF
		}
		return n, nil
	}
	if s.w.Buffered() > 0 {
		if err := s.w.Flush(); err != nil {
			return 0, &SpoolError{err}
		}
	}
	n, err := s.file.ReadAt(p, off)
	if err != nil && err != io.EOF {
		err = &SpoolError{err}
	}
	return n, err
}

// Close frees the file.
func (s *spool) Close() error {
	if s == nil || s.file == nil {
		return nil
	}
	return s.file.Close()
}

// SpoolError says that the temporary file of a replay failed: a fault of this
// machine, not of the source.
type SpoolError struct{ Err error }

func (e *SpoolError) Error() string { return "temporary file of a replay: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *SpoolError) Unwrap() error { return e.Err }
