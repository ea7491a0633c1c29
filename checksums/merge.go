package checksums

import (
	"bufio"
	"container/heap"
	"io"
)

// mergeBuffers bounds the memory of all runs' read buffers together.
const mergeBuffers = 16 << 20

// merge writes the serialised index of all runs to w.
func (b *Builder) merge(w io.Writer) error {
	bw := bufio.NewWriterSize(w, inputBuffer)
	if _, err := bw.Write(appendHeader(nil, b.count, b.content)); err != nil {
		return err
	}
	h, err := b.openRuns()
	if err != nil {
		return err
	}
	for len(h) > 0 {
		c := h[0]
		if _, err := bw.Write(c.record); err != nil {
			return err
		}
		if err := c.advance(); err == io.EOF {
			heap.Pop(&h)
		} else if err != nil {
			return err
		} else {
			heap.Fix(&h, 0)
		}
	}
	return bw.Flush()
}

func (b *Builder) openRuns() (runHeap, error) {
	buffer := min(max(4<<10, mergeBuffers/len(b.ends)), inputBuffer)
	h := make(runHeap, 0, len(b.ends))
	start := int64(0)
	for i, end := range b.ends {
		section := io.NewSectionReader(b.runs, start, end-start)
		c := &run{number: i, records: newRecords(section, section.Size(), buffer)}
		if err := c.advance(); err != nil {
			return nil, unexpected(err)
		}
		h = append(h, c)
		start = end
	}
	heap.Init(&h)
	return h, nil
}

// run is one sorted run in a temporary file.
type run struct {
	number  int
	records *records
	record  []byte // with its length
	path    []byte
}

func (r *run) advance() error {
	record, err := r.records.next()
	if err != nil {
		return err
	}
	path, ok := recordPath(record[recordPrefix:])
	if !ok {
		return errRecord
	}
	r.record, r.path = record, path
	return nil
}

// runHeap has the run with the smallest record on top. Of equal paths the
// earlier run's come first: runs follow one another in the archive.
type runHeap []*run

func (h runHeap) Len() int      { return len(h) }
func (h runHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *runHeap) Push(x any)   { *h = append(*h, x.(*run)) }

func (h runHeap) Less(i, j int) bool {
	if c := comparePaths(h[i].path, h[j].path); c != 0 {
		return c < 0
	}
	return h[i].number < h[j].number
}

func (h *runHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
