package verify

import (
	"fmt"
	"strings"
	"time"

	"github.com/imageverify/verify/provenance/chain"
)

// findBaseLayers judges base.layers, where the Dockerfile stands on an image.
func findBaseLayers(f *facts) *Finding {
	b := f.base
	switch {
	case b == nil:
		return nil
	case isContradicted(b.err):
		return finding(Fail, reasonOf(b.err), "%s", b.err).status("base-unknown")
	case b.claimErr != nil && b.found != byAnnotation:
		return finding(Fail, reasonOf(b.claimErr), "%s", b.claimErr)
	case b.found == "":
		return finding(Unknown, reasonOf(b.err), "%s: %s", b.named, errorLine(b.err))
	}
	what := fmt.Sprintf("%s and %s below the Dockerfile's own are those of %s", plural(b.layers, "layer"), plural(b.entries, "history entry"), b.name())
	var out *Finding
	switch {
	case b.report == nil:
		out = finding(Unknown, "base-unverified", "%s, which was not verified", what)
	case b.report.Verdict == Failed:
		out = finding(Fail, "base-failed", "%s, and %s fails: %s", what, b.named, worstOf(b.report))
	case b.report.Verdict == Incomplete:
		out = finding(Unknown, "base-unverified", "%s, which is not verified: %s", what, worstOf(b.report))
	case b.otherName != "":
		out = finding(Warn, "base-name-differs", "%s, itself verified; the image's manifest calls its base %s", what, b.otherName)
	default:
		out = passed("%s, itself verified", what)
	}
	if b.img != nil && b.img.HasManifest() {
		out.with(Evidence{Kind: "digest", Value: b.img.Descriptor.Digest.String()})
	}
	if b.layers > 0 {
		out.with(Evidence{Kind: "digest", Value: b.chainID(f).String() + " (chain ID)"})
	}
	if b.report != nil && b.facts.judged().Matched() {
		out.with(originEvidence(b.facts.judged())...)
	}
	return out
}

// status makes a failure for some reason an unknown one.
func (f *Finding) status(unknown string) *Finding {
	if f.Reason == unknown {
		f.Status = Unknown
	}
	return f
}

// name is the base as a sentence has it.
func (b *baseFact) name() string {
	switch b.found {
	case byFlag:
		return fmt.Sprintf("%s (%s)", b.named, b.given)
	case byLayers:
		return b.named + " as the library had it built"
	}
	return b.named
}

// worstOf names what keeps an image from being verified.
func worstOf(img *Image) string {
	for _, f := range img.Findings {
		if f.Status == Fail || img.Verdict != Failed && f.Required && f.Status != Pass && !f.Accepted {
			return fmt.Sprintf("%s (%s)", f.Check, f.Reason)
		}
	}
	return "nothing of it could be checked"
}

// findFresh judges base.freshness: what the base's tag names now.
func findFresh(f *facts) *Finding {
	b := f.base
	if b == nil || b.now == nil {
		return nil
	}
	if b.now.err != nil {
		return libraryFreshness(b)
	}
	layers := b.layers
	if b.found == "" {
		layers, _ = lowest(f)
	}
	out := passed("%s still names an image of these layers", b.named)
	if !b.now.sameLayers(f.configFile().RootFS.DiffIDs[:layers]) {
		out = finding(Warn, "base-moved", "%s has moved on: it now names %s%s%s", b.named, b.now.digest, from(b.now.created), age(f, b))
		out.details().Pin = pinOf(b)
	}
	return out.with(Evidence{Kind: "digest", Value: b.now.digest.String()})
}

// libraryFreshness asks the library where the registry was not: whether the entry
// that the base was built from is the one in force.
func libraryFreshness(b *baseFact) *Finding {
	if b.report != nil && b.facts.judged().Matched() {
		if c := b.facts.judged().Candidate; c != nil {
			found := findCurrent(b.facts)
			if found != nil && found.Status == Warn {
				found.Reason = "base-moved"
				found.Summary = b.named + " has moved on: " + found.Summary
			}
			return found
		}
	}
	return finding(Unknown, reasonOf(b.now.err), "what %s names now was not asked: %s", b.named, b.now.err)
}

func from(created time.Time) string {
	if created.IsZero() {
		return ""
	}
	return " of " + date(created)
}

// age says how old the base is that the image stands on.
func age(f *facts, b *baseFact) string {
	_, entries := lowest(f)
	if entries == 0 {
		return ""
	}
	old := f.configFile().History[entries-1].Created.Time
	if b.config != nil && !b.config.Created.IsZero() {
		old = b.config.Created.Time
	}
	if old.IsZero() {
		return ""
	}
	text := "; the image's base is of " + date(old)
	if days := int(b.now.created.Sub(old).Hours() / 24); days > 0 {
		text += fmt.Sprintf(", %d days older", days)
	}
	return text
}

// pinOf is the base by the digest that its tag names now.
func pinOf(b *baseFact) string {
	repository, tag, _ := chain.Split(b.full)
	return shortReference(repository) + ":" + tag + "@" + b.now.digest.String()
}

// counts reports whether what was found about the base holds for its layers.
func (b *baseFact) counts() bool {
	return b != nil && b.facts != nil && b.err == nil && b.claimErr == nil && b.unsound() == ""
}

// restOfBase is what was not proved of the base and is no layer's: directives
// that left none by its history's account.
func restOfBase(f *facts) []Part {
	if !f.base.counts() {
		return nil
	}
	var out []Part
	for _, found := range f.base.report.Findings {
		if found.Check != "layer.content" || found.Details == nil {
			continue
		}
		for _, p := range found.Details.Parts {
			if p.Status != Pass && !strings.HasPrefix(p.Name, "layer ") {
				out = append(out, Part{"base image", p.Status, p.Reason, f.base.named + ": " + p.Name + ": " + p.Summary})
			}
		}
	}
	return out
}

// basePart judges a layer that is the base's, by what was found about it there.
func basePart(f *facts, i int, name string, c contentFact) Part {
	b := f.base
	if !b.counts() {
		text := "a layer of the base image " + c.what
		if b != nil && b.facts != nil {
			text += ", " + b.doubt()
		}
		return Part{name, Unknown, "base-unverified", text}
	}
	part := b.facts.accountedLayers()[i].part
	part.Name, part.Summary = name, "a layer of the base image "+c.what+": "+part.Summary
	return part
}
