package checksums

import (
	"path"
	"slices"
	"strings"
)

// Names by which a layer removes what the layers below it have, as the OCI
// image specification's layer chapter has them ("Whiteouts").
const (
	// WhiteoutPrefix stands before the name that is removed.
	WhiteoutPrefix = ".wh."
	// OpaqueName is a file that says that nothing in its directory shows of
	// what lower layers have there.
	OpaqueName = ".wh..wh..opq"
)

// Removes returns what an entry of that name removes from the layers below: a
// path with all that is below it, or, for an opaque mark, what is below a
// directory. ok is false for a name of the tree.
func Removes(name string) (target string, opaque, ok bool) {
	dir, base := path.Dir(name), path.Base(name)
	if base == OpaqueName {
		return dir, true, true
	}
	rest, ok := strings.CutPrefix(base, WhiteoutPrefix)
	if !ok {
		return "", false, false
	}
	return path.Join(dir, rest), false, true
}

// Removers are the names that, in a layer, take the path away from the layers
// below: its whiteout and, for each directory above it, that one's whiteout and
// opaque mark.
func Removers(p string) []string {
	var out []string
	for ; p != "." && p != "/"; p = path.Dir(p) {
		dir := path.Dir(p)
		out = append(out, path.Join(dir, WhiteoutPrefix+path.Base(p)), path.Join(dir, OpaqueName))
	}
	return out
}

// FindOrRemoved adds to found the entries of those paths that the layer has,
// and returns the paths to look for in the layers below: those that it neither
// has nor removes.
func (x *Index) FindOrRemoved(paths []string, found map[string]Entry) (open []string, err error) {
	asked := slices.Clone(paths)
	for _, p := range paths {
		asked = append(asked, Removers(p)...)
	}
	entries, err := x.Find(asked...)
	if err != nil {
		return nil, err
	}
	has := func(name string) bool { _, ok := entries[name]; return ok }
	for _, p := range paths {
		switch {
		case has(p):
			found[p] = entries[p]
		case !slices.ContainsFunc(Removers(p), has):
			open = append(open, p)
		}
	}
	return open, nil
}
