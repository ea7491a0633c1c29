package checksums

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
)

// The serialised form of an index: this magic, the number of entries and the
// sum of the contents' sizes (both little-endian uint64), then the records in
// walk order, each after its length.
const (
	indexMagic = "vindex\x00\x02"
	headerSize = int64(len(indexMagic)) + 16
)

func appendHeader(dst []byte, count int, content int64) []byte {
	dst = append(dst, indexMagic...)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(count))
	return binary.LittleEndian.AppendUint64(dst, uint64(content))
}

// Index holds the entries of one archive, sorted in walk order (ComparePaths),
// entries of one path by their place in the archive. It may be read by several
// goroutines at once.
type Index struct {
	r       io.ReaderAt
	size    int64 // of the serialised form
	count   int
	content int64
	closer  io.Closer
}

// ReadIndex returns the index whose serialised form is the first size bytes
// of r, which it goes on reading from; closer, where not nil, is closed with
// the index. Only the header is read here. A damaged record shows as an error
// of Entries, Find or WriteTo, before its entry is given out.
func ReadIndex(r io.ReaderAt, size int64, closer io.Closer) (*Index, error) {
	var h [headerSize]byte
	if size < headerSize {
		return nil, errors.New("index is shorter than its header")
	}
	if n, err := r.ReadAt(h[:], 0); n < len(h) {
		return nil, fmt.Errorf("header of an index: %w", unexpected(err))
	}
	if !bytes.HasPrefix(h[:], []byte(indexMagic)) {
		return nil, errors.New("not an index")
	}
	count := binary.LittleEndian.Uint64(h[len(indexMagic):])
	content := binary.LittleEndian.Uint64(h[len(indexMagic)+8:])
	if count > uint64(size-headerSize)/recordPrefix || content > math.MaxInt64 {
		return nil, errors.New("header of an index does not fit its size")
	}
	return &Index{r: r, size: size, count: int(count), content: int64(content), closer: closer}, nil
}

// Len returns the number of entries.
func (x *Index) Len() int { return x.count }

// Bytes returns the sum of the sizes of all contents.
func (x *Index) Bytes() int64 { return x.content }

// Close frees the file behind the index, if there is one. Closing nil is fine.
func (x *Index) Close() error {
	if x == nil || x.closer == nil {
		return nil
	}
	return x.closer.Close()
}

// Entries yields all entries in walk order. After an error nothing follows.
func (x *Index) Entries() iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		records := x.records()
		var sum totals
		for {
			e, err := nextEntry(records)
			if err == io.EOF {
				if err := sum.check(x); err != nil {
					yield(Entry{}, err)
				}
				return
			}
			if err == nil {
				err = sum.add(&e)
			}
			if err != nil {
				yield(Entry{}, fmt.Errorf("entry %d of an index: %w", sum.count, err))
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

func nextEntry(r *records) (Entry, error) {
	record, err := r.next()
	if err != nil {
		return Entry{}, err
	}
	return decodeRecord(record[recordPrefix:])
}

// totals is what is known of the entries read so far, to be compared with
// what the index says of itself.
type totals struct {
	count   int
	content int64
	path    string
	seq     int
}

func (t *totals) add(e *Entry) error {
	if t.count > 0 {
		if c := ComparePaths(t.path, e.Path); c > 0 || c == 0 && t.seq >= e.Seq {
			return errors.New("index is out of order")
		}
	}
	t.count, t.content, t.path, t.seq = t.count+1, t.content+e.Size, e.Path, e.Seq
	return nil
}

func (t *totals) check(x *Index) error {
	if t.count != x.count || t.content != x.content {
		return errors.New("index does not hold what its header says")
	}
	return nil
}

// Find returns the last entry (in the archive's order) of each path that has
// one. Paths are clean, as in Entry.Path.
func (x *Index) Find(paths ...string) (map[string]Entry, error) {
	wanted := make(map[string]bool, len(paths))
	for _, p := range paths {
		wanted[p] = true
	}
	found := make(map[string]Entry, len(paths))
	for records := x.records(); ; {
		record, err := records.next()
		if err == io.EOF {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
		path, ok := recordPath(record[recordPrefix:])
		if !ok {
			return nil, errRecord
		}
		if !wanted[string(path)] {
			continue
		}
		e, err := decodeRecord(record[recordPrefix:])
		if err != nil {
			return nil, err
		}
		found[e.Path] = e
	}
}

// WriteTo writes the serialised form, which ReadIndex reads.
func (x *Index) WriteTo(w io.Writer) (int64, error) {
	n, err := io.Copy(w, io.NewSectionReader(x.r, 0, x.size))
	if err == nil && n != x.size {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (x *Index) records() *records {
	section := io.NewSectionReader(x.r, headerSize, x.size-headerSize)
	return newRecords(section, section.Size(), int(min(section.Size(), inputBuffer)))
}

// records reads records one after another.
type records struct {
	br   *bufio.Reader
	left int64
	buf  []byte
}

func newRecords(r io.Reader, size int64, buffer int) *records {
	return &records{br: bufio.NewReaderSize(r, buffer), left: size}
}

// next returns the next record with its length; it is valid until the next
// call. It returns io.EOF at the end.
func (r *records) next() ([]byte, error) {
	if r.left == 0 {
		return nil, io.EOF
	}
	prefix, err := r.br.Peek(recordPrefix)
	if err != nil {
		return nil, unexpected(err)
	}
	n := recordPrefix + int64(binary.LittleEndian.Uint32(prefix))
	if n > r.left || n > maxRecord {
		return nil, errRecord
	}
	if int64(cap(r.buf)) < n {
		r.buf = make([]byte, max(n, 1<<10))
	}
	r.buf = r.buf[:n]
	if _, err := io.ReadFull(r.br, r.buf); err != nil {
		return nil, unexpected(err)
	}
	r.left -= n
	return r.buf, nil
}
