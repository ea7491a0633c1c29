package provenance

import (
	"context"
	"io/fs"
	"path"

	"github.com/imageverify/verify/provenance/dockerfile"
	"github.com/imageverify/verify/provenance/history"
)

const (
	// maxSiblings bounds the Dockerfiles of one commit that are compared with an
	// image beside its own: python's repository has 40.
	maxSiblings = 200
	// maxSiblingDepth bounds how deep below the root they are looked for.
	maxSiblingDepth = 4
)

// AlsoMatches lists the other directories of the judged commit, in their order,
// whose Dockerfile gives the same history: what tells them from the origin, as
// FROM and the copied files do, shows in no text of it. Nothing is listed where
// nothing was matched, or where the repository is not at hand.
func (t *Trace) AlsoMatches(ctx context.Context) ([]string, error) {
	a := t.Judged
	if !a.Matched() || a.Layout != nil || a.Tree == nil || a.Repo == nil || !a.Repo.Local() {
		return nil, nil
	}
	root := a.Tree.Root()
	var out []string
	seen := 0
	err := fs.WalkDir(root, ".", func(dir string, d fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return fs.SkipDir // part of an incomplete repository
		case !d.IsDir():
			return nil
		case depth(dir) > maxSiblingDepth:
			return fs.SkipDir
		}
		name := path.Join(dir, a.File)
		if path.Clean(dir) == path.Clean(a.Directory) || seen >= maxSiblings {
			return nil
		}
		if info, err := fs.Lstat(root, name); err != nil || !info.Mode().IsRegular() {
			return nil
		}
		seen++
		if a.sibling(root, name, t.subject) {
			out = append(out, dir)
		}
		return nil
	})
	return out, err
}

func depth(dir string) int {
	n := 0
	for ; dir != "."; dir = path.Dir(dir) {
		n++
	}
	return n
}

// sibling reports whether another Dockerfile of the commit gives the image's
// history. One that cannot be read or built does not.
func (a *Attempt) sibling(root fs.FS, name string, s Subject) bool {
	text, err := ReadDockerfile(root, name)
	if err != nil {
		return false
	}
	file, err := dockerfile.Parse(text)
	if err != nil {
		return false
	}
	o := dockerfile.Options{OS: s.OS, Architecture: s.Architecture, Variant: s.Variant}
	if a.given != nil {
		o.Target, o.BuildArgs = a.given.Target, a.given.BuildArgs
	}
	build, err := file.Evaluate(o)
	return err == nil && history.Match(s.History, s.Layers, build).Matched
}
