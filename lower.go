package verify

import (
	"path"
	"slices"

	"github.com/imageverify/verify/checksums"
)

// Whiteout names, as the OCI image specification's layer chapter has them.
const (
	whiteoutPrefix = ".wh."
	opaqueName     = ".wh..wh..opq"
)

// lowerLayers looks paths up in the layers below another, topmost first. A
// path that a layer deletes (by a whiteout of it or of a directory above it, or
// by an opaque directory above it) is not looked for any deeper.
func lowerLayers(below []layerFact) func(paths ...string) (map[string]checksums.Entry, error) {
	if len(below) == 0 {
		return nil
	}
	return func(paths ...string) (map[string]checksums.Entry, error) {
		found := map[string]checksums.Entry{}
		open := slices.Clone(paths)
		for _, f := range slices.Backward(below) {
			if len(open) == 0 {
				break
			}
			if f.layer == nil || f.layer.Index == nil {
				return nil, errNoLayer
			}
			entries, err := f.layer.Index.Find(withWhiteouts(open)...)
			if err != nil {
				return nil, err
			}
			open = slices.DeleteFunc(open, func(p string) bool {
				e, here := entries[p]
				if here {
					found[p] = e
				}
				return here || hidden(p, entries)
			})
		}
		return found, nil
	}
}

// withWhiteouts adds to each path the names that would delete it.
func withWhiteouts(paths []string) []string {
	out := slices.Clone(paths)
	for _, p := range paths {
		out = append(out, deleters(p)...)
	}
	return out
}

// deleters are the names that, in a layer, delete the path from the layers
// below: its whiteout and, for each directory above it, that one's whiteout
// and opaque mark.
func deleters(p string) []string {
	var out []string
	for ; p != "." && p != "/"; p = path.Dir(p) {
		dir := path.Dir(p)
		out = append(out, path.Join(dir, whiteoutPrefix+path.Base(p)), path.Join(dir, opaqueName))
	}
	return out
}

func hidden(p string, entries map[string]checksums.Entry) bool {
	return slices.ContainsFunc(deleters(p), func(name string) bool {
		_, ok := entries[name]
		return ok
	})
}
