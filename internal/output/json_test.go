package output_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/imageverify/verify"
	"github.com/imageverify/verify/internal/output"
	"github.com/imageverify/verify/internal/output/outputtest"
)

func TestAReportReadsBackAsItWasWritten(t *testing.T) {
	for _, f := range fixtures {
		t.Run(f.name, func(t *testing.T) {
			want := f.make()
			got, err := verify.ReadReport(render(t, output.JSON, want, output.Style{}))
			if err != nil {
				t.Fatal(err)
			}
			if f.name == "hostile" {
				// Each byte that is not UTF-8 comes back as U+FFFD: JSON cannot hold it.
				fillStrings(reflect.ValueOf(want), string([]rune(nasty)))
				judgeHostile(want)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v\nwant %+v", got, want)
			}
			style := output.Style{Width: 80, Verbose: true}
			if string(render(t, output.Text, got, style)) != string(render(t, output.Text, want, style)) {
				t.Error("the text of the report that was read back is another")
			}
		})
	}
}

func TestEmptyListsAreNeverNull(t *testing.T) {
	r := &verify.Report{SchemaVersion: 1, Images: []verify.Image{{Origin: &verify.Origin{Claims: []verify.Claim{{}}}, Findings: []verify.Finding{{Details: &verify.Details{Newer: &verify.Claim{}}}}}, {Origin: &verify.Origin{}}}}
	for name, report := range map[string]*verify.Report{"filled": r, "bare": {SchemaVersion: 1}} {
		var document any
		if err := json.Unmarshal(render(t, output.JSON, report, output.Style{}), &document); err != nil {
			t.Fatal(err)
		}
		// These mean something by being null.
		may := []string{"digest", "platform", "origin", "repository", "commit", "imageID"}
		for _, path := range nulls(document, "") {
			if name := path[strings.LastIndex(path, ".")+1:]; !slices.Contains(may, name) {
				t.Errorf("%s: %s is null", name, path)
			}
		}
		for _, want := range []string{`"images": [`, `"stages": {}`} {
			if text := string(render(t, output.JSON, report, output.Style{})); !strings.Contains(text, want) {
				t.Errorf("%s: no %s in %s", name, want, text)
			}
		}
	}
	if r.Images[1].Findings != nil {
		t.Error("writing changed the report")
	}
}

func nulls(v any, path string) []string {
	var out []string
	switch v := v.(type) {
	case nil:
		return []string{path}
	case []any:
		for _, e := range v {
			out = append(out, nulls(e, path)...)
		}
	case map[string]any:
		for k, e := range v {
			out = append(out, nulls(e, path+"."+k)...)
		}
	}
	return out
}

func TestJSONIsPlainAndIndented(t *testing.T) {
	r := verified()
	r.Reference = "a<b>&c"
	text := string(render(t, output.JSON, r, output.Style{}))
	for _, want := range []string{"{\n  \"schemaVersion\": 1,\n  \"verify\": {\n    \"version\": \"v0.1.0\"\n  },\n", `"reference": "a<b>&c"`, `"total": "0.41s"`, `"created": "2024-09-06T12:05:36Z"`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if !strings.HasSuffix(text, "\n}\n") {
		t.Errorf("ends in %q", text[len(text)-5:])
	}
}

func TestForeignTextInJSONIsEscapedAndKeepsItsValue(t *testing.T) {
	for _, s := range []string{"\u202e", "\u200b", "\u0085", "\x7f", "\x1b[31m", "\U000e0041", "##[error]", "##vso[task.x]", "###[group]", `\##[x]`, "a\u2028b", "\ufe0f", "\ue000", "é€𝄞", `"quoted" \ back`} {
		r := &verify.Report{SchemaVersion: 1, Reference: s}
		data := render(t, output.JSON, r, output.Style{})
		outputtest.CheckSafe(t, data)
		got, err := verify.ReadReport(data)
		if err != nil || got.Reference != s {
			t.Errorf("%q came back as %q, %v", s, got.Reference, err)
		}
	}
}

func TestTheErrorDocumentHasCodeMessageAndInput(t *testing.T) {
	var b strings.Builder
	if err := output.WriteError(&b, output.JSON, &verify.RunError{Code: "usage", Message: "m", Input: ""}, output.Style{}); err != nil {
		t.Fatal(err)
	}
	const want = `{
  "schemaVersion": 1,
  "error": {
    "code": "usage",
    "message": "m",
    "input": ""
  }
}
`
	if b.String() != want {
		t.Errorf("got %s want %s", b.String(), want)
	}
}
