package output

import (
	"fmt"
	"io"
	"path"

	"github.com/imageverify/verify"
)

// WriteRebuild writes what verify.Rebuild found or made, as Write does.
func WriteRebuild(w io.Writer, f Format, r *verify.RebuildReport, s Style) error {
	return write(w, f, r, func() []byte { return rebuildText(r, s) })
}

func rebuildText(r *verify.RebuildReport, s Style) []byte {
	c := &canvas{Style: s, ids: map[string]bool{}}
	m := rebuildMark(r)
	if s.Quiet {
		digest := ""
		if r.Output != nil {
			digest = r.Output.Digest
		}
		c.quietLine(m.word, m.color, SafeText(r.Reference), SafeText(r.Platform), SafeText(digest))
		return c.Bytes()
	}
	c.line(c.paint(m.color, m.sign+" "+m.word) + "  " + c.paint(bold, SafeText(r.Reference)) + "  " + SafeText(r.Platform))
	c.entries(2, rebuildFacts(r))
	c.title("directives")
	c.entries(2, planEntries(r))
	if s.Verbose {
		c.gap()
		c.line(c.paint(dim, fmt.Sprintf("verify %s, report schema %d; %s", SafeText(r.Program.Version), r.SchemaVersion, seconds(r.Timings.Total))))
	}
	return c.Bytes()
}

func rebuildMark(r *verify.RebuildReport) mark {
	switch {
	case r.Refused():
		return mark{"?", "cannot be rebuilt", yellow}
	case r.Output == nil:
		return mark{"✓", "can be rebuilt", green}
	}
	return mark{"✓", "rebuilt", green}
}

func rebuildFacts(r *verify.RebuildReport) []entry {
	var rows []entry
	if o := r.Origin; o != nil {
		rows = append(rows, row("repository", orElse(o.Repository, "")), row("commit", orElse(o.Commit, "")),
			row("file", path.Join(o.Directory, o.File)))
	}
	rows = append(rows, row("builder", r.Format), row("created", moment(r.Created)))
	if r.Output != nil {
		rows = append(rows, row("digest", r.Output.Digest), row("image id", r.Output.ImageID), row("written", r.Output.Path))
	}
	return rows
}

// planEntries are one row a directive; what was made of it is the layer's diff
// ID.
func planEntries(r *verify.RebuildReport) []entry {
	layers := map[int]string{}
	if r.Rebuild != nil {
		for _, l := range r.Rebuild.Layers {
			layers[l.Directive] = l.DiffID
		}
	}
	var rows []entry
	for _, s := range r.Plan {
		e := entry{mark: okMark, name: s.Makes, text: fmt.Sprintf("Dockerfile:%d  %s", s.Line, SafeText(s.Directive))}
		if s.Line == 0 {
			e.text = SafeText(s.Directive)
		}
		if s.Reason != "" {
			e.mark = unknownMark
			e.text += ": " + SafeText(s.Detail) + " (" + SafeText(s.Reason) + ")"
		}
		if id := layers[s.Line]; id != "" {
			e.evidence = []string{SafeText("diff ID " + id)}
		}
		rows = append(rows, e)
	}
	return rows
}
