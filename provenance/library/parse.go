package library

import (
	"fmt"
	"io"
	"maps"
	"strings"
)

const (
	maxFile       = 4 << 20
	maxParagraphs = 10_000
	maxTags       = 10_000 // of one file, for all architectures together
)

// ParseError says what is wrong with a library file, and where. Line counts
// from 1; 0 is the file as a whole.
type ParseError struct {
	Line int
	Text string
}

func (e *ParseError) Error() string {
	if e.Line == 0 {
		return "library file: " + e.Text
	}
	return fmt.Sprintf("library file, line %d: %s", e.Line, e.Text)
}

// Parse reads a library file: paragraphs of fields as in RFC 2822, or one of
// the two older forms with a line a tag. It reads at most 4 MiB.
func Parse(r io.Reader) (*File, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, err
	}
	return parse(string(data))
}

func parse(text string) (*File, error) {
	if len(text) > maxFile {
		return nil, &ParseError{Text: fmt.Sprintf("larger than %d bytes", maxFile)}
	}
	f := new(File)
	if !hasFields(text) {
		return f, f.parseLines(text)
	}
	return f, f.parseFields(text)
}

// fieldNames are the fields that may come first in a file of paragraphs. In the
// older forms a line begins with a tag.
var fieldNames = map[string]bool{
	"maintainers": true, "tags": true, "sharedtags": true, "architectures": true,
	"gitrepo": true, "gitfetch": true, "gitcommit": true, "directory": true,
	"file": true, "builder": true, "constraints": true,
}

// hasFields tells the forms apart by their first line that says something.
func hasFields(text string) bool {
	for line := range strings.Lines(text) {
		if skipped(line) {
			continue
		}
		name, _, ok := strings.Cut(line, ":")
		name = strings.TrimSpace(name)
		_, own, arch := strings.Cut(name, "-")
		return ok && (fieldNames[strings.ToLower(name)] || arch && fieldNames[strings.ToLower(own)])
	}
	return false
}

// skipped reports whether a line is empty or a comment.
func skipped(line string) bool {
	line = strings.TrimSpace(line)
	return line == "" || line[0] == '#'
}

// parseFields reads paragraphs. The first gives what the others inherit, field
// by field, an architecture's own fields included.
func (f *File) parseFields(text string) error {
	blocks, err := splitParagraphs(text)
	if err != nil {
		return err
	}
	defaults := blocks[0]
	if defaults.fields["tags"] != "" {
		defaults = block{fields: map[string]string{}} // a file without a first paragraph
	} else {
		blocks = blocks[1:]
	}
	tags := 0
	for _, b := range blocks {
		fields := maps.Clone(defaults.fields)
		maps.Copy(fields, b.fields)
		p := paragraph{
			tags: splitList(fields["tags"]), sharedTags: splitList(fields["sharedtags"]),
			architectures: splitList(fields["architectures"]), fields: fields,
		}
		if len(p.architectures) == 0 {
			p.architectures = []string{"amd64"}
		}
		if tags += len(p.tags) + len(p.sharedTags); tags > maxTags {
			return &ParseError{b.line, fmt.Sprintf("more than %d tags", maxTags)}
		}
		if err := p.check(b.line); err != nil {
			return err
		}
		f.paragraphs = append(f.paragraphs, p)
	}
	return nil
}

func (p paragraph) check(line int) error {
	if len(p.tags) == 0 {
		return &ParseError{line, "paragraph without Tags"}
	}
	for _, arch := range p.architectures {
		e := p.entry(arch)
		if e.Repository == "" {
			return &ParseError{line, "no GitRepo for " + short(arch)}
		}
		if e.Commit == "" && e.Fetch == "" {
			return &ParseError{line, "no GitCommit for " + short(arch)}
		}
	}
	return nil
}

// block is a paragraph as it stands in the file.
type block struct {
	line   int
	fields map[string]string // lower-case name to value, continuation lines joined by spaces
}

// splitParagraphs takes a file apart as the library's own tools do: an empty
// line ends a paragraph, one of spaces does not; of a field that is given twice
// the last counts.
func splitParagraphs(text string) ([]block, error) {
	var blocks []block
	open, last, n := false, "", 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimRight(line, "\r\n")
		content := strings.TrimSpace(line)
		switch {
		case line == "":
			open = false
			continue
		case content == "" || content[0] == '#':
			continue
		case !open:
			if open, last = true, ""; len(blocks) == maxParagraphs {
				return nil, &ParseError{n, fmt.Sprintf("more than %d paragraphs", maxParagraphs)}
			}
			blocks = append(blocks, block{n, map[string]string{}})
		}
		fields := blocks[len(blocks)-1].fields
		if line[0] == ' ' || line[0] == '\t' {
			if last == "" {
				return nil, &ParseError{n, "continuation of no field"}
			}
			fields[last] = strings.TrimSpace(fields[last] + " " + content)
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		last = strings.ToLower(strings.TrimSpace(name))
		if !ok || last == "" || strings.ContainsAny(last, " \t") {
			return nil, &ParseError{n, "not a field: " + short(line)}
		}
		fields[last] = strings.TrimSpace(value)
	}
	return blocks, nil
}

// splitList splits a list at its commas.
func splitList(text string) []string {
	var out []string
	for _, item := range strings.Split(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			out = append(out, item)
		}
	}
	return out
}

// short quotes a piece of the file for a message.
func short(text string) string { return fmt.Sprintf("%.60q", text) }
