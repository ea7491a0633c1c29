package provenance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing/object"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/provenance/library"
	"github.com/imageverify/verify/provenance/source"
)

const sourceRepository = "https://git.test/app.git"

// fixture is a source repository and a library over it, made commit by commit.
type fixture struct {
	t           *testing.T
	source, lib string
	clock       time.Time
}

func newFixture(t *testing.T) *fixture {
	dir := t.TempDir()
	f := &fixture{t: t, source: filepath.Join(dir, "source"), lib: filepath.Join(dir, "lib"), clock: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)}
	for _, d := range []string{f.source, f.lib} {
		if _, err := git.PlainInit(d, false); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// commit writes a file and commits it, a day after the commit before.
func (f *fixture) commit(dir, name, text string) string {
	f.t.Helper()
	path := filepath.Join(dir, name)
	check(f.t, os.MkdirAll(filepath.Dir(path), 0o755))
	check(f.t, os.WriteFile(path, []byte(text), 0o644))
	repo, err := git.PlainOpen(dir)
	check(f.t, err)
	tree, err := repo.Worktree()
	check(f.t, err)
	_, err = tree.Add(name)
	check(f.t, err)
	f.clock = f.clock.AddDate(0, 0, 1)
	who := &object.Signature{Name: "t", Email: "t@test", When: f.clock}
	id, err := tree.Commit("commit", &git.CommitOptions{Author: who, Committer: who, AllowEmptyCommits: true})
	check(f.t, err)
	return id.String()
}

// release commits a Dockerfile and the library entry that names it.
func (f *fixture) release(dockerfile string) string {
	id := f.commit(f.source, "d/Dockerfile", dockerfile)
	f.entry(id)
	return id
}

func (f *fixture) entry(commit string) {
	f.commit(f.lib, "library/app", fmt.Sprintf("Maintainers: T <t@test> (@t)\nGitRepo: %s\n\nTags: 1\nArchitectures: amd64\nGitCommit: %s\nDirectory: d\n", sourceRepository, commit))
}

func (f *fixture) find(s Subject) *Trace {
	f.t.Helper()
	s.OS, s.Architecture = "linux", "amd64"
	if s.Repository == "" {
		s.Repository, s.Tag = "docker.io/library/app", "1"
	}
	if s.Created.IsZero() {
		s.Created = f.clock.Add(time.Hour)
	}
	opener := source.NewOpener(source.Options{Mirrors: map[string]string{sourceRepository: f.source}, Offline: true})
	f.t.Cleanup(func() { opener.Close() })
	trace, err := Find(context.Background(), s, Sources{
		Library: func(ctx context.Context) (*library.Library, error) {
			return library.Open(ctx, f.lib, library.Options{Opener: opener})
		},
		Open: opener.Open,
	})
	check(f.t, err)
	return trace
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// cmdHistory is the history of "FROM scratch" with one CMD.
func cmdHistory(cmd string) []v1.History {
	return []v1.History{{CreatedBy: fmt.Sprintf(`CMD ["%s"]`, cmd), Comment: "buildkit.dockerfile.v0", EmptyLayer: true}}
}

func cmdFile(cmd string) string { return fmt.Sprintf("FROM scratch\nCMD [%q]\n", cmd) }

func TestTheOriginIsTheFirstCandidateWhoseDockerfileMatches(t *testing.T) {
	f := newFixture(t)
	old := f.release(cmdFile("/one"))
	f.release(cmdFile("/two"))
	trace := f.find(Subject{History: cmdHistory("/one")})
	if trace.Origin == nil || trace.Origin.Commit != old || !trace.Origin.Matched() {
		t.Fatalf("origin %+v, want the older entry %s", trace.Origin, old)
	}
	if len(trace.Attempts) != 2 {
		t.Errorf("%d attempts, want the newest entry first and then the match", len(trace.Attempts))
	}
	if trace.InForce == nil || trace.InForce.Entry.Commit == old {
		t.Errorf("in force: %+v, want the newest entry", trace.InForce)
	}
	if len(trace.Claims) != 1 || trace.Claims[0].Source != ByLibrary || trace.Claims[0].Commit != old {
		t.Errorf("claims %+v, want the library's for the matching entry", trace.Claims)
	}
}

func TestAnAnnotatedCommitIsTriedFirst(t *testing.T) {
	f := newFixture(t)
	first := f.release(cmdFile("/same"))
	f.release(cmdFile("/same") + "# a comment\n")
	annotated := map[string]string{keySource: sourceRepository + "#" + first + ":d"}
	trace := f.find(Subject{History: cmdHistory("/same"), Annotations: annotated})
	if trace.Origin.Commit != first || len(trace.Attempts) != 1 {
		t.Errorf("origin %s after %d attempts, want %s at once", trace.Origin.Commit, len(trace.Attempts), first)
	}
}

func TestNoMatchingDockerfileLeavesTheNearestAsJudged(t *testing.T) {
	f := newFixture(t)
	f.release(cmdFile("/one"))
	trace := f.find(Subject{History: cmdHistory("/other")})
	if trace.Origin == nil || trace.Origin.Matched() || trace.Judged != trace.Origin {
		t.Errorf("origin %+v: want the entry, unmatched, and judged", trace.Origin)
	}
}

func TestAnEntryThatCannotBeReadStaysTheOrigin(t *testing.T) {
	f := newFixture(t)
	readable := f.release(cmdFile("/same"))
	missing := strings.Repeat("7", 40)
	f.entry(missing)
	trace := f.find(Subject{History: cmdHistory("/same")})
	if trace.Origin.Commit != missing || !errors.Is(trace.Origin.Err, source.ErrObjectAbsent) {
		t.Errorf("origin %s (%v), want the absent entry in force %s", trace.Origin.Commit, trace.Origin.Err, missing)
	}
	if trace.Judged == nil || trace.Judged.Commit != readable || !trace.Judged.Matched() {
		t.Errorf("judged %+v, want the older entry that matches", trace.Judged)
	}
}

func TestACommitYoungerThanTheImageIsNoOrigin(t *testing.T) {
	f := newFixture(t)
	f.release(cmdFile("/same"))
	trace := f.find(Subject{History: cmdHistory("/same"), Created: f.clock.AddDate(0, 0, -30)})
	if trace.Origin == nil || !errors.Is(trace.Origin.Err, ErrYounger) {
		t.Errorf("origin %+v, want one refused as younger than the image", trace.Origin)
	}
}

func TestNamesOutsideTheLibraryHaveNoCandidates(t *testing.T) {
	f := newFixture(t)
	f.release(cmdFile("/one"))
	tests := []struct {
		name string
		s    Subject
		want error
	}{
		{"another registry", Subject{Repository: "example.com/library/app", Tag: "1"}, ErrNotInLibrary},
		{"an official name without a tag", Subject{Repository: "docker.io/library/app"}, ErrTagUnknown},
		{"another namespace", Subject{Repository: "docker.io/somebody/app", Tag: "1"}, ErrNotInLibrary},
		{"an unknown image", Subject{Repository: "docker.io/library/other", Tag: "1"}, library.ErrNoImage},
		{"an unknown tag", Subject{Repository: "docker.io/library/app", Tag: "2"}, library.ErrNoTag},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.s.History = cmdHistory("/one")
			trace := f.find(tt.s)
			if trace.Origin != nil || !errors.Is(trace.LibraryErr, tt.want) {
				t.Errorf("origin %+v, error %v; want none and %v", trace.Origin, trace.LibraryErr, tt.want)
			}
		})
	}
}

func TestAnImageOutsideTheLibraryIsTracedByItsOwnBuildDefinition(t *testing.T) {
	f := newFixture(t)
	id := f.commit(f.source, "d/Dockerfile", cmdFile("/mine"))
	s := Subject{Repository: "example.com/mine", Tag: "1", History: cmdHistory("/mine"),
		Annotations: map[string]string{keySource: sourceRepository + "#" + id + ":d"}}
	trace := f.find(s)
	if trace.Origin == nil || trace.Origin.Commit != id || !trace.Origin.Matched() || trace.Origin.Candidate != nil {
		t.Errorf("origin %+v, want the annotated commit", trace.Origin)
	}
	s.Annotations[keySource] = "https://elsewhere.test/x.git#" + id + ":d"
	trace = f.find(s)
	if trace.Origin == nil || !errors.Is(trace.Origin.Err, source.ErrNotFollowed) {
		t.Errorf("origin %+v, want one that was not followed", trace.Origin)
	}
}

func TestACandidateThatOnlyTheNetworkHasStaysTheOriginOffline(t *testing.T) {
	f := newFixture(t)
	readable := f.release(cmdFile("/same"))
	f.commit(f.lib, "library/app", "Maintainers: T <t@test> (@t)\nGitRepo: https://elsewhere.test/app.git\n\nTags: 1\nGitCommit: "+strings.Repeat("7", 40)+"\nDirectory: d\n")
	trace := f.find(Subject{History: cmdHistory("/same")})
	if trace.Origin.Repository != "https://elsewhere.test/app.git" || trace.Origin.Err == nil {
		t.Errorf("origin %s (%v), want the entry that could not be fetched", trace.Origin.Repository, trace.Origin.Err)
	}
	if trace.Judged == nil || trace.Judged.Commit != readable {
		t.Errorf("judged %+v, want the older entry that matches", trace.Judged)
	}
}
