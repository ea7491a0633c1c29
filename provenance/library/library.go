// Package library reads the official-images library: its entries per tag and
// architecture, now and in the past.
//
// The library is a git repository with one file an image, library/NAME. Its
// past is that of its first parents: what was merged when. The repository is
// trusted, and read with every object re-hashed all the same.
package library

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/imageverify/verify/provenance/source"
)

// Errors that callers tell apart, with errors.Is.
var (
	// ErrNoImage says that the library has no file of that name, and never had.
	ErrNoImage = errors.New("image is not in the official library and never was")
	// ErrNoTag says that the image's file never had the tag for the
	// architecture.
	ErrNoTag = errors.New("tag is not in the official library and never was")
)

// folder is where the library's files are.
const folder = "library"

// maxMemo bounds the look-ups whose result is kept in memory.
const maxMemo = 64

// Cache keeps the index of the library's past. Get gives an error for what is
// not there; a record that Get returns is believed to be what Put was given.
type Cache interface {
	Get(kind string, version int, key string) ([]byte, error)
	Put(kind string, version int, key string, data []byte) error
}

// Options say how a library is read.
type Options struct {
	// Opener opens the repository; nil: one of the library's own.
	Opener *source.Opener
	// Cache keeps the index between runs; nil: it is made anew.
	Cache Cache
	// Location is what Location returns, such as the URL of which path is a
	// copy; "": the path.
	Location string
	// Stale is what Library.Stale returns, for a repository opened by its path.
	Stale error
	// Progress is called while the index is made: n commits with changes so far.
	Progress func(what string, n, total int64)
	// Log is told when a record or an old file cannot be used; nil: silent.
	Log *slog.Logger
}

// Library is an open library. It is safe for concurrent use.
type Library struct {
	repo     *source.Repository
	head     *source.Commit
	location string
	stale    error
	options  Options
	clone    *source.Clone  // nil: the past is in the repository
	own      *source.Opener // to be closed; nil: the caller's is used

	mu    sync.Mutex
	index *index // nil: the past was not asked for yet
	memo  map[string][]moment
}

// OpenClone opens the library in a copy of a remote repository. Its past is
// fetched when it is asked for, unless the cache holds the index of it.
func OpenClone(ctx context.Context, c *source.Clone, o Options) (*Library, error) {
	l := &Library{memo: map[string][]moment{}, repo: c.Repo, clone: c, stale: c.Stale}
	l.options = o.withDefaults(c.URL)
	l.location = l.options.Location
	err := l.at(ctx, c.Head)
	if err == nil && c.Whole() {
		err = l.load(ctx)
	} else if err == nil {
		l.index = l.kept(l.options)
	}
	if err != nil {
		return nil, fmt.Errorf("library %s: %w", l.location, err)
	}
	return l, nil
}

// Open opens the library in a local repository, at its HEAD, and reads or makes
// the index of its past.
func Open(ctx context.Context, path string, o Options) (*Library, error) {
	l := &Library{memo: map[string][]moment{}}
	if o.Opener == nil {
		o.Opener = source.NewOpener(source.Options{})
		l.own = o.Opener
	}
	l.options = o.withDefaults(path)
	if err := l.open(ctx, path); err != nil {
		l.Close()
		return nil, fmt.Errorf("library %s: %w", path, err)
	}
	return l, nil
}

// Stale says why the repository is a copy that could not be brought up to date;
// nil for one that is, or that is no copy.
func (l *Library) Stale() error { return l.stale }

func (l *Library) open(ctx context.Context, path string) error {
	l.location, l.stale = l.options.Location, l.options.Stale
	var err error
	if l.repo, err = l.options.Opener.OpenPath(ctx, path); err != nil {
		return err
	}
	name, err := l.repo.Head(ctx)
	if err == nil {
		err = l.at(ctx, name)
	}
	if err == nil {
		err = l.load(ctx)
	}
	return err
}

// at reads the commit at which the library stands.
func (l *Library) at(ctx context.Context, head string) (err error) {
	l.head, err = l.repo.Commit(ctx, head)
	return err
}

// load makes sure that the index of the past is there. The caller holds the
// lock, or is alone.
func (l *Library) load(ctx context.Context) (err error) {
	if l.index == nil {
		l.index = l.kept(l.options)
	}
	if l.index != nil {
		return nil
	}
	if l.clone != nil {
		if err := l.clone.Past(ctx); err != nil {
			return err
		}
	}
	x, err := l.makeIndex(ctx, l.options)
	if err == nil && len(x.images) == 0 {
		err = fmt.Errorf("it never had a folder named %s", folder)
	}
	if err == nil {
		l.index = x
	}
	return err
}

func (o Options) withDefaults(path string) Options {
	if o.Location == "" {
		o.Location = path
	}
	if o.Progress == nil {
		o.Progress = func(string, int64, int64) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Close frees the repository, unless it was opened by an Opener of the
// caller's.
func (l *Library) Close() error {
	if l.own == nil {
		return nil
	}
	return l.own.Close()
}

// Head returns the commit at which the library is read and its committer time.
func (l *Library) Head() (commit string, date time.Time) { return l.head.ID, l.head.Time }

// Location returns where the library came from: a path or a URL.
func (l *Library) Location() string { return l.location }

// moment is what a file said of one tag from one commit on, for all
// architectures; nothing when the tag or the file was gone.
type moment struct {
	commit  string
	time    time.Time
	entries []Entry
}

// history returns what an image's file said of a tag, oldest first. Versions
// of the file that cannot be read as a library file change nothing.
func (l *Library) history(ctx context.Context, image, tag string) ([]moment, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := image + ":" + tag
	if kept, ok := l.memo[key]; ok {
		return kept, nil
	}
	var out []moment
	for m, err := range l.moments(ctx, image, tag) {
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	slices.Reverse(out)
	if len(l.memo) >= maxMemo {
		clear(l.memo)
	}
	l.memo[key] = out
	return out, nil
}

// moments are what the versions of an image's file said of a tag, "" standing for
// all of them, newest first; a version that cannot be read as a library file has
// none. The caller holds the lock.
func (l *Library) moments(ctx context.Context, image, tag string) iter.Seq2[moment, error] {
	return func(yield func(moment, error) bool) {
		if err := l.load(ctx); err != nil {
			yield(moment{}, err)
			return
		}
		versions, ok := l.index.images[image]
		if !ok {
			yield(moment{}, fmt.Errorf("%s: %w", image, ErrNoImage))
			return
		}
		if err := l.fetch(ctx, versions); err != nil {
			yield(moment{}, fmt.Errorf("%s/%s: %w", folder, image, err))
			return
		}
		for _, v := range versions {
			commit := l.index.commits[v.commit]
			entries, err := l.entries(ctx, v.blob, tag)
			if _, bad := errors.AsType[*ParseError](err); bad {
				l.options.Log.Debug("library file cannot be read", "commit", commit.id, "image", image, "error", err)
				continue
			}
			if err != nil {
				err = fmt.Errorf("%s/%s at %s: %w", folder, image, commit.id, err)
			}
			if !yield(moment{commit: commit.id, time: commit.time, entries: entries}, err) {
				return
			}
		}
	}
}

// fetch gets all versions of a file at once.
func (l *Library) fetch(ctx context.Context, versions []version) error {
	var blobs []string
	for _, v := range versions {
		if v.blob != "" {
			blobs = append(blobs, v.blob)
		}
	}
	return l.repo.FetchBlobs(ctx, blobs)
}

// entries reads what one version of a file says of a tag, "" standing for all of
// them; blob is "" where the file was removed.
func (l *Library) entries(ctx context.Context, blob, tag string) ([]Entry, error) {
	if blob == "" {
		return nil, nil
	}
	data, err := l.repo.Blob(ctx, blob, maxFile)
	if err != nil {
		return nil, err
	}
	text := string(data)
	if !strings.Contains(text, tag) {
		return nil, nil
	}
	file, err := parse(text)
	if err != nil {
		return nil, err
	}
	return file.tagged(tag), nil
}
