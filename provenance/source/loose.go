package source

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/klauspost/compress/zlib"
)

// maxHeader bounds a loose object's header: a type, a space, a size, a zero.
const maxHeader = 64

// openLoose opens an object that is a file of its own, objects/xx/yyyy….
func openLoose(dir *os.Root, want id) (*object, error) {
	name := want.String()
	f, err := openRegular(dir, name[:2]+"/"+name[2:])
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrObjectAbsent
	}
	if err != nil {
		return nil, err
	}
	o, err := readLoose(f)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("loose git object %s: %w", want, err)
	}
	return o, nil
}

// readLoose reads the header of a loose object and leaves its content to be
// read. A stream that the header's size does not fit is found by the verifier.
func readLoose(f *os.File) (*object, error) {
	z, err := zlib.NewReader(bufio.NewReader(f))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	content := bufio.NewReaderSize(z, 4096)
	header, err := readHeader(content)
	if err != nil {
		return nil, err
	}
	k, size, err := parseHeader(header)
	if err != nil {
		return nil, err
	}
	return &object{kind: k, size: size, ReadCloser: &looseReader{damaged{content}, f}}, nil
}

func readHeader(r io.ByteReader) (string, error) {
	var header []byte
	for len(header) < maxHeader {
		b, err := r.ReadByte()
		if err != nil {
			return "", fmt.Errorf("object header: %w: %w", ErrMalformed, err)
		}
		if b == 0 {
			return string(header), nil
		}
		header = append(header, b)
	}
	return "", fmt.Errorf("object header without an end: %w", ErrMalformed)
}

type looseReader struct {
	damaged
	file *os.File
}

func (r *looseReader) Close() error { return r.file.Close() }

// damaged marks every error of decompression as ErrMalformed.
type damaged struct{ io.Reader }

func (d damaged) Read(p []byte) (int, error) {
	n, err := d.Reader.Read(p)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return n, err
}

// openRegular opens a regular file below dir; a pipe or device there would hang
// the reader.
func openRegular(dir *os.Root, name string) (*os.File, error) {
	info, err := dir.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file: %w", name, ErrMalformed)
	}
	return dir.Open(name)
}
