package checksums

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// Builder takes entries in the order of an archive and makes their Index. It
// keeps at most half of its memory bound in records, since sorting needs as
// much again; beyond that, sorted runs go to a temporary file and are merged.
// A Builder is not safe for concurrent use.
type Builder struct {
	spill  func() (*os.File, error)
	limits Limits
	memory int64

	chunks  [][]byte
	refs    []ref
	used    int64
	scratch []byte

	count   int
	content int64

	runs *os.File
	ends []int64 // where each run ends in runs
}

// ref says where a record lies: the chunk's number, then the offset in it.
// Refs grow in the order in which entries were added.
type ref struct{ chunk, off uint32 }

// Chunks start small, since most archives are.
const (
	minChunk = 16 << 10
	maxChunk = 1 << 20
)

// NewBuilder returns a builder that refuses entries beyond l. spill opens the
// temporary files, should any be needed; they need no name. nil stands for
// files in the system's temporary folder.
func NewBuilder(spill func() (*os.File, error), l Limits) *Builder {
	if spill == nil {
		spill = TempFile
	}
	return &Builder{spill: spill, limits: l.OrDefault(), memory: DefaultMemory}
}

// TempFile opens a file in the system's temporary folder that has no name any
// more, where the system allows that.
func TempFile() (*os.File, error) {
	f, err := os.CreateTemp("", "verify-*")
	if err != nil {
		return nil, err
	}
	os.Remove(f.Name()) // where an open file cannot be removed, it stays until the system cleans up
	return f, nil
}

// SpillError says that the temporary file of an index failed: a fault of this
// machine, not of the archive.
type SpillError struct{ Err error }

func (e *SpillError) Error() string { return "temporary file of an index: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *SpillError) Unwrap() error { return e.Err }

func spillError(err error) error {
	if err == nil {
		return nil
	}
	return &SpillError{Err: err}
}

// Add adds the archive's next entry and gives it its place: e.Seq is not read.
// e.Path must be clean (see CleanPath). It returns a *LimitError when a limit
// is reached; the builder is of no use then.
func (b *Builder) Add(e Entry) error {
	if err := b.check(&e); err != nil {
		return err
	}
	e.Seq = b.count
	b.scratch = appendRecord(b.scratch[:0], &e)
	if len(b.scratch) > maxRecord {
		return &LimitError{What: "bytes in one entry's header", Limit: maxRecord}
	}
	if b.used+int64(len(b.scratch)) > b.memory/2 && len(b.refs) > 0 {
		if err := b.flush(); err != nil {
			return spillError(err)
		}
	}
	b.count++
	b.content += e.Size
	b.keep(b.scratch)
	return nil
}

// check tells whether the limits allow one more entry, before its content is
// read.
func (b *Builder) check(e *Entry) error {
	switch {
	case b.count >= b.limits.Entries:
		return &LimitError{What: "entries", Limit: int64(b.limits.Entries)}
	case len(e.Path) > b.limits.PathBytes:
		return &LimitError{What: "bytes in a path", Limit: int64(b.limits.PathBytes)}
	case len(e.Link) > b.limits.PathBytes:
		return &LimitError{What: "bytes in a link target", Limit: int64(b.limits.PathBytes)}
	case e.Size < 0:
		return fmt.Errorf("%q: negative size", e.Path)
	case e.Size > b.limits.Unpacked-b.content:
		return &LimitError{What: "bytes of content", Limit: b.limits.Unpacked}
	case e.Path != CleanPath(e.Path):
		return fmt.Errorf("%q is not a clean path", e.Path)
	}
	return nil
}

func (b *Builder) keep(record []byte) {
	last := len(b.chunks) - 1
	if last < 0 || len(b.chunks[last])+len(record) > cap(b.chunks[last]) {
		size := min(max(minChunk, int(b.used)), maxChunk)
		b.chunks = append(b.chunks, make([]byte, 0, max(size, len(record))))
		last++
	}
	b.refs = append(b.refs, ref{uint32(last), uint32(len(b.chunks[last]))})
	b.chunks[last] = append(b.chunks[last], record...)
	b.used += int64(len(record))
}

// record returns a record with its length.
func (b *Builder) record(r ref) []byte {
	at := b.chunks[r.chunk][r.off:]
	return at[:recordPrefix+binary.LittleEndian.Uint32(at)]
}

func (b *Builder) sort() {
	slices.SortFunc(b.refs, func(x, y ref) int {
		p, _ := recordPath(b.record(x)[recordPrefix:])
		q, _ := recordPath(b.record(y)[recordPrefix:])
		return cmp.Or(comparePaths(p, q), cmp.Compare(x.chunk, y.chunk), cmp.Compare(x.off, y.off))
	})
}

// flush writes the records in memory to a run of their own.
func (b *Builder) flush() error {
	if b.runs == nil {
		f, err := b.spill()
		if err != nil {
			return err
		}
		b.runs = f
	}
	b.sort()
	w := bufio.NewWriterSize(b.runs, inputBuffer)
	if err := b.writeRecords(w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	b.ends = append(b.ends, b.start()+b.used)
	b.chunks, b.refs, b.used = nil, b.refs[:0], 0
	return nil
}

// start is where the next run begins.
func (b *Builder) start() int64 {
	if len(b.ends) == 0 {
		return 0
	}
	return b.ends[len(b.ends)-1]
}

func (b *Builder) writeRecords(w io.Writer) error {
	for _, r := range b.refs {
		if _, err := w.Write(b.record(r)); err != nil {
			return err
		}
	}
	return nil
}

// Finish returns the index of all entries added, and closes the builder.
func (b *Builder) Finish() (*Index, error) {
	defer b.Close()
	if b.runs == nil {
		return b.inMemory()
	}
	if err := b.flush(); err != nil {
		return nil, spillError(err)
	}
	f, err := b.spill()
	if err != nil {
		return nil, spillError(err)
	}
	if err := b.merge(f); err != nil {
		return nil, errors.Join(spillError(err), f.Close())
	}
	return ReadIndex(f, headerSize+b.start(), f)
}

func (b *Builder) inMemory() (*Index, error) {
	b.sort()
	out := bytes.NewBuffer(make([]byte, 0, headerSize+b.used))
	out.Write(appendHeader(nil, b.count, b.content))
	if err := b.writeRecords(out); err != nil {
		return nil, err
	}
	return ReadIndex(bytes.NewReader(out.Bytes()), int64(out.Len()), nil)
}

// Close frees what the builder holds. It does not touch a finished index.
func (b *Builder) Close() {
	if b.runs != nil {
		b.runs.Close() // read only from here on, and about to vanish
	}
	*b = Builder{spill: b.spill, limits: b.limits, memory: b.memory}
}
