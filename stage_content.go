package verify

import (
	"context"
	"errors"
	"io/fs"
	"slices"

	"github.com/imageverify/verify/checksums"
	"github.com/imageverify/verify/checksums/filetree"
	"github.com/imageverify/verify/provenance"
	"github.com/imageverify/verify/provenance/dockerfile"
	"github.com/imageverify/verify/provenance/history"
	"github.com/imageverify/verify/provenance/source"
	"github.com/imageverify/verify/rebuild/replay"
)

// maxDifferences is how many differences of a layer are kept for the report;
// the rest is counted.
const maxDifferences = 100

// stamping is one way in which a context's files came to their modes, and
// whether .dockerignore applied: it does not to a context that reaches the
// builder as an archive or from git.
type stamping struct {
	mask  fs.FileMode
	piped bool
	name  string
}

// gitStampings are those of a directory in git, which records only whether a
// file is executable; folderStampings are those of a folder on disk, whose files
// have modes of their own.
var (
	gitStampings = []stamping{
		{0o022, true, "modes 0644 and 0755"},
		{0o002, true, "modes 0664 and 0775"},
		{0o022, false, "modes 0644 and 0755, .dockerignore applied"},
		{0o002, false, "modes 0664 and 0775, .dockerignore applied"},
	}
	folderStampings = []stamping{{name: "modes as found, .dockerignore applied"}, {piped: true, name: "modes as found"}}
)

// stampings are the ways to try for an attempt's context.
func stampings(a *provenance.Attempt) []stamping {
	all := gitStampings
	if a.AsFound {
		all = folderStampings
	}
	if ignores(a) {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(s stamping) bool { return !s.piped })
}

// ignores reports whether something may keep files of the context out of it.
func ignores(a *provenance.Attempt) bool {
	if a.Ignore != nil || a.Context == nil {
		return a.Ignore != nil
	}
	_, err := fs.Stat(a.Context, ".dockerignore")
	return err == nil
}

// compareContent compares each layer with what its directive makes. Where a
// layer differs, the next candidate whose Dockerfile matches is tried as well:
// two commits can hold the same Dockerfile and different files.
func (s *session) compareContent(ctx context.Context, f *facts, n need) error {
	a := f.judged()
	f.compared = n&needContent != 0
	if !f.compared || a == nil || a.Alignment == nil {
		return nil
	}
	defer s.timeStage("content")()
	f.content = s.compareBuild(ctx, f, a)
	if !a.Matched() || f.trace.Origin != a {
		return nil
	}
	for first := f.content; !explains(f.content, first); {
		moved, err := f.trace.Next(ctx)
		if !moved || err != nil {
			f.trace.Rejudge(a)
			f.content = first
			return s.findBase(ctx, f, n)
		}
		if err := s.findBase(ctx, f, n); err != nil {
			return err
		}
		f.content = s.compareBuild(ctx, f, f.judged())
	}
	return nil
}

// explains reports whether a comparison finds no difference, and finds the
// layers equal in which the first one found any: a commit without the files
// explains nothing.
func explains(content, first []contentFact) bool {
	if slices.ContainsFunc(content, contentFact.differs) {
		return false
	}
	for _, was := range first {
		equal := func(c contentFact) bool {
			return c.layer == was.layer && c.directive == was.directive && c.result != nil
		}
		if was.differs() && !slices.ContainsFunc(content, equal) {
			return false
		}
	}
	return true
}

// compareBuild compares the image's layers with one build.
func (s *session) compareBuild(ctx context.Context, f *facts, a *provenance.Attempt) []contentFact {
	var out []contentFact
	based := false
	absent := a.FetchFiles()
	for _, row := range a.Alignment.Rows {
		c := contentFact{layer: row.Layer, directive: row.Directive}
		switch {
		case row.Layer >= len(f.layers) || row.Layer < 0 && row.Directive < 0:
			continue
		case a.Alignment.Lost():
			if row.Layer < 0 {
				continue
			}
			c.line, c.what, c.err = lastLine(a), "buildah --squash", errLost
		case row.Status == history.Squash:
			c.line, c.what, c.err = lastLine(a), "docker build --squash", errSquashed
		case row.Status == history.Base:
			c.base, c.what, based = true, a.Build.Base, true
		case row.Directive < 0:
			c.err = errNoDirective
		default:
			d := a.Build.Directives[row.Directive]
			if row.Layer < 0 && (d.Layer == dockerfile.NoLayer || a.Alignment.Squashed) {
				continue
			}
			c.line, c.what = d.Line, d.Name
			switch {
			case compareBuildah(f, a, d, &c):
			case absent != nil && d.Copy != nil:
				c.err = absent
			default:
				s.compareLayer(ctx, f, a, d, &c)
				ownRules(f, a, d, &c)
				hardLinks(a, &c)
			}
			if c.made {
				continue
			}
		}
		out = append(out, c)
	}
	if !based && a.Build.Base != dockerfile.Scratch {
		out = append(out, contentFact{layer: -1, directive: -1, base: true, what: a.Build.Base})
	}
	return out
}

// errSquashed is for the layer of an image that was squashed.
var errSquashed = errors.New("docker build --squash made one layer of the directives up to here, which are not told apart")

// errLost is for the layer of an image whose history has one directive left.
var errLost = errors.New("buildah made one layer of all directives and of what they stand on, which are not told apart")

// lastLine is the line of the build's last directive, 0 for a build without.
func lastLine(a *provenance.Attempt) int {
	if n := len(a.Build.Directives); n > 0 {
		return a.Build.Directives[n-1].Line
	}
	return 0
}

// compareLayer compares one layer with the entries its directive makes, in each
// of the ways the context's files may have been stamped; the way that leaves the
// fewest differences counts. A directive without a layer is compared with
// nothing. That some way could not be tried hides no
// difference that another shows; files that are not true hide all.
func (s *session) compareLayer(ctx context.Context, f *facts, a *provenance.Attempt, d dockerfile.Directive, c *contentFact) {
	layer, below, err := s.layerIndex(f, a, c)
	if err != nil {
		c.err = err
		return
	}
	in := replay.Input{
		Directive: d, Context: a.Context, Ignore: a.Ignore, AsFound: a.AsFound, Lower: lowerLayers(below),
		Created: f.configFile().Created.Time,
		Limits:  s.layerLimits(), NewBuilder: s.newBuilder, Spill: s.cache.TempFile,
	}
	stamped, ways := true, stampings(a)
	for _, u := range ways {
		if !stamped && u.mask != ways[0].mask {
			continue
		}
		in.Umask, in.Piped = u.mask, u.piped
		var result *filetree.Result
		result, stamped, err = compareAs(ctx, a, in, layer)
		if kind[*source.MismatchError](err) {
			c.result, c.err = nil, err
			return
		}
		if err != nil && c.result == nil {
			c.err = err
		}
		if err == nil && (c.result == nil || sameTree(result) || result.Total() < c.result.Total()) {
			c.result, c.err, c.input = result, nil, in
			c.input.Dialect = a.Alignment.Dialect
		}
		if err == nil && stamped && sameTree(result) {
			c.variant = u.name
		}
		if c.result != nil && sameTree(c.result) || d.Copy == nil {
			return
		}
	}
}

// layerIndex is what a directive's layer holds, nothing for a directive without
// one, and the layers below it.
func (s *session) layerIndex(f *facts, a *provenance.Attempt, c *contentFact) (*checksums.Index, []layerFact, error) {
	if c.layer >= 0 {
		if err := f.layerErr(c.layer); err != nil {
			return nil, nil, err
		}
		if f.layers[c.layer].layer.Index == nil {
			return nil, nil, errNoLayer
		}
		return f.layers[c.layer].layer.Index, f.layers[:c.layer], nil
	}
	empty, err := s.newBuilder().Finish()
	return empty, f.layers[:layersBefore(a, c.directive)], err
}

// layersBefore is the number of layers that lie below a directive's place.
func layersBefore(a *provenance.Attempt, directive int) int {
	n := 0
	for _, row := range a.Alignment.Rows {
		if row.Directive == directive {
			break
		}
		if row.Layer >= 0 {
			n = row.Layer + 1
		}
	}
	return n
}

// compareReplay compares a layer with what a directive makes. stamped says that
// the umask decided some mode of it. Entries that the builder may have left out
// are no difference where they are missing.
func compareReplay(ctx context.Context, a *provenance.Attempt, in replay.Input, layer *checksums.Index) (result *filetree.Result, stamped bool, err error) {
	in, release, err := withFrom(ctx, a.Build, in)
	defer release()
	if err != nil {
		return nil, false, err
	}
	want, err := replay.Layer(ctx, in)
	if err != nil {
		return nil, false, err
	}
	defer want.Close()
	times := replay.Times(in.Created, in.Dialect)
	if a.Buildah {
		times = buildahTimes(in.Created, times)
	}
	result, err = filetree.Compare(ctx, want.Index, layer, filetree.Options{
		Times: times, Max: maxDifferences + len(want.Optional),
	})
	if err != nil {
		return nil, false, err
	}
	result.Differences = slices.DeleteFunc(result.Differences, func(d filetree.Difference) bool {
		if d.Class != filetree.OnlyInA || !want.MayLack(d.Path) {
			return false
		}
		if result.Counts[d.Class]--; result.Counts[d.Class] == 0 {
			delete(result.Counts, d.Class)
		}
		return true
	})
	// The files of another stage were stamped when that stage was made.
	return result, want.Stamped || copiesFrom(in.Directive), nil
}

// hardLinks turns a result in which only types differ into what hard links in
// the context may explain: builders keep them, and a copied file is not one.
func hardLinks(a *provenance.Attempt, c *contentFact) {
	if c.result == nil || c.result.DisorderedCount > 0 || c.result.Counts[filetree.Type] == 0 ||
		c.result.Total() > c.result.Counts[filetree.Type]+c.result.Counts[filetree.Order] || !a.HardLinks() {
		return
	}
	for _, d := range c.result.Differences {
		if d.Class == filetree.Type && (d.A != "file" || d.B != "hard link") {
			return
		}
	}
	if len(c.result.Differences) == c.result.Total() {
		c.result, c.err = nil, provenance.ErrHardLinks
	}
}

func (s *session) newBuilder() *checksums.Builder {
	return checksums.NewBuilder(s.cache.TempFile, s.layerLimits())
}

// errNoLayer is for a layer whose entries are not known.
var errNoLayer = errors.New("the layer could not be read")
