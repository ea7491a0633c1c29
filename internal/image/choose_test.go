package image

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

func TestAnIndexIsSearchedForThePlatform(t *testing.T) {
	f := newFixture(t)
	amd, arm6, arm8 := f.image("linux/amd64"), f.image("linux/arm/v6"), f.image("linux/arm64/v8")
	index := f.index(amd, arm6, arm8)
	f.root = []v1.Descriptor{refName(index, "x:1")}
	dir := f.dir()
	for _, c := range []struct {
		o    Options
		want v1.Descriptor
	}{
		{explicit(t, "linux/amd64"), amd},
		{explicit(t, "linux/x86_64"), amd},
		{explicit(t, "linux/aarch64"), arm8},
		{preferring(t, "linux/arm/v6"), arm6},
	} {
		set, err := openFor(t, "oci:"+dir, c.o)
		if err != nil {
			t.Fatal(err)
		}
		wantDigests(t, set, c.want)
		if set.Index == nil || set.Index.Descriptor.Digest != index.Digest || set.Index.Got != index.Digest {
			t.Errorf("index %+v, want %s", set.Index, index.Digest)
		}
		i := set.Images[0]
		if len(i.Indexes) != 1 || i.Indexes[0].Descriptor.Digest != index.Digest {
			t.Errorf("indexes %+v", i.Indexes)
		}
		if i.Platform().String() != c.want.Platform.String() {
			t.Errorf("platform %s, want %s", i.Platform(), c.want.Platform)
		}
	}
	_, err := openFor(t, "oci:"+dir, explicit(t, "linux/s390x"))
	wantError(t, err, "no image for linux/s390x in oci:"+dir, "present: linux/amd64, linux/arm/v6, linux/arm64/v8")
	_, err = openFor(t, "oci:"+dir, explicit(t, "linux/arm"))
	wantError(t, err, "no image for linux/arm in oci:"+dir, "present: linux/amd64, linux/arm/v6, linux/arm64/v8")
}

func TestAllPlatformsAreOpenedInTheOrderOfTheIndex(t *testing.T) {
	f := newFixture(t)
	one, two, three := f.image("linux/amd64"), f.image("linux/arm64"), f.image("windows/amd64")
	subject := f.manifest("linux/386", func(m *v1.Manifest) { m.Subject = &one })
	f.root = []v1.Descriptor{f.index(append(attachments(f), one, subject, f.index(two, three))...)}
	set, err := f.open("", Options{AllPlatforms: true})
	if err != nil {
		t.Fatal(err)
	}
	wantDigests(t, set, one, two, three)
	if n := len(set.Images[2].Indexes); n != 2 {
		t.Errorf("the nested image has %d indexes above it, want 2", n)
	}
}

// attachments are entries of every kind that is no image.
func attachments(f *fixture) []v1.Descriptor {
	unknown := f.manifest("")
	unknown.Platform = &v1.Platform{OS: "unknown", Architecture: "unknown"}
	artifact := f.manifest("linux/one")
	artifact.ArtifactType = "application/vnd.example"
	return []v1.Descriptor{
		unknown,
		artifact,
		annotated(f.manifest("linux/two"), "kind", "dev.cosignproject.cosign/sigs"),
		annotated(f.manifest("linux/three"), "kind", "dev.cosignproject.cosign/atts"),
		annotated(f.manifest("linux/four"), buildkitReference, "attestation-manifest"),
		f.json("application/vnd.example.manifest+json", "other"),
	}
}

func TestALayoutIsDescendedWhileItHoldsOneImageOrIndex(t *testing.T) {
	elsewhere := "linux/s390x" // never the host's own in the machines that run this
	f := newFixture(t)
	image := f.image(elsewhere)
	inner := f.index(append(attachments(f), image)...)
	f.root = append(attachments(f), annotated(f.index(inner), "kind", "dev.cosignproject.cosign/imageIndex"))
	set, err := f.open("", preferring(t, "linux/amd64"))
	if err != nil {
		t.Fatal(err)
	}
	wantDigests(t, set, image)
	if n := len(set.Images[0].Indexes); n != 2 {
		t.Errorf("%d indexes above the image, want 2", n)
	}
	dir := f.dir()
	_, err = openFor(t, "oci:"+dir, explicit(t, "linux/amd64"))
	wantError(t, err, "no image for linux/amd64 in oci:"+dir, "present: linux/s390x")
}

func TestASingleManifestIsTakenAsItIs(t *testing.T) {
	f := newFixture(t)
	image := f.manifest("linux/s390x")
	f.root = []v1.Descriptor{image}
	set, err := f.open("", preferring(t, "linux/amd64"))
	if err != nil {
		t.Fatal(err)
	}
	wantDigests(t, set, image)
	if set.Index != nil || set.Images[0].Platform().OS != "" {
		t.Errorf("index %v, platform %s before the config was read", set.Index, set.Images[0].Platform())
	}
	if _, err := set.Images[0].Config(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p := set.Images[0].Platform().String(); p != "linux/s390x" {
		t.Errorf("platform %s", p)
	}
	dir := f.dir()
	_, err = openFor(t, "oci:"+dir, explicit(t, "linux/amd64"))
	wantError(t, err, "no image for linux/amd64 in oci:"+dir, "present: linux/s390x")
	if _, err := openFor(t, "oci:"+dir, explicit(t, "linux/s390x")); err != nil {
		t.Error(err)
	}
}

func TestAnExplicitPlatformIsRefusedOnlyWhereTheConfigContradicts(t *testing.T) {
	for _, c := range []struct {
		name   string
		config string
		spoil  func(f *fixture, config v1.Hash)
		want   string
		ok     bool
	}{
		{"equal", "linux/arm64", nil, "linux/arm64/v8", true},
		{"no variant", "linux/arm", nil, "linux/arm/v6", true},
		{"other variant", "linux/arm/v7", nil, "linux/arm/v6", false},
		{"nothing said", "", nil, "linux/arm/v6", true},
		{"config absent", "linux/amd64", func(f *fixture, h v1.Hash) { delete(f.blobs, h) }, "linux/arm64", true},
		{"config is not what its digest names", "linux/amd64", func(f *fixture, h v1.Hash) {
			f.blobs[h] = []byte(`{"os":"linux","architecture":"s390x"}`)
		}, "linux/arm64", true},
		{"config is not JSON", "linux/amd64", func(f *fixture, h v1.Hash) { f.blobs[h] = []byte("!") }, "linux/arm64", true},
	} {
		f := newFixture(t)
		var config v1.Hash
		image := f.manifest(c.config, func(m *v1.Manifest) { config = m.Config.Digest })
		f.root = []v1.Descriptor{image}
		if c.spoil != nil {
			c.spoil(f, config)
		}
		_, err := f.open("", explicit(t, c.want))
		if (err == nil) != c.ok {
			t.Errorf("%s: config %q, --platform %s: %v", c.name, c.config, c.want, err)
		}
	}
}

func TestNestingIsBounded(t *testing.T) {
	f := newFixture(t)
	d := f.image("linux/amd64")
	for range MaxIndexDepth {
		d = f.index(d)
	}
	f.root = []v1.Descriptor{d}
	set, err := f.open("", Options{})
	if err != nil {
		t.Fatalf("%d indexes in one another: %v", MaxIndexDepth, err)
	}
	if n := len(set.Images[0].Indexes); n != MaxIndexDepth {
		t.Errorf("%d indexes, want %d", n, MaxIndexDepth)
	}
	innermost := set.Images[0].Indexes[MaxIndexDepth-1].Descriptor
	f.root = []v1.Descriptor{f.index(d)}
	_, err = f.open("", Options{})
	wantError(t, err, fmt.Sprintf("index %s: indexes in one another: over the limit of 3", innermost.Digest),
		"no image needs that many: it is broken or hostile")
	f.root = []v1.Descriptor{f.index(d, f.image("linux/arm64"))}
	if _, err = f.open("", Options{}); !errors.As(err, new(*LimitError)) {
		t.Errorf("too deep below a choice: %v", err)
	}
}

func TestAnIndexThatNamesItselfEnds(t *testing.T) {
	for _, width := range []int{1, 2, 50} {
		f := newFixture(t)
		self := v1.Descriptor{MediaType: types.OCIImageIndex, Digest: hashOf("sha256", []byte("self")), Size: 1}
		entries := make([]v1.Descriptor, width)
		for i := range entries {
			entries[i] = self
		}
		f.blobs[self.Digest] = f.blobs[f.index(entries...).Digest]
		f.root = []v1.Descriptor{self}
		for _, suffix := range []string{"", "@" + someDigest} {
			set, err := f.open(suffix, Options{})
			if suffix != "" {
				if !errors.As(err, new(*LimitError)) {
					t.Errorf("width %d, searching: %v, want a limit", width, err)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			m := set.Images[0].Manifest()
			if m.Got == self.Digest || m.Parsed != nil || !errors.As(m.ParseErr, new(*LimitError)) {
				t.Errorf("width %d: got %s, parsed %v, %v", width, m.Got, m.Parsed, m.ParseErr)
			}
		}
	}
}

func TestTheNumberOfIndexesReadIsBounded(t *testing.T) {
	for _, n := range []int{MaxIndexes, MaxIndexes + 1} {
		f := newFixture(t)
		var entries []v1.Descriptor
		for i := range n {
			entries = append(entries, f.index(annotated(f.image("linux/s390x"), "n", fmt.Sprint(i))))
		}
		f.root = []v1.Descriptor{f.index(entries...)}
		_, err := f.open("", explicit(t, "linux/s390x"))
		if over := errors.As(err, new(*LimitError)); over != (n > MaxIndexes) {
			t.Errorf("an index of %d indexes: %v", n, err)
		}
	}
}

func TestTheBytesOfIndexesAreBounded(t *testing.T) {
	// manyBytes opens an index of eight padded indexes and a small one; the
	// first is of size bytes. It returns the bytes of the nine.
	manyBytes := func(size int) (total int, err error) {
		f := newFixture(t)
		var entries []v1.Descriptor
		for i := range 8 {
			index := f.index(f.image(fmt.Sprintf("linux/a%d", i)))
			padded := append(f.blobs[index.Digest], bytes.Repeat([]byte(" "), size-int(index.Size))...)
			entries = append(entries, f.add(types.OCIImageIndex, padded))
			size = MaxManifestBytes
		}
		entries = append(entries, f.index(f.image("linux/s390x")))
		for _, d := range entries {
			total += int(d.Size)
		}
		f.root = []v1.Descriptor{f.index(entries...)}
		_, err = f.open("", explicit(t, "linux/s390x"))
		return total, err
	}
	total, _ := manyBytes(MaxManifestBytes)
	fits := MaxManifestBytes - (total - MaxIndexBytes)
	if got, err := manyBytes(fits); err != nil || got != MaxIndexBytes {
		t.Errorf("%d bytes: %v", got, err)
	}
	var limit *LimitError
	if got, err := manyBytes(fits + 1); !errors.As(err, &limit) || limit.Limit != MaxIndexBytes {
		t.Errorf("%d bytes: %v", got, err)
	}
}

func TestTheNumberOfImagesIsBounded(t *testing.T) {
	for _, n := range []int{MaxImages, MaxImages + 1} {
		f := newFixture(t)
		var entries []v1.Descriptor
		for i := range n {
			entries = append(entries, f.image(fmt.Sprintf("linux/a%d", i)))
		}
		f.root = []v1.Descriptor{f.index(entries...)}
		set, err := f.open("", Options{AllPlatforms: true})
		if n > MaxImages {
			wantError(t, err, err.(*LimitError).What+": over the limit of 100", "no image needs that many: it is broken or hostile")
		} else if err != nil || len(set.Images) != n {
			t.Errorf("%d images: %v", n, err)
		}
	}
}

func TestSizesThatLieAreReportedNotBelieved(t *testing.T) {
	for _, size := range []int64{-1, 0, 1, 1 << 60} {
		f := newFixture(t)
		image := f.image("linux/amd64")
		real := image.Size
		image.Size = size
		f.root = []v1.Descriptor{image}
		set, err := f.open("", Options{})
		if err != nil {
			t.Fatal(err)
		}
		i := set.Images[0]
		if i.Descriptor.Size != size || i.Manifest().GotSize != real || i.Manifest().Got != image.Digest {
			t.Errorf("size %d: descriptor has %d, got %d", size, i.Descriptor.Size, i.Manifest().GotSize)
		}
	}
}

func TestIndexOfNoImageSaysSo(t *testing.T) {
	f := newFixture(t)
	f.root = []v1.Descriptor{f.index(attachments(f)...)}
	_, err := f.open("", explicit(t, "linux/amd64"))
	if e := err.(*NotFoundError); !strings.HasPrefix(e.Error(), "no image for linux/amd64") || e.Hint() != "the index lists no image" {
		t.Errorf("%v (%s)", e, e.Hint())
	}
	f.root = []v1.Descriptor{f.index(f.manifest("linux/amd64"), f.manifest("linux/arm64"))}
	_, err = f.open("", explicit(t, "linux/amd64"))
	if hint := err.(*NotFoundError).Hint(); strings.Count(hint, " of no platform") != 2 {
		t.Errorf("hint %q", hint)
	}
}

func TestAnEntryWithoutAMediaTypeIsWhatItHolds(t *testing.T) {
	f := newFixture(t)
	amd, arm := f.image("linux/amd64"), f.image("linux/arm64")
	inner := f.index(arm)
	amd.MediaType, inner.MediaType = "", ""
	f.root = []v1.Descriptor{f.index(amd, inner)}
	for platform, want := range map[string]v1.Descriptor{"linux/amd64": amd, "linux/arm64": arm} {
		set, err := f.open("", explicit(t, platform))
		if err != nil {
			t.Fatal(err)
		}
		wantDigests(t, set, want)
	}
	plain := f.manifest("linux/s390x")
	plain.MediaType = ""
	f.root = []v1.Descriptor{f.index(plain, amd)}
	_, err := f.open("", explicit(t, "linux/s390x"))
	if e, ok := err.(*NotFoundError); !ok || e.Present[0] != "@"+plain.Digest.String()+" of no platform" {
		t.Errorf("an entry of no platform: %v", err)
	}
	f.root = []v1.Descriptor{f.index(amd, inner)}
	f.blobs[inner.Digest] = []byte("{}")
	if _, err := f.open("", Options{AllPlatforms: true}); err != nil {
		t.Errorf("an inner index of wrong bytes: %v", err)
	}
	bad := f.add("", []byte("{}"))
	f.root = []v1.Descriptor{f.index(amd, bad)}
	if _, err := f.open("", Options{AllPlatforms: true}); !errors.As(err, new(*FormatError)) {
		t.Errorf("an entry that is neither: %v", err)
	}
}

func TestAPlatformWithoutAnOperatingSystemIsRefused(t *testing.T) {
	_, err := newFixture(t).open("", Options{Platform: &v1.Platform{Architecture: "amd64"}})
	if err == nil || !strings.HasSuffix(err.Error(), "the platform to open names no operating system") {
		t.Errorf("%v", err)
	}
}

func TestLongListsInHintsAreCut(t *testing.T) {
	names := strings.Split("a b c d e f g h i j", " ")
	if got := listed(names); got != "a, b, c, d, e, f, g, h, i, j" {
		t.Errorf("ten names: %q", got)
	}
	if got := listed(append(names, "k", "l")); got != "a, b, c, d, e, f, g, h, i, j and 2 more" {
		t.Errorf("twelve names: %q", got)
	}
}

func TestAnImageIsSafeForConcurrentUse(t *testing.T) {
	f := newFixture(t)
	f.root = []v1.Descriptor{f.manifest("linux/amd64")}
	set, err := f.open("", Options{})
	if err != nil {
		t.Fatal(err)
	}
	i := set.Images[0]
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			c, err := i.Config(t.Context())
			if err != nil || c.File.OS != "linux" || i.Platform().OS != "linux" {
				t.Errorf("config %+v, %v", c, err)
			}
			r, err := i.Blob(t.Context(), i.Manifest().Parsed.Layers[0])
			if err != nil {
				t.Error(err)
				return
			}
			defer r.Close()
			if h, _, err := v1.SHA256(r); err != nil || h != i.Manifest().Parsed.Layers[0].Digest {
				t.Errorf("layer %s, %v", h, err)
			}
		})
	}
	group.Wait()
}
