package signature

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// maxDepth bounds how deep JSON values lie in one another.
const maxDepth = 64

// errAmbiguous is for JSON that two readers could read differently.
var errAmbiguous = errors.New("ambiguous JSON")

// checkJSON refuses what encoding/json would take and another reader could read
// otherwise: a name twice in one object, also in other letter case; text that is not
// UTF-8; anything after the value; values too deep in one another. Errors about names
// are errAmbiguous.
func checkJSON(data []byte) error {
	if !utf8.Valid(data) {
		return errors.New("not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := walkJSON(d, 0); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something follows the JSON value")
	}
	return nil
}

func walkJSON(d *json.Decoder, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("JSON values more than %d deep", maxDepth)
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
			if err := walkJSON(d, depth+1); err != nil {
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
		if folded := strings.ToLower(name); seen[folded] {
			return fmt.Errorf("%w: the name %q stands twice in one object", errAmbiguous, name)
		} else {
			seen[folded] = true
		}
		if err := walkJSON(d, depth+1); err != nil {
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
