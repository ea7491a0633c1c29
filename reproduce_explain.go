package verify

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/imageverify/verify/checksums"
	"github.com/imageverify/verify/checksums/filetree"
	"github.com/imageverify/verify/rebuild/replay"
)

// The classes of paths that one of the two images alone has: only the rebuilt
// one, only the published one.
const (
	classMissing = "missing"
	classAdded   = "added"
)

// discrepancyClass is a class as a reproduction names it: with the rebuilt
// image as a.
func discrepancyClass(class string) string {
	switch class {
	case string(filetree.OnlyInA):
		return classMissing
	case string(filetree.OnlyInB):
		return classAdded
	}
	return class
}

// explain finds what differs between the image that was assembled and the
// published one, and why.
func (s *session) explain(ctx context.Context, f *facts, out *ReproduceReport) error {
	var list []discrepancy
	for _, c := range f.content {
		if c.result == nil {
			continue
		}
		changes, err := s.layerChanges(ctx, f, c)
		if ctx.Err() != nil {
			return err
		}
		if err != nil && s.options.Log != nil {
			// What changed is a help to the reader; that it differs is known.
			s.options.Log.Warn("changed files not read", "layer", layerName(c.layer), "error", err)
		}
		found := ofLayer(c, changes)
		list = append(list, found...)
		unlisted := 0
		for class, n := range c.result.Counts {
			out.Counts[discrepancyClass(string(class))] += n
			unlisted += n
		}
		out.Unlisted += max(0, unlisted-len(found))
	}
	sortDiscrepancies(list)
	forms := append(ofForm(f), ofDocuments(f)...)
	for _, d := range forms {
		out.Counts[d.Class]++
	}
	out.tell(append(forms, list...))
	return nil
}

// tell puts the differences and their causes into the report.
func (r *ReproduceReport) tell(list []discrepancy) {
	if n := len(list) - maxDiffEntries; n > 0 {
		list, r.Unlisted = list[:maxDiffEntries], r.Unlisted+n
	}
	r.Causes = causesOf(list)
	for _, d := range list {
		r.Differences = append(r.Differences, d.Discrepancy)
	}
}

func sortDiscrepancies(list []discrepancy) {
	slices.SortStableFunc(list, func(x, y discrepancy) int {
		return cmp.Or(checksums.ComparePaths(x.Path, y.Path), cmp.Compare(x.Class, y.Class))
	})
}

// ofLayer are the differences of one layer.
func ofLayer(c contentFact, changes map[string][]string) []discrepancy {
	var out []discrepancy
	for _, d := range c.result.Differences {
		x := discrepancy{base: c.base, Discrepancy: Discrepancy{Path: d.Path, Class: discrepancyClass(string(d.Class)), Line: c.line, Rebuilt: d.A, Published: d.B}}
		if c.layer >= 0 {
			x.Layer = &c.layer
		}
		if !utf8.ValidString(d.Path) {
			x.Path, x.PathBytes = toValid(d.Path), []byte(d.Path)
		}
		if n, needsContents, ok := filetree.NoiseAt(d.Path, d.Class); ok && !needsContents {
			x.noise = n.Name
		}
		if d.Class == filetree.Content {
			x.Change = changes[d.Path]
		}
		out = append(out, x)
	}
	return out
}

// ofForm are the layers that have the same files, and are not the same archives
// or not the same blobs.
func ofForm(f *facts) []discrepancy {
	if f.rebuilt == nil {
		return nil
	}
	var out []discrepancy
	for i, l := range f.rebuilt.layers {
		c := f.contentOf(i)
		if c.result == nil || c.result.Total() > 0 || l.err != nil {
			continue
		}
		x := discrepancy{Discrepancy: Discrepancy{Path: ".", Class: string(filetree.Format), Layer: &i, Line: c.line}}
		switch d := l.difference; {
		case d != nil && d.Field == string(filetree.Time):
			x.Path, x.Class, x.noise, x.Rebuilt, x.Published = cmp.Or(d.Path, "."), string(filetree.Time), "time", d.Rebuilt, d.Published
		case d != nil:
			x.noise, x.Rebuilt, x.Published = noiseForm, differenceText(d), ""
		case l.blob.Digest.Hex != "" && l.blob.Digest != f.layers[i].desc.Digest:
			x.noise, x.Rebuilt, x.Published = noiseCompression, l.blob.Digest.String(), f.layers[i].desc.Digest.String()
		default:
			continue
		}
		out = append(out, x)
	}
	return out
}

// ofDocuments are the differences of config and manifest, where the layers are
// the same.
func ofDocuments(f *facts) []discrepancy {
	r := f.rebuilt
	switch {
	case r == nil:
		return nil
	case r.config != nil:
		return orForm(ofConfig(r.config, f.config.Raw), r.difference)
	case r.manifest != nil:
		list := ofManifest(r.manifest, f.img.Manifest().Raw)
		if slices.ContainsFunc(r.layers, func(l layerRebuild) bool { return !l.level.Reaches(SameDigest) }) {
			return list // that a layer's blob is another one is told of the layer
		}
		return orForm(list, r.difference)
	}
	return nil
}

func ofConfig(rebuilt, published []byte) []discrepancy {
	var out []discrepancy
	for _, e := range configDifferences(rebuilt, published) {
		out = append(out, discrepancy{noise: e.Noise, Discrepancy: Discrepancy{Path: e.Path, Class: classConfig, Rebuilt: e.A, Published: e.B}})
	}
	return out
}

// ofManifest are the annotations in which two manifests differ.
func ofManifest(rebuilt, published []byte) []discrepancy {
	var out []discrepancy
	a, b := flatJSON(rebuilt), flatJSON(published)
	for _, key := range keysOf(a, b) {
		if name, ok := strings.CutPrefix(key, "annotations."); ok && a[key] != b[key] {
			out = append(out, discrepancy{Discrepancy: Discrepancy{Path: name, Class: classAnnotation, Rebuilt: a[key], Published: b[key]}})
		}
	}
	return out
}

// orForm is for documents that say the same in another form.
func orForm(list []discrepancy, d *Difference) []discrepancy {
	if len(list) > 0 || d == nil {
		return list
	}
	return []discrepancy{{Discrepancy: Discrepancy{Path: cmp.Or(d.Path, d.Where), Class: string(filetree.Format), Rebuilt: d.Rebuilt, Published: d.Published}}}
}

// layerChanges shows what changed in the files of a layer whose contents are
// other than the source's, by path.
func (s *session) layerChanges(ctx context.Context, f *facts, c contentFact) (map[string][]string, error) {
	paths := changedPaths(c)
	if len(paths) == 0 {
		return nil, nil
	}
	published, err := f.layers[c.layer].layer.Index.Find(paths...)
	if err != nil {
		return nil, err
	}
	in, release, err := withFrom(ctx, f.judged().Build, c.input)
	defer release()
	if err != nil {
		return nil, err
	}
	made, err := replay.Layer(ctx, in)
	if err != nil {
		return nil, err
	}
	defer made.Close()
	rebuilt, err := made.Index.Find(paths...)
	if err != nil {
		return nil, err
	}
	boundSizes(rebuilt, published)
	before, err := replayedContents(ctx, in, rebuilt)
	if err != nil {
		return nil, err
	}
	blob, err := f.img.Blob(ctx, f.layers[c.layer].desc)
	if err != nil {
		return nil, err
	}
	defer blob.Close()
	after, err := checksums.ReadContents(ctx, blob, published)
	if err != nil {
		return nil, err
	}
	out := map[string][]string{}
	for name, data := range after {
		if other, ok := before[name]; ok {
			out[name] = filetree.Change(other, data)
		}
	}
	return out, nil
}

// changedPaths are the paths of a layer whose content differs.
func changedPaths(c contentFact) []string {
	var paths []string
	for _, d := range c.result.Differences {
		if d.Class == filetree.Content && c.layer >= 0 && !c.base && c.input.Dialect != "" && len(paths) < maxChangedFiles {
			paths = append(paths, d.Path)
		}
	}
	return paths
}

// boundSizes leaves those files of both sides that may be kept in memory.
func boundSizes(a, b map[string]checksums.Entry) {
	var total int64
	for _, name := range keysOf(a, b) {
		x, inA := a[name]
		y, inB := b[name]
		if size := x.Size + y.Size; !inA || !inB || max(x.Size, y.Size) > maxChanged || total+size > maxChangedBytes {
			delete(a, name)
			delete(b, name)
		} else {
			total += size
		}
	}
}

// replayedContents reads files of the layer that a directive makes.
func replayedContents(ctx context.Context, in replay.Input, want map[string]checksums.Entry) (map[string][]byte, error) {
	if len(want) == 0 {
		return nil, nil
	}
	p, err := replay.Play(ctx, in)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	stamp := replay.Stamp{Time: func(string) (time.Time, bool) { return in.Created, true }}
	archive := archiveOf(ctx, p, stamp)
	defer archive.Close()
	return checksums.ReadContents(ctx, archive, want)
}
