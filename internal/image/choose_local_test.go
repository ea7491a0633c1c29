package image

import (
	"errors"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

func TestRefMatchesTheWholeNameElseItsTagPart(t *testing.T) {
	f := newFixture(t)
	a, b, c, d := f.manifest("linux/a"), f.manifest("linux/b"), f.manifest("linux/c"), f.manifest("linux/d")
	f.root = []v1.Descriptor{refName(a, "alpine:3.20"), refName(b, "3.20"), refName(c, "host:5000/x/y:1.0"), refName(d, "host:5000/z")}
	dir := f.dir()
	for _, test := range []struct {
		ref  string
		want v1.Descriptor
	}{
		{"alpine:3.20", a}, {"3.20", b}, {"host:5000/x/y:1.0", c}, {"1.0", c}, {"host:5000/z", d},
	} {
		set, err := openFor(t, "oci:"+dir+":"+test.ref, Options{})
		if err != nil {
			t.Fatal(err)
		}
		wantDigests(t, set, test.want)
	}
	for _, ref := range []string{"3.2", "5000/z", "alpine", "latest", "y:1.0"} {
		_, err := openFor(t, "oci:"+dir+":"+ref, Options{})
		wantError(t, err, "no image is named "+ref+" in oci:"+dir,
			"present: alpine:3.20, 3.20, host:5000/x/y:1.0, host:5000/z")
	}
}

func TestSeveralImagesWithoutPlatformsAreRefusedWithTheirNames(t *testing.T) {
	f := newFixture(t)
	a, b := f.manifest("linux/amd64"), f.manifest("linux/arm64")
	f.root = []v1.Descriptor{refName(a, "one:1"), b}
	dir := f.dir()
	for _, o := range []Options{{}, explicit(t, "linux/amd64"), {AllPlatforms: true}} {
		_, err := openFor(t, "oci:"+dir, o)
		wantError(t, err, "several images in oci:"+dir,
			"write oci:"+dir+":NAME or @DIGEST; present: one:1, @"+b.Digest.String())
	}
}

func TestOneTagOfTwoNamesIsRefused(t *testing.T) {
	f := newFixture(t)
	f.root = []v1.Descriptor{refName(f.manifest("linux/a"), "one:1"), refName(f.manifest("linux/b"), "two:1")}
	dir := f.dir()
	_, err := openFor(t, "oci:"+dir+":1", Options{})
	wantError(t, err, "several images in oci:"+dir, "write oci:"+dir+":NAME or @DIGEST; present: one:1, two:1")
}

func TestOneImageOfTwoNamesIsOneImage(t *testing.T) {
	f := newFixture(t)
	a := f.manifest("linux/amd64")
	f.root = []v1.Descriptor{refName(a, "one:1"), refName(a, "one:latest")}
	set, err := f.open("", Options{})
	if err != nil {
		t.Fatal(err)
	}
	wantDigests(t, set, a)
}

func TestSeveralEntriesWithPlatformsAreOneIndex(t *testing.T) {
	f := newFixture(t)
	a, b := f.image("linux/amd64"), f.image("linux/arm64")
	f.root = append(attachments(f), refName(a, "x:1"), refName(b, "x:1"))
	for _, suffix := range []string{"", ":x:1", ":1"} {
		set, err := f.open(suffix, explicit(t, "linux/aarch64"))
		if err != nil {
			t.Fatal(err)
		}
		wantDigests(t, set, b)
		if set.Index != nil || len(set.Images[0].Indexes) != 0 || set.Reference.Name != "docker.io/library/x:1" {
			t.Errorf("index %v, name %s", set.Index, set.Reference.Name)
		}
	}
	set, err := f.open("", Options{AllPlatforms: true})
	if err != nil {
		t.Fatal(err)
	}
	wantDigests(t, set, a, b)
}

func TestTwoImagesOfOnePlatformAreRefusedWithTheirNames(t *testing.T) {
	f := newFixture(t)
	a, b := f.image("linux/amd64"), f.manifest("linux/other")
	b.Platform = a.Platform
	f.root = []v1.Descriptor{refName(a, "x:1"), refName(b, "y:1")}
	dir := f.dir()
	_, err := openFor(t, "oci:"+dir, preferring(t, "linux/amd64"))
	wantError(t, err, "several images for linux/amd64 in oci:"+dir, "write oci:"+dir+":NAME or @DIGEST; present: x:1, y:1")
}

func TestEntriesWhoseManifestsHaveASubjectAreNotImages(t *testing.T) {
	f := newFixture(t)
	image := f.manifest("linux/amd64")
	referrer := f.manifest("", func(m *v1.Manifest) { m.Subject = &image })
	artifact := f.manifest("", func(m *v1.Manifest) { m.ArtifactType = "application/vnd.example" })
	referrers := f.json(types.OCIImageIndex, v1.IndexManifest{SchemaVersion: 2, Manifests: []v1.Descriptor{image}, Subject: &image})
	f.root = []v1.Descriptor{referrer, artifact, image, referrers}
	set, err := f.open("", Options{})
	if err != nil {
		t.Fatal(err)
	}
	wantDigests(t, set, image)

	f.root = []v1.Descriptor{refName(referrer, "sha256-1.sig")}
	dir := f.dir()
	_, err = openFor(t, "oci:"+dir, Options{})
	wantError(t, err, "no image in oci:"+dir, "there are only signatures, attestations or other artifacts")
	for _, suffix := range []string{":sha256-1.sig", "@" + referrer.Digest.String()} {
		set, err = openFor(t, "oci:"+dir+suffix, Options{})
		if err != nil {
			t.Fatal(err)
		}
		wantDigests(t, set, referrer)
	}
}

func TestALayoutOfAttachmentsHoldsNoImage(t *testing.T) {
	f := newFixture(t)
	for _, root := range [][]v1.Descriptor{nil, attachments(f)} {
		f.root = root
		if root == nil {
			f.root = []v1.Descriptor{}
		}
		dir := f.dir()
		_, err := openFor(t, "oci:"+dir, Options{})
		wantError(t, err, "no image in oci:"+dir, "there are only signatures, attestations or other artifacts")
	}
}

func TestADigestIsFoundAtAnyDepth(t *testing.T) {
	f := newFixture(t)
	a, b, deep := f.image("linux/amd64"), f.image("linux/arm64"), f.image("linux/s390x")
	middle := f.index(deep)
	index := f.index(a, b, middle)
	sig := annotated(f.manifest(""), "kind", "dev.cosignproject.cosign/sigs")
	absent := f.index(f.image("linux/386"))
	delete(f.blobs, absent.Digest)
	f.root = []v1.Descriptor{absent, refName(index, "docker.io/library/alpine:3.20"), sig}
	for _, c := range []struct {
		want    v1.Descriptor
		indexes int
		name    string
	}{
		{a, 1, "docker.io/library/alpine:3.20"},
		{b, 1, "docker.io/library/alpine:3.20"},
		{deep, 2, "docker.io/library/alpine:3.20"},
		{sig, 0, ""},
	} {
		set, err := f.open("@"+c.want.Digest.String(), preferring(t, "linux/amd64"))
		if err != nil {
			t.Errorf("%s: %v", c.want.Digest, err)
			continue
		}
		wantDigests(t, set, c.want)
		if r := set.Reference; !r.Pinned || r.Name != c.name || len(set.Images[0].Indexes) != c.indexes {
			t.Errorf("reference %+v, %d indexes", r, len(set.Images[0].Indexes))
		}
	}
	set, err := f.open("@"+index.Digest.String(), explicit(t, "linux/arm64"))
	if err != nil {
		t.Fatal(err)
	}
	wantDigests(t, set, b)
	dir := f.dir()
	_, err = openFor(t, "oci:"+dir+"@"+someDigest, Options{})
	wantError(t, err, "no image has the digest "+someDigest+" in oci:"+dir,
		"present: @"+absent.Digest.String()+", docker.io/library/alpine:3.20, @"+sig.Digest.String())
}

func TestALayoutNamesItsImageByItsOwnAccount(t *testing.T) {
	f := newFixture(t)
	d := f.manifest("linux/amd64")
	for _, c := range []struct {
		pairs []string
		name  string
		tag   string
	}{
		{[]string{imageNameAnnotation, "docker.io/library/alpine:3.20.3", refNameAnnotation, "other:1"}, "docker.io/library/alpine:3.20.3", "3.20.3"},
		{[]string{refNameAnnotation, "alpine:3.20.3"}, "docker.io/library/alpine:3.20.3", "3.20.3"},
		{[]string{refNameAnnotation, "ghcr.io/a/b"}, "ghcr.io/a/b:latest", "latest"},
		{[]string{refNameAnnotation, "index.docker.io/library/alpine:1"}, "docker.io/library/alpine:1", "1"},
		{[]string{imageNameAnnotation, "Not A Name", refNameAnnotation, "alpine:1"}, "docker.io/library/alpine:1", "1"},
		{[]string{refNameAnnotation, "3.20.3"}, "", ""},
		{[]string{refNameAnnotation, "latest"}, "", ""},
		{[]string{refNameAnnotation, "x/../../y:1"}, "", ""},
		{nil, "", ""},
	} {
		f.root = []v1.Descriptor{annotated(d, c.pairs...)}
		set, err := f.open("", Options{})
		if err != nil {
			t.Fatal(err)
		}
		r := set.Reference
		if r.Name != c.name || r.Tag != c.tag || r.OwnAccount != (c.name != "") || r.Pinned || r.Kind != KindLayout {
			t.Errorf("%v: %+v, want %q", c.pairs, r, c.name)
		}
	}
}

func TestTooManyUndescribedEntriesAreNotRead(t *testing.T) {
	f := newFixture(t)
	for range MaxImages + 1 {
		d := f.manifest("linux/amd64", func(m *v1.Manifest) { m.Annotations = map[string]string{"n": string(rune(len(f.root) + 1000))} })
		f.root = append(f.root, d)
	}
	_, err := f.open("", Options{})
	var e *NotFoundError
	if !errors.As(err, &e) || e.What != "several images" || len(e.Present) != MaxImages+1 {
		t.Errorf("%v", err)
	}
}

func TestImagesOfSeveralNamesHaveNoCommonName(t *testing.T) {
	f := newFixture(t)
	arm := f.image("linux/arm64")
	nested := f.index(arm)
	nested.Platform = arm.Platform
	f.root = []v1.Descriptor{refName(f.image("linux/amd64"), "x:1"), refName(nested, "y:1")}
	set, err := f.open("", Options{AllPlatforms: true})
	if err != nil {
		t.Fatal(err)
	}
	if r := set.Reference; len(set.Images) != 2 || r.Name != "" || r.OwnAccount || set.Index != nil {
		t.Errorf("%d images, reference %+v, index %v", len(set.Images), r, set.Index)
	}
	if set, err = f.open("", explicit(t, "linux/arm64")); err != nil {
		t.Fatal(err)
	}
	wantDigests(t, set, arm)
	if set.Reference.Name != "docker.io/library/y:1" || set.Index.Descriptor.Digest != nested.Digest {
		t.Errorf("reference %+v, index %+v", set.Reference, set.Index)
	}
}

func TestImagesThatShareNoIndexHaveNone(t *testing.T) {
	f := newFixture(t)
	arm := f.image("linux/arm64")
	nested := f.index(arm)
	nested.Platform = arm.Platform
	f.root = []v1.Descriptor{nested, f.image("linux/amd64")}
	set, err := f.open("", Options{AllPlatforms: true})
	if err != nil {
		t.Fatal(err)
	}
	if set.Index != nil || len(set.Images[0].Indexes) != 1 || len(set.Images[1].Indexes) != 0 {
		t.Errorf("index %v; %d and %d indexes above the images", set.Index, len(set.Images[0].Indexes), len(set.Images[1].Indexes))
	}
}
