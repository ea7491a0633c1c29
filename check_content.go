package verify

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/imageverify/verify/checksums"
	"github.com/imageverify/verify/checksums/filetree"
	"github.com/imageverify/verify/checksums/sums"
)

// findChecksum judges rootfs.checksum; it applies where a known distributor's
// archives are unpacked.
func findChecksum(f *facts) *Finding {
	if len(f.sums) == 0 {
		return nil
	}
	parts := make([]Part, 0, len(f.sums))
	independent := true
	var evidence []Evidence
	for _, s := range f.sums {
		parts = append(parts, sumPart(s))
		independent = independent && s.list.Independent
		if s.line > 0 {
			evidence = append(evidence, Evidence{Kind: "file", Value: fmt.Sprintf("%s:%d", s.list.File, s.line)},
				Evidence{Kind: "digest", Value: s.result.Algorithm + ":" + s.result.Got})
		}
	}
	all := fmt.Sprintf("%s is in %s's %s", f.sums[0].name, f.sums[0].distributor.Name, f.sums[0].list.File)
	if !independent {
		all += ", a list of the same commit: consistent, not independent"
	}
	out := ofParts(parts, all)
	if out.Status == Pass || out.Status == Fail {
		out.with(evidence...)
	}
	out.details().Independent = &independent
	return out
}

func sumPart(s sumFact) Part {
	switch {
	case errors.Is(s.err, sums.ErrTwoSums):
		return Part{s.name, Fail, "two-sums", s.err.Error()}
	case errors.Is(s.err, errListAbsent):
		return Part{s.name, Unknown, "list-absent", s.err.Error()}
	case errors.Is(s.err, fs.ErrNotExist):
		return Part{s.name, Unknown, "source-absent", s.err.Error()}
	case errors.Is(s.err, sums.ErrSyntax):
		return Part{s.name, Unknown, "list-invalid", fmt.Sprintf("%s: %s", s.list.File, s.err)}
	case s.err != nil:
		reason := reasonOf(s.err)
		return Part{s.name, unknownUnless(reason, "object-mismatch"), reason, s.err.Error()}
	case s.result.Status == sums.NotListed:
		return Part{s.name, Fail, "not-listed", fmt.Sprintf("%s has no line for it", s.list.File)}
	case s.result.Status != sums.ListedAndEqual:
		return Part{s.name, Fail, "sum-differs", fmt.Sprintf("%s:%d says %s, the file's %s is %s", s.list.File, s.line, s.result.Want, s.result.Algorithm, s.result.Got)}
	}
	return Part{s.name, Pass, "", s.result.Got}
}

// findContent judges layer.content.
func findContent(f *facts) *Finding {
	parts := make([]Part, 0, len(f.layers))
	var bytes, files Coverage
	for i, l := range f.layers {
		part, size, count := contentPart(i, l, f.contentOf(i))
		parts = append(parts, part)
		addCoverage(&bytes, part, size)
		addCoverage(&files, part, count)
	}
	if len(parts) == 0 {
		return passed("the image has no layers")
	}
	out := ofParts(parts, fmt.Sprintf("%s of %s proved from the source, entry by entry", FormatBytes(bytes.Proved), FormatBytes(bytes.Total())))
	out.details().Bytes, out.details().Files = &bytes, &files
	for _, c := range f.content {
		if c.result != nil {
			addCounts(out.details(), c.result)
		}
	}
	if a := f.judged(); a != nil && a.Context != nil {
		out.with(Evidence{Kind: "git", Value: place(a)})
	}
	return out
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

func addCoverage(c *Coverage, p Part, n int64) {
	if p.Status == Pass {
		c.Proved += n
	} else {
		c.Unproved += n
	}
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
func contentPart(i int, l layerFact, c contentFact) (part Part, size, count int64) {
	name := layerName(i)
	if l.layer == nil {
		return Part{name, Unknown, reasonOf(l.err), errorLine(l.err)}, l.desc.Size, 0
	}
	if bad, ok := hostilePart(name, l.layer); ok {
		return bad, indexBytes(l.layer), indexLen(l.layer)
	}
	size, count = indexBytes(l.layer), indexLen(l.layer)
	switch {
	case c.base:
		return Part{name, Unknown, "base-unverified", "a layer of the base image " + c.what}, size, count
	case errors.Is(c.err, errNoDirective):
		return Part{name, Unknown, "no-dockerfile", c.err.Error()}, size, count
	case c.err != nil:
		return contentError(name, c), size, count
	case !sameTree(c.result):
		return differing(name, c), size, count
	}
	text := fmt.Sprintf("%s as Dockerfile:%d (%s) makes them", plural(l.layer.Index.Len(), "entry"), c.line, c.what)
	if c.variant != "" {
		text += ", files stamped with " + c.variant
	}
	if n := c.result.Counts[filetree.Order]; n > 0 {
		text += fmt.Sprintf(", %d of them in another order", n)
	}
	return Part{name, Pass, "", text}, size, count
}

// sameTree reports whether nothing but the order of entries differs, which no
// reader of the unpacked tree can see.
func sameTree(r *filetree.Result) bool {
	return r.Total() == r.Counts[filetree.Order]
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
	{filetree.Format, "format-differs", "the archive holds a global header (%q)"},
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
	return Part{name, Fail, "content-differs", fmt.Sprintf("Dockerfile:%d: the layer is not what %s makes", c.line, c.what)}
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
