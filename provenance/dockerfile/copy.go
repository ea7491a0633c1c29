package dockerfile

import (
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

// copied is a Copy with the words as they are printed.
type copied struct {
	Copy
	paths  []string // sources as written, expanded, here-documents left out
	inline []string // names of the here-documents, in order
	dest   string   // as written, expanded
	raw    string   // dest, not expanded
}

func expandAdd(s *state, c instructions.Command) (*value, error) {
	add := c.(*instructions.AddCommand)
	out, err := s.expandCopied(add.SourcesAndDest, add.Chown, add.Chmod)
	if err != nil {
		return nil, err
	}
	out.Add, out.Link, out.Exclude, out.Unpack = true, add.Link, add.ExcludePatterns, add.Unpack
	if out.Checksum, err = s.expand(add.Checksum); err != nil {
		return nil, err
	}
	return &value{copy: out}, nil
}

func expandCopy(s *state, c instructions.Command) (*value, error) {
	from := c.(*instructions.CopyCommand)
	out, err := s.expandCopied(from.SourcesAndDest, from.Chown, from.Chmod)
	if err != nil {
		return nil, err
	}
	out.From, out.Link, out.Parents, out.Exclude = from.From, from.Link, from.Parents, from.ExcludePatterns
	return &value{copy: out}, nil
}

func (s *state) expandCopied(in instructions.SourcesAndDest, chown, chmod string) (*copied, error) {
	out := &copied{raw: in.DestPath}
	for _, source := range in.SourcePaths {
		p, err := s.expand(source)
		if err != nil {
			return nil, err
		}
		out.paths = append(out.paths, p)
		out.Sources = append(out.Sources, inContext(p))
	}
	if err := s.expandInline(in.SourceContents, out); err != nil {
		return nil, err
	}
	for _, word := range []struct {
		in  string
		out *string
	}{{in.DestPath, &out.dest}, {chown, &out.Chown}, {chmod, &out.Chmod}} {
		var err error
		if *word.out, err = s.expand(word.in); err != nil {
			return nil, err
		}
	}
	out.Dest = s.absolute(out.dest)
	out.DestIsDir = out.dest == "" || out.dest == "." || strings.HasSuffix(out.dest, "/") || strings.HasSuffix(out.dest, "/.")
	return out, nil
}

// expandInline takes up the here-documents.
func (s *state) expandInline(in []instructions.SourceContent, out *copied) error {
	for _, doc := range in {
		text := doc.Data
		if doc.Expand {
			var err error
			if text, err = s.expandRaw(text); err != nil {
				return err
			}
		}
		if out.Inline == nil {
			out.Inline = map[string]string{}
		}
		out.Inline[doc.Path] = text
		out.inline = append(out.inline, doc.Path)
		out.Sources = append(out.Sources, doc.Path)
	}
	return nil
}

// inContext is the source as a path below the context's root.
func inContext(source string) string {
	trimmed := strings.TrimLeft(source, "/")
	if trimmed == "" {
		return "."
	}
	return trimmed
}
