package verify

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/imageverify/verify/checksums/filetree"
	"github.com/imageverify/verify/rebuild/packages"
)

func found(path, class string, line int) discrepancy {
	return discrepancy{Discrepancy: Discrepancy{Path: path, Class: class, Line: line}}
}

func TestEachDifferenceHasTheCauseBehindIt(t *testing.T) {
	curl := &packages.Change{Name: "curl", A: "1", B: "2"}
	with := func(path, class string, change func(*discrepancy)) discrepancy {
		d := found(path, class, 3)
		change(&d)
		return d
	}
	tests := []struct {
		name string
		d    discrepancy
		want string
	}{
		{"another content", found("a", "content", 3), "difference content"},
		{"another content that RUN makes", with("a", "content", func(d *discrepancy) { d.run = true }), "difference run-content"},
		{"a file that the build does not make", found("a", "added", 3), "difference added"},
		{"a file that is not there", found("a", "missing", 3), "difference missing"},
		{"known noise", with("var/log/x", "content", func(d *discrepancy) { d.noise = "log" }), "noise log"},
		{"known noise that each build has otherwise", with("var/log/x", "content", func(d *discrepancy) { d.noise, d.unsteady = "log", true }), "noise log"},
		{"a random number", with("a", "content", func(d *discrepancy) { d.unsteady, d.Change = true, []string{"-1f3a", "+99bc"} }), "unsteady unsteady-content"},
		{"a program that is never the same", with("a", "content", func(d *discrepancy) { d.unsteady = true }), "unsteady unsteady-content"},
		{"the time of day", with("a", "content", func(d *discrepancy) { d.unsteady, d.Change = true, []string{"-built 10:00:01", "+built 10:00:09"} }), "unsteady build-time"},
		{"the day, on which both rebuilds were made", with("a", "content", func(d *discrepancy) { d.Change = []string{"-2024-01-02", "+2023-12-31"} }), "difference build-time"},
		{"a day and something else", with("a", "content", func(d *discrepancy) { d.Change = []string{"-2024-01-02 a", "+2023-12-31 b"} }), "difference content"},
		{"names of temporary files", with("tmp/x1", "missing", func(d *discrepancy) { d.unsteady = true }), "unsteady unsteady-names"},
		{"a mode that changes", with("a", "mode", func(d *discrepancy) { d.unsteady = true }), "unsteady unsteady"},
		{"a package of another version", with("usr/bin/curl", "content", func(d *discrepancy) { d.pkg, d.packaged = curl, true }), "difference package-version curl"},
		{"its time, too", with("usr/bin/curl", "time", func(d *discrepancy) { d.pkg, d.packaged, d.noise = curl, true, "time" }), "difference package-version curl"},
		{"the list of packages", with("var/lib/dpkg/status", "content", func(d *discrepancy) { d.packaged = true }), "difference package-database"},
		{"the list of packages, where no version differs", found("var/lib/dpkg/status", "content", 3), "difference content"},
		{"a package that only the published image has", with("x", "added", func(d *discrepancy) { d.pkg = &packages.Change{Name: "x", B: "2"} }), "difference package-added x"},
		{"a package that only the rebuilt image has", with("x", "missing", func(d *discrepancy) { d.pkg = &packages.Change{Name: "x", A: "2"} }), "difference package-missing x"},
		{"the base image", with("a", "content", func(d *discrepancy) { d.base, d.noise = true, "log" }), "difference base-differs"},
		{"a variable", with("config.Env[0]", "config", func(d *discrepancy) { d.Published = `"A=1"` }), "difference config"},
		{"a member that says nothing", with("config.Labels", "config", func(d *discrepancy) { d.Rebuilt = "null" }), "difference config-empty"},
		{"a member that says nothing no more", with("config.User", "config", func(d *discrepancy) { d.Rebuilt, d.Published = `""`, `"eve"` }), "difference config"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			causes := causesOf([]discrepancy{test.d})
			if len(causes) != 1 {
				t.Fatalf("%d causes", len(causes))
			}
			c := causes[0]
			if got := strings.TrimSpace(fmt.Sprintf("%s %s %s", c.Kind, c.Name, c.Subject)); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			if c.Summary == "" || c.Fix == "" || c.Files != 1 || !slices.Equal(c.Examples, []string{test.d.Path}) {
				t.Errorf("%+v", c)
			}
		})
	}
}

func TestCausesStandInTheOrderOfTheFilesThatTheyTouch(t *testing.T) {
	list := []discrepancy{found("a", "content", 3), found("a", "mode", 3), found("b", "mode", 2), found("b", "time", 2), found("b", "content", 2), found("c", "mode", 3), found("c", "mode", 3)}
	list[3].noise = "time"
	list = append(list, discrepancy{Discrepancy: Discrepancy{Path: "d", Class: "owner"}, base: true})
	causes := causesOf(list)
	var got []string
	for _, c := range causes {
		got = append(got, fmt.Sprintf("%s %d %v", c.Name, c.Files, c.Directives))
	}
	want := []string{"mode 3 [{2 1} {3 2}]", "content 2 [{2 1} {3 1}]", "base-differs 1 [{0 1}]", "time 1 [{2 1}]"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	for _, d := range list {
		if causes[d.Cause].Name != causeOf(&d).name {
			t.Errorf("%s %s has the cause %d, %s", d.Class, d.Path, d.Cause, causes[d.Cause].Name)
		}
	}
}

func TestACauseNamesAFewOfItsPathsAndCountsAll(t *testing.T) {
	var list []discrepancy
	for i := range 20 {
		list = append(list, found(fmt.Sprint(i), "content", 3))
	}
	if c := causesOf(list)[0]; len(c.Examples) != maxExamples || c.Files != 20 {
		t.Errorf("%d examples of %d files", len(c.Examples), c.Files)
	}
	if got := causesOf(nil); got == nil || len(got) != 0 {
		t.Errorf("no differences have the causes %v", got)
	}
}

func TestThePinIsTheVersionThatWasPublished(t *testing.T) {
	d := found("usr/bin/curl", "content", 3)
	d.pkg = &packages.Change{Name: "curl", A: "8.9.0-r0", B: "8.9.1-r0"}
	c := causesOf([]discrepancy{d})[0]
	if !strings.Contains(c.Fix, "curl=8.9.1-r0") || !strings.Contains(c.Summary, "8.9.0-r0 when rebuilt, 8.9.1-r0 in the published image") {
		t.Errorf("%s; %s", c.Summary, c.Fix)
	}
}

func TestEveryCauseIsExplainedAndDocumented(t *testing.T) {
	page, err := os.ReadFile("docs/reproduce.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := func(name string) {
		t.Helper()
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("docs/reproduce.md does not tell of %s", name)
		}
	}
	for _, name := range NoiseNames() {
		if noiseFixes[name] == "" || noiseWhy(name) == "" {
			t.Errorf("noise %s has no fix, or no reason", name)
		}
		documented(name)
	}
	for name, text := range causeTexts {
		if text.summary == "" || text.fix == "" {
			t.Errorf("cause %s has no summary, or no fix", name)
		}
		documented(name)
	}
	for _, class := range diffClasses {
		if c := causeOf(&discrepancy{Discrepancy: Discrepancy{Class: discrepancyClass(class), Published: "x"}}); causeTexts[c.name].fix == "" {
			t.Errorf("class %s has the cause %s, which nothing explains", class, c.name)
		}
	}
}

func TestTimesAreToldFromOtherText(t *testing.T) {
	tests := []struct {
		a, b string
		want bool
	}{
		{"Fri Sep  6 12:05:36 UTC 2024", "Sat Sep  7 01:02:03 UTC 2024", true},
		{"built 2024-09-06T12:05:36Z", "built 2024-09-06T12:05:40+02:00", true},
		{"2024-09-06 12:05:36.123456", "2025-01-01 00:00:00.5", true},
		{"at 1725624336", "at 1725624999", true},
		{"06 Sep", "07 Sep", false},
		{"12:05", "13:06", true},
		{"release 1.2", "release 1.3", false},
		{"id 1f3a99", "id 88bb01", false},
		{"port 8080", "port 9090", false},
		{"2024-09-06 root", "2024-09-07 eve", false},
	}
	for _, test := range tests {
		if got := tellsTime([]string{"@@ -1 +1 @@", " same", "-" + test.a, "+" + test.b}); got != test.want {
			t.Errorf("%q and %q: %v", test.a, test.b, got)
		}
	}
	for _, change := range [][]string{nil, {"both are ELF"}, {"-12:00"}, {"-12:00", "+12:01", "+eve::0:0"}} {
		if tellsTime(change) {
			t.Errorf("%q tells of times alone", change)
		}
	}
}

func TestWhatTheRebuildsDisagreeOnIsTheBuildersOwn(t *testing.T) {
	between := restlessIn([]DiffEntry{
		{Path: "etc/id", Class: string(filetree.Content)},
		{Path: "tmp/x1", Class: string(filetree.OnlyInA)}, {Path: "tmp/x2", Class: string(filetree.OnlyInB)},
		{Path: "opt/once", Class: string(filetree.OnlyInA)},
	})
	tests := []struct {
		name, want string
		list       []DiffEntry
	}{
		{"a content that changes", "true", []DiffEntry{{Path: "etc/id", Class: "content"}}},
		{"another class of it", "false", []DiffEntry{{Path: "etc/id", Class: "mode"}}},
		{"another file", "false", []DiffEntry{{Path: "etc/passwd", Class: "content"}}},
		{"a name of the first build", "true", []DiffEntry{{Path: "tmp/x1", Class: "only-in-a"}}},
		{"a name of the second build", "true", []DiffEntry{{Path: "tmp/x2", Class: "only-in-b"}}},
		{"a name of the published one, where each has one", "true true", []DiffEntry{{Path: "tmp/x1", Class: "only-in-a"}, {Path: "tmp/x9", Class: "only-in-b"}}},
		{"a name too many", "true false false", []DiffEntry{{Path: "tmp/x1", Class: "only-in-a"}, {Path: "tmp/x9", Class: "only-in-b"}, {Path: "tmp/door", Class: "only-in-b"}}},
		{"a name in a folder below", "false", []DiffEntry{{Path: "tmp/sub/x9", Class: "only-in-b"}}},
		{"what one build alone made, published", "true", []DiffEntry{{Path: "opt/once", Class: "only-in-b"}}},
		{"a name where one build alone has one", "false", []DiffEntry{{Path: "opt/backdoor", Class: "only-in-b"}}},
	}
	for _, test := range tests {
		if got := strings.Trim(fmt.Sprint(between.unsteady(test.list)), "[]"); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}
