package output

import (
	"fmt"
	"strings"
	"time"

	"github.com/imageverify/verify"
)

// maxWitnesses is how many witnesses are shown without Verbose.
const maxWitnesses = 6

// rebuiltRows say how much of the image is accounted for, before all else, and
// how near a rebuild came.
func (c *canvas) rebuiltRows(img *verify.Image) []entry {
	r := img.Rebuild
	if r == nil || r.Coverage == nil {
		return nil
	}
	rows := []entry{row("proved", provedShare(r.Coverage))}
	if r.Level != verify.NoLevel {
		rows = append(rows, row("rebuilt", levelText(r)))
	}
	if r.Build != nil {
		rows = append(rows, row("built by", buildText(r.Build)))
		if c.Verbose {
			rows = append(rows, builtRows(r.Build)...)
		}
		for _, line := range r.Build.Log {
			rows = append(rows, entry{text: SafeText(line)})
		}
	}
	return rows
}

// builtRows tell the rest of a build.
func builtRows(b *verify.RebuildBuild) []entry {
	text := fmt.Sprintf("network %s; machine %s", SafeText(b.Network), SafeText(b.Worker))
	if b.ImageID != "" {
		text += "; image " + SafeText(strings.TrimSpace(b.Digest+" "+b.ImageID))
	}
	if b.SourceDate != nil {
		text += "; source date " + SafeText(b.SourceDate.UTC().Format(time.RFC3339))
	}
	rows := []entry{{text: text}}
	for _, base := range b.Bases {
		rows = append(rows, entry{text: SafeText("on " + base.Reference + " " + base.Digest)})
	}
	return rows
}

// buildText says "buildkit v0.34.2, unix:///run/buildkit/buildkitd.sock, without
// a network".
func buildText(b *verify.RebuildBuild) string {
	text := "nobody"
	if b.Builder != "" {
		text = SafeText(strings.TrimSpace(b.Builder + " " + b.Version))
	}
	if b.Address != "" {
		text += ", " + SafeText(b.Address)
	}
	if b.Network == "none" {
		text += ", without a network"
	}
	if len(b.Log) > 0 {
		text += "; it said at last:"
	}
	return text
}

// provedShare says "7.8 of 7.8 MB (100 %), 82 of 82 files".
func provedShare(c *verify.RebuildCoverage) string {
	text := fmt.Sprintf("%s (%s), %d of %d files", amounts(c.Bytes), percent(c.Bytes), c.Files.Proved+c.Files.Base, c.Files.Total())
	if c.Bytes.Base > 0 {
		text += "; " + verify.FormatBytes(c.Bytes.Base) + " of them by a verified base image"
	}
	return text
}

// percent is rounded down, so that 100 % is all of it.
func percent(c verify.Coverage) string {
	total := c.Total()
	if total == 0 {
		return "nothing to prove"
	}
	return fmt.Sprintf("%d %%", int64(float64(c.Proved+c.Base)/float64(total)*100))
}

func levelText(r *verify.Rebuilt) string {
	if r.Level == verify.Different {
		return "the source makes another image"
	}
	text := "to the level " + r.Level.String()
	switch n := len(r.Witnesses); n {
	case 0:
		return text
	case 1:
		return text + ", with 1 value taken from the image"
	default:
		return text + fmt.Sprintf(", with %d values taken from the image", n)
	}
}

// witnessEntries list what was taken from the image, and what the level rests
// on.
func (c *canvas) witnessEntries(r *verify.Rebuilt) []entry {
	if r == nil {
		return nil
	}
	var rows []entry
	for i, w := range r.Witnesses {
		if i == maxWitnesses && !c.Verbose {
			rows = append(rows, entry{text: fmt.Sprintf("and %d more; -v shows all", len(r.Witnesses)-i)})
			break
		}
		e := row("", w.Field+" = "+w.Value)
		if i == 0 {
			e.name = "witnesses"
		}
		rows = append(rows, e)
	}
	for _, note := range r.Notes {
		rows = append(rows, row("note", note))
	}
	return rows
}
