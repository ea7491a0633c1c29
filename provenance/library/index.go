package library

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/imageverify/verify/provenance/source"
)

const (
	indexKind    = "library-index"
	indexVersion = 1
	// Bounds of an index, tested when one is read: the library had 22,888
	// changes in its first thirteen years.
	maxChanges = 5_000_000
	maxName    = 4096
)

// index is all changes of the library's files over its first parents.
type index struct {
	commits []indexCommit
	images  map[string][]version // by name, newest first
}

type indexCommit struct {
	id   string
	time time.Time
}

// version is a file's content from a commit on; blob is "" where it was removed.
type version struct {
	commit int
	blob   string
}

// kept returns the index of the library's HEAD out of the cache, nil where it
// is not there.
func (l *Library) kept(o Options) *index {
	if o.Cache == nil || l.repo.Shallow() {
		return nil
	}
	data, err := o.Cache.Get(indexKind, indexVersion, l.head.ID)
	if err != nil {
		return nil
	}
	x, err := decodeIndex(data)
	if err != nil {
		o.Log.Debug("library index in the cache cannot be used", "error", err)
		return nil
	}
	return x
}

// makeIndex reads the library's history and keeps the index of it. History that
// is cut off gives another index for the same HEAD: it is not kept.
func (l *Library) makeIndex(ctx context.Context, o Options) (*index, error) {
	x, err := makeIndex(ctx, l.repo, l.head.ID, o.Progress)
	if err != nil || o.Cache == nil || l.repo.Shallow() {
		return x, err
	}
	if err := o.Cache.Put(indexKind, indexVersion, l.head.ID, x.encode()); err != nil {
		o.Log.Debug("library index cannot be kept", "error", err)
	}
	return x, nil
}

func makeIndex(ctx context.Context, repo *source.Repository, head string, progress func(string, int64, int64)) (*index, error) {
	x := &index{images: map[string][]version{}}
	n := 0
	err := repo.Changes(ctx, head, folder, func(c source.Change) error {
		if n++; n > maxChanges {
			return fmt.Errorf("more than %d changes of library files", maxChanges)
		}
		last := len(x.commits) - 1
		if last < 0 || x.commits[last].id != c.Commit {
			x.commits = append(x.commits, indexCommit{c.Commit, c.Time})
			last++
			if last%1000 == 0 {
				progress("reading the library's past", int64(last), 0)
			}
		}
		x.images[c.Name] = append(x.images[c.Name], version{last, c.Blob})
		return nil
	})
	return x, err
}

// encode writes an index: the commits with their times, then for each image its
// name and versions. Numbers are unsigned varints, ids 20 bytes, a removed file
// is the zero id, and a checksum ends it.
func (x *index) encode() []byte {
	out := binary.AppendUvarint(nil, uint64(len(x.commits)))
	for _, c := range x.commits {
		out = appendID(out, c.id)
		out = binary.AppendVarint(out, c.time.Unix())
	}
	out = binary.AppendUvarint(out, uint64(len(x.images)))
	for name, versions := range x.images {
		out = binary.AppendUvarint(out, uint64(len(name)))
		out = append(out, name...)
		out = binary.AppendUvarint(out, uint64(len(versions)))
		for _, v := range versions {
			out = binary.AppendUvarint(out, uint64(v.commit))
			out = appendID(out, v.blob)
		}
	}
	sum := sha256.Sum256(out)
	return append(out, sum[:]...)
}

const idBytes = 20

func appendID(out []byte, name string) []byte {
	var raw [idBytes]byte
	hex.Decode(raw[:], []byte(name))
	return append(out, raw[:]...)
}

// errIndex says that a record is not an index.
var errIndex = errors.New("damaged library index")

func decodeIndex(data []byte) (*index, error) {
	if len(data) < sha256.Size {
		return nil, errIndex
	}
	body, sum := data[:len(data)-sha256.Size], data[len(data)-sha256.Size:]
	if sha256.Sum256(body) != [sha256.Size]byte(sum) {
		return nil, errIndex
	}
	d := decoder{data: body}
	x := &index{images: map[string][]version{}}
	for range d.count(idBytes + 1) {
		x.commits = append(x.commits, indexCommit{d.id(), time.Unix(d.signed(), 0).UTC()})
	}
	for range d.count(2) {
		name := d.text()
		versions := make([]version, d.count(idBytes+1))
		for i := range versions {
			versions[i] = version{d.below(len(x.commits)), d.id()}
		}
		x.images[name] = versions
	}
	if d.bad || len(d.data) != 0 {
		return nil, errIndex
	}
	return x, nil
}

// decoder takes values off the front of a record. After the first that is not
// there it is bad, and gives zeros.
type decoder struct {
	data []byte
	bad  bool
}

func (d *decoder) unsigned() uint64 {
	v, n := binary.Uvarint(d.data)
	return take(d, v, n)
}

func (d *decoder) signed() int64 {
	v, n := binary.Varint(d.data)
	return take(d, v, n)
}

func take[T uint64 | int64](d *decoder, v T, n int) T {
	if n <= 0 {
		d.bad, d.data = true, nil
		return 0
	}
	d.data = d.data[n:]
	return v
}

// count takes the number of items that follow, of at least size bytes each.
func (d *decoder) count(size int) int {
	n := d.unsigned()
	if n > uint64(len(d.data)/size) {
		d.bad, d.data = true, nil
		return 0
	}
	return int(n)
}

func (d *decoder) below(limit int) int {
	n := d.unsigned()
	if n >= uint64(limit) {
		d.bad = true
		return 0
	}
	return int(n)
}

func (d *decoder) bytes(n int) []byte {
	if n > len(d.data) {
		d.bad, d.data = true, nil
		return make([]byte, n)
	}
	out := d.data[:n]
	d.data = d.data[n:]
	return out
}

func (d *decoder) text() string {
	n := d.unsigned()
	if n > maxName {
		d.bad, d.data = true, nil
		return ""
	}
	return string(d.bytes(int(n)))
}

// id takes an id; the zero id is "".
func (d *decoder) id() string {
	raw := d.bytes(idBytes)
	if [idBytes]byte(raw) == [idBytes]byte{} {
		return ""
	}
	return hex.EncodeToString(raw)
}
