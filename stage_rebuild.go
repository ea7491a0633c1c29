package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/imageverify/verify/checksums"
	"github.com/imageverify/verify/checksums/filetree"
	"github.com/imageverify/verify/provenance"
	"github.com/imageverify/verify/rebuild"
	"github.com/imageverify/verify/rebuild/replay"
)

// errBaseUnverified is for a layer of a base image that nothing is known of.
var errBaseUnverified = errors.New("a layer of the base image, of which not all is proved")

// errHashDiffers is for a config that holds a content hash which the files do not
// give.
var errHashDiffers = errors.New("the history has a content hash that the files do not give")

// rebuildImage assembles the image again, layer by layer, then its config and
// its manifest, and finds out how near each comes. What no source can give is
// taken from the image, and listed.
func (s *session) rebuildImage(ctx context.Context, f *facts, n need) {
	a := f.judged()
	if n&needRebuild == 0 || a == nil || f.layers == nil {
		return
	}
	defer s.timeStage("rebuild")()
	f.rebuilt = &rebuildFact{asked: cmp.Or(s.options.RebuildLevel, SameDigest), layers: make([]layerRebuild, len(f.layers))}
	if f.inLayout() {
		f.rebuilt.compareLayout(a)
		return
	}
	if a.Alignment == nil {
		return
	}
	for i := range f.layers {
		f.rebuilt.layers[i] = s.rebuildLayer(ctx, f, i)
	}
	s.buildImage(ctx, f)
	f.rebuilt.settle()
	f.rebuilt.settleLayerless(f)
	switch {
	case f.rebuilt.takeBuilt(f) && f.rebuilt.level == SameImageID && f.img.HasManifest() && f.rebuilt.asked == SameDigest:
		f.rebuilt.err = f.rebuilt.rebuildManifest(f, a)
	case f.rebuilt.level == SameLayers && a.Matched():
		f.rebuilt.err = s.rebuildDocuments(f, a)
	}
}

// compareLayout takes the comparison with a layout in git for the rebuild: each
// of its blobs was hashed.
func (r *rebuildFact) compareLayout(a *provenance.Attempt) {
	r.byLayout = true
	if a.Matched() {
		r.level = SameDigest
		for i := range r.layers {
			r.layers[i].level = SameDigest
		}
	}
}

// settle makes the level of the image that of its worst layer, or none where
// some layer was not assembled.
func (r *rebuildFact) settle() {
	r.level = SameLayers
	for i, l := range r.layers {
		r.level = min(r.level, l.level)
		r.witnesses = append(r.witnesses, l.witnesses...)
		if l.difference != nil && r.difference == nil {
			r.difference = l.difference
			r.difference.Where = layerName(i)
		}
	}
}

// settleLayerless lowers the level by what left no layer only by the history's
// account: the image that is assembled may have one more.
func (r *rebuildFact) settleLayerless(f *facts) {
	for _, c := range f.content {
		if c.layer >= 0 {
			continue
		}
		switch layerlessPart(f, c).Status {
		case Pass:
		case Fail:
			r.level = min(r.level, Different)
		default:
			r.level = NoLevel
		}
	}
}

// rebuildLayer assembles one layer. It rests on the comparison of entries, and
// writes the layer's archive only where that finds the same files.
func (s *session) rebuildLayer(ctx context.Context, f *facts, i int) layerRebuild {
	c := f.contentOf(i)
	switch err := f.layerErr(i); {
	case err != nil:
		return layerRebuild{err: err}
	case c.base:
		return baseLayer(f, i, c)
	case c.err != nil:
		return layerRebuild{err: c.err}
	}
	if level := levelOfTree(c.result); level < SameLayers {
		return layerRebuild{level: level, difference: treeDifference(c.result)}
	}
	if f.rebuilt.asked == SameFiles {
		return layerRebuild{level: SameFiles}
	}
	out, err := s.writeLayer(ctx, f, i, c.input)
	if err != nil {
		return layerRebuild{level: SameFiles, err: err}
	}
	return out
}

// baseLayer takes a layer of a verified base image as it is: to build on an
// image adds to its layers, and leaves them and their blobs alone.
func baseLayer(f *facts, i int, c contentFact) layerRebuild {
	if basePart(f, i, layerName(i), c).Status != Pass {
		return layerRebuild{err: errBaseUnverified}
	}
	return takenLayer(f, i)
}

// takenLayer is a layer of the base as that has it. Its blob is the base's, never
// the image's own: a base without blobs says nothing of them.
func takenLayer(f *facts, i int) layerRebuild {
	blob := f.base.blob(i)
	if f.img.HasManifest() && sameHash(blob, f.layers[i].desc) {
		return layerRebuild{level: SameDigest, blob: blob}
	}
	return layerRebuild{level: SameLayers, blob: blob}
}

// levelOfTree is the best level that two trees leave possible.
func levelOfTree(r *filetree.Result) Level {
	unpacksAlike := r.Counts[filetree.Time] + r.Counts[filetree.Order] + r.Counts[filetree.Format]
	switch {
	case r.Total() > unpacksAlike || r.DisorderedCount > 0:
		return Different
	case r.Total() > 0:
		return SameFiles
	}
	return SameLayers
}

// treeDifference is the worst difference between two trees.
func treeDifference(r *filetree.Result) *Difference {
	for _, row := range classReasons {
		for _, d := range r.Differences {
			if d.Class == row.class {
				return &Difference{Path: d.Path, Field: string(d.Class), Rebuilt: dash(d.A), Published: dash(d.B)}
			}
		}
	}
	for _, d := range r.Differences {
		return &Difference{Path: d.Path, Field: string(d.Class), Rebuilt: dash(d.A), Published: dash(d.B)}
	}
	if len(r.Disordered) > 0 {
		return &Difference{Path: r.Disordered[0], Field: string(filetree.Order), Rebuilt: "-", Published: "unpacks to other files"}
	}
	return nil
}

// writeLayer writes the layer's archive again, in each of the ways in which
// builders stamp it, and compresses it where the manifest is to be the same.
func (s *session) writeLayer(ctx context.Context, f *facts, i int, in replay.Input) (layerRebuild, error) {
	in, release, err := withFrom(ctx, f.judged().Build, in)
	defer release()
	if err != nil {
		return layerRebuild{}, err
	}
	p, err := replay.Play(ctx, in)
	if err != nil {
		return layerRebuild{}, err
	}
	defer p.Close()
	stamps, err := stampsOf(f, i, in.Dialect)
	if err != nil {
		return layerRebuild{}, err
	}
	published := f.layers[i].layer.DiffID
	for _, st := range stamps {
		written, err := p.Write(ctx, st.Stamp, io.Discard)
		if err != nil {
			return layerRebuild{}, err
		}
		if written.DiffID != published {
			continue
		}
		out := layerRebuild{level: SameLayers, witnesses: slices.Concat(st.witnesses, timesOf(i, written))}
		return out, s.compressLayer(ctx, f, i, p, st.Stamp, &out)
	}
	return layerRebuild{level: SameFiles, difference: s.tarDifference(ctx, f, i, p, stamps[0].Stamp)}, nil
}

// compressLayer compresses a layer again. Where its blob is another one the
// level stays: what the blob unpacks to is proved.
func (s *session) compressLayer(ctx context.Context, f *facts, i int, p *replay.Played, stamp replay.Stamp, out *layerRebuild) error {
	if f.rebuilt.asked != SameDigest || !f.img.HasManifest() {
		return nil
	}
	var err error
	if _, out.blob, err = rebuild.WriteBlob(ctx, p, stamp, rebuild.Discard); err != nil {
		return err
	}
	if out.blob.Digest == f.layers[i].desc.Digest {
		out.level = SameDigest
		return nil
	}
	f.rebuilt.notes = append(f.rebuilt.notes, layerName(i)+" is not compressed as Go's gzip does it; its blob unpacks to the diff ID that was rebuilt, and its compressed form proves nothing more")
	return nil
}

// stamped is a way of stamping a layer, and what it takes from the image.
type stamped struct {
	replay.Stamp
	witnesses []Witness
}

// stampsOf are the ways in which the dialect's builders stamp a layer, the one
// that takes least from the image first.
func stampsOf(f *facts, i int, dialect string) ([]stamped, error) {
	times, err := timesIn(f.layers[i].layer.Index)
	if err != nil {
		return nil, err
	}
	docker := []stamped{}
	for _, mark := range []bool{false, true} {
		for _, names := range []func(int, int) (string, string){nil, rebuild.DebianNames} {
			docker = append(docker, stamped{Stamp: replay.Stamp{Format: replay.FormatDocker, Time: times, MarkNew: mark, Names: names}})
		}
	}
	if dialect == replay.Classic {
		return docker, nil
	}
	out := append([]stamped{{Stamp: replay.Stamp{Time: times}}}, docker...)
	if date, witness := sourceDate(f); !date.IsZero() {
		out = slices.Insert(out, 0, stamped{replay.Stamp{SourceDate: date}, witness})
	}
	return out, nil
}

// sourceDate is the SOURCE_DATE_EPOCH of the build as far as it can be told:
// the commit's time where the image has that one too, else the image's
// creation time, which is then a witness. A builder's own clock shows by its
// fractions of a second.
func sourceDate(f *facts) (time.Time, []Witness) {
	created, committed := f.configFile().Created.Time, f.judged().CommitTime
	switch {
	case created.IsZero(), created.Nanosecond() != 0:
		return time.Time{}, nil
	case created.Equal(committed):
		return committed, nil
	}
	return created, []Witness{{"created", created.UTC().Format(time.RFC3339)}}
}

// timesIn gives the times that a layer's entries have.
func timesIn(index *checksums.Index) (func(string) (time.Time, bool), error) {
	times := make(map[string]int64, index.Len())
	for e, err := range index.Entries() {
		if err != nil {
			return nil, err
		}
		times[e.Path] = e.ModTime.Unix()
	}
	return func(name string) (time.Time, bool) {
		t, ok := times[name]
		return time.Unix(t, 0).UTC(), ok
	}, nil
}

// timesOf are the times that a layer took from the image.
func timesOf(i int, w *replay.Written) []Witness {
	out := make([]Witness, len(w.Times))
	for n, t := range w.Times {
		out[n] = Witness{fmt.Sprintf("%s: time of %s", layerName(i), t.Path), t.Time.UTC().Format(time.RFC3339)}
	}
	return out
}

// layerArchive is the archive of a layer as it is written.
type layerArchive struct {
	*io.PipeReader
	stop func()
	done chan struct{}
}

// archiveOf writes a layer's archive for one who reads it, in a goroutine that
// Close ends.
func archiveOf(ctx context.Context, p *replay.Played, stamp replay.Stamp) *layerArchive {
	ctx, cancel := context.WithCancel(ctx)
	reader, writer := io.Pipe()
	a := &layerArchive{reader, cancel, make(chan struct{})}
	go func() {
		defer close(a.done)
		_, err := p.Write(ctx, stamp, writer)
		writer.CloseWithError(err)
	}()
	return a
}

// Close returns when nothing more is written.
func (a *layerArchive) Close() error {
	a.stop()
	err := a.PipeReader.Close()
	<-a.done
	return err
}

// tarDifference reads both archives side by side, up to the first entry that
// differs.
func (s *session) tarDifference(ctx context.Context, f *facts, i int, p *replay.Played, stamp replay.Stamp) *Difference {
	blob, err := f.img.Blob(ctx, f.layers[i].desc)
	if err != nil {
		return nil
	}
	defer blob.Close()
	content, _, err := checksums.Decompress(blob)
	if err != nil {
		return nil
	}
	defer content.Close()
	archive := archiveOf(ctx, p, stamp)
	d, err := rebuild.DiffTar(ctx, archive, content)
	archive.Close()
	switch {
	case err != nil:
		return nil
	case d == nil:
		return &Difference{Field: "padding", Rebuilt: "as the builder pads archives", Published: "otherwise"}
	}
	return &Difference{Path: d.Path, Field: d.Field, Rebuilt: d.A, Published: d.B}
}
