package rebuild

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/internal/corpus"
	"github.com/imageverify/verify/provenance/dockerfile"
	"github.com/imageverify/verify/provenance/history"
	"github.com/imageverify/verify/provenance/library"
)

// sample is an image that a real builder made of one of the corpus's contexts.
type sample struct {
	archive string // below builders/
	context string
	writer  string
	base    string // the archive of its base; "" for scratch
}

var samples = []sample{
	{"a-legacy.docker-save.tar", "a", WriterClassic, ""},
	{"a-legacy28.docker-save.tar", "a", WriterClassic, ""},
	{"a-gitarch.docker-save.tar", "a", WriterClassic, ""},
	{"a-bk.docker-save.tar", "a", WriterOlder, ""},
	{"b-legacy.docker-save.tar", "b", WriterClassic, "a-legacy.docker-save.tar"},
	{"b-legacy28.docker-save.tar", "b", WriterClassic, "a-legacy.docker-save.tar"},
	{"b-bk.docker-save.tar", "b", WriterOlder, "a-bk.docker-save.tar"},
	{"c-legacy.docker-save.tar", "c", WriterClassic, ""},
	{"c-bk.docker-save.tar", "c", WriterOlder, ""},
	{"d-legacy.docker-save.tar", "d", WriterClassic, "a-legacy.docker-save.tar"},
	{"d-bk.docker-save.tar", "d", WriterOlder, "a-bk.docker-save.tar"},
	{"e-legacy.docker-save.tar", "e", WriterClassic, ""},
	{"e-legacy28.docker-save.tar", "e", WriterClassic, ""},
	{"oci/a1.oci.tar", "a", WriterBuildKit, ""},
	{"oci/b1.oci.tar", "b", WriterBuildKit, "oci/a1.oci.tar"},
	{"oci/c1.oci.tar", "c", WriterBuildKit, ""},
	{"oci/d1.oci.tar", "d", WriterBuildKit, "oci/a1.oci.tar"},
}

func TestConfigsAndManifestsAreTheRealBuildersByteForByte(t *testing.T) {
	dir := filepath.Join(corpus.Dir(t), "builders")
	for _, s := range samples {
		t.Run(s.archive, func(t *testing.T) {
			got := readSaved(t, filepath.Join(dir, s.archive))
			in := ConfigInput{Build: buildOf(t, dir, s), Writer: s.writer, Platform: v1.Platform{OS: "linux", Architecture: "amd64"}}
			if s.base != "" {
				base := readSaved(t, filepath.Join(dir, s.base))
				in.Base, in.BaseID = base.config, sha(base.config)
			}
			fill(t, &in, got.config)
			c, err := NewConfig(in)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(c.Raw, got.config) {
				t.Errorf("config:\n%s\nwant:\n%s", c.Raw, got.config)
			}
			if got.manifest == nil {
				return
			}
			var m v1.Manifest
			if err := json.Unmarshal(got.manifest, &m); err != nil {
				t.Fatal(err)
			}
			raw, err := NewManifest(FormOCI, v1.Descriptor{Digest: sha(c.Raw), Size: int64(len(c.Raw))}, m.Layers, nil)
			if err != nil || !bytes.Equal(raw, got.manifest) {
				t.Errorf("manifest (%v):\n%s\nwant:\n%s", err, raw, got.manifest)
			}
		})
	}
}

// buildOf evaluates a sample's Dockerfile as its history tells of the base.
func buildOf(t *testing.T, dir string, s sample) *dockerfile.Build {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "contexts", s.context, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	file, err := dockerfile.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	build, err := file.Evaluate(dockerfile.Options{OS: "linux", Architecture: "amd64"})
	if err != nil {
		t.Fatal(err)
	}
	return build
}

// fill takes what only the layers give from the published image: diff IDs and
// content hashes.
func fill(t *testing.T, in *ConfigInput, config []byte) {
	t.Helper()
	var cf v1.ConfigFile
	if err := json.Unmarshal(config, &cf); err != nil {
		t.Fatal(err)
	}
	a := history.Match(cf.History, len(cf.RootFS.DiffIDs), in.Build)
	if !a.Matched {
		t.Fatalf("the history does not match: %+v", a.Problems)
	}
	in.Build = a.Build
	in.DiffIDs, in.Hashes = make([]v1.Hash, len(a.Build.Directives)), make([]string, len(a.Build.Directives))
	for _, row := range a.Rows {
		if row.Directive < 0 {
			continue
		}
		in.Hashes[row.Directive] = row.Hash
		if row.Layer >= 0 {
			in.DiffIDs[row.Directive] = cf.RootFS.DiffIDs[row.Layer]
		}
	}
	var err error
	if in.Published, err = NewPublished(config); err != nil {
		t.Fatal(err)
	}
}

// saved are the documents of an image in an archive; manifest is nil in one
// that docker save wrote.
type saved struct{ config, manifest []byte }

func readSaved(t *testing.T, name string) saved {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	files := map[string][]byte{}
	for tr := tar.NewReader(f); ; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Size < 1<<20 {
			if files[h.Name], err = io.ReadAll(tr); err != nil {
				t.Fatal(err)
			}
		}
	}
	var list []struct{ Config string }
	if data, ok := files["manifest.json"]; ok && json.Unmarshal(data, &list) == nil && files[list[0].Config] != nil && files["index.json"] == nil {
		return saved{config: files[list[0].Config]}
	}
	blob := func(h v1.Hash) []byte { return files["blobs/sha256/"+h.Hex] }
	var idx v1.IndexManifest
	if err := json.Unmarshal(files["index.json"], &idx); err != nil {
		t.Fatal(err)
	}
	out := saved{manifest: blob(idx.Manifests[0].Digest)}
	var m v1.Manifest
	if err := json.Unmarshal(out.manifest, &m); err != nil {
		t.Fatal(err)
	}
	out.config = blob(m.Config.Digest)
	return out
}

func sha(data []byte) v1.Hash {
	sum := sha256.Sum256(data)
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}
}

// alpine's two images whose published documents are at hand.
var alpine = []struct {
	arch, variant, bashbrew, directory string
	diffID, layer                      string
	size                               int64
	manifest                           string
}{
	{"amd64", "", "amd64", "x86_64", "75654b8eeebd3beae97271a102f57cdeb794cc91e442648544963a7e951e9558",
		"da9db072f522755cbeb85be2b3f84059b70571b229512f1571d9217b77e1087f", 3623904, "029a752048e32e843bd6defe3841186fb8d19a28dae8ec287f433bb9d6d1ad85"},
	{"arm64", "v8", "arm64v8", "aarch64", "651d9022c23486dfbd396c13db293af6845731cbd098a5f5606db4bc9f5573e8",
		"9986a736f7d3d24bb01b0a560fa0f19c4b57e56c646e1f998941529d28710e6b", 4087726, "ea3c5a9671f7b3f7eb47eab06f73bc6591df978b0d5955689a9e6f943aa368c0"},
}

func TestTheOfficialManifestFollowsFromTheEntryAndTheLayer(t *testing.T) {
	const commit = "7d63673353bd39d92ba42f6effcc199aeebd45ee"
	committed := time.Date(2024, 9, 6, 12, 5, 36, 0, time.UTC)
	for _, a := range alpine {
		file, err := dockerfile.Parse([]byte("FROM scratch\nADD alpine-minirootfs-3.20.3-" + a.directory + ".tar.gz /\nCMD [\"/bin/sh\"]\n"))
		if err != nil {
			t.Fatal(err)
		}
		build, err := file.Evaluate(dockerfile.Options{OS: "linux", Architecture: a.arch})
		if err != nil {
			t.Fatal(err)
		}
		c, err := NewConfig(ConfigInput{Build: build, Writer: WriterBuildKit, SourceDate: committed,
			Platform: v1.Platform{OS: "linux", Architecture: a.arch, Variant: a.variant},
			DiffIDs:  []v1.Hash{{Algorithm: "sha256", Hex: a.diffID}}})
		if err != nil || len(c.Witnesses) > 0 {
			t.Fatal(err, c.Witnesses)
		}
		e := library.Entry{Tags: []string{"3.20.3", "3.20"}, Architecture: a.bashbrew, Commit: commit, Directory: a.directory,
			Repository: "https://github.com/alpinelinux/docker-alpine.git"}
		raw, err := NewManifest(FormOfficial, v1.Descriptor{Digest: sha(c.Raw), Size: int64(len(c.Raw))},
			[]v1.Descriptor{{Digest: v1.Hash{Algorithm: "sha256", Hex: a.layer}, Size: a.size}},
			OfficialAnnotations("alpine", e, committed, "scratch"))
		if err != nil || sha(raw).Hex != a.manifest {
			t.Errorf("%s (%v):\n%s\n%s", a.arch, err, raw, c.Raw)
		}
	}
}
