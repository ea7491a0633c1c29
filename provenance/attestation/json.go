package attestation

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// MaxDepth bounds how deep JSON values lie in one another.
const MaxDepth = 64

// Error says what is wrong with a document, or in what it is not what was expected.
type Error struct {
	// Reason is a code in kebab-case, one of the reasons of this package.
	Reason string
	// Detail is one line; foreign text in it is not yet escaped.
	Detail string
}

// Error is the line.
func (e *Error) Error() string { return e.Detail }

func errorf(reason, format string, args ...any) *Error {
	return &Error{reason, fmt.Sprintf(format, args...)}
}

// in says where in a document an error is, and keeps its reason.
func in(where string, err error) error {
	if e, ok := errors.AsType[*Error](err); ok {
		return errorf(e.Reason, "%s: %s", where, e.Detail)
	}
	return errorf(Malformed, "%s: %v", where, err)
}

// CheckJSON refuses what encoding/json would take and another reader could read
// otherwise: a name twice in one object, text that is not UTF-8, anything after the
// value, values more than MaxDepth deep. The error is an *Error where it is about one of
// these.
func CheckJSON(data []byte) error {
	if !utf8.Valid(data) {
		return errorf(Malformed, "not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := walk(d, 0); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errorf(Malformed, "something follows the JSON value")
	}
	return nil
}

func walk(d *json.Decoder, depth int) error {
	if depth > MaxDepth {
		return errorf(OverLimit, "JSON values more than %d deep", MaxDepth)
	}
	t, err := d.Token()
	if err != nil {
		return unexpected(err)
	}
	switch t {
	case json.Delim('{'):
		return walkObject(d, depth)
	case json.Delim('['):
		for d.More() {
			if err := walk(d, depth+1); err != nil {
				return err
			}
		}
		_, err := d.Token()
		return unexpected(err)
	}
	return nil
}

func walkObject(d *json.Decoder, depth int) error {
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return unexpected(err)
		}
		name, _ := t.(string)
		if seen[name] {
			return errorf(Ambiguous, "the name %q stands twice in one object", name)
		}
		seen[name] = true
		if err := walk(d, depth+1); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return unexpected(err)
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// decode reads a document into maps, whose names are then compared letter by letter.
func decode(data []byte, limit int) (any, error) {
	if len(data) > limit {
		return nil, errorf(OverLimit, "more than %d bytes", limit)
	}
	if err := CheckJSON(data); err != nil {
		return nil, in("JSON", err)
	}
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		return nil, in("JSON", err)
	}
	return v, nil
}

// object is a JSON object by its exact names.
type object map[string]any

// reader reads values out of a decoded document and keeps the first thing that is wrong.
type reader struct{ err error }

func (r *reader) fail(reason, format string, args ...any) {
	if r.err == nil {
		r.err = errorf(reason, format, args...)
	}
}

// object reads an object; an absent one is empty. Its names pass CheckNames.
func (r *reader) object(v any, where string, known ...string) object {
	if v == nil {
		return nil
	}
	o, ok := v.(map[string]any)
	if !ok {
		r.fail(Malformed, "%s is no object", where)
		return nil
	}
	if err := CheckNames(o, known...); err != nil && r.err == nil {
		r.err = in(where, err)
	}
	return o
}

// CheckNames refuses a name in an object that is one of known but for its letter case:
// encoding/json and some other readers take it for the known one. The error is an *Error.
func CheckNames[V any](o map[string]V, known ...string) error {
	for name := range o {
		for _, k := range known {
			if name != k && strings.EqualFold(name, k) {
				return errorf(Ambiguous, "the name %q is %q in other letters", name, k)
			}
		}
	}
	return nil
}

// list reads an array; an absent one is empty, one that is null is refused.
func (r *reader) list(o object, name string) []any {
	v, ok := o[name]
	if !ok {
		return nil
	}
	l, ok := v.([]any)
	if !ok {
		r.fail(Malformed, "%q is no array", name)
	}
	return l
}

// text reads a string; an absent one is "".
func (r *reader) text(o object, name string) string {
	v, ok := o[name]
	if !ok || v == nil {
		return ""
	}
	s, ok := v.(string)
	if !ok {
		r.fail(Malformed, "%q is no string", name)
	}
	return s
}

// digests reads a map of algorithms to hashes.
func (r *reader) digests(v any, where string) map[string]string {
	out := map[string]string{}
	for algorithm, h := range r.object(v, where, "sha256", "sha512", "sha384", "sha1", "gitCommit") {
		hash, ok := h.(string)
		if !ok {
			r.fail(Malformed, "%s: %q is no string", where, algorithm)
		}
		if n := hexLengths[algorithm]; n > 0 && !lowerHex(hash, n) {
			r.fail(Malformed, "%s: %q is not %d hexadecimal digits in lower case", where, algorithm, n)
		}
		out[algorithm] = hash
	}
	return out
}

var hexLengths = map[string]int{"sha256": 64, "sha384": 96, "sha512": 128}

func lowerHex(s string, n int) bool {
	return len(s) == n && strings.Trim(s, "0123456789abcdef") == ""
}

// DecodeBase64 reads the standard or the URL alphabet, as DSSE allows, with padding and
// without line breaks.
func DecodeBase64(text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") {
		return nil, errorf(Malformed, "line breaks in base64")
	}
	data, err := base64.StdEncoding.Strict().DecodeString(text)
	if err == nil {
		return data, nil
	}
	if data, urlErr := base64.URLEncoding.Strict().DecodeString(text); urlErr == nil {
		return data, nil
	}
	return nil, err
}
