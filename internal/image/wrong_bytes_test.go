package image

import (
	"errors"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

func TestBytesThatAreNotTheirDigestsAreHandedOut(t *testing.T) {
	other := []byte(`{"schemaVersion":2,"manifests":[]}`)
	for _, c := range []struct {
		name  string
		spoil func(f *fixture, index, manifest v1.Hash) v1.Hash // returns the digest that must stand out
		o     Options
	}{
		{"the manifest is garbage", func(f *fixture, _, m v1.Hash) v1.Hash { f.blobs[m] = []byte("no JSON"); return m }, explicit(t, "linux/amd64")},
		{"the manifest is another image", func(f *fixture, _, m v1.Hash) v1.Hash {
			f.blobs[m] = f.blobs[f.manifest("linux/other").Digest]
			return m
		}, explicit(t, "linux/amd64")},
		{"the manifest is an index", func(f *fixture, _, m v1.Hash) v1.Hash { f.blobs[m] = other; return m }, explicit(t, "linux/amd64")},
		{"the index is garbage", func(f *fixture, i, _ v1.Hash) v1.Hash { f.blobs[i] = nil; return i }, explicit(t, "linux/amd64")},
		{"the index is empty", func(f *fixture, i, _ v1.Hash) v1.Hash { f.blobs[i] = other; return i }, explicit(t, "linux/amd64")},
		{"the index lacks the platform", func(f *fixture, i, _ v1.Hash) v1.Hash {
			f.blobs[i] = f.blobs[f.index(f.image("linux/s390x"), f.image("linux/arm")).Digest]
			return i
		}, explicit(t, "linux/amd64")},
		{"the index names what is absent", func(f *fixture, i, _ v1.Hash) v1.Hash {
			absent := f.image("linux/amd64")
			absent.Digest = hashOf("sha256", []byte("absent"))
			f.blobs[i] = f.blobs[f.index(absent).Digest]
			return i
		}, Options{}},
		{"all platforms of a garbage index", func(f *fixture, i, _ v1.Hash) v1.Hash { f.blobs[i] = nil; return i }, Options{AllPlatforms: true}},
	} {
		f := newFixture(t)
		manifest := f.image("linux/amd64")
		index := f.index(manifest, f.image("linux/arm64"))
		f.root = []v1.Descriptor{index}
		wrong := c.spoil(f, index.Digest, manifest.Digest)
		set, err := f.open("", c.o)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		i := set.Images[0]
		if i.Descriptor.Digest != wrong || i.Manifest().Got == wrong || i.Manifest().Got.Hex == "" {
			t.Errorf("%s: descriptor %s, got %s, want %s to differ", c.name, i.Descriptor.Digest, i.Manifest().Got, wrong)
		}
		if (i.Manifest().Parsed == nil) != (i.Manifest().ParseErr != nil) {
			t.Errorf("%s: parsed %v, %v", c.name, i.Manifest().Parsed, i.Manifest().ParseErr)
		}
		if _, err := i.Config(t.Context()); (err == nil) != (i.Manifest().Parsed != nil) {
			t.Errorf("%s: config %v", c.name, err)
		}
	}
}

func TestAWrongIndexThatStillNamesTheImageIsHandedOutBesideIt(t *testing.T) {
	f := newFixture(t)
	manifest := f.image("linux/amd64")
	index := f.index(manifest, f.image("linux/arm64"))
	f.blobs[index.Digest] = append(f.blobs[index.Digest], '\n')
	f.root = []v1.Descriptor{index}
	set, err := f.open("", explicit(t, "linux/amd64"))
	if err != nil {
		t.Fatal(err)
	}
	wantDigests(t, set, manifest)
	if set.Index.Got == set.Index.Descriptor.Digest {
		t.Error("the index's wrong bytes hash to its digest")
	}
}

func TestANestedIndexOfWrongBytesIsWhatIsLeft(t *testing.T) {
	f := newFixture(t)
	amd := f.image("linux/amd64")
	inner := f.index(f.image("linux/arm64"), f.image("linux/arm/v6"))
	f.root = []v1.Descriptor{f.index(inner, amd)}
	f.blobs[inner.Digest] = []byte("garbage")
	set, err := f.open("", explicit(t, "linux/amd64"))
	if err != nil {
		t.Fatal(err)
	}
	wantDigests(t, set, amd)
	set, err = f.open("", explicit(t, "linux/arm64"))
	if err != nil {
		t.Fatal(err)
	}
	wantDigests(t, set, inner)
	if set, err = f.open("", Options{AllPlatforms: true}); err != nil {
		t.Fatal(err)
	}
	wantDigests(t, set, inner, amd)
}

func TestAnImageThatCannotBeReadDoesNotHideTheOthers(t *testing.T) {
	f := newFixture(t)
	good, gone, bad := f.image("linux/amd64"), f.image("linux/arm64"), f.image("linux/386")
	text := f.add(types.OCIManifestSchema1, []byte(`{"schemaVersion":2}`))
	text.Platform = bad.Platform
	bad = text
	f.root = []v1.Descriptor{f.index(good, gone, bad)}
	delete(f.blobs, gone.Digest)
	set, err := f.open("", Options{AllPlatforms: true})
	if err != nil {
		t.Fatal(err)
	}
	wantDigests(t, set, good, gone, bad)
	if m := set.Images[1].Manifest(); !errors.As(m.ParseErr, new(*AbsentError)) || m.Got != (v1.Hash{}) {
		t.Errorf("the absent one: %+v", m)
	}
	if m := set.Images[2].Manifest(); !errors.As(m.ParseErr, new(*FormatError)) || m.Got != bad.Digest {
		t.Errorf("the bad one: %+v", m)
	}
	dir := f.dir()
	_, err = openFor(t, "oci:"+dir, explicit(t, "linux/arm64"))
	wantError(t, err, gone.Digest.String()+" is absent from oci:"+dir, "it is named there but not stored: fetch the whole image")
	_, err = openFor(t, "oci:"+dir, explicit(t, "linux/386"))
	wantError(t, err, "manifest "+bad.Digest.String()+" in oci:"+dir+": is neither an index nor an image manifest", "")
}
