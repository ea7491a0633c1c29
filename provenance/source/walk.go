package source

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
)

// maxWalk bounds the commits that one question about history may read.
const maxWalk = 2_000_000

// Reachable reports whether a branch or tag of the repository reaches the
// commit. Where history is cut off (a shallow clone) and the commit was not
// found, that cannot be told: the error is then ErrObjectAbsent.
func (r *Repository) Reachable(ctx context.Context, commit string) (bool, error) {
	if r.remote != nil && len(commit) == 2*sha256.Size && r.store.program == nil {
		long, err := r.remote.sha256()
		if err != nil {
			return false, err
		}
		return long.Reachable(ctx, commit)
	}
	want, err := r.store.named(commit)
	if err != nil {
		return false, err
	}
	if r.remote != nil {
		return r.reachableThere(ctx, want)
	}
	tips, err := r.store.tips(ctx)
	if err != nil {
		return false, err
	}
	found, cut, err := r.ancestor(ctx, tips, want)
	if err == nil && !found && cut {
		return false, fmt.Errorf("history of %s is cut off: %w", r.url, ErrObjectAbsent)
	}
	return found, err
}

// reachableThere asks a remote repository, whose branches and tags are what it
// says. It is told that the commit is here, so it sends the commits that are no
// ancestors of it: all that lie between, if a branch leads to it. Where the walk
// over them ends elsewhere, none does. HEAD's branch is tried before the others.
func (r *Repository) reachableThere(ctx context.Context, want id) (bool, error) {
	refs, err := r.remote.references(ctx)
	if err != nil {
		return false, err
	}
	found, _, err := r.ancestor(ctx, refs.tips, want)
	if found || err != nil {
		return found, err
	}
	branch, others := refs.split()
	for _, tips := range [][]id{branch, others} {
		if err := r.remote.fetchSince(ctx, tips, want); err != nil {
			return false, err
		}
		if found, _, err = r.ancestor(ctx, tips, want); found || err != nil {
			return found, err
		}
	}
	return false, nil
}

// ancestor reports whether the walk from the tips comes to want, and whether
// the walk ended somewhere for want of a parent.
func (r *Repository) ancestor(ctx context.Context, tips []id, want id) (found, cut bool, err error) {
	seen := make(map[id]bool, len(tips))
	stack := append([]id(nil), tips...)
	for len(stack) > 0 {
		next := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if next == want {
			return true, cut, nil
		}
		if seen[next] {
			continue
		}
		if seen[next] = true; len(seen) > maxWalk {
			return false, cut, &LimitError{What: "number of commits to walk", Limit: maxWalk}
		}
		parents, err := r.parents(ctx, next)
		switch {
		case errors.Is(err, ErrObjectAbsent):
			cut = true
		case err != nil:
			return false, cut, err
		}
		stack = append(stack, parents...)
	}
	return false, cut, nil
}

// parents returns the parents of a commit or, for a tag, what it points to.
func (r *Repository) parents(ctx context.Context, name id) ([]id, error) {
	data, as, err := r.readNamed(ctx, name)
	if err != nil || as != kindCommit && as != kindTag {
		return nil, err // a tag may name a tree or a blob
	}
	if as == kindTag {
		target, _, err := parseTag(data)
		return []id{target}, err
	}
	if r.store.shallow[name] {
		return nil, ErrObjectAbsent
	}
	c, err := parseCommit(data)
	return c.parents, err
}

// readNamed reads what a reference may name: a commit or a tag, verified. Of
// other objects it gives the kind alone. Nothing is fetched.
func (r *Repository) readNamed(ctx context.Context, name id) ([]byte, kind, error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	o, err := r.store.open(name)
	if err != nil {
		return nil, 0, err
	}
	as := o.kind
	if as != kindCommit && as != kindTag {
		return nil, as, o.Close()
	}
	data, err := readVerified(o, name, as)
	return data, as, err
}
