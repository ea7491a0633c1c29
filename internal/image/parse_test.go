package image

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

func TestDocumentsThatAreRefused(t *testing.T) {
	config := `"config":` + descriptorJSON(1)
	for _, c := range []struct{ name, text, problem string }{
		{"not JSON", `{`, "is not JSON of a manifest"},
		{"a list", `[]`, "is not JSON of a manifest"},
		{"trailing text", `{"manifests":[]} {}`, "is not JSON of a manifest"},
		{"null", `null`, "is neither an index nor an image manifest"},
		{"schema 1", `{"schemaVersion":1,"fsLayers":[],"history":[]}`, "is of schema 1, which names no config"},
		{"schema 1 without a version", `{"fsLayers":[]}`, "is of schema 1, which names no config"},
		{"index and manifest", `{"manifests":[],` + config + `,"layers":[]}`, "is both an index and an image manifest"},
		{"index and manifest in other letters", `{"manifests":[],"LAYERS":[]}`, `writes "layers" as "LAYERS"`},
		{"layers twice", `{` + config + `,"layers":[],"layers":[]}`, `gives "layers" twice`},
		{"layers twice in other letters", `{` + config + `,"layers":[],"Layers":[]}`, `gives "Layers" beside "layers"`},
		{"config twice", `{` + config + `,` + config + `,"layers":[]}`, `gives "config" twice`},
		{"manifests twice", `{"manifests":[],"manifests":[]}`, `gives "manifests" twice`},
		{"no config", `{"layers":[]}`, "names no config"},
		{"a layer without a digest", `{` + config + `,"layers":[{"size":1}]}`, "has a layer without a digest"},
		{"layers of another type", `{` + config + `,"layers":{"a":1}}`, "is not JSON of a manifest"},
		{"a manifest that says it is an index", `{"mediaType":"application/vnd.oci.image.index.v1+json",` + config + `,"layers":[]}`,
			"is not of its media type application/vnd.oci.image.index.v1+json"},
		{"an index that says it is a manifest", `{"mediaType":"application/vnd.docker.distribution.manifest.v2+json","manifests":[]}`,
			"is not of its media type application/vnd.docker.distribution.manifest.v2+json"},
	} {
		index, manifest, err := parseDocument([]byte(c.text), v1.Descriptor{}, "here")
		var format *FormatError
		if !errors.As(err, &format) || format.Problem != c.problem || index != nil || manifest != nil {
			t.Errorf("%s: %v, want %q", c.name, err, c.problem)
		}
	}
}

func TestADocumentIsWhatItsDescriptorSays(t *testing.T) {
	index := []byte(`{"schemaVersion":2,"manifests":[]}`)
	manifest := []byte(`{"schemaVersion":2,"config":` + descriptorJSON(1) + `,"layers":[]}`)
	for _, c := range []struct {
		named types.MediaType
		data  []byte
		ok    bool
	}{
		{"", index, true}, {"", manifest, true},
		{types.OCIImageIndex, index, true}, {types.DockerManifestList, index, true},
		{types.OCIImageIndex, manifest, false}, {types.DockerManifestList, manifest, false},
		{types.OCIManifestSchema1, manifest, true}, {types.OCIManifestSchema1, index, false},
		{types.DockerManifestSchema2, manifest, true}, {types.DockerManifestSchema1, manifest, false},
		{types.DockerManifestSchema1Signed, index, false},
	} {
		if _, _, err := parseDocument(c.data, v1.Descriptor{MediaType: c.named}, "here"); (err == nil) != c.ok {
			t.Errorf("%s as %q: %v", c.data, c.named, err)
		}
	}
}

func TestListsAreBoundedOnBothSides(t *testing.T) {
	parseIt := func(raw string) error {
		_, _, err := parseDocument([]byte(raw), v1.Descriptor{}, "here")
		return err
	}
	configIt := func(raw string) error {
		_, err := parseConfig([]byte(raw), v1.Descriptor{}, "here")
		return err
	}
	layers := func(n int) string {
		return `{"config":` + descriptorJSON(1) + `,"layers":` + filler(n, descriptorJSON(2)) + `}`
	}
	for _, c := range []struct {
		what  string
		limit int
		parse func(string) error
		make  func(n int) string
	}{
		{"manifest: layers", MaxLayers, parseIt, layers},
		{"index: entries", MaxIndexEntries, parseIt, func(n int) string { return `{"manifests":` + filler(n, descriptorJSON(2)) + `}` }},
		{"config: history entries", MaxHistory, configIt, func(n int) string { return `{"history":` + filler(n, `{}`) + `}` }},
		{"config: layers", MaxLayers, configIt, func(n int) string {
			return `{"rootfs":{"diff_ids":` + filler(n, fmt.Sprintf(`"sha256:%064x"`, 1)) + `}}`
		}},
	} {
		if err := c.parse(c.make(c.limit)); err != nil {
			t.Errorf("%s at the limit: %v", c.what, err)
		}
		err := c.parse(c.make(c.limit + 1))
		var limit *LimitError
		if !errors.As(err, &limit) || limit.What != c.what || limit.Limit != int64(c.limit) {
			t.Errorf("%s over the limit: %v", c.what, err)
		}
	}
}

func TestConfigsThatAreNone(t *testing.T) {
	for _, text := range []string{"", "[]", `{"history":{}}`, `{"created":"yesterday"}`, `{"history":[],"History":[]}`,
		`{"rootfs":{"diff_ids":[]},"rootfs":{"diff_ids":[]}}`, `{"rootfs":{"diff_ids":["x"]}}`} {
		if file, err := parseConfig([]byte(text), v1.Descriptor{}, "here"); file != nil || !errors.As(err, new(*FormatError)) {
			t.Errorf("%s: %v, %v", text, file, err)
		}
	}
}

// The law: parsing never panics; exactly one of the three results is set; what is
// accepted is within the bounds and has no zero digest, and reads the same when it
// is written back.
func FuzzDocument(f *testing.F) {
	for _, seed := range []string{
		`{"schemaVersion":2,"manifests":[` + descriptorJSON(1) + `]}`,
		`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":` + descriptorJSON(1) + `,"layers":[` + descriptorJSON(2) + `]}`,
		`{"schemaVersion":1,"fsLayers":[{"blobSum":"sha256:00"}],"history":[{"v1Compatibility":"{}"}]}`,
		`{"manifests":[],"Layers":null,"config":{}}`,
		`{"manifests":[{"platform":{"os":"linux","architecture":"arm"},"annotations":{"kind":"x"},"digest":"sha512:00"}]}`,
		`{"history":[{"created_by":"x","created":"2020-01-01T00:00:00Z"}],"rootfs":{"diff_ids":[]},"config":{"Env":["A=b"]}}`,
		`{"manifests":[{"digest":"sha256:00","DIGEST":"sha256:01"}]}`, `{"config":{"Labels":{"a":"1","A":"2"},"\u0045nv":[],"env":[]}}`,
		`null`, `[]`, `{"layers":[[[[]]]]}`, "\xff", strings.Repeat(`{"manifests":[`, 200),
	} {
		f.Add([]byte(seed), "application/vnd.oci.image.index.v1+json")
		f.Add([]byte(seed), "")
	}
	f.Fuzz(func(t *testing.T, raw []byte, media string) {
		desc := v1.Descriptor{MediaType: types.MediaType(media)}
		index, manifest, err := parseDocument(raw, desc, "here")
		if set := count(index != nil, manifest != nil, err != nil); set != 1 {
			t.Fatalf("%d of index, manifest and error are set", set)
		}
		if index != nil {
			checkDescriptors(t, index.Manifests, MaxIndexEntries)
			checkAgain(t, index, desc)
		}
		if manifest != nil {
			checkDescriptors(t, append(manifest.Layers, manifest.Config), MaxLayers+1)
			checkAgain(t, manifest, desc)
		}
		file, err := parseConfig(raw, desc, "here")
		if (file == nil) == (err == nil) {
			t.Fatalf("config %v and error %v", file, err)
		}
		if file != nil && (len(file.History) > MaxHistory || len(file.RootFS.DiffIDs) > MaxLayers) {
			t.Fatal("a config over the bounds was accepted")
		}
		if file != nil {
			checkConfigAgain(t, file, desc)
		}
	})
}

// checkConfigAgain writes an accepted config and parses it again.
func checkConfigAgain(t *testing.T, file *v1.ConfigFile, desc v1.Descriptor) {
	t.Helper()
	data, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	again, err := parseConfig(data, desc, "here")
	if err != nil {
		t.Fatalf("written back it is refused: %v", err)
	}
	if second, err := json.Marshal(again); err != nil || string(second) != string(data) {
		t.Fatalf("written back it reads\n%s, not\n%s (%v)", second, data, err)
	}
}

func count(all ...bool) (n int) {
	for _, b := range all {
		if b {
			n++
		}
	}
	return n
}

func checkDescriptors(t *testing.T, all []v1.Descriptor, limit int) {
	if len(all) > limit {
		t.Fatalf("%d entries, over the limit of %d", len(all), limit)
	}
	for _, d := range all {
		if _, err := v1.NewHash(d.Digest.String()); err != nil {
			t.Fatalf("digest %q: %v", d.Digest, err)
		}
	}
}

// checkAgain writes an accepted document and parses it again.
func checkAgain(t *testing.T, document any, desc v1.Descriptor) {
	data, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	index, manifest, err := parseDocument(data, desc, "here")
	if err != nil {
		t.Fatalf("written back it is refused: %v", err)
	}
	var again any = index
	if index == nil {
		again = manifest
	}
	if second, err := json.Marshal(again); err != nil || string(second) != string(data) {
		t.Fatalf("written back it reads\n%s, not\n%s (%v)", second, data, err)
	}
}
