package source

import (
	"bytes"
	"container/list"
	"fmt"
	"io"
	"os"
	"sync"
)

// content is the whole content of an object, to be read by position: in memory,
// or in an unlinked temporary file when it is large.
type content struct {
	kind   kind
	size   int64
	memory []byte // shared and never changed
	file   *os.File
}

func (c content) reader() io.ReaderAt {
	if c.file != nil {
		return c.file
	}
	return bytes.NewReader(c.memory)
}

// open gives a content as an object. One that is held in a file is closed with
// it.
func (c content) open() *object {
	if c.file != nil {
		return &object{kind: c.kind, size: c.size, ReadCloser: heldFile{io.NewSectionReader(c.file, 0, c.size), c.file}}
	}
	return &object{kind: c.kind, size: c.size, ReadCloser: io.NopCloser(bytes.NewReader(c.memory)), memory: c.memory}
}

type heldFile struct {
	io.Reader
	io.Closer
}

func (c content) close() error {
	if c.file != nil {
		return c.file.Close()
	}
	return nil
}

// hold reads an object to its end, closes it and holds its content.
func hold(o *object) (content, error) {
	defer o.Close()
	c := content{kind: o.kind, size: o.size}
	switch {
	case o.size > maxBlob:
		return c, &LimitError{What: "size of a git object", Limit: maxBlob}
	case o.size <= maxInMemory:
		c.memory = make([]byte, o.size)
		if _, err := io.ReadFull(o, c.memory); err != nil {
			return c, fmt.Errorf("git object is shorter than its size: %w: %w", ErrMalformed, err)
		}
		return c, nil
	}
	file, err := spill(o, o.size)
	c.file = file
	return c, err
}

// spill copies size bytes to a temporary file that has no name.
func spill(r io.Reader, size int64) (*os.File, error) {
	f, err := os.CreateTemp("", "verify-git-")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, err
	}
	if _, err := io.CopyN(f, r, size); err != nil {
		f.Close()
		return nil, fmt.Errorf("git object is shorter than its size: %w: %w", ErrMalformed, err)
	}
	return f, nil
}

// Bounds of the cache of delta bases, in bytes. Trees and commits that follow
// each other in history are deltas of each other: a small cache is enough.
const (
	maxCached     = 16 << 20
	maxCachedItem = 1 << 20
)

// baseCache keeps the contents used last, of all packs of a store. What it
// holds is no more trusted than the packs: readers hash it again.
type baseCache struct {
	mu    sync.Mutex
	items map[baseKey]*list.Element
	order list.List // of *baseItem, the one used last in front
	size  int64
}

type baseKey struct {
	pack   *pack
	offset int64
}

type baseItem struct {
	key     baseKey
	content content
}

func newBaseCache() *baseCache { return &baseCache{items: map[baseKey]*list.Element{}} }

func (b *baseCache) has(p *pack, offset int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.items[baseKey{p, offset}] != nil
}

func (b *baseCache) get(p *pack, offset int64) (content, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	element := b.items[baseKey{p, offset}]
	if element == nil {
		return content{}, false
	}
	b.order.MoveToFront(element)
	return element.Value.(*baseItem).content, true
}

func (b *baseCache) put(p *pack, offset int64, c content) {
	if c.file != nil || c.size > maxCachedItem {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	key := baseKey{p, offset}
	if b.items[key] != nil {
		return
	}
	b.items[key] = b.order.PushFront(&baseItem{key, c})
	b.size += c.size
	for b.size > maxCached {
		last := b.order.Remove(b.order.Back()).(*baseItem)
		delete(b.items, last.key)
		b.size -= last.content.size
	}
}
