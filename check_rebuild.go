package verify

import (
	"errors"
	"fmt"
	"strings"

	"github.com/imageverify/verify/checksums/filetree"
	"github.com/imageverify/verify/provenance/layout"
)

// rebuiltOf states for the report how much of the image is accounted for, and
// what assembling it again came to.
func rebuiltOf(f *facts) *Rebuilt {
	if !f.compared || len(f.layers) == 0 {
		return nil
	}
	bytes, files := f.coverage()
	out := &Rebuilt{Layers: []RebuiltLayer{}, Witnesses: []Witness{}, Coverage: &RebuildCoverage{bytes, files}}
	for i, l := range f.accountedLayers() {
		out.Layers = append(out.Layers, rebuiltLayer(f, i, l))
	}
	if r := f.rebuilt; r != nil {
		out.Level, out.Difference, out.Notes = r.level, r.difference, r.notes
		out.Witnesses = append(out.Witnesses, r.witnesses...)
		out.Build = r.built.report()
	}
	return out
}

func rebuiltLayer(f *facts, i int, l accountedLayer) RebuiltLayer {
	c := f.contentOf(i)
	out := RebuiltLayer{Directive: c.line, Reason: l.part.Reason, Coverage: &RebuildCoverage{l.bytes, l.files}}
	if want := wantDiffID(f.configFile(), i); want.Hex != "" {
		out.DiffID = want.String()
	}
	switch {
	case f.rebuilt != nil:
		out.Level = f.rebuilt.layers[i].level
	case c.result != nil && f.layerErr(i) == nil:
		// Nothing was assembled: more than the same files is not claimed.
		out.Level = min(levelOfTree(c.result), SameFiles)
	}
	return out
}

// findRebuild judges rebuild.level.
func findRebuild(f *facts) *Finding {
	r := f.rebuilt
	if r == nil {
		return unrebuilt(f)
	}
	if r.byLayout {
		return layoutRebuild(f)
	}
	var parts []Part
	for i := range r.layers {
		parts = append(parts, rebuildPart(f, i))
	}
	for _, c := range f.content {
		if c.layer < 0 {
			parts = append(parts, layerlessPart(f, c))
		}
	}
	if r.level >= SameLayers && r.asked > SameLayers {
		parts = append(parts, rebuiltDocument("config", r, SameImageID))
	}
	if r.level >= SameImageID && r.asked > SameImageID {
		parts = append(parts, rebuiltDocument("manifest", r, SameDigest))
	}
	out := ofParts(parts, fmt.Sprintf("assembled from the source to the level %s%s", r.level, witnessed(r)))
	if out.Status == Pass && !r.level.Reaches(r.asked) {
		return finding(Unknown, "no-dockerfile", "nothing could be assembled")
	}
	if a := f.judged(); a.Context != nil {
		out.with(Evidence{Kind: "git", Value: place(a)})
	}
	return out
}

// unrebuilt says why nothing was assembled; nil where that was not asked for.
func unrebuilt(f *facts) *Finding {
	if f.layers == nil || f.judged() != nil {
		return nil
	}
	return finding(Unknown, "no-dockerfile", "there is no Dockerfile to assemble the image from")
}

func layoutRebuild(f *facts) *Finding {
	if f.rebuilt.level.Reaches(f.rebuilt.asked) {
		return passed("the image lies in git, every blob hashed: the level is digest by comparison")
	}
	err := f.judged().Layout.Err()
	status := Unknown
	if layout.Contradiction(err) {
		status = Fail
	}
	return finding(status, reasonOf(err), "the layout in git is not the image: %s", err)
}

// witnessed counts the values that were taken from the image.
func witnessed(r *rebuildFact) string {
	text := ", with nothing taken from the image"
	if n := len(r.witnesses); n > 0 {
		text = ", with " + plural(n, "value") + " taken from the image"
	}
	if len(r.notes) > 0 {
		text += "; " + strings.Join(r.notes, "; ")
	}
	return text
}

// rebuildPart judges one layer: whatever is asked for, its diff ID at most.
func rebuildPart(f *facts, i int) Part {
	name, l, asked := layerName(i), f.rebuilt.layers[i], min(f.rebuilt.asked, SameLayers)
	switch {
	case l.err != nil && errors.Is(l.err, errBaseUnverified):
		return Part{name, Unknown, "base-unverified", l.err.Error()}
	case l.err != nil && errors.Is(l.err, errNoDirective):
		return Part{name, Unknown, "no-dockerfile", l.err.Error()}
	case l.err != nil:
		return unrebuiltPart(name, f, i)
	case l.level.Reaches(asked):
		return Part{name, Pass, "", "the level is " + l.level.String() + byBuilder(f, l)}
	case l.built:
		return builtPart(name, f, i)
	case l.level == Different:
		return differing(name, f.contentOf(i))
	}
	return Part{name, Fail, "level-not-reached", fmt.Sprintf("the level is %s, not %s: %s", l.level, asked, differenceText(l.difference))}
}

// byBuilder names what built a layer.
func byBuilder(f *facts, l layerRebuild) string {
	if !l.built {
		return ""
	}
	return ", built by " + builderText(f.rebuilt.built.env)
}

func unrebuiltPart(name string, f *facts, i int) Part {
	c := f.contentOf(i)
	c.err = f.rebuilt.layers[i].err
	if f.layerErr(i) != nil {
		reason := reasonOf(c.err)
		return Part{name, unknownUnless(reason, "digest-mismatch"), reason, c.err.Error()}
	}
	return contentError(name, c)
}

// rebuiltDocument judges the config or the manifest.
func rebuiltDocument(name string, r *rebuildFact, level Level) Part {
	switch {
	case r.level >= level:
		return Part{name, Pass, "", "the same, byte for byte"}
	case r.err != nil:
		return Part{name, Unknown, reasonOf(r.err), r.err.Error()}
	case r.difference == nil || r.difference.Where != name:
		return Part{name, Fail, "level-not-reached", "the image has none to compare with"}
	}
	return Part{name, Fail, "level-not-reached", fmt.Sprintf("the level is %s, not %s: %s", r.level, r.asked, differenceText(r.difference))}
}

// differenceText tells what a difference means.
func differenceText(d *Difference) string {
	if d == nil {
		return "the archives' bytes differ"
	}
	what := d.Path
	if d.Field != "" {
		what = fmt.Sprintf("%s of %q", d.Field, d.Path)
	}
	if d.Path == "" {
		what = d.Field
	}
	switch d.Field {
	case string(filetree.OnlyInA):
		return fmt.Sprintf("%q is in the source only", d.Path)
	case string(filetree.OnlyInB):
		return fmt.Sprintf("%q is in the image only", d.Path)
	}
	return fmt.Sprintf("%s is %s when rebuilt, %s in the image", what, d.Rebuilt, d.Published)
}
