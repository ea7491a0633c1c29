package source

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
)

// Clone is a copy of a remote repository's default branch: the commit at which
// it stands, and its past once that is asked for.
type Clone struct {
	// Repo is the copy, URL where it came from.
	Repo *Repository
	URL  string
	// Head is the id of the commit at which the branch stands in the copy.
	Head string
	// Stale says why the copy was not brought up to date; it is then what was
	// last seen. It wraps ErrRewritten when the server's branch no longer
	// descends from it, network.ErrOffline, ErrUnreachable, ….
	Stale error
}

// cloneRef is the branch that a copy keeps, cloneStamp the file whose time says
// when the server was last asked, and clonePast the one that names the commit of
// which all the past is here.
const (
	cloneRef   = "refs/heads/master"
	cloneStamp = "verify-asked"
	clonePast  = "verify-past"
)

// Clone brings the copy of a repository's default branch up to date, unless the
// server was asked less than fresh ago. Of a new copy only the commit is
// fetched, with its trees; files come when they are read. The copy never moves
// to a commit that does not descend from the one it has: the commits in between
// are fetched and followed. An error says that there is no copy at all; with a
// mirror that is given for the URL, the mirror is the copy.
func (o *Opener) Clone(ctx context.Context, repository string, fresh time.Duration) (*Clone, error) {
	r, err := o.Open(ctx, repository, true)
	if err != nil {
		return nil, err
	}
	c := &Clone{Repo: r, URL: r.Location()}
	if r.remote == nil {
		c.Head, err = r.Head(ctx)
		return c, err
	}
	last, errLast := r.store.resolve(cloneRef)
	if errLast == nil && r.remote.askedWithin(fresh) {
		c.Head = last.String()
		return c, nil
	}
	head, err := r.update(ctx, last)
	switch {
	case err == nil:
		c.Head = head.String()
	case errLast == nil && ctx.Err() == nil:
		c.Head, c.Stale = last.String(), err
	default:
		return nil, err
	}
	return c, nil
}

// Past makes sure that all commits before Head are in the copy, with their
// trees. Their files come when they are read.
func (c *Clone) Past(ctx context.Context) error {
	if c.Repo.remote == nil {
		return nil
	}
	head, err := parseID(c.Head)
	if err != nil {
		return err
	}
	return c.Repo.remote.fetchPast(ctx, head)
}

// Whole reports whether the past needs no fetching.
func (c *Clone) Whole() bool {
	if c.Repo.remote == nil {
		return true
	}
	known, ok := c.Repo.remote.past()
	return ok && known.String() == c.Head
}

func (m *remote) askedWithin(fresh time.Duration) bool {
	info, err := os.Stat(filepath.Join(m.folder.path, cloneStamp))
	return err == nil && fresh > 0 && time.Since(info.ModTime()) < fresh
}

// past is the commit of which all the past is here.
func (m *remote) past() (id, bool) {
	text, err := os.ReadFile(filepath.Join(m.folder.path, clonePast))
	if err != nil {
		return id{}, false
	}
	known, err := parseID(strings.TrimSpace(string(text)))
	return known, err == nil
}

// fetchPast fetches what is not here of a commit's past. The commit whose past
// is here is an ancestor: the copy only moves forward.
func (m *remote) fetchPast(ctx context.Context, head id) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := request{wants: []id{head}, filter: packp.FilterBlobNone(), history: true}
	if known, ok := m.past(); ok {
		if known == head {
			return nil
		}
		r.haves = []id{known}
	}
	if err := m.fetch(ctx, r); err != nil {
		return err
	}
	return m.folder.write(clonePast, head.String()+"\n")
}

// update fetches the default branch, given where it was last seen (zero:
// nowhere), and moves the copy forward.
func (r *Repository) update(ctx context.Context, last id) (id, error) {
	head, err := r.remote.fetchBranch(ctx, last)
	if err != nil {
		return id{}, err
	}
	if last != (id{}) && head != last {
		descends, _, err := r.ancestor(ctx, []id{head}, last)
		if err != nil {
			return id{}, err
		}
		if !descends {
			return id{}, fmt.Errorf("%s: %s does not descend from %s: %w", r.url, head, last, ErrRewritten)
		}
	}
	return head, r.remote.folder.move(head)
}

// fetchBranch fetches the server's HEAD and returns its commit: with its trees
// when it was never seen, else all commits since then.
func (m *remote) fetchBranch(ctx context.Context, last id) (id, error) {
	m.mu.Lock()
	m.open = nil // ask again where the branch stands
	c, err := m.converse(ctx)
	m.mu.Unlock()
	switch {
	case err != nil:
		return id{}, err
	case c.refs.head == (id{}):
		return id{}, fmt.Errorf("%s: %w: it has no HEAD", m.url, ErrUnreachable)
	case c.refs.head == last:
		return last, nil
	case last == (id{}):
		return c.refs.head, m.fetchCommit(ctx, c.refs.head)
	}
	return c.refs.head, m.fetchSince(ctx, []id{c.refs.head}, last)
}

// move writes where the branch now stands.
func (f *folder) move(head id) error {
	return errors.Join(f.write(cloneRef, head.String()+"\n"), f.write(cloneStamp, ""))
}

// write replaces a small file of the repository.
func (f *folder) write(name, text string) error {
	unlock, err := f.lock()
	if err != nil {
		return err
	}
	return errors.Join(writeFile(filepath.Join(f.path, filepath.FromSlash(name)), text), unlock())
}
