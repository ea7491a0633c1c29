package schema

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imageverify/verify/internal/corpus"
)

var update = flag.Bool("update", false, "write the schema anew")

func documented(t *testing.T) []byte {
	t.Helper()
	data, err := published()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestThePublishedSchemaIsWhatTheTypesGive(t *testing.T) {
	want, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		root, err := corpus.ModuleRoot()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, file), want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(documented(t), want) {
		t.Errorf("%s is not what the types give; run: make docs", file)
	}
}

func TestEveryDefinitionAndMemberIsDescribed(t *testing.T) {
	var root struct {
		Defs map[string]struct {
			Description string
			Additional  *bool `json:"additionalProperties"`
			Properties  map[string]struct{ Description string }
		} `json:"$defs"`
	}
	if err := json.Unmarshal(documented(t), &root); err != nil {
		t.Fatal(err)
	}
	if len(root.Defs) == 0 {
		t.Fatal("no definitions")
	}
	for name, d := range root.Defs {
		if d.Description == "" || d.Additional == nil || *d.Additional {
			t.Errorf("%s is not described, or open to other members", name)
		}
		for member, p := range d.Properties {
			if p.Description == "" {
				t.Errorf("%s.%s is not described", name, member)
			}
		}
	}
}

const sound = `{"schemaVersion":1,"verify":{"version":"v1"},"reference":"a:1","verdict":"verified","images":[{"reference":"a:1",
"digest":null,"imageID":"sha256:00","platform":null,"verdict":"verified","origin":null,"findings":[{"check":"image.digests","status":"pass",
"summary":"s","required":true,"evidence":[]}]}],"timings":{"total":"0.41s","stages":{}}}`

func TestTheSchemaTakesReportsAndErrorsAndRefusesWhatIsNot(t *testing.T) {
	if err := validate(documented(t), []byte(sound)); err != nil {
		t.Fatal(err)
	}
	if err := validate(documented(t), []byte(`{"schemaVersion":1,"error":{"code":"usage","message":"m","input":""}}`)); err != nil {
		t.Error(err)
	}
	for name, change := range map[string][2]string{
		"a member of no field":      {`"summary":"s"`, `"summary":"s","other":1`},
		"a member on top":           {`"verdict":"verified","images"`, `"verdict":"verified","more":[],"images"`},
		"a member that is missing":  {`"reference":"a:1","verdict"`, `"verdict"`},
		"a status of no name":       {`"status":"pass"`, `"status":"splendid"`},
		"a verdict of no name":      {`"verdict":"verified","origin"`, `"verdict":"good","origin"`},
		"null where a list belongs": {`"evidence":[]`, `"evidence":null`},
		"a number as a string":      {`"imageID":"sha256:00"`, `"imageID":1`},
		"a duration without a unit": {`"0.41s"`, `"0.41"`},
		"another schema version":    {`"schemaVersion":1`, `"schemaVersion":2`},
		"a time that is none":       {`"platform":null`, `"platform":null,"created":"yesterday"`},
	} {
		text := strings.Replace(sound, change[0], change[1], 1)
		if text == sound {
			t.Fatalf("%s: nothing was changed", name)
		}
		if err := validate(documented(t), []byte(text)); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}
