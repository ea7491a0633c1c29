package cache

import (
	"bufio"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
)

// writeBuffer holds the small writes of a serialiser together.
const writeBuffer = 64 << 10

var errFinished = errors.New("the record is finished already")

// Put keeps data, at most MaxSmall bytes, as the record of key. It replaces any
// earlier record of that kind and key, in whatever version; of two writers at
// once the later one's record stays, whole.
func (d *Dir) Put(kind string, version int, key string, data []byte) error {
	w, err := d.create(kind, version, key, MaxSmall)
	if err != nil {
		return err
	}
	defer w.Close()
	if _, err := w.Write(data); err != nil {
		return err
	}
	return w.Commit()
}

// Create begins the record of key, at most MaxRecord bytes. Nothing is kept
// before Commit.
func (d *Dir) Create(kind string, version int, key string) (*Writer, error) {
	return d.create(kind, version, key, MaxRecord)
}

func (d *Dir) create(kind string, version int, key string, limit int64) (*Writer, error) {
	id, err := identify(kind, key)
	if err != nil {
		return nil, err
	}
	w := &Writer{dir: d, id: id, version: version, limit: limit}
	if d == nil {
		return w, nil
	}
	w.file, w.aside, err = d.createAside()
	if err != nil {
		return nil, fmt.Errorf("%s record: %w", kind, err)
	}
	w.hash = sha256.New()
	w.buffer = bufio.NewWriterSize(io.MultiWriter(w.file, w.hash), writeBuffer)
	// A header that is no header: a record left behind half-written is none.
	if _, err := w.file.Write(make([]byte, headerSize)); err != nil {
		w.Close()
		return nil, fmt.Errorf("%s record: %w", kind, err)
	}
	return w, nil
}

// createAside makes a new file for writing in the folder for unfinished things.
func (d *Dir) createAside() (*os.File, string, error) {
	if err := d.root.MkdirAll(asideDir, dirMode); err != nil {
		return nil, "", err
	}
	name := path.Join(asideDir, rand.Text())
	file, err := d.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return nil, "", err
	}
	// The lock tells Prune that somebody is still writing; where the file
	// system has no locks, Prune goes by the file's age alone.
	_, _ = tryLock(file)
	return file, name, nil
}

// Writer writes one record. It is not safe for concurrent use.
type Writer struct {
	dir     *Dir
	id      identity
	version int
	limit   int64

	file   *os.File // nil: a nil Dir's writer, which discards
	aside  string
	buffer *bufio.Writer
	hash   hash.Hash
	size   int64
	err    error // the first failure, or errFinished
}

// Write adds p to the record. It returns ErrTooLarge once the record would pass
// its limit; the record can then no longer be committed.
func (w *Writer) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	if int64(len(p)) > w.limit-w.size {
		w.err = fmt.Errorf("%s record of more than %d bytes: %w", w.id.kind, w.limit, ErrTooLarge)
		return 0, w.err
	}
	w.size += int64(len(p))
	if w.file == nil {
		return len(p), nil
	}
	n, err := w.buffer.Write(p)
	if err != nil {
		w.err = fmt.Errorf("%s record: %w", w.id.kind, err)
	}
	return n, w.err
}

// Commit puts the record in its place. After an error nothing of it is kept,
// and an earlier record of the key is as it was.
func (w *Writer) Commit() error {
	err := w.err
	if err == nil && w.file != nil {
		err = w.finish()
	}
	w.Close()
	return err
}

// finish completes the file aside, has it on disk, and renames it.
func (w *Writer) finish() error {
	if err := w.seal(); err != nil {
		return fmt.Errorf("%s record: %w", w.id.kind, err)
	}
	name := w.id.record()
	err := w.dir.root.Rename(w.aside, name)
	if errors.Is(err, fs.ErrNotExist) {
		if err = w.dir.root.MkdirAll(path.Dir(name), dirMode); err == nil {
			err = w.dir.root.Rename(w.aside, name)
		}
	}
	if err != nil {
		return fmt.Errorf("%s record: %w", w.id.kind, err)
	}
	w.aside = ""
	return nil
}

func (w *Writer) seal() error {
	if err := w.buffer.Flush(); err != nil {
		return err
	}
	h := header{id: w.id, version: w.version, length: w.size}
	w.hash.Sum(h.sum[:0])
	if _, err := w.file.WriteAt(h.marshal(), 0); err != nil {
		return err
	}
	if err := w.file.Sync(); err != nil {
		return err
	}
	return w.file.Close()
}

// Close drops the record if it was not committed, and leaves nothing of it
// behind. Closing twice, or after Commit, does nothing.
func (w *Writer) Close() error {
	if w.err == nil {
		w.err = errFinished
	}
	if w.file == nil {
		return nil
	}
	w.file.Close() // closed by seal already, or of no more interest
	aside := w.aside
	w.file, w.aside = nil, ""
	if aside == "" {
		return nil
	}
	if err := w.dir.root.Remove(aside); err != nil {
		return fmt.Errorf("%s record: %w", w.id.kind, err)
	}
	return nil
}
