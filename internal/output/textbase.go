package output

import (
	"fmt"
	"strings"

	"github.com/imageverify/verify"
)

// foundBy says how a base image was found.
var foundBy = map[string]string{
	"flag":       "given",
	"digest":     "by the digest that the Dockerfile names",
	"annotation": "by the digest that the image names",
	"tag":        "what its tag names now",
	"layers":     "known by the layers alone",
}

// bases draws the chain of images that an image is built on, and names the
// other images that its build reads from.
func (c *canvas) bases(img *verify.Image) {
	if img.Base == nil && len(img.Inputs) == 0 {
		return
	}
	c.title("built on")
	var rows, inputs []entry
	for b, depth := img.Base, 0; b != nil; b, depth = b.Base, depth+1 {
		rows = append(rows, c.baseRows(b, depth)...)
	}
	for _, in := range img.Inputs {
		inputs = append(inputs, row("also reads", fmt.Sprintf("%s (%s, Dockerfile:%d)", in.Reference, in.How, in.Line)))
	}
	c.entries(2, rows)
	c.entries(2, inputs)
}

// baseRows are one image of the chain: its verdict and name, then how it was
// found, where it comes from and what stands against it.
func (c *canvas) baseRows(b *verify.Base, depth int) []entry {
	name := SafeText(b.Reference)
	if depth > 0 {
		name = strings.Repeat("   ", depth-1) + "└─ " + name
	}
	if b.Reference == "scratch" {
		return []entry{{name: name}}
	}
	head := entry{mark: baseMark(b), name: name, text: c.abbreviate(SafeText(baseText(b)))}
	rows := []entry{head}
	if b.Origin != nil && b.Origin.Repository != nil {
		claim := verify.Claim{Repository: *b.Origin.Repository, Directory: b.Origin.Directory, File: b.Origin.File}
		if b.Origin.Commit != nil {
			claim.Commit = *b.Origin.Commit
		}
		rows = append(rows, entry{text: c.abbreviate(SafeText("from " + place(&claim)))})
	}
	for _, trigger := range b.OnBuild {
		rows = append(rows, entry{text: SafeText("ONBUILD " + trigger + " runs in the image above")})
	}
	for i := range b.Findings {
		f := &b.Findings[i]
		if f.Status == verify.Fail || c.Verbose || f.Required && f.Status != verify.Pass && !f.Accepted {
			rows = append(rows, entry{mark: findingMark(f), text: c.legible(f.Status, SafeText(f.Check)+": "+findingText(f))})
			if c.Verbose {
				rows[len(rows)-1].evidence = evidenceOf(f.Evidence)
				rows = append(append(rows, c.partEntries(f)...), c.detailEntries(f)...)
			}
		}
	}
	return rows
}

func baseMark(b *verify.Base) mark {
	if b.Verdict == "" {
		return mark{"?", "not verified", yellow}
	}
	return verdictMark(b.Verdict)
}

// baseText says which image it is and how it was found.
func baseText(b *verify.Base) string {
	if b.Found == "" {
		return "which image it was is not known"
	}
	parts := []string{plural(b.Layers, "layer"), foundBy[b.Found]}
	if b.Found == "flag" && b.Image != "" {
		parts[1] += " as " + b.Image
	}
	switch {
	case b.Digest != nil:
		parts = append(parts, *b.Digest)
	case b.ImageID != nil:
		parts = append(parts, "image id "+*b.ImageID)
	case b.ChainID != "":
		parts = append(parts, "chain ID "+b.ChainID)
	}
	return strings.Join(parts, ", ")
}
