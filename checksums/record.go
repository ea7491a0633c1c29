package checksums

import (
	"encoding/binary"
	"errors"
	"maps"
	"math"
	"slices"
	"time"
)

// errRecord is what reading a serialised index ends with where its bytes are
// not what WriteTo writes.
var errRecord = errors.New("index record is not valid")

// recordPrefix is the length of a record's length, a little-endian uint32.
const recordPrefix = 4

// appendRecord appends an entry's record to dst. After its length the record
// holds path, type, mode, uid, gid, size, link, device numbers, time,
// attributes, digest, place and oddities. There is one encoding only of each entry:
// numbers are varints of the shortest form, attributes are sorted by name.
func appendRecord(dst []byte, e *Entry) []byte {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = appendString(dst, e.Path)
	dst = append(dst, e.Type)
	dst = binary.AppendVarint(dst, e.Mode)
	dst = binary.AppendVarint(dst, int64(e.UID))
	dst = binary.AppendVarint(dst, int64(e.GID))
	dst = binary.AppendUvarint(dst, uint64(e.Size))
	dst = appendString(dst, e.Link)
	dst = binary.AppendVarint(dst, e.Devmajor)
	dst = binary.AppendVarint(dst, e.Devminor)
	dst = appendTime(dst, e.ModTime)
	dst = appendXattrs(dst, e.Xattrs)
	dst = appendDigest(dst, &e.Digest)
	dst = binary.AppendUvarint(dst, uint64(e.Seq))
	dst = appendString(dst, e.Odd)
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(dst)-start-recordPrefix))
	return dst
}

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

func appendTime(dst []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(dst, 0)
	}
	dst = binary.AppendVarint(append(dst, 1), t.Unix())
	return binary.AppendUvarint(dst, uint64(t.Nanosecond()))
}

func appendXattrs(dst []byte, x map[string]string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(x)))
	if len(x) == 0 {
		return dst
	}
	for _, name := range slices.Sorted(maps.Keys(x)) {
		dst = appendString(appendString(dst, name), x[name])
	}
	return dst
}

func appendDigest(dst []byte, d *[32]byte) []byte {
	if *d == [32]byte{} {
		return append(dst, 0)
	}
	return append(append(dst, 1), d[:]...)
}

// recordPath returns the path of a record (without its length), and false
// where there is none.
func recordPath(b []byte) ([]byte, bool) {
	n, k := binary.Uvarint(b)
	if k <= 0 || n > uint64(len(b)-k) {
		return nil, false
	}
	return b[k : k+int(n)], true
}

// decodeRecord is the inverse of appendRecord for a record without its length.
// It accepts only what appendRecord writes.
func decodeRecord(b []byte) (Entry, error) {
	f := fields{b: b}
	e := Entry{
		Path:     f.string(),
		Type:     f.byte(),
		Mode:     f.varint(),
		UID:      int(f.varint()),
		GID:      int(f.varint()),
		Size:     f.size(),
		Link:     f.string(),
		Devmajor: f.varint(),
		Devminor: f.varint(),
		ModTime:  f.time(),
		Xattrs:   f.xattrs(),
		Digest:   f.digest(),
		Seq:      int(f.size()),
		Odd:      f.string(),
	}
	if f.bad || len(f.b) != 0 || e.Path != CleanPath(e.Path) {
		return Entry{}, errRecord
	}
	return e, nil
}

// fields takes fields from the front of a record. Once bad, it gives zeros.
type fields struct {
	b   []byte
	bad bool
}

func (f *fields) take(n uint64) []byte {
	if f.bad || n > uint64(len(f.b)) {
		f.bad = true
		return nil
	}
	b := f.b[:n]
	f.b = f.b[n:]
	return b
}

func (f *fields) byte() byte {
	if b := f.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (f *fields) flag() bool {
	b := f.byte()
	f.bad = f.bad || b > 1
	return b == 1
}

func (f *fields) uvarint() uint64 {
	v, n := binary.Uvarint(f.b)
	if n <= 0 || n > 1 && f.b[n-1] == 0 { // cut short, too large or padded
		f.bad = true
		return 0
	}
	f.take(uint64(n))
	return v
}

func (f *fields) varint() int64 {
	u := f.uvarint()
	v := int64(u >> 1)
	if u&1 != 0 {
		v = ^v
	}
	return v
}

// size reads a number that fits an int64.
func (f *fields) size() int64 {
	v := f.uvarint()
	f.bad = f.bad || v > math.MaxInt64
	return int64(v)
}

func (f *fields) string() string { return string(f.take(f.uvarint())) }

func (f *fields) time() time.Time {
	if !f.flag() {
		return time.Time{}
	}
	sec, nsec := f.varint(), f.uvarint()
	if nsec >= uint64(time.Second) {
		f.bad = true
		return time.Time{}
	}
	t := time.Unix(sec, int64(nsec)).UTC()
	f.bad = f.bad || t.IsZero()
	return t
}

func (f *fields) xattrs() map[string]string {
	n := f.uvarint()
	if n > uint64(len(f.b)) { // each takes two bytes at least
		f.bad = true
	}
	if f.bad || n == 0 {
		return nil
	}
	x := make(map[string]string, min(n, 16))
	last := ""
	for i := range n {
		name, value := f.string(), f.string()
		if f.bad || i > 0 && name <= last {
			f.bad = true
			return nil
		}
		x[name], last = value, name
	}
	return x
}

func (f *fields) digest() (d [32]byte) {
	if !f.flag() {
		return d
	}
	copy(d[:], f.take(uint64(len(d))))
	f.bad = f.bad || d == [32]byte{}
	return d
}
