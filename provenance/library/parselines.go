package library

import (
	"fmt"
	"strings"
)

// parseLines reads the two older forms, which have a line a tag and know no
// architecture:
//
//	TAG: URL@COMMIT [DIRECTORY]
//	TAG <tab> URL [B:BRANCH | C:COMMIT | T:TAG]
func (f *File) parseLines(text string) error {
	n := 0
	for line := range strings.Lines(text) {
		n++
		if skipped(line) {
			continue
		}
		if len(f.paragraphs) == maxParagraphs {
			return &ParseError{n, fmt.Sprintf("more than %d paragraphs", maxParagraphs)}
		}
		words := strings.Fields(line)
		tag, isNewer := strings.CutSuffix(words[0], ":")
		read := oldestLine
		if isNewer {
			read = olderLine
		}
		fields, ok := read(words[1:])
		if !ok || tag == "" {
			return &ParseError{n, "neither a field nor a tag with its repository: " + short(strings.TrimSpace(line))}
		}
		f.paragraphs = append(f.paragraphs, paragraph{
			tags: []string{tag}, architectures: []string{"amd64"}, fields: fields,
		})
	}
	return nil
}

// olderLine reads URL@COMMIT [DIRECTORY]. The commit may be a branch or tag.
func olderLine(words []string) (map[string]string, bool) {
	if len(words) < 1 || len(words) > 2 {
		return nil, false
	}
	at := strings.LastIndexByte(words[0], '@')
	if at <= 0 || at == len(words[0])-1 || !strings.Contains(words[0][:at], "://") {
		return nil, false
	}
	fields := map[string]string{"gitrepo": words[0][:at], "gitcommit": words[0][at+1:]}
	if len(words) == 2 {
		fields["directory"] = words[1]
	}
	return fields, true
}

// oldestLine reads URL [B:BRANCH | C:COMMIT | T:TAG]; without either it means
// the default branch.
func oldestLine(words []string) (map[string]string, bool) {
	if len(words) < 1 || len(words) > 2 || !strings.Contains(words[0], "://") {
		return nil, false
	}
	fields := map[string]string{"gitrepo": words[0], "gitcommit": "HEAD"}
	if len(words) == 1 {
		return fields, true
	}
	what, name, ok := strings.Cut(words[1], ":")
	switch {
	case !ok || name == "":
		return nil, false
	case what == "B":
		fields["gitcommit"] = "refs/heads/" + name
	case what == "T":
		fields["gitcommit"] = "refs/tags/" + name
	case what == "C":
		fields["gitcommit"] = name
	default:
		return nil, false
	}
	return fields, true
}
