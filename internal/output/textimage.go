package output

import (
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/imageverify/verify"
)

// image writes one image's part of the report.
func (c *canvas) image(img *verify.Image) {
	facts := c.facts(img)
	c.ids = map[string]bool{}
	for _, f := range facts {
		c.note(f.text)
	}
	c.headline(img)
	c.entries(2, facts)
	c.bases(img)
	c.history(img)
	c.attached(img)
	c.checks(img)
	c.conclusions(img)
}

// headline is the verdict and the image's name, on two lines where one is too
// short.
func (c *canvas) headline(img *verify.Image) {
	m := imageMark(img)
	verdict, name := m.sign+" "+m.word, SafeText(img.Reference)
	platform := SafeText(platformOf(img))
	if platform != "" {
		platform = "  " + platform
	}
	between := "  "
	if c.Width > 0 && width(verdict)+2+width(name)+width(platform) > c.Width {
		between = "\n  "
	}
	c.line(c.paint(m.color, verdict) + between + c.paint(bold, name) + platform)
}

// facts are the rows below the headline: why, where from, and which image.
func (c *canvas) facts(img *verify.Image) []entry {
	rows := append(c.rebuiltRows(img), verdictRows(img)...)
	if img.NameSource == "image" {
		rows = append(rows, row("name", img.Name+", by the image's own account"))
	} else if c.Verbose && img.Name != "" {
		rows = append(rows, row("name", img.Name+" (by "+img.NameSource+")"))
	}
	rows = append(rows, c.originRows(img)...)
	if img.Digest != nil {
		rows = append(rows, row("digest", *img.Digest))
	}
	if img.ImageID != "" {
		rows = append(rows, row("image id", img.ImageID))
	}
	if img.Created != nil && c.Verbose {
		rows = append(rows, row("created", moment(*img.Created)+", by the image's own account"))
	}
	return rows
}

func row(name, text string) entry { return entry{name: SafeText(name), text: SafeText(text)} }

// verdictRows name the findings that keep the image from being verified, and
// those that were let stand.
func verdictRows(img *verify.Image) []entry {
	var stand, accepted []string
	required := false
	for i := range img.Findings {
		f := &img.Findings[i]
		required = required || f.Required
		named := f.Check + " (" + reasonOrStatus(f) + ")"
		switch {
		case f.Status == verify.Pass:
		case f.Accepted:
			accepted = append(accepted, named)
		case f.Status == verify.Fail, f.Required && img.Verdict != verify.Failed:
			stand = append(stand, named)
		}
	}
	if !required {
		stand = append(stand, "no required check could be made")
	}
	var rows []entry
	if img.Verdict != verify.Verified && len(stand) > 0 {
		rows = append(rows, row("because", strings.Join(stand, ", ")))
	}
	if len(accepted) > 0 {
		rows = append(rows, row("accepted", strings.Join(accepted, ", ")))
	}
	return rows
}

func reasonOrStatus(f *verify.Finding) string {
	if f.Reason != "" {
		return f.Reason
	}
	return f.Status.String()
}

// originRows tell where the image comes from, and never without saying so when
// that is not proved.
func (c *canvas) originRows(img *verify.Image) []entry {
	o := img.Origin
	if o == nil {
		return []entry{row("origin", "none is known")}
	}
	var rows []entry
	if doubt := originDoubt(find(img, "trace.origin")); doubt != "" {
		rows = append(rows, row("origin", doubt))
	}
	rows = append(rows, row("repository", orElse(o.Repository, "none: the file was given by hand")))
	if o.Commit != nil {
		text := *o.Commit
		if o.CommitTime != nil {
			text += "  " + moment(*o.CommitTime)
		}
		rows = append(rows, row("commit", text))
	}
	rows = append(rows, row(builtFrom(o)))
	if o.Context != "" {
		rows = append(rows, row("context", o.Context))
	}
	for _, a := range o.Archives {
		rows = append(rows, row("archive", path.Join(o.Directory, a)))
	}
	return append(rows, c.claimRows(img)...)
}

func originDoubt(f *verify.Finding) string {
	switch {
	case f == nil:
		return "claimed; not checked"
	case f.Status == verify.Pass:
		return ""
	case f.Status == verify.Fail:
		return "claimed, and contradicted (" + f.Reason + ")"
	}
	return "claimed, not proved (" + f.Reason + ")"
}

func orElse(s *string, other string) string {
	if s == nil {
		return other
	}
	return *s
}

// builtFrom names the file that the image is built from, or the OCI layout it
// is imported from.
func builtFrom(o *verify.Origin) (name, text string) {
	text = path.Join(o.Directory, o.File)
	if text == "" {
		text = "."
	}
	switch o.Builder {
	case "dockerfile", "":
		return "file", text
	case "oci-import":
		return "layout", text + " (an OCI layout in the repository)"
	}
	return "file", text + " (builder: " + o.Builder + ")"
}

// claimRows tell who claims what, and whether the claims agree.
func (c *canvas) claimRows(img *verify.Image) []entry {
	var rows []entry
	own := 0
	for i := range img.Origin.Claims {
		claim := &img.Origin.Claims[i]
		by := claim.Source
		if claim.Base {
			by += " of the base image"
		} else {
			own++
		}
		e := row("", by+" ("+claim.Kind+"): "+claimed(claim, img.Origin))
		if i == 0 {
			e.name = "claims"
		}
		if c.Verbose {
			e.evidence = evidenceOf(claim.Evidence)
		}
		rows = append(rows, e)
	}
	if text := agreement(find(img, "trace.claims"), own); text != "" {
		rows = append(rows, row("", text))
	}
	return rows
}

// claimed is what a claim names, or that this is the origin.
func claimed(claim *verify.Claim, o *verify.Origin) string {
	if claim.Commit != "" && o.Commit != nil && o.Repository != nil && claim.Commit == *o.Commit &&
		claim.Repository == *o.Repository && claim.Directory == o.Directory {
		return "as above"
	}
	return place(claim)
}

// place writes a claim as git's own tools and BuildKit do:
// REPOSITORY#COMMIT:DIRECTORY.
func place(claim *verify.Claim) string {
	text := claim.Repository
	if claim.Commit != "" {
		text += "#" + claim.Commit
	}
	p := path.Join(claim.Directory, claim.File)
	switch {
	case text == "" && p == "":
		return "a file given by hand"
	case text == "":
		return p
	case p != "":
		text += ":" + p
	}
	return text
}

func agreement(f *verify.Finding, claims int) string {
	switch {
	case claims == 0:
		return ""
	case f == nil:
		return "not compared"
	case f.Status == verify.Pass && claims == 1:
		return ""
	case f.Status == verify.Pass:
		return "they agree"
	case f.Status == verify.Fail:
		return "they contradict each other (" + f.Reason + ")"
	}
	return fmt.Sprintf("they do not simply agree (%s)", f.Reason)
}

func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
