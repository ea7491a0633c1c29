package output

import (
	"fmt"
	"slices"
	"strings"

	"github.com/imageverify/verify"
)

// maxNames is how many parts a conclusion names.
const maxNames = 5

// meanings say what a check's pass proves, in words that need no knowledge of
// the check; for other checks the summary says it.
var meanings = map[string]string{
	"image.digests":          "every byte read is the one that the digests name",
	"image.reference":        "the reference can mean no other image",
	"trace.origin":           "the origin above is the image's: its Dockerfile, read at that commit, matches",
	"trace.claims":           "nobody who names an origin names another one",
	"trace.current":          "it is what the library builds for the tag today",
	"trace.reachable":        "the commit is the repository's own, not a fork's",
	"trace.layout":           "the image in the repository is this image, byte for byte",
	"history.directives":     "each directive left its entry in the history, and nothing else did",
	"history.config":         "the settings are those that the Dockerfile and its base give",
	"history.content":        "the files that were added are those of the source",
	"base.layers":            "the lower layers are those of the base that the Dockerfile names",
	"base.freshness":         "the base is what its tag names today",
	"rootfs.checksum":        "the rootfs is the one that its distributor publishes",
	"rootfs.signature":       "the distributor signed the rootfs's checksum",
	"layer.content":          "every entry of every layer follows from the source",
	"rebuild.level":          "the image follows from its source and from nothing else, as far as the level says",
	"signature.image":        "an accepted identity or key signed the image",
	"attestation.provenance": "an accepted identity or key attests how it was built",
}

// sameHand says what a pass is worth that rests on a list out of the same commit.
const sameHand = "whoever made the file could have made the list"

// conclusions say what the findings amount to: what is proved, what is only
// consistent, and what could not be checked and why.
func (c *canvas) conclusions(img *verify.Image) {
	var proved, consistent, open []entry
	for i := range img.Findings {
		f := &img.Findings[i]
		switch {
		case isConsistent(f):
			consistent = append(consistent, row(f.Check, f.Summary+"; "+sameHand))
		case isAdvice(f):
		case f.Status == verify.Pass:
			proved = append(proved, row(f.Check, meaning(f, img.Origin)))
		default:
			proved = append(proved, provedPart(f)...)
		}
		open = append(open, unchecked(f)...)
	}
	if len(proved) == 0 {
		proved = []entry{{text: "nothing"}}
	}
	for _, list := range [][]entry{proved, consistent, open} {
		for i := range list {
			list[i].text = c.abbreviate(list[i].text)
		}
	}
	c.section("proved", proved)
	c.section("only consistent", consistent)
	c.section("not checked", open)
}

// section writes a title and what stands below it; nothing where there is
// nothing to say.
func (c *canvas) section(title string, list []entry) {
	if len(list) == 0 {
		return
	}
	c.title(title)
	c.entries(2, list)
}

// isAdvice reports whether a finding is about how the Dockerfile is written,
// which proves nothing of the image.
func isAdvice(f *verify.Finding) bool { return strings.HasPrefix(f.Check, "pin.") }

func meaning(f *verify.Finding, o *verify.Origin) string {
	text := meanings[f.Check]
	switch {
	case text == "":
		return f.Summary
	case f.Check == "trace.origin" && o != nil && o.Commit == nil:
		return "the Dockerfile that was handed in is the image's; whose it is, nothing says"
	}
	if f.Details != nil && f.Details.Bytes != nil {
		text += " (" + verify.FormatBytes(f.Details.Bytes.Total()) + ")"
	}
	return text
}

// provedPart says how much a finding proves that does not pass as a whole.
func provedPart(f *verify.Finding) []entry {
	d := f.Details
	if d == nil || d.Bytes == nil || d.Bytes.Proved+d.Bytes.Base == 0 {
		return nil
	}
	text := amounts(*d.Bytes)
	if d.Files != nil {
		text += fmt.Sprintf(", %d of %d files", d.Files.Proved+d.Files.Base, d.Files.Total())
	}
	return []entry{row(f.Check, text)}
}

// unchecked says what of a finding could not be checked: a row a reason, with
// the parts that have it.
func unchecked(f *verify.Finding) []entry {
	var rows []entry
	var reasons []string
	for _, p := range unknownParts(f) {
		if slices.Contains(reasons, p.Reason) {
			continue
		}
		reasons = append(reasons, p.Reason)
		rows = append(rows, row(f.Check, why(p.Reason, p.Summary)+" ("+named(f, p.Reason)+")"))
	}
	if len(rows) == 0 && markOf(f.Status) == unknownMark {
		rows = append(rows, row(f.Check, why(f.Reason, f.Summary)))
	}
	for i := range rows {
		if f.Accepted {
			rows[i].text += "; accepted"
		}
		if i > 0 {
			rows[i].name = ""
		}
	}
	return rows
}

func unknownParts(f *verify.Finding) []verify.Part {
	if f.Details == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(f.Details.Parts), func(p verify.Part) bool { return p.Status != verify.Unknown })
}

// named lists the parts that could not be checked for the reason.
func named(f *verify.Finding, reason string) string {
	var names []string
	for _, p := range unknownParts(f) {
		if p.Reason == reason {
			names = append(names, p.Name)
		}
	}
	if n := len(names); n > maxNames {
		names = append(names[:maxNames], fmt.Sprintf("and %d more", n-maxNames))
	}
	return strings.Join(names, ", ")
}

// why explains a reason, by the summary where the reason is not a known one.
func why(reason, summary string) string {
	if text := verify.ReasonText(reason); text != "" {
		return text
	}
	return summary
}
