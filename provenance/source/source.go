// Package source reads files of a git repository at a commit, every object
// re-hashed from the commit id down.
//
// A repository is a local mirror or a remote one that is spoken to over https.
// Neither is trusted: the commit id is the only thing taken as given, and what
// does not hash to the name under which it was asked for is a *MismatchError.
// Object ids are SHA-1 computed with collision detection, or SHA-256. Repositories
// of SHA-256 names are read through the git program, which is believed no more
// than the repository. References (branches
// and tags) are what the repository says and prove nothing by themselves.
package source

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
)

// Errors that callers tell apart, with errors.Is.
var (
	// ErrObjectAbsent says that the repository is there and the object is not:
	// an incomplete or shallow mirror, or a commit the server does not know.
	ErrObjectAbsent = errors.New("git object is absent")
	// ErrNotFollowed says that a repository is named only by the image, and
	// that nothing allows to fetch it.
	ErrNotFollowed = errors.New("repository is named only by the image and was not fetched")
	// ErrNoRepository says that the server is there and does not give the
	// repository: it has none of that name, or not for everybody.
	ErrNoRepository = errors.New("repository is not there, or not for everybody")
	// ErrUnreachable says that the remote repository did not answer, or not
	// with what git servers answer.
	ErrUnreachable = errors.New("repository cannot be reached")
	// ErrNotRepository says that a local path is not a git repository.
	ErrNotRepository = errors.New("not a git repository")
	// ErrObjectFormat says that a repository or an id uses names that cannot be
	// checked: SHA-256 without the git program, or the other kind than the
	// repository's.
	ErrObjectFormat = errors.New("object names of this kind cannot be checked here")
	// ErrScheme says that a URL is not one that may be fetched: https only.
	ErrScheme = errors.New("only https repositories are fetched")
	// ErrMalformed says that an object has its right name and is not a valid
	// object of its type, or that a pack or index file is damaged.
	ErrMalformed = errors.New("malformed git data")
	// ErrSubmodule says that a path is or lies in a submodule, whose files are
	// in another repository.
	ErrSubmodule = errors.New("path is in a git submodule")
	// ErrOutsideTree says that a symbolic link points outside the commit's tree.
	ErrOutsideTree = errors.New("symbolic link leaves the commit's tree")
	// ErrRewritten says that a remote branch no longer descends from the commit
	// at which it was last seen.
	ErrRewritten = errors.New("branch does not descend from the commit last seen")
)

// MismatchError says that the object filed under an id is another one. It is
// never a transport error: the repository holds, or serves, false bytes.
type MismatchError struct {
	// Want is the id asked for, Got the id that the bytes have, both in hex.
	Want, Got string
	// Type is commit, tree, blob or tag: the type that was asked for.
	Type string
	// Collision says that the bytes are one half of a SHA-1 collision; Got may
	// then equal Want.
	Collision bool
}

func (e *MismatchError) Error() string {
	if e.Collision {
		return fmt.Sprintf("git %s %s is part of a SHA-1 collision attack", e.Type, e.Want)
	}
	return fmt.Sprintf("git %s %s does not hash to its name: it is %s", e.Type, e.Want, e.Got)
}

// LimitError says that something in a repository is over a bound.
type LimitError struct {
	What  string
	Limit int64
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("%s is over the limit of %d", e.What, e.Limit)
}

// Options say where repositories are found and what may be fetched.
type Options struct {
	// Mirrors maps repository URLs to local paths: a full URL to the mirror
	// itself, a URL prefix ending at "/" to the folder that holds the mirrors.
	Mirrors map[string]string
	// Offline forbids all fetching; what the cache folder holds is still read.
	Offline bool
	// Transport carries the requests; nil: nothing is fetched, as if Offline.
	Transport http.RoundTripper
	// CacheDir gives the folder that keeps what was fetched from one
	// repository, locked until unlock. nil: a temporary folder.
	CacheDir func(kind, key string) (path string, unlock func() error, err error)
	// FollowClaims allows to fetch repositories that only an image names.
	FollowClaims bool
	// Objects gives blobs that a repository does not have; nil: none.
	Objects Objects
	// Progress is called while bytes arrive; total is 0 where unknown.
	Progress func(what string, n, total int64)
	// Log is told of each repository opened and fetched; nil: silent.
	Log *slog.Logger
}

// Opener opens repositories and keeps them open. It is safe for concurrent use.
type Opener struct {
	options Options
	bounds  bounds
	mu      sync.Mutex
	open    map[string]*Repository
	temp    []string // temporary folders to remove
}

// NewOpener returns an Opener. Close it to free what it opened.
func NewOpener(o Options) *Opener {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Progress == nil {
		o.Progress = func(string, int64, int64) {}
	}
	return &Opener{options: o, bounds: defaultBounds(), open: map[string]*Repository{}}
}

// Open returns the repository of a URL: its local mirror if there is one, else
// the remote repository, which is not spoken to before an object is asked for.
// trusted is false for a repository that only the image names; such a one gives
// ErrNotFollowed unless it is mirrored or FollowClaims is set.
func (o *Opener) Open(ctx context.Context, repository string, trusted bool) (*Repository, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	path, ok, err := mirrorPath(o.options.Mirrors, repository)
	if err != nil {
		return nil, err
	}
	if ok {
		return o.openMirror(repository, path)
	}
	if !trusted && !o.options.FollowClaims {
		return nil, fmt.Errorf("%s: %w", redactURL(repository), ErrNotFollowed)
	}
	return o.openRemote(repository)
}

// OpenPath opens the repository in a local folder, bare or with a work tree.
func (o *Opener) OpenPath(ctx context.Context, path string) (*Repository, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return o.openMirror("", path)
}

func (o *Opener) openMirror(repository, path string) (*Repository, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	key := "path " + path + " " + NormalizeURL(repository)
	if r, ok := o.open[key]; ok {
		return r, nil
	}
	s, err := openStore(path)
	if err != nil {
		return nil, err
	}
	o.options.Log.Debug("git mirror opened", "repository", redactURL(repository), "path", path)
	r := &Repository{url: redactURL(repository), location: path, store: s, objects: o.options.Objects}
	if repository == "" {
		r.url = path
	}
	o.open[key] = r
	return r, nil
}

// Close frees all repositories that the Opener opened; they and their trees
// must not be used afterwards.
func (o *Opener) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	var errs []error
	for key, r := range o.open {
		errs = append(errs, r.store.close())
		delete(o.open, key)
	}
	for _, dir := range o.temp {
		errs = append(errs, removeAll(dir))
	}
	o.temp = nil
	return errors.Join(errs...)
}
