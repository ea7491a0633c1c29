package provenance

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/checksums/buildhash"
)

const copyFile = "FROM scratch\nCOPY a /a\n"

// absentEntry commits a library entry whose commit is nowhere.
func (f *fixture) absentEntry(tags, fetch string) string {
	missing := strings.Repeat("7", 40)
	f.commit(f.lib, "library/app", fmt.Sprintf("Maintainers: T <t@test> (@t)\nGitRepo: %s\n\nTags: 1, %s\nArchitectures: amd64\nGitFetch: %s\nGitCommit: %s\nDirectory: d\n",
		sourceRepository, tags, fetch, missing))
	return missing
}

// classicCopy is the history that the classic builder leaves for copyFile.
func (f *fixture) classicCopy(content string) Subject {
	f.t.Helper()
	hash, err := buildhash.Sum(f.t.Context(), fstest.MapFS{"a": {Data: []byte(content), Mode: 0o644}}, []string{"a"}, buildhash.Variants()[0])
	check(f.t, err)
	return Subject{Layers: 1, History: []v1.History{{CreatedBy: "/bin/sh -c #(nop) COPY " + hash + " in /a "}}}
}

func TestAnAbsentEntrysLikeIsFoundByItsContent(t *testing.T) {
	f := newFixture(t)
	f.commit(f.source, "d/a", "one")
	like := f.commit(f.source, "d/Dockerfile", copyFile)
	f.commit(f.source, "d/a", "two")
	missing := f.absentEntry("1.0", "refs/heads/master")
	trace := f.find(f.classicCopy("one"))
	if trace.Origin == nil || trace.Origin.Commit != missing || trace.Judged == nil || trace.Judged.Commit != like {
		t.Fatalf("origin %+v, judged %+v; want the absent entry, judged on %s", trace.Origin, trace.Judged, like)
	}
	if trace.Same == nil || !trace.Same.Content || trace.Same.Serial != "" {
		t.Errorf("same %+v, want by content alone", trace.Same)
	}
	if len(trace.Claims) != 1 || trace.Claims[0].Commit != missing {
		t.Errorf("claims %+v, want the library's alone", trace.Claims)
	}
}

func TestNothingStandsForAnAbsentEntryThatIsNotShownToBeTheSame(t *testing.T) {
	buildkit := Subject{Layers: 1, History: []v1.History{{CreatedBy: "COPY a /a # buildkit", Comment: "buildkit.dockerfile.v0"}}}
	tests := []struct {
		name  string
		make  func(*fixture)
		image func(*fixture) Subject
	}{
		{"the content differs", func(f *fixture) { f.absentEntry("1.0", "refs/heads/master") },
			func(f *fixture) Subject { return f.classicCopy("three") }},
		{"the history tells no content, and there is no serial", func(f *fixture) { f.absentEntry("1.0", "refs/heads/master") },
			func(*fixture) Subject { return buildkit }},
		{"the library names another branch", func(f *fixture) { f.absentEntry("1.0", "refs/heads/other") },
			func(f *fixture) Subject { return f.classicCopy("one") }},
		{"only the image names the absent commit", func(*fixture) {}, func(f *fixture) Subject {
			s := f.classicCopy("one")
			s.Repository, s.Tag = "example.com/app", "1"
			s.Annotations = map[string]string{keySource: sourceRepository + "#" + strings.Repeat("7", 40) + ":d"}
			return s
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			f.commit(f.source, "d/a", "one")
			f.commit(f.source, "d/Dockerfile", copyFile)
			tt.make(f)
			trace := f.find(tt.image(f))
			if trace.Judged != nil || trace.Same != nil {
				t.Errorf("judged %+v (%+v), want nothing", trace.Judged, trace.Same)
			}
		})
	}
}

func TestABuildWithoutFilesIsTheSameByItsDockerfile(t *testing.T) {
	f := newFixture(t)
	like := f.commit(f.source, "d/Dockerfile", cmdFile("/same"))
	f.absentEntry("1.0", "")
	trace := f.find(Subject{History: cmdHistory("/same")})
	if trace.Judged == nil || trace.Judged.Commit != like {
		t.Errorf("judged %+v, want %s", trace.Judged, like)
	}
}

func TestAnEntryOfAnotherSerialDoesNotStandForAnAbsentOne(t *testing.T) {
	for serial, want := range map[string]bool{"20240102": true, "20240203": false} {
		f := newFixture(t)
		id := f.commit(f.source, "d/Dockerfile", cmdFile("/same"))
		f.commit(f.lib, "library/app", fmt.Sprintf("Maintainers: T <t@test> (@t)\nGitRepo: %s\n\nTags: 1, x-%s\nArchitectures: amd64\nGitCommit: %s\nDirectory: d\n", sourceRepository, serial, id))
		f.absentEntry("x-20240102", "refs/heads/none")
		trace := f.find(Subject{History: cmdHistory("/same")})
		if (trace.Judged != nil) != want {
			t.Errorf("serial %s: judged %+v, want one: %v", serial, trace.Judged, want)
		}
		if want && trace.Same.Serial != serial {
			t.Errorf("same %+v, want the serial %s", trace.Same, serial)
		}
	}
}

func TestTheSearchForTheSameIsBounded(t *testing.T) {
	for versions, want := range map[int]bool{maxVersions: true, maxVersions + 1: false} {
		f := newFixture(t)
		f.commit(f.source, "d/a", "one")
		f.commit(f.source, "d/Dockerfile", copyFile)
		for i := range versions - 1 {
			f.commit(f.source, "d/a", fmt.Sprint(i))
		}
		f.absentEntry("1.0", "")
		s := f.classicCopy("one")
		s.Created = f.clock.AddDate(1, 0, 0)
		if trace := f.find(s); (trace.Judged != nil) != want {
			t.Errorf("the same lies %d contents back: judged %+v, want one: %v", versions, trace.Judged, want)
		}
	}
}
