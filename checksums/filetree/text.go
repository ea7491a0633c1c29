package filetree

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/imageverify/verify/checksums"
)

func typeText(e *checksums.Entry) string {
	switch e.Type {
	case '0':
		return "file"
	case '1':
		return "hard link"
	case '2':
		return "symbolic link"
	case '3':
		return fmt.Sprintf("character device %d,%d", e.Devmajor, e.Devminor)
	case '4':
		return fmt.Sprintf("block device %d,%d", e.Devmajor, e.Devminor)
	case '5':
		return "directory"
	case '6':
		return "FIFO"
	}
	return fmt.Sprintf("type %q", e.Type)
}

// describe says what an entry is that only one side has.
func describe(e *checksums.Entry) string {
	switch e.Type {
	case '0':
		return fmt.Sprintf("file, %d bytes", e.Size)
	case '1', '2':
		return typeText(e) + " to " + e.Link
	}
	return typeText(e)
}

func contentText(e *checksums.Entry) string {
	return fmt.Sprintf("%d bytes, sha256:%x", e.Size, e.Digest)
}

func modeText(e *checksums.Entry) string  { return fmt.Sprintf("%04o", e.Mode) }
func ownerText(e *checksums.Entry) string { return fmt.Sprintf("%d:%d", e.UID, e.GID) }

func timeText(e *checksums.Entry) string {
	if e.ModTime.IsZero() {
		return "" // not known
	}
	return e.ModTime.UTC().Format(time.RFC3339Nano)
}

func countText(n int) string {
	if n == 1 {
		return "1 entry"
	}
	return fmt.Sprintf("%d entries", n)
}

func globalText(n int) string {
	switch n {
	case 0:
		return ""
	case 1:
		return "global header"
	}
	return fmt.Sprintf("%d global headers", n)
}

// formatText says what of a path's entries no tree shows.
func formatText(g *group) string {
	if g.globals == 0 || g.last.Odd == "" {
		return globalText(g.globals) + g.last.Odd
	}
	return globalText(g.globals) + "," + g.last.Odd
}

func placeText(seq uint32) string { return fmt.Sprintf("entry %d", seq) }

// differingXattrs returns the sorted names of the attributes whose values
// differ, or that one side lacks.
func differingXattrs(a, b *checksums.Entry) []string {
	var names []string
	for name, value := range a.Xattrs {
		if other, ok := b.Xattrs[name]; !ok || other != value {
			names = append(names, name)
		}
	}
	for name := range b.Xattrs {
		if _, ok := a.Xattrs[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// maxXattrText is how much of one value is shown, in bytes.
const maxXattrText = 64

// xattrText lists the named attributes that the entry has, values in
// hexadecimal as getfattr prints them.
func xattrText(e *checksums.Entry, names []string) string {
	var list []string
	for _, name := range names {
		value, ok := e.Xattrs[name]
		switch {
		case !ok:
		case len(value) > maxXattrText:
			list = append(list, fmt.Sprintf("%s=0x%x… (%d bytes)", name, value[:maxXattrText], len(value)))
		default:
			list = append(list, fmt.Sprintf("%s=0x%x", name, value))
		}
	}
	return strings.Join(list, " ")
}
