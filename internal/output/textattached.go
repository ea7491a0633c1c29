package output

import (
	"fmt"
	"slices"
	"strings"

	"github.com/imageverify/verify"
)

// node is a line of a tree, and those below it. Its text is safe.
type node struct {
	mark  mark // the zero mark is not shown
	text  string
	below []node
}

// attached writes what is attached to the image as a tree.
func (c *canvas) attached(img *verify.Image) {
	if len(img.Signatures) == 0 {
		return
	}
	c.title("attached: " + signedHow(img))
	for i := range img.Signatures {
		s := &img.Signatures[i]
		for _, line := range fill(strings.Split("to the "+SafeText(s.What)+" "+c.abbreviate(SafeText(s.Digest)), " "), c.room(2)) {
			c.line("  " + line)
		}
		c.tree("  ", c.subjectNodes(s))
	}
}

// signedHow says whether the image itself was signed, an index that led to it, or
// neither, by signers that are accepted.
func signedHow(img *verify.Image) string {
	itself, through := false, false
	for i := range img.Signatures {
		s := &img.Signatures[i]
		itself = itself || s.Signed && s.What == "manifest"
		through = through || s.Signed && s.What == "index"
	}
	switch {
	case itself && through:
		return "signed itself, and through its index"
	case itself:
		return "signed itself"
	case through:
		return "signed through its index"
	}
	return "not signed by a signer that is accepted"
}

// tree writes nodes below one another, each line behind the prefix.
func (c *canvas) tree(prefix string, nodes []node) {
	for i, n := range nodes {
		branch, rest := "├─ ", "│  "
		if i == len(nodes)-1 {
			branch, rest = "└─ ", "   "
		}
		text := n.text
		head := strings.TrimSpace(n.mark.sign + " " + n.mark.word)
		if head != "" {
			text = strings.ReplaceAll(head, " ", "\u00a0") + " " + text
		}
		for j, line := range fill(strings.Split(text, " "), c.room(width(prefix)+3)) {
			if j == 0 && head != "" {
				line = c.paint(n.mark.color, head) + line[len(strings.ReplaceAll(head, " ", "\u00a0")):]
			}
			c.line(prefix + branch + line)
			branch = rest
		}
		c.tree(prefix+rest, n.below)
	}
}

// subjectNodes are what is attached to one manifest, and what is not known of it.
func (c *canvas) subjectNodes(s *verify.SignedSubject) []node {
	var nodes []node
	for i := range s.Attached {
		nodes = append(nodes, c.itemNode(&s.Attached[i], s.Digest))
	}
	for _, u := range s.Unread {
		nodes = append(nodes, node{mark: mark{"?", "not looked at", yellow}, text: c.problem(found(u.Found, u.Tag), u.Reason, u.Problem)})
	}
	if len(nodes) == 0 {
		nodes = []node{{text: "nothing"}}
	}
	return nodes
}

// kindNames are the kinds of attachments as people call them.
var kindNames = map[string]string{
	"signature":   "cosign signature",
	"attestation": "cosign attestation",
	"bundle":      "sigstore bundle",
	"notary":      "Notary Project signature",
	"buildkit":    "BuildKit's statements",
	"sbom":        "bill of materials",
	"artifact":    "artifact",
}

// found says how something was found.
func found(how, tag string) string {
	ways := map[string]string{"tag": "under the tag", "index": "in the index", "cosign-save": "as cosign saved it", "referrers": "as a referrer", "referrers-tag": "in the list under the tag"}
	way, ok := ways[how]
	if !ok {
		way = how
	}
	if tag != "" {
		way += " " + tag
	}
	return SafeText(way)
}

func (c *canvas) itemNode(item *verify.AttachedItem, subject string) node {
	kind, ok := kindNames[item.Kind]
	if !ok {
		kind = item.Kind
	}
	n := node{text: SafeText(kind)}
	if item.Kind == "artifact" && item.ArtifactType != "" {
		n.text += " of type " + SafeText(item.ArtifactType)
	}
	n.text = c.abbreviate(n.text + ", " + verify.FormatBytes(item.Size) + ", " + found(item.Found, item.Tag))
	if item.Digest != "" {
		n.text += " " + SafeText(item.Digest)
	}
	if c.Verbose {
		n.text += prefixed(", of type ", SafeText(item.ArtifactType))
	}
	if item.Reason != "" {
		n.mark = mark{"✗", "cannot be used:", red}
		n.text = c.problem(n.text, item.Reason, item.Problem)
	}
	for i := range item.Contents {
		n.below = append(n.below, c.contentNode(&item.Contents[i], subject))
	}
	if s := item.Signatures; s != nil {
		n.below = append(n.below, node{text: "attached to it", below: c.subjectNodes(s)})
	}
	return n
}

// problem joins what is wrong to what it is wrong with.
func (c *canvas) problem(what, reason, problem string) string {
	return what + ": " + SafeText(problem) + " (" + SafeText(reason) + ")"
}

// contentNode says who signed something, where that was verified; else who says
// so, and that it was not.
func (c *canvas) contentNode(x *verify.AttachedContent, subject string) node {
	n := node{mark: mark{"?", "not verified:", yellow}}
	switch {
	case x.Verified:
		n.mark = mark{"✓", "verified:", green}
		n.text = "by " + SafeText(x.Signer) + of(x.Says)
	case x.Says == nil && x.Reason == "":
		n = node{text: SafeText(x.MediaType) + ", " + verify.FormatBytes(x.Size)}
	case x.Says == nil:
		n.text = SafeText(x.MediaType) + ", " + verify.FormatBytes(x.Size)
	case !x.Says.Signed:
		n.mark = mark{"·", "not signed:", dim}
		n.text = says(x.Says, subject)
	default:
		n.text = says(x.Says, subject)
	}
	if c.Verbose {
		n.text += allOf(x, subject)
	}
	if x.Reason != "" {
		n.text += " (" + SafeText(x.Reason) + prefixed(": ", SafeText(x.Problem)) + ")"
	}
	return n
}

// allOf is what only few ask for.
func allOf(x *verify.AttachedContent, subject string) string {
	text := " [" + SafeText(x.MediaType) + " " + SafeText(x.Digest) + "]"
	if x.Says == nil {
		return text
	}
	if x.Verified {
		text += "; " + says(x.Says, subject)
	}
	for _, digest := range x.Says.Subjects {
		text += " about " + SafeText(digest)
	}
	return text
}

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

// of is what a statement is of, or nothing.
func of(s *verify.SignatureSays) string {
	if s == nil || s.PredicateType == "" {
		return ""
	}
	return ", " + SafeText(s.PredicateType)
}

// says is everything that a signature says of itself, as its own words.
func says(s *verify.SignatureSays, subject string) string {
	var parts []string
	add := func(format, value string) {
		if value != "" {
			parts = append(parts, fmt.Sprintf(format, SafeText(value)))
		}
	}
	add("%s", s.PredicateType)
	add("says it is by %s", s.Signer)
	add("vouched for by %s", s.Issuer)
	if s.Time != nil {
		parts = append(parts, "at "+moment(*s.Time))
	}
	if s.LogIndex != nil {
		parts = append(parts, fmt.Sprintf("log entry %d", *s.LogIndex))
	}
	if s.Timestamps > 0 {
		parts = append(parts, plural(s.Timestamps, "timestamp"))
	}
	add("says it was built by %s", s.Builder)
	add("names the repository %s", s.Reference)
	if len(s.Subjects) > 0 && !slices.Contains(s.Subjects, subject) {
		add("is about another digest, %s", s.Subjects[0])
	}
	if len(parts) == 0 {
		return "says nothing of its signer"
	}
	return strings.Join(parts, ", ")
}
