package source

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Clone is a whole copy of a remote repository's default branch.
type Clone struct {
	// Path is the bare repository's folder, URL where it came from.
	Path, URL string
	// Head is the id of the commit at which the branch stands in the copy.
	Head string
	// Stale says why the copy was not brought up to date; it is then what was
	// last seen. It wraps ErrRewritten when the server's branch no longer
	// descends from it, network.ErrOffline, ErrUnreachable, ….
	Stale error
}

// cloneRef is the branch that a copy keeps, and cloneStamp the file whose time
// says when the server was last asked.
const (
	cloneRef   = "refs/heads/master"
	cloneStamp = "verify-asked"
)

// Clone brings the copy of a repository's default branch up to date, unless the
// server was asked less than fresh ago. The copy never moves to a commit that
// does not descend from the one it has. An error says that there is no copy at
// all; with a mirror that is given for the URL, the mirror is the copy.
func (o *Opener) Clone(ctx context.Context, repository string, fresh time.Duration) (*Clone, error) {
	r, err := o.Open(ctx, repository, true)
	if err != nil {
		return nil, err
	}
	c := &Clone{Path: r.store.path, URL: r.Location()}
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

func (m *remote) askedWithin(fresh time.Duration) bool {
	info, err := os.Stat(filepath.Join(m.folder.path, cloneStamp))
	return err == nil && fresh > 0 && time.Since(info.ModTime()) < fresh
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

// fetchBranch fetches the history of the server's HEAD and returns its commit.
func (m *remote) fetchBranch(ctx context.Context, last id) (id, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open = nil // ask again where the branch stands
	c, err := m.converse(ctx)
	if err != nil {
		return id{}, err
	}
	if c.refs.head == (id{}) {
		return id{}, fmt.Errorf("%s: %w: it has no HEAD", m.url, ErrUnreachable)
	}
	if c.refs.head == last {
		return last, nil
	}
	q := request{wants: []id{c.refs.head}}
	if last != (id{}) {
		q.haves = []id{last}
	}
	return c.refs.head, m.upload(ctx, c, q.encode(c.refs.can))
}

// move writes where the branch now stands.
func (f *folder) move(head id) error {
	unlock, err := f.lock()
	if err != nil {
		return err
	}
	ref := filepath.Join(f.path, filepath.FromSlash(cloneRef))
	err = writeFile(ref, head.String()+"\n")
	if err == nil {
		err = writeFile(filepath.Join(f.path, cloneStamp), "")
	}
	return errors.Join(err, unlock())
}
