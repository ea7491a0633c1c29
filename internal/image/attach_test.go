package image

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	inprocess "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/imageverify/verify/checksums"
	"github.com/imageverify/verify/internal/corpus"
	"github.com/imageverify/verify/internal/network"
)

const (
	simpleSigning = "application/vnd.dev.cosign.simplesigning.v1+json"
	dsseEnvelope  = "application/vnd.dsse.envelope.v1+json"
	bundleType    = "application/vnd.dev.sigstore.bundle.v0.3+json"
	notaryType    = "application/vnd.cncf.notary.signature"
)

// attachment stores a manifest with one layer for each text, and an artifact
// type and subject where they are given.
func (f *fixture) attachment(artifactType string, subject *v1.Descriptor, layerType types.MediaType, texts ...string) v1.Descriptor {
	m := v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1, ArtifactType: artifactType,
		Config: f.add("application/vnd.oci.empty.v1+json", []byte("{}")), Layers: []v1.Descriptor{}}
	if subject != nil {
		m.Subject = &v1.Descriptor{MediaType: subject.MediaType, Digest: subject.Digest, Size: subject.Size}
	}
	for _, text := range texts {
		m.Layers = append(m.Layers, f.add(layerType, []byte(text)))
	}
	return f.json(types.OCIManifestSchema1, m)
}

// signed is an index of one image for linux/amd64 with something of every kind
// attached to the image's manifest.
type signed struct {
	*fixture
	index, image                                  v1.Descriptor
	sig, att, sbom, bundle, notary, other, listed v1.Descriptor
	buildkit                                      v1.Descriptor
}

func newSigned(t *testing.T) *signed {
	f := newFixture(t)
	s := &signed{fixture: f, image: f.image("linux/amd64")}
	s.buildkit = annotated(f.attachment("", nil, "application/vnd.in-toto+json", "statement"),
		"vnd.docker.reference.type", "attestation-manifest", "vnd.docker.reference.digest", s.image.Digest.String())
	s.buildkit.Platform = &v1.Platform{OS: "unknown", Architecture: "unknown"}
	s.index = f.index(s.image, s.buildkit)
	s.sig = f.attachment("", nil, simpleSigning, "payload")
	s.att = f.attachment("", nil, dsseEnvelope, "envelope")
	s.sbom = f.attachment("", nil, "text/spdx", "bill")
	s.bundle = f.attachment(bundleType, &s.image, bundleType, "bundle")
	s.notary = f.attachment(notaryType, &s.image, "application/jose+json", "jws")
	s.other = f.attachment("application/x.scan", &s.image, "application/x.scan", "scan")
	s.listed = f.attachment("application/vnd.dev.sigstore.bundle+json;version=0.1", &s.image, "application/vnd.dev.sigstore.bundle+json;version=0.1", "old bundle")
	return s
}

// tags are what a registry has under tags.
func (s *signed) tags() map[string]v1.Descriptor {
	tag := "sha256-" + s.image.Digest.Hex
	return map[string]v1.Descriptor{"1": s.index, tag + ".sig": s.sig, tag + ".att": s.att, tag + ".sbom": s.sbom, tag: s.fixture.index(s.listed)}
}

// want are the lines of everything attached.
func (s *signed) want(via string) []string {
	return []string{
		"tag signature " + s.sig.Digest.Hex + " payload",
		"tag attestation " + s.att.Digest.Hex + " envelope",
		"tag sbom " + s.sbom.Digest.Hex + " bill",
		"index buildkit " + s.buildkit.Digest.Hex + " statement",
		via + " bundle " + s.bundle.Digest.Hex + " bundle",
		via + " notary " + s.notary.Digest.Hex + " jws",
		via + " artifact " + s.other.Digest.Hex + " scan",
		"referrers-tag bundle " + s.listed.Digest.Hex + " old bundle",
	}
}

// lines tells of attachments, with the texts of their blobs, or what is wrong.
func lines(t *testing.T, a *Attached) []string {
	t.Helper()
	var all []string
	for _, x := range a.Attachments {
		line := fmt.Sprintf("%s %s %s", x.Via, x.Kind, x.Descriptor.Digest.Hex)
		if x.Err != nil {
			line += ": " + x.Err.Error()
		}
		for _, l := range x.Layers {
			data, err := x.Blob(t.Context(), l)
			if err != nil {
				line += " " + err.Error()
			}
			line += " " + string(data)
		}
		all = append(all, line)
	}
	return all
}

func attachedTo(t *testing.T, set *Set, subject v1.Hash) *Attached {
	t.Helper()
	a, err := set.Attached(t.Context(), subject)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func wantLines(t *testing.T, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// pushFixture puts a fixture into a registry, by its HTTP API.
func pushFixture(t *testing.T, f *fixture, base string, tags map[string]v1.Descriptor) {
	t.Helper()
	manifests := map[string][]byte{}
	for h, data := range f.blobs {
		if strings.Contains(string(data), `"schemaVersion"`) {
			manifests[h.String()] = data
		}
		upload(t, base, h, data)
	}
	for _, index := range []bool{false, true} {
		for name, data := range manifests {
			if strings.Contains(string(data), `"manifests"`) == index {
				put(t, base+"/manifests/"+name, data)
			}
		}
	}
	for tag, d := range tags {
		put(t, base+"/manifests/"+tag, f.blobs[d.Digest])
	}
}

func upload(t *testing.T, base string, h v1.Hash, data []byte) {
	t.Helper()
	resp, err := http.Post(base+"/blobs/uploads/", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	where, err := resp.Location()
	if err != nil {
		t.Fatal(err)
	}
	query := where.Query()
	query.Set("digest", h.String())
	where.RawQuery = query.Encode()
	put(t, where.String(), data)
}

func put(t *testing.T, address string, data []byte) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPut, address, strings.NewReader(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", string(types.OCIManifestSchema1))
	if strings.Contains(string(data), `"manifests"`) {
		req.Header.Set("Content-Type", string(types.OCIImageIndex))
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		t.Fatalf("%s: %s", address, resp.Status)
	}
}

func TestEverythingAttachedIsFoundInARegistryWithReferrers(t *testing.T) {
	s := newSigned(t)
	host := httptest.NewServer(inprocess.New(inprocess.WithReferrersSupport(true), inprocess.Logger(log.New(io.Discard, "", 0))))
	defer host.Close()
	pushFixture(t, s.fixture, host.URL+"/v2/app", s.tags())
	set, err := openFor(t, strings.TrimPrefix(host.URL, "http://")+"/app:1", (&server{}).options(t, explicit(t, "linux/amd64")))
	if err != nil {
		t.Fatal(err)
	}
	a := attachedTo(t, set, s.image.Digest)
	got := lines(t, a)
	if a.Err != nil {
		t.Error(a.Err)
	}
	// The registry lists the entry of the tag's list too.
	want := append(s.want(ViaReferrers)[:7:7], "referrers bundle "+s.listed.Digest.Hex+" old bundle")
	slices.Sort(got)
	slices.Sort(want)
	wantLines(t, got, want)
	if subjects := set.Images[0].Subjects(); !slices.Equal(subjects, []v1.Hash{s.image.Digest, s.index.Digest}) {
		t.Errorf("subjects %v", subjects)
	}
	if above := attachedTo(t, set, s.index.Digest); above.Err != nil || len(above.Attachments) != 0 {
		t.Errorf("on the index: %+v", above)
	}
}

func TestEverythingAttachedIsFoundInDockersRegistryByTags(t *testing.T) {
	host := corpus.Registry(t)
	s := newSigned(t)
	tags := s.tags()
	tags["sha256-"+s.image.Digest.Hex] = s.fixture.index(s.bundle, s.notary, s.other, s.listed)
	pushFixture(t, s.fixture, "http://"+host+"/v2/app", tags)
	set, err := openFor(t, host+"/app:1", (&server{}).options(t, explicit(t, "linux/amd64")))
	if err != nil {
		t.Fatal(err)
	}
	a := attachedTo(t, set, s.image.Digest)
	if a.Err != nil {
		t.Error(a.Err)
	}
	wantLines(t, lines(t, a), s.want(ViaReferrersTag))
}

func TestEverythingAttachedIsFoundInALayout(t *testing.T) {
	s := newSigned(t)
	tag := "sha256-" + s.image.Digest.Hex
	s.root = []v1.Descriptor{s.index, refName(s.sig, "reg.example/app:"+tag+".sig"), refName(s.att, tag+".att"), refName(s.sbom, tag+".sbom"),
		s.bundle, s.notary, s.other, refName(s.fixture.index(s.listed), tag)}
	for _, store := range []string{"oci:" + s.dir(), "oci-archive:" + tarOf(t, s.entries("")...)} {
		set, err := openFor(t, store+"@"+s.index.Digest.String(), explicit(t, "linux/amd64"))
		if err != nil {
			t.Fatal(err)
		}
		a := attachedTo(t, set, s.image.Digest)
		if a.Err != nil {
			t.Error(a.Err)
		}
		wantLines(t, lines(t, a), s.want(ViaReferrers))
	}
}

func TestManifestsOfALayoutThatMayBeAttachedAreBounded(t *testing.T) {
	for n, over := range map[int]bool{MaxReferrers - 1: false, MaxReferrers: true} {
		s := newSigned(t)
		s.root = []v1.Descriptor{s.image}
		for i := range n {
			absent := hashOf("sha256", []byte(fmt.Sprint(i)))
			s.root = append(s.root, v1.Descriptor{MediaType: types.OCIManifestSchema1, Digest: absent, Size: 1})
		}
		set, err := s.open("@"+s.image.Digest.String(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		a := attachedTo(t, set, s.image.Digest)
		if len(a.Attachments) != 0 {
			t.Errorf("%q", lines(t, a))
		}
		if over {
			wantLimit(t, a.Err, "manifests that may be attached", MaxReferrers)
		} else if a.Err != nil {
			t.Error(a.Err)
		}
	}
}

func TestABadEntryOfALayoutHidesNoGoodOne(t *testing.T) {
	s := newSigned(t)
	gone := v1.Descriptor{MediaType: types.OCIManifestSchema1, ArtifactType: bundleType, Digest: hashOf("sha256", []byte("gone")), Size: 4}
	tag := "sha256-" + s.image.Digest.Hex
	s.root = []v1.Descriptor{s.image, gone, s.bundle, refName(s.sig, tag), refName(s.attachment("", &s.index, simpleSigning, "of another"), tag+".sig")}
	set, err := s.open("@"+s.image.Digest.String(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	a := attachedTo(t, set, s.image.Digest)
	if len(a.Attachments) != 3 || a.Attachments[0].Err == nil || a.Attachments[1].Err == nil || a.Attachments[2].Err != nil {
		t.Errorf("%q", lines(t, a))
	}
	if a.Err == nil || !strings.Contains(a.Err.Error(), "is an image manifest, not a list of referrers") {
		t.Errorf("a signature in place of the list: %v", a.Err)
	}
}

func TestWhatCosignSavesHangsOnTheImageItSaves(t *testing.T) {
	s := newSigned(t)
	const kind = "kind"
	s.root = []v1.Descriptor{annotated(s.index, kind, cosignPrefix+"imageIndex"), annotated(s.sig, kind, cosignPrefix+"sigs"), annotated(s.att, kind, cosignPrefix+"atts")}
	set, err := s.open("", explicit(t, "linux/amd64"))
	if err != nil {
		t.Fatal(err)
	}
	wantLines(t, lines(t, attachedTo(t, set, s.index.Digest)), []string{
		"cosign-save signature " + s.sig.Digest.Hex + " payload", "cosign-save attestation " + s.att.Digest.Hex + " envelope"})
	wantLines(t, lines(t, attachedTo(t, set, s.image.Digest)), []string{"index buildkit " + s.buildkit.Digest.Hex + " statement"})
}

func TestABadAttachmentIsARowAndHidesNoGoodOne(t *testing.T) {
	s := newSigned(t)
	stranger := s.attachment(bundleType, &s.index, bundleType, "of another")
	orphan := s.attachment(bundleType, nil, bundleType, "of none")
	stranger.ArtifactType, orphan.ArtifactType = bundleType, bundleType
	garbled := s.add(types.OCIManifestSchema1, []byte("{"))
	forged := s.attachment(bundleType, &s.image, bundleType, "forged")
	s.blobs[forged.Digest] = s.blobs[s.bundle.Digest]
	gone := v1.Descriptor{MediaType: types.OCIManifestSchema1, Digest: hashOf("sha256", []byte("gone")), Size: 4}
	short := s.notary
	short.Size++
	all := []v1.Descriptor{stranger, orphan, garbled, forged, gone, short, s.bundle}
	hex := func(d v1.Descriptor) string { return d.Digest.String() }
	check := func(where string, a *Attached) {
		t.Helper()
		want := []string{
			"bundle " + stranger.Digest.Hex + ": manifest " + hex(stranger) + " is listed for " + hex(s.image) + " and names " + hex(s.index) + " as its subject",
			"bundle " + orphan.Digest.Hex + ": manifest " + hex(orphan) + " is listed for " + hex(s.image) + " and names no subject",
			"artifact " + garbled.Digest.Hex + ": manifest " + hex(garbled) + " in " + where + ": is not JSON of a manifest",
			"artifact " + forged.Digest.Hex + ": " + (&checksums.DigestError{What: "manifest", Want: forged.Digest, WantSize: forged.Size, Got: s.bundle.Digest, GotSize: s.bundle.Size}).Error(),
			"artifact " + gone.Digest.Hex + ": " + hex(gone) + " is absent from " + where,
			"artifact " + short.Digest.Hex + ": manifest " + hex(short) + ": only " + fmt.Sprintf("%d of %d bytes", short.Size-1, short.Size),
			"bundle " + s.bundle.Digest.Hex + " bundle",
		}
		var got []string
		for _, line := range lines(t, a) {
			_, line, _ = strings.Cut(line, " ")
			got = append(got, line)
		}
		wantLines(t, got, want)
		if a.Err != nil {
			t.Error(a.Err)
		}
	}
	registry := serve(t, s.fixture, "app", map[string]v1.Descriptor{"1": s.image})
	registry.referrers = map[v1.Hash][]v1.Descriptor{s.image.Digest: all}
	set, err := registry.open(t, ":1", Options{})
	if err != nil {
		t.Fatal(err)
	}
	check(registry.name(""), attachedTo(t, set, s.image.Digest))

	registry.referrers = nil
	registry.move("sha256-"+s.image.Digest.Hex, s.fixture.index(all...))
	if set, err = registry.open(t, ":1", Options{}); err != nil {
		t.Fatal(err)
	}
	check(registry.name(""), attachedTo(t, set, s.image.Digest))
}

func TestATagWithABadManifestIsARow(t *testing.T) {
	s := newSigned(t)
	other := s.attachment("", &s.index, simpleSigning, "payload")
	tag := "sha256-" + s.image.Digest.Hex
	registry := serve(t, s.fixture, "app", map[string]v1.Descriptor{"1": s.image, tag + ".sig": other, tag + ".att": s.add("", []byte("[]"))})
	registry.before = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, ".sbom") {
			return false
		}
		w.Write(make([]byte, MaxManifestBytes+1))
		return true
	}
	set, err := registry.open(t, ":1", Options{})
	if err != nil {
		t.Fatal(err)
	}
	a := attachedTo(t, set, s.image.Digest)
	if len(a.Attachments) != 3 || a.Err != nil {
		t.Fatalf("%q, %v", lines(t, a), a.Err)
	}
	if _, ok := errors.AsType[*SubjectError](a.Attachments[0].Err); !ok {
		t.Errorf("a signature of another manifest: %v", a.Attachments[0].Err)
	}
	if _, ok := errors.AsType[*FormatError](a.Attachments[1].Err); !ok {
		t.Errorf("no manifest: %v", a.Attachments[1].Err)
	}
	if limit, ok := errors.AsType[*LimitError](a.Attachments[2].Err); !ok || limit.Limit != MaxManifestBytes || a.Attachments[2].Kind != KindSBOM {
		t.Errorf("an endless manifest: %+v", a.Attachments[2])
	}
}

func TestABlobIsWhatItsDescriptorSays(t *testing.T) {
	s := newSigned(t)
	registry := serve(t, s.fixture, "app", map[string]v1.Descriptor{"1": s.image, "sha256-" + s.image.Digest.Hex + ".sig": s.sig})
	set, err := registry.open(t, ":1", Options{})
	if err != nil {
		t.Fatal(err)
	}
	a := attachedTo(t, set, s.image.Digest).Attachments[0]
	layer := a.Layers[0]
	for range 2 {
		if data, err := a.Blob(t.Context(), layer); err != nil || string(data) != "payload" {
			t.Errorf("%q, %v", data, err)
		}
	}
	if asked := registry.asked(); strings.Count(strings.Join(asked, " "), "/blobs/") != 1 {
		t.Errorf("the blob was asked for again: %q", asked)
	}
	largest := s.add("", make([]byte, MaxAttachmentBlob))
	for name, c := range map[string]struct {
		edit func(*v1.Descriptor)
		want string
	}{
		"sound":       {func(*v1.Descriptor) {}, ""},
		"too short":   {func(d *v1.Descriptor) { d.Size++ }, "only 7 of 8 bytes"},
		"too long":    {func(d *v1.Descriptor) { d.Size-- }, "longer than the 6 bytes it should have"},
		"no size":     {func(d *v1.Descriptor) { d.Size = -1 }, "has no digest or no size"},
		"no digest":   {func(d *v1.Descriptor) { d.Digest = v1.Hash{} }, "has no digest or no size"},
		"absent":      {func(d *v1.Descriptor) { d.Digest = hashOf("sha256", []byte("x")) }, "is absent from"},
		"other bytes": {func(d *v1.Descriptor) { s.blobs[d.Digest] = []byte("forgery") }, "the 7 bytes hash to"},
		"the largest": {func(d *v1.Descriptor) { *d = largest }, ""},
		"too large":   {func(d *v1.Descriptor) { *d = largest; d.Size++ }, "over the limit of 16777216"},
	} {
		a.blobs = &attachedBlobs{}
		s.blobs[layer.Digest] = []byte("payload")
		d := layer
		c.edit(&d)
		_, err := a.Blob(t.Context(), d)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// manyReferrers are n attachments of a manifest, and a registry that lists them.
func manyReferrers(t *testing.T, n int) (*signed, *server) {
	s := newSigned(t)
	registry := serve(t, s.fixture, "app", map[string]v1.Descriptor{"1": s.image, "sha256-" + s.image.Digest.Hex + ".sig": s.sig})
	var all []v1.Descriptor
	for i := range n {
		all = append(all, s.attachment("application/x.scan", &s.image, "application/x.scan", fmt.Sprint(i)))
	}
	registry.referrers = map[v1.Hash][]v1.Descriptor{s.image.Digest: all}
	return s, registry
}

// attachedAt opens the registry's image and finds what is attached, in seconds.
func attachedAt(t *testing.T, s *signed, registry *server, o Options) *Attached {
	t.Helper()
	start := time.Now()
	set, err := registry.open(t, ":1", o)
	if err != nil {
		t.Fatal(err)
	}
	a := attachedTo(t, set, s.image.Digest)
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("took %s", took)
	}
	return a
}

// wantLimit fails unless an error names exactly this bound.
func wantLimit(t *testing.T, err error, what string, limit int64) {
	t.Helper()
	over, ok := errors.AsType[*LimitError](err)
	if !ok || over.Limit != limit || !strings.Contains(over.What, what) {
		t.Errorf("error %v, want the limit of %d %s", err, limit, what)
	}
	if _, ok := errors.AsType[*LookupError](err); !ok {
		t.Errorf("error %v does not say which place it is of", err)
	}
}

func TestReferrersAreBoundedAndTheTagsBesideThemFound(t *testing.T) {
	s, registry := manyReferrers(t, MaxReferrers-1)
	if a := attachedAt(t, s, registry, Options{}); a.Err != nil || len(a.Attachments) != MaxReferrers {
		t.Errorf("at the bound: %d, %v", len(a.Attachments), a.Err)
	}
	s, registry = manyReferrers(t, 10_000)
	a := attachedAt(t, s, registry, Options{})
	if len(a.Attachments) != MaxReferrers || a.Attachments[0].Kind != KindSignature || a.Attachments[0].Err != nil {
		t.Errorf("over the bound: %d, the first %+v", len(a.Attachments), a.Attachments[0])
	}
	wantLimit(t, a.Err, "attachments of one manifest", MaxReferrers)
}

// paged makes the registry list its referrers in pages; link makes the header of
// a page.
func paged(registry *server, size int, link func(page int) string) {
	registry.before = func(w http.ResponseWriter, r *http.Request) bool {
		rest, ok := strings.CutPrefix(r.URL.Path, "/v2/app/referrers/")
		if !ok {
			return false
		}
		h, _ := v1.NewHash(rest)
		var page int
		fmt.Sscan(r.URL.Query().Get("page"), &page)
		all := registry.referrers[h]
		from, to := min(page*size, len(all)), min(page*size+size, len(all))
		if to < len(all) {
			w.Header().Set("Link", link(page))
		}
		w.Header().Set("Content-Type", string(types.OCIImageIndex))
		w.Write([]byte(`{"schemaVersion":2,"manifests":[`))
		for i, d := range all[from:to] {
			if i > 0 {
				w.Write([]byte(","))
			}
			fmt.Fprintf(w, `{"mediaType":%q,"digest":%q,"size":%d}`, d.MediaType, d.Digest, d.Size)
		}
		w.Write([]byte("]}"))
		return true
	}
}

func TestPagesOfReferrersAreFollowedWithinBounds(t *testing.T) {
	next := func(page int) string {
		return fmt.Sprintf(`<?page=%d>; rel="next"`, page+1)
	}
	s, registry := manyReferrers(t, MaxReferrerPages)
	paged(registry, 1, next)
	if a := attachedAt(t, s, registry, Options{}); a.Err != nil || len(a.Attachments) != MaxReferrerPages+1 {
		t.Errorf("at the bound: %d, %v", len(a.Attachments), a.Err)
	}
	s, registry = manyReferrers(t, MaxReferrerPages+1)
	paged(registry, 1, next)
	a := attachedAt(t, s, registry, Options{})
	if len(a.Attachments) != MaxReferrerPages+1 {
		t.Errorf("over the bound: %d", len(a.Attachments))
	}
	wantLimit(t, a.Err, "pages of the list of referrers", MaxReferrerPages)
	s, registry = manyReferrers(t, MaxReferrers+100)
	paged(registry, 90, next)
	a = attachedAt(t, s, registry, Options{})
	wantLimit(t, a.Err, "list of referrers: entries", MaxReferrers)
}

func TestPagesLeadToNoOtherPlaceAndInNoCircle(t *testing.T) {
	away := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("another host was asked") }))
	defer away.Close()
	for link, want := range map[string]string{
		`<?page=0>; rel="next"`:                          "lead in a circle",
		`<` + away.URL + `/x?page=1>; rel="next"`:        "is at another place",
		`</v2/other/referrers/x?page=1>; rel=next`:       "is at another place",
		`<//user:secret@` + away.URL[7:] + `>; rel=next`: "is at another place",
		`<http://[>; rel=next`:                           "is at another place",
	} {
		s, registry := manyReferrers(t, 3)
		paged(registry, 2, func(int) string { return link })
		a := attachedAt(t, s, registry, Options{})
		if a.Err == nil || !strings.Contains(a.Err.Error(), want) || len(a.Attachments) < 3 {
			t.Errorf("%s: %d, %v", link, len(a.Attachments), a.Err)
		}
	}
	s, registry := manyReferrers(t, 3)
	paged(registry, 2, func(page int) string {
		return fmt.Sprintf(`<%s/v2/other/name/referrers/%s?page=%d>; rel="next"`, away.URL, s.image.Digest, page+1)
	})
	if a := attachedAt(t, s, registry, Options{}); a.Err != nil || len(a.Attachments) != 4 {
		t.Errorf("a link that names another host: %d, %v", len(a.Attachments), a.Err)
	}
	paged(registry, 2, func(int) string { return `<?page=1>; rel="prev", <https://else.example/>; rel="first"` })
	if a := attachedAt(t, s, registry, Options{}); a.Err != nil || len(a.Attachments) != 3 {
		t.Errorf("links to no next page: %d, %v", len(a.Attachments), a.Err)
	}
}

func TestSignaturesOfAManifestAreBounded(t *testing.T) {
	for n, over := range map[int]bool{MaxSignatures: false, MaxSignatures + 1: true} {
		s := newSigned(t)
		texts := make([]string, n)
		for i := range texts {
			texts[i] = fmt.Sprint(i)
		}
		many := s.attachment("", nil, simpleSigning, texts...)
		registry := serve(t, s.fixture, "app", map[string]v1.Descriptor{"1": s.image, "sha256-" + s.image.Digest.Hex + ".sig": many})
		a := attachedAt(t, s, registry, Options{})
		if got := len(a.Attachments[0].Layers); got != MaxSignatures {
			t.Errorf("%d signatures: %d handed out", n, got)
		}
		if over {
			wantLimit(t, a.Err, "signatures of one manifest", MaxSignatures)
		} else if a.Err != nil {
			t.Error(a.Err)
		}
	}
	s := newSigned(t)
	many := s.attachment("", nil, simpleSigning, make([]string, 10_000)...)
	registry := serve(t, s.fixture, "app", map[string]v1.Descriptor{"1": s.image, "sha256-" + s.image.Digest.Hex + ".sig": many})
	a := attachedAt(t, s, registry, Options{})
	if over, ok := errors.AsType[*LimitError](a.Attachments[0].Err); !ok || over.Limit != MaxLayers {
		t.Errorf("10,000 signatures: %v", a.Attachments[0].Err)
	}
}

func TestBlobsAreKeptAsFarAsTheirBytesMay(t *testing.T) {
	var b attachedBlobs
	if !b.keep(MaxAttachedBytes-1) || !b.keep(1) || b.keep(1) {
		t.Errorf("kept %d", b.size)
	}
}

func TestTheBytesOfAttachmentsManifestsAreBoundedTogether(t *testing.T) {
	s, registry := manyReferrers(t, 0)
	padding := strings.Repeat("x", MaxManifestBytes-2000)
	var all []v1.Descriptor
	for i := range MaxAttachedBytes/MaxManifestBytes + 2 {
		m := v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Config: s.add("", []byte("{}")), Layers: []v1.Descriptor{},
			Subject: &s.image, Annotations: map[string]string{"n": fmt.Sprint(i), "x": padding}}
		all = append(all, s.json(types.OCIManifestSchema1, m))
	}
	registry.referrers[s.image.Digest] = all
	a := attachedAt(t, s, registry, Options{})
	refused := 0
	for _, x := range a.Attachments {
		if over, ok := errors.AsType[*LimitError](x.Err); ok && over.Limit == MaxAttachedBytes {
			refused++
		}
	}
	if refused == 0 || refused > 3 || a.Attachments[0].Err != nil {
		t.Errorf("%d of %d refused; the tag's: %v", refused, len(a.Attachments), a.Attachments[0].Err)
	}
}

func TestAHangingRegistryIsLeftAfterTheIdleTime(t *testing.T) {
	for name, hangs := range map[string]func(path string) bool{
		"the lists": func(path string) bool {
			return strings.Contains(path, "/referrers/") || strings.Contains(path, "sha256-")
		},
		"the manifests": func(path string) bool { return strings.Contains(path, "/manifests/sha256:") },
	} {
		s, registry := manyReferrers(t, 200)
		done := make(chan struct{})
		t.Cleanup(func() { close(done) })
		registry.before = func(_ http.ResponseWriter, r *http.Request) bool {
			if hangs(r.URL.Path) {
				<-done
				return true
			}
			return false
		}
		a := attachedAt(t, s, registry, Options{Transport: network.New(network.Options{AllowHosts: []string{"127.0.0.1"}, IdleTimeout: time.Second})})
		err := a.Err
		if name == "the manifests" {
			err = a.Attachments[len(a.Attachments)-1].Err
			if a.Attachments[0].Err != nil || len(a.Attachments) != 201 {
				t.Errorf("%s: %d, the tag's: %v", name, len(a.Attachments), a.Attachments[0].Err)
			}
		}
		if _, ok := errors.AsType[*network.IdleError](err); !ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestARegistryThatKeepsNoReferrersHasNone(t *testing.T) {
	for _, status := range []int{404, 400, 405, 406, 501, 200} {
		s, registry := manyReferrers(t, 1)
		registry.before = func(w http.ResponseWriter, r *http.Request) bool {
			if strings.Contains(r.URL.Path, "/referrers/") {
				w.Header().Set("Content-Type", "text/html")
				w.WriteHeader(status)
				w.Write([]byte("<html>"))
				return true
			}
			return false
		}
		if a := attachedAt(t, s, registry, Options{}); a.Err != nil || len(a.Attachments) != 1 {
			t.Errorf("%d: %d, %v", status, len(a.Attachments), a.Err)
		}
	}
	for _, status := range []int{401, 403, 429, 500} {
		s, registry := manyReferrers(t, 1)
		registry.before = func(w http.ResponseWriter, r *http.Request) bool {
			if strings.Contains(r.URL.Path, "/referrers/") {
				w.WriteHeader(status)
				return true
			}
			return false
		}
		a := attachedAt(t, s, registry, Options{})
		var refused *RegistryError
		if !errors.As(a.Err, &refused) || refused.Status != status || len(a.Attachments) != 1 {
			t.Errorf("%d: %d, %v", status, len(a.Attachments), a.Err)
		}
	}
}

func TestWhatIsAttachedIsAskedForOnce(t *testing.T) {
	s, registry := manyReferrers(t, 2)
	set, err := registry.open(t, ":1", Options{})
	if err != nil {
		t.Fatal(err)
	}
	first := attachedTo(t, set, s.image.Digest)
	before := len(registry.asked())
	if attachedTo(t, set, s.image.Digest) != first || len(registry.asked()) != before {
		t.Errorf("asked again: %q", registry.asked()[before:])
	}
	if before != 1+5+2 {
		t.Errorf("%d requests: %q", before, registry.asked())
	}
}

func TestNothingHangsOnAnImageWithoutAManifest(t *testing.T) {
	set := &Set{Images: []*Image{{}}}
	if _, err := set.Attached(t.Context(), hashOf("sha256", nil)); err == nil {
		t.Error("no error")
	}
	if s := set.Images[0].Subjects(); s != nil {
		t.Errorf("subjects %v", s)
	}
}

// FuzzNextPage: whatever a registry links to, the next page is at the address of
// this one, but for what follows the "?".
func FuzzNextPage(f *testing.F) {
	const current = "https://reg.example/v2/app/referrers/sha256:aa"
	for _, link := range []string{`<?n=1>; rel="next"`, `</v2/app/referrers/sha256:aa?n=1>;rel=next`, `<https://evil.example/v2/app/referrers/sha256:aa?n=1>; rel="next"`, `<x>; rel="prev", <..>; rel=next`, `<`, `;;,`} {
		f.Add(link)
	}
	f.Fuzz(func(t *testing.T, link string) {
		next, err := nextPage(current, []string{link})
		if before, _, _ := strings.Cut(next, "?"); next != "" && (before != current || err != nil) {
			t.Errorf("%q leads to %q, %v", link, next, err)
		}
	})
}

func TestWhatIsNotWantedIsNotAskedFor(t *testing.T) {
	s := newSigned(t)
	registry := serve(t, s.fixture, "app", s.tags())
	set, err := registry.open(t, "@"+s.image.Digest.String(), Options{Unwanted: []AttachmentKind{KindSBOM, KindAttestation}})
	if err != nil {
		t.Fatal(err)
	}
	a := attachedTo(t, set, s.image.Digest)
	if len(a.Attachments) != 2 || a.Attachments[0].Kind != KindSignature || a.Attachments[1].Kind != KindBundle {
		t.Errorf("%q", lines(t, a))
	}
	if asked := strings.Join(registry.asked(), " "); strings.Contains(asked, ".att") || strings.Contains(asked, ".sbom") {
		t.Errorf("asked %s", asked)
	}
}
