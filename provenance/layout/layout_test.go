package layout

import (
	"context"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/imageverify/verify/checksums"
)

func TestAnImageEqualsTheLayoutThatHoldsIt(t *testing.T) {
	f := newFixture(t)
	got := f.compareOne("index.json", f.subject())
	want := []Part{
		{What: PartLayout, Path: "img/arm64/oci-layout", ObjectID: blobID(f.files["oci-layout"])},
		{What: PartIndex, Path: "img/arm64/index.json", ObjectID: blobID(f.files["index.json"])},
		{What: PartManifest, Digest: hashOf(f.manifest), Size: int64(len(f.manifest)), Path: "img/arm64/image-manifest.json", ObjectID: blobID(f.manifest)},
		{What: PartConfig, Digest: hashOf(f.config), Size: int64(len(f.config)), Path: "img/arm64/image-config.json", ObjectID: blobID(f.config)},
		{What: "layer 1", Digest: hashOf(f.layers[0]), Size: int64(len(f.layers[0])), Path: "img/arm64/rootfs.tar.gz", ObjectID: blobID(f.layers[0])},
		{What: "layer 2", Digest: hashOf(f.layers[1]), Size: int64(len(f.layers[1])), Path: "img/arm64/" + blobPath(f.layers[1]), ObjectID: blobID(f.layers[1])},
	}
	if !slices.Equal(got.Parts, want) {
		t.Errorf("parts\n%+v, want\n%+v", got.Parts, want)
	}
	sum := int64(len(f.manifest) + len(f.config) + len(f.layers[0]) + len(f.layers[1]))
	if !got.Equal() || got.Err() != nil || got.Bytes() != sum {
		t.Errorf("equal %v, %v, %d bytes; want all %d", got.Equal(), got.Err(), got.Bytes(), sum)
	}
}

func TestAnImageWithoutAManifestEqualsTheLayoutByItsImageID(t *testing.T) {
	f := newFixture(t)
	got := f.compareOne("", f.unnamed())
	wantParts(t, got)
	if want := []string{PartLayout, PartIndex, PartManifest, PartConfig, "layer 1", "layer 2"}; !slices.Equal(names(got), want) {
		t.Errorf("parts %q, want %q", names(got), want)
	}
	if p := part(t, got, PartManifest); p.Digest != hashOf(f.manifest) || p.ObjectID != blobID(f.manifest) {
		t.Errorf("manifest %+v, want that of git", p)
	}
}

func TestOtherFormsOfALayoutAreRead(t *testing.T) {
	other := descriptor(types.OCIManifestSchema1, "another image")
	for name, change := range map[string]func(f *fixture) (file string){
		"a descriptor alone in a file of another name": func(f *fixture) string {
			f.files["image.json"] = marshal(t, f.entry())
			delete(f.files, "index.json")
			return "image.json"
		},
		"an index in an index": func(f *fixture) string {
			f.index(f.nested(f.entry()))
			return ""
		},
		"three indexes in the index": func(f *fixture) string {
			f.index(f.nested(f.nested(f.nested(f.entry()))))
			return ""
		},
		"an image for another platform beside it": func(f *fixture) string {
			amd := other
			amd.Platform = &v1.Platform{OS: "linux", Architecture: "amd64"}
			f.index(amd, f.entry())
			return ""
		},
		"attachments beside it": func(f *fixture) string {
			artifact, attestation, signature, list, foreign := other, other, other, other, other
			artifact.ArtifactType = "application/vnd.example"
			attestation.Platform = &v1.Platform{OS: "unknown", Architecture: "unknown"}
			signature.Annotations = map[string]string{"kind": "dev.cosignproject.cosign/sigs"}
			list.Annotations = map[string]string{"vnd.docker.reference.type": "attestation-manifest"}
			foreign.MediaType = "text/plain"
			f.index(artifact, attestation, signature, f.entry(), list, foreign)
			return ""
		},
		"the image under two names": func(f *fixture) string {
			named := f.entry()
			named.Annotations = map[string]string{"org.opencontainers.image.ref.name": "x"}
			f.index(f.entry(), named)
			return ""
		},
		"Docker's media types": func(f *fixture) string {
			d := f.entry()
			d.MediaType = types.DockerManifestSchema2
			f.files["index.json"] = marshal(t, v1.IndexManifest{SchemaVersion: 2, MediaType: types.DockerManifestList, Manifests: []v1.Descriptor{d}})
			return ""
		},
		"the manifest in its own descriptor too": func(f *fixture) string {
			d := f.entry()
			d.Data = []byte(f.manifest)
			f.index(d)
			return ""
		},
		"the config in its descriptor too": func(f *fixture) string {
			m := f.parsed()
			m.Config.Data = []byte(f.config)
			f.publish(m)
			return ""
		},
		"a layer named by SHA-512": func(f *fixture) string {
			sum := sha512.Sum512([]byte(f.layers[1]))
			m := f.parsed()
			m.Layers[1].Digest = v1.Hash{Algorithm: "sha512", Hex: hex.EncodeToString(sum[:])}
			f.publish(m)
			f.files["blobs/sha512/"+m.Layers[1].Digest.Hex] = f.layers[1]
			return ""
		},
		"blobs behind a linked folder elsewhere in the tree": func(f *fixture) string {
			for name, text := range f.files {
				if rest, ok := strings.CutPrefix(name, "blobs/"); ok {
					f.outside["shared/store/"+rest] = strings.Replace(text, "../../", "../../../"+fixtureDir+"/", 1)
					delete(f.files, name)
				}
			}
			f.files["blobs"] = link + "../../shared/./store/"
			return ""
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			file := change(f)
			for _, got := range f.compare(file, f.subject(), f.unnamed()) {
				wantParts(t, got)
			}
		})
	}
}

func TestDirectoriesAndFilesAreTakenAsTheLibraryWritesThem(t *testing.T) {
	f := newFixture(t)
	root := f.root(newRepo(t))
	for _, dir := range []string{"img/arm64", "img/arm64/", "./img/arm64", "/img/arm64", "img/../img/arm64"} {
		got, err := Compare(t.Context(), root, dir, "./index.json", f.subject())
		if err != nil || !got.Equal() {
			t.Errorf("%s: %v, %v", dir, got.Err(), err)
		}
	}
}

func TestAnImageThatContradictsItselfIsNotCompared(t *testing.T) {
	f := newFixture(t)
	root := f.root(newRepo(t))
	other := f.subject()
	other.Digest = hashOf("another")
	garbage := Subject{Digest: hashOf("{}"), Manifest: []byte("{}")}
	for name, s := range map[string]Subject{"a manifest of another digest": other, "a manifest that is none": garbage, "nothing": {}} {
		if _, err := Compare(t.Context(), root, fixtureDir, "", s); !errors.Is(err, ErrSubject) {
			t.Errorf("%s: %v, want ErrSubject", name, err)
		}
	}
	_, err := Compare(t.Context(), root, fixtureDir, "", other)
	if digest, ok := errors.AsType[*checksums.DigestError](err); !ok || digest.Got != hashOf(f.manifest) {
		t.Errorf("a manifest of another digest: %v, want a DigestError with the digest it has", err)
	}
}

func TestComparingEndsWithItsContext(t *testing.T) {
	f := newFixture(t)
	ctx, cancel := context.WithCancel(t.Context())
	root := f.root(newRepo(t))
	cancel()
	got, err := Compare(ctx, root, fixtureDir, "", f.subject())
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want context.Canceled", err)
	}
	if Contradiction(got.Err()) {
		t.Errorf("an ended context contradicts the image: %v", got.Err())
	}
}

func TestTheWorstErrorStandsForAll(t *testing.T) {
	lost := errors.New("no answer")
	for name, one := range map[string]struct {
		errs []error
		want string
	}{
		"none":                                {[]error{nil, nil}, ""},
		"the first":                           {[]error{nil, lost, errors.New("later")}, "b: no answer"},
		"a contradiction before other errors": {[]error{lost, ErrAbsent, nil}, "b: not in the commit's tree"},
	} {
		r := &Result{}
		for i, err := range one.errs {
			r.Parts = append(r.Parts, Part{What: string(rune('a' + i)), Err: err})
		}
		got := ""
		if err := r.Err(); err != nil {
			got = err.Error()
		}
		if got != one.want || r.Equal() != (one.want == "") {
			t.Errorf("%s: %q, want %q", name, got, one.want)
		}
	}
}
