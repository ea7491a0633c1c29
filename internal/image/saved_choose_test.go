package image

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestAnImageAmongSeveralSavedOnesIsChosenByName(t *testing.T) {
	f := &savedFixture{t: t}
	alpine := f.old("alpine:3.20.3", layerTar(t, "alpine"))
	f.images[0].RepoTags = append(f.images[0].RepoTags, "team/base:stable")
	app := f.layout("localhost:5000/team/app:1", gzipped, layerTar(t, "app"))
	untagged := f.old("", layerTar(t, "untagged"))
	latest := f.old("tool:latest", layerTar(t, "tool"))
	id := func(i savedImage) string { return namedDigest(i.Config).String() }
	file := fileOf(t, f.bytes())
	for _, c := range []struct {
		ref, name string
		want      savedImage
		pinned    bool
	}{
		{"alpine:3.20.3", "docker.io/library/alpine:3.20.3", alpine, false},
		{"docker.io/library/alpine:3.20.3", "docker.io/library/alpine:3.20.3", alpine, false},
		{"index.docker.io/alpine:3.20.3", "docker.io/library/alpine:3.20.3", alpine, false},
		{"3.20.3", "docker.io/library/alpine:3.20.3", alpine, false},
		{"stable", "docker.io/team/base:stable", alpine, false},
		{"team/base:stable", "docker.io/team/base:stable", alpine, false},
		{"localhost:5000/team/app:1", "localhost:5000/team/app:1", app, false},
		{"1", "localhost:5000/team/app:1", app, false},
		{"tool", "docker.io/library/tool:latest", latest, false},
		{"latest", "docker.io/library/tool:latest", latest, false},
		{id(untagged), "", untagged, true},
		{id(alpine), "docker.io/library/alpine:3.20.3", alpine, true},
	} {
		set, err := openFor(t, "docker-archive:"+file+":"+c.ref, Options{})
		if err != nil {
			t.Errorf("%s: %v", c.ref, err)
			continue
		}
		r := set.Reference
		if got := set.Images[0].Manifest().Parsed.Config.Digest.String(); got != id(c.want) {
			t.Errorf("%s: config %s, want %s", c.ref, got, id(c.want))
		}
		if r.Name != c.name || r.OwnAccount != (c.name != "") || r.Pinned != c.pinned || r.Store != "docker-archive:"+file {
			t.Errorf("%s: %+v", c.ref, r)
		}
	}
	present := "alpine:3.20.3, team/base:stable, localhost:5000/team/app:1, " + id(untagged) + ", tool:latest"
	where := "docker-archive:" + file
	_, err := openFor(t, where, Options{})
	wantError(t, err, "several images in "+where, "write "+where+":NAME; present: "+present)
	for _, ref := range []string{"alpine", "3.20", "base", "sha256:1", hashOf("sha256", nil).String()} {
		_, err = openFor(t, where+":"+ref, Options{})
		wantError(t, err, "no image is named "+ref+" in "+where, "present: "+present)
	}
	_, err = openFor(t, where+"@"+someDigest, Options{})
	wantError(t, err, where+"@"+someDigest+": the archive has no manifest that could have that digest",
		"write "+where+":NAME:TAG, or :sha256:… with the image's ID")
}

func TestANameThatTwoSavedImagesHaveIsRefused(t *testing.T) {
	f := &savedFixture{t: t}
	f.old("a:1", layerTar(t, "one"))
	f.old("docker.io/library/a:1", layerTar(t, "two"))
	f.old("b:1", layerTar(t, "three"))
	file := fileOf(t, f.bytes())
	where := "docker-archive:" + file
	hint := "write " + where + ":NAME; present: a:1, docker.io/library/a:1, b:1"
	for _, ref := range []string{"1", "index.docker.io/a:1"} {
		_, err := openFor(t, where+":"+ref, Options{})
		wantError(t, err, "several images named "+ref+" in "+where, hint)
	}
	if _, err := openFor(t, where+":a:1", Options{}); err != nil {
		t.Errorf("the exact name of one of them: %v", err)
	}
	f.images[1].RepoTags[0] = "a:1"
	_, err := f.open(t, ":a:1", Options{})
	if err == nil || !strings.HasPrefix(err.Error(), "several images named a:1 in ") {
		t.Errorf("one name twice: %v", err)
	}
}

func TestAnImagesOwnNameMayNotLookLikeAnID(t *testing.T) {
	f := &savedFixture{t: t}
	good := f.old("a:1", layerTar(t, "one"))
	id := namedDigest(good.Config).String()
	f.old(id, layerTar(t, "evil"))
	set, err := f.open(t, ":"+id, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := set.Images[0].Manifest().Parsed.Config.Digest.String(); got != id {
		t.Errorf("%s was opened for %s", got, id)
	}
}

func TestNamesOfFilesThatAreDigests(t *testing.T) {
	hex := strings.TrimPrefix(someDigest, "sha256:")
	for name, want := range map[string]bool{
		"blobs/sha256/" + hex: true, "./" + hex + ".json": true, someDigest: true, hex + ".tar.gz": true, hex + ".tar": true, "/" + hex: true,
		hex + "/layer.tar": false, "config.json": false, hex[1:] + ".json": false, "blobs/md5/" + hex[32:]: false, "": false,
	} {
		got := namedDigest(name).String()
		if (got == someDigest) != want {
			t.Errorf("%q names %s", name, got)
		}
	}
}

// The law: parsing never panics; what is accepted is within the bounds, every
// image names a config, and writing it again reads as the same.
func FuzzSavedManifest(f *testing.F) {
	f.Add([]byte(`[{"Config":"a.json","RepoTags":["a:1"],"Layers":["a/layer.tar"]}]`))
	f.Add([]byte(`[{"Config":"blobs/sha256/x","RepoTags":null,"Layers":null,"LayerSources":{"sha256:x":{}}},{}]`))
	f.Add([]byte(`[{"config":"a","Config":"b"}]`))
	f.Add([]byte(`[null]`))
	f.Add([]byte(`null`))
	f.Add([]byte(`[{"Config":"../x","Layers":["/etc/passwd",""]}]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		images, err := parseSaved(data, "here")
		if err != nil {
			if !errors.As(err, new(*FormatError)) && !errors.As(err, new(*LimitError)) {
				t.Fatalf("error of type %T", err)
			}
			return
		}
		if len(images) > MaxSavedImages {
			t.Fatalf("%d images", len(images))
		}
		for _, i := range images {
			if i.Config == "" || len(i.Layers) > MaxLayers {
				t.Fatalf("%+v", i)
			}
		}
		written, err := json.Marshal(images)
		if err != nil {
			t.Fatal(err)
		}
		again, err := parseSaved(written, "here")
		if err != nil || fmt.Sprint(again) != fmt.Sprint(images) {
			t.Fatalf("%v, then %v, %v", images, again, err)
		}
	})
}

// The law: opening never panics; what is opened has no manifest, and each of its
// files is absent or can be read to its end.
func FuzzSavedArchive(f *testing.F) {
	fixture := &savedFixture{t: f}
	fixture.old("a:1", layerTar(f, "one"), layerTar(f, "one"))
	fixture.layout("b:1", gzipped, layerTar(f, "two"))
	fixture.link('2', "link", "manifest.json")
	f.Add(fixture.bytes(), "")
	f.Add(fixture.bytes(), "b:1")
	f.Add(gzipped(f, fixture.bytes()), "1")
	fixture.images[0].Layers = []string{"link", "../x", fixture.images[0].Config}
	f.Add(fixture.bytes(), "a:1")
	f.Add(zstded(f, fixture.bytes())[:100], "a:1")
	f.Fuzz(func(t *testing.T, data []byte, ref string) {
		if len(data) > 1<<20 {
			return
		}
		suffix := ""
		if ref != "" {
			suffix = ":" + ref
		}
		set, err := openFor(t, "docker-archive:"+fileOf(t, data)+suffix, Options{})
		if err != nil {
			return
		}
		i := set.Images[0]
		if i.HasManifest() || i.Manifest().Parsed == nil {
			t.Fatalf("%+v", i.Manifest())
		}
		for _, d := range append(i.Manifest().Parsed.Layers, i.Manifest().Parsed.Config) {
			readOrAbsent(t, i, d)
		}
	})
}
