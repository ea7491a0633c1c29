package source

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"slices"

	"github.com/klauspost/compress/zlib"
	"github.com/pjbgf/sha1cd"
)

const (
	// maxInflated bounds what all objects of a fetched pack may unpack to.
	maxInflated = 16 << 30
	// maxDeltaRounds bounds the passes over deltas whose base, named by its id,
	// is itself a delta that was not rebuilt yet. Servers that know offset
	// deltas, which are asked for, need one.
	maxDeltaRounds = 64
)

// packed is one object of a pack that is being indexed.
type packed struct {
	id          id
	offset, end int64
	delta       bool
}

// indexer computes the names of a pack's objects. It implements locator.
type indexer struct {
	pack     *pack
	objects  []packed
	known    map[id]int64
	inflated int64
}

func (x *indexer) find(want id) (int64, bool, error) {
	offset, ok := x.known[want]
	return offset, ok, nil
}

// indexPack reads a pack that was fetched, refuses it if anything is wrong with
// it, writes its index and returns the pack's checksum in hex.
func indexPack(ctx context.Context, file *os.File, index io.Writer) (string, error) {
	sum, size, err := checkPack(file)
	if err != nil {
		return "", err
	}
	x := &indexer{known: map[id]int64{}}
	x.pack = &pack{file: file, size: size, index: x, bases: newBaseCache()}
	if err := x.scan(ctx); err != nil {
		return "", err
	}
	if err := x.resolve(ctx); err != nil {
		return "", err
	}
	return sum.String(), x.write(index, sum)
}

// checkPack checks the signature of a pack and the checksum at its end.
func checkPack(file *os.File) (id, int64, error) {
	info, err := file.Stat()
	if err != nil {
		return id{}, 0, err
	}
	size := info.Size()
	if size < packHeader+idSize {
		return id{}, 0, fmt.Errorf("pack is cut short: %w", ErrMalformed)
	}
	h := sha1.New() // against damage only: what counts are the objects' names
	if _, err := io.Copy(h, io.NewSectionReader(file, 0, size-idSize)); err != nil {
		return id{}, 0, err
	}
	var sum id
	if _, err := file.ReadAt(sum[:idSize], size-idSize); err != nil {
		return id{}, 0, err
	}
	if !bytes.Equal(h.Sum(nil), sum[:idSize]) {
		return id{}, 0, fmt.Errorf("pack does not have its checksum: %w", ErrMalformed)
	}
	return sum, size, nil
}

// counter counts the bytes read.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// scan reads the pack from end to end: where each object is, and the names of
// those that are no deltas.
func (x *indexer) scan(ctx context.Context) error {
	c := &counter{r: io.NewSectionReader(x.pack.file, 0, x.pack.size-idSize)}
	in := bufio.NewReaderSize(c, 64<<10)
	var head [packHeader]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return fmt.Errorf("pack: %w: %w", ErrMalformed, err)
	}
	if string(head[:8]) != packSignature {
		return fmt.Errorf("not a pack of version 2: %w", ErrMalformed)
	}
	count := binary.BigEndian.Uint32(head[8:])
	if count > maxPackObjects {
		return &LimitError{What: "number of objects in a pack", Limit: maxPackObjects}
	}
	var z io.ReadCloser
	for range count {
		o := packed{offset: c.n - int64(in.Buffered())}
		if err := errors.Join(ctx.Err(), x.scanObject(in, &z, &o)); err != nil {
			return fmt.Errorf("object at offset %d of the pack: %w", o.offset, err)
		}
		o.end = c.n - int64(in.Buffered())
		x.objects = append(x.objects, o)
	}
	if c.n != x.pack.size-idSize || in.Buffered() != 0 {
		return fmt.Errorf("pack holds more than its %d objects: %w", count, ErrMalformed)
	}
	return nil
}

func (x *indexer) scanObject(in *bufio.Reader, z *io.ReadCloser, o *packed) (err error) {
	raw, _ := in.Peek(64)
	if len(raw) == 0 {
		return fmt.Errorf("pack is cut short: %w", ErrMalformed)
	}
	e, length, err := parseEntry(raw, o.offset)
	if err != nil {
		return err
	}
	if err := x.count(e.size); err != nil {
		return err
	}
	in.Discard(length)
	if *z == nil {
		*z, err = zlib.NewReader(in)
	} else {
		err = (*z).(zlib.Resetter).Reset(in, nil)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if o.delta = e.kind > kindTag; o.delta {
		return copyExactly(io.Discard, *z, e.size)
	}
	h := newHash(e.kind, e.size)
	if err := copyExactly(h, *z, e.size); err != nil {
		return err
	}
	return x.name(o, h)
}

// count adds to the bytes unpacked so far.
func (x *indexer) count(size int64) error {
	if size > maxBlob {
		return &LimitError{What: "size of a git object", Limit: maxBlob}
	}
	if x.inflated += size; x.inflated > maxInflated {
		return &LimitError{What: "size of a pack's objects", Limit: maxInflated}
	}
	return nil
}

// copyExactly copies size bytes, after which r must end.
func copyExactly(w io.Writer, r io.Reader, size int64) error {
	n, err := io.Copy(w, io.LimitReader(r, size+1))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if n != size {
		return fmt.Errorf("object of another size than its header says: %w", ErrMalformed)
	}
	return nil
}

// name finishes an object's name.
func (x *indexer) name(o *packed, h sha1cd.CollisionResistantHash) error {
	sum, collision := h.CollisionResistantSum(nil)
	o.id = idOf(sum)
	if collision {
		return &MismatchError{Want: o.id.String(), Got: o.id.String(), Type: "object", Collision: true}
	}
	x.known[o.id] = o.offset
	return nil
}

// resolve rebuilds the deltas and names them.
func (x *indexer) resolve(ctx context.Context) error {
	for range maxDeltaRounds {
		left := 0
		for i := range x.objects {
			o := &x.objects[i]
			if !o.delta {
				continue
			}
			if err := errors.Join(ctx.Err(), x.resolveOne(o)); errors.Is(err, errNoBase) {
				left++
			} else if err != nil {
				return fmt.Errorf("object at offset %d of the pack: %w", o.offset, err)
			}
		}
		if left == 0 {
			return nil
		}
	}
	return fmt.Errorf("pack holds deltas without their base: %w", ErrMalformed)
}

func (x *indexer) resolveOne(o *packed) error {
	content, err := x.pack.open(o.offset)
	if err != nil {
		return err
	}
	defer content.Close()
	if err := x.count(content.size); err != nil {
		return err
	}
	h := newHash(content.kind, content.size)
	if err := copyExactly(h, content, content.size); err != nil {
		return err
	}
	o.delta = false
	return x.name(o, h)
}

// write writes the index of version 2; see packindex.go for its layout.
func (x *indexer) write(out io.Writer, sum id) error {
	slices.SortFunc(x.objects, func(a, b packed) int { return bytes.Compare(a.id[:idSize], b.id[:idSize]) })
	h := sha1.New()
	w := bufio.NewWriter(io.MultiWriter(out, h))
	w.WriteString(indexSignature)
	x.writeFanout(w)
	for _, o := range x.objects {
		w.Write(o.id[:idSize])
	}
	if err := x.writeChecksums(w); err != nil {
		return err
	}
	x.writeOffsets(w)
	w.Write(sum[:idSize])
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := out.Write(h.Sum(nil))
	return err
}

func (x *indexer) writeFanout(w *bufio.Writer) {
	i := 0
	for b := range 256 {
		for i < len(x.objects) && int(x.objects[i].id[0]) == b {
			i++
		}
		w.Write(binary.BigEndian.AppendUint32(nil, uint32(i)))
	}
}

// writeChecksums writes the CRC-32 of each object as it stands in the pack.
func (x *indexer) writeChecksums(w *bufio.Writer) error {
	for _, o := range x.objects {
		h := crc32.NewIEEE()
		if _, err := io.Copy(h, io.NewSectionReader(x.pack.file, o.offset, o.end-o.offset)); err != nil {
			return err
		}
		w.Write(h.Sum(nil))
	}
	return nil
}

// writeOffsets writes the offsets, and those beyond 31 bits in a second table.
func (x *indexer) writeOffsets(w *bufio.Writer) {
	var wide []byte
	for _, o := range x.objects {
		narrow := uint32(o.offset)
		if o.offset >= 1<<31 {
			narrow = 1<<31 | uint32(len(wide)/8)
			wide = binary.BigEndian.AppendUint64(wide, uint64(o.offset))
		}
		w.Write(binary.BigEndian.AppendUint32(nil, narrow))
	}
	w.Write(wide)
}
