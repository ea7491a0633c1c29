package image

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	ocilayout "github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/imageverify/verify/internal/corpus"
)

// inspected is what `docker inspect` said of an image.
type inspected struct {
	ID       string `json:"Id"`
	RepoTags []string
	RootFS   struct{ Layers []string }
}

// savedArchives returns the corpus's archives of `docker save`, and what Docker
// said of those images, where it was kept.
func savedArchives(t *testing.T) map[string]*inspected {
	t.Helper()
	archives, err := filepath.Glob(filepath.Join(corpus.Dir(t), "builders", "*.docker-save.tar"))
	if err != nil || len(archives) != 13 {
		t.Fatalf("%d archives, %v", len(archives), err)
	}
	all := map[string]*inspected{}
	for _, archive := range archives {
		all[archive] = nil
		data, err := os.ReadFile(strings.TrimSuffix(archive, ".docker-save.tar") + ".inspect.json")
		if err != nil {
			continue
		}
		var said []inspected
		if err := json.Unmarshal(data, &said); err != nil {
			t.Fatal(err)
		}
		all[archive] = &said[0]
	}
	return all
}

func TestArchivesThatDockerSavedAreOpenedWhole(t *testing.T) {
	told := 0
	for archive, said := range savedArchives(t) {
		data, err := os.ReadFile(archive)
		if err != nil {
			t.Fatal(err)
		}
		for kind, file := range map[string]string{"plain": archive, "gzip": fileOf(t, gzipped(t, data)), "zstd": fileOf(t, zstded(t, data))} {
			set, err := openFor(t, "docker-archive:"+file, Options{})
			if err != nil {
				t.Errorf("%s, %s: %v", archive, kind, err)
				continue
			}
			if said == nil {
				said = &inspected{ID: set.Images[0].Manifest().Parsed.Config.Digest.String(), RepoTags: []string{strings.TrimPrefix(set.Reference.Name, "docker.io/")}}
			} else {
				told++
			}
			checkSaved(t, set, said)
		}
	}
	if told == 0 {
		t.Error("nothing was compared with what Docker said")
	}
}

// checkSaved reads all of an image and compares it with what Docker said of it.
func checkSaved(t *testing.T, set *Set, said *inspected) {
	t.Helper()
	i := set.Images[0]
	if wrong := problems(t, i); wrong != nil {
		t.Errorf("%s: %q", set.Reference.Given, wrong)
	}
	if got := i.Manifest().Parsed.Config.Digest.String(); got != said.ID {
		t.Errorf("%s: image ID %s, want %s", set.Reference.Given, got, said.ID)
	}
	if want := "docker.io/" + said.RepoTags[0]; set.Reference.Name != want {
		t.Errorf("%s: %s, want %s", set.Reference.Given, set.Reference.Name, want)
	}
	c, err := i.Config(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if said.RootFS.Layers != nil && fmt.Sprint(c.File.RootFS.DiffIDs) != fmt.Sprint(said.RootFS.Layers) {
		t.Errorf("%s: layers %v, want %v", set.Reference.Given, c.File.RootFS.DiffIDs, said.RootFS.Layers)
	}
}

func TestEachByteOfARealArchiveThatIsChangedIsSeen(t *testing.T) {
	for archive := range savedArchives(t) {
		data, err := os.ReadFile(archive)
		if err != nil {
			t.Fatal(err)
		}
		set, err := openFor(t, "docker-archive:"+archive, Options{})
		if err != nil {
			t.Fatal(err)
		}
		s := set.Images[0].src.(*saved)
		m := set.Images[0].Manifest().Parsed
		for _, d := range append([]v1.Descriptor{m.Config}, m.Layers...) {
			file, err := s.follow(s.blobs[d.Digest])
			if err != nil {
				t.Fatal(err)
			}
			changed := bytes.Clone(data)
			changed[s.files[file].offset+d.Size/2] ^= 1
			other, err := openFor(t, "docker-archive:"+fileOf(t, changed), Options{})
			if err == nil && problems(t, other.Images[0]) == nil {
				t.Errorf("%s: a change to %s goes unseen", archive, file)
			}
		}
	}
}

// TestRealImagesInTheNewerFormatAreOpened writes the layouts of the corpus as
// tools write them that keep blobs packed.
func TestRealImagesInTheNewerFormatAreOpened(t *testing.T) {
	dir := filepath.Join(corpus.Dir(t), "images")
	for _, real := range realImages {
		if !real.blobs {
			continue
		}
		root, err := ocilayout.ImageIndexFromPath(filepath.Join(dir, real.layout))
		if err != nil {
			t.Fatal(err)
		}
		top, err := root.IndexManifest()
		if err != nil {
			t.Fatal(err)
		}
		index, err := root.ImageIndex(top.Manifests[0].Digest)
		if err != nil {
			t.Fatal(err)
		}
		img, err := index.Image(digestOf(t, real.images["linux/amd64"]))
		if err != nil {
			t.Fatal(err)
		}
		checkNewer(t, img, real.name)
	}
}

// checkNewer compares an image with what is opened of an archive in the newer
// format, and of one as crane writes it.
func checkNewer(t *testing.T, img v1.Image, own string) {
	t.Helper()
	want, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	f := &savedFixture{t: t}
	config, err := img.RawConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	f.images = []savedImage{{Config: f.blob(config), RepoTags: []string{own}}}
	raw, err := img.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	f.blob(raw)
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range layers {
		r, err := l.Compressed()
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if _, err := b.ReadFrom(r); err != nil {
			t.Fatal(err)
		}
		f.images[0].Layers = append(f.images[0].Layers, f.blob(b.Bytes()))
	}
	f.file("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
	f.file("index.json", fmt.Appendf(nil, `{"schemaVersion":2,"manifests":[{"mediaType":%q,"digest":%q,"size":%d}]}`, want.MediaType, hashOf("sha256", raw), len(raw)))
	ref, err := name.ParseReference(own)
	if err != nil {
		t.Fatal(err)
	}
	var crane bytes.Buffer
	if err := tarball.Write(ref, img, &crane); err != nil {
		t.Fatal(err)
	}
	for _, data := range [][]byte{f.bytes(), crane.Bytes()} {
		set, err := openFor(t, "docker-archive:"+fileOf(t, data), Options{})
		if err != nil {
			t.Errorf("%s: %v", own, err)
			continue
		}
		if wrong := problems(t, set.Images[0]); wrong != nil || set.Images[0].HasManifest() {
			t.Errorf("%s: %q", own, wrong)
		}
		got := set.Images[0].Manifest().Parsed
		if got.Config.Digest != want.Config.Digest || got.Config.Size != want.Config.Size || got.Layers[0].Digest != want.Layers[0].Digest || got.Layers[0].Size != want.Layers[0].Size {
			t.Errorf("%s: %+v", own, got)
		}
	}
	set, err := openFor(t, "oci-archive:"+fileOf(t, f.bytes()), Options{})
	if err != nil || !set.Images[0].HasManifest() {
		t.Errorf("the same file as a layout: %v", err)
	}
}

func digestOf(t *testing.T, text string) v1.Hash {
	t.Helper()
	h, err := v1.NewHash(text)
	if err != nil {
		t.Fatal(err)
	}
	return h
}
