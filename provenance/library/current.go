package library

import (
	"context"
	"errors"
	"io/fs"
	"slices"
)

// Certain returns the entry that a tag has now, where the past is not at hand
// and would put no other before it: it names a commit that other claims of the
// build name, or it holds a built image. ok is false where the past has to be
// asked (Candidates).
//
// When the entry came is not known: its LibraryCommit is the library's HEAD, and
// Merged is zero.
func (l *Library) Certain(ctx context.Context, image, tag, arch string, named []string) (c Candidate, ok bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.index != nil {
		return c, false, nil
	}
	file, err := l.now(ctx, image)
	if err != nil {
		return c, false, err
	}
	entries := file.Entries(tag, arch)
	if len(entries) != 1 {
		return c, false, nil
	}
	e := entries[0]
	sure := e.Commit != "" && slices.Contains(named, e.Commit) || e.Builder == "oci-import"
	return Candidate{Entry: e, LibraryCommit: l.head.ID, InForce: true, File: folder + "/" + image}, sure, nil
}

// now reads an image's file at HEAD; one that is not there, or is none, has no
// entries.
func (l *Library) now(ctx context.Context, image string) (*File, error) {
	tree, err := l.head.FS(ctx, folder)
	if err != nil {
		return nil, err
	}
	blob, err := tree.ObjectID(image)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) {
		return &File{}, nil
	}
	if err != nil {
		return nil, err
	}
	data, err := l.repo.Blob(ctx, blob, maxFile)
	if err != nil {
		return nil, err
	}
	file, err := parse(string(data))
	if bad := (*ParseError)(nil); errors.As(err, &bad) {
		return &File{}, nil
	}
	return file, err
}
