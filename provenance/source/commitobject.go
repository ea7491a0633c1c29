package source

import (
	"bytes"
	"fmt"
	"strconv"
	"time"
)

// maxParents bounds the parents of a commit; the largest known merge has 66.
const maxParents = 1_000

// commitObject is what a commit says, as far as it is needed.
type commitObject struct {
	tree    id
	parents []id
	time    time.Time // the committer's, UTC
}

// parseCommit reads a commit: a tree line, parent lines, an author line, a
// committer line, then whatever else.
func parseCommit(data []byte) (commitObject, error) {
	var c commitObject
	line, rest, ok := bytes.Cut(data, []byte("\n"))
	tree, ok2 := idLine(line, "tree ")
	if !ok || !ok2 {
		return c, fmt.Errorf("commit without a tree: %w", ErrMalformed)
	}
	c.tree = tree
	for {
		line, rest, ok = bytes.Cut(rest, []byte("\n"))
		parent, isParent := idLine(line, "parent ")
		if !ok || !isParent {
			break
		}
		if len(c.parents) == maxParents {
			return c, &LimitError{What: "number of parents of a commit", Limit: maxParents}
		}
		c.parents = append(c.parents, parent)
	}
	if !bytes.HasPrefix(line, []byte("author ")) {
		return c, fmt.Errorf("commit without an author: %w", ErrMalformed)
	}
	line, _, _ = bytes.Cut(rest, []byte("\n"))
	when, err := committerTime(line)
	c.time = when
	return c, err
}

// idLine reads a line of a keyword and an id.
func idLine(line []byte, keyword string) (id, bool) {
	text, ok := bytes.CutPrefix(line, []byte(keyword))
	if !ok {
		return id{}, false
	}
	out, err := parseID(string(text))
	return out, err == nil
}

// committerTime reads "committer NAME <MAIL> SECONDS ZONE".
func committerTime(line []byte) (time.Time, error) {
	bad := fmt.Errorf("commit without a committer and time: %w", ErrMalformed)
	end := bytes.LastIndexByte(line, '>')
	if !bytes.HasPrefix(line, []byte("committer ")) || end < 0 {
		return time.Time{}, bad
	}
	fields := bytes.Fields(line[end+1:])
	if len(fields) == 0 {
		return time.Time{}, bad
	}
	seconds, err := strconv.ParseInt(string(fields[0]), 10, 48)
	if err != nil {
		return time.Time{}, bad
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// parseTag reads what an annotated tag points to.
func parseTag(data []byte) (target id, commit bool, err error) {
	line, rest, _ := bytes.Cut(data, []byte("\n"))
	target, ok := idLine(line, "object ")
	line, _, _ = bytes.Cut(rest, []byte("\n"))
	what, ok2 := bytes.CutPrefix(line, []byte("type "))
	if !ok || !ok2 {
		return id{}, false, fmt.Errorf("tag without an object: %w", ErrMalformed)
	}
	return target, string(what) == "commit", nil
}
