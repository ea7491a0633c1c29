package layout

import (
	"errors"
	"os"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/imageverify/verify/checksums"
	"github.com/imageverify/verify/provenance/source"
)

// errDigest stands for a *checksums.DigestError among the kinds.
var errDigest = errors.New("a digest differs")

func isKind(err, kind error) bool {
	if kind == errDigest {
		return errors.As(err, new(*checksums.DigestError))
	}
	return errors.Is(err, kind)
}

// attack is a change of the layout in git, after which all objects have their
// right names, and the parts that must show it.
type attack struct {
	change func(f *fixture)
	kind   error
	parts  []string
	// text is what the first part's error must say.
	text string
}

func contentAttacks() map[string]attack {
	layer1 := []string{"layer 1"}
	return map[string]attack{
		"a layer with one byte changed": {func(f *fixture) {
			data := []byte(f.layers[0])
			data[len(data)/2] ^= 1
			f.files["rootfs.tar.gz"] = string(data)
		}, errDigest, layer1, "hash to"},
		"a layer cut short": {func(f *fixture) { f.files["rootfs.tar.gz"] = f.layers[0][:40] },
			errDigest, layer1, "only 40 of"},
		"a layer with a byte behind it": {func(f *fixture) { f.files["rootfs.tar.gz"] += "\x00" },
			errDigest, layer1, "longer than"},
		"an empty layer": {func(f *fixture) { f.files["rootfs.tar.gz"] = "" },
			errDigest, layer1, "only 0 of"},
		"another layer's file under the name": {func(f *fixture) { f.files[blobPath(f.layers[1])] = f.layers[0] },
			errDigest, []string{"layer 2"}, ""},
		"a config changed": {func(f *fixture) { f.files["image-config.json"] = strings.Replace(f.config, "arm64", "amd64", 1) },
			errDigest, []string{PartConfig}, "hash to"},
		"a manifest changed": {func(f *fixture) { f.files["image-manifest.json"] += " " },
			errDigest, []string{PartManifest}, "longer than"},
		"a manifest and its name changed, the index not": {func(f *fixture) {
			delete(f.files, blobPath(f.manifest))
			f.files[blobPath(f.manifest+" ")] = f.manifest + " "
		}, ErrAbsent, []string{PartManifest}, "file does not exist"},
		"a layer's file removed": {func(f *fixture) { delete(f.files, "rootfs.tar.gz") },
			ErrAbsent, layer1, "file does not exist"},
		"a layer's link removed": {func(f *fixture) { delete(f.files, blobPath(f.layers[0])) },
			ErrAbsent, layer1, ""},
		"a folder in a layer's place": {func(f *fixture) {
			delete(f.files, "rootfs.tar.gz")
			f.files["rootfs.tar.gz/rootfs.tar.gz"] = f.layers[0]
		}, ErrAbsent, layer1, "img/arm64/rootfs.tar.gz: not a file"},
		"a submodule in a layer's place": {func(f *fixture) {
			f.files["rootfs.tar.gz"] = submodule + blobID("x")
		}, ErrAbsent, layer1, "not a file"},
		"a layer in a submodule": {func(f *fixture) {
			f.files["rootfs"] = submodule + blobID("x")
			f.linkOf(f.layers[0], "../../rootfs/rootfs.tar.gz")
		}, ErrAbsent, layer1, "submodule"},
		"other data in the config's descriptor": {func(f *fixture) {
			m := f.parsed()
			m.Config.Data = []byte(strings.Replace(f.config, "arm64", "amd64", 1))
			f.publish(m)
		}, errDigest, []string{PartConfig}, "data in the descriptor of"},
		"a layer of another size than the image says": {func(f *fixture) {
			m := f.parsed()
			m.Layers[0].Size--
			f.publish(m)
		}, errDigest, layer1, "longer than"},
	}
}

func linkAttacks() map[string]attack {
	layer1 := []string{"layer 1"}
	to := func(target string) func(f *fixture) {
		return func(f *fixture) { f.linkOf(f.layers[0], target) }
	}
	return map[string]attack{
		"a link to another file of the layout":   {to("../../image-config.json"), errDigest, layer1, "longer than"},
		"a link to a file that is not there":     {to("../../none"), ErrAbsent, layer1, ""},
		"a link out of the tree":                 {to("../../../../../../../../etc/passwd"), source.ErrOutsideTree, layer1, "leaves"},
		"a link just out of the tree":            {to("../../../../../x"), source.ErrOutsideTree, layer1, "leaves"},
		"a link out of the tree and in again":    {to("../../../../../img/arm64/rootfs.tar.gz"), source.ErrOutsideTree, layer1, "leaves"},
		"an absolute link":                       {to("/etc/passwd"), source.ErrOutsideTree, layer1, "leaves"},
		"an absolute link to a path of the tree": {to("/img/arm64/rootfs.tar.gz"), source.ErrOutsideTree, layer1, "leaves"},
		"a link to itself":                       {func(f *fixture) { f.linkOf(f.layers[0], hashOf(f.layers[0]).Hex) }, ErrAbsent, layer1, "more than 40 symbolic links"},
		"a link to a folder":                     {to("../.."), ErrAbsent, layer1, "not a file"},
		"a link to the commit's root":            {to("../../../.."), ErrAbsent, layer1, "not a file"},
		"a link through a file":                  {to("../../oci-layout/rootfs.tar.gz"), ErrAbsent, layer1, ""},
		"a link without a target":                {to(""), ErrAbsent, layer1, ""},
		"a link with a zero byte":                {to("../../rootfs.tar.gz\x00"), ErrAbsent, layer1, ""},
		"a link with a name that is no name":     {to("../../\xff"), ErrAbsent, layer1, ""},
		"a second link that leaves the tree": {func(f *fixture) {
			delete(f.files, "rootfs.tar.gz")
			f.files["rootfs.tar.gz"] = link + "../../../rootfs.tar.gz"
		}, source.ErrOutsideTree, layer1, "leaves"},
		"an index behind a link that leaves the tree": {func(f *fixture) { f.files["index.json"] = link + "/index.json" },
			source.ErrOutsideTree, []string{PartIndex}, "leaves"},
		"all blobs behind a link that leaves the tree": {func(f *fixture) {
			for name := range f.files {
				if strings.HasPrefix(name, "blobs/") {
					delete(f.files, name)
				}
			}
			f.files["blobs"] = link + "/var/lib/blobs"
		}, source.ErrOutsideTree, []string{PartManifest, PartConfig, "layer 1", "layer 2"}, "leaves"},
	}
}

func indexAttacks(t *testing.T) map[string]attack {
	index := []string{PartIndex}
	other := descriptor(types.OCIManifestSchema1, "another image")
	raw := func(text string) func(f *fixture) {
		return func(f *fixture) { f.files["index.json"] = text }
	}
	sized := func(f *fixture) {
		d := f.entry()
		d.Size++
		f.index(d)
	}
	return map[string]attack{
		"an index of another manifest": {func(f *fixture) { f.index(other) }, ErrOtherImage, index, "it names " + hashOf("another image").String()},
		"two manifests":                {func(f *fixture) { f.index(f.entry(), other) }, ErrSeveralImages, index, "2 for linux/arm64"},
		"two manifests of one platform": {func(f *fixture) {
			twin := other
			twin.Platform = f.entry().Platform
			f.index(twin, f.entry())
		}, ErrSeveralImages, index, ""},
		"the image for another platform, another one for its own": {func(f *fixture) {
			mine, twin := f.entry(), other
			twin.Platform, mine.Platform = mine.Platform, &v1.Platform{OS: "linux", Architecture: "amd64"}
			f.index(mine, twin)
		}, ErrOtherImage, index, ""},
		"images for other platforms only": {func(f *fixture) {
			one, two := f.entry(), other
			one.Platform, two.Platform = &v1.Platform{OS: "linux", Architecture: "amd64"}, &v1.Platform{OS: "linux", Architecture: "arm"}
			f.index(one, two)
		}, ErrOtherImage, index, "none of its 2 images is for linux/arm64"},
		"an index of nothing": {raw(`{"schemaVersion":2,"manifests":[]}`), ErrOtherImage, index, "names no image"},
		"the image as an attachment": {func(f *fixture) {
			d := f.entry()
			d.ArtifactType = "application/vnd.example"
			f.index(d)
		}, ErrOtherImage, index, "names no image"},
		"a wrong size in the index": {sized, errDigest, index, ""},
		"other data in the index's entry": {func(f *fixture) {
			d := f.entry()
			d.Data = []byte(strings.Repeat("x", int(d.Size)))
			f.index(d)
		}, errDigest, index, "data in the descriptor of"},
		"no index":                        {func(f *fixture) { delete(f.files, "index.json") }, ErrAbsent, index, ""},
		"an index that is no JSON":        {raw("hello"), ErrMalformed, index, ""},
		"an empty index file":             {raw(""), ErrMalformed, index, ""},
		"an index with bytes behind it":   {func(f *fixture) { f.files["index.json"] += "{}" }, ErrMalformed, index, ""},
		"a list in the index's place":     {raw("[]"), ErrMalformed, index, ""},
		"an object that is no index":      {raw("{}"), ErrMalformed, index, "not an index"},
		"a manifest in the index's place": {func(f *fixture) { f.files["index.json"] = f.manifest }, ErrMalformed, index, "not an index"},
		"an index of schema version 1":    {func(f *fixture) { f.files["index.json"] = strings.Replace(f.files["index.json"], ": 2", ": 1", 1) }, ErrMalformed, index, "schema version 1"},
		"an index of a manifest's type": {func(f *fixture) {
			f.files["index.json"] = strings.Replace(f.files["index.json"], "index.v1", "manifest.v1", 1)
		}, ErrMalformed, index, "media type"},
		"an index and descriptor in one": {func(f *fixture) {
			f.files["index.json"] = withMember(f.files["index.json"], `"digest": "`+hashOf("x").String()+`"`)
		}, ErrMalformed, index, "both a descriptor"},
		"an index with two lists":          {func(f *fixture) { f.files["index.json"] = withMember(f.files["index.json"], `"manifests": []`) }, ErrMalformed, index, "stands twice"},
		"a list in two spellings":          {func(f *fixture) { f.files["index.json"] = withMember(f.files["index.json"], `"Manifeſts": []`) }, ErrMalformed, index, "stands twice"},
		"an entry without a digest":        {raw(`{"schemaVersion":2,"manifests":[{"mediaType":"x","size":1}]}`), ErrMalformed, index, "no digest"},
		"an entry with a path as digest":   {raw(`{"schemaVersion":2,"manifests":[{"mediaType":"x","size":1,"digest":"sha256:../../../etc/passwd"}]}`), ErrMalformed, index, ""},
		"an entry of another algorithm":    {raw(`{"schemaVersion":2,"manifests":[{"mediaType":"x","size":1,"digest":"md5:d41d8cd98f00b204e9800998ecf8427e"}]}`), ErrMalformed, index, ""},
		"an entry of no media type":        {func(f *fixture) { d := f.entry(); d.MediaType = ""; f.index(d) }, ErrMalformed, index, "no media type"},
		"an entry of a negative size":      {func(f *fixture) { d := f.entry(); d.Size = -1; f.index(d) }, ErrMalformed, index, "size -1"},
		"a nested index that is not there": {func(f *fixture) { f.index(descriptor(types.OCIImageIndex, "x")) }, ErrAbsent, index, ""},
		"a nested index that is another": {func(f *fixture) {
			d := f.nested(f.entry())
			f.files["blobs/sha256/"+d.Digest.Hex] += " "
			f.index(d)
		}, errDigest, index, ""},
		"a nested index that is a descriptor": {func(f *fixture) {
			text := marshal(t, f.entry())
			f.files[blobPath(text)] = text
			f.index(descriptor(types.OCIImageIndex, text))
		}, ErrMalformed, index, "not an index"},
		"no layout version": {func(f *fixture) { f.files["oci-layout"] = "{}" }, ErrMalformed, []string{PartLayout}, `version ""`},
		"another version":   {func(f *fixture) { f.files["oci-layout"] = `{"imageLayoutVersion":"1.0"}` }, ErrMalformed, []string{PartLayout}, ""},
		"no oci-layout":     {func(f *fixture) { delete(f.files, "oci-layout") }, ErrAbsent, []string{PartLayout}, ""},
	}
}

// withMember adds a member in front of a JSON object's others.
func withMember(object, member string) string {
	return "{" + member + "," + strings.TrimPrefix(object, "{")
}

func TestEveryChangeInGitIsNoticedAndNamed(t *testing.T) {
	for _, group := range []map[string]attack{contentAttacks(), linkAttacks(), indexAttacks(t)} {
		for name, a := range group {
			t.Run(name, func(t *testing.T) {
				f := newFixture(t)
				a.change(f)
				both := f.compare("index.json", f.subject(), f.unnamed())
				got := both[0]
				wantParts(t, got, a.parts...)
				if got.Equal() || !Contradiction(got.Err()) {
					t.Errorf("%v: want a contradiction", got.Err())
				}
				for _, what := range a.parts {
					if err := part(t, got, what).Err; !isKind(err, a.kind) || !strings.Contains(err.Error(), a.text) {
						t.Errorf("%s: %v, want %v with %q", what, err, a.kind, a.text)
					}
				}
				if both[1].Equal() {
					t.Error("the image without a manifest is still equal")
				}
			})
		}
	}
}

func TestAnImageWithoutAManifestIsToldFromOthers(t *testing.T) {
	for name, a := range map[string]struct {
		change func(f *fixture, s *Subject)
		kind   error
		part   string
		text   string
	}{
		"another image ID": {func(_ *fixture, s *Subject) { s.Config = hashOf("another") },
			ErrOtherImage, PartManifest, "its config is"},
		"a layer that unpacks to another diff ID": {func(_ *fixture, s *Subject) { s.DiffIDs[0] = hashOf("another") },
			errDigest, "layer 1", "unpacked layer"},
		"fewer diff IDs than layers": {func(_ *fixture, s *Subject) { s.DiffIDs = s.DiffIDs[:1] },
			ErrMalformed, PartManifest, "2 layers for 1 diff IDs"},
		"a manifest that is none": {func(f *fixture, _ *Subject) {
			f.files[blobPath("{}")] = "{}"
			f.index(descriptor(types.OCIManifestSchema1, "{}"))
		}, ErrMalformed, PartManifest, "not an image manifest"},
		"a layer that does not unpack": {func(f *fixture, s *Subject) {
			damaged := f.layers[0][:len(f.layers[0])-1]
			f.files[blobPath(damaged)] = damaged
			m := f.parsed()
			m.Layers = []v1.Descriptor{descriptor(types.OCILayer, damaged)}
			f.publish(m)
			s.DiffIDs = s.DiffIDs[:1]
		}, ErrMalformed, "layer 1", "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			s := f.unnamed()
			a.change(f, &s)
			got := f.compareOne("", s)
			wantParts(t, got, a.part)
			if err := part(t, got, a.part).Err; !isKind(err, a.kind) || !strings.Contains(err.Error(), a.text) {
				t.Errorf("%v, want %v with %q", err, a.kind, a.text)
			}
		})
	}
}

func TestObjectsThatAreNotAtHandContradictNothing(t *testing.T) {
	f, r := newFixture(t), newRepo(t)
	root := f.root(r)
	remove(t, r.loose(blobID(f.layers[0])))
	got, err := Compare(t.Context(), root, fixtureDir, "", f.subject())
	if err != nil {
		t.Fatal(err)
	}
	wantParts(t, got, "layer 1")
	if !errors.Is(got.Err(), source.ErrObjectAbsent) || Contradiction(got.Err()) {
		t.Errorf("%v, want ErrObjectAbsent and no contradiction", got.Err())
	}
}

func TestAFalseObjectIsTheRepositorysFaultNotTheLayouts(t *testing.T) {
	for name, text := range map[string]string{"as long": "SECOND layer", "longer": "second layer and more", "shorter": "second"} {
		f, r := newFixture(t), newRepo(t)
		root := f.root(r)
		data, err := os.ReadFile(r.loose(r.blob(text).String()))
		if err != nil {
			t.Fatal(err)
		}
		victim := r.loose(blobID(f.layers[1]))
		remove(t, victim)
		if err := os.WriteFile(victim, data, 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := Compare(t.Context(), root, fixtureDir, "", f.subject())
		if err != nil {
			t.Fatal(err)
		}
		wantParts(t, got, "layer 2")
		mismatch, ok := errors.AsType[*source.MismatchError](got.Err())
		if !ok || mismatch.Want != blobID(f.layers[1]) || mismatch.Got != blobID(text) || isKind(got.Err(), errDigest) {
			t.Errorf("%s: %v, want the mismatch alone", name, got.Err())
		}
	}
}
