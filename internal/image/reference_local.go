package image

import (
	"fmt"
	"io/fs"
	"os"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// localReference is a reference to a layout or an archive, parsed.
type localReference struct {
	kind   string // KindLayout, KindArchive or KindDockerArchive
	path   string
	ref    string // what follows ":", or ""
	digest v1.Hash
}

// where names the layout in messages.
func (r localReference) where() string { return r.kind + ":" + r.path }

// parseLocal parses what follows "oci:" or "oci-archive:": a path that may hold
// colons and at signs itself. It ends at the first one of them before which there
// is an existing directory (or file, for an archive).
func parseLocal(given, kind string) (localReference, error) {
	text := given[len(kind)+1:]
	for i := range len(text) + 1 {
		atEnd := i == len(text)
		if !atEnd && text[i] != ':' && text[i] != '@' {
			continue
		}
		if !isKindOfPath(text[:i], kind) {
			continue
		}
		ref := localReference{kind: kind, path: text[:i]}
		if atEnd {
			return ref, nil
		}
		return ref, ref.setSuffix(given, text[i], text[i+1:])
	}
	return localReference{}, missingPath(given, kind, text)
}

// setSuffix sets what follows the path.
func (r *localReference) setSuffix(given string, delimiter byte, suffix string) error {
	if suffix == "" {
		return &ReferenceError{Given: given, Problem: fmt.Sprintf("nothing follows the last %q", delimiter)}
	}
	if delimiter == ':' {
		r.ref = suffix
		return nil
	}
	h, err := v1.NewHash(suffix)
	if err != nil {
		return &ReferenceError{Given: given, Problem: "what follows @ is not a digest",
			Advice: "a digest is sha256: and 64 hexadecimal digits", Err: err}
	}
	r.digest = h
	return nil
}

// isKindOfPath reports whether a path is what a kind of reference opens.
func isKindOfPath(path, kind string) bool {
	info, err := os.Stat(path)
	if path == "" || err != nil {
		return false
	}
	if kind == KindLayout {
		return info.IsDir()
	}
	return info.Mode().IsRegular()
}

// missingPath says why no path in text can be opened.
func missingPath(given, kind, text string) error {
	path := text
	if i := strings.IndexAny(text, ":@"); i >= 0 {
		path = text[:i]
	}
	e := &ReferenceError{Given: given, Err: fs.ErrNotExist}
	info, err := os.Stat(path)
	switch {
	case path == "":
		e.Problem, e.Err = "names no path", nil
	case err != nil && kind == KindLayout:
		e.Problem = fmt.Sprintf("there is no directory %q", path)
	case err != nil:
		e.Problem = fmt.Sprintf("there is no file %q", path)
	case info.IsDir():
		e.Problem, e.Advice, e.Err = "is a directory", "for a layout directory write oci:"+path, nil
	case info.Mode().IsRegular():
		e.Problem, e.Advice, e.Err = "is not a directory", "for a tar archive write oci-archive:"+path+" or docker-archive:"+path, nil
	default:
		e.Problem, e.Err = "is not a regular file", nil
	}
	return e
}
