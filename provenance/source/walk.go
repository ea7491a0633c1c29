package source

import (
	"context"
	"errors"
	"fmt"
)

// maxWalk bounds the commits that one question about history may read.
const maxWalk = 2_000_000

// Reachable reports whether a branch or tag of the repository reaches the
// commit. Where history is cut off (a shallow clone) and the commit was not
// found, that cannot be told: the error is then ErrObjectAbsent.
func (r *Repository) Reachable(ctx context.Context, commit string) (bool, error) {
	want, err := parseID(commit)
	if err != nil {
		return false, err
	}
	tips, err := r.tips(ctx, want)
	if err != nil {
		return false, err
	}
	found, cut, err := r.ancestor(ctx, tips, want)
	if err == nil && !found && cut {
		return false, fmt.Errorf("history of %s is cut off: %w", r.url, ErrObjectAbsent)
	}
	return found, err
}

// tips returns the branch and tag tips; for a remote repository it fetches
// their history unless one of them is the commit itself.
func (r *Repository) tips(ctx context.Context, want id) ([]id, error) {
	if r.remote == nil {
		return r.store.tips(ctx)
	}
	refs, err := r.remote.references(ctx)
	if err != nil {
		return nil, err
	}
	for _, tip := range refs.tips {
		if tip == want {
			return []id{want}, nil
		}
	}
	return refs.tips, r.remote.fetchHistory(ctx, refs.tips)
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
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	o, err := r.store.open(name)
	if err != nil {
		return nil, err
	}
	as := o.kind
	if as != kindCommit && as != kindTag {
		return nil, o.Close() // a tag may name a tree or a blob
	}
	data, err := readVerified(o, name, as)
	if err != nil {
		return nil, err
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
