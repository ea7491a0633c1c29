// Package filetree compares two file trees: it tells which paths differ, and in
// what. It reads two indexes side by side, so that the memory it takes depends
// on the number of entries (a few bytes each) and on the differences kept,
// never on what the trees hold.
package filetree

import (
	"slices"

	"github.com/imageverify/verify/checksums"
)

// Class says in what a path differs.
type Class string

// The classes. Type, OnlyInA and OnlyInB exclude all others for their path.
const (
	Type      Class = "type"      // type of entry, or a device's numbers
	OnlyInA   Class = "only-in-a" // no such path in b
	OnlyInB   Class = "only-in-b" // no such path in a
	Content   Class = "content"   // size or digest
	Mode      Class = "mode"      // permission, setuid, setgid and sticky bits
	Owner     Class = "owner"     // numeric user or group
	Time      Class = "time"      // modification time, as Options say
	Xattr     Class = "xattr"     // extended attributes
	Link      Class = "link"      // target of a symbolic or hard link
	Duplicate Class = "duplicate" // several entries for the path in one archive
	Format    Class = "format"    // global headers, and what Entry.Odd names
	Order     Class = "order"     // place among the entries of both archives
)

// classes are in the order in which one path's differences are listed.
var classes = []Class{Type, OnlyInA, OnlyInB, Content, Mode, Owner, Time, Xattr, Link, Duplicate, Format, Order}

// Difference is one difference of one path; a path has at most one of a class.
type Difference struct {
	// Path is as in checksums.Entry.
	Path  string
	Class Class
	// A and B are the two values for a human reader; "" for a side that has
	// none. They can hold foreign text.
	A, B string
}

// DefaultMax is how many differences are kept unless Options say otherwise.
const DefaultMax = 10_000

// Options says what counts as a difference.
type Options struct {
	// IgnoreTime leaves modification times out.
	IgnoreTime bool
	// Times reports whether the times of two entries agree. nil: they do if
	// they are in the same second, or if a's is zero (not known).
	Times func(a, b checksums.Entry) bool
	// Max is how many differences are kept; 0 means DefaultMax. What is beyond
	// is counted all the same.
	Max int
}

// Result is what a comparison found.
type Result struct {
	// Differences are sorted by path in walk order, then by class.
	Differences []Difference
	// Counts has the number of differences of each class, kept or not.
	Counts map[Class]int
	// EqualFiles and EqualBytes count the regular files, and their bytes, that
	// are on both sides with no difference but their place in the archive.
	EqualFiles int
	EqualBytes int64
	// Disordered lists the paths of b, in walk order and at most Options.Max,
	// whose place in b's own archive makes a difference to a program that
	// unpacks it entry by entry over the layers below. A path is disordered if
	// its entry
	//
	//   - comes before the entry of a directory (or other thing) above it,
	//     which then replaces what lies below it, or came to lie elsewhere;
	//     the root's own directory entry does not count;
	//   - is a hard link that comes before the entry it names: it links to
	//     what a lower layer has under that name;
	//   - comes before a whiteout of it or of a directory above it, or an
	//     opaque mark of a directory above it, which removes it again.
	//
	// Where the directories of all entries and the targets of all hard links
	// are in the archive too, and no path is twice, any two orders of the same
	// entries of which neither is disordered unpack alike. It has no part in
	// Equal and Total: whether the order of a and b differs is another matter.
	Disordered []string
	// DisorderedCount is the number of such paths, listed or not.
	DisorderedCount int
}

// Equal reports whether no difference was found.
func (r *Result) Equal() bool { return len(r.Counts) == 0 }

// Total returns the number of differences, kept or not.
func (r *Result) Total() int {
	n := 0
	for _, c := range r.Counts {
		n += c
	}
	return n
}

func (r *Result) sort() {
	slices.SortStableFunc(r.Differences, func(x, y Difference) int {
		if c := checksums.ComparePaths(x.Path, y.Path); c != 0 {
			return c
		}
		return slices.Index(classes, x.Class) - slices.Index(classes, y.Class)
	})
}
