package image

import (
	"archive/tar"
	"encoding/json"
	"io/fs"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	fakeregistry "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	ocilayout "github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/imageverify/verify/internal/corpus"
)

// realImages are the corpus's layouts: their names, the digest of the image for
// each platform, and whether its layer blobs are there.
var realImages = []struct {
	layout, name string
	images       map[string]string
	blobs        bool
	history      int
}{
	{"alpine-3.20.3", "docker.io/library/alpine:3.20.3", map[string]string{
		"linux/amd64":    "sha256:029a752048e32e843bd6defe3841186fb8d19a28dae8ec287f433bb9d6d1ad85",
		"linux/arm64/v8": "sha256:ea3c5a9671f7b3f7eb47eab06f73bc6591df978b0d5955689a9e6f943aa368c0",
	}, true, 2},
	{"alpine-3.14.10", "docker.io/library/alpine:3.14.10", map[string]string{
		"linux/amd64":    "sha256:067dcbfded02b02a30bb241a486ca043f347af620b36ad26466c7744f294a40c",
		"linux/arm64/v8": "sha256:f3d6938ff0128ccf412df868d6b453bbf60cbaf99ee05d22010870fa4a0650ac",
	}, true, 2},
	{"hello-world-linux", "docker.io/library/hello-world:linux", map[string]string{
		"linux/amd64": "sha256:2fc3cb3ee955ad0dcb293f949aab225d13a4fc4a3af6413aa456cc3cd9f1995c",
	}, true, 2},
	{"ubuntu-16.04", "docker.io/library/ubuntu:16.04", map[string]string{
		"linux/amd64": "sha256:772811205001eb6cc9193b78e1b8096ac9b15a62d9615e26b6cb501a79aa9f71",
	}, false, 5},
}

func TestRealLayoutsAreOpenedWhole(t *testing.T) {
	dir := filepath.Join(corpus.Dir(t), "images")
	for _, real := range realImages {
		set, err := openFor(t, "oci:"+filepath.Join(dir, real.layout), Options{AllPlatforms: true})
		if err != nil {
			t.Errorf("%s: %v", real.layout, err)
			continue
		}
		if r := set.Reference; r.Name != real.name || !r.OwnAccount {
			t.Errorf("%s: reference %+v", real.layout, r)
		}
		if set.Index == nil || set.Index.Got != set.Index.Descriptor.Digest {
			t.Errorf("%s: index %+v", real.layout, set.Index)
		}
		if len(set.Images) != len(real.images) {
			t.Errorf("%s: %d images", real.layout, len(set.Images))
		}
		for _, i := range set.Images {
			want, ok := real.images[i.Platform().String()]
			if !ok || i.Descriptor.Digest.String() != want {
				t.Errorf("%s: %s is %s", real.layout, i.Platform(), i.Descriptor.Digest)
			}
			checkReal(t, i, real.blobs, real.history)
		}
	}
}

// checkReal reads all of an image and compares every digest.
func checkReal(t *testing.T, i *Image, blobs bool, history int) {
	t.Helper()
	m := i.Manifest()
	if m.Got != i.Descriptor.Digest || m.GotSize != i.Descriptor.Size || m.ParseErr != nil {
		t.Errorf("%s: got %s of %d bytes, %v", i.Descriptor.Digest, m.Got, m.GotSize, m.ParseErr)
	}
	c, err := i.Config(t.Context())
	if err != nil || c.Got != c.Want.Digest || c.ParseErr != nil || int64(len(c.Raw)) != c.Want.Size {
		t.Errorf("%s: config %+v, %v", i.Descriptor.Digest, c, err)
		return
	}
	if history != 0 && len(c.History) != history {
		t.Errorf("%s: %d history entries, want %d", i.Descriptor.Digest, len(c.History), history)
	}
	for _, l := range m.Parsed.Layers {
		r, err := i.Blob(t.Context(), l)
		if !blobs {
			if _, absent := err.(*AbsentError); !absent {
				t.Errorf("layer %s is there: %v", l.Digest, err)
			}
			continue
		}
		if err != nil {
			t.Error(err)
			continue
		}
		h, n, err := v1.SHA256(r)
		if r.Close(); err != nil || h != l.Digest || n != l.Size {
			t.Errorf("layer %s: got %s of %d bytes, %v", l.Digest, h, n, err)
		}
	}
}

func TestARealLayoutInAnArchiveIsTheSameImage(t *testing.T) {
	dir := filepath.Join(corpus.Dir(t), "images")
	for _, real := range realImages {
		archive := tarOfDir(t, filepath.Join(dir, real.layout))
		fromDir, err := openFor(t, "oci:"+filepath.Join(dir, real.layout), Options{AllPlatforms: true})
		if err != nil {
			t.Fatal(err)
		}
		fromTar, err := openFor(t, "oci-archive:"+archive, Options{AllPlatforms: true})
		if err != nil {
			t.Fatal(err)
		}
		if digests(fromDir) != digests(fromTar) || fromTar.Reference.Name != real.name {
			t.Errorf("%s: %s from the directory, %s from the archive", real.layout, digests(fromDir), digests(fromTar))
		}
		for _, i := range fromTar.Images {
			checkReal(t, i, real.blobs, real.history)
		}
	}
}

func tarOfDir(t *testing.T, dir string) string {
	t.Helper()
	var entries []tarEntry
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, path))
		entries = append(entries, tarEntry{tar.Header{Name: "./" + path, Typeflag: tar.TypeReg}, data})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tarOf(t, entries...)
}

func TestArchivesThatBuildKitWroteAreOpened(t *testing.T) {
	dir := filepath.Join(corpus.Dir(t), "builders", "oci")
	archives, err := filepath.Glob(filepath.Join(dir, "*.oci.tar"))
	if err != nil || len(archives) != 4 {
		t.Fatalf("%d archives in %s, %v", len(archives), dir, err)
	}
	for _, archive := range archives {
		data, err := os.ReadFile(strings.TrimSuffix(archive, ".oci.tar") + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var built map[string]any
		if err := json.Unmarshal(data, &built); err != nil {
			t.Fatal(err)
		}
		set, err := openFor(t, "oci-archive:"+archive, Options{})
		if err != nil {
			t.Errorf("%s: %v", archive, err)
			continue
		}
		if got := digests(set); got != built["containerimage.digest"] {
			t.Errorf("%s: %s, BuildKit said %v", archive, got, built["containerimage.digest"])
		}
		checkReal(t, set.Images[0], true, 0)
	}
}

func TestRealImagesComeBackFromARegistry(t *testing.T) {
	dir := filepath.Join(corpus.Dir(t), "images")
	server := httptest.NewServer(fakeregistry.New())
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	for _, real := range realImages {
		if real.blobs {
			checkFromRegistry(t, host, filepath.Join(dir, real.layout), real.name, real.history)
		}
	}
}

// checkFromRegistry pushes a layout to a registry and opens it there by the tag
// of its name, through a mirror and by digest.
func checkFromRegistry(t *testing.T, host, dir, own string, history int) {
	t.Helper()
	digest := push(t, host, dir, own)
	path := strings.TrimPrefix(own, "docker.io/")
	repository, tag, _ := strings.Cut(path, ":")
	s := &server{}
	for reference, o := range map[string]Options{
		host + "/" + path:                      {},
		own:                                    {Mirrors: map[string]string{"docker.io": host}},
		host + "/" + repository + "@" + digest: {},
		"docker://" + strings.TrimPrefix(own, "docker.io/library/"): {Mirrors: map[string]string{"index.docker.io": host}},
	} {
		o.AllPlatforms = true
		set, err := openFor(t, reference, s.options(t, o))
		if err != nil {
			t.Errorf("%s: %v", reference, err)
			continue
		}
		if set.Index.Descriptor.Digest.String() != digest || set.Index.Got.String() != digest {
			t.Errorf("%s: index %s", reference, set.Index.Descriptor.Digest)
		}
		for _, i := range set.Images {
			checkReal(t, i, true, history)
		}
	}
	_, err := openFor(t, host+"/"+repository+":"+tag+"x", s.options(t, Options{}))
	wantError(t, err, "no tag "+tag+"x in "+host+"/"+repository, "near: "+tag)
	_, err = openFor(t, host+"/"+path, s.options(t, explicit(t, "linux/s390x")))
	if err == nil || !strings.HasPrefix(err.Error(), "no image for linux/s390x in ") {
		t.Errorf("%s for linux/s390x: %v", path, err)
	}
}

// push writes the index in a layout to a registry and returns its digest.
func push(t *testing.T, host, dir, own string) string {
	t.Helper()
	root, err := ocilayout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := root.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	digest := manifest.Manifests[0].Digest
	index, err := root.ImageIndex(digest)
	if err != nil {
		t.Fatal(err)
	}
	tag, err := name.NewTag(host+"/"+strings.TrimPrefix(own, "docker.io/"), name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(tag, index); err != nil {
		t.Fatal(err)
	}
	return digest.String()
}
