package output

import (
	"regexp"
	"strings"
)

// idPattern finds digests and git ids, without their algorithm.
var idPattern = regexp.MustCompile(`\b[0-9a-f]{40,128}\b`)

// idDigits is how many digits are left of an id that stands in full elsewhere.
const idDigits = 12

// abbreviate shortens the ids in a text that the image's part of the report has
// shown in full before, unless every fact is to be shown in full. What fails is
// never abbreviated: there an id may have been chosen to look like another one.
func (c *canvas) abbreviate(text string) string {
	if c.Verbose {
		return text
	}
	return idPattern.ReplaceAllStringFunc(text, func(id string) string {
		if c.ids[id] {
			return shortHex(id)
		}
		c.ids[id] = true
		return id
	})
}

// note remembers the ids of a text that is shown as it is.
func (c *canvas) note(text string) {
	for _, id := range idPattern.FindAllString(text, -1) {
		c.ids[id] = true
	}
}

func shortHex(id string) string { return id[:idDigits] + "…" }

// short shortens an id that is shown in full elsewhere, its algorithm kept.
func short(id string) string { return idPattern.ReplaceAllStringFunc(id, shortHex) }

// withinOrigin drops the origin's repository from a value that names an object
// in it, which leaves what git itself calls it: COMMIT:PATH.
func withinOrigin(value string, repository *string) string {
	if repository == nil || *repository == "" {
		return value
	}
	if rest, ok := strings.CutPrefix(value, *repository+"#"); ok && rest != "" {
		return rest
	}
	return value
}
