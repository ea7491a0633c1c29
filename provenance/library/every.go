package library

import (
	"context"
	"errors"
	"fmt"
)

// Every returns the different entries that an image's file had for an
// architecture, of whatever tag, newest first; no more than limit of them. An
// entry stands where the file had it last: LibraryCommit and Merged are those of
// the newest version of the file that has it, and InForce says that this is the
// file at the library's HEAD.
func (l *Library) Every(ctx context.Context, image, arch string, limit int) ([]Candidate, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.load(ctx); err != nil {
		return nil, err
	}
	versions, ok := l.index.images[image]
	if !ok {
		return nil, fmt.Errorf("%s: %w", image, ErrNoImage)
	}
	if err := l.fetch(ctx, versions); err != nil {
		return nil, fmt.Errorf("%s/%s: %w", folder, image, err)
	}
	var out []Candidate
	seen := map[string]bool{}
	for i, v := range versions { // newest first
		commit := l.index.commits[v.commit]
		entries, err := l.entries(ctx, v.blob, "")
		if kind := (*ParseError)(nil); errors.As(err, &kind) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%s/%s at %s: %w", folder, image, commit.id, err)
		}
		for _, e := range entries {
			if e.Architecture != arch || seen[e.identity()] {
				continue
			}
			if len(out) == limit {
				return out, nil
			}
			seen[e.identity()] = true
			out = append(out, Candidate{Entry: e, LibraryCommit: commit.id, Merged: commit.time, InForce: i == 0, File: folder + "/" + image})
		}
	}
	return out, nil
}
