package replay

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/imageverify/verify/checksums"
)

// Fields of a Difference that are no field of a header.
const (
	FieldEntry   = "entry"   // one side has no such entry
	FieldOrder   = "order"   // the entries stand in another order
	FieldContent = "content" // of the file
	FieldArchive = "archive" // what the entries say is the same, and written in another way
)

// Difference is the first thing in which a published layer is not the replayed
// one.
type Difference struct {
	// Path is the entry's, clean; "" where it is about the archive as a whole.
	Path string
	// Field is one of the constants, or a field of the header: name, type,
	// mode, owner, size, link, user, group, time, device, or the key of a
	// PAX record.
	Field string
	// Replayed and Published are its values, foreign text; of contents and of
	// archives the sha256. "" is for what is not there.
	Replayed, Published string
}

func (d Difference) String() string {
	return fmt.Sprintf("%s: %s is %q, replayed %q", d.Path, d.Field, d.Published, d.Replayed)
}

// Explain returns what the first difference of a published layer to what Write
// gives means, nil for none. published is the layer's archive, not compressed.
// The error is for what says nothing about the published bytes, and for a
// published archive that cannot be read.
func (p *Played) Explain(ctx context.Context, stamp Stamp, published io.Reader) (*Difference, error) {
	ctx, cancel := context.WithCancel(ctx)
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := p.Write(ctx, stamp, w)
		w.CloseWithError(err)
		done <- err
	}()
	d, err := explain(r, checksums.ContextReader(ctx, published))
	cancel()
	r.CloseWithError(context.Canceled)
	if wrote := <-done; err != nil && wrote != nil && !errors.Is(wrote, context.Canceled) {
		err = wrote
	}
	return d, err
}

// explain compares two archives.
func explain(replayed, published io.Reader) (*Difference, error) {
	a, b := newReading(replayed), newReading(published)
	for {
		if err := errors.Join(a.next("the replayed layer"), b.next("the published layer")); err != nil {
			return nil, err
		}
		if a.head == nil && b.head == nil {
			break
		}
		if a.head == nil || b.head == nil || a.path() != b.path() {
			return placed(a, b)
		}
		if d := compareHeaders(a.head, b.head); d != nil {
			d.Path = a.path()
			return d, nil
		}
		if d, err := compareContents(a, b); d != nil || err != nil {
			return d, err
		}
	}
	if err := errors.Join(a.drain(), b.drain()); err != nil {
		return nil, err
	}
	if bytes.Equal(a.sum.Sum(nil), b.sum.Sum(nil)) {
		return nil, nil
	}
	return &Difference{Field: FieldArchive, Replayed: a.whole(), Published: b.whole()}, nil
}

// reading is an archive that is being read.
type reading struct {
	r    io.Reader // all of it, through sum
	tr   *tar.Reader
	sum  hash.Hash
	n    int64
	head *tar.Header // nil at the end
}

func newReading(r io.Reader) *reading {
	x := &reading{sum: sha256.New()}
	x.r = io.TeeReader(r, x)
	x.tr = tar.NewReader(x.r)
	return x
}

// Write takes what was read.
func (x *reading) Write(p []byte) (int, error) {
	x.n += int64(len(p))
	return x.sum.Write(p)
}

func (x *reading) next(what string) (err error) {
	x.head, err = x.tr.Next()
	if err == io.EOF {
		return nil
	}
	if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
		return fmt.Errorf("reading %s: %w", what, err)
	}
	return nil
}

func (x *reading) path() string { return checksums.CleanPath(x.head.Name) }

// whole describes all that was read.
func (x *reading) whole() string { return fmt.Sprintf("%d bytes, sha256:%x", x.n, x.sum.Sum(nil)) }

func (x *reading) drain() error {
	_, err := io.Copy(io.Discard, x.r)
	return err
}

// has reports whether one of the entries that follow has the path.
func (x *reading) has(path string) (bool, error) {
	for {
		if err := x.next("a layer"); err != nil || x.head == nil {
			return false, err
		}
		if x.path() == path {
			return true, nil
		}
	}
}

// placed explains entries that do not stand at the same place: the one that
// the other side lacks, or else their order.
func placed(a, b *reading) (*Difference, error) {
	there := func(x *reading) string {
		if x.head == nil {
			return ""
		}
		return describeHeader(x.head)
	}
	first, second := there(a), there(b)
	switch {
	case b.head == nil:
		return &Difference{Path: a.path(), Field: FieldEntry, Replayed: first}, nil
	case a.head == nil:
		return &Difference{Path: b.path(), Field: FieldEntry, Published: second}, nil
	}
	mine, theirs := a.path(), b.path()
	inB, err := b.has(mine)
	if err != nil {
		return nil, err
	}
	if !inB {
		return &Difference{Path: mine, Field: FieldEntry, Replayed: first}, nil
	}
	inA, err := a.has(theirs)
	if err != nil {
		return nil, err
	}
	if !inA {
		return &Difference{Path: theirs, Field: FieldEntry, Published: second}, nil
	}
	return &Difference{Path: theirs, Field: FieldOrder, Replayed: mine, Published: theirs}, nil
}

func describeHeader(h *tar.Header) string {
	return fmt.Sprintf("%s, mode %o, owner %d:%d, %d bytes", typeName(h.Typeflag), h.Mode, h.Uid, h.Gid, h.Size)
}

var typeNames = map[byte]string{
	tar.TypeReg: "file", tar.TypeLink: "hard link", tar.TypeSymlink: "symbolic link", tar.TypeChar: "character device",
	tar.TypeBlock: "block device", tar.TypeDir: "directory", tar.TypeFifo: "FIFO",
}

func typeName(flag byte) string {
	if name, ok := typeNames[flag]; ok {
		return name
	}
	return fmt.Sprintf("type %q", flag)
}

// compareHeaders compares field by field, the weightier first.
func compareHeaders(a, b *tar.Header) *Difference {
	for _, f := range []struct {
		name string
		text func(*tar.Header) string
	}{
		{"type", func(h *tar.Header) string { return typeName(h.Typeflag) }},
		{"mode", func(h *tar.Header) string { return strconv.FormatInt(h.Mode, 8) }},
		{"owner", func(h *tar.Header) string { return fmt.Sprintf("%d:%d", h.Uid, h.Gid) }},
		{"link", func(h *tar.Header) string { return h.Linkname }},
		{"device", func(h *tar.Header) string { return fmt.Sprintf("%d:%d", h.Devmajor, h.Devminor) }},
		{"size", func(h *tar.Header) string { return strconv.FormatInt(h.Size, 10) }},
		{"time", func(h *tar.Header) string { return h.ModTime.UTC().Format(time.RFC3339Nano) }},
		{"user", func(h *tar.Header) string { return h.Uname }},
		{"group", func(h *tar.Header) string { return h.Gname }},
		{"name", func(h *tar.Header) string { return h.Name }},
	} {
		if x, y := f.text(a), f.text(b); x != y {
			return &Difference{Field: f.name, Replayed: x, Published: y}
		}
	}
	keys := slices.Concat(slices.Collect(maps.Keys(a.PAXRecords)), slices.Collect(maps.Keys(b.PAXRecords)))
	slices.Sort(keys)
	for _, key := range keys {
		if x, y := a.PAXRecords[key], b.PAXRecords[key]; x != y {
			return &Difference{Field: strings.TrimPrefix(key, xattrRecord), Replayed: x, Published: y}
		}
	}
	return nil
}

// compareContents reads the contents of the two entries, whose headers are
// alike.
func compareContents(a, b *reading) (*Difference, error) {
	x, y := sha256.New(), sha256.New()
	if _, err := io.Copy(x, a.tr); err != nil {
		return nil, fmt.Errorf("reading the replayed layer: %s: %w", a.path(), err)
	}
	if _, err := io.Copy(y, b.tr); err != nil {
		return nil, fmt.Errorf("reading the published layer: %s: %w", b.path(), err)
	}
	if !bytes.Equal(x.Sum(nil), y.Sum(nil)) {
		return &Difference{Path: a.path(), Field: FieldContent, Replayed: fmt.Sprintf("sha256:%x", x.Sum(nil)), Published: fmt.Sprintf("sha256:%x", y.Sum(nil))}, nil
	}
	return nil, nil
}
