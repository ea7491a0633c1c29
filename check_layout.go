package verify

import (
	"fmt"

	"github.com/imageverify/verify/provenance"
	"github.com/imageverify/verify/provenance/layout"
)

// inLayout reports whether the image is judged by a layout in git, which stands
// in for the match of its history and the comparison of its layers.
func (f *facts) inLayout() bool {
	a := f.judged()
	return a != nil && a.Layout != nil
}

// findLayout judges trace.layout; it applies to entries that keep the image in
// git.
func findLayout(f *facts) *Finding {
	if !f.inLayout() {
		return nil
	}
	a := f.judged()
	parts := make([]Part, 0, len(a.Layout.Parts))
	for _, p := range a.Layout.Parts {
		parts = append(parts, layoutPart(p))
	}
	out := ofParts(parts, fmt.Sprintf("%s of %s are the image's (%s)", plural(len(parts), "file"), dockerfileOf(a), FormatBytes(a.Layout.Bytes())))
	for _, p := range a.Layout.Parts {
		if p.ObjectID != "" {
			out.with(Evidence{Kind: "git", Value: p.ObjectID + " (" + p.Path + ")"})
		}
	}
	return out
}

func layoutPart(p layout.Part) Part {
	if p.Err == nil {
		return Part{p.What, Pass, "", p.Path}
	}
	status := Unknown
	if layout.Contradiction(p.Err) {
		status = Fail
	}
	return Part{p.What, status, reasonOf(p.Err), p.Err.Error()}
}

// layoutLayer judges one layer by the blob that git holds of it.
func layoutLayer(f *facts, i int) Part {
	name := layerName(i)
	if err := f.layerErr(i); err != nil {
		reason := reasonOf(err)
		return Part{name, unknownUnless(reason, "digest-mismatch"), reason, err.Error()}
	}
	for _, p := range f.judged().Layout.Parts {
		if p.What == name {
			return layoutPart(p)
		}
	}
	return Part{name, Unknown, "no-dockerfile", "the layout in git does not name it"}
}

// layoutOrigin judges trace.origin for a layout that is not the image's.
func layoutOrigin(t *provenance.Trace) *Finding {
	o := t.Origin
	status, err := Unknown, o.Layout.Err()
	if layout.Contradiction(err) {
		status = Fail
	}
	out := finding(status, reasonOf(err), "the layout at %s is not the image: %s", place(o), err)
	return withAttempts(out.with(originEvidence(o)...), t)
}
