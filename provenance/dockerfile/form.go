package dockerfile

import (
	"net/url"
	"strings"
)

// The dialects: the texts a builder writes into history are those of the
// classic Docker builder, of BuildKit, or of buildah (and podman), never of two
// in one build.
const (
	Classic  = "classic"
	BuildKit = "buildkit"
	Buildah  = "buildah"
)

// Dialects lists every dialect, in the order of their history.
func Dialects() []string { return []string{Classic, BuildKit, Buildah} }

// Form is one text that a directive may leave in history.
type Form struct {
	// Dialect is the builder that writes it: one of Dialects.
	Dialect string
	// Text is created_by, with Hash where the builder writes a content hash
	// and Hole(name) where a value is not known.
	Text string
	// NoEntry is true where the builder leaves no entry at all, or, beside other
	// Forms of its dialect, may leave none; Text is "".
	NoEntry bool
}

// Hash stands in a Form's Text for the content hash ("file:…", "dir:…",
// "multi:…") that the classic builder writes.
const Hash = "\x00HASH\x00"

// MountDigest stands in a Form's Text for the digest of what a RUN mounts from
// its context, which buildah writes behind the command.
const MountDigest = "\x00DIGEST\x00"

// WorkingDirHole is the hole that stands for the base image's working
// directory. It is no variable's name.
const WorkingDirHole = "base working directory"

// Hole is what stands in a text for the value of a variable that only the base
// image knows. A Dockerfile cannot contain one: NUL is refused by Parse.
func Hole(name string) string {
	return mark + "$" + url.QueryEscape(name) + mark
}

const mark = "\x00"

// Part is a piece of a Form's Text: literal text, the content hash, a digest,
// or a hole.
type Part struct {
	Literal string
	Hash    bool
	Digest  bool   // of a mount, see MountDigest
	Hole    string // the hole's name; "" for the others
}

// Parts takes the text apart. No two literals are neighbours.
func (f Form) Parts() []Part { return Parts(f.Text) }

// Parts takes a text with holes apart. No two literals are neighbours.
func Parts(text string) []Part {
	var parts []Part
	for i, piece := range strings.Split(text, mark) {
		switch {
		case i%2 == 0 && piece != "":
			parts = append(parts, Part{Literal: piece})
		case i%2 == 1 && strings.HasPrefix(piece, "$"):
			name, err := url.QueryUnescape(piece[1:])
			if err != nil {
				name = piece[1:]
			}
			parts = append(parts, Part{Hole: name})
		case i%2 == 1:
			parts = append(parts, Part{Hash: piece != "DIGEST", Digest: piece == "DIGEST"})
		}
	}
	return parts
}

// HasHole reports whether the text holds a hole.
func HasHole(text string) bool { return strings.Contains(text, mark+"$") }

// Readable is the text for people: "$NAME" for a hole, "file:…" for the hash.
func Readable(text string) string {
	if !strings.Contains(text, mark) {
		return text
	}
	var b strings.Builder
	for _, p := range Parts(text) {
		switch {
		case p.Hash:
			b.WriteString("file:…")
		case p.Digest:
			b.WriteString("sha256:…")
		case p.Hole == WorkingDirHole:
			b.WriteString("…")
		case p.Hole != "":
			b.WriteString(spelled(p.Hole))
		default:
			b.WriteString(p.Literal)
		}
	}
	return b.String()
}

// spelled writes a hole's name as a Dockerfile would.
func spelled(hole string) string {
	if plainName(hole) {
		return "$" + hole
	}
	return "${" + hole + "}"
}

func plainName(s string) bool {
	for i, c := range []byte(s) {
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}
