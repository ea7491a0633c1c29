package source

import (
	"errors"
	"io/fs"
	"path"
	"strings"
)

var (
	errNotDirectory = errors.New("not a directory")
	errIsDirectory  = errors.New("is a directory")
	errManyLinks    = errors.New("too many symbolic links")
)

// node is an entry together with its place in the commit's tree, symbolic
// links on the way resolved.
type node struct {
	treeEntry
	path string
}

// find looks up a path below the Tree's folder. follow says whether a symbolic
// link at its end is followed; those on the way always are.
func (t *Tree) find(op, name string, follow bool) (node, error) {
	if !fs.ValidPath(name) {
		return node{}, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	n, err := t.walk(path.Join(t.dir, name), follow)
	if err != nil {
		return node{}, &fs.PathError{Op: op, Path: name, Err: err}
	}
	return n, nil
}

// walk resolves a path from the commit's root, element by element.
func (t *Tree) walk(full string, follow bool) (node, error) {
	at := []node{t.rootNode()}
	rest := elements(full)
	hops := 0
	for len(rest) > 0 {
		here, name := at[len(at)-1], rest[0]
		rest = rest[1:]
		if name == ".." {
			if len(at) == 1 {
				return node{}, ErrOutsideTree
			}
			at = at[:len(at)-1]
			continue
		}
		next, err := t.child(here, name)
		if err != nil {
			return node{}, err
		}
		if !next.is(modeSymlink) || len(rest) == 0 && !follow {
			if at = append(at, next); len(at) > maxTreeDepth+1 {
				return node{}, &LimitError{What: "depth of the git tree", Limit: maxTreeDepth}
			}
			continue
		}
		if hops++; hops > maxLinkHops {
			return node{}, errManyLinks
		}
		target, err := t.follow(next)
		if err != nil {
			return node{}, err
		}
		rest = append(target, rest...)
	}
	return at[len(at)-1], nil
}

func (t *Tree) rootNode() node {
	return node{treeEntry{name: ".", mode: modeDir, id: t.root}, "."}
}

// child looks a name up in a directory.
func (t *Tree) child(dir node, name string) (node, error) {
	if dir.is(modeSubmodule) {
		return node{}, ErrSubmodule
	}
	if !dir.is(modeDir) {
		return node{}, errNotDirectory
	}
	entries, err := t.entries(dir.id)
	if err != nil {
		return node{}, err
	}
	e, ok := search(entries, name)
	if !ok {
		return node{}, fs.ErrNotExist
	}
	return node{e, path.Join(dir.path, name)}, nil
}

// follow returns the elements of a symbolic link's target, which may climb
// with "..", and which walk keeps inside the tree.
func (t *Tree) follow(link node) ([]string, error) {
	target, err := t.target(link.treeEntry)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(target, "/") {
		return nil, ErrOutsideTree
	}
	if target == "" || strings.ContainsRune(target, 0) {
		return nil, fs.ErrNotExist
	}
	return elements(target), nil
}

// elements splits a path and drops "." and empty elements.
func elements(p string) []string {
	var out []string
	for _, e := range strings.Split(p, "/") {
		if e != "" && e != "." {
			out = append(out, e)
		}
	}
	return out
}
