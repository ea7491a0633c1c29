package source

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// absentLink is given for a symbolic link that stands in the way and was not
// fetched.
type absentLink struct{ link id }

func (e *absentLink) Error() string { return "symbolic link is not here" }

// Fetch gets files of a remote repository before they are read, in as few
// requests as there are symbolic links one behind another, and one if there are
// none. Names are paths; those with wildcards stand for what path.Match finds,
// those of folders for all below. Names that lead nowhere are passed over: who
// reads them will see.
func (t *Tree) Fetch(names ...string) error {
	if t.repo.remote == nil {
		return nil
	}
	here := *t
	here.here = true
	for range maxLinkHops {
		w := wanted{tree: &here, seen: map[id]bool{}}
		for _, name := range names {
			if err := w.named(name); err != nil {
				return err
			}
		}
		if len(w.absent) == 0 {
			return nil
		}
		if err := t.repo.remote.fetchObjects(t.ctx, w.absent); err != nil {
			return err
		}
	}
	return nil
}

// wanted gathers the files that are to be read and are not here.
type wanted struct {
	tree   *Tree
	seen   map[id]bool
	absent []id
}

// named adds what a name stands for.
func (w *wanted) named(name string) error {
	name = path.Clean(strings.TrimLeft(name, "/"))
	if !strings.ContainsAny(name, `*?[\`) {
		return w.at(name)
	}
	matches := []string{"."}
	for _, pattern := range elements(name) {
		matches = w.matching(matches, pattern)
	}
	for _, match := range matches {
		if err := w.at(match); err != nil {
			return err
		}
	}
	return nil
}

// matching returns the names in the folders that match one element of a pattern.
func (w *wanted) matching(folders []string, pattern string) []string {
	var out []string
	for _, dir := range folders {
		list, _ := w.tree.ReadDir(dir) // no folder: nothing matches
		for _, e := range list {
			if ok, _ := path.Match(pattern, e.Name()); ok && len(out) < maxWants {
				out = append(out, path.Join(dir, e.Name()))
			}
		}
	}
	return out
}

// at adds what lies at a path.
func (w *wanted) at(name string) error {
	n, err := w.tree.find("fetch", name, true)
	if link, ok := errors.AsType[*absentLink](err); ok {
		return w.add(link.link)
	}
	if err != nil {
		return leadsSomewhere(err)
	}
	return w.below(n.treeEntry, 0)
}

// below adds a file, or all files of a folder. Links among them are copied, not
// followed.
func (w *wanted) below(e treeEntry, depth int) error {
	switch {
	case depth > maxTreeDepth:
		return &LimitError{What: "depth of the git tree", Limit: maxTreeDepth}
	case e.is(modeRegular), e.is(modeSymlink):
		return w.add(e.id)
	case e.is(modeSubmodule) || w.seen[e.id]:
		return nil
	}
	w.seen[e.id] = true
	entries, err := w.tree.entries(e.id)
	for i := 0; i < len(entries) && err == nil; i++ {
		err = w.below(entries[i], depth+1)
	}
	return err
}

func (w *wanted) add(file id) error {
	if w.seen[file] || w.tree.repo.hasBlob(w.tree.ctx, file) {
		return nil
	}
	w.seen[file] = true
	if w.absent = append(w.absent, file); len(w.absent) > maxWants {
		return &LimitError{What: "number of files to fetch", Limit: maxWants}
	}
	return nil
}

// leadsSomewhere is nil for an error by which a path leads nowhere.
func leadsSomewhere(err error) error {
	nowhere := []error{fs.ErrNotExist, fs.ErrInvalid, errNotDirectory, errManyLinks, ErrOutsideTree, ErrSubmodule}
	if slices.ContainsFunc(nowhere, func(target error) bool { return errors.Is(err, target) }) {
		return nil
	}
	return err
}
