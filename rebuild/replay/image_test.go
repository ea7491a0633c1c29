package replay

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/imageverify/verify/checksums"
)

// image is an image of the corpus: its layers, oldest first.
type image struct {
	created time.Time
	layers  []*checksums.Index
}

// lower answers for the layers below the one with index n.
func (im image) lower(n int) func(paths ...string) (map[string]checksums.Entry, error) {
	if n == 0 {
		return nil
	}
	return func(paths ...string) (map[string]checksums.Entry, error) {
		all := map[string]checksums.Entry{}
		for _, layer := range im.layers[:n] {
			found, err := layer.Find(paths...)
			if err != nil {
				return nil, err
			}
			for name, e := range found {
				all[name] = e
			}
		}
		return all, nil
	}
}

type descriptor struct{ Digest string }

type manifest struct {
	Config    descriptor
	Layers    []descriptor
	Manifests []descriptor
}

// openLayout reads the image with the given layer of an OCI layout.
func openLayout(t *testing.T, fsys fs.FS, architecture string) image {
	t.Helper()
	var index manifest
	readJSON(t, fsys, "index.json", &index)
	for len(index.Manifests) > 0 {
		d := index.Manifests[0]
		index.Manifests = index.Manifests[1:]
		var m manifest
		readJSON(t, fsys, blob(d), &m)
		if len(m.Manifests) > 0 {
			index.Manifests = append(index.Manifests, m.Manifests...)
			continue
		}
		var config struct {
			Created      time.Time
			Architecture string
		}
		readJSON(t, fsys, blob(m.Config), &config)
		if architecture != "" && config.Architecture != architecture {
			continue
		}
		im := image{created: config.Created}
		for _, l := range m.Layers {
			im.layers = append(im.layers, readLayer(t, fsys, blob(l)))
		}
		return im
	}
	t.Fatalf("the layout has no image for %q", architecture)
	return image{}
}

// openSaved reads an image that "docker save" wrote.
func openSaved(t *testing.T, fsys fs.FS) image {
	t.Helper()
	var saved []struct {
		Config string
		Layers []string
	}
	readJSON(t, fsys, "manifest.json", &saved)
	im := image{}
	for _, l := range saved[0].Layers {
		im.layers = append(im.layers, readLayer(t, fsys, l))
	}
	return im
}

func blob(d descriptor) string { return "blobs/" + strings.Replace(d.Digest, ":", "/", 1) }

func readJSON(t *testing.T, fsys fs.FS, name string, into any) {
	t.Helper()
	data, err := fs.ReadFile(fsys, name)
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func readLayer(t *testing.T, fsys fs.FS, name string) *checksums.Index {
	t.Helper()
	f, err := fsys.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	content, _, err := checksums.Decompress(f)
	if err != nil {
		t.Fatal(err)
	}
	b := checksums.NewBuilder(nil, checksums.Limits{})
	if _, err := checksums.IndexTar(t.Context(), content, b); err != nil {
		t.Fatal(err)
	}
	index, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return index
}

// tarFS holds the files of a tar, which are small.
func tarFS(t *testing.T, r io.Reader) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(h.Name, "/")
		switch h.Typeflag {
		case tar.TypeReg:
			data, err := io.ReadAll(tr)
			if err != nil {
				t.Fatal(err)
			}
			files[name] = &fstest.MapFile{Data: data, Mode: h.FileInfo().Mode()}
		case tar.TypeSymlink:
			files[name] = &fstest.MapFile{Data: []byte(h.Linkname), Mode: fs.ModeSymlink | 0o777}
		}
	}
}

func openTar(t *testing.T, path string) fstest.MapFS {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return tarFS(t, f)
}

// gitFolder reads a folder of a commit as "git archive" gives it.
func gitFolder(t *testing.T, mirror, commit, dir string) fstest.MapFS {
	t.Helper()
	git, err := exec.LookPath("git")
	if err != nil {
		t.Skip("git is not installed")
	}
	cmd := exec.Command(git, "-C", mirror, "archive", commit+":"+dir)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("git archive: %v", err)
	}
	return tarFS(t, bytes.NewReader(out))
}

// entries returns what an index holds.
func entries(t testing.TB, index *checksums.Index) []checksums.Entry {
	t.Helper()
	var all []checksums.Entry
	for e, err := range index.Entries() {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

// differences compares entry by entry, with and without what may be lacking; order and format follow from the index.
func differences(result *Result, got []checksums.Entry, times func(a, b checksums.Entry) bool) []string {
	var want []checksums.Entry
	for e, err := range result.Index.Entries() {
		if err != nil {
			return []string{err.Error()}
		}
		want = append(want, e)
	}
	var found []string
	byPath := map[string]checksums.Entry{}
	for _, e := range got {
		if _, twice := byPath[e.Path]; twice {
			found = append(found, e.Path+" is there twice")
		}
		byPath[e.Path] = e
	}
	for _, w := range want {
		g, ok := byPath[w.Path]
		delete(byPath, w.Path)
		if !ok && result.MayLack(w.Path) {
			continue
		}
		if !ok {
			found = append(found, w.Path+" is missing in the image")
			continue
		}
		if !times(w, g) {
			found = append(found, fmt.Sprintf("%s: time %v, image has %v", w.Path, w.ModTime, g.ModTime))
		}
		a, b := describe(w), describe(g)
		if a != b {
			found = append(found, fmt.Sprintf("%s: %s, image has %s", w.Path, a, b))
		}
	}
	for name := range byPath {
		found = append(found, name+" is only in the image")
	}
	slices.Sort(found)
	return found
}

func describe(e checksums.Entry) string {
	return fmt.Sprintf("%c %o %d:%d %d %q %d:%d %q %x", e.Type, e.Mode, e.UID, e.GID, e.Size, e.Link,
		e.Devmajor, e.Devminor, e.Xattrs, e.Digest[:6])
}
