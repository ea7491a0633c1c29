package history

import (
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// BaseLabel reports whether the base image's entries leave the label at the
// value: the last of them that sets the label sets it to that.
func (a *Alignment) BaseLabel(key, value string) bool {
	found := false
	for _, r := range a.Rows {
		if r.Status != Base {
			continue
		}
		e := readEntry(v1.History{CreatedBy: r.Got})
		if e.name == "LABEL" && setsLabel(e.body, key) {
			found = setsLabel(e.body, key+"="+value)
		}
	}
	return found
}

// setsLabel reports whether "A=x y B=z" holds the pair, or a pair of the key.
func setsLabel(body, pair string) bool {
	wholePair := strings.Contains(pair, "=")
	for i := range body {
		if i > 0 && body[i-1] != ' ' {
			continue
		}
		rest, ok := strings.CutPrefix(body[i:], pair)
		switch {
		case !ok:
		case !wholePair && strings.HasPrefix(rest, "="):
			return true
		case wholePair && (rest == "" || rest[0] == ' ' && beginsPair(rest[1:])):
			return true
		}
	}
	return false
}
