package layout

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/checksums"
)

// descriptors is a list that is counted before it is read.
type descriptors []v1.Descriptor

// UnmarshalJSON reads at most maxEntries descriptors.
func (d *descriptors) UnmarshalJSON(data []byte) error {
	var elements []skipped
	if err := json.Unmarshal(data, &elements); err != nil {
		return err
	}
	if len(elements) > maxEntries {
		return &checksums.LimitError{What: "entries in a list", Limit: maxEntries}
	}
	return json.Unmarshal(data, (*[]v1.Descriptor)(d))
}

// skipped is a JSON value that takes no memory.
type skipped struct{}

// UnmarshalJSON takes any value.
func (*skipped) UnmarshalJSON([]byte) error { return nil }

// decode reads a document that has one reading only: a member that stands twice
// in an object, or in two spellings that Go takes for one, is refused, since
// other readers would choose the other one.
func decode(raw []byte, into any) error {
	err := json.Unmarshal(raw, into)
	if limit, ok := errors.AsType[*checksums.LimitError](err); ok {
		return limit
	}
	if err == nil {
		err = unambiguous(json.NewDecoder(bytes.NewReader(raw)))
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return nil
}

// unambiguous reads one JSON value, which is known to be valid.
func unambiguous(d *json.Decoder) error {
	token, err := d.Token()
	if err != nil {
		return err
	}
	open, _ := token.(json.Delim)
	seen := map[string]bool{}
	for open != 0 && d.More() {
		if open == '{' {
			if err := member(d, seen); err != nil {
				return err
			}
		}
		if err := unambiguous(d); err != nil {
			return err
		}
	}
	if open != 0 {
		_, err = d.Token()
	}
	return err
}

// member reads the name of an object's member.
func member(d *json.Decoder, seen map[string]bool) error {
	token, err := d.Token()
	if err != nil {
		return err
	}
	name, _ := token.(string)
	folded := strings.ToLower(strings.ToUpper(name))
	if seen[folded] {
		return fmt.Errorf("member %.100q stands twice", name)
	}
	seen[folded] = true
	return nil
}
