package checksums

import "fmt"

// The bounds that hold unless Limits says otherwise.
const (
	// DefaultUnpacked is the most that a layer may unpack to: 8 GiB, several
	// times the largest layers in public registries.
	DefaultUnpacked int64 = 8 << 30
	// DefaultEntries is the most entries that one archive may have.
	DefaultEntries = 2_000_000
	// DefaultPathBytes is the longest path, and the longest link target: what
	// Linux itself allows (PATH_MAX).
	DefaultPathBytes = 4096
	// DefaultMemory is how much of an index is kept in memory while it is
	// made; what is beyond it goes to a temporary file.
	DefaultMemory int64 = 64 << 20
)

// maxRecord bounds one entry's record: a tar's extended header is at most
// 1 MiB (archive/tar's own bound), so that names and attributes fit easily.
const maxRecord = 4 << 20

// Limits bounds what foreign input may make this package do. A field that is
// zero has its default.
type Limits struct {
	// Unpacked is the most bytes that a layer unpacks to. It bounds the sum
	// of the contents' sizes as well: a sparse file can claim far more than
	// the archive holds.
	Unpacked int64
	// Entries is the most entries of one archive.
	Entries int
	// PathBytes is the longest path and the longest link target, in bytes.
	PathBytes int
}

// DefaultLimits returns the limits that zero fields stand for.
func DefaultLimits() Limits {
	return Limits{Unpacked: DefaultUnpacked, Entries: DefaultEntries, PathBytes: DefaultPathBytes}
}

// OrDefault returns the limits with zero fields filled in.
func (l Limits) OrDefault() Limits {
	d := DefaultLimits()
	if l.Unpacked == 0 {
		l.Unpacked = d.Unpacked
	}
	if l.Entries == 0 {
		l.Entries = d.Entries
	}
	if l.PathBytes == 0 {
		l.PathBytes = d.PathBytes
	}
	return l
}

// LimitError says that input went over a bound.
type LimitError struct {
	What  string // what is bounded: "unpacked bytes", "entries", …
	Limit int64  // the largest value allowed
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("more than %d %s", e.Limit, e.What)
}
