package layout

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"reflect"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/checksums"
	"github.com/imageverify/verify/provenance/source"
)

// documents are the seeds of the parsers.
func documents(f *testing.F) {
	one := newFixture(f)
	for _, text := range []string{
		one.files["index.json"], marshal(f, one.entry()), one.manifest, one.config, one.files["oci-layout"],
		"", "{}", "[]", "null", `{"schemaVersion":2,"manifests":null}`, `{"schemaVersion":2,"manifests":[{}]}`,
		`{"schemaVersion":2,"manifests":[],"Manifests":[]}`, `{"digest":"sha256:00"}`,
		`{"schemaVersion":2,"config":{"digest":"` + hashOf("x").String() + `","mediaType":"x","size":1,"data":"eA=="}}`,
	} {
		f.Add([]byte(text))
	}
}

// known reports whether a parser's error is of a kind that callers know.
func known(err error) bool {
	return errors.Is(err, ErrMalformed) || errors.As(err, new(*checksums.LimitError))
}

// FuzzParseFile: what is accepted has entries that are fit to be followed, and
// another reader of JSON, who takes the last of two members, finds the same.
func FuzzParseFile(f *testing.F) {
	documents(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := parseFile(raw)
		if err != nil {
			if !known(err) {
				t.Fatalf("%v is of no known kind", err)
			}
			return
		}
		if len(got) > maxEntries {
			t.Fatalf("%d entries", len(got))
		}
		for _, d := range got {
			if _, err := v1.NewHash(d.Digest.String()); err != nil || d.Size < 0 || d.MediaType == "" {
				t.Fatalf("entry %+v", d)
			}
		}
		sameElsewhere(t, raw, got)
	})
}

// sameElsewhere compares the digests with those of a reader that does not fold
// the names of members, where it finds any.
func sameElsewhere(t *testing.T, raw []byte, got []v1.Descriptor) {
	t.Helper()
	var other map[string]any
	if err := json.Unmarshal(raw, &other); err != nil {
		t.Fatalf("accepted, and %v", err)
	}
	list, ok := other["manifests"].([]any)
	if !ok {
		return
	}
	for i, one := range list {
		member, _ := one.(map[string]any)
		if digest, ok := member["digest"].(string); ok && digest != got[i].Digest.String() {
			t.Fatalf("entry %d is %s here, %s elsewhere", i, got[i].Digest, digest)
		}
	}
}

// FuzzParseManifest: what is accepted can be written and read again, and says
// the same.
func FuzzParseManifest(f *testing.F) {
	documents(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := parseManifest(raw)
		if err != nil {
			if !known(err) {
				t.Fatalf("%v is of no known kind", err)
			}
			return
		}
		text, err := json.Marshal(v1.Manifest{SchemaVersion: m.SchemaVersion, MediaType: m.MediaType, Config: *m.Config, Layers: m.layers()})
		if err != nil {
			t.Fatal(err)
		}
		again, err := parseManifest(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if again.Config.Digest != m.Config.Digest || len(again.layers()) != len(m.layers()) {
			t.Fatalf("%+v, then %+v", m, again)
		}
		for i, d := range m.layers() {
			if !reflect.DeepEqual(d.Digest, again.layers()[i].Digest) || d.Size != again.layers()[i].Size {
				t.Fatalf("layer %d: %+v, then %+v", i, d, again.layers()[i])
			}
		}
	})
}

// FuzzResolve: a path leads where package source, which keeps to the tree, says
// that it does, or nowhere for both.
func FuzzResolve(f *testing.F) {
	for _, target := range []string{
		"file", "../file", "../../file", "dir/../file", "dir/file", "/file", ".", "..", "", "dir", "link", "self",
		"file/../file", "dir//./file", "up/file", "up/up/up/dir/file", "\x00", "\xff", "\xff/../file", "a\\b", "none/../file",
	} {
		f.Add(target, "dir/link")
		f.Add("dir/file", target)
	}
	f.Fuzz(func(t *testing.T, target, name string) {
		root := newRepo(t).root(map[string]string{
			"file": "1", "dir/file": "2", "dir/link": link + target, "link": link + target, "up": link + ".", "dir/up": link + "../dir/..", "self": link + "self",
		})
		resolved, err := resolve(root, name)
		want, wantErr := readAll(root, name)
		if !fs.ValidPath(name) {
			return // source takes clean paths only
		}
		if err != nil {
			if wantErr == nil && !throughFile(root, name) {
				t.Fatalf("%q with a link to %q: %v; want what source reads", name, target, err)
			}
			return
		}
		got, err := readAll(root, resolved)
		if (err == nil) != (wantErr == nil) || !bytes.Equal(got, want) {
			t.Fatalf("%q with a link to %q: %q, %v; want %q, %v", name, target, got, err, want, wantErr)
		}
		if _, err := root.ReadLink(resolved); err == nil {
			t.Fatalf("%q is resolved to the link %q", name, resolved)
		}
	})
}

func readAll(root *source.Tree, name string) ([]byte, error) {
	file, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(file)
}

// throughFile reports whether a path is refused here because it takes a file
// for a folder, which source lets pass before "..".
func throughFile(root *source.Tree, name string) bool {
	resolved, err := resolve(root, name)
	if !errors.Is(err, fs.ErrNotExist) {
		return false
	}
	info, err := root.Lstat(resolved)
	return err == nil && !info.IsDir()
}
