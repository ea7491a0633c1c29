package buildhash

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"strings"
)

// Ignoring says how .dockerignore works on a context.
type Ignoring int

const (
	// IgnoreClassic is the classic client's way: excluded files are not sent;
	// an excluded directory is looked into only for an exception that begins
	// with its name.
	IgnoreClassic Ignoring = iota
	// IgnoreBuildKit is BuildKit's way with a local context: as above, and an
	// exception with wildcards can reach into any directory.
	IgnoreBuildKit
	// IgnorePiped is for a context that came as an archive or from git:
	// nothing is excluded but .dockerignore and the Dockerfile where they
	// match.
	IgnorePiped
	// IgnoreNothing is for a context that BuildKit fetched itself.
	IgnoreNothing
)

const (
	ignoreName     = ".dockerignore"
	dockerfileName = "Dockerfile"
	// maxIgnoreFile bounds .dockerignore in bytes.
	maxIgnoreFile = 1 << 20
	// maxIgnorePatterns bounds its patterns: each is tried on every path.
	maxIgnorePatterns = 2_000
	// maxIgnorePattern bounds one line in bytes, as Linux bounds a path.
	maxIgnorePattern = 4096
)

var errIgnoreTooLong = fmt.Errorf("more than %d bytes, %d patterns or %d bytes in a line", maxIgnoreFile, maxIgnorePatterns, maxIgnorePattern)

// ignoreList is a parsed .dockerignore; nil excludes nothing.
type ignoreList struct {
	patterns []ignorePattern
}

// ignorePattern is one line: a pattern, or with exception set one that was
// written with "!".
type ignorePattern struct {
	exception bool
	text      string
	match     *regexp.Regexp
}

func readIgnore(fsys fs.FS) (*ignoreList, error) {
	info, err := fs.Lstat(fsys, ignoreName)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	f, err := fsys.Open(ignoreName)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxIgnoreFile+1))
	if err != nil {
		return nil, err
	}
	return parseIgnore(data)
}

// parseIgnore reads the lines of a .dockerignore: comments begin with "#" in
// the first column, patterns are trimmed and cleaned, a leading slash means
// nothing.
func parseIgnore(data []byte) (*ignoreList, error) {
	if len(data) > maxIgnoreFile {
		return nil, errIgnoreTooLong
	}
	list := &ignoreList{}
	lines := bufio.NewScanner(bytes.NewReader(bytes.TrimPrefix(data, []byte("\uFEFF"))))
	lines.Buffer(nil, maxIgnoreFile+1)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "#") || strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		if len(lines.Bytes()) > maxIgnorePattern {
			return nil, errIgnoreTooLong
		}
		p, err := parsePattern(strings.TrimSpace(lines.Text()))
		if err != nil {
			return nil, err
		}
		if list.patterns = append(list.patterns, p); len(list.patterns) > maxIgnorePatterns {
			return nil, errIgnoreTooLong
		}
	}
	return list, lines.Err()
}

func parsePattern(line string) (ignorePattern, error) {
	var p ignorePattern
	text, exception := strings.CutPrefix(line, "!")
	if text = strings.TrimSpace(text); text == "" {
		return p, fmt.Errorf("pattern %q names nothing", line)
	}
	text = path.Clean(text)
	if len(text) > 1 {
		text = strings.TrimPrefix(text, "/")
	}
	if !exception { // "/!a" is an exception too: the slash goes first
		text, exception = strings.CutPrefix(text, "!")
	}
	if text == "" || exception && text == "/" {
		return p, fmt.Errorf("pattern %q names nothing", line)
	}
	if _, err := path.Match(text, "."); err != nil {
		return p, fmt.Errorf("pattern %q: %w", line, err)
	}
	match, err := compilePattern(text)
	if err != nil {
		return p, fmt.Errorf("pattern %q: %w", line, err)
	}
	return ignorePattern{exception: exception, text: text, match: match}, nil
}

// compilePattern turns a pattern into an expression: "*" and "?" stop at a
// separator, "**" crosses any number of directories, even none, and stands for
// everything at the end.
func compilePattern(text string) (*regexp.Regexp, error) {
	var b strings.Builder
	b.WriteString(`\A(?s:`)
	if rest, ok := strings.CutPrefix(text, "**"); ok && !strings.HasPrefix(rest, "/") && !HasWildcards(rest) {
		b.WriteString(".*") // "**name" is any path that ends in name
		text = rest
	}
	for i := 0; i < len(text); {
		expression, used := patternElement(text[i:])
		b.WriteString(expression)
		i += used
	}
	b.WriteString(`)\z`)
	return regexp.Compile(b.String())
}

// patternElement returns the expression for what text begins with, and how
// many bytes that is.
func patternElement(text string) (expression string, used int) {
	switch c := text[0]; {
	case text == "**":
		return ".*", 2
	case strings.HasPrefix(text, "**/"):
		return "(.*/)?", 3
	case strings.HasPrefix(text, "**"):
		return "(.*/)?", 2
	case c == '*':
		return "[^/]*", 1
	case c == '?':
		return "[^/]", 1
	case c == '\\' && len(text) > 1:
		return regexp.QuoteMeta(text[1:2]), 2
	case strings.IndexByte("[]^", c) >= 0:
		return text[:1], 1
	}
	return regexp.QuoteMeta(text[:1]), 1
}

// excludes reports whether the last pattern that matches the path, or a
// directory above it, is not an exception.
func (l *ignoreList) excludes(name string) bool {
	if l == nil || len(l.patterns) == 0 || name == "." {
		return false
	}
	matched := make([]bool, len(l.patterns))
	excluded := false
	for end := 0; end < len(name); {
		if next := strings.IndexByte(name[end+1:], '/'); next >= 0 {
			end += 1 + next
		} else {
			end = len(name)
		}
		excluded = l.step(name[:end], matched)
	}
	return excluded
}

// step judges one path, given which patterns matched the directory above it;
// matched becomes those that match the path. A pattern that could not change
// the outcome is not tried, so it does not count as matched further down.
func (l *ignoreList) step(name string, matched []bool) bool {
	excluded := false
	for i, p := range l.patterns {
		if !matched[i] {
			if p.exception != excluded {
				continue
			}
			matched[i] = p.match.MatchString(name)
		}
		if matched[i] {
			excluded = !p.exception
		}
	}
	return excluded
}

// reincludes reports whether an exception may lead into the excluded directory
// dir.
func (l *ignoreList) reincludes(dir string, anywhere bool) bool {
	if l == nil {
		return false
	}
	for _, p := range l.patterns {
		if !p.exception {
			continue
		}
		if strings.HasPrefix(p.text+"/", dir+"/") || anywhere && HasWildcards(p.text) {
			return true
		}
	}
	return false
}
