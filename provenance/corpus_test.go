package provenance

import (
	"context"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/imageverify/verify/internal/corpus"
	"github.com/imageverify/verify/provenance/dockerfile"
	"github.com/imageverify/verify/provenance/dockerfile/dockerfiletest"
	"github.com/imageverify/verify/provenance/history"
	"github.com/imageverify/verify/provenance/library"
	"github.com/imageverify/verify/provenance/source"
)

// mirrors are the corpus's git mirrors by the URL they stand for.
func mirrors(t testing.TB) map[string]string {
	out := map[string]string{}
	for url, name := range map[string]string{
		"https://github.com/docker-library/buildpack-deps": "docker-library+buildpack-deps.git",
		"https://github.com/docker-library/hello-world":    "docker-library+hello-world.git",
		"https://github.com/docker-library/python":         "docker-library+python.git",
		"https://github.com/docker-library/redis":          "docker-library+redis.git",
		"https://github.com/docker-library/tomcat":         "docker-library+tomcat.git",
		"https://github.com/nginxinc/docker-nginx":         "nginxinc+docker-nginx.git",
	} {
		out[url] = filepath.Join(corpus.Dir(t), "git", name)
	}
	return out
}

// realSources are the corpus's mirrors and library.
func realSources(t testing.TB) Sources {
	opener := source.NewOpener(source.Options{Mirrors: mirrors(t), Offline: true})
	t.Cleanup(func() { opener.Close() })
	lib, err := library.Open(t.Context(), filepath.Join(corpus.Dir(t), "git", "official-images.git"), library.Options{Opener: opener})
	if err != nil {
		t.Fatal(err)
	}
	return Sources{Library: func(context.Context) (*library.Library, error) { return lib, nil }, Open: opener.Open}
}

func subjectOf(r corpus.Record) Subject {
	p := r.Platform()
	name, tag, _ := strings.Cut(r.Ref, ":")
	return Subject{
		Repository: libraryPrefix + name, Tag: tag,
		OS: p.OS, Architecture: p.Architecture, Variant: p.Variant,
		Created: r.Created(), History: r.Entries(), Layers: len(r.Layers),
	}
}

// entriesBehind counts the entries of the record's tag that the library had
// between an entry and a day, each once.
func entriesBehind(t testing.TB, from Sources, r corpus.Record, a *Attempt, day time.Time) int {
	t.Helper()
	lib, err := from.Library(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := subjectOf(r)
	all, err := lib.Candidates(t.Context(), r.Name, s.Tag, library.Arch(s.OS, s.Architecture, s.Variant))
	if err != nil {
		t.Fatal(err)
	}
	later := map[string]bool{}
	for _, c := range all {
		if c.Entry.Commit != a.Commit && c.Merged.After(a.Candidate.Merged) && !c.Merged.After(day) {
			later[c.Entry.Commit+c.Entry.Directory] = true
		}
	}
	return len(later)
}

func TestTheLibrarysPastExplainsEveryRealImageOf2018(t *testing.T) {
	from := realSources(t)
	// The library's commit that the records' entries in force are of.
	day := time.Date(2018, 3, 15, 23, 59, 59, 0, time.UTC)
	behind, alike := map[int]int{}, map[bool]int{}
	for _, r := range corpus.Records(t) {
		trace, err := Find(t.Context(), subjectOf(r), from)
		if err != nil {
			t.Fatal(err)
		}
		a := trace.Origin
		if !a.Matched() || a != trace.Judged {
			t.Errorf("%s for %s: not explained by any of %d candidates", r.Ref, r.Arch, len(trace.Attempts))
			continue
		}
		if a.Candidate.LibraryCommit == "" || a.CommitTime.After(r.Created().Add(24*time.Hour)) {
			t.Errorf("%s for %s: explained by %s of %v, made %v", r.Ref, r.Arch, a.Commit, a.CommitTime, r.Created())
		}
		n := entriesBehind(t, from, r, a, day)
		behind[n]++
		checkChanges(t, r, a)
		if r.Architecture != "amd64" || n > 0 {
			continue // an architecture tells the rest
		}
		also, err := trace.AlsoMatches(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		alike[len(also) > 0]++
		checkSiblings(t, r, a, also)
	}
	// Most images have a neighbour that differs in nothing that history records,
	// such as one that is FROM another release.
	if alike[true] < 30 || alike[false] < 5 {
		t.Errorf("images with a neighbour that matches too, and without: %v", alike)
	}
	// The library is ahead of the registry, by up to three entries.
	if want := map[int]int{0: 322, 1: 135, 2: 84, 3: 6}; !maps.Equal(behind, want) {
		t.Errorf("entries behind the newest of that day: %v, want %v", behind, want)
	}
}

// checkSiblings looks at one of the Dockerfiles that match too: it is another
// one, or lies elsewhere, and differs in no directive's recorded text.
func checkSiblings(t *testing.T, r corpus.Record, a *Attempt, also []string) {
	t.Helper()
	if slices.Contains(also, a.Directory) {
		t.Errorf("%s for %s: %s is said to be a neighbour of itself", r.Ref, r.Arch, a.Directory)
	}
	if len(also) == 0 {
		return
	}
	s := subjectOf(r)
	text, err := ReadDockerfile(a.Tree.Root(), path.Join(also[0], a.File))
	if err != nil {
		t.Fatal(err)
	}
	f, err := dockerfile.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	b, err := f.Evaluate(dockerfile.Options{OS: s.OS, Architecture: s.Architecture, Variant: s.Variant})
	if err != nil || len(b.Directives) != len(a.Build.Directives) {
		t.Errorf("%s for %s: %s matches too, with %d directives (%v)", r.Ref, r.Arch, also[0], len(b.Directives), err)
	}
}

// checkChanges changes one letter of the Dockerfile that explains an image, in
// what history records, anew for each of several seeds: it explains no more.
func checkChanges(t *testing.T, r corpus.Record, a *Attempt) {
	t.Helper()
	data, err := fs.ReadFile(a.Context, a.File)
	if err != nil {
		t.Fatal(err)
	}
	s := subjectOf(r)
	for seed := range uint64(3) {
		random := rand.New(rand.NewPCG(seed, uint64(len(r.Ref))))
		text, ok := "", false
		for !ok {
			d := a.Build.Directives[random.IntN(len(a.Build.Directives))]
			text, ok = dockerfiletest.ChangeLetter(random, string(data), d)
		}
		f, err := dockerfile.Parse([]byte(text))
		if err != nil {
			continue // no builder reads it
		}
		b, err := f.Evaluate(dockerfile.Options{OS: s.OS, Architecture: s.Architecture, Variant: s.Variant})
		if err != nil {
			continue
		}
		if history.Match(s.History, s.Layers, b).Matched {
			t.Errorf("%s for %s: still matches with this Dockerfile:\n%s", r.Ref, r.Arch, text)
		}
	}
}
