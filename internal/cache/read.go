package cache

import (
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// touchAfter is how old a record's time of use may become before a hit renews
// it: Prune needs no finer order, and a hit should cost no write.
const touchAfter = time.Hour

// Get returns the record of key, checked against its own digest, and ErrAbsent
// for one that is not there or not as it was written. Any kind and version that
// Put was given serve; a kind that cannot name a folder is a plain error.
func (d *Dir) Get(kind string, version int, key string) ([]byte, error) {
	f, err := d.open(kind, version, key, MaxSmall)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data := make([]byte, f.Size())
	if _, err := io.ReadFull(f.Section(), data); err != nil {
		return nil, absent(kind, err)
	}
	if sha256.Sum256(data) != f.sum {
		return nil, absent(kind, errDamaged)
	}
	return data, nil
}

// Open returns the record of key for reading at any place. The whole record has
// been read and checked against its own digest before Open returns; the errors
// are those of Get.
func (d *Dir) Open(kind string, version int, key string) (*File, error) {
	f, err := d.open(kind, version, key, MaxRecord)
	if err != nil {
		return nil, err
	}
	if err := f.check(); err != nil {
		f.Close()
		return nil, absent(kind, err)
	}
	return f, nil
}

// File is a record open for reading. Its methods are safe for concurrent use.
// The bytes stay readable, and the same, when the record is replaced or pruned.
type File struct {
	file *os.File
	size int64
	sum  [sha256.Size]byte
}

// ReadAt implements io.ReaderAt over the payload.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	return f.Section().ReadAt(p, off)
}

// Section returns a new reader over the whole payload, from its beginning.
func (f *File) Section() *io.SectionReader {
	return io.NewSectionReader(f.file, headerSize, f.size)
}

// Size returns the length of the payload in bytes.
func (f *File) Size() int64 { return f.size }

// Close closes the record.
func (f *File) Close() error { return f.file.Close() }

// check compares the payload with the digest in the header.
func (f *File) check() error {
	h := sha256.New()
	n, err := io.Copy(h, f.Section())
	if err != nil {
		return err
	}
	if n != f.size || [sha256.Size]byte(h.Sum(nil)) != f.sum {
		return errDamaged
	}
	return nil
}

// open opens a record and checks all of it but the payload's digest.
func (d *Dir) open(kind string, version int, key string, limit int64) (*File, error) {
	id, err := identify(kind, key)
	if err != nil {
		return nil, err
	}
	if d == nil {
		return nil, absent(kind, fs.ErrNotExist)
	}
	file, err := d.root.OpenFile(id.record(), os.O_RDONLY|openNonblock, 0)
	if err != nil {
		return nil, absent(kind, err)
	}
	f, err := d.readHeader(file, id, version, limit)
	if err != nil {
		file.Close()
		return nil, absent(kind, err)
	}
	return f, nil
}

func (d *Dir) readHeader(file *os.File, id identity, version int, limit int64) (*File, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() < headerSize {
		return nil, errNotRecord
	}
	// The cache directory is closed to others, but a folder inside it may have
	// been opened by hand.
	if reason := notOurs(info); reason != "" {
		return nil, fmt.Errorf("the record %s", reason)
	}
	b := make([]byte, headerSize)
	if _, err := file.ReadAt(b, 0); err != nil {
		return nil, err
	}
	h, err := parseHeader(b, id, version, info.Size())
	if err != nil {
		return nil, err
	}
	if h.length > limit {
		return nil, ErrTooLarge
	}
	d.touch(id.record(), info.ModTime())
	return &File{file: file, size: h.length, sum: h.sum}, nil
}

// touch renews the time of use of what stands at name. Where it cannot, the
// record is pruned a little early; nothing else depends on it.
func (d *Dir) touch(name string, last time.Time) {
	if now := time.Now(); now.Sub(last) > touchAfter {
		_ = d.root.Chtimes(name, now, now)
	}
}

// absent makes every reason for not serving a record an ErrAbsent that says
// why.
func absent(kind string, why error) error {
	return fmt.Errorf("%s record: %w: %w", kind, ErrAbsent, why)
}
