package filetree

import (
	"iter"

	"github.com/imageverify/verify/checksums"
)

// globalHeader is the type of a tar's global header: an entry of the archive
// with a name, but nothing in the tree.
const globalHeader = 'g'

// group is all entries of one path on one side.
type group struct {
	path    string
	last    checksums.Entry // the last that is no global header
	count   int             // entries that are no global headers
	globals int
}

// groups reads an index group by group.
type groups struct {
	next func() (checksums.Entry, error, bool)
	stop func()
	head group // valid if more
	more bool

	ahead    checksums.Entry // the first entry of the next group
	hasAhead bool
	started  bool
}

func newGroups(x *checksums.Index) *groups {
	next, stop := iter.Pull2(x.Entries())
	return &groups{next: next, stop: stop}
}

// advance reads the next group into head; more says whether there was one.
func (g *groups) advance() error {
	if !g.started {
		g.started = true
		if err := g.read(); err != nil {
			return err
		}
	}
	g.more = g.hasAhead
	if !g.more {
		return nil
	}
	g.head = group{path: g.ahead.Path}
	for g.hasAhead && g.ahead.Path == g.head.path {
		if g.ahead.Type == globalHeader {
			g.head.globals++
		} else {
			g.head.count++
			g.head.last = g.ahead
		}
		if err := g.read(); err != nil {
			return err
		}
	}
	return nil
}

func (g *groups) read() error {
	e, err, ok := g.next()
	g.ahead, g.hasAhead = e, ok
	return err
}
