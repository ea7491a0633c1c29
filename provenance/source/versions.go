package source

import (
	"container/heap"
	"context"
	"errors"
	"strings"
)

// maxVersionCommits bounds the commits that one search for a folder's versions
// may read.
const maxVersionCommits = 20_000

// maxFetchedTips bounds the commits that such a search fetches.
const maxFetchedTips = 16

// Versions gives each content that a folder has had in the history of one
// branch or tag (by its full name, such as refs/heads/master; "" for all of the
// repository's own), with a commit that holds it, youngest first by the
// committer's time. It ends early, without an error, when yield returns false.
//
// References are what the repository says and prove nothing, and so is the
// choice of commits; what each of them holds is verified. History that is not
// there is passed over, and of a remote repository nothing but the commits that
// the references name is fetched.
func (r *Repository) Versions(ctx context.Context, ref, dir string, yield func(*Commit) bool) error {
	tips, err := r.named(ctx, ref)
	if err != nil {
		return err
	}
	w := versionWalk{repo: r, seen: map[id]bool{}}
	for _, tip := range tips {
		if err := w.push(ctx, tip); err != nil {
			return err
		}
	}
	folders := map[id]bool{}
	for w.Len() > 0 {
		c := heap.Pop(&w).(*Commit)
		folder, err := r.folderAt(ctx, c.tree, dir)
		if passable(err) != nil {
			return err
		}
		if err == nil && folder != (id{}) && !folders[folder] {
			folders[folder] = true
			if !yield(c) {
				return nil
			}
		}
		if err := w.pushParents(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// named returns what a reference names, all branches and tags for "". From a
// remote repository it fetches the commits.
func (r *Repository) named(ctx context.Context, ref string) ([]id, error) {
	if ref != "" && !isBranchOrTag(ref) {
		return nil, nil
	}
	if r.remote == nil {
		if ref == "" {
			return r.store.tips(ctx)
		}
		tip, err := r.store.resolve(ref)
		if err != nil {
			return nil, passable(err)
		}
		return []id{tip}, nil
	}
	refs, err := r.remote.references(ctx)
	if err != nil {
		return nil, err
	}
	tips := refs.tips
	if ref != "" {
		tip, ok := refs.names[ref]
		if !ok {
			return nil, nil
		}
		tips = []id{tip}
	}
	tips = tips[:min(len(tips), maxFetchedTips)]
	for _, tip := range tips {
		if err := r.remote.fetchCommit(ctx, tip); err != nil {
			return nil, err
		}
	}
	return tips, nil
}

// passable is nil for an error that means no more than that something is not
// there.
func passable(err error) error {
	if errors.Is(err, ErrObjectAbsent) {
		return nil
	}
	return err
}

// folderAt returns the id of a folder's tree below a root tree; zero when there
// is no such folder.
func (r *Repository) folderAt(ctx context.Context, root id, dir string) (id, error) {
	at := root
	for _, name := range elements(dir) {
		data, err := r.read(ctx, at, kindTree)
		if err != nil {
			return id{}, err
		}
		if at, err = findFolder(data, r.store.idSize(), name); err != nil || at == (id{}) {
			return id{}, err
		}
	}
	return at, nil
}

// versionWalk is the commits still to be looked at, youngest first.
type versionWalk struct {
	repo  *Repository
	seen  map[id]bool
	queue []*Commit
}

// push reads a commit, or the one that a tag leads to, unless it was seen or is
// absent.
func (w *versionWalk) push(ctx context.Context, name id) error {
	for range maxRefHops {
		if w.seen[name] {
			return nil
		}
		if w.seen[name] = true; len(w.seen) > maxVersionCommits {
			return &LimitError{What: "number of commits to search", Limit: maxVersionCommits}
		}
		data, as, err := w.repo.readNamed(ctx, name)
		switch {
		case err != nil || as != kindCommit && as != kindTag:
			return passable(err)
		case as == kindCommit:
			c, err := w.repo.newCommit(name, data)
			if err == nil {
				heap.Push(w, c)
			}
			return err
		}
		if name, _, err = parseTag(data); err != nil {
			return err
		}
	}
	return nil
}

func (w *versionWalk) pushParents(ctx context.Context, c *Commit) error {
	if own, err := parseID(c.ID); err != nil || w.repo.store.shallow[own] {
		return err
	}
	for _, parent := range c.Parents {
		name, err := parseID(parent)
		if err != nil {
			return err
		}
		if err := w.push(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// Len, Less, Swap, Push and Pop make the walk a heap.Interface.
func (w *versionWalk) Len() int           { return len(w.queue) }
func (w *versionWalk) Less(i, j int) bool { return w.queue[i].Time.After(w.queue[j].Time) }
func (w *versionWalk) Swap(i, j int)      { w.queue[i], w.queue[j] = w.queue[j], w.queue[i] }
func (w *versionWalk) Push(c any)         { w.queue = append(w.queue, c.(*Commit)) }

func (w *versionWalk) Pop() any {
	last := w.queue[len(w.queue)-1]
	w.queue = w.queue[:len(w.queue)-1]
	return last
}

// isBranchOrTag reports whether a reference is one of the repository's own.
func isBranchOrTag(name string) bool {
	return strings.HasPrefix(name, "refs/heads/") || strings.HasPrefix(name, "refs/tags/")
}
