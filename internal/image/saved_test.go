package image

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func TestEveryFormatOfDockerSaveIsOpened(t *testing.T) {
	one, two := layerTar(t, "one"), layerTar(t, "two")
	for _, format := range []struct {
		name string
		add  func(f *savedFixture) savedImage
	}{
		{"a folder a layer", func(f *savedFixture) savedImage { return f.old("alpine:3.20.3", one, two, one) }},
		{"a layout of plain layers", func(f *savedFixture) savedImage { return f.layout("alpine:3.20.3", asItIs, one, two, one) }},
		{"a layout of gzip layers", func(f *savedFixture) savedImage { return f.layout("alpine:3.20.3", gzipped, one, two, one) }},
		{"a layout of zstd layers", func(f *savedFixture) savedImage { return f.layout("alpine:3.20.3", zstded, one, two, one) }},
	} {
		f := &savedFixture{t: t}
		image := format.add(f)
		for compression, pack := range map[string]func(testing.TB, []byte) []byte{"plain": asItIs, "gzip": gzipped, "zstd": zstded} {
			file := fileOf(t, pack(t, f.bytes()))
			set, err := openFor(t, "docker-archive:"+file, Options{})
			if err != nil {
				t.Errorf("%s, %s: %v", format.name, compression, err)
				continue
			}
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
			i, m := set.Images[0], set.Images[0].Manifest()
			if wrong := problems(t, i); wrong != nil {
				t.Errorf("%s, %s: %q", format.name, compression, wrong)
			}
			if i.HasManifest() || i.Descriptor.Digest != (v1.Hash{}) || set.Index != nil || m.Raw != nil || m.Got != (v1.Hash{}) || m.ParseErr != nil {
				t.Errorf("%s, %s: it has a manifest: %+v", format.name, compression, m)
			}
			if want := namedDigest(image.Config); m.Parsed.Config.Digest != want || len(m.Parsed.Layers) != 3 {
				t.Errorf("%s, %s: config %s, want %s, of %d layers", format.name, compression, m.Parsed.Config.Digest, want, len(m.Parsed.Layers))
			}
			want := Reference{Given: "docker-archive:" + file, Kind: KindDockerArchive, Store: "docker-archive:" + file,
				Name: "docker.io/library/alpine:3.20.3", OwnAccount: true, Tag: "3.20.3"}
			if set.Reference != want {
				t.Errorf("%s, %s: reference %+v", format.name, compression, set.Reference)
			}
			if p := i.Platform().String(); p != "linux/amd64" {
				t.Errorf("platform %s", p)
			}
		}
	}
}

func TestAnArchiveThatCraneWroteIsOpened(t *testing.T) {
	img, err := random.Image(2000, 3)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := tarball.Write(name.MustParseReference("example.org/team/app:1"), img, &b); err != nil {
		t.Fatal(err)
	}
	set, err := openFor(t, "docker-archive:"+fileOf(t, b.Bytes()), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if wrong := problems(t, set.Images[0]); wrong != nil {
		t.Errorf("%q", wrong)
	}
	want, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	got := set.Images[0].Manifest().Parsed
	if got.Config.Digest != want.Config.Digest || set.Reference.Name != "example.org/team/app:1" {
		t.Errorf("config %s of %s", got.Config.Digest, set.Reference.Name)
	}
	for i, l := range got.Layers {
		if l.Digest != want.Layers[i].Digest || l.Size != want.Layers[i].Size {
			t.Errorf("layer %d is %s of %d bytes, want %s of %d", i, l.Digest, l.Size, want.Layers[i].Digest, want.Layers[i].Size)
		}
	}
}

func TestAChangedArchiveIsSeenWhenItIsRead(t *testing.T) {
	one, two, evil := layerTar(t, "one"), layerTar(t, "two"), layerTar(t, "evil")
	for _, c := range []struct {
		name  string
		spoil func(f *savedFixture)
		want  []string
	}{
		{"a plain layer", func(f *savedFixture) { f.replace(f.old("a:1", one, two).Layers[1], evil) }, []string{"layer 1 digest"}},
		{"a layer of a layout", func(f *savedFixture) { f.replace(f.layout("a:1", asItIs, one, two).Layers[0], evil) }, []string{"layer 0 digest"}},
		{"a packed layer of a layout", func(f *savedFixture) {
			f.replace(f.layout("a:1", gzipped, one, two).Layers[0], gzipped(f.t, evil))
		}, []string{"layer 0 digest"}},
		{"a layer of a layout under its own digest", func(f *savedFixture) {
			f.layout("a:1", asItIs, one, two)
			f.images[0].Layers[0] = f.blob(evil)
		}, []string{"layer 0 diff ID"}},
		{"a packed layer without a digest in its name", func(f *savedFixture) {
			f.replace(f.old("a:1", one, two).Layers[0], gzipped(f.t, evil))
		}, []string{"layer 0 diff ID"}},
		{"packed layers in place of plain ones", func(f *savedFixture) {
			f.replace(f.old("a:1", one, two).Layers[0], gzipped(f.t, one))
		}, nil},
		{"the second of two equal layers", func(f *savedFixture) { f.replace(f.old("a:1", one, one).Layers[1], evil) }, []string{"layer 1 diff ID"}},
		{"the first of two equal layers", func(f *savedFixture) { f.replace(f.old("a:1", one, one).Layers[0], evil) }, []string{"layer 0 digest", "layer 1 digest"}},
		{"the second of two equal layers to nothing", func(f *savedFixture) { f.replace(f.old("a:1", one, one).Layers[1], nil) }, []string{"layer 1 diff ID"}},
		{"layers in another order", func(f *savedFixture) {
			f.old("a:1", one, two)
			slices.Reverse(f.images[0].Layers)
		}, []string{"layer 0 digest", "layer 1 digest"}},
		{"one layer twice", func(f *savedFixture) {
			f.old("a:1", one, two)
			f.images[0].Layers[1] = f.images[0].Layers[0]
		}, []string{"layer 1 digest"}},
		{"a layer left out", func(f *savedFixture) { f.old("a:1", one, two); f.images[0].Layers = f.images[0].Layers[:1] }, []string{"layer count"}},
		{"a layer added", func(f *savedFixture) {
			f.old("a:1", one, two)
			f.file("evil/layer.tar", evil)
			f.images[0].Layers = append(f.images[0].Layers, "evil/layer.tar")
		}, []string{"layer count", "layer 2 diff ID"}},
		{"the config", func(f *savedFixture) { f.replace(f.old("a:1", one, two).Config, f.config(one, evil)) }, []string{"config digest", "layer 1 digest"}},
		{"config and layer", func(f *savedFixture) {
			i := f.old("a:1", one, two)
			f.replace(i.Config, f.config(one, evil))
			f.replace(i.Layers[1], evil)
		}, []string{"config digest"}},
		{"the config to garbage", func(f *savedFixture) { f.replace(f.old("a:1", one, two).Config, []byte("{")) }, []string{"config digest", "config malformed"}},
		{"the config under a layer's diff ID", func(f *savedFixture) {
			f.old("a:1", one)
			f.images[0].Config = hashOf("sha256", one).Hex + ".json"
			f.file(f.images[0].Config, f.config(one))
		}, []string{"config digest", "layer 0 digest"}},
		{"a layer that is absent", func(f *savedFixture) { f.old("a:1", one, two); f.images[0].Layers[0] = "gone/layer.tar" }, []string{"layer 0 absent"}},
		{"a layer that is above the root", func(f *savedFixture) {
			f.old("a:1", one, two)
			f.file("../evil/layer.tar", one)
			f.images[0].Layers[0] = "../evil/layer.tar"
		}, []string{"layer 0 absent"}},
	} {
		f := &savedFixture{t: t}
		c.spoil(f)
		set, err := f.open(t, "", Options{})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := problems(t, set.Images[0]); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestAnAbsentConfigIsSaidWhenItIsAskedFor(t *testing.T) {
	f := &savedFixture{t: t}
	image := f.old("a:1", layerTar(t, "one"))
	f.files = slices.DeleteFunc(f.files, func(e tarEntry) bool { return e.header.Name == image.Config })
	file := fileOf(t, f.bytes())
	set, err := openFor(t, "docker-archive:"+file, Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = set.Images[0].Config(t.Context())
	wantError(t, err, fmt.Sprintf("sha256:%.64s is absent from docker-archive:%s: the file %q is not there", image.Config, file, image.Config),
		"it is named there but not stored: fetch the whole image")

	f.images[0].Config = "config.json"
	file = fileOf(t, f.bytes())
	_, err = openFor(t, "docker-archive:"+file, Options{})
	wantError(t, err, "the image's config is absent from docker-archive:"+file+`: the file "config.json" is not there`,
		"it is named there but not stored: fetch the whole image")
}

func TestAConfigWithoutAnIDInItsNameIsKnownByItsBytes(t *testing.T) {
	f := &savedFixture{t: t}
	one := layerTar(t, "one")
	f.old("a:1", one)
	f.file("config.json", f.config(one))
	f.images[0].Config = "./config.json"
	set, err := f.open(t, "", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := set.Images[0].Manifest().Parsed.Config.Digest, hashOf("sha256", f.config(one)); got != want {
		t.Errorf("config %s, want %s", got, want)
	}
	if wrong := problems(t, set.Images[0]); wrong != nil {
		t.Errorf("%q", wrong)
	}
}

func TestLinksAreFollowedInsideTheArchiveOnly(t *testing.T) {
	chain := func(f *savedFixture, n int) string {
		for i := range n {
			f.link(tar.TypeSymlink, fmt.Sprintf("link%d", i), fmt.Sprintf("link%d", i+1))
		}
		f.file(fmt.Sprintf("link%d", n), layerTar(t, "one"))
		return "link0"
	}
	for _, c := range []struct {
		name, note string
		layer      func(f *savedFixture, real string) string
	}{
		{"a symbolic link beside it", "", func(f *savedFixture, real string) string {
			f.link(tar.TypeSymlink, "other/layer.tar", "../"+real)
			return "other/layer.tar"
		}},
		{"a hard link", "", func(f *savedFixture, real string) string {
			f.link(tar.TypeLink, "other/layer.tar", "./"+real)
			return "other/layer.tar"
		}},
		{"as many links as may be", "", func(f *savedFixture, _ string) string { return chain(f, MaxArchiveLinks) }},
		{"one link more", `the file "link0" leads through more than 8 links`, func(f *savedFixture, _ string) string { return chain(f, MaxArchiveLinks+1) }},
		{"a link to itself", `the file "me" leads through more than 8 links`, func(f *savedFixture, _ string) string { f.link(tar.TypeSymlink, "me", "me"); return "me" }},
		{"a link out", `the file "x/y" is a link in the archive, which is not followed`, func(f *savedFixture, real string) string {
			f.link(tar.TypeSymlink, "x/y", "../../x/../"+real)
			return "x/y"
		}},
		{"a link to an absolute path", `the file "x" is a link in the archive, which is not followed`, func(f *savedFixture, _ string) string {
			f.link(tar.TypeSymlink, "x", "/etc/passwd")
			return "x"
		}},
		{"a hard link out", `the file "x" is a link in the archive, which is not followed`, func(f *savedFixture, _ string) string { f.link(tar.TypeLink, "x", "../x"); return "x" }},
		{"a link to nothing", `the file "x" is not there`, func(f *savedFixture, _ string) string { f.link(tar.TypeSymlink, "x", "gone"); return "x" }},
		{"a pipe", `the file "x" is not a regular file`, func(f *savedFixture, _ string) string { f.link(tar.TypeFifo, "x", ""); return "x" }},
		{"a folder", `the file "x" is not there`, func(f *savedFixture, _ string) string { f.link(tar.TypeDir, "x/", ""); return "x" }},
		{"a name above the root", `the file "../x" leads out of the archive`, func(f *savedFixture, _ string) string { return "../x" }},
		{"no name", `the file "" is not there`, func(f *savedFixture, _ string) string { return "" }},
		{"a name with control characters", `the file "a b" is not there`, func(f *savedFixture, _ string) string { return "a\x1bb" }},
	} {
		f := &savedFixture{t: t}
		image := f.old("a:1", layerTar(t, "one"))
		f.images[0].Layers[0] = c.layer(f, image.Layers[0])
		set, err := f.open(t, "", Options{})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		layer := set.Images[0].Manifest().Parsed.Layers[0]
		if layer.Digest != hashOf("sha256", layerTar(t, "one")) {
			t.Errorf("%s: layer %s", c.name, layer.Digest)
		}
		_, err = set.Images[0].Blob(t.Context(), layer)
		var absent *AbsentError
		if c.note == "" && err != nil || c.note != "" && (!errors.As(err, &absent) || absent.Note != c.note) {
			t.Errorf("%s: %v, want the note %q", c.name, err, c.note)
		}
	}
}

func TestArchivesOfDockerSaveThatAreRefused(t *testing.T) {
	layout := newFixture(t)
	layout.root = []v1.Descriptor{layout.manifest("linux/amd64")}
	regular := func(name, data string) tarEntry {
		return tarEntry{tar.Header{Name: name, Typeflag: tar.TypeReg}, []byte(data)}
	}
	manifest := func(text string) []byte { return tarBytes(t, regular("manifest.json", text)) }
	good := tarBytes(t, regular("x", strings.Repeat("x", 600)), regular("manifest.json", "[]"))
	for _, c := range []struct {
		name, message, hint string
		data                []byte
	}{
		{"an empty file", "REF: not an archive of docker save: it has no manifest.json", "archives of Docker before 1.10 are not read", nil},
		{"a layout alone", "REF: not an archive of docker save: it has no manifest.json", "for a tar archive of an OCI layout write oci-archive:FILE", tarBytes(t, layout.entries("")...)},
		{"a link for manifest.json", "REF: not an archive of docker save: manifest.json is a link in the archive, which is not followed", "",
			tarBytes(t, tarEntry{tar.Header{Name: "manifest.json", Typeflag: tar.TypeSymlink, Linkname: "/x"}, nil})},
		{"manifest.json twice", `REF: not a readable tar archive: "manifest.json" stands there twice`, "", tarBytes(t, regular("manifest.json", "[]"), regular("./manifest.json", "[]"))},
		{"a layer twice", `REF: not a readable tar archive: "a/layer.tar" stands there twice`, "", tarBytes(t, regular("a/layer.tar", "x"), regular("b/../a/layer.tar", "y"))},
		{"no JSON", "manifest.json in REF: is not a list of images", "", manifest("{")},
		{"an object", "manifest.json in REF: is not a list of images", "", manifest(`{"Config":"x"}`)},
		{"a number for layers", "manifest.json in REF: is not a list of images", "", manifest(`[{"Config":"x","Layers":1}]`)},
		{"a list of layers in other letters", `manifest.json in REF: writes "Layers" as "layers"`, "", manifest(`[{"Config":"x","layers":["b"]}]`)},
		{"two configs", `manifest.json in REF: gives "Config" twice`, "", manifest(`[{"Config":"x","Config":"y"}]`)},
		{"two lists of layers", `manifest.json in REF: gives "layers" beside "Layers"`, "", manifest(`[{"Config":"x","Layers":["a"],"layers":["b"]}]`)},
		{"no config", "manifest.json in REF: names no config for image 2", "", manifest(`[{"Config":"x"},{"Layers":[]}]`)},
		{"no image", "no image in REF", "manifest.json lists none", manifest(`[]`)},
		{"null", "no image in REF", "manifest.json lists none", manifest(`null`)},
		{"cut in a content", "REF: not a readable tar archive: unexpected EOF", "", good[:700]},
		{"cut in a header", "REF: not a readable tar archive: unexpected EOF", "", good[:100]},
		{"cut and compressed", "REF: not a readable tar archive: unexpected EOF", "", gzipped(t, good)[:40]},
		{"compressed twice", "REF: not a readable tar archive: unexpected EOF", "", gzipped(t, gzipped(t, good))},
		{"text", "REF: not a readable tar archive: archive/tar: invalid tar header", "", []byte(strings.Repeat("text ", 200))},
		{"endless zeros", "REF: not an archive of docker save: it has no manifest.json", "archives of Docker before 1.10 are not read", gzipped(t, make([]byte, 64<<20))},
	} {
		reference := "docker-archive:" + fileOf(t, c.data)
		_, err := openFor(t, reference, Options{})
		if err == nil {
			t.Errorf("%s: no error", c.name)
			continue
		}
		wantError(t, err, strings.ReplaceAll(c.message, "REF", reference), c.hint)
	}
}

func TestAnImageOfAnotherPlatformThanAskedForIsRefused(t *testing.T) {
	f := &savedFixture{t: t}
	f.old("a:1", layerTar(t, "one"))
	file := fileOf(t, f.bytes())
	_, err := openFor(t, "docker-archive:"+file, explicit(t, "linux/arm64"))
	wantError(t, err, "no image for linux/arm64 in docker-archive:"+file, "present: linux/amd64")
	for _, o := range []Options{explicit(t, "linux/amd64"), preferring(t, "linux/arm64"), {AllPlatforms: true}} {
		if _, err := openFor(t, "docker-archive:"+file, o); err != nil {
			t.Error(err)
		}
	}
}

func TestASavedBlobIsTheArchivesBytes(t *testing.T) {
	f := &savedFixture{t: t}
	one := layerTar(t, "one")
	f.old("a:1", one)
	set, err := f.open(t, "", Options{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := set.Images[0].Blob(t.Context(), set.Images[0].Manifest().Parsed.Layers[0])
	if err != nil {
		t.Fatal(err)
	}
	if data, err := io.ReadAll(r); err != nil || !bytes.Equal(data, one) {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	other := hashOf("sha256", []byte("nothing"))
	_, err = set.Images[0].Blob(t.Context(), v1.Descriptor{Digest: other})
	if absent := (*AbsentError)(nil); !errors.As(err, &absent) || absent.What != other.String() {
		t.Errorf("a digest that nothing has: %v", err)
	}
}
