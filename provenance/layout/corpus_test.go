package layout

import (
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/internal/corpus"
	"github.com/imageverify/verify/provenance/library"
	"github.com/imageverify/verify/provenance/source"
)

// The commit of busybox's branch dist-arm64v8. Its layouts for other
// architectures are there without their layers, whose links lead nowhere.
const busyboxCommit = "0436ae6a521e9e1bf3a524b0c3062a68d2af96e0"

func busybox(t *testing.T) *source.Tree {
	t.Helper()
	o := source.NewOpener(source.Options{})
	t.Cleanup(func() { o.Close() })
	r, err := o.OpenPath(t.Context(), filepath.Join(corpus.Dir(t), "git", "docker-library+busybox.git"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := r.Commit(t.Context(), busyboxCommit)
	if err != nil {
		t.Fatal(err)
	}
	root, err := c.FS(t.Context(), ".")
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// imageIn reads the image of a layout by the files' own names, so that neither
// the index nor the links have a part in it.
func imageIn(t *testing.T, root *source.Tree, dir string) (named, unnamed Subject) {
	t.Helper()
	read := func(name string) []byte {
		data, err := root.ReadFile(path.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	var config v1.ConfigFile
	text := read("image-config.json")
	if err := json.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	raw := read("image-manifest.json")
	named = Subject{Digest: hashOf(string(raw)), Manifest: raw}
	return named, Subject{Config: hashOf(string(text)), DiffIDs: config.RootFS.DiffIDs}
}

func layoutsOf(t *testing.T, root *source.Tree) []string {
	t.Helper()
	var out []string
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == "oci-layout" {
			out = append(out, path.Dir(name))
		}
		return err
	})
	if err != nil || len(out) != 44 {
		t.Fatalf("%d layouts, %v; want busybox's 44", len(out), err)
	}
	return out
}

func TestRealLayoutsHoldTheirImages(t *testing.T) {
	root := busybox(t)
	complete := 0
	for _, dir := range layoutsOf(t, root) {
		named, unnamed := imageIn(t, root, dir)
		for _, s := range []Subject{named, unnamed} {
			got, err := Compare(t.Context(), root, dir, "index.json", s)
			if err != nil {
				t.Fatal(err)
			}
			if path.Base(dir) == "arm64v8" {
				complete++
				wantParts(t, got)
				continue
			}
			wantParts(t, got, "layer 1")
			if layer := part(t, got, "layer 1"); !errors.Is(layer.Err, ErrAbsent) || layer.Path != dir+"/rootfs.tar.gz" {
				t.Errorf("%s: %s: %v, want ErrAbsent", dir, layer.Path, layer.Err)
			}
		}
	}
	if complete != 2*6 {
		t.Errorf("%d comparisons of complete layouts, want twice 6", complete)
	}
}

func TestARealImageIsFoundByWhatTheLibrarySays(t *testing.T) {
	root := busybox(t)
	lib, err := library.Open(t.Context(), filepath.Join(corpus.Dir(t), "git", "official-images.git"), library.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer lib.Close()
	for tag, want := range map[string]string{
		"musl":         "latest/musl/arm64v8 sha256:3cb83a1fb0a5d7064741699ec39f3276d393df432c7c287e8486154465910a89",
		"latest":       "latest/glibc/arm64v8",
		"1.37.0":       "latest-1/glibc/arm64v8",
		"1.38.0-glibc": "latest/glibc/arm64v8",
	} {
		all, err := lib.Candidates(t.Context(), "busybox", tag, "arm64v8")
		if err != nil || len(all) == 0 {
			t.Fatalf("%s: %d candidates, %v", tag, len(all), err)
		}
		e := all[0].Entry
		dir, digest, _ := strings.Cut(want, " ")
		if e.Commit != busyboxCommit || e.Builder != "oci-import" || e.Directory != dir || e.File != "index.json" {
			t.Errorf("%s: entry %+v, want %s", tag, e, dir)
			continue
		}
		s, _ := imageIn(t, root, e.Directory)
		got, err := Compare(t.Context(), root, e.Directory, e.File, s)
		if err != nil || !got.Equal() || digest != "" && s.Digest.String() != digest {
			t.Errorf("%s: %v, %v, digest %s", tag, got.Err(), err, s.Digest)
		}
	}
}

func TestARealImageIsNotThatOfAnotherLayout(t *testing.T) {
	root := busybox(t)
	s, unnamed := imageIn(t, root, "latest/musl/arm64v8")
	got, err := Compare(t.Context(), root, "latest/glibc/arm64v8", "index.json", s)
	if err != nil {
		t.Fatal(err)
	}
	wantParts(t, got, PartIndex, PartManifest, PartConfig, "layer 1")
	if err := part(t, got, PartIndex).Err; !errors.Is(err, ErrOtherImage) {
		t.Errorf("%v, want ErrOtherImage", err)
	}
	got, err = Compare(t.Context(), root, "latest/glibc/arm64v8", "index.json", unnamed)
	if err != nil || !errors.Is(got.Err(), ErrOtherImage) {
		t.Errorf("without a manifest: %v, %v; want ErrOtherImage", got.Err(), err)
	}
}

// realFiles copies a real layout into a map, links as links.
func realFiles(t *testing.T, root *source.Tree, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := fs.WalkDir(root, dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || d.IsDir():
			return err
		case d.Type() == fs.ModeSymlink:
			target, err := root.ReadLink(name)
			files[name] = link + target
			return err
		}
		data, err := root.ReadFile(name)
		files[name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestARealLayoutTamperedWithIsNoticed(t *testing.T) {
	const dir = "latest/musl/arm64v8"
	root := busybox(t)
	s, _ := imageIn(t, root, dir)
	real := realFiles(t, root, dir)
	layer := dir + "/blobs/sha256/7e75e6d7d7c97e99528d165ddae068049dfd29846f693e5b35feba66c0e78912"
	if real[layer] != link+"../../rootfs.tar.gz" {
		t.Fatalf("%s is %.40q, want the link to the layer", layer, real[layer])
	}
	flipped := []byte(real[dir+"/rootfs.tar.gz"])
	flipped[500_000] ^= 0x10
	for name, a := range map[string]struct {
		name, text string
		kind       error
		part       string
	}{
		"nothing changed":              {dir + "/oci-layout", real[dir+"/oci-layout"], nil, ""},
		"one bit of the layer":         {dir + "/rootfs.tar.gz", string(flipped), errDigest, "layer 1"},
		"a layer cut short":            {dir + "/rootfs.tar.gz", string(flipped[:500_000]), errDigest, "layer 1"},
		"an empty layer":               {dir + "/rootfs.tar.gz", "", errDigest, "layer 1"},
		"a blank in the manifest":      {dir + "/image-manifest.json", real[dir+"/image-manifest.json"] + " ", errDigest, PartManifest},
		"another shell":                {dir + "/image-config.json", strings.Replace(real[dir+"/image-config.json"], `"sh"`, `"ok"`, 1), errDigest, PartConfig},
		"a link to another file":       {layer, link + "../../image-config.json", errDigest, "layer 1"},
		"a link to this machine":       {layer, link + "../../../../../../../../../../etc/passwd", source.ErrOutsideTree, "layer 1"},
		"an absolute link":             {layer, link + "/etc/passwd", source.ErrOutsideTree, "layer 1"},
		"an index of another manifest": {dir + "/index.json", strings.Replace(real[dir+"/index.json"], "sha256:3cb83a1f", "sha256:00000000", 1), ErrOtherImage, PartIndex},
	} {
		t.Run(name, func(t *testing.T) {
			files := maps.Clone(real)
			files[a.name] = a.text
			got, err := Compare(t.Context(), newRepo(t).root(files), dir, "index.json", s)
			if err != nil {
				t.Fatal(err)
			}
			if a.kind == nil {
				wantParts(t, got)
				return
			}
			wantParts(t, got, a.part)
			if !isKind(got.Err(), a.kind) {
				t.Errorf("%v, want %v", got.Err(), a.kind)
			}
		})
	}
}
