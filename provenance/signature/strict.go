package signature

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/imageverify/verify/provenance/attestation"
	"github.com/imageverify/verify/provenance/signed"
)

// fault is why an item is not valid: a reason and one line.
type fault struct{ reason, detail string }

// Error is the line.
func (f *fault) Error() string { return f.detail }

func faultf(reason, format string, args ...any) *fault {
	return &fault{reason, fmt.Sprintf(format, args...)}
}

// malformed states what is wrong with something that was parsed.
func malformed(what string, err error) *fault {
	if f, ok := errors.AsType[*fault](err); ok {
		return faultf(f.reason, "%s: %s", what, f.detail)
	}
	if e, ok := errors.AsType[*attestation.Error](err); ok {
		return faultf(e.Reason, "%s: %s", what, e.Detail)
	}
	return faultf(signed.Malformed, "%s: %v", what, err)
}

// object is a JSON object that passed attestation.CheckJSON, by its exact names.
type object map[string]json.RawMessage

// parseObject reads an object, whose names pass attestation.CheckNames.
func parseObject(data []byte, known ...string) (object, error) {
	var o object
	if err := json.Unmarshal(data, &o); err != nil {
		return nil, err
	}
	if o == nil {
		return nil, errors.New("null is no object")
	}
	return o, attestation.CheckNames(o, known...)
}

// text reads a string; absent and null are an error.
func (o object) text(name string) (string, error) {
	var s *string
	if err := o.value(name, &s); err != nil {
		return "", err
	}
	if s == nil {
		return "", fmt.Errorf("%q is null", name)
	}
	return *s, nil
}

func (o object) value(name string, to any) error {
	raw, ok := o[name]
	if !ok {
		return fmt.Errorf("%q is missing", name)
	}
	if err := json.Unmarshal(raw, to); err != nil {
		return fmt.Errorf("%q: %w", name, err)
	}
	return nil
}

// object reads an object in this one.
func (o object) object(name string, known ...string) (object, error) {
	raw, ok := o[name]
	if !ok {
		return nil, fmt.Errorf("%q is missing", name)
	}
	in, err := parseObject(raw, known...)
	if err != nil {
		if _, ambiguous := errors.AsType[*attestation.Error](err); ambiguous {
			return nil, err
		}
		return nil, fmt.Errorf("%q: %w", name, err)
	}
	return in, nil
}

// decodeBase64 reads standard base64 with padding and without line breaks.
func decodeBase64(text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") {
		return nil, errors.New("line breaks in base64")
	}
	return base64.StdEncoding.Strict().DecodeString(text)
}
