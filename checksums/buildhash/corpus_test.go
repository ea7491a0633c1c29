package buildhash

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/imageverify/verify/internal/corpus"
)

// classicCases are the ADD and COPY directives of the corpus' contexts whose
// hashes the classic builder wrote, in order.
var classicCases = []struct {
	image   string
	sources [][]string
	variant string
}{
	{"a-legacy", [][]string{{"rootfs.tar.gz"}}, "Docker client up to 20.10 (0644, type bits)"},
	{"a-legacy28", [][]string{{"rootfs.tar.gz"}}, "Docker client from 23 (0644, no type bits)"},
	{"a-gitarch", [][]string{{"rootfs.tar.gz"}}, "git archive (0664, no type bits)"},
	{"b-legacy", sourcesOfB, "Docker client up to 20.10 (0644, type bits)"},
	{"b-legacy28", sourcesOfB, "Docker client from 23 (0644, no type bits)"},
	{"e-legacy", sourcesOfE, "Docker client up to 20.10, modes as found"},
	{"e-legacy28", sourcesOfE, "Docker client from 23, modes as found"},
}

var sourcesOfB = [][]string{{"one.txt"}, {"dir"}, {"dir/"}, {"one.txt", "two.txt"}, {"one.txt", "two.txt"},
	{"three.txt"}, {"two.txt"}, {"t.tar"}, {"*.txt"}, {"entry.sh"}}

var sourcesOfE = [][]string{{"."}, {"./sub/"}, {"sub/a", "sub/deep"}, {"."}, {"ln"}, {"sub"}}

var hashInHistory = regexp.MustCompile(`(?:ADD|COPY) (?:--chown=[a-z0-9]+:(?:app|1000))?((?:file|dir|multi):[0-9a-f]{64}) in `)

// historyHashes returns the content hashes of an image's history, oldest first.
// An image built on another starts with that image's ADD.
func historyHashes(t *testing.T, builders, image string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(builders, image+".history.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var hashes []string
	for _, m := range hashInHistory.FindAllStringSubmatch(string(text), -1) {
		hashes = append(hashes, m[1])
	}
	slices.Reverse(hashes)
	if strings.HasPrefix(image, "b-") {
		hashes = hashes[1:]
	}
	return hashes
}

// contextOf returns a corpus context as it was when the images were built:
// modes that the corpus' own storage dropped are put back.
func contextOf(t *testing.T, builders, image string) fstest.MapFS {
	t.Helper()
	dir := filepath.Join(builders, "contexts", image[:1])
	context := fstest.MapFS{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		if d.IsDir() {
			context[rel] = &fstest.MapFile{Mode: fs.ModeDir | 0o755}
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if info.Mode()&0o100 != 0 {
			mode = 0o755
		}
		context[rel] = &fstest.MapFile{Data: data, Mode: mode}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if image[:1] == "e" {
		context["ln"] = &fstest.MapFile{Data: []byte("sub/a"), Mode: fs.ModeSymlink | 0o777}
		context["empty"] = &fstest.MapFile{Mode: fs.ModeDir | 0o755}
		context["sub/a"].Mode = 0o600
		context["sub/deep/b"].Mode = fs.ModeSetuid | 0o755
	}
	return context
}

func TestHashesOfImagesThatClassicBuildersMadeAreFoundWithTheirVariant(t *testing.T) {
	builders := filepath.Join(corpus.Dir(t), "builders")
	checked := 0
	for _, c := range classicCases {
		t.Run(c.image, func(t *testing.T) {
			context := contextOf(t, builders, c.image)
			hashes := historyHashes(t, builders, c.image)
			if len(hashes) != len(c.sources) {
				t.Fatalf("history has %d hashes, want %d", len(hashes), len(c.sources))
			}
			for i, sources := range c.sources {
				v, ok, err := Match(t.Context(), context, sources, hashes[i])
				if err != nil || !ok {
					t.Errorf("COPY %v: no variant gives %s (error %v)", sources, hashes[i], err)
					continue
				}
				if sum, _ := Sum(t.Context(), context, sources, named(t, c.variant)); sum != hashes[i] {
					t.Errorf("COPY %v: variant %q gives %s, want %s (Match found %q)", sources, c.variant, sum, hashes[i], v.Name)
				}
				checked++
			}
		})
	}
	if checked != 35 {
		t.Errorf("%d hashes checked, want 35", checked)
	}
}

func named(t *testing.T, name string) Variant {
	t.Helper()
	for _, v := range Variants() {
		if v.Name == name {
			return v
		}
	}
	t.Fatalf("no variant is named %q", name)
	return Variant{}
}

func TestSumsAgreeWithAnIndependentRecomputation(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed: it runs the corpus' own recomputation")
	}
	builders := filepath.Join(corpus.Dir(t), "builders")
	for _, c := range classicCases {
		if !strings.HasSuffix(c.image, "-legacy") {
			continue // the same contexts again
		}
		dir := t.TempDir()
		writeContext(t, dir, contextOf(t, builders, c.image))
		for _, sources := range c.sources {
			if strings.Contains(sources[0], "*") {
				continue // the script expands nothing
			}
			for _, v := range []Variant{{AsFound: true, TypeBits: true}, {AsFound: true}} {
				if !v.TypeBits && c.image != "e-legacy" {
					continue // starting Python takes its time
				}
				args := []string{filepath.Join(builders, "legacyhash.py"), "--ignore", "ignored.txt"}
				if !v.TypeBits {
					args = append(args, "--nobits")
				}
				out, err := exec.Command(python, append(append(args, dir), sources...)...).Output()
				if err != nil {
					t.Fatal(err)
				}
				got, err := Sum(t.Context(), os.DirFS(dir), sources, v)
				if want := strings.TrimSpace(string(out)); err != nil || got != want {
					t.Errorf("%s COPY %v, type bits %v: %s (error %v), want %s", c.image, sources, v.TypeBits, got, err, want)
				}
			}
		}
	}
}

func writeContext(t *testing.T, dir string, context fstest.MapFS) {
	t.Helper()
	for name, file := range context {
		path := filepath.Join(dir, name)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		switch {
		case err != nil:
		case file.Mode.IsDir():
			err = os.MkdirAll(path, 0o755)
		case file.Mode&fs.ModeSymlink != 0:
			err = os.Symlink(string(file.Data), path)
		default:
			if err = os.WriteFile(path, file.Data, 0o600); err == nil {
				err = os.Chmod(path, file.Mode)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// facts is what the corpus knows of published images.
type facts struct {
	Source struct{ Commit string }
	Images []struct{ Architecture, Directory, Tarball, Add, Copy string }
}

func TestHashesOfPublishedImagesAreThoseOfTheFilesInGit(t *testing.T) {
	dir := corpus.Dir(t)
	for _, c := range []struct {
		facts, mirror string
		images        int
	}{
		{"alpine-3.14.10.json", "alpinelinux+docker-alpine.git", 5},
		{"hello-world-linux.json", "docker-library+hello-world.git", 3},
	} {
		var f facts
		data, err := os.ReadFile(filepath.Join(dir, "facts", c.facts))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(data, &f); err != nil || len(f.Images) != c.images {
			t.Fatalf("%s: %d images, want %d (error %v)", c.facts, len(f.Images), c.images, err)
		}
		for _, image := range f.Images {
			t.Run(c.facts+"/"+image.Architecture, func(t *testing.T) {
				name, want := image.Tarball, image.Add
				if name == "" {
					name, want = "hello", image.Copy
				}
				context := gitFolder(t, filepath.Join(dir, "git", c.mirror), f.Source.Commit, image.Directory)
				v, ok, err := Match(t.Context(), context, []string{name}, want)
				if err != nil || !ok {
					t.Fatalf("no variant gives %s (error %v)", want, err)
				}
				if v.Name != "git archive (0664, no type bits)" {
					t.Errorf("variant is %q", v.Name)
				}
			})
		}
	}
}

// gitFolder reads a folder of a commit as "git archive" gives it, with git's
// own two modes.
func gitFolder(t *testing.T, mirror, commit, dir string) fstest.MapFS {
	t.Helper()
	git, err := exec.LookPath("git")
	if err != nil {
		t.Skip("git is not installed")
	}
	cmd := exec.Command(git, "-C", mirror, "-c", "tar.umask=0022", "-c", "safe.directory=*", "archive", commit+":"+dir)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("git archive: %v", err)
	}
	context := fstest.MapFS{}
	for r := tar.NewReader(bytes.NewReader(out)); ; {
		h, err := r.Next()
		if err == io.EOF {
			return context
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			data, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			context[h.Name] = &fstest.MapFile{Data: data, Mode: h.FileInfo().Mode()}
		}
	}
}
