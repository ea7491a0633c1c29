package schema

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/imageverify/verify"
	"github.com/imageverify/verify/internal/output"
)

// id is the schema's own name.
const id = "https://github.com/imageverify/verify/docs/schema/report.schema.json"

// documents are all that the program writes as JSON. A new kind of document is
// a row here; what it leads to is found by reflection.
var documents = []reflect.Type{
	reflect.TypeFor[verify.Report](),
	reflect.TypeFor[output.ErrorDocument](),
	reflect.TypeFor[verify.RebuildReport](),
	reflect.TypeFor[verify.DiffReport](),
	reflect.TypeFor[verify.ReproduceReport](),
}

// texts are the types that write themselves as text, with what they write.
var texts = map[reflect.Type]node{
	reflect.TypeFor[time.Time]():       {Type: "string", Format: "date-time"},
	reflect.TypeFor[verify.Duration](): {Type: "string", Pattern: `^[0-9]+\.[0-9]{2}s$`},
	reflect.TypeFor[verify.Status]():   {Type: "string", Enum: statuses()},
	reflect.TypeFor[verify.Level]():    {Type: "string", Enum: levels()},
}

func levels() []string {
	var names []string
	for l := verify.Different; l <= verify.SameDigest; l++ {
		names = append(names, l.String())
	}
	return names
}

func statuses() []string {
	var names []string
	for s := verify.Pass; s <= verify.Fail; s++ {
		names = append(names, s.String())
	}
	return names
}

// node is a schema, or a part of one, in the order in which it is written.
type node struct {
	Schema      string  `json:"$schema,omitempty"`
	ID          string  `json:"$id,omitempty"`
	Title       string  `json:"title,omitempty"`
	Description string  `json:"description,omitempty"`
	Ref         string  `json:"$ref,omitempty"`
	OneOf       []*node `json:"oneOf,omitempty"`
	Type        any     `json:"type,omitempty"` // a name, or two where null is allowed
	Const       any     `json:"const,omitempty"`
	Format      string  `json:"format,omitempty"`
	Pattern     string  `json:"pattern,omitempty"`
	Encoding    string  `json:"contentEncoding,omitempty"`
	// Enum holds the values of a string.
	Enum       []string `json:"enum,omitempty"`
	Items      *node    `json:"items,omitempty"`
	Properties members  `json:"properties,omitempty"`
	Required   []string `json:"required,omitempty"`
	Additional any      `json:"additionalProperties,omitempty"` // false, or the node of a map's values
	Defs       members  `json:"$defs,omitempty"`
}

// members are an object's members in order.
type members []member

type member struct {
	name string
	node *node
}

// MarshalJSON writes an object.
func (m members) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, one := range m {
		if i > 0 {
			b.WriteByte(',')
		}
		value, err := json.Marshal(one.node)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "%q:%s", one.name, value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// generate makes the schema. The error says what it cannot describe: a field
// without a comment, a type that it does not know.
func generate() ([]byte, error) {
	g := generator{seen: map[string]reflect.Type{}, comments: map[string]*comments{}}
	root := &node{
		Schema: "https://json-schema.org/draft/2020-12/schema", ID: id, Title: "JSON output of verify",
		Description: "What verify writes as JSON: one document a run. Within a schemaVersion members are added, never renamed.",
	}
	for _, d := range documents {
		ref, err := g.of(d)
		if err != nil {
			return nil, err
		}
		root.OneOf = append(root.OneOf, ref)
	}
	root.Defs = g.defs
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(root)
	return b.Bytes(), err
}

// generator gathers the named types that documents lead to.
type generator struct {
	defs     members
	seen     map[string]reflect.Type
	comments map[string]*comments // by import path
}

// of describes a type; named structs become definitions.
func (g *generator) of(t reflect.Type) (*node, error) {
	if t.Kind() == reflect.Pointer {
		return g.of(t.Elem())
	}
	if text, ok := texts[t]; ok {
		return &text, nil
	}
	if t.Implements(reflect.TypeFor[encoding.TextMarshaler]()) || t.Implements(reflect.TypeFor[json.Marshaler]()) {
		return nil, fmt.Errorf("%s writes itself: say in texts what", t)
	}
	switch t.Kind() {
	case reflect.String:
		return g.stringOf(t)
	case reflect.Bool:
		return &node{Type: "boolean"}, nil
	case reflect.Int, reflect.Int64:
		return &node{Type: "integer"}, nil
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return &node{Type: "string", Encoding: "base64"}, nil
		}
		items, err := g.of(t.Elem())
		return &node{Type: "array", Items: items}, err
	case reflect.Map:
		values, err := g.of(t.Elem())
		return &node{Type: "object", Additional: values}, err
	case reflect.Struct:
		return g.structOf(t)
	}
	return nil, fmt.Errorf("%s: no schema for a %s", t, t.Kind())
}

// stringOf describes a string; one of a named type has that type's constants.
func (g *generator) stringOf(t reflect.Type) (*node, error) {
	if t.PkgPath() == "" {
		return &node{Type: "string"}, nil
	}
	c, err := g.commentsOf(t)
	if err != nil {
		return nil, err
	}
	return &node{Type: "string", Enum: c.constants[t.Name()]}, nil
}

func (g *generator) structOf(t reflect.Type) (*node, error) {
	ref := &node{Ref: "#/$defs/" + t.Name()}
	if known, ok := g.seen[t.Name()]; ok {
		if known != t {
			return nil, fmt.Errorf("%s and %s have one name", known, t)
		}
		return ref, nil
	}
	g.seen[t.Name()] = t
	c, err := g.commentsOf(t)
	if err != nil {
		return nil, err
	}
	def := &node{Description: c.types[t.Name()], Type: "object", Additional: false}
	g.defs = append(g.defs, member{t.Name(), def})
	for i := range t.NumField() {
		if err := g.field(def, t, t.Field(i), c); err != nil {
			return nil, err
		}
	}
	return ref, nil
}

// field adds a struct's field to its description.
func (g *generator) field(def *node, t reflect.Type, f reflect.StructField, c *comments) error {
	name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
	if !f.IsExported() || name == "-" {
		return nil
	}
	n, err := g.of(f.Type)
	if err != nil {
		return err
	}
	if n.Description = inJSON(t, c.fields[t.Name()+"."+f.Name]); n.Description == "" || name == "" {
		return fmt.Errorf("%s.%s has no comment, or no name in JSON", t, f.Name)
	}
	optional := options == "omitempty"
	if !optional {
		def.Required = append(def.Required, name)
	}
	if f.Type.Kind() == reflect.Pointer && !optional {
		n = orNull(n)
	}
	if t == reflect.TypeFor[verify.Report]() && f.Name == "SchemaVersion" {
		n.Const = verify.SchemaVersion
	}
	def.Properties = append(def.Properties, member{name, n})
	return nil
}

// inJSON puts the names that fields have in JSON into a comment in place of
// their own.
func inJSON(t reflect.Type, comment string) string {
	names := map[string]string{}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		names[t.Field(i).Name] = name
	}
	return words.ReplaceAllStringFunc(comment, func(word string) string {
		if name := names[word]; name != "" {
			return "`" + name + "`"
		}
		return word
	})
}

var words = regexp.MustCompile(`[A-Za-z]+`)

// orNull allows null beside what a node allows.
func orNull(n *node) *node {
	if n.Ref == "" {
		n.Type = []any{n.Type, "null"}
		return n
	}
	return &node{Description: n.Description, OneOf: []*node{{Ref: n.Ref}, {Type: "null"}}}
}
