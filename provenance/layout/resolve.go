package layout

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/imageverify/verify/provenance/source"
)

// maxLinks bounds the symbolic links of one path; as Linux.
const maxLinks = 40

// resolve returns the path from the commit's root that a path leads to, with
// all symbolic links followed. With an error it returns the path as far as it
// was followed.
//
// The file is then opened by that path, so that what is reported is what was
// read; that nothing outside the tree is opened is the tree's own law.
func resolve(root *source.Tree, name string) (string, error) {
	at, rest, links := "", elements(name), 0
	for len(rest) > 0 {
		head := rest[0]
		rest = rest[1:]
		if head == ".." {
			if at == "" {
				return name, &fs.PathError{Op: "open", Path: name, Err: source.ErrOutsideTree}
			}
			at = strings.TrimPrefix(path.Dir("/"+at), "/")
			continue
		}
		next := path.Join(at, head)
		target, linked, err := readLink(root, next, len(rest) > 0)
		if err != nil {
			return next, err
		}
		if !linked {
			at = next
			continue
		}
		if links++; links > maxLinks {
			return next, fmt.Errorf("%s: more than %d symbolic links: %w", name, maxLinks, fs.ErrNotExist)
		}
		if strings.HasPrefix(target, "/") {
			return next, &fs.PathError{Op: "open", Path: name, Err: source.ErrOutsideTree}
		}
		rest = append(elements(target), rest...)
	}
	return path.Clean(at), nil
}

// readLink reads the symbolic link at a path, if it is one. inside says that
// the path must lead to a folder.
func readLink(root *source.Tree, name string, inside bool) (target string, linked bool, err error) {
	target, err = root.ReadLink(name)
	switch {
	case err == nil && (target == "" || strings.ContainsRune(target, 0)):
		return "", false, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	case err == nil:
		return target, true, nil
	case !errors.Is(err, fs.ErrInvalid):
		return "", false, err
	case !fs.ValidPath(name):
		return "", false, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	case !inside:
		return "", false, nil
	}
	info, err := root.Lstat(name)
	if err == nil && !info.IsDir() {
		err = &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return "", false, err
}

// elements splits a path and drops "." and empty elements.
func elements(p string) []string {
	var out []string
	for e := range strings.SplitSeq(p, "/") {
		if e != "" && e != "." {
			out = append(out, e)
		}
	}
	return out
}
