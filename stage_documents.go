package verify

import (
	"cmp"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/provenance"
	"github.com/imageverify/verify/provenance/dockerfile"
	"github.com/imageverify/verify/rebuild"
)

// rebuildDocuments assembles config and manifest over layers that are the same.
func (s *session) rebuildDocuments(f *facts, a *provenance.Attempt) error {
	r := f.rebuilt
	published, err := rebuild.NewPublished(f.config.Raw)
	if err != nil {
		return err
	}
	in := rebuild.ConfigInput{Build: a.Alignment.Build, Platform: f.img.Platform(), Published: published,
		DiffIDs: make([]v1.Hash, len(a.Alignment.Build.Directives)), Hashes: make([]string, len(a.Alignment.Build.Directives))}
	if in.Build.Base != dockerfile.Scratch {
		if f.base == nil || f.base.raw == nil {
			return baseError("base-unknown", "the base image's config is not known")
		}
		in.Base, in.BaseID = f.base.raw.Raw, f.base.raw.Got
	}
	var dated []Witness
	if a.Alignment.Dialect == dockerfile.BuildKit {
		in.SourceDate, dated = sourceDate(f)
	}
	for _, row := range a.Alignment.Rows {
		if row.Directive >= 0 && row.Layer >= 0 {
			in.DiffIDs[row.Directive] = f.layers[row.Layer].layer.DiffID
		}
	}
	for _, h := range a.Contents {
		if !h.Equal { // one that was not computed is no witness
			if h.Err != nil {
				return h.Err
			}
			return errHashDiffers
		}
		in.Hashes[a.Alignment.Rows[h.Row].Directive] = h.Want
	}
	config, err := bestConfig(in, a.Alignment.Dialect, f.config.Raw)
	if err != nil {
		return err
	}
	if d := rebuild.DiffJSON(config.Raw, f.config.Raw); d != nil {
		r.difference, r.config = reportDifference("config", d), config.Raw
		return nil
	}
	r.level = SameImageID
	r.witnesses = append(r.witnesses, dated...)
	for _, w := range config.Witnesses {
		r.witnesses = append(r.witnesses, Witness(w))
	}
	r.witnesses = distinct(r.witnesses)
	if f.img.HasManifest() && r.asked == SameDigest {
		return r.rebuildManifest(f, a)
	}
	return nil
}

// distinct lists each witness once.
func distinct(list []Witness) []Witness {
	var out []Witness
	seen := map[Witness]bool{}
	for _, w := range list {
		if !seen[w] {
			seen[w], out = true, append(out, w)
		}
	}
	return out
}

// bestConfig is the config as the dialect's writers write it: the one that is
// the published one, else the first.
func bestConfig(in rebuild.ConfigInput, dialect string, published []byte) (*rebuild.Config, error) {
	writers := []string{rebuild.WriterBuildKit, rebuild.WriterOlder}
	if dialect == dockerfile.Classic {
		writers = []string{rebuild.WriterClassic}
	}
	var first *rebuild.Config
	for _, in.Writer = range writers {
		c, err := rebuild.NewConfig(in)
		if err != nil {
			return nil, err
		}
		if string(c.Raw) == string(published) {
			return c, nil
		}
		first = cmp.Or(first, c)
	}
	return first, nil
}

func reportDifference(where string, d *rebuild.Difference) *Difference {
	return &Difference{Where: where, Path: d.Path, Field: d.Field, Rebuilt: d.A, Published: d.B}
}

// rebuildManifest assembles the manifest in each of the forms that builders
// write.
func (r *rebuildFact) rebuildManifest(f *facts, a *provenance.Attempt) error {
	layers := make([]v1.Descriptor, len(r.layers))
	for i, l := range r.layers {
		layers[i] = l.blob
	}
	published := f.img.Manifest().Raw
	for _, annotations := range annotationSets(a) {
		for _, form := range rebuild.Forms() {
			for _, noted := range [][]v1.Descriptor{layers, rewritten(layers, f.configFile().Created.Time)} {
				raw, err := rebuild.NewManifest(form, f.manifest().Config, noted, annotations)
				if err != nil {
					return err
				}
				if string(raw) == string(published) {
					r.level, r.difference, r.manifest = SameDigest, nil, nil
					return nil
				}
				if d := rebuild.DiffJSON(raw, published); r.difference == nil || d.Field == "spelling" || laterThan(d, r.difference) {
					r.difference, r.manifest = reportDifference("manifest", d), raw
				}
			}
		}
	}
	return nil
}

// laterThan reports whether a difference lies behind another in a document, so
// that more of it is the same.
func laterThan(d *rebuild.Difference, than *Difference) bool {
	return than.Field != "spelling" && d.Path > than.Path
}

// annotationSets are those that a manifest of the attempt may have.
func annotationSets(a *provenance.Attempt) []map[string]string {
	sets := []map[string]string{nil}
	if c := a.Candidate; c != nil {
		sets = append(sets, rebuild.OfficialAnnotations(c.Name(), c.Entry, a.CommitTime, a.Build.Base))
	}
	return sets
}

// rewritten are descriptors with the annotation by which BuildKit notes that
// it rewrote times.
func rewritten(layers []v1.Descriptor, date time.Time) []v1.Descriptor {
	out := slices.Clone(layers)
	for i := range out {
		out[i].Annotations = rebuild.Rewritten(date)
	}
	return out
}
