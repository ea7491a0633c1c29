package output

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/imageverify/verify"
)

// ErrorDocument is what JSON output holds where there is no report.
type ErrorDocument struct {
	// SchemaVersion is the version of this form.
	SchemaVersion int `json:"schemaVersion"`
	// Error says what kept the program from running.
	Error verify.RunError `json:"error"`
}

// jsonDocument encodes v, indented by two spaces and ended by a newline.
func jsonDocument(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(withoutNil(reflect.ValueOf(v)).Interface()); err != nil {
		return nil, fmt.Errorf("encode as JSON: %w", err)
	}
	return safeJSON(buf.Bytes()), nil
}

// withoutNil copies v with an empty slice or map for every nil one, so that a
// reader never meets null where a list belongs. Pointers may be nil: null means
// something there. It goes by reflection because fields are added to the report
// in every version.
func withoutNil(v reflect.Value) reflect.Value {
	out := reflect.New(v.Type()).Elem()
	out.Set(v)
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			out.Set(reflect.New(v.Type().Elem()))
			out.Elem().Set(withoutNil(v.Elem()))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				out.Field(i).Set(withoutNil(v.Field(i)))
			}
		}
	case reflect.Slice:
		out.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
		for i := range v.Len() {
			out.Index(i).Set(withoutNil(v.Index(i)))
		}
	case reflect.Map:
		if v.IsNil() {
			out.Set(reflect.MakeMap(v.Type()))
		}
	}
	return out
}

// safeJSON is the one function that makes foreign text in JSON safe for
// terminals and logs. It loses nothing: what cannot be seen, and what would
// begin a workflow command, is written as \u escapes. Such characters occur
// inside of strings only, newlines from the indentation apart.
func safeJSON(data []byte) []byte {
	out := make([]byte, 0, len(data))
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		if r != '\n' && (hidden(r) || r == '#' && beginsCommand(data[i:])) {
			for _, unit := range utf16.AppendRune(nil, r) {
				out = fmt.Appendf(out, `\u%04x`, unit)
			}
		} else {
			out = append(out, data[i:i+n]...)
		}
		i += n
	}
	return out
}
