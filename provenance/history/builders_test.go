package history

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/internal/corpus"
	"github.com/imageverify/verify/provenance/dockerfile"
)

// configsIn reads every file of a tar that is an image's configuration.
func configsIn(t testing.TB, path string) []*v1.ConfigFile {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []*v1.ConfigFile
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg && h.Size < 1<<20 {
			out = appendConfig(t, out, r)
		}
	}
}

func appendConfig(t testing.TB, out []*v1.ConfigFile, r io.Reader) []*v1.ConfigFile {
	t.Helper()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	var c v1.ConfigFile
	if json.Unmarshal(data, &c) == nil && len(c.History) > 0 && c.RootFS.Type == "layers" {
		out = append(out, &c)
	}
	return out
}

func parseFile(t testing.TB, path string) *dockerfile.File {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := dockerfile.Parse(data)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return f
}

func TestEveryBuildersImagesMatchTheirDockerfiles(t *testing.T) {
	dir := filepath.Join(corpus.Dir(t), "builders")
	tests := []struct {
		image, context, dialect string
		base, rows              int
	}{
		{"a-legacy.docker-save.tar", "a", "classic", 0, 5},
		{"a-legacy28.docker-save.tar", "a", "classic", 0, 5},
		{"a-gitarch.docker-save.tar", "a", "classic", 0, 5},
		{"a-bk.docker-save.tar", "a", "buildkit", 0, 5},
		{"oci/a1.oci.tar", "a", "buildkit", 0, 5},
		{"b-legacy.docker-save.tar", "b", "classic", 5, 35},
		{"b-legacy28.docker-save.tar", "b", "classic", 5, 35},
		{"b-bk.docker-save.tar", "b", "buildkit", 5, 35},
		{"oci/b1.oci.tar", "b", "buildkit", 5, 35},
		{"c-legacy.docker-save.tar", "c", "classic", 0, 5},
		{"c-bk.docker-save.tar", "c", "buildkit", 0, 5},
		{"oci/c1.oci.tar", "c", "buildkit", 0, 5},
		{"d-legacy.docker-save.tar", "d", "classic", 5, 4},
		{"d-bk.docker-save.tar", "d", "buildkit", 5, 4},
		{"oci/d1.oci.tar", "d", "buildkit", 5, 4},
		{"e-legacy.docker-save.tar", "e", "classic", 0, 6},
		{"e-legacy28.docker-save.tar", "e", "classic", 0, 6},
	}
	for _, test := range tests {
		t.Run(test.image, func(t *testing.T) {
			configs := configsIn(t, filepath.Join(dir, test.image))
			if len(configs) != 1 {
				t.Fatalf("%d configurations in the archive, want 1", len(configs))
			}
			b, err := parseFile(t, filepath.Join(dir, "contexts", test.context, "Dockerfile")).Evaluate(dockerfile.Options{OS: "linux", Architecture: "amd64"})
			if err != nil {
				t.Fatal(err)
			}
			a := Match(configs[0].History, len(configs[0].RootFS.DiffIDs), b)
			wantMatch(t, a, test.dialect, test.base, test.rows)
			for _, r := range a.Rows {
				if r.Status == Matched && r.How != Exact {
					t.Errorf("entry %d is matched as %q, want exact: %q", r.Entry, r.How, r.Got)
				}
			}
		})
	}
}

// wantMatch checks a match, and that every directive is in exactly one row.
func wantMatch(t testing.TB, a *Alignment, dialect string, base, directives int) {
	t.Helper()
	for _, p := range a.Problems {
		t.Errorf("%s (line %d): want %q, got %q", p.Code, p.Line, p.Want, p.Got)
	}
	if !a.Matched || a.Dialect != dialect || a.BaseEntries != base {
		t.Errorf("matched %v, %s, %d base entries; want true, %s, %d", a.Matched, a.Dialect, a.BaseEntries, dialect, base)
	}
	if seen := directivesIn(t, a); seen != directives {
		t.Errorf("%d directives in the rows, want %d", seen, directives)
	}
}

func directivesIn(t testing.TB, a *Alignment) int {
	t.Helper()
	seen := map[int]bool{}
	for _, r := range a.Rows {
		if r.Directive >= 0 && seen[r.Directive] {
			t.Errorf("directive %d is in two rows", r.Directive)
		}
		if r.Directive >= 0 {
			seen[r.Directive] = true
		}
	}
	return len(seen)
}

// layoutConfigs reads the configurations among an OCI layout's blobs.
func layoutConfigs(t testing.TB, layout string) []*v1.ConfigFile {
	t.Helper()
	blobs, err := filepath.Glob(filepath.Join(layout, "blobs", "sha256", "*"))
	if err != nil {
		t.Fatal(err)
	}
	var out []*v1.ConfigFile
	for _, path := range blobs {
		if info, err := os.Stat(path); err != nil || info.Size() > 1<<16 {
			continue
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		out = appendConfig(t, out, strings.NewReader(string(data)))
	}
	return out
}

// blobAt reads a file of a git mirror.
func blobAt(t testing.TB, mirror, commit, path string) []byte {
	t.Helper()
	repository, err := git.PlainOpen(filepath.Join(corpus.Dir(t), "git", mirror))
	if err != nil {
		t.Fatal(err)
	}
	c, err := repository.CommitObject(plumbing.NewHash(commit))
	if err != nil {
		t.Fatal(err)
	}
	f, err := c.File(path)
	if err != nil {
		t.Fatal(err)
	}
	text, err := f.Contents()
	if err != nil {
		t.Fatal(err)
	}
	return []byte(text)
}

func TestPublishedImagesMatchTheDockerfilesOfTheirCommits(t *testing.T) {
	images := filepath.Join(corpus.Dir(t), "images")
	const alpine, hello, ubuntu = "alpinelinux+docker-alpine.git", "docker-library+hello-world.git", "tianon+docker-brew-ubuntu-core.git"
	tests := []struct {
		layout, arch, mirror, commit, path, dialect string
		directives                                  int
	}{
		{"alpine-3.20.3", "amd64", alpine, "7d63673353bd39d92ba42f6effcc199aeebd45ee", "x86_64/Dockerfile", "buildkit", 2},
		{"alpine-3.20.3", "arm64", alpine, "7d63673353bd39d92ba42f6effcc199aeebd45ee", "aarch64/Dockerfile", "buildkit", 2},
		{"alpine-3.14.10", "amd64", alpine, "cb8d8712f672bfa9a8b9a1f64b2c12f369f1cc68", "x86_64/Dockerfile", "classic", 2},
		{"alpine-3.14.10", "arm64", alpine, "cb8d8712f672bfa9a8b9a1f64b2c12f369f1cc68", "aarch64/Dockerfile", "classic", 2},
		{"hello-world-linux", "amd64", hello, "3332fbee4210b41738d83f6cfdc301a42b96e30d", "amd64/hello-world/Dockerfile", "classic", 2},
		{"ubuntu-16.04", "amd64", ubuntu, "570d5970a8b18bc772ad2c3eb1ce8fd0887d991a", "xenial/Dockerfile", "classic", 5},
	}
	for _, test := range tests {
		t.Run(test.layout+"/"+test.arch, func(t *testing.T) {
			f, err := dockerfile.Parse(blobAt(t, test.mirror, test.commit, test.path))
			if err != nil {
				t.Fatal(err)
			}
			b, err := f.Evaluate(dockerfile.Options{OS: "linux", Architecture: test.arch})
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range layoutConfigs(t, filepath.Join(images, test.layout)) {
				if c.Architecture == test.arch {
					wantMatch(t, Match(c.History, len(c.RootFS.DiffIDs), b), test.dialect, 0, test.directives)
					return
				}
			}
			t.Fatalf("the layout has no configuration for %s", test.arch)
		})
	}
}
