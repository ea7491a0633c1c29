package verify

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/internal/corpus"
)

// registryImage is one image of the corpus's facts: what the registry has.
type registryImage struct {
	Architecture, Variant, Directory string
	Manifest, ImageID, Add, Copy     string
	Layer                            struct{ Digest string }
}

func (i registryImage) platform() string {
	return strings.TrimSuffix("linux/"+i.Architecture+"/"+i.Variant, "/")
}

func registryFacts(t *testing.T, name string, count int) []registryImage {
	t.Helper()
	var out struct{ Images []registryImage }
	data, err := os.ReadFile(filepath.Join(corpus.Dir(t), "facts", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &out); err != nil || len(out.Images) != count {
		t.Fatal(err, len(out.Images), "images in", name)
	}
	return out.Images
}

// rebuildOptions read sources from the corpus, and open no connection. The
// cache holds the library's index.
func rebuildOptions(t *testing.T, platform string) Options {
	t.Helper()
	o := corpusOptions(t)
	o.Platform, o.As = platform, ""
	var err error
	if o.Cache, err = libraryCache(); err != nil {
		t.Fatal(err)
	}
	return o
}

// rebuiltImage is a layout with what was written into it.
type rebuiltImage struct {
	report   *RebuildReport
	manifest v1.Manifest
	config   v1.ConfigFile
}

func rebuildOne(t *testing.T, what string, o Options, r RebuildOptions) rebuiltImage {
	t.Helper()
	r.To = filepath.Join(t.TempDir(), "out")
	report, err := Rebuild(t.Context(), what, o, r)
	if err != nil {
		t.Fatal(err)
	}
	if report.Output == nil {
		t.Fatalf("nothing was written: %+v", report.Plan)
	}
	out := rebuiltImage{report: report}
	s := &specimen{t: t}
	s.decode(blobFile(r.To, report.Output.Digest), &out.manifest)
	s.decode(blobFile(r.To, report.Output.ImageID), &out.config)
	return out
}

func blobFile(dir, digest string) string {
	return filepath.Join(dir, "blobs", strings.Replace(digest, ":", "/", 1))
}

func TestEveryArchitectureOfAlpineIsRebuiltToItsPublishedManifest(t *testing.T) {
	t.Parallel()
	for _, want := range registryFacts(t, "alpine-3.20.3.json", 8) {
		t.Run(want.platform(), func(t *testing.T) {
			out := rebuildOne(t, "alpine:3.20.3", rebuildOptions(t, want.platform()), RebuildOptions{})
			if got := out.report.Output; got.Digest != want.Manifest || got.ImageID != want.ImageID {
				t.Errorf("%s, image ID %s; want %s, %s", got.Digest, got.ImageID, want.Manifest, want.ImageID)
			}
			if out.report.Format != "buildkit" || len(out.report.Rebuild.Witnesses) > 0 {
				t.Errorf("format %s, witnesses %v", out.report.Format, out.report.Rebuild.Witnesses)
			}
		})
	}
}

func TestEveryArchitectureOfAClassicAlpineIsRebuiltToItsPublishedLayer(t *testing.T) {
	for _, want := range registryFacts(t, "alpine-3.14.10.json", 5) {
		t.Run(want.platform(), func(t *testing.T) {
			out := rebuildOne(t, "alpine:3.14.10", rebuildOptions(t, want.platform()), RebuildOptions{Format: "classic"})
			checkLayer(t, out, want.Layer.Digest, want.Add)
		})
	}
}

// checkLayer compares the only layer, and the content hash in history.
func checkLayer(t *testing.T, out rebuiltImage, digest, hash string) {
	t.Helper()
	if got := out.manifest.Layers; len(got) != 1 || got[0].Digest.String() != digest {
		t.Errorf("layers %v, want %s", got, digest)
	}
	if got := out.config.History[0].CreatedBy; !strings.Contains(got, " "+hash+" in / ") {
		t.Errorf("history %q, want %s", got, hash)
	}
}

// helloTimes are when the build of each image wrote its file: the one thing of
// the layer that the source does not say.
var helloTimes = map[string]int64{"amd64": 1632440870, "arm64": 1647706371, "s390x": 1632436790}

func TestHelloWorldsLayersFollowFromTheSourceAndOneTime(t *testing.T) {
	for _, want := range registryFacts(t, "hello-world-linux.json", 3) {
		t.Run(want.platform(), func(t *testing.T) {
			directory := want.Directory
			if directory == "" {
				directory = map[string]string{"arm64": "arm64v8", "s390x": "s390x"}[want.Architecture] + "/hello-world"
			}
			what := "https://github.com/docker-library/hello-world.git#3332fbee4210b41738d83f6cfdc301a42b96e30d:" + directory
			out := rebuildOne(t, what, rebuildOptions(t, want.platform()),
				RebuildOptions{Format: "classic", Created: time.Unix(helloTimes[want.Architecture], 0)})
			checkLayer(t, out, want.Layer.Digest, want.Copy)
		})
	}
}

func TestTheFilesTimeIsTheOnlyWitnessOfHelloWorldsLayer(t *testing.T) {
	o := warmOptions(t)
	o.As, o.RebuildLevel, o.Requirements.Require = "hello-world:linux", SameLayers, []string{"rebuild.level"}
	img := verifyOne(t, "oci:"+filepath.Join(corpus.Dir(t), "images/hello-world-linux"), o)
	wants(t, img, Verified, "rebuild.level", Pass, "")
	want := []Witness{{"layer 1: time of hello", "2021-09-23T23:47:50Z"}}
	if img.Rebuild.Level != SameLayers || len(img.Rebuild.Witnesses) != 1 || img.Rebuild.Witnesses[0] != want[0] {
		t.Errorf("level %s, witnesses %v, want %v", img.Rebuild.Level, img.Rebuild.Witnesses, want)
	}
}

func TestTheWholeOfAlpineIsProvedToItsManifest(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64"} {
		o := warmOptions(t)
		o.Platform = "linux/" + arch
		o.Requirements.Require = []string{"rebuild.level"}
		img := verifyOne(t, "oci:"+filepath.Join(corpus.Dir(t), "images/alpine-3.20.3"), o)
		wants(t, img, Verified, "rebuild.level", Pass, "")
		r := img.Rebuild
		if r.Level != SameDigest || r.Layers[0].Level != SameDigest || r.Layers[0].Directive != 2 || len(r.Witnesses) > 0 || r.Difference != nil {
			t.Errorf("%+v", r)
		}
		if c := r.Coverage; c.Bytes.Proved == 0 || c.Bytes.Proved != c.Bytes.Total() || c.Files.Proved != c.Files.Total() {
			t.Errorf("coverage %+v", c)
		}
	}
}

func TestLevelsAreOrderedBothWays(t *testing.T) {
	order := []Level{NoLevel, Different, SameFiles, SameLayers, SameImageID, SameDigest}
	for i, a := range order {
		for j, b := range order {
			if got, want := a.Reaches(b), i >= j && i > 0 && j > 0; got != want {
				t.Errorf("%q reaches %q: %v", a, b, got)
			}
		}
		var back Level
		if err := back.UnmarshalText([]byte(a.String())); err != nil || back != a {
			t.Errorf("%q reads back as %q (%v)", a, back, err)
		}
	}
	var none Level
	if err := none.UnmarshalText([]byte("best")); err == nil {
		t.Error("a level that there is not was read")
	}
}

func TestAnImageThatLiesInGitIsAtTheLevelDigestByComparison(t *testing.T) {
	o := busyboxOptions(t)
	o.Requirements.Require = []string{"rebuild.level"}
	img := verifyOne(t, "oci:"+busyboxLayout(t), o)
	wants(t, img, Verified, "rebuild.level", Pass, "")
	r := img.Rebuild
	if r.Level != SameDigest || r.Layers[0].Level != SameDigest || r.Coverage.Bytes.Unproved != 0 || r.Coverage.Bytes.Proved == 0 {
		t.Errorf("%+v %+v", r, *r.Coverage)
	}
}
