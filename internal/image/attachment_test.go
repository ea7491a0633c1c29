package image

import (
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// disguises are images of linux/amd64 that look like attachments, each another
// one than f.image("linux/amd64").
func disguises(f *fixture) map[string]v1.Descriptor {
	amd := &v1.Platform{OS: "linux", Architecture: "amd64"}
	dress := func(name string, edit ...func(*v1.Manifest)) v1.Descriptor {
		d := f.manifest("linux/evil-"+name, edit...)
		d.Platform = amd
		return d
	}
	artifact, foreign, shy := dress("artifact"), dress("foreign"), dress("shy")
	artifact.ArtifactType = "application/x"
	foreign.MediaType = "application/vnd.example.manifest+json"
	shy.Platform = &v1.Platform{Architecture: "amd64"}
	other := dress("other")
	other.Platform = &v1.Platform{OS: "Linux", Architecture: "x86_64", Variant: "v1"}
	return map[string]v1.Descriptor{
		"nothing hidden":            dress("plain"),
		"an artifact type":          artifact,
		"a media type of another":   foreign,
		"no operating system":       shy,
		"another spelling":          other,
		"BuildKit's mark":           annotated(dress("buildkit"), buildkitReference, "x"),
		"BuildKit's own mark":       annotated(dress("attestation"), buildkitReference, "attestation-manifest"),
		"a signature's cosign kind": annotated(dress("cosign"), "kind", "dev.cosignproject.cosign/sigs"),
		"a subject in the manifest": dress("subject", func(m *v1.Manifest) {
			m.Subject = &v1.Descriptor{Digest: hashOf("sha256", nil), MediaType: types.OCIManifestSchema1}
		}),
		"an artifact type inside it": dress("inner", func(m *v1.Manifest) { m.ArtifactType = "application/x" }),
	}
}

func TestAnImageDressedAsAnAttachmentIsNotPassedOver(t *testing.T) {
	f := newFixture(t)
	good, arm := f.image("linux/amd64"), f.image("linux/arm64")
	for name, evil := range disguises(f) {
		both := "present: @" + evil.Digest.String() + ", @" + good.Digest.String()
		for how, root := range map[string][]v1.Descriptor{
			"in an index":           {f.index(evil, good, arm)},
			"alone with the good":   {f.index(evil, good)},
			"in an inner index":     {f.index(f.index(evil), f.index(good), arm)},
			"in an index beside it": {f.index(arm, f.index(evil, arm), good)},
		} {
			f.root = root
			dir := f.dir()
			for _, o := range []Options{explicit(t, "linux/amd64"), preferring(t, "linux/amd64")} {
				_, err := openFor(t, "oci:"+dir, o)
				t.Log(name, how)
				wantError(t, err, "several images for linux/amd64 in oci:"+dir, "write oci:"+dir+"@DIGEST; "+both)
			}
		}
		s := serve(t, f, "app", map[string]v1.Descriptor{"1": f.index(evil, good, arm)})
		_, err := s.open(t, ":1", explicit(t, "linux/amd64"))
		wantError(t, err, "several images for linux/amd64 in "+s.name(""), "write "+s.name("")+"@DIGEST; "+both)
	}
}

func TestAllImagesDressedAsAttachmentsAreJudgedWithAllPlatforms(t *testing.T) {
	f := newFixture(t)
	good := f.image("linux/amd64")
	for name, evil := range disguises(f) {
		for _, root := range [][]v1.Descriptor{{f.index(evil, good)}, {evil, good}} {
			f.root = root
			set, err := f.open("", Options{AllPlatforms: true})
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			wantDigests(t, set, evil, good)
		}
	}
}

func TestAnImageDressedAsAnAttachmentIsACandidateInALayout(t *testing.T) {
	f := newFixture(t)
	good := f.image("linux/amd64")
	bare := good
	bare.Platform = nil
	for name, evil := range disguises(f) {
		f.root = []v1.Descriptor{evil, good}
		dir, both := f.dir(), "@DIGEST; present: @"+evil.Digest.String()+", @"+good.Digest.String()
		t.Log(name)
		_, err := openFor(t, "oci:"+dir, explicit(t, "linux/amd64"))
		wantError(t, err, "several images for linux/amd64 in oci:"+dir, "write oci:"+dir+":NAME or "+both)
		f.root = []v1.Descriptor{evil, bare}
		dir = f.dir()
		_, err = openFor(t, "oci:"+dir, explicit(t, "linux/amd64"))
		wantError(t, err, "several images in oci:"+dir, "write oci:"+dir+":NAME or "+both)
	}
}

func TestTheOnlyImageForAPlatformIsTakenWhateverElseItSays(t *testing.T) {
	f := newFixture(t)
	arm := f.image("linux/arm64")
	for name, dressed := range disguises(f) {
		if dressed.Platform.OS == "" {
			continue
		}
		f.root = []v1.Descriptor{f.index(append(attachments(f), dressed, arm)...)}
		set, err := f.open("", explicit(t, "linux/amd64"))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		wantDigests(t, set, dressed)
	}
}

func TestAnImageListedTwiceForAPlatformIsOneImage(t *testing.T) {
	f := newFixture(t)
	amd, arm := f.image("linux/amd64"), f.image("linux/arm64")
	again, shy := amd, amd
	again.Platform = &v1.Platform{OS: "linux", Architecture: "x86_64"}
	shy.Platform = &v1.Platform{Architecture: "amd64"}
	f.root = []v1.Descriptor{f.index(shy, amd, again, arm, f.index(amd))}
	set, err := f.open("", explicit(t, "linux/amd64"))
	if err != nil {
		t.Fatal(err)
	}
	wantDigests(t, set, amd)
	if p := set.Images[0].Platform().String(); p != "linux/amd64" {
		t.Errorf("platform %s", p)
	}
}

func TestWindowsImagesOfTwoVersionsAreToldApartByTheVersionOnly(t *testing.T) {
	f := newFixture(t)
	one, two := f.manifest("windows/amd64"), f.manifest("windows/other")
	one.Platform = &v1.Platform{OS: "windows", Architecture: "amd64", OSVersion: "10.0.17763.1"}
	two.Platform = &v1.Platform{OS: "windows", Architecture: "amd64", OSVersion: "10.0.20348.1"}
	f.root = []v1.Descriptor{f.index(one, two)}
	dir := f.dir()
	set, err := openFor(t, "oci:"+dir, explicit(t, "windows/amd64:10.0.20348.1"))
	if err != nil {
		t.Fatal(err)
	}
	wantDigests(t, set, two)
	_, err = openFor(t, "oci:"+dir, explicit(t, "windows/amd64"))
	wantError(t, err, "several images for windows/amd64 in oci:"+dir,
		"write oci:"+dir+"@DIGEST; present: @"+one.Digest.String()+", @"+two.Digest.String())
}

func TestAnImageWhoseArtifactTypeIsItsConfigsIsAnImage(t *testing.T) {
	f := newFixture(t)
	image, signature := f.manifest(""), f.manifest("")
	image.ArtifactType, signature.ArtifactType = string(types.OCIConfigJSON), string(types.OCIConfigJSON)
	f.root = []v1.Descriptor{image, annotated(signature, "kind", "dev.cosignproject.cosign/sigs")}
	set, err := f.open("", Options{})
	if err != nil || len(set.Images) != 1 || set.Images[0].Manifest().Got != image.Digest {
		t.Errorf("%+v, %v", set, err)
	}
}

func TestWhatHasCosignsTagInALayoutIsNoImage(t *testing.T) {
	hex := strings.Repeat("0a", 32)
	for name, want := range map[string]bool{
		"sha256-" + hex + ".sig": true, "sha256-" + hex + ".att": true, "sha256-" + hex: true, "registry.test/app:sha256-" + hex + ".sig": true,
		"sha256-" + hex + ".txt": false, "sha256-" + hex[1:] + ".sig": false, "1.2.sig": false, "": false,
	} {
		d := v1.Descriptor{MediaType: types.OCIManifestSchema1, Annotations: map[string]string{refNameAnnotation: name}}
		if got := isAttachment(d); got != want {
			t.Errorf("%q: %v", name, got)
		}
		d.Platform = &v1.Platform{OS: "linux", Architecture: "amd64"}
		if isAttachment(d) {
			t.Errorf("%q for a machine is an attachment", name)
		}
	}
}
