package history

import (
	"regexp"
	"slices"

	"github.com/imageverify/verify/provenance/dockerfile"
)

// intermediate is the comment of an entry whose parent is an image that buildah
// made on the way, for which it has only an id.
var intermediate = regexp.MustCompile(`^FROM [0-9a-f]{12}$`)

// Lost reports whether the history has the last directive alone, which matches:
// buildah 1.28 drops all other entries, the base's too, with --layers and
// --squash together. What the image was made by besides, nothing tells.
func (a *Alignment) Lost() bool { return len(a.Problems) == 1 && a.Problems[0].Code == HistoryLost }

// isLost reports whether nothing stands against the match but entries that such
// a builder drops.
func (a *Alignment) isLost(t *table) bool {
	if a.Dialect != dockerfile.Buildah || len(t.entries) != 1 || t.entries[0].empty || !intermediate.MatchString(t.entries[0].comment) {
		return false
	}
	last := slices.IndexFunc(a.Rows, func(r Row) bool { return r.Entry == 0 })
	if last < 0 || a.Rows[last].Status != Matched {
		return false
	}
	for _, r := range a.Rows[last+1:] {
		if r.Status != NoEntry {
			return false
		}
	}
	return !slices.ContainsFunc(a.Problems, func(p Problem) bool { return p.Code != EntryMissing && p.Code != EmptyLayer })
}
