//go:build unix

package image

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func TestWhatIsNotALayoutSaysWhatIsMissing(t *testing.T) {
	const hint = "a layout has the files oci-layout and index.json and the directory blobs"
	for _, c := range []struct {
		name, problem, hint string
		files               map[string][]byte
	}{
		{"empty", ": not an OCI layout: it has no oci-layout", hint, map[string][]byte{"x": nil}},
		{"no index", ": not an OCI layout: it has no index.json", hint, map[string][]byte{"oci-layout": []byte(`{"imageLayoutVersion":"1.0.0"}`)}},
		{"other version", ``, "", map[string][]byte{"oci-layout": []byte(`{"imageLayoutVersion":"2.0.0"}`)}},
	} {
		dir := t.TempDir()
		writeFiles(t, dir, c.files)
		_, err := openFor(t, "oci:"+dir, Options{})
		if c.problem == "" {
			wantError(t, err, `oci-layout in oci:`+dir+`: layout version "2.0.0" is not "1.0.0"`, "")
			continue
		}
		wantError(t, err, "oci:"+dir+c.problem, c.hint)
	}
}

func TestAnIndexFileThatIsNoIndexIsRefused(t *testing.T) {
	f := newFixture(t)
	manifest := f.blobs[f.manifest("linux/amd64").Digest]
	for _, c := range []struct {
		name    string
		data    []byte
		problem string
	}{
		{"nothing", nil, "is not JSON of a manifest"},
		{"a manifest", manifest, "is an image manifest, not an index"},
		{"no entries member", []byte(`{"schemaVersion":2}`), "is neither an index nor an image manifest"},
		{"an entry without a digest", []byte(`{"manifests":[{"size":1}]}`), "has an entry without a digest"},
		{"a digest of an unknown kind", []byte(`{"manifests":[{"digest":"md5:00"}]}`), "is not JSON of an index"},
		{"a digest that is a path", []byte(`{"manifests":[{"digest":"sha256:../../x"}]}`), "is not JSON of an index"},
	} {
		dir := f.dir()
		writeFiles(t, dir, map[string][]byte{"index.json": c.data})
		_, err := openFor(t, "oci:"+dir, Options{})
		wantError(t, err, "index.json in oci:"+dir+": "+c.problem, "")
	}
}

func TestDocumentsAreBoundedOnBothSides(t *testing.T) {
	for _, extra := range []int{0, 1} {
		size := MaxManifestBytes + extra
		f := newFixture(t)
		manifest := f.manifest("linux/amd64")
		padded := append([]byte(nil), f.blobs[manifest.Digest]...)
		padded = append(padded, strings.Repeat(" ", size-len(padded))...)
		d := f.add(manifest.MediaType, padded)
		f.root = []v1.Descriptor{d}
		_, err := f.open("", Options{})
		if extra == 0 && err != nil {
			t.Errorf("a manifest of 4 MiB: %v", err)
		}
		if extra == 1 {
			wantError(t, err, "manifest "+d.Digest.String()+": bytes: over the limit of 4194304",
				"no image needs that many: it is broken or hostile")
		}

		dir := f.dir()
		root, err := os.ReadFile(filepath.Join(dir, "index.json"))
		if err != nil {
			t.Fatal(err)
		}
		writeFiles(t, dir, map[string][]byte{"index.json": append(root, strings.Repeat("\n", size-len(root))...)})
		_, err = openFor(t, "oci:"+dir+"@"+someDigest, Options{})
		if limited := errors.As(err, new(*LimitError)); limited != (extra == 1) {
			t.Errorf("an index.json of %d bytes: %v", size, err)
		}
	}
}

func TestAConfigIsBoundedOnBothSides(t *testing.T) {
	for _, extra := range []int{0, 1} {
		f := newFixture(t)
		config := []byte(`{"os":"linux"}` + strings.Repeat(" ", MaxManifestBytes-14+extra))
		f.root = []v1.Descriptor{f.manifest("", func(m *v1.Manifest) { m.Config = f.add(m.Config.MediaType, config) })}
		set, err := f.open("", Options{})
		if err != nil {
			t.Fatal(err)
		}
		c, err := set.Images[0].Config(t.Context())
		if extra == 0 && (err != nil || c.File.OS != "linux") {
			t.Errorf("a config of 4 MiB: %v", err)
		}
		if extra == 1 && !errors.As(err, new(*LimitError)) {
			t.Errorf("a config of more than 4 MiB: %v", err)
		}
	}
}

func TestBlobsAreRegularFilesInsideTheBlobsDirectory(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(outside, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		place func(path string) error
		note  string // "" : absent without a note, "-": readable
	}{
		{"a link out by an absolute path", func(p string) error { return os.Symlink(outside, p) }, "path escapes from parent"},
		{"a link to the layout's index.json", func(p string) error { return os.Symlink("../../index.json", p) }, "path escapes from parent"},
		{"a link to a blob beside it", func(p string) error {
			if err := os.WriteFile(p+".real", []byte("x"), 0o644); err != nil {
				return err
			}
			return os.Symlink(filepath.Base(p)+".real", p)
		}, "-"},
		{"a link to nothing", func(p string) error { return os.Symlink("gone", p) }, ""},
		{"a link to itself", func(p string) error { return os.Symlink(filepath.Base(p), p) }, "too many levels of symbolic links"},
		{"a directory", func(p string) error { return os.Mkdir(p, 0o755) }, "is not a regular file"},
		{"a pipe nobody writes to", func(p string) error { return syscall.Mkfifo(p, 0o644) }, "is not a regular file"},
		{"nothing", func(string) error { return nil }, ""},
	} {
		f := newFixture(t)
		var layer v1.Descriptor
		f.root = []v1.Descriptor{f.manifest("linux/amd64", func(m *v1.Manifest) { layer = m.Layers[0] })}
		delete(f.blobs, layer.Digest)
		dir := f.dir()
		if err := c.place(filepath.Join(dir, "blobs", "sha256", layer.Digest.Hex)); err != nil {
			t.Fatal(err)
		}
		set, err := openFor(t, "oci:"+dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		r, err := set.Images[0].Blob(t.Context(), layer)
		if c.note == "-" {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
				continue
			}
			r.Close()
			continue
		}
		var absent *AbsentError
		if !errors.As(err, &absent) || absent.Note != c.note || absent.What != layer.Digest.String() {
			t.Errorf("%s: %v, want absent with the note %q", c.name, err, c.note)
		}
	}
}

func TestLayoutFilesThatAreLinksOutOfItAreRefused(t *testing.T) {
	f := newFixture(t)
	f.root = []v1.Descriptor{f.manifest("linux/amd64")}
	good := f.dir()
	for _, name := range []string{"oci-layout", "index.json", "blobs"} {
		dir := f.dir()
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(good, name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		if _, err := openFor(t, "oci:"+dir, Options{}); err == nil || !strings.Contains(err.Error(), "path escapes from parent") {
			t.Errorf("%s is a link out of the layout: %v", name, err)
		}
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(good, link); err != nil {
		t.Fatal(err)
	}
	if _, err := openFor(t, "oci:"+link, Options{}); err != nil {
		t.Errorf("the user's own link to a layout: %v", err)
	}
}

func TestALayoutWithoutBlobsIsOpenedAndItsBlobsAreAbsent(t *testing.T) {
	f := newFixture(t)
	image := f.manifest("linux/amd64")
	f.root = []v1.Descriptor{image}
	dir := f.dir()
	if err := os.RemoveAll(filepath.Join(dir, "blobs")); err != nil {
		t.Fatal(err)
	}
	_, err := openFor(t, "oci:"+dir, Options{})
	wantError(t, err, image.Digest.String()+" is absent from oci:"+dir+": there is no directory blobs",
		"it is named there but not stored: fetch the whole image")
}

func TestABlobIsGivenAsItIsStored(t *testing.T) {
	f := newFixture(t)
	var layer v1.Descriptor
	f.root = []v1.Descriptor{f.manifest("linux/amd64", func(m *v1.Manifest) { layer = m.Layers[0] })}
	f.blobs[layer.Digest] = []byte("other bytes")
	set, err := f.open("", Options{})
	if err != nil {
		t.Fatal(err)
	}
	layer.URLs = []string{"https://example.com/never-fetched"}
	r, err := set.Images[0].Blob(t.Context(), layer)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if data, err := io.ReadAll(r); err != nil || string(data) != "other bytes" {
		t.Errorf("%q, %v", data, err)
	}
	if _, err := set.Images[0].Blob(t.Context(), v1.Descriptor{}); !errors.As(err, new(*FormatError)) {
		t.Errorf("a descriptor without a digest: %v", err)
	}
}

func TestAConfigIsReadOnce(t *testing.T) {
	f := newFixture(t)
	var want v1.Descriptor
	f.root = []v1.Descriptor{f.manifest("linux/amd64", func(m *v1.Manifest) { want = m.Config })}
	dir := f.dir()
	set, err := openFor(t, "oci:"+dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	first, err := set.Images[0].Config(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if first.Want.Digest != want.Digest || first.Got != want.Digest || first.History[0].CreatedBy != "made for linux/amd64" {
		t.Errorf("config %+v", first)
	}
	if err := os.RemoveAll(filepath.Join(dir, "blobs")); err != nil {
		t.Fatal(err)
	}
	if second, err := set.Images[0].Config(t.Context()); second != first || err != nil {
		t.Errorf("the second time: %p and %v, want %p", second, err, first)
	}
}
