// Package local reads what the user names on this machine: a file, or a
// directory as a build context.
//
// Only regular files are read, each by the descriptor that it was opened with:
// what that leads to is judged, not what the name leads to a moment later. A
// FIFO or a device is refused without waiting for it.
package local

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

var (
	// ErrNotRegular says that a name leads to something that is no regular
	// file: a directory, a FIFO, a device.
	ErrNotRegular = errors.New("not a regular file")
	// ErrChanged says that a file is not what it was when this run first read
	// it, or changed while it was read.
	ErrChanged = errors.New("changed during the run")
)

// LimitError says that a file is larger than what is read of it, in bytes.
type LimitError struct{ Limit int64 }

func (e *LimitError) Error() string {
	return fmt.Sprintf("larger than the limit of %d bytes", e.Limit)
}

// ReadFile reads a regular file of at most limit bytes. Symbolic links are
// followed: the name is the user's own.
func ReadFile(name string, limit int64) ([]byte, error) {
	f, err := Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := ReadAll(f, limit)
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	return data, nil
}

// Open opens a regular file, as ReadFile does.
func Open(name string) (*os.File, error) {
	// Opening a device can do something, so the name is looked at first; what
	// was opened is looked at again.
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if err := regular(name, info); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(name, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return nil, err
	}
	if info, err = f.Stat(); err == nil {
		err = regular(name, info)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// ReadAll reads at most limit bytes; more are a *LimitError.
func ReadAll(r io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = &LimitError{limit}
	}
	return data, err
}

func regular(name string, info fs.FileInfo) error {
	switch {
	case info.IsDir():
		return &fs.PathError{Op: "read", Path: name, Err: fmt.Errorf("is a directory: %w", ErrNotRegular)}
	case !info.Mode().IsRegular():
		return &fs.PathError{Op: "read", Path: name, Err: ErrNotRegular}
	}
	return nil
}
