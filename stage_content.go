package verify

import (
	"context"
	"errors"
	"io/fs"

	"github.com/imageverify/verify/checksums"
	"github.com/imageverify/verify/checksums/filetree"
	"github.com/imageverify/verify/provenance"
	"github.com/imageverify/verify/provenance/dockerfile"
	"github.com/imageverify/verify/provenance/history"
	"github.com/imageverify/verify/rebuild/replay"
)

// maxDifferences is how many differences of a layer are kept for the report;
// the rest is counted.
const maxDifferences = 100

// stampings are the ways in which a context's files came to their modes (git
// records only whether a file is executable), and whether .dockerignore
// applied: it does not to a context that reaches the builder as an archive or
// from git.
var stampings = []struct {
	mask  fs.FileMode
	piped bool
	name  string
}{
	{0o022, true, "modes 0644 and 0755"},
	{0o002, true, "modes 0664 and 0775"},
	{0o022, false, "modes 0644 and 0755, .dockerignore applied"},
	{0o002, false, "modes 0664 and 0775, .dockerignore applied"},
}

// compareContent compares each layer with what its directive makes.
func (s *session) compareContent(ctx context.Context, f *facts, n need) {
	a := f.judged()
	if n&needContent == 0 || a == nil || a.Alignment == nil {
		return
	}
	defer s.timeStage("content")()
	for _, row := range a.Alignment.Rows {
		if row.Layer < 0 || row.Layer >= len(f.layers) {
			continue
		}
		c := contentFact{layer: row.Layer, directive: row.Directive}
		switch {
		case row.Status == history.Base:
			c.base, c.what = true, a.Build.Base
		case row.Directive < 0:
			c.err = errNoDirective
		default:
			d := a.Build.Directives[row.Directive]
			c.line, c.what = d.Line, d.Name
			s.compareLayer(ctx, f, a, d, &c)
		}
		f.content = append(f.content, c)
	}
}

// compareLayer compares one layer with the entries its directive makes, in each
// of the ways the context's files may have been stamped.
func (s *session) compareLayer(ctx context.Context, f *facts, a *provenance.Attempt, d dockerfile.Directive, c *contentFact) {
	layer := f.layers[c.layer].layer
	if layer == nil || layer.Index == nil {
		c.err = errNoLayer
		return
	}
	in := replay.Input{
		Directive: d, Context: a.Context, Lower: lowerLayers(f.layers[:c.layer]),
		Dialect: a.Alignment.Dialect, Created: f.configFile().Created.Time,
		Limits: s.layerLimits(), NewBuilder: s.newBuilder,
	}
	stamped := d.Copy != nil && !archivesOnly(a, d)
	for _, u := range stampings {
		in.Umask, in.Piped = u.mask, u.piped
		result, err := compareReplay(ctx, in, layer.Index)
		if err != nil {
			c.err = err
			return
		}
		if c.result == nil || sameTree(result) {
			c.result = result
		}
		if stamped && sameTree(result) {
			c.variant = u.name
		}
		if !stamped || sameTree(result) {
			return
		}
	}
}

// archivesOnly reports whether a directive's layer holds nothing but the
// contents of archives, which say modes and owners themselves.
func archivesOnly(a *provenance.Attempt, d dockerfile.Directive) bool {
	return d.Copy.Add && len(archivesOf(a.Context, d.Copy)) == len(d.Copy.Sources)
}

func compareReplay(ctx context.Context, in replay.Input, layer *checksums.Index) (*filetree.Result, error) {
	want, err := replay.Layer(ctx, in)
	if err != nil {
		return nil, err
	}
	defer want.Close()
	return filetree.Compare(ctx, want, layer, filetree.Options{Times: replay.Times(in.Created, in.Dialect), Max: maxDifferences})
}

func (s *session) newBuilder() *checksums.Builder {
	return checksums.NewBuilder(s.cache.TempFile, s.layerLimits())
}

// errNoLayer is for a layer whose entries are not known.
var errNoLayer = errors.New("the layer could not be read")
