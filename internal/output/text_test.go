package output_test

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/imageverify/verify"
	"github.com/imageverify/verify/internal/output"
	"github.com/imageverify/verify/internal/output/outputtest"
)

// squeezed takes wrapping and alignment out of a text.
func squeezed(s string) string { return strings.Join(strings.Fields(s), " ") }

func TestTextShowsEveryFindingOfTheReport(t *testing.T) {
	words := map[verify.Status]string{verify.Pass: "ok", verify.Warn: "warn", verify.Unknown: "unknown", verify.Fail: "FAIL"}
	for _, f := range fixtures {
		for _, s := range styles {
			if s.style.Quiet || s.style.Color {
				continue
			}
			r := f.make()
			text := squeezed(string(render(t, output.Text, r, s.style)))
			for _, img := range r.Images {
				for _, finding := range img.Findings {
					word := words[finding.Status]
					if d := finding.Details; finding.Status == verify.Pass && d != nil && d.Independent != nil {
						word = "consistent"
					}
					for _, want := range []string{
						word + " " + output.SafeText(finding.Check) + " ",
						abbreviated(text, squeezed(output.SafeText(finding.Summary))),
						"(" + squeezed(output.SafeText(finding.Reason)) + ")",
					} {
						if want != "()" && !strings.Contains(text, want) {
							t.Errorf("%s, %s: no %q", f.name, s.name, want)
						}
					}
				}
			}
		}
	}
}

// abbreviated shortens those ids of s that text holds in full.
func abbreviated(text, s string) string {
	if strings.Contains(text, s) {
		return s
	}
	return regexp.MustCompile(`\b[0-9a-f]{40,64}\b`).ReplaceAllStringFunc(s, func(id string) string {
		if strings.Contains(text, id) {
			return id[:12] + "…"
		}
		return id
	})
}

func TestWhatFailsIsShownWithItsIdsInFull(t *testing.T) {
	text := squeezed(string(render(t, output.Text, failed(), output.Style{Width: 80})))
	for _, want := range []string{"required: library and annotation: " + commitA + " against " + commitB, "asked for " + digest2 + ", got bytes of " + digest3} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q", want)
		}
	}
}

func TestIdsAreShortOnlyWhereTheyStandInFullAsWell(t *testing.T) {
	for _, f := range fixtures {
		text := string(render(t, output.Text, f.make(), output.Style{}))
		short := regexp.MustCompile(`([0-9a-f]{12})…`)
		for _, m := range short.FindAllStringSubmatch(text, -1) {
			if !regexp.MustCompile(m[1] + "[0-9a-f]{28}").MatchString(text) {
				t.Errorf("%s: %s stands nowhere in full", f.name, m[0])
			}
		}
		if verbose := string(render(t, output.Text, f.make(), output.Style{Verbose: true})); len(f.make().Images) == 1 && short.MatchString(verbose) {
			t.Errorf("%s: verbose shortens %s", f.name, short.FindString(verbose))
		}
	}
}

func TestVerboseTextHoldsEveryStringOfTheReport(t *testing.T) {
	for _, f := range fixtures {
		r := f.make()
		text := squeezed(string(render(t, output.Text, r, output.Style{Verbose: true})))
		for _, s := range stringsOf(reflect.ValueOf(*r), nil) {
			if s = squeezed(output.SafeText(s)); !strings.Contains(text, s) {
				t.Errorf("%s: no %q", f.name, s)
			}
		}
	}
}

// stringsOf collects the strings that text shows as they are: not verdicts,
// builders, kinds and ways of being found, which it words in its own way, and not
// hints, which it splits.
func stringsOf(v reflect.Value, list []string) []string {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			return stringsOf(v.Elem(), list)
		}
	case reflect.Slice:
		for i := range v.Len() {
			list = stringsOf(v.Index(i), list)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			switch name := v.Type().Name() + "." + v.Type().Field(i).Name; {
			case !v.Type().Field(i).IsExported(), name == "Image.Verdict", name == "Report.Verdict", name == "Origin.Builder", name == "Base.Verdict", name == "Base.Found", name == "RunError.Hint",
				name == "SignedSubject.What", name == "AttachedItem.Kind", name == "AttachedItem.Found", name == "UnreadPlace.Found":
			default:
				list = stringsOf(v.Field(i), list)
			}
		}
	case reflect.String:
		list = append(list, v.String())
	}
	return list
}

func TestColourChangesNothingButColour(t *testing.T) {
	for _, f := range fixtures {
		for _, s := range styles {
			plain, coloured := s.style, s.style
			plain.Color, coloured.Color = false, true
			with := string(render(t, output.Text, f.make(), coloured))
			if !colours.MatchString(with) {
				t.Errorf("%s, %s: no colour", f.name, s.name)
			}
			if got, want := colours.ReplaceAllString(with, ""), string(render(t, output.Text, f.make(), plain)); got != want {
				t.Errorf("%s, %s: without its colours\n%s\nwant\n%s", f.name, s.name, got, want)
			}
		}
	}
}

func TestLinesKeepToTheWidth(t *testing.T) {
	for _, f := range fixtures {
		for width := 60; width <= 130; width += 10 {
			text := string(render(t, output.Text, f.make(), output.Style{Width: width}))
			for line := range strings.Lines(text) {
				line = strings.TrimRight(line, "\n")
				// Only a word that is too long by itself, or what stands to its left
				// on a line, may stick out.
				if utf8.RuneCountInString(line) > width && longestWord(line) < width/2 {
					t.Errorf("%s: %d columns at width %d: %q", f.name, utf8.RuneCountInString(line), width, line)
				}
				if strings.HasSuffix(line, " ") {
					t.Errorf("%s: spaces end %q", f.name, line)
				}
			}
		}
	}
}

func longestWord(line string) int {
	n := 0
	for _, w := range strings.Fields(line) {
		n = max(n, utf8.RuneCountInString(w))
	}
	return n
}

func TestHostileTextIsSafeInEveryFormatAndStyle(t *testing.T) {
	for _, s := range styles {
		outputtest.CheckSafe(t, colours.ReplaceAll(render(t, output.Text, hostile(), s.style), nil))
	}
	for width := 10; width < 200; width += 7 {
		outputtest.CheckSafe(t, render(t, output.Text, hostile(), output.Style{Width: width, Verbose: width%2 == 0}))
	}
	outputtest.CheckSafe(t, render(t, output.JSON, hostile(), output.Style{}))
}

// The law: whatever every string of a report holds, no format lets it do more
// than be read.
func FuzzForeignTextIsSafeInEveryField(f *testing.F) {
	f.Add(nasty, 80, false)
	f.Add("::", 3, true)
	f.Add("# ##[ :: wide wide ::x", 60, true)
	f.Fuzz(func(t *testing.T, s string, width int, verbose bool) {
		if len(s) > 300 {
			return // SafeText's own law tells of long text
		}
		r := references()
		r.Images[0].Findings = failed().Images[0].Findings
		fillStrings(reflect.ValueOf(r), s)
		outputtest.CheckSafe(t, render(t, output.Text, r, output.Style{Width: width % 300, Verbose: verbose}))
		outputtest.CheckSafe(t, render(t, output.Text, r, output.Style{Quiet: true}))
		outputtest.CheckSafe(t, render(t, output.JSON, r, output.Style{}))
	})
}

// headline is the first line of a report of one image.
func headline(t *testing.T, r *verify.Report) string {
	t.Helper()
	line, _, _ := strings.Cut(string(render(t, output.Text, r, output.Style{})), "\n")
	return line
}

func TestTheHeadlineIsTheVerdict(t *testing.T) {
	untraced := incomplete()
	untraced.Images[0].Findings[2].Status = verify.Unknown
	unknownVerdict := verified()
	unknownVerdict.Images[0].Verdict = "splendid"
	for name, c := range map[string]struct {
		report *verify.Report
		want   string
	}{
		"verified":                 {verified(), "✓ verified  distro:3.20.3  linux/amd64"},
		"failed":                   {failed(), "✗ FAILED  distro:3.20.3  linux/amd64"},
		"traced":                   {incomplete(), "? traced, 71.2 of 74.0 MB proved  distro:3.20.3  linux/arm64/v8"},
		"incomplete and untraced":  {untraced, "? incomplete  distro:3.20.3  linux/arm64/v8"},
		"a verdict of later times": {unknownVerdict, "? splendid  distro:3.20.3  linux/amd64"},
		"several images":           {platforms(), "✗ FAILED  3 images: 1 verified, 1 failed, 1 incomplete"},
		"several references":       {references(), "? incomplete  3 images: 1 verified, 2 incomplete; 1 reference could not be opened"},
		"no image at all":          {report(), "? no verdict  0 images"},
	} {
		if got := headline(t, c.report); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestTheHeadlineNeverRoundsUpToAllProved(t *testing.T) {
	for _, c := range []struct {
		proved, base, unproved int64
		want                   string
	}{
		{0, 0, 0, "0 of 0 B proved"},
		{3, 2, 994, "5 of 999 B proved"},
		{0, 0, 3_600_000, "0 of 3.6 MB proved"},
		{1, 0, 3_600_000, "0.0 of 3.6 MB proved"},
		{71_200_000, 0, 2_800_000, "71.2 of 74.0 MB proved"},
		{70_000_000, 1_200_000, 2_800_000, "71.2 of 74.0 MB proved"},
		{73_999_999, 0, 1, "73.9 of 74.0 MB proved"},
		{74_020_000, 0, 512, "all but 512 B of 74.0 MB proved"},
		{74_000_000, 0, 0, "74.0 of 74.0 MB proved"},
		{999_950, 0, 0, "1.0 of 1.0 MB proved"},
		{999_949, 0, 0, "999.9 of 999.9 kB proved"},
		{8 << 30, 0, 1 << 30, "8.5 of 9.7 GB proved"},
	} {
		r := incomplete()
		r.Images[0].Findings[6].Details.Bytes = &verify.Coverage{Proved: c.proved, Base: c.base, Unproved: c.unproved}
		if got, want := headline(t, r), "? traced, "+c.want+"  distro:3.20.3  linux/arm64/v8"; got != want {
			t.Errorf("%+v: %q, want %q", c, got, want)
		}
	}
}

func TestWhatDoesNotPassNeverLooksLikeSuccess(t *testing.T) {
	no := false
	for status, want := range map[verify.Status]string{verify.Pass: "✓ ok ", verify.Warn: "! warn ", verify.Unknown: "? unknown ", verify.Fail: "✗ FAIL ", verify.Status(9): "? unknown "} {
		r := report(image(verify.Incomplete, "linux/amd64", digest1, verify.Finding{Check: "x.y", Status: status, Reason: "some-reason", Summary: "s"}))
		text := string(render(t, output.Text, r, output.Style{}))
		if !strings.Contains(text, "\n  "+want+" x.y  s (some-reason)\n") {
			t.Errorf("%v: no %q in\n%s", status, want, text)
		}
		if status != verify.Pass && strings.Contains(text, "✓") {
			t.Errorf("%v: a sign of success in\n%s", status, text)
		}
	}
	consistent := report(image(verify.Verified, "linux/amd64", digest1, verify.Finding{Check: "rootfs.checksum", Summary: "s", Details: &verify.Details{Independent: &no}}))
	text := string(render(t, output.Text, consistent, output.Style{}))
	for _, want := range []string{"= consistent  rootfs.checksum", "proved\n  nothing\n", "only consistent\n  rootfs.checksum  s; "} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	yes := true
	consistent.Images[0].Findings[0].Details.Independent = &yes
	if text := string(render(t, output.Text, consistent, output.Style{})); strings.Contains(text, "consistent") || !strings.Contains(text, "✓ ok  rootfs.checksum") {
		t.Errorf("an independent list:\n%s", text)
	}
}

func TestQuietIsOneLineAnImage(t *testing.T) {
	for _, c := range []struct {
		report *verify.Report
		want   string
	}{
		{verified(), "verified    distro:3.20.3@" + digest1 + "  linux/amd64\n"},
		{platforms(), "verified    distro:3.20.3@" + digest1 + "  linux/amd64\nFAILED      distro:3.20.3@" + digest2 + "  linux/386\nincomplete  distro:3.20.3@" + digest3 + "  linux/arm64/v8\n"},
		{references(), "verified    distro:3.20.3@" + digest1 + "  linux/amd64\nincomplete  registry.example.org/team/distro:3.20.3@" + digest1 + "  linux/amd64\n" +
			"incomplete  docker-archive:app.tar (image id " + imageID + ")\nerror       distro:nowhere  distro:nowhere: no such tag\n"},
	} {
		if got := string(render(t, output.Text, c.report, output.Style{Quiet: true, Verbose: true, Width: 40})); got != c.want {
			t.Errorf("got\n%swant\n%s", got, c.want)
		}
	}
	pinned := verified()
	pinned.Images[0].Reference = "distro@" + digest3
	if got, want := string(render(t, output.Text, pinned, output.Style{Quiet: true})), "verified    distro@"+digest1+"  linux/amd64\n"; got != want {
		t.Errorf("by an index's digest: %q, want %q", got, want)
	}
}

func TestPartsBeyondTenAreCountedAndVerboseShowsThem(t *testing.T) {
	text := string(render(t, output.Text, failed(), output.Style{}))
	for want, shown := range map[string]bool{"layer j  ": true, "layer k  ": false, "and 3 more; -v shows all": true, "layer n  ": false} {
		if strings.Contains(text, want) != shown {
			t.Errorf("%q shown: %v, want %v", want, !shown, shown)
		}
	}
	text = string(render(t, output.Text, failed(), output.Style{Verbose: true}))
	for _, want := range []string{"layer k  ", "layer m  ", "layer n  "} {
		if !strings.Contains(text, want) {
			t.Errorf("verbose: no %q", want)
		}
	}
	if strings.Contains(text, "shows all") {
		t.Error("verbose leaves something out")
	}
}

func TestAFailingPartIsShownBeforeOthersWhateverTheOrder(t *testing.T) {
	parts := make([]verify.Part, 40)
	for i := range parts {
		parts[i] = verify.Part{Name: fmt.Sprintf("layer %d", i+1), Status: verify.Unknown, Reason: "run-unproved"}
	}
	parts[39].Status = verify.Fail
	r := report(image(verify.Failed, "linux/amd64", digest1, verify.Finding{Check: "layer.content", Status: verify.Fail, Reason: "file-added", Details: &verify.Details{Parts: parts}}))
	if text := string(render(t, output.Text, r, output.Style{})); !strings.Contains(text, "✗ FAIL     layer 40") {
		t.Errorf("the failing part is left out:\n%s", text)
	}
}

func TestAnOriginThatIsNotProvedSaysSo(t *testing.T) {
	for status, want := range map[verify.Status]string{verify.Fail: "claimed, and contradicted (text-differs)", verify.Unknown: "claimed, not proved (text-differs)", verify.Warn: "claimed, not proved (text-differs)"} {
		r := report(image(verify.Incomplete, "linux/amd64", digest1, verify.Finding{Check: "trace.origin", Status: status, Reason: "text-differs", Summary: "s"}))
		if text := string(render(t, output.Text, r, output.Style{})); !strings.Contains(text, "\n  origin      "+want+"\n") {
			t.Errorf("%v: no %q in\n%s", status, want, text)
		}
	}
	r := report(image(verify.Incomplete, "linux/amd64", digest1, digests()))
	if text := string(render(t, output.Text, r, output.Style{})); !strings.Contains(text, "\n  origin      claimed; not checked\n") {
		t.Errorf("trace.origin was not made:\n%s", text)
	}
	if text := string(render(t, output.Text, verified(), output.Style{})); strings.Contains(text, "\n  origin ") {
		t.Errorf("doubts a proved origin:\n%s", text)
	}
}

func TestAnOriginGivenByHandOrImportedIsNamed(t *testing.T) {
	r := verified()
	r.Images[0].Origin = &verify.Origin{File: "Dockerfile", Builder: "dockerfile", Claims: []verify.Claim{{Source: "flag", Kind: "build"}}}
	text := string(render(t, output.Text, r, output.Style{}))
	for _, want := range []string{"\n  repository  none: the file was given by hand\n", "\n  file        Dockerfile\n", "\n  claims      flag (build): a file given by hand\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	r.Images[0].Origin = &verify.Origin{Repository: ptr(repository), Commit: ptr(commitA), Directory: "noble/oci", Builder: "oci-import"}
	if text := string(render(t, output.Text, r, output.Style{})); !strings.Contains(text, "\n  layout      noble/oci (an OCI layout in the repository)\n") {
		t.Errorf("no layout in\n%s", text)
	}
}
