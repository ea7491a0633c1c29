package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"
)

// Change is one file of a folder that a commit of the first-parent history
// added, changed or removed.
type Change struct {
	// Commit is the commit's id in hex, Time its committer's time.
	Commit string
	Time   time.Time
	// Name is the file's name in the folder, Blob the id of its new content in
	// hex; "" when the file was removed.
	Name, Blob string
}

// Changes gives the changes to the files directly in a folder of the root
// tree, over the first parents of a commit, newest first. The changes of one
// commit come one after the other, sorted by name. History that is cut off
// (a shallow clone) begins where it is cut: all files are then new.
func (r *Repository) Changes(ctx context.Context, head, folder string, yield func(Change) error) error {
	next, err := parseID(head)
	if err != nil {
		return err
	}
	w := changeWalk{repo: r, folder: folder}
	newer, err := w.at(ctx, next)
	for err == nil && len(newer.parents) > 0 {
		var older state
		older, err = w.at(ctx, newer.parents[0])
		if errors.Is(err, ErrObjectAbsent) {
			break
		}
		if err == nil {
			err = w.diff(ctx, newer, older, yield)
		}
		newer = older
	}
	if err != nil && !errors.Is(err, ErrObjectAbsent) {
		return err
	}
	if newer.commit == (id{}) {
		return err
	}
	return w.diff(ctx, newer, state{}, yield)
}

// changeWalk reads folders along history. Equal folders are not read twice.
type changeWalk struct {
	repo    *Repository
	folder  string
	commits int
	lastID  id
	last    []byte // the tree of lastID
}

// state is the folder's tree at one commit; zero when the folder is not there.
type state struct {
	commit id
	commitObject
	folder id
}

func (w *changeWalk) at(ctx context.Context, commit id) (state, error) {
	if w.commits++; w.commits > maxWalk {
		return state{}, &LimitError{What: "number of commits to walk", Limit: maxWalk}
	}
	data, err := w.repo.read(ctx, commit, kindCommit)
	if err != nil {
		return state{}, err
	}
	s := state{commit: commit}
	if s.commitObject, err = parseCommit(data); err != nil {
		return state{}, fmt.Errorf("commit %s: %w", commit, err)
	}
	if w.repo.store.shallow[commit] {
		s.parents = nil
	}
	root, err := w.repo.read(ctx, s.tree, kindTree)
	if err != nil {
		return state{}, err
	}
	s.folder, err = findFolder(root, w.repo.store.idSize(), w.folder)
	return s, err
}

// findFolder looks a folder up in a tree.
func findFolder(data []byte, size int, name string) (id, error) {
	for len(data) > 0 {
		e, rest, err := nextEntry(data, size)
		if err != nil {
			return id{}, err
		}
		if string(e.name) == name && e.mode&modeType == modeDir {
			return e.id, nil
		}
		data = rest
	}
	return id{}, nil
}

func (w *changeWalk) read(ctx context.Context, folder id) ([]byte, error) {
	if folder == (id{}) {
		return nil, nil
	}
	if folder == w.lastID {
		return w.last, nil
	}
	return w.repo.read(ctx, folder, kindTree)
}

// diff gives the files that differ between two commits' folders.
func (w *changeWalk) diff(ctx context.Context, newer, older state, yield func(Change) error) error {
	if newer.folder == older.folder {
		return nil
	}
	after, err := w.read(ctx, newer.folder)
	if err != nil {
		return err
	}
	before, err := w.read(ctx, older.folder)
	if err != nil {
		return err
	}
	w.lastID, w.last = older.folder, before
	commit := newer.commit.String()
	return diffFiles(before, after, func(name string, blob id) error {
		if badName(name) {
			return fmt.Errorf("tree %s holds the name %.80q: %w", newer.folder, name, ErrMalformed)
		}
		c := Change{Commit: commit, Time: newer.time, Name: name}
		if blob != (id{}) {
			c.Blob = blob.String()
		}
		return yield(c)
	})
}

// diffFiles compares two trees and gives each regular file whose content
// differs with its new blob; the zero id where it is gone. The trees must have
// git's order; files are then sorted by name.
func diffFiles(before, after []byte, give func(name string, blob id) error) error {
	before, after = skipEqual(before, after)
	old, before, err := nextFile(before)
	if err != nil {
		return err
	}
	now, after, err := nextFile(after)
	for err == nil && (old.name != nil || now.name != nil) {
		order := compareNames(old.name, now.name)
		switch {
		case order < 0:
			err = give(string(old.name), id{})
		case order > 0:
			err = give(string(now.name), now.id)
		case old.id != now.id:
			err = give(string(now.name), now.id)
		}
		if err == nil && order <= 0 {
			old, before, err = nextFile(before)
		}
		if err == nil && order >= 0 {
			now, after, err = nextFile(after)
		}
		if order == 0 && bytes.Equal(before, after) && old.equal(now) {
			return err
		}
	}
	return err
}

// skipEqual drops the entries with which both trees begin. Most commits change
// one file of many.
func skipEqual(a, b []byte) ([]byte, []byte) {
	const step = 256
	equal := 0
	for equal+step <= min(len(a), len(b)) && bytes.Equal(a[equal:equal+step], b[equal:equal+step]) {
		equal += step
	}
	skip := 0
	for {
		end := bytes.IndexByte(a[skip:equal], 0)
		if end < 0 || skip+end+1+idSize > equal {
			return a[skip:], b[skip:]
		}
		skip += end + 1 + idSize
	}
}

// compareNames orders names; nil, the end of a tree, comes after all.
func compareNames(a, b []byte) int {
	switch {
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	return bytes.Compare(a, b)
}

// nextFile returns the next regular file of a tree; its name is nil at the end.
func nextFile(data []byte) (rawEntry, []byte, error) {
	for len(data) > 0 {
		e, rest, err := nextEntry(data, idSize)
		if err != nil || e.mode&modeType == modeRegular {
			return e, rest, err
		}
		data = rest
	}
	return rawEntry{}, nil, nil
}
