package image

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/internal/corpus"
)

// parseAny parses a document or, where config is set, a config.
func parseAny(config bool, text string) error {
	var err error
	if config {
		_, err = parseConfig([]byte(text), v1.Descriptor{}, "here")
	} else {
		_, _, err = parseDocument([]byte(text), v1.Descriptor{}, "here")
	}
	return err
}

const (
	twoReadersManifest = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":%CONFIG%,` +
		`"layers":[%LAYER%],"annotations":{"a":"1","A":"2"}}`
	twoReadersIndex = `{"schemaVersion":2,"manifests":[{"digest":%DIGEST%,"size":1,"platform":{"architecture":"amd64","os":"linux"},` +
		`"annotations":{"kind":"x","Kind":"y"}}]}`
	twoReadersConfig = `{"architecture":"amd64","os":"linux","config":{"Env":["A=b"],"Cmd":["/a"],"Labels":{"l":"1","L":"2"},` +
		`"Healthcheck":{"Test":["NONE"]}},"rootfs":{"type":"layers","diff_ids":[]},` +
		`"history":[{"created_by":"COPY a","empty_layer":true}],"x":{"y":[{"z":1}]}}`
)

// filledIn puts digests into a document.
func filledIn(text string) string {
	return strings.NewReplacer("%CONFIG%", descriptorJSON(1), "%LAYER%", descriptorJSON(2),
		"%DIGEST%", fmt.Sprintf(`"sha256:%064x"`, 3)).Replace(text)
}

func TestADocumentThatTwoReadersReadDifferentlyIsRefused(t *testing.T) {
	const kelvin, longS = "\u212a", "\u017f" // Go's decoder takes them for k and s
	manifest, index, config := filledIn(twoReadersManifest), filledIn(twoReadersIndex), twoReadersConfig
	for _, c := range []struct {
		of, old, new, problem string
	}{
		{manifest, `"digest":"sha256:` + fmt.Sprintf("%064x", 2), `"digest":"sha256:00","digest":"sha256:` + fmt.Sprintf("%064x", 2), `gives "digest" twice`},
		{manifest, `"size":1,"digest"`, `"size":1,"Digest":"","digest"`, `writes "digest" as "Digest"`},
		{manifest, `"size":1,"digest"`, `"size":1,"DIGEST"`, `writes "digest" as "DIGEST"`},
		{manifest, `"size":1,"digest"`, `"size":1,"\u0064igest":"","digest"`, `gives "digest" twice`},
		{manifest, `"size":1`, `"size":1,"` + longS + `ize":2`, `gives "` + longS + `ize" beside "size"`},
		{manifest, `"size":1`, `"` + longS + `ize":2`, `writes "size" as "` + longS + `ize"`},
		{manifest, `"layers"`, `"LAYERS"`, `writes "layers" as "LAYERS"`},
		{manifest, `"layers"`, `"Layers":[],"layers"`, `writes "layers" as "Layers"`},
		{manifest, `"config":`, `"config":{},"config":`, `gives "config" twice`},
		{manifest, `"config":`, `"Config":{},"config":`, `writes "config" as "Config"`},
		{manifest, `"schemaVersion":2`, `"mediaType":"application/vnd.oci.image.index.v1+json","schemaVersion":2`, `gives "mediaType" twice`},
		{manifest, `"schemaVersion":2`, `"schemaVersion":2,"subject":{"digest":"","Digest":""}`, `gives "Digest" beside "digest"`},
		{manifest, `"A":"2"`, `"a":"2"`, `gives "a" twice`},
		{manifest, `"annotations"`, `"Annotations"`, `writes "annotations" as "Annotations"`},
		{manifest, `"schemaVersion":2`, `"schemaVersion":2,"x":[[{"one":1,"One":2}]]`, `gives "One" beside "one"`},
		{manifest, `"schemaVersion":2`, `"schemaVersion":2,"ok":1,"O` + kelvin + `":2`, `gives "O` + kelvin + `" beside "ok"`},
		{index, `"digest":`, `"digest":"","digest":`, `gives "digest" twice`},
		{index, `"platform":`, `"platform":{},"Platform":`, `gives "Platform" beside "platform"`},
		{index, `"os":`, `"os":"windows","OS":`, `gives "OS" beside "os"`},
		{index, `"architecture":`, `"Architecture":`, `writes "architecture" as "Architecture"`},
		{index, `"Kind":`, `"kind":`, `gives "kind" twice`},
		{config, `"config":`, `"config":{"Entrypoint":["/evil"]},"Config":`, `gives "Config" beside "config"`},
		{config, `"architecture":`, `"architecture":"arm64","architecture":`, `gives "architecture" twice`},
		{config, `"empty_layer":true`, `"empty_layer":false,"Empty_Layer":true`, `gives "Empty_Layer" beside "empty_layer"`},
		{config, `"created_by":`, `"created_by":"RUN evil","created_by":`, `gives "created_by" twice`},
		{config, `"created_by":`, `"Created_By":`, `writes "created_by" as "Created_By"`},
		{config, `"rootfs":`, `"rootfs":{},"Rootfs":`, `gives "Rootfs" beside "rootfs"`},
		{config, `"diff_ids":[]`, `"diff_ids":[],"DIFF_IDS":[]`, `gives "DIFF_IDS" beside "diff_ids"`},
		{config, `"Env":`, `"env":`, `writes "Env" as "env"`},
		{config, `"Cmd":`, `"Cmd":["/evil"],"Cmd":`, `gives "Cmd" twice`},
		{config, `"Test":`, `"Test":[],"test":`, `gives "test" beside "Test"`},
		{config, `"L":"2"`, `"l":"2"`, `gives "l" twice`},
		{config, `"z":1`, `"z":1,"z":2`, `gives "z" twice`},
		{config, `"os":`, `"container_config":{"cmd":[]},"os":`, `writes "Cmd" as "cmd"`},
	} {
		isConfig := c.of == config
		if err := parseAny(isConfig, c.of); err != nil {
			t.Fatalf("unchanged: %v", err)
		}
		text := strings.Replace(c.of, c.old, c.new, 1)
		err := parseAny(isConfig, text)
		var format *FormatError
		if text == c.of || !errors.As(err, &format) || format.Problem != c.problem {
			t.Errorf("%s in place of %s: %v, want %s", c.new, c.old, err, c.problem)
		}
	}
}

func TestAuthorsNamesMayDifferInCaseOnly(t *testing.T) {
	for _, m := range []string{"Labels", "ExposedPorts", "Volumes"} {
		text := `{"config":{"` + m + `":{"a":%s,"A":%[1]s,"os":%[1]s,"OS":%[1]s}}}`
		value := `{}`
		if m == "Labels" {
			value = `"x"`
		}
		if err := parseAny(true, fmt.Sprintf(text, value)); err != nil {
			t.Errorf("%s: %v", m, err)
		}
		twice := fmt.Sprintf(strings.Replace(text, `"A"`, `"a"`, 1), value)
		if err := parseAny(true, twice); err == nil || !strings.HasSuffix(err.Error(), `: gives "a" twice`) {
			t.Errorf("%s with one name twice: %v", m, err)
		}
	}
}

func TestEveryMemberThatToolsWriteIsTaken(t *testing.T) {
	run := `{"Hostname":"h","Domainname":"","User":"u","Memory":0,"MemorySwap":0,"CpuShares":0,"Cpuset":"","AttachStdin":false,` +
		`"AttachStdout":false,"AttachStderr":false,"PortSpecs":null,"ExposedPorts":{"80/tcp":{}},"Tty":false,"OpenStdin":false,` +
		`"StdinOnce":false,"Env":["A=b"],"Cmd":["c"],"Healthcheck":{"Test":["NONE"],"Interval":1,"Timeout":1,"StartPeriod":1,` +
		`"StartInterval":1,"Retries":1},"ArgsEscaped":true,"Image":"i","Volumes":{"/v":{}},"WorkingDir":"/","Entrypoint":null,` +
		`"NetworkDisabled":true,"MacAddress":"","OnBuild":[],"Labels":null,"StopSignal":"9","StopTimeout":1,"Shell":["sh"],"Other":1}`
	for _, text := range []string{
		`{"id":"x","parent":"y","comment":"c","created":"2020-01-01T00:00:00Z","container":"z","container_config":` + run +
			`,"docker_version":"19.03","author":"a","config":` + run + `,"architecture":"arm","variant":"v7","os":"linux",` +
			`"os.version":"1","os.features":["x"],"Size":1,"moby.buildkit.cache.v0":"e30=","rootfs":{"type":"layers","diff_ids":null,` +
			`"base_layer":"b"},"history":[{"created":"2020-01-01T00:00:00Z","created_by":"x","author":"a","comment":"c","empty_layer":true}]}`,
		`{}`, `{"config":null,"rootfs":{},"history":null}`, `{"x":1e999}`,
	} {
		if err := parseAny(true, text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestDepthIsBoundedOnBothSides(t *testing.T) {
	for _, config := range []bool{false, true} {
		for _, pair := range [][2]string{{"[", "]"}, {`{"x":`, "}"}} {
			nested := func(n int) string { // the document itself is the first
				inner := strings.Repeat(pair[0], n-1) + "1" + strings.Repeat(pair[1], n-1)
				return `{"manifests":[],"x":` + inner + `}`
			}
			if err := parseAny(config, nested(MaxJSONDepth)); err != nil {
				t.Errorf("at the limit: %v", err)
			}
			err := parseAny(config, nested(MaxJSONDepth+1))
			var limit *LimitError
			if !errors.As(err, &limit) || limit.Limit != MaxJSONDepth {
				t.Errorf("over the limit: %v", err)
			}
		}
	}
	if err := parseAny(false, strings.Repeat("[", MaxManifestBytes)); !errors.As(err, new(*LimitError)) {
		t.Errorf("4 MiB of lists in one another: %v", err)
	}
}

func TestLongNamesAreCutInMessages(t *testing.T) {
	long := strings.Repeat("x", 1000)
	err := parseAny(true, `{"`+long+`":1,"`+long+`":2}`)
	if err == nil || len(err.Error()) > 200 || !strings.Contains(err.Error(), " twice") {
		t.Errorf("%v", err)
	}
}

func TestAManifestReadInTwoWaysIsAnImageThatCannotBeJudged(t *testing.T) {
	f := newFixture(t)
	good := f.image("linux/amd64")
	text := strings.Replace(string(f.blobs[good.Digest]), `"layers":`, `"Layers":[],"layers":`, 1)
	evil := f.add(good.MediaType, []byte(text))
	evil.Platform = good.Platform
	f.root = []v1.Descriptor{f.index(evil, f.image("linux/arm64"))}
	dir := f.dir()
	_, err := openFor(t, "oci:"+dir, explicit(t, "linux/amd64"))
	wantError(t, err, "manifest "+evil.Digest.String()+" in oci:"+dir+`: writes "layers" as "Layers"`, "")
	set, err := openFor(t, "oci:"+dir, Options{AllPlatforms: true})
	if err != nil {
		t.Fatal(err)
	}
	if m := set.Images[0].Manifest(); m.Parsed != nil || !errors.As(m.ParseErr, new(*FormatError)) || m.Got != evil.Digest {
		t.Errorf("%+v", m)
	}
}

func TestAConfigReadInTwoWaysHasAParseError(t *testing.T) {
	f := newFixture(t)
	image := f.manifest("linux/amd64", func(m *v1.Manifest) {
		raw := strings.Replace(string(f.blobs[m.Config.Digest]), `"os":`, `"OS":"windows","os":`, 1)
		d := f.add(m.Config.MediaType, []byte(raw))
		m.Config = d
	})
	f.root = []v1.Descriptor{image}
	set, err := f.open("", Options{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := set.Images[0].Config(t.Context())
	var format *FormatError
	if err != nil || c.File != nil || c.History != nil || !errors.As(c.ParseErr, &format) || format.Problem != `writes "os" as "OS"` {
		t.Errorf("config %+v, %v", c, err)
	}
}

// The law: two names have one key exactly if strings.EqualFold says so.
func FuzzFold(f *testing.F) {
	for _, seed := range [][2]string{{"digest", "DIGEST"}, {"k", "\u212a"}, {"s", "\u017f"}, {"ß", "ẞ"}, {"İ", "i"}, {"\xff", "\ufffd"}, {"a", "b"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		a, b = strings.ToValidUTF8(a, "\ufffd"), strings.ToValidUTF8(b, "\ufffd") // as the decoder gives names
		if same := fold(a) == fold(b); same != strings.EqualFold(a, b) {
			t.Errorf("%q and %q: one key %v", a, b, same)
		}
	})
}

func TestAllRealDocumentsAreRead(t *testing.T) {
	dir := corpus.Dir(t)
	documents := 0
	take := func(name string, raw []byte) {
		var about struct {
			RootFS, Layers, Manifests json.RawMessage
		}
		if json.Unmarshal(raw, &about) != nil {
			return
		}
		if about.RootFS == nil && about.Layers == nil && about.Manifests == nil {
			return
		}
		documents++
		if err := parseAny(about.RootFS != nil, string(raw)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, below := range []string{"images", "builders"} {
		err := filepath.WalkDir(filepath.Join(dir, below), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			if strings.HasSuffix(path, ".tar") {
				return eachDocument(path, take)
			}
			return smallFile(path, take)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if documents < 40 {
		t.Errorf("%d indexes, manifests and configs in %s", documents, dir)
	}
	t.Logf("%d indexes, manifests and configs", documents)
}

func smallFile(path string, take func(string, []byte)) error {
	info, err := os.Stat(path)
	if err != nil || info.Size() > MaxManifestBytes {
		return err
	}
	raw, err := os.ReadFile(path)
	if err == nil && bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")) {
		take(path, raw)
	}
	return err
}

// eachDocument takes the small files in an archive that look like JSON.
func eachDocument(path string, take func(string, []byte)) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	r := tar.NewReader(f)
	for {
		h, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if h.Size > MaxManifestBytes {
			continue
		}
		raw, err := io.ReadAll(r)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")) {
			take(path+":"+h.Name, raw)
		}
	}
}
