package replay

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/imageverify/verify/checksums/filetree"
	"github.com/imageverify/verify/internal/corpus"
	"github.com/imageverify/verify/provenance/dockerfile"
)

// contextOf returns a corpus context as it was when the images were built:
// modes that the corpus' own storage dropped are put back.
func contextOf(t *testing.T, builders, name string) fstest.MapFS {
	t.Helper()
	dir := filepath.Join(builders, "contexts", name)
	context := fstest.MapFS{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		rel, _ := filepath.Rel(dir, path)
		context[rel] = &fstest.MapFile{Data: data, Mode: 0o644 | info.Mode()&0o111}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if name == "e" {
		for _, dir := range []string{"empty", "sub", "sub/deep"} {
			context[dir] = &fstest.MapFile{Mode: fs.ModeDir | 0o755}
		}
		context["ln"] = &fstest.MapFile{Data: []byte("sub/a"), Mode: fs.ModeSymlink | 0o777}
		context["sub/a"].Mode = 0o600
		context["sub/deep/b"].Mode = fs.ModeSetuid | 0o755
	}
	return context
}

func copyOf(dest string, sources ...string) dockerfile.Directive {
	return dockerfile.Directive{Name: "COPY", Copy: &dockerfile.Copy{Sources: sources,
		Dest: filepath.Clean(dest), DestIsDir: strings.HasSuffix(dest, "/")}}
}

func addOf(dest string, sources ...string) dockerfile.Directive {
	d := copyOf(dest, sources...)
	d.Name, d.Copy.Add = "ADD", true
	return d
}

func chowned(d dockerfile.Directive, owner string) dockerfile.Directive {
	d.Copy.Chown = owner
	return d
}

func workdir(dir string) dockerfile.Directive {
	return dockerfile.Directive{Name: "WORKDIR", WorkingDir: dir}
}

// step is a directive and the layer that it left.
type step struct {
	layer     int
	directive dockerfile.Directive
}

var stepsOfA = []step{{0, addOf("/", "rootfs.tar.gz")}}

// --chown=app:app is written with the numbers that the image has for it.
var stepsOfB = []step{
	{4, copyOf("/one.txt", "one.txt")}, {5, copyOf("/dir", "dir")}, {6, copyOf("/dir2/", "dir/")},
	{7, copyOf("/two/", "one.txt", "two.txt")}, {8, copyOf("/json form/", "one.txt", "two.txt")},
	{9, chowned(addOf("/owned/three.txt", "three.txt"), "1000:1000")},
	{10, chowned(copyOf("/owned/two.txt", "two.txt"), "1000:1000")},
	{11, addOf("/extracted/", "t.tar")}, {12, copyOf("/glob/", "*.txt")}, {13, copyOf("/usr/bin/", "entry.sh")},
	{17, workdir("/work")}, {18, workdir("/work/sub")},
}

var stepsOfD = []step{{5, copyOf("/f.txt", "f.txt")}}

var stepsOfE = []step{
	{0, copyOf("/", ".")}, {1, copyOf("/s/", "./sub/")}, {2, addOf("/m/", "sub/a", "sub/deep")},
	{3, copyOf("/again/", ".")}, {4, addOf("/ln", "ln")}, {5, copyOf("/sub2", "sub")},
}

func TestLayersOfEveryBuilderAreReplayedFromTheirContexts(t *testing.T) {
	builders := filepath.Join(corpus.Dir(t), "builders")
	layers := 0
	for _, c := range []struct {
		image, dialect string
		steps          []step
	}{
		{"a-legacy", Classic, stepsOfA}, {"a-legacy28", Classic, stepsOfA}, {"a-gitarch", Classic, stepsOfA},
		{"a-bk", BuildKit, stepsOfA}, {"oci/a1.oci", BuildKit, stepsOfA},
		{"b-legacy", Classic, stepsOfB}, {"b-legacy28", Classic, stepsOfB},
		{"b-bk", BuildKit, stepsOfB}, {"oci/b1.oci", BuildKit, stepsOfB},
		{"d-legacy", Classic, stepsOfD}, {"d-bk", BuildKit, stepsOfD}, {"oci/d1.oci", BuildKit, stepsOfD},
		{"e-legacy", Classic, stepsOfE}, {"e-legacy28", Classic, stepsOfE},
	} {
		t.Run(c.image, func(t *testing.T) {
			name := strings.TrimPrefix(c.image, "oci/")[:1]
			context := contextOf(t, builders, name)
			var im image
			if strings.HasPrefix(c.image, "oci/") {
				im = openLayout(t, openTar(t, filepath.Join(builders, c.image+".tar")), "")
			} else {
				im = openSaved(t, openTar(t, filepath.Join(builders, c.image+".docker-save.tar")))
			}
			for _, s := range c.steps {
				got, err := Layer(t.Context(), Input{Directive: s.directive, Context: context, Lower: im.lower(s.layer),
					Dialect: c.dialect, Umask: 0o022, AsFound: name == "e"})
				if err != nil {
					t.Errorf("layer %d: %v", s.layer, err)
					continue
				}
				want := entries(t, im.layers[s.layer])
				for _, d := range differences(got, want, Times(im.created, c.dialect)) {
					t.Errorf("layer %d: %s", s.layer, d)
				}
				layers++
			}
		})
	}
	if layers != 68 {
		t.Errorf("%d layers replayed, want 68", layers)
	}
}

func TestLayersOfPublishedImagesAreReplayedFromGit(t *testing.T) {
	dir := corpus.Dir(t)
	const alpine20, alpine14 = "7d63673353bd39d92ba42f6effcc199aeebd45ee", "cb8d8712f672bfa9a8b9a1f64b2c12f369f1cc68"
	const hello = "3332fbee4210b41738d83f6cfdc301a42b96e30d"
	for _, c := range []struct {
		image, architecture, dialect string
		mirror, commit, folder       string
		directive                    dockerfile.Directive
		entries                      int
	}{
		{"alpine-3.20.3", "amd64", BuildKit, "alpinelinux+docker-alpine.git", alpine20, "x86_64",
			addOf("/", "alpine-minirootfs-3.20.3-x86_64.tar.gz"), 517},
		{"alpine-3.20.3", "arm64", BuildKit, "alpinelinux+docker-alpine.git", alpine20, "aarch64",
			addOf("/", "alpine-minirootfs-3.20.3-aarch64.tar.gz"), 517},
		{"alpine-3.14.10", "amd64", Classic, "alpinelinux+docker-alpine.git", alpine14, "x86_64",
			addOf("/", "alpine-minirootfs-3.14.10-x86_64.tar.gz"), 511},
		{"alpine-3.14.10", "arm64", Classic, "alpinelinux+docker-alpine.git", alpine14, "aarch64",
			addOf("/", "alpine-minirootfs-3.14.10-aarch64.tar.gz"), 511},
		{"hello-world-linux", "amd64", Classic, "docker-library+hello-world.git", hello, "amd64/hello-world",
			copyOf("/", "hello"), 1},
	} {
		t.Run(c.image+"/"+c.architecture, func(t *testing.T) {
			im := openLayout(t, os.DirFS(filepath.Join(dir, "images", c.image)), c.architecture)
			context := gitFolder(t, filepath.Join(dir, "git", c.mirror), c.commit, c.folder)
			got, err := Layer(t.Context(), Input{Directive: c.directive, Context: context, Dialect: c.dialect,
				Umask: 0o002, Piped: true, Created: im.created})
			if err != nil {
				t.Fatal(err)
			}
			if got.Index.Len() != c.entries {
				t.Errorf("%d entries, want %d", got.Index.Len(), c.entries)
			}
			times := Times(im.created, c.dialect)
			for _, d := range differences(got, entries(t, im.layers[0]), times) {
				t.Error(d)
			}
			result, err := filetree.Compare(t.Context(), got.Index, im.layers[0], filetree.Options{Times: times})
			if err != nil || !result.Equal() {
				t.Errorf("filetree finds differences %v (error %v)", result, err)
			}
		})
	}
}
