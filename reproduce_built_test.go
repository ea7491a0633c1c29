package verify

import (
	"archive/tar"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// read opens an image as a rebuild, or as the published one.
func (s *session) read(t *testing.T, img *specimen) *facts {
	t.Helper()
	f, err := s.diffSide(t.Context(), t.Context(), "oci:"+img.write())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.set.Close() })
	return f
}

// explained is what is said of an image whose rebuilds are these: an ADD in line
// 2 and a RUN in line 3.
func explained(t *testing.T, published *specimen, rebuilds ...*specimen) *ReproduceReport {
	t.Helper()
	s, err := newSession(t.Context(), Options{Platform: "linux/amd64", Offline: true, Requirements: Requirements{Only: []string{"image.digests"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	f := s.read(t, published)
	f.content = []contentFact{{layer: 0, line: 2, what: "ADD"}, {layer: 1, line: 3, what: "RUN"}}
	var built []*builtFact
	for _, r := range rebuilds {
		built = append(built, &builtFact{image: s.read(t, r)})
	}
	f.rebuilt = &rebuildFact{built: built[0], level: Different, layers: []layerRebuild{{level: SameFiles}, {level: Different, built: true}}}
	out := &ReproduceReport{Counts: map[string]int{}}
	if err := s.explainBuilt(t.Context(), f, append(built, nil)[1], out); err != nil {
		t.Fatal(err)
	}
	return out
}

func causeLines(r *ReproduceReport) []string {
	var out []string
	for _, c := range r.Causes {
		out = append(out, strings.Join(strings.Fields(fmt.Sprintf("%s %s %s %d %v", c.Kind, c.Name, c.Subject, c.Files, c.Directives)), " "))
	}
	return out
}

// built is an image of a base file and what a RUN leaves.
func built(t *testing.T, run ...entry) *specimen {
	t.Helper()
	return imageOf(t, []entry{directory("etc/"), file("etc/motd", "hello\n")}, run)
}

const dpkgCurl = "Package: curl\nStatus: install ok installed\nArchitecture: amd64\nVersion: %s\n\nPackage: dash\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\n"

// installed is what installing curl in a version leaves, in a merged /usr.
func installed(version string) []entry {
	return []entry{
		directory("usr/"), directory("usr/bin/"), with(file("usr/bin/curl", "curl "+version), func(h *tar.Header) { h.Mode = 0o755 }), file("usr/share/doc/curl", version),
		file("var/lib/dpkg/status", fmt.Sprintf(dpkgCurl, version)), file("var/lib/dpkg/info/curl.list", "/.\n/bin\n/bin/curl\n/usr/share/doc/curl\n"),
		file("var/lib/dpkg/info/curl.md5sums", version), file("var/log/dpkg.log", "2024-01-02 10:00:0"+version[:1]+" install curl"),
	}
}

func apkDatabase(version string) entry {
	return file("lib/apk/db/installed", "P:curl\nV:"+version+"\nF:usr/bin\nR:curl\n\n")
}

func TestWhatABuilderMakesOtherwiseIsExplained(t *testing.T) {
	clock := func(second string) entry { return file("etc/built", "built at 10:00:"+second+"\n") }
	tests := []struct {
		name          string
		published     *specimen
		first, second *specimen
		level, steady Level
		causes        []string
	}{
		{"nothing", built(t, file("a", "1")), built(t, file("a", "1")), built(t, file("a", "1")), SameDigest, SameDigest, nil},
		{"the date", built(t, clock("01")), built(t, clock("05")), built(t, clock("09")), Different, Different,
			[]string{"unsteady build-time 1 [{3 1}]"}},
		{"the date, where both rebuilds were made in one second", built(t, clock("01")), built(t, clock("05")), built(t, clock("05")), Different, SameDigest,
			[]string{"difference build-time 1 [{3 1}]"}},
		{"a random number", built(t, file("id", "a1\n")), built(t, file("id", "b2\n")), built(t, file("id", "c3\n")), Different, Different,
			[]string{"unsteady unsteady-content 1 [{3 1}]"}},
		{"a log", built(t, file("var/log/x", "1")), built(t, file("var/log/x", "2")), built(t, file("var/log/x", "3")), Different, Different,
			[]string{"noise log 1 [{3 1}]"}},
		{"names of temporary files", built(t, directory("tmp/"), file("tmp/a1", "")), built(t, directory("tmp/"), file("tmp/b2", "")), built(t, directory("tmp/"), file("tmp/c3", "")), Different, Different,
			[]string{"unsteady unsteady-names 2 [{3 2}]"}},
		{"a back door among temporary files", built(t, directory("tmp/"), file("tmp/a1", ""), file("tmp/door", "x")), built(t, directory("tmp/"), file("tmp/b2", "")), built(t, directory("tmp/"), file("tmp/c3", "")), Different, Different,
			[]string{"difference added 2 [{3 2}]", "unsteady unsteady-names 1 [{3 1}]"}},
		{"what the rebuilds agree on", built(t, file("a", "1")), built(t, file("a", "2")), built(t, file("a", "2")), Different, SameDigest,
			[]string{"difference run-content 1 [{3 1}]"}},
		{"a file of the source", imageOf(t, []entry{directory("etc/"), file("etc/motd", "evil\n")}, []entry{file("a", "1")}), built(t, file("a", "1")), built(t, file("a", "1")), Different, SameDigest,
			[]string{"difference content 1 [{2 1}]"}},
		{"a back door beside a random number", built(t, file("id", "a1\n"), file("sbin/door", "x")), built(t, file("id", "b2\n")), built(t, file("id", "c3\n")), Different, Different,
			[]string{"difference added 1 [{3 1}]", "unsteady unsteady-content 1 [{3 1}]"}},
		{"a package of another version", built(t, installed("8.1-1")...), built(t, installed("9.1-1")...), built(t, installed("9.1-1")...), Different, SameDigest,
			[]string{"difference package-version curl 3 [{3 3}]", "difference package-database 1 [{3 1}]", "noise package-log 1 [{3 1}]"}},
		{"a package of apk", built(t, apkDatabase("1-r0"), file("usr/bin/curl", "1")), built(t, apkDatabase("2-r0"), file("usr/bin/curl", "2")), built(t, apkDatabase("2-r0"), file("usr/bin/curl", "2")), Different, SameDigest,
			[]string{"difference package-database 1 [{3 1}]", "difference package-version curl 1 [{3 1}]"}},
		{"a file that is no package's", built(t, append(installed("8.1-1"), file("usr/bin/x", "1"))...), built(t, append(installed("8.1-1"), file("usr/bin/x", "2"))...), built(t, append(installed("8.1-1"), file("usr/bin/x", "2"))...), Different, SameDigest,
			[]string{"difference run-content 1 [{3 1}]"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := explained(t, test.published, test.first, test.second)
			if len(r.Builds) != 2 || r.Builds[0].Level != test.level || r.Steady != test.steady {
				t.Errorf("builds %+v, steady %s; want %s and %s", r.Builds, r.Steady, test.level, test.steady)
			}
			if got := causeLines(r); !slices.Equal(got, test.causes) {
				t.Errorf("got  %q\nwant %q", got, test.causes)
			}
			total := 0
			for _, n := range r.Counts {
				total += n
			}
			if total != len(r.Differences) || r.Unlisted != 0 {
				t.Errorf("%v is counted, %d listed, %d not", r.Counts, len(r.Differences), r.Unlisted)
			}
		})
	}
}

func TestThePackageToPinIsNamedWithThePublishedVersion(t *testing.T) {
	r := explained(t, built(t, installed("8.1-1")...), built(t, installed("9.1-1")...))
	if c := r.Causes[0]; !strings.Contains(c.Fix, "curl=8.1-1") || !slices.Contains(c.Examples, "usr/bin/curl") {
		t.Errorf("%+v", c)
	}
	if r.Steady != NoLevel || len(r.Builds) != 1 {
		t.Errorf("one rebuild is as steady as %s", r.Steady)
	}
}

func TestWhatWasAssembledInProcessIsNotJudgedByABuilder(t *testing.T) {
	s, err := newSession(t.Context(), Options{Platform: "linux/amd64", Offline: true, Requirements: Requirements{Only: []string{"image.digests"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	run := func(motd, a string) *facts {
		return s.read(t, imageOf(t, []entry{file("etc/motd", motd)}, []entry{file("a", a)}))
	}
	for level, want := range map[Level][]string{
		SameLayers: {"difference run-content 1 [{3 1}]"},
		SameFiles:  {"difference content 1 [{2 1}]", "difference run-content 1 [{3 1}]"},
	} {
		f := run("published", "published")
		f.content = []contentFact{{layer: 0, line: 2, what: "ADD"}, {layer: 1, line: 3, what: "RUN"}}
		f.rebuilt = &rebuildFact{built: &builtFact{image: run("built", "built")}, level: Different, layers: []layerRebuild{{level: level}, {level: Different, built: true}}}
		out := &ReproduceReport{Counts: map[string]int{}}
		if err := s.explainBuilt(t.Context(), f, nil, out); err != nil {
			t.Fatal(err)
		}
		if got := causeLines(out); !slices.Equal(got, want) || out.Counts["content"] != len(want) {
			t.Errorf("%s: %q and %v, want %q", level, got, out.Counts, want)
		}
	}
}
