package rebuild

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// Difference is the first thing in which two documents or archives differ.
type Difference struct {
	// Path is the entry of an archive, or the value's path in a document, such
	// as config.Env[1]; Field what of an entry differs.
	Path, Field string
	// A and B are the two values, for a human reader; they can hold foreign
	// text.
	A, B string
}

// maxValue is how many bytes of a value are shown.
const maxValue = 200

// DiffJSON returns the first difference between two documents, by the order of
// names; nil where they are the same, byte for byte. Documents that differ in
// spelling only differ in the field "spelling".
func DiffJSON(a, b []byte) *Difference {
	if bytes.Equal(a, b) {
		return nil
	}
	var left, right any
	if json.Unmarshal(a, &left) == nil && json.Unmarshal(b, &right) == nil {
		if d := diffValues("", left, right); d != nil {
			return d
		}
	}
	at := 0
	for at < min(len(a), len(b)) && a[at] == b[at] {
		at++
	}
	return &Difference{Field: "spelling", A: shown(string(a[at:])), B: shown(string(b[at:]))}
}

// diffValues descends into two values at a path.
func diffValues(at string, a, b any) *Difference {
	switch left := a.(type) {
	case map[string]any:
		if right, ok := b.(map[string]any); ok {
			return diffObjects(at, left, right)
		}
	case []any:
		if right, ok := b.([]any); ok {
			return diffLists(at, left, right)
		}
	}
	text, other := encoded(a), encoded(b)
	if text == other {
		return nil
	}
	return &Difference{Path: at, A: text, B: other}
}

func diffObjects(at string, a, b map[string]any) *Difference {
	keys := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		left, inA := a[key]
		right, inB := b[key]
		path := strings.TrimPrefix(at+"."+key, ".")
		if !inA || !inB {
			return &Difference{Path: path, A: present(left, inA), B: present(right, inB)}
		}
		if d := diffValues(path, left, right); d != nil {
			return d
		}
	}
	return nil
}

func diffLists(at string, a, b []any) *Difference {
	for i := range max(len(a), len(b)) {
		path := fmt.Sprintf("%s[%d]", at, i)
		if i >= len(a) || i >= len(b) {
			return &Difference{Path: path, A: present(valueAt(a, i), i < len(a)), B: present(valueAt(b, i), i < len(b))}
		}
		if d := diffValues(path, a[i], b[i]); d != nil {
			return d
		}
	}
	return nil
}

func valueAt(list []any, i int) any {
	if i < len(list) {
		return list[i]
	}
	return nil
}

// absent stands for a value that one side does not have.
const absent = "absent"

func present(v any, there bool) string {
	if !there {
		return absent
	}
	return encoded(v)
}

func encoded(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return shown(string(data))
}

func shown(text string) string {
	if len(text) > maxValue {
		text = strings.ToValidUTF8(text[:maxValue], "") + "…"
	}
	return text
}

// DiffTar returns the first difference between two archives, entry by entry in
// their own order; nil where no field and no content differs, in which case
// the bytes may still differ in how they are padded. Contents are streamed.
func DiffTar(ctx context.Context, a, b io.Reader) (*Difference, error) {
	left, right := tar.NewReader(a), tar.NewReader(b)
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		h, err := nextHeader(left)
		if err != nil {
			return nil, err
		}
		g, err := nextHeader(right)
		if err != nil {
			return nil, err
		}
		switch {
		case h == nil && g == nil:
			return nil, nil
		case h == nil:
			return &Difference{Path: g.Name, Field: "entry", A: absent, B: "present"}, nil
		case g == nil:
			return &Difference{Path: h.Name, Field: "entry", A: "present", B: absent}, nil
		}
		if d := diffHeaders(h, g); d != nil {
			return d, nil
		}
		same, err := sameContent(left, right)
		if err != nil {
			return nil, err
		}
		if !same {
			return &Difference{Path: h.Name, Field: "content", A: "the source's", B: "another"}, nil
		}
	}
}

// nextHeader is nil at the archive's end.
func nextHeader(r *tar.Reader) (*tar.Header, error) {
	h, err := r.Next()
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	return h, err
}

// headerFields are compared in this order.
var headerFields = []struct {
	name  string
	value func(*tar.Header) string
}{
	{"name", func(h *tar.Header) string { return h.Name }},
	{"type", func(h *tar.Header) string { return string(h.Typeflag) }},
	{"size", func(h *tar.Header) string { return fmt.Sprint(h.Size) }},
	{"link", func(h *tar.Header) string { return h.Linkname }},
	{"mode", func(h *tar.Header) string { return fmt.Sprintf("%07o", h.Mode) }},
	{"user", func(h *tar.Header) string { return fmt.Sprint(h.Uid) }},
	{"group", func(h *tar.Header) string { return fmt.Sprint(h.Gid) }},
	{"time", func(h *tar.Header) string { return h.ModTime.UTC().Format(time.RFC3339Nano) }},
	{"user name", func(h *tar.Header) string { return h.Uname }},
	{"group name", func(h *tar.Header) string { return h.Gname }},
	{"device", func(h *tar.Header) string { return fmt.Sprintf("%d,%d", h.Devmajor, h.Devminor) }},
	{"extended header", func(h *tar.Header) string { return fmt.Sprint(h.PAXRecords) }},
	{"header format", func(h *tar.Header) string { return h.Format.String() }},
}

func diffHeaders(a, b *tar.Header) *Difference {
	for _, f := range headerFields {
		if left, right := f.value(a), f.value(b); left != right {
			return &Difference{Path: a.Name, Field: f.name, A: shown(left), B: shown(right)}
		}
	}
	return nil
}

// sameContent reads both to their end or to the first difference.
func sameContent(a, b io.Reader) (bool, error) {
	left, right := make([]byte, 32<<10), make([]byte, 32<<10)
	for {
		n, err := io.ReadFull(a, left)
		m, err2 := io.ReadFull(b, right)
		if n != m || !bytes.Equal(left[:n], right[:m]) {
			return false, nil
		}
		switch {
		case err == nil && err2 == nil:
		case ended(err) && ended(err2):
			return true, nil
		default:
			return false, errors.Join(unlessEnded(err), unlessEnded(err2))
		}
	}
}

func ended(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

func unlessEnded(err error) error {
	if ended(err) {
		return nil
	}
	return err
}
