package source

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"
)

// Repository is an open repository. It is safe for concurrent use.
type Repository struct {
	url      string
	location string
	store    *store
	remote   *remote // nil: a local mirror
	objects  Objects // nil: none were handed in
}

// URL returns the repository's URL as it was asked for, without credentials.
func (r *Repository) URL() string { return r.url }

// Location returns where objects are read from: a local path, or the https URL.
func (r *Repository) Location() string { return r.location }

// Local reports whether the objects lie in a local repository, so that reading
// one more asks no server.
func (r *Repository) Local() bool { return r.remote == nil }

// Commit is a commit of a repository, verified.
type Commit struct {
	// ID is the commit's id, Tree that of its root tree, in hex.
	ID, Tree string
	// Parents are the ids of its parents, first parent first.
	Parents []string
	// Time is the committer's time, in UTC.
	Time time.Time

	repo *Repository
	tree id
}

// Commit reads a commit by its full id. In a remote repository it fetches the
// commit first, with its trees unless they are many, and without its files.
func (r *Repository) Commit(ctx context.Context, commit string) (*Commit, error) {
	if r.remote != nil && len(commit) == 2*sha256.Size && r.store.program == nil {
		long, err := r.remote.sha256()
		if err != nil {
			return nil, err
		}
		return long.Commit(ctx, commit)
	}
	want, err := r.store.named(commit)
	if err != nil {
		return nil, err
	}
	data, err := r.read(ctx, want, kindCommit)
	if errors.Is(err, ErrObjectAbsent) && r.remote != nil {
		if err = r.remote.fetchCommit(ctx, want); err == nil {
			data, err = r.read(ctx, want, kindCommit)
		}
	}
	if err != nil {
		return nil, err
	}
	return r.newCommit(want, data)
}

func (r *Repository) newCommit(name id, data []byte) (*Commit, error) {
	parsed, err := parseCommit(data)
	if err != nil {
		return nil, fmt.Errorf("commit %s: %w", name, err)
	}
	c := &Commit{ID: name.String(), Tree: parsed.tree.String(), Time: parsed.time, repo: r, tree: parsed.tree}
	for _, parent := range parsed.parents {
		c.Parents = append(c.Parents, parent.String())
	}
	return c, nil
}

// Head returns the id of the commit that HEAD names. It is what the repository
// says, and proves nothing.
func (r *Repository) Head(ctx context.Context) (string, error) {
	if r.remote != nil {
		refs, err := r.remote.references(ctx)
		if err != nil {
			return "", err
		}
		return refs.head.String(), nil
	}
	head, err := r.store.head()
	if err != nil {
		return "", fmt.Errorf("%s: %w", r.location, err)
	}
	return head.String(), nil
}

// Shallow reports whether the repository leaves out the parents of some commit.
func (r *Repository) Shallow() bool { return len(r.store.shallow) > 0 }

// Blob reads a blob of at most limit bytes by its id. The result is shared and
// must not be changed.
func (r *Repository) Blob(ctx context.Context, blob string, limit int64) ([]byte, error) {
	want, err := r.store.named(blob)
	if err != nil {
		return nil, err
	}
	o, err := r.find(ctx, want, kindBlob)
	if err != nil {
		return nil, err
	}
	if o.size > limit {
		o.Close()
		return nil, &LimitError{What: "size of git blob " + blob, Limit: limit}
	}
	return readVerified(o, want, kindBlob)
}

// FetchBlobs gets blobs of a remote repository, by their ids, in one request
// before they are read.
func (r *Repository) FetchBlobs(ctx context.Context, blobs []string) error {
	if r.remote == nil {
		return nil
	}
	wants := make([]id, len(blobs))
	for i, blob := range blobs {
		var err error
		if wants[i], err = r.store.named(blob); err != nil {
			return err
		}
	}
	return r.remote.fetchObjects(ctx, wants)
}

// find opens an object, not verified.
func (r *Repository) find(ctx context.Context, want id, as kind) (*object, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	o, err := r.store.open(want)
	if errors.Is(err, ErrObjectAbsent) {
		o, err = r.handedIn(ctx, want, as)
	}
	if errors.Is(err, ErrObjectAbsent) {
		o, err = r.retry(ctx, want, as)
	}
	if err != nil {
		return nil, fmt.Errorf("git %s %s of %s: %w", as, want, r.url, err)
	}
	return o, nil
}

// retry looks for an object again: in packs that were added since to a mirror,
// or with a remote repository's server, which has not sent all files yet.
// Commits are fetched by Commit alone: a walk over history must end somewhere.
func (r *Repository) retry(ctx context.Context, want id, as kind) (*object, error) {
	var err error
	switch {
	case r.remote == nil:
		err = r.store.reload()
	case as == kindCommit:
		err = ErrObjectAbsent
	case as == kindTree:
		err = r.remote.fetchTree(ctx, want)
	default:
		err = r.remote.fetchObjects(ctx, []id{want})
	}
	if err != nil {
		return nil, err
	}
	return r.store.open(want)
}

// open opens an object, verified as it is read.
func (r *Repository) open(ctx context.Context, want id, as kind) (*object, error) {
	o, err := r.find(ctx, want, as)
	if err != nil {
		return nil, err
	}
	body, err := verified(o, want, as)
	if err != nil {
		return nil, err
	}
	return &object{kind: as, size: o.size, ReadCloser: body}, nil
}

// read reads a commit, tree or tag whole. The result must not be changed.
func (r *Repository) read(ctx context.Context, want id, as kind) ([]byte, error) {
	o, err := r.find(ctx, want, as)
	if err != nil {
		return nil, err
	}
	return readVerified(o, want, as)
}
