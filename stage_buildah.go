package verify

import (
	"archive/tar"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/imageverify/verify/checksums"
	"github.com/imageverify/verify/checksums/filetree"
	"github.com/imageverify/verify/provenance"
	"github.com/imageverify/verify/provenance/dockerfile"
	"github.com/imageverify/verify/rebuild/replay"
)

// Buildah's layers are those of the classic builder but for what stands here:
// WORKDIR leaves no layer, the directory being made in the next one; which
// directories --chown and --chmod reach is its own rule; --timestamp puts one
// time on everything; and without --layers all directives share one layer.

// errOneLayer is for a layer that several directives share.
var errOneLayer = errors.New("buildah made one layer of all directives, which are not told apart here")

// errOwnRules is for differences that may be the builder's own way.
var errOwnRules = errors.New("only modes or owners differ, for which buildah has rules of its own")

// layerDialects are the builders whose rules a layer may follow.
func layerDialects(a *provenance.Attempt) []string {
	if a.Alignment.Dialect == dockerfile.Buildah {
		return []string{replay.Classic, replay.BuildKit}
	}
	return []string{a.Alignment.Dialect}
}

// compareBuildah settles what buildah does in its own way; it reports whether
// nothing is left to compare.
func compareBuildah(f *facts, a *provenance.Attempt, d dockerfile.Directive, c *contentFact) bool {
	switch {
	case !a.Buildah:
		return false
	case a.Alignment.Combined:
		c.err = errOneLayer
	case d.Name == "WORKDIR" && c.layer < 0:
		c.err = inSomeLayer(f.layers, d.WorkingDir)
		c.made = c.err == nil
	default:
		return false
	}
	return true
}

// inSomeLayer looks for a directory that a layer above must have made, where no
// layer below had it.
func inSomeLayer(layers []layerFact, dir string) error {
	clean := checksums.CleanPath(dir)
	for _, l := range layers {
		if l.layer == nil || l.layer.Index == nil {
			return errNoLayer
		}
		found, err := l.layer.Index.Find(clean)
		if err != nil {
			return err
		}
		if e, ok := found[clean]; ok && e.Type == tar.TypeDir {
			return nil
		}
	}
	return &replay.NotReplayable{Reason: replay.Conflict, What: "no layer has " + dir}
}

// buildahTimes accepts the one time that --timestamp puts on everything, which
// is the image's creation time.
func buildahTimes(created time.Time, times func(a, b checksums.Entry) bool) func(a, b checksums.Entry) bool {
	created = created.Truncate(time.Second)
	return func(a, b checksums.Entry) bool {
		return times(a, b) || b.ModTime.Truncate(time.Second).Equal(created)
	}
}

// specialBits are setuid, setgid and sticky, as tar headers have them: no rule of
// buildah's sets one of its own accord.
const specialBits = 0o7000

// ownRules turns a result in which only modes or owners differ into what
// buildah's own rules may explain: of directories, and of files where the
// directive has --chown or --chmod. Everything else differs.
func ownRules(f *facts, a *provenance.Attempt, d dockerfile.Directive, c *contentFact) {
	if !a.Buildah || c.layer < 0 || c.result == nil || sameTree(c.result) || c.result.DisorderedCount > 0 {
		return
	}
	for class, n := range c.result.Counts {
		if n > 0 && !slices.Contains([]filetree.Class{filetree.Mode, filetree.Owner, filetree.Order}, class) {
			return
		}
	}
	flagged := d.Copy != nil && d.Copy.Chown+d.Copy.Chmod != ""
	for _, diff := range c.result.Differences {
		if diff.Class == filetree.Order {
			continue
		}
		found, err := f.layers[c.layer].layer.Index.Find(diff.Path)
		e, ok := found[diff.Path]
		special := diff.Class == filetree.Mode && e.Mode&specialBits != 0
		if err != nil || !ok || special || e.Type != tar.TypeDir && !flagged {
			return
		}
	}
	c.result, c.err = nil, errOwnRules
}

// compareAs compares a layer under each builder's rules that it may follow; the
// first that gives the layer decides, else the first that could be tried.
func compareAs(ctx context.Context, a *provenance.Attempt, in replay.Input, layer *checksums.Index) (result *filetree.Result, stamped bool, err error) {
	for i, dialect := range layerDialects(a) {
		in.Dialect = dialect
		r, st, e := compareReplay(ctx, a, in, layer)
		if i == 0 || e == nil && (err != nil || sameTree(r) && !sameTree(result)) {
			result, stamped, err = r, st, e
		}
		if err == nil && sameTree(result) {
			break
		}
	}
	return result, stamped, err
}
