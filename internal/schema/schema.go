// Package schema makes the JSON Schema of what the program writes as JSON, from
// the Go types and their doc comments, and checks documents against it. Only
// tests use it.
package schema

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/imageverify/verify/internal/corpus"
)

// file is where the schema lies, from the module's root.
const file = "docs/schema/report.schema.json"

// Validate says what in data is not as the published schema has it: data must be
// one of its documents, with no member beyond those described.
func Validate(data []byte) error {
	schema, err := published()
	if err != nil {
		return err
	}
	if err := validate(schema, data); err != nil {
		return fmt.Errorf("%w\nin\n%s", err, data)
	}
	return nil
}

// published is the schema in the documentation.
func published() ([]byte, error) {
	root, err := corpus.ModuleRoot()
	if err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(root, file))
}

// validate says what of a document the schema does not allow.
func validate(schema, data []byte) error {
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		return err
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource(id, document); err != nil {
		return err
	}
	compiled, err := c.Compile(id)
	if err != nil {
		return err
	}
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return err
	}
	return compiled.Validate(instance)
}
