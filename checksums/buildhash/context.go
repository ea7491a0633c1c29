package buildhash

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

const (
	// maxLinks is how many symbolic links one path may lead through.
	maxLinks = 255
	// maxEntries is how many entries of a context one source may hold.
	maxEntries = 2_000_000
)

var (
	errTooManyLinks   = fmt.Errorf("more than %d symbolic links in one path", maxLinks)
	errTooManyEntries = fmt.Errorf("more than %d entries in the context", maxEntries)
)

// Context is a build context as a builder sees it: symbolic links lead inside
// it only, and what .dockerignore excludes is not there.
type Context struct {
	fsys       fs.FS
	ignored    *ignoreList
	how        Ignoring
	maxEntries int
}

// NewContext returns the view of fsys that .dockerignore leaves when it works
// as how says. Links are known where fsys has fs.ReadLinkFS.
func NewContext(fsys fs.FS, how Ignoring) (*Context, error) {
	list, err := readIgnore(fsys)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", ignoreName, err)
	}
	return &Context{fsys: fsys, ignored: list, how: how, maxEntries: maxEntries}, nil
}

// NewContextIgnoring is NewContext with another file's text in the place of
// .dockerignore's, as BuildKit takes a Dockerfile's own ignore file.
func NewContextIgnoring(fsys fs.FS, how Ignoring, patterns []byte) (*Context, error) {
	list, err := parseIgnore(patterns)
	if err != nil {
		return nil, fmt.Errorf("reading the Dockerfile's own %s: %w", ignoreName, err)
	}
	return &Context{fsys: fsys, ignored: list, how: how, maxEntries: maxEntries}, nil
}

// Resolve follows symbolic links in name, the last component too, and returns
// the path of what it finds with its own type. Absolute links and ".." stay
// within the context. The error is ErrNoSource (also fs.ErrNotExist) where
// nothing is there or .dockerignore excludes it.
func (c *Context) Resolve(name string) (string, fs.FileInfo, error) {
	at, rest, links := ".", strings.Split(name, "/"), 0
	for len(rest) > 0 {
		part := rest[0]
		rest = rest[1:]
		if part == ".." {
			at = path.Dir(at)
			continue
		}
		next := path.Join(at, part)
		target, isLink, err := c.link(next)
		if err != nil {
			return "", nil, absent(err)
		}
		if !isLink {
			at = next
			continue
		}
		if links++; links > maxLinks {
			return "", nil, errTooManyLinks
		}
		if path.IsAbs(target) {
			at = "."
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	info, err := c.Lstat(at)
	return at, info, absent(err)
}

// link returns the target of what stands at name, if that is a link.
func (c *Context) link(name string) (target string, isLink bool, err error) {
	info, err := c.Lstat(name)
	if err != nil || info.Mode()&fs.ModeSymlink == 0 {
		return "", false, err
	}
	target, err = fs.ReadLink(c.fsys, name)
	return target, true, err
}

// absent turns the ways in which a file system says "not there" into
// ErrNoSource.
func absent(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) {
		return fmt.Errorf("%w: %w", ErrNoSource, fs.ErrNotExist)
	}
	return err
}

// Lstat returns what stands at a path, which may be a link itself.
func (c *Context) Lstat(name string) (fs.FileInfo, error) {
	if name != "." && c.Excluded(name) && !c.Implied(name) {
		return nil, &fs.PathError{Op: "lstat", Path: name, Err: fs.ErrNotExist}
	}
	info, err := fs.Lstat(c.fsys, name)
	if err != nil && strings.Contains(name, "/") && c.parentIsFile(name) {
		return nil, &fs.PathError{Op: "lstat", Path: name, Err: fs.ErrNotExist}
	}
	return info, err
}

func (c *Context) parentIsFile(name string) bool {
	info, err := fs.Lstat(c.fsys, path.Dir(name))
	return err == nil && !info.IsDir()
}

// ReadLink returns the target of the link at name as it is written.
func (c *Context) ReadLink(name string) (string, error) { return fs.ReadLink(c.fsys, name) }

// Open opens the file at a path that Resolve or Walk gave.
func (c *Context) Open(name string) (fs.File, error) { return c.fsys.Open(name) }

// Excluded reports whether .dockerignore excludes the path.
func (c *Context) Excluded(name string) bool {
	switch {
	case c.how == IgnoreNothing:
		return false
	case c.how == IgnorePiped && name != ignoreName && name != dockerfileName:
		return false
	}
	return c.ignored.excludes(name)
}

// Implied reports whether name is a directory that is excluded itself, but
// walked for the sake of something below it that is not.
func (c *Context) Implied(name string) bool {
	if name == "." || !c.Excluded(name) || !c.descends(name) {
		return false
	}
	info, err := fs.Lstat(c.fsys, name)
	if err != nil || !info.IsDir() {
		return false
	}
	return c.holdsIncluded(name)
}

// descends reports whether the sender of the context looks into a directory
// that is excluded.
func (c *Context) descends(name string) bool {
	return c.ignored.reincludes(name, c.how == IgnoreBuildKit)
}

func (c *Context) holdsIncluded(dir string) bool {
	entries, err := fs.ReadDir(c.fsys, dir)
	if err != nil {
		return false
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		if !c.Excluded(name) || e.IsDir() && c.descends(name) && c.holdsIncluded(name) {
			return true
		}
	}
	return false
}

// Expand returns the paths that a source argument names: the cleaned path
// itself, or what matches its wildcards, in walk order. The rules are those of
// path.Match, which no component separator crosses.
func (c *Context) Expand(ctx context.Context, source string) ([]string, error) {
	clean := strings.TrimPrefix(path.Clean("/"+source), "/")
	if clean == "" {
		return []string{"."}, nil
	}
	if !HasWildcards(clean) {
		return []string{clean}, nil // backslashes too: builders take them literally here
	}
	if _, err := path.Match(clean, ""); err != nil {
		return nil, err
	}
	var found []string
	depth := strings.Count(clean, "/")
	err := c.Walk(ctx, ".", func(name string, info fs.FileInfo) error {
		if matched, _ := path.Match(clean, name); matched {
			found = append(found, name)
		}
		if info.IsDir() && name != "." && strings.Count(name, "/") >= depth {
			return fs.SkipDir
		}
		return nil
	})
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("%w: nothing matches", ErrNoSource)
	}
	return found, err
}

// HasWildcards reports whether a source argument has an unescaped wildcard.
func HasWildcards(source string) bool {
	for i := 0; i < len(source); i++ {
		switch source[i] {
		case '\\':
			i++
		case '*', '?', '[':
			return true
		}
	}
	return false
}

// Walk calls visit for dir and for everything below it that is part of the
// context, parents before children, names in byte order. Links are not
// followed. visit may return fs.SkipDir.
func (c *Context) Walk(ctx context.Context, dir string, visit func(name string, info fs.FileInfo) error) error {
	seen := 0
	return fs.WalkDir(c.fsys, dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		if seen++; seen > c.maxEntries {
			return errTooManyEntries
		}
		if name != "." && c.Excluded(name) && !c.Implied(name) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return visit(name, info)
	})
}
