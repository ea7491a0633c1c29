package image

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// errTooDeep says that JSON values stand in one another beyond MaxJSONDepth.
var errTooDeep = errors.New("JSON values stand too deep in one another")

// membersError says that an object's members can be read in two ways: readers
// differ in which of two equal names they take, and in whether letter case
// counts; Go's takes the last one and any case.
type membersError struct {
	name  string // as the object has it
	other string // the equal name before it, or the known one
	known bool   // other is the spelling of the specification
}

// Error is one line.
func (e *membersError) Error() string {
	switch {
	case e.known:
		return fmt.Sprintf("writes %.40q as %.40q", e.other, e.name)
	case e.name == e.other:
		return fmt.Sprintf("gives %.40q twice", e.name)
	}
	return fmt.Sprintf("gives %.40q beside %.40q", e.name, e.other)
}

// checkMembers refuses a document that could be read in two ways; kind is
// "manifest" or "config". That it is JSON to its end is for the decoder to see.
func checkMembers(kind string, raw []byte, s *shape, desc v1.Descriptor, where string) error {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	err := memberWalk{decoder}.value(s, 0)
	var members *membersError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &members):
		return formatError(kind, desc, where, members.Error(), members)
	case errors.Is(err, errTooDeep):
		return &LimitError{What: titled(kind, desc.Digest) + ": JSON values in one another", Limit: MaxJSONDepth}
	}
	return formatError(kind, desc, where, notJSON[kind], err)
}

// notJSON are the words for what the decoder refuses.
var notJSON = map[string]string{
	"manifest": "is not JSON of a manifest",
	"config":   "is not JSON of an image's config",
}

// memberWalk reads a document's tokens in order.
type memberWalk struct{ *json.Decoder }

// value reads one value. A list's elements are of the list's own shape.
func (w memberWalk) value(s *shape, depth int) error {
	token, err := w.Token()
	if err != nil {
		return err
	}
	delim, open := token.(json.Delim)
	if !open {
		return nil
	}
	if depth == MaxJSONDepth {
		return errTooDeep
	}
	if delim == '[' {
		return w.list(s, depth+1)
	}
	return w.object(s, depth+1)
}

func (w memberWalk) list(s *shape, depth int) error {
	for w.More() {
		if err := w.value(s, depth); err != nil {
			return err
		}
	}
	_, err := w.Token()
	return err
}

func (w memberWalk) object(s *shape, depth int) error {
	seen := map[string]string{}
	for w.More() {
		token, err := w.Token()
		if err != nil {
			return err
		}
		name, _ := token.(string) // the decoder takes nothing else here
		key := s.key(name)
		if other, again := seen[key]; again {
			return &membersError{name: name, other: other}
		}
		seen[key] = name
		inner, err := s.member(name, key)
		if err != nil {
			return err
		}
		if err := w.value(inner, depth); err != nil {
			return err
		}
	}
	_, err := w.Token()
	return err
}

// fold maps names that strings.EqualFold, and Go's decoder, take for one to one
// key.
func fold(name string) string { return strings.Map(foldRune, name) }

// foldRune returns the least of the runes that are a letter in either case.
func foldRune(r rune) rune {
	if 'A' <= r && r <= 'Z' || r < 'A' {
		return r
	}
	for {
		next := unicode.SimpleFold(r)
		if next <= r {
			return next
		}
		r = next
	}
}
