package output_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/imageverify/verify"
	"github.com/imageverify/verify/internal/output"
	"github.com/imageverify/verify/internal/output/outputtest"
	"github.com/imageverify/verify/internal/schema"
)

func reproduction(v verify.Verdict, level verify.Level) *verify.ReproduceReport {
	covered := &verify.RebuildCoverage{Bytes: verify.Coverage{Proved: 3_600_000, Base: 900_000}, Files: verify.Coverage{Proved: 80, Base: 2}}
	date := time.Date(2024, 9, 6, 12, 5, 36, 0, time.UTC)
	return &verify.ReproduceReport{
		SchemaVersion: verify.SchemaVersion, Program: verify.Program{Version: "v0.1.0"}, Reference: "distro:3.20.3", Time: date.AddDate(2, 0, 0), Verdict: v, Asked: verify.SameDigest,
		Digest: ptr(digest1), ImageID: imageID, Platform: ptr("linux/amd64"), Created: &date, Origin: origin(), Findings: []verify.Finding{digests(), traced()},
		Environment: verify.RebuildEnvironment{Builder: "buildkit", Version: "v0.34.2", Format: "buildkit", Platform: "linux/amd64", Repository: repository, Commit: commitA, Directory: "x86_64", File: "Dockerfile",
			Context: "x86_64", Target: "final", BuildArgs: map[string]string{"VERSION": "3.20.3"}, Bases: []verify.PinnedImage{{Reference: "base:1", Digest: digest3}, {Reference: "tools:2"}}, SourceDate: &date, Network: "none",
			Command: "verify reproduce distro:3.20.3@" + digest1 + " --platform linux/amd64 --build-arg VERSION=3.20.3"},
		Builds: []verify.RebuildRun{{Digest: digest1, ImageID: imageID, Level: level, Layers: []string{digest2}}, {Digest: digest1, ImageID: imageID, Level: level, Layers: []string{digest2}}},
		Steady: verify.SameDigest, Directives: []verify.DirectiveText{{Line: 2, Text: "ADD rootfs.tar.gz /"}, {Line: 3, Text: "RUN apk add  curl \\\n  && date > /etc/built"}},
		Rebuild: &verify.Rebuilt{Level: level, Coverage: covered, Notes: []string{"layer 1 is not compressed as Go's gzip does it"}, Witnesses: []verify.Witness{{Field: "created", Value: "2024-09-06T12:05:36Z"}},
			Layers: []verify.RebuiltLayer{{DiffID: digest2, Level: level, Directive: 2, Coverage: &verify.RebuildCoverage{Bytes: verify.Coverage{Proved: 3_000_000}}},
				{DiffID: digest3, Level: level, Directive: 3, Coverage: &verify.RebuildCoverage{Bytes: verify.Coverage{Proved: 300_000, Base: 600_000, Unproved: 300_000}}}}},
		Counts: map[string]int{}, Timings: verify.Timings{Total: verify.Duration(90 * time.Second)},
	}
}

func reproduced() *verify.ReproduceReport { return reproduction(verify.Verified, verify.SameDigest) }

func notReproduced() *verify.ReproduceReport {
	r := reproduction(verify.Failed, verify.Different)
	r.Rebuild.Layers[0].Level = verify.SameLayers
	r.Rebuild.Difference = &verify.Difference{Where: "layer 2", Path: "etc/built", Field: "content", Rebuilt: "x", Published: "y"}
	r.Findings = append(r.Findings, verify.Finding{Check: "rebuild.level", Status: verify.Fail, Reason: "level-not-reached", Summary: "layer 2: the level is different", Required: true})
	r.Steady, r.Unlisted, r.Counts = verify.Different, 3, map[string]int{"content": 4, "added": 1, "config": 1, "time": 1}
	r.Causes = []verify.Cause{
		{Name: "package-version", Kind: verify.RealDifference, Subject: "curl", Summary: "the package has another version: 8.9.0-r0 when rebuilt, 8.9.1-r0 in the published image", Fix: "pin curl=8.9.1-r0",
			Files: 2, Directives: []verify.CausingDirective{{Line: 3, Files: 2}}, Examples: []string{"usr/bin/curl", "usr/lib/libcurl.so.4"}},
		{Name: "build-time", Kind: verify.BuilderNoise, Summary: "the time of the build is written into it", Fix: "write no time, or take it from SOURCE_DATE_EPOCH",
			Files: 1, Directives: []verify.CausingDirective{{Line: 3, Files: 1}}, Examples: []string{"etc/built"}},
		{Name: "time", Kind: verify.KnownNoise, Summary: "files are stamped with the time at which they were made", Fix: "set SOURCE_DATE_EPOCH",
			Files: 1, Directives: []verify.CausingDirective{{Line: 0, Files: 1}, {Line: 3, Files: 2}}, Examples: []string{"etc"}},
		{Name: "config", Kind: verify.RealDifference, Summary: "the config says something else", Fix: "build with the same arguments", Files: 1, Directives: []verify.CausingDirective{}, Examples: []string{"config.Env[1]"}},
	}
	r.Differences = []verify.Discrepancy{
		{Path: "config.Env[1]", Class: "config", Cause: 3, Rebuilt: `"A=1"`, Published: `"A=2"`},
		{Path: "etc", Class: "time", Layer: ptr(1), Line: 3, Cause: 2, Rebuilt: "2024-09-06T12:05:36Z", Published: "2024-09-06T12:05:40Z"},
		{Path: "etc/built", Class: "content", Layer: ptr(1), Line: 3, Cause: 1, Rebuilt: "29 bytes, " + digest1, Published: "29 bytes, " + digest2, Change: []string{"@@ -1 +1 @@", "-Fri Sep  6 12:05:36 UTC 2024", "+Fri Sep  6 12:05:40 UTC 2024"}},
		{Path: "usr/bin/curl", Class: "content", Layer: ptr(1), Line: 3, Rebuilt: "260000 bytes", Published: "260016 bytes", Change: []string{"both are ELF 64 X86_64 DYN; they part at byte 312"}},
		{Path: "usr/lib/deep/er/caf\ufffd", PathBytes: []byte("usr/lib/deep/er/caf\xe9"), Class: "added", Layer: ptr(1), Line: 3, Published: "file, 3 bytes"},
	}
	return r
}

func notRebuilt() *verify.ReproduceReport {
	r := reproduction(verify.Incomplete, verify.NoLevel)
	r.Digest, r.Platform, r.Created, r.Builds, r.Steady, r.Environment.Command = nil, nil, nil, nil, verify.NoLevel, ""
	r.Rebuild.Coverage, r.Rebuild.Witnesses, r.Rebuild.Layers[1].Reason = nil, nil, "run-unproved"
	r.Rebuild.Layers[1].Coverage = &verify.RebuildCoverage{Bytes: verify.Coverage{Unproved: 9}}
	r.Environment = verify.RebuildEnvironment{Builder: "buildkit", Context: "./app"}
	r.Rebuild.Build = &verify.RebuildBuild{Builder: "buildkit", Network: "none", Bases: []verify.PinnedImage{}, Log: []string{"#7 [2/2] RUN apk add curl", "#7 0.112 ERROR: \x1b[31mno network"}}
	r.Findings = append(r.Findings, verify.Finding{Check: "rebuild.level", Status: verify.Unknown, Reason: "run-unproved", Summary: "layer 2: RUN was not run again", Required: true})
	return r
}

// hostileReproduction has the same nasty text in each string but those that the
// program itself chooses.
func hostileReproduction(text string) *verify.ReproduceReport {
	r := notReproduced()
	r.Findings[2].Evidence = evidence("file", "x")
	r.Rebuild.Build = &verify.RebuildBuild{Log: []string{"x", "y"}}
	fillStrings(reflect.ValueOf(r), text)
	r.Verdict = verify.Failed
	for i, k := range []verify.CauseKind{verify.RealDifference, verify.BuilderNoise, verify.KnownNoise, verify.RealDifference} {
		r.Causes[i].Kind = k
	}
	return r
}

var reproductions = []struct {
	name string
	make func() *verify.ReproduceReport
}{
	{"reproduced", reproduced}, {"not-reproduced", notReproduced}, {"not-rebuilt", notRebuilt},
	{"hostile-reproduction", func() *verify.ReproduceReport { return hostileReproduction(nasty) }},
}

func renderReproduction(t testing.TB, f output.Format, r *verify.ReproduceReport, s output.Style) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := output.WriteReproduce(&buf, f, r, s); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestReproductionsAreAsInTheGoldenFiles(t *testing.T) {
	for _, f := range reproductions {
		for _, s := range []string{"80", "0", "100-verbose", "quiet"} {
			for _, style := range styles {
				if style.name == s {
					golden(t, f.name+"."+s+".txt", renderReproduction(t, output.Text, f.make(), style.style))
				}
			}
		}
		for _, format := range []output.Format{output.JSON, output.HTML, output.Markdown, output.InToto} {
			if format == output.InToto && f.make().Digest == nil {
				continue
			}
			golden(t, f.name+"."+string(format), renderReproduction(t, format, f.make(), output.Style{}))
		}
	}
}

func TestReproductionsReachEveryField(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range reproductions {
		noteFields(reflect.ValueOf(f.make()), seen)
	}
	for _, typ := range []reflect.Type{reflect.TypeFor[verify.RebuildEnvironment](), reflect.TypeFor[verify.RebuildRun](), reflect.TypeFor[verify.Cause](), reflect.TypeFor[verify.Discrepancy]()} {
		for _, field := range fieldsOf(typ, nil) {
			if !seen[field] {
				t.Errorf("no fixture sets %s", field)
			}
		}
	}
	for i := range reflect.TypeFor[verify.ReproduceReport]().NumField() {
		if name := "ReproduceReport." + reflect.TypeFor[verify.ReproduceReport]().Field(i).Name; !seen[name] {
			t.Errorf("no fixture sets %s", name)
		}
	}
}

func TestASavedReproductionIsWrittenAgainInEveryFormat(t *testing.T) {
	for _, f := range reproductions {
		data := renderReproduction(t, output.JSON, f.make(), output.Style{})
		if err := schema.Validate(data); err != nil && f.name != "hostile-reproduction" {
			t.Error(err)
		}
		saved, err := verify.ReadReproduceReport(data)
		if err != nil {
			t.Fatal(err)
		}
		for _, format := range output.ReproduceFormats() {
			if format == "intoto" && saved.Digest == nil {
				continue
			}
			got, want := renderReproduction(t, output.Format(format), saved, output.Style{}), renderReproduction(t, output.Format(format), f.make(), output.Style{})
			if !bytes.Equal(got, want) && f.name != "hostile-reproduction" {
				t.Errorf("%s as %s is another one once it was saved", f.name, format)
			}
		}
	}
}

// The law: a saved report that is read is written in every format, safe for
// whoever reads it.
func FuzzSavedReproduction(f *testing.F) {
	for _, r := range reproductions {
		f.Add(renderReproduction(f, output.JSON, r.make(), output.Style{}))
	}
	f.Add([]byte(`{"schemaVersion":1,"verdict":"failed","asked":"digest","rebuild":{"layers":[{"coverage":{"bytes":{"proved":-5,"base":9,"unproved":-1}}},{"coverage":{"bytes":{"proved":9223372036854775807,"base":1}}}]}}`))
	f.Add([]byte(`{"schemaVersion":1,"verdict":"failed","asked":"digest","digest":"x","differences":[{"path":"","layer":-7,"cause":99},{"path":"//../a","class":"config"}],"causes":[{"files":-1}],"counts":{"":-1}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := verify.ReadReproduceReport(data)
		if err != nil {
			return
		}
		for _, format := range output.ReproduceFormats() {
			if format != "intoto" || r.Digest != nil {
				outputtest.CheckSafe(t, renderReproduction(t, output.Format(format), r, output.Style{Verbose: true}))
			}
		}
	})
}

func TestWhatIsNoSavedReproductionIsRefused(t *testing.T) {
	report := `{"schemaVersion":1,"verify":{"version":"v"},"reference":"a","verdict":"verified","images":[],"timings":{"total":"0.00s","stages":{}}}`
	for _, data := range []string{"", "[]", "{}", `{"schemaVersion":2}`, `{"schemaVersion":1,"asked":"splendid"}`, `{"schemaVersion":1,"asked":"digest","verdict":"good"}`, report} {
		if r, err := verify.ReadReproduceReport([]byte(data)); err == nil {
			t.Errorf("%s is read as %+v", data, r)
		}
	}
}

func TestAnImageWithoutAManifestHasNoStatement(t *testing.T) {
	var buf bytes.Buffer
	if err := output.WriteReproduce(&buf, output.InToto, notRebuilt(), output.Style{}); err == nil || buf.Len() > 0 {
		t.Errorf("%v, and %d bytes were written", err, buf.Len())
	}
}

func TestAStatementIsAboutThePublishedDigestAndSaysNoMoreThanTheVerdict(t *testing.T) {
	unknown := notRebuilt()
	unknown.Digest = ptr(digest1)
	for want, r := range map[string]*verify.ReproduceReport{"PASSED": reproduced(), "FAILED": notReproduced(), "INCOMPLETE": unknown} {
		var s struct {
			Type          string `json:"_type"`
			Subject       []struct{ Digest map[string]string }
			PredicateType string
			Predicate     struct{ VerificationResult string }
		}
		if err := json.Unmarshal(renderReproduction(t, output.InToto, r, output.Style{}), &s); err != nil {
			t.Fatal(err)
		}
		if s.Type != "https://in-toto.io/Statement/v1" || s.PredicateType != output.RebuildPredicate || s.Predicate.VerificationResult != want ||
			len(s.Subject) != 1 || "sha256:"+s.Subject[0].Digest["sha256"] != digest1 {
			t.Errorf("%s: %+v", want, s)
		}
	}
}

// attacks are foreign texts, each against a reader of one of the formats.
var attacks = map[string]string{
	"a script":                `<script>alert(1)</script>`,
	"an attribute":            `"><img src=x onerror=alert(1)>`,
	"an entity":               `&lt;b&gt;&#x3c;i&#x3e;`,
	"a link to a script":      "](javascript:alert(1))",
	"a bare address":          "https://evil.test www.evil.test a@evil.test @team #1",
	"an image":                "![x](https://evil.test/p.png)",
	"the end of a fence":      "```\n<b>\n````````",
	"a code span's end":       "` <b> `` ``` ",
	"a heading":               "\n# big\n\n- list\n|a|b|\n|-|-|",
	"a colour":                "\x1b[31mred\x1b[0m\x9b31m",
	"text that runs back":     "a\u202egnp.exe\u2066\u200f",
	"a workflow command":      "\n::error::x\n::add-mask::x",
	"another system's":        "##vso[task.setvariable]x ##teamcity[x]",
	"a line in a file's name": "a\nb\r\nc",
	"a comment":               "--> <!-- ]]> <![CDATA[",
	"a template's action":     "{{.Environment}} ${{ secrets.X }}",
	"a link in the style":     "</style><style>*{background:url(//evil.test)}",
	"nothing":                 "",
	"spaces":                  "   ",
	"all of it":               nasty,
}

func TestForeignTextStaysTextInEveryFormat(t *testing.T) {
	for name, text := range attacks {
		t.Run(name, func(t *testing.T) {
			r := hostileReproduction(text)
			for _, format := range output.ReproduceFormats() {
				got := renderReproduction(t, output.Format(format), r, output.Style{Verbose: true})
				outputtest.CheckSafe(t, got)
				switch output.Format(format) {
				case output.HTML:
					checkPage(t, got)
				case output.Markdown:
					checkMarkdown(t, got)
				}
			}
		})
	}
}

func TestAnErrorStandsInThePlaceOfEveryFormat(t *testing.T) {
	for name, text := range attacks {
		for _, format := range output.ReproduceFormats() {
			var buf bytes.Buffer
			if err := output.WriteError(&buf, output.Format(format), &verify.RunError{Code: "x", Message: text, Hint: text, Input: text}, output.Style{}); err != nil {
				t.Fatal(err)
			}
			outputtest.CheckSafe(t, buf.Bytes())
			switch output.Format(format) {
			case output.HTML:
				checkPage(t, buf.Bytes())
			case output.Markdown:
				checkMarkdown(t, buf.Bytes())
			case output.InToto:
				if bytes.Contains(buf.Bytes(), []byte("predicate")) {
					t.Errorf("%s: the error looks like a statement", name)
				}
			}
		}
	}
}

// ownElements are those that the page itself has.
var ownElements = map[string]bool{}

func init() {
	for name := range strings.FieldsSeq("html head meta title style body h1 h2 span code dl dt dd ul ol li p svg rect strong details summary pre br body") {
		ownElements[name] = true
	}
}

// checkPage reads a page as XML and refuses whatever could run, load or lead
// anywhere.
func checkPage(t *testing.T, data []byte) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(data))
	d.Strict, d.AutoClose, d.Entity = false, []string{"meta", "br", "rect"}, xml.HTMLEntity
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, data)
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		if !ownElements[start.Name.Local] {
			t.Errorf("the page has an element <%s>", start.Name.Local)
		}
		for _, a := range start.Attr {
			if strings.HasPrefix(a.Name.Local, "on") || strings.Contains("src href style action", a.Name.Local) {
				t.Errorf("<%s> has %s=%q", start.Name.Local, a.Name.Local, a.Value)
			}
		}
	}
}

// checkMarkdown takes out what is code and refuses mark-up, links and HTML in
// the rest.
func checkMarkdown(t *testing.T, data []byte) {
	t.Helper()
	rest := outsideCode(t, string(data))
	for _, own := range []string{"<details>", "</details>", "<summary>", "</summary>", "**"} {
		rest = strings.ReplaceAll(rest, own, "")
	}
	for _, bad := range []string{"<", ">", "](", "![", "http", "www.", "@", "|", "::", "javascript", "alert", "evil"} {
		if strings.Contains(rest, bad) {
			t.Errorf("outside of code there is %q in\n%s", bad, rest)
		}
	}
}

// outsideCode reads code spans as CommonMark does: a run of backticks up to the
// next run of the same length.
func outsideCode(t *testing.T, text string) string {
	t.Helper()
	var out strings.Builder
	for {
		i := strings.IndexByte(text, '`')
		if i < 0 {
			out.WriteString(text)
			return out.String()
		}
		out.WriteString(text[:i])
		text = text[i:]
		fence := text[:len(text)-len(strings.TrimLeft(text, "`"))]
		text = text[len(fence):]
		end := 0
		for {
			j := strings.Index(text[end:], fence)
			if j < 0 {
				t.Errorf("a code span does not end: %.80q", text)
				return out.String()
			}
			end += j
			run := len(text[end:]) - len(strings.TrimLeft(text[end:], "`"))
			if run == len(fence) {
				break
			}
			end += run
		}
		text = text[end+len(fence):]
	}
}

func TestMarkdownHasNoMoreHeadingsThanItsOwn(t *testing.T) {
	headings := func(data []byte) int { return len(regexp.MustCompile(`(?m)^#`).FindAll(data, -1)) }
	want := headings(renderReproduction(t, output.Markdown, hostileReproduction("x"), output.Style{}))
	for name, text := range attacks {
		if got := headings(renderReproduction(t, output.Markdown, hostileReproduction(text), output.Style{})); got > want {
			t.Errorf("%s: %d headings, not %d", name, got, want)
		}
	}
}

func TestAPageShowsSoManyDifferencesAndCountsTheRest(t *testing.T) {
	const most = 2000
	for n, more := range map[int]string{most: "", most + 1: "and 1 more, which are not shown"} {
		r := reproduced()
		for i := range n {
			r.Differences = append(r.Differences, verify.Discrepancy{Path: fmt.Sprintf("d/%04d", i), Class: "content"})
		}
		page := string(renderReproduction(t, output.HTML, r, output.Style{}))
		if got := strings.Count(page, "<strong>content</strong>"); got != most || strings.Contains(page, "which are not shown") != (more != "") || !strings.Contains(page, more) {
			t.Errorf("%d differences: %d shown", n, got)
		}
	}
}

func TestAPageNestsFoldersOnlySoDeep(t *testing.T) {
	r := reproduced()
	for i := range 3 {
		r.Differences = append(r.Differences, verify.Discrepancy{Path: strings.Repeat(fmt.Sprintf("%d/", i), 1) + strings.Repeat("a/", 2000) + "x", Class: "content"},
			verify.Discrepancy{Path: strings.Repeat(fmt.Sprintf("%d/", i), 1) + strings.Repeat("b/x/", 1000) + "y", Class: "content"})
	}
	page := string(renderReproduction(t, output.HTML, r, output.Style{}))
	if n := strings.Count(page, "<details"); n > 3*2*24 {
		t.Errorf("%d folders", n)
	}
	checkPage(t, []byte(page))
}

// The law: what comes out is one line that is one code span.
func FuzzSafeMarkdown(f *testing.F) {
	for _, text := range attacks {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := output.SafeMarkdown(s)
		outputtest.CheckSafe(t, []byte(got))
		if strings.Contains(got, "\n") {
			t.Errorf("%q has several lines", got)
		}
		if rest := outsideCode(t, got); rest != "" && rest != "–" {
			t.Errorf("%q: %q is outside of the span", got, rest)
		}
	})
}
