package verify

import (
	"archive/tar"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing/object"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const worldSource = "https://git.test/app.git"

// world is a source repository and a library over it, made commit by commit, a
// day apart.
type world struct {
	t           *testing.T
	source, lib string
	clock       time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{t: t, source: filepath.Join(dir, "source"), lib: filepath.Join(dir, "lib"), clock: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)}
	for _, d := range []string{w.source, w.lib} {
		if _, err := git.PlainInit(d, false); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// release commits the files as the directory d of the source, and a library
// entry for the tag 1 that names the commit.
func (w *world) release(files map[string]string) string {
	w.t.Helper()
	in := map[string]string{}
	for name, text := range files {
		in["d/"+name] = text
	}
	id := w.commit(w.source, in)
	w.entry("GitCommit: " + id)
	return id
}

// entry commits a library entry for the tag 1 with the fields given.
func (w *world) entry(fields string) {
	w.t.Helper()
	w.commit(w.lib, map[string]string{"library/app": fmt.Sprintf(
		"Maintainers: T <t@test> (@t)\nGitRepo: %s\n\nTags: 1\nArchitectures: amd64\nDirectory: d\n%s\n", worldSource, fields)})
}

func (w *world) commit(dir string, files map[string]string) string {
	w.t.Helper()
	repo, err := git.PlainOpen(dir)
	if err != nil {
		w.t.Fatal(err)
	}
	tree, err := repo.Worktree()
	if err != nil {
		w.t.Fatal(err)
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			w.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			w.t.Fatal(err)
		}
		if _, err := tree.Add(name); err != nil {
			w.t.Fatal(err)
		}
	}
	w.clock = w.clock.AddDate(0, 0, 1)
	who := &object.Signature{Name: "t", Email: "t@test", When: w.clock}
	id, err := tree.Commit("commit", &git.CommitOptions{Author: who, Committer: who, AllowEmptyCommits: true})
	if err != nil {
		w.t.Fatal(err)
	}
	return id.String()
}

func (w *world) options() Options {
	return Options{Platform: "linux/amd64", As: "app:1", Offline: true, Library: w.lib, GitMirrors: map[string]string{worldSource: w.source}}
}

// step is one entry of an image's history, with the layer it left; nil for
// none.
type step struct {
	text  string
	layer []entry
}

// image makes a specimen of BuildKit's form, created just after the last
// commit.
func (w *world) image(steps ...step) *specimen {
	w.t.Helper()
	s := &specimen{t: w.t, blobs: map[v1.Hash][]byte{}}
	s.descriptor = v1.Descriptor{MediaType: types.OCIManifestSchema1, Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}
	s.manifest = v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Config: v1.Descriptor{MediaType: types.OCIConfigJSON}}
	s.config = v1.ConfigFile{OS: "linux", Architecture: "amd64", Created: v1.Time{Time: w.clock.Add(time.Hour)}, RootFS: v1.RootFS{Type: "layers"}}
	for _, st := range steps {
		for name, field := range map[string]*[]string{"CMD ": &s.config.Config.Cmd, "ENTRYPOINT ": &s.config.Config.Entrypoint} {
			if words, ok := strings.CutPrefix(st.text, name); ok {
				if err := json.Unmarshal([]byte(words), field); err != nil {
					w.t.Fatal(err)
				}
			}
		}
		s.config.History = append(s.config.History, v1.History{CreatedBy: st.text, Comment: "buildkit.dockerfile.v0", EmptyLayer: st.layer == nil})
		if st.layer != nil {
			s.layers = append(s.layers, repack(w.t, st.layer))
			s.manifest.Layers = append(s.manifest.Layers, v1.Descriptor{MediaType: types.OCILayer})
		}
	}
	s.seal()
	return s
}

// file is a regular file as COPY leaves it.
func file(name, data string) entry {
	return entry{tar.Header{Name: name, Mode: 0o644, Typeflag: tar.TypeReg}, []byte(data)}
}

func hardLink(name, target string) entry {
	return entry{tar.Header{Name: name, Mode: 0o644, Typeflag: tar.TypeLink, Linkname: target}, nil}
}
