package verify

import (
	"errors"
	"fmt"
	"slices"

	"github.com/imageverify/verify/checksums"
	"github.com/imageverify/verify/checksums/filetree"
)

// findContent judges layer.content.
func findContent(f *facts) *Finding {
	if f.inLayout() {
		return nil
	}
	if err := errors.Join(f.manifestErr(), f.configDoubt()); err != nil {
		reason := reasonOf(err)
		return finding(unknownUnless(reason, "digest-mismatch"), reason, "the layers are not known: %s", err)
	}
	parts := make([]Part, 0, len(f.layers))
	bytes, files := f.coverage()
	for _, l := range f.accountedLayers() {
		parts = append(parts, l.part)
	}
	for _, c := range f.content {
		if c.layer < 0 {
			parts = append(parts, layerlessPart(f, c))
		}
	}
	parts = append(parts, restOfBase(f)...)
	if len(parts) == 0 && f.judged() == nil {
		return finding(Unknown, "no-dockerfile", "the image has no layers, and there is no Dockerfile to say that it should have none")
	}
	if len(parts) == 0 {
		return passed("neither the image nor its Dockerfile has a layer")
	}
	// What the user can mend is the reason that stands first.
	slices.SortStableFunc(parts, func(a, b Part) int { return contextFirst(a) - contextFirst(b) })
	all := fmt.Sprintf("%s of %s proved from the source, entry by entry", FormatBytes(bytes.Proved), FormatBytes(bytes.Total()))
	if n := f.bytesByBuild(); n > 0 {
		all += fmt.Sprintf(", %s of it by a build", FormatBytes(n))
	}
	if bytes.Base > 0 {
		all += fmt.Sprintf(", %s by the verified base", FormatBytes(bytes.Base))
	}
	out := ofParts(parts, all)
	out.details().Bytes, out.details().Files = &bytes, &files
	for _, c := range f.content {
		if c.result != nil {
			addCounts(out.details(), c.result)
		}
	}
	if a := f.judged(); a != nil && a.Context != nil {
		out.with(contextEvidence(a))
	}
	return out
}

func contextFirst(p Part) int {
	if p.Reason == "context-unknown" {
		return 0
	}
	return 1
}

// configDoubt says why the config cannot tell of layers.
func (f *facts) configDoubt() error {
	if f.configFile() == nil {
		return f.configProblem()
	}
	return nil
}

// contentOf is the fact about a layer, or one that says there is none.
func (f *facts) contentOf(i int) contentFact {
	for _, c := range f.content {
		if c.layer == i {
			return c
		}
	}
	return contentFact{layer: i, directive: -1, err: errNoDirective}
}

// errNoDirective is for a layer that no directive is known to make.
var errNoDirective = errors.New("no directive is known to make it")

// accountedLayer is how a layer's content was judged, and its content in bytes
// and entries.
type accountedLayer struct {
	part  Part
	bytes Coverage
	files Coverage
}

// accountedLayers judges every layer's content, once.
func (f *facts) accountedLayers() []accountedLayer {
	if f.accounted != nil || len(f.layers) == 0 {
		return f.accounted
	}
	for i := range f.layers {
		part, size, count := contentPart(f, i)
		if f.inLayout() {
			part = layoutLayer(f, i)
		}
		l := accountedLayer{part: part, bytes: Coverage{Unproved: size}, files: Coverage{Unproved: count}}
		switch {
		case part.Status == Pass && f.contentOf(i).base:
			l.bytes, l.files = Coverage{Base: size}, Coverage{Base: count}
		case part.Status == Pass:
			l.bytes, l.files = Coverage{Proved: size}, Coverage{Proved: count}
		}
		f.accounted = append(f.accounted, l)
	}
	return f.accounted
}

// coverage is how much of all layers is accounted for.
func (f *facts) coverage() (bytes, files Coverage) {
	for _, l := range f.accountedLayers() {
		bytes.add(l.bytes)
		files.add(l.files)
	}
	return bytes, files
}

// bytesByBuild is how much of the layers follows from their source by a build.
func (f *facts) bytesByBuild() int64 {
	var n int64
	for i, l := range f.accountedLayers() {
		if f.contentOf(i).err != nil && f.provedByBuild(i) {
			n += l.bytes.Proved
		}
	}
	return n
}

func addCounts(d *Details, r *filetree.Result) {
	for class, n := range r.Counts {
		if d.Counts == nil {
			d.Counts = map[string]int{}
		}
		d.Counts[string(class)] += n
	}
}

// contentPart judges one layer; size and count are its content in bytes and
// entries.
func contentPart(f *facts, i int) (part Part, size, count int64) {
	name, l, c := layerName(i), f.layers[i].layer, f.contentOf(i)
	if l == nil {
		err := f.layerErr(i)
		return Part{name, Unknown, reasonOf(err), err.Error()}, f.layers[i].desc.Size, 0
	}
	size, count = indexBytes(l), indexLen(l)
	if err := f.layerErr(i); err != nil {
		reason := reasonOf(err)
		return Part{name, unknownUnless(reason, "digest-mismatch"), reason, err.Error()}, size, count
	}
	if bad, ok := hostilePart(name, l); ok {
		return bad, size, count
	}
	switch {
	case c.base:
		return basePart(f, i, name, c), size, count
	case errors.Is(c.err, errNoDirective):
		return Part{name, Unknown, "no-dockerfile", c.err.Error()}, size, count
	case c.err != nil && f.provedByBuild(i):
		return Part{name, Pass, "", fmt.Sprintf("the archive that Dockerfile:%d (%s) makes, byte for byte, built by %s", c.line, c.what, builderText(f.rebuilt.built.env))}, size, count
	case c.err != nil:
		return contentError(name, c), size, count
	case !sameTree(c.result):
		return differing(name, c), size, count
	}
	return Part{name, Pass, "", sameText(l, c)}, size, count
}

func sameText(l *checksums.Layer, c contentFact) string {
	text := fmt.Sprintf("%s as Dockerfile:%d (%s) makes them", plural(l.Index.Len(), "entry"), c.line, c.what)
	if c.variant != "" {
		text += ", files stamped with " + c.variant
	}
	if n := c.result.Counts[filetree.Order]; n > 0 {
		text += fmt.Sprintf(", %d of them in another order", n)
	}
	return text
}

// layerlessPart judges what the history says left no layer: a directive, or
// the whole base image.
func layerlessPart(f *facts, c contentFact) Part {
	name := fmt.Sprintf("Dockerfile:%d", c.line)
	switch {
	case c.base && f.base.counts() && f.base.layers == 0:
		return Part{"base image", Pass, "", c.what + " has no layer"}
	case c.base:
		return Part{"base image", Unknown, "base-unverified", c.what + " has no layer in the image by the history's account, which nothing shows"}
	case reasonOf(c.err) == "run-unproved" && f.leftNothing():
		return Part{name, Pass, "", c.what + " left no layer when it was built, either"}
	case reasonOf(c.err) == "run-unproved":
		return Part{name, Unknown, "run-unproved", c.what + " left no layer by the history's account, which nothing shows"}
	case c.err != nil:
		return contentError(name, c)
	case !sameTree(c.result):
		return differing(name, c)
	}
	return Part{name, Pass, "", c.what + " makes nothing that was not there"}
}

// sameTree reports whether nothing differs but an order of entries that no
// program which unpacks them one after the other can see.
func sameTree(r *filetree.Result) bool {
	return r.Total() == r.Counts[filetree.Order] && r.DisorderedCount == 0
}

func indexBytes(l *checksums.Layer) int64 {
	if l.Index == nil {
		return l.Unpacked
	}
	return l.Index.Bytes()
}

func indexLen(l *checksums.Layer) int64 {
	if l.Index == nil {
		return 0
	}
	return int64(l.Index.Len())
}

// hostilePart finds what no builder leaves in a layer, whatever the source.
func hostilePart(name string, l *checksums.Layer) (Part, bool) {
	switch {
	case l.BlobErr != nil || l.TarErr != nil || l.Index == nil:
		err := errors.Join(l.BlobErr, l.TarErr)
		if isLimit(err) {
			return Part{name, Unknown, "over-limit", err.Error()}, true
		}
		return Part{name, Fail, "malformed", errorLine(err)}, true
	case l.Trailing:
		return Part{name, Fail, "trailing-data", "bytes follow the end of its archive"}, true
	}
	for e, err := range l.Index.Entries() {
		if err != nil {
			return Part{name, Unknown, "unreadable", err.Error()}, true
		}
		if e.Escapes() {
			return Part{name, Fail, "unsafe-path", fmt.Sprintf("%q leads out of the root", e.Path)}, true
		}
	}
	return Part{}, false
}

func contentError(name string, c contentFact) Part {
	reason := reasonOf(c.err)
	summary := fmt.Sprintf("Dockerfile:%d: %s", c.line, c.err)
	return Part{name, unknownUnless(reason, "object-mismatch"), reason, summary}
}

// classReasons give a difference's reason, worst first.
var classReasons = []struct {
	class  filetree.Class
	reason string
	text   string
}{
	{filetree.Duplicate, "duplicate-path", "there are two entries for %q"},
	{filetree.OnlyInB, "file-added", "%q is in the layer and not in the source"},
	{filetree.OnlyInA, "file-missing", "%q is in the source and not in the layer"},
	{filetree.Content, "content-differs", "%q has other content than the source"},
	{filetree.Type, "type-differs", "%q is of another type than in the source"},
	{filetree.Mode, "mode-differs", "%q has another mode than in the source"},
	{filetree.Owner, "owner-differs", "%q has another owner than in the source"},
	{filetree.Link, "link-differs", "%q links elsewhere than in the source"},
	{filetree.Xattr, "xattr-differs", "%q has other extended attributes than in the source"},
	{filetree.Time, "time-differs", "%q has another time than in the source"},
	{filetree.Format, "format-differs", "the header of %q says more than builders write"},
}

// differing names the worst difference between a layer and its source.
func differing(name string, c contentFact) Part {
	total := c.result.Total() - c.result.Counts[filetree.Order]
	for _, row := range classReasons {
		for _, d := range c.result.Differences {
			if d.Class != row.class {
				continue
			}
			text := fmt.Sprintf(row.text, d.Path)
			if d.A != "" || d.B != "" {
				text += fmt.Sprintf(" (source %s, layer %s)", dash(d.A), dash(d.B))
			}
			if total > 1 {
				text += fmt.Sprintf(", and %d more differences", total-1)
			}
			return Part{name, Fail, row.reason, fmt.Sprintf("Dockerfile:%d: %s", c.line, text)}
		}
	}
	if len(c.result.Disordered) > 0 {
		return Part{name, Fail, "order-differs", fmt.Sprintf("Dockerfile:%d: %q stands where unpacking in order gives other files", c.line, c.result.Disordered[0])}
	}
	return Part{name, Fail, "content-differs", fmt.Sprintf("Dockerfile:%d: the layer is not what %s makes", c.line, c.what)}
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
