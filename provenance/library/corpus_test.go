package library

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/imageverify/verify/internal/corpus"
)

func official(t testing.TB, cache Cache) *Library {
	t.Helper()
	l, err := Open(context.Background(), filepath.Join(corpus.Dir(t), "git", "official-images.git"), Options{Cache: cache})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func TestRealTagsHaveTheirEntries(t *testing.T) {
	l := official(t, nil)
	at := func(text string) time.Time {
		when, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	for _, one := range []struct {
		image, tag, arch, created               string
		commit, dir, libraryCommit, from, until string
	}{
		{"alpine", "3.20.3", "amd64", "2024-09-06T12:05:36Z", "7d63673353bd39d92ba42f6effcc199aeebd45ee", "x86_64",
			"4eade384077b57c086af3dbb3fcc96a67cb70646", "2024-09-06T21:39:32Z", "2025-01-06T18:05:59-08:00"},
		{"alpine", "3.20.3", "arm64v8", "2024-09-06T12:05:36Z", "7d63673353bd39d92ba42f6effcc199aeebd45ee", "aarch64",
			"4eade384077b57c086af3dbb3fcc96a67cb70646", "2024-09-06T21:39:32Z", "2025-01-06T18:05:59-08:00"},
		{"alpine", "3.14.10", "amd64", "2023-03-29T18:19:24Z", "cb8d8712f672bfa9a8b9a1f64b2c12f369f1cc68", "x86_64",
			"cb38734f029f3ae9c13a892653836d79d51ca325", "", ""},
		{"hello-world", "linux", "amd64", "2021-09-23T23:47:57Z", "3332fbee4210b41738d83f6cfdc301a42b96e30d", "amd64/hello-world", "", "", ""},
		{"ubuntu", "16.04", "amd64", "2021-08-31T01:21:30Z", "49f002ba206e2cea2024aaa9f6f4ee4e9fb5c084", "xenial", "", "", ""},
	} {
		name := one.image + ":" + one.tag + " for " + one.arch
		all, err := l.Candidates(t.Context(), one.image, one.tag, one.arch)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		c := Order(all, at(one.created), nil)[0]
		if c.Entry.Commit != one.commit || c.Entry.Directory != one.dir || c.File != "library/"+one.image {
			t.Errorf("%s: %+v, want %s %s", name, c, one.commit, one.dir)
		}
		if one.libraryCommit != "" && c.LibraryCommit != one.libraryCommit {
			t.Errorf("%s: library commit %s, want %s", name, c.LibraryCommit, one.libraryCommit)
		}
		if one.from != "" && (!c.Merged.Equal(at(one.from)) || !c.Until.Equal(at(one.until))) {
			t.Errorf("%s: in force from %v to %v, want %s to %s", name, c.Merged, c.Until, one.from, one.until)
		}
	}
}

func TestTheNextEntryIsTriedWhenTheFirstDoesNotMatch(t *testing.T) {
	all, err := official(t, nil).Candidates(t.Context(), "ubuntu", "16.04", "amd64")
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 110 || all[0].InForce || all[0].Until.IsZero() || all[0].Behind != 0 {
		t.Errorf("%d candidates, the newest %+v; want 110 and an ended tag", len(all), all[0])
	}
	for i, c := range all[1:] {
		if c.Merged.After(all[i].Merged) {
			t.Errorf("candidate %d is newer than the one before it", i+1)
		}
	}
}

// malformed are the file versions of the library's own history that cannot be
// read: a list of people, and a file that begins with a line of prose.
var malformed = []string{
	"MAINTAINERS b79dd11851ada54b932224284eccb5374a27504d",
	"MAINTAINERS 52d89c22e77f318c2f4a59a9f7663dd6cce614c6",
	"MAINTAINERS c76bc37148e48b0607bd74ecfc8c3f7d1fb85b69",
	"rust f88811a4842af7286d251ee97f08d69d98c97845",
}

func TestEveryFileTheLibraryEverMergedParses(t *testing.T) {
	l := official(t, nil)
	seen := map[string]bool{}
	var bad []string
	for image, versions := range l.index.images {
		for _, v := range versions {
			if v.blob == "" || seen[v.blob] {
				continue
			}
			seen[v.blob] = true
			if err := parseBlob(t, l, v.blob); err != nil {
				bad = append(bad, image+" "+l.index.commits[v.commit].id)
			}
		}
	}
	slices.Sort(bad)
	want := slices.Sorted(slices.Values(malformed))
	if len(seen) < 22_000 || !slices.Equal(bad, want) {
		t.Errorf("of %d files these do not parse: %v, want %v", len(seen), bad, want)
	}
}

// parseBlob gives the parser's error; it must be one that says what is wrong.
func parseBlob(t *testing.T, l *Library, blob string) error {
	t.Helper()
	data, err := l.repo.Blob(t.Context(), blob, maxFile)
	if err != nil {
		t.Fatal(err)
	}
	_, err = parse(string(data))
	var clear *ParseError
	if err != nil && !errors.As(err, &clear) {
		t.Errorf("%s: %v is no ParseError", blob, err)
	}
	return err
}

func TestFilesOfBranchesParseOrSayWhyNot(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("the git program is not installed: this test lists the files of all branches with it")
	}
	l := official(t, nil)
	out, err := exec.Command("git", "-c", "safe.directory=*", "-C", l.Location(), "rev-list", "--objects", "--all", "--", folder).Output()
	if err != nil {
		t.Fatal(err)
	}
	total, bad := 0, 0
	for _, line := range strings.Split(string(out), "\n") {
		blob, name, ok := strings.Cut(line, " "+folder+"/")
		if !ok || name == "MAINTAINERS" {
			continue
		}
		total++
		if parseBlob(t, l, blob) != nil {
			bad++
		}
	}
	// Drafts that were put right before they were merged.
	if total < 24_000 || bad > 45 {
		t.Errorf("%d of %d files do not parse", bad, total)
	}
}

var lookups = [][3]string{{"alpine", "3.20.3", "amd64"}, {"openjdk", "latest", "amd64"}, {"ghost", "latest", "amd64"}}

// BenchmarkCold looks a tag up without an index, BenchmarkWarm with one. Both
// report the peak memory of the process so far: run them one at a time.
func BenchmarkCold(b *testing.B) {
	for _, one := range lookups {
		b.Run(one[0], func(b *testing.B) {
			for b.Loop() {
				lookUp(b, nil, one)
			}
			reportPeak(b)
		})
	}
}

func BenchmarkWarm(b *testing.B) {
	cache := &memory{records: map[string][]byte{}}
	for _, one := range lookups {
		lookUp(b, cache, one)
		b.Run(one[0], func(b *testing.B) {
			for b.Loop() {
				lookUp(b, cache, one)
			}
			reportPeak(b)
		})
	}
}

func lookUp(b *testing.B, cache Cache, one [3]string) {
	b.Helper()
	l, err := Open(context.Background(), filepath.Join(corpus.Dir(b), "git", "official-images.git"), Options{Cache: cache})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	if c, err := l.Candidates(context.Background(), one[0], one[1], one[2]); err != nil || len(c) == 0 {
		b.Fatal(err)
	}
}

// reportPeak reports the peak resident memory where the system tells it.
func reportPeak(b *testing.B) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return
	}
	for line := range strings.Lines(string(status)) {
		var kib float64
		if n, _ := fmt.Sscanf(line, "VmHWM: %f kB", &kib); n == 1 {
			b.ReportMetric(kib/1024, "peak-MiB")
		}
	}
}
