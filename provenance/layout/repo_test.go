package layout

import (
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/provenance/source"
)

// repo is a bare repository that a test writes.
type repo struct {
	t   testing.TB
	dir string
	git *git.Repository
}

func newRepo(t testing.TB) *repo {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "repo.git")
	g, err := git.PlainInit(dir, true)
	if err != nil {
		t.Fatal(err)
	}
	return &repo{t, dir, g}
}

type encoder interface {
	Encode(plumbing.EncodedObject) error
}

func (r *repo) object(e encoder) plumbing.Hash {
	r.t.Helper()
	o := r.git.Storer.NewEncodedObject()
	if err := e.Encode(o); err != nil {
		r.t.Fatal(err)
	}
	return r.store(o)
}

func (r *repo) store(o plumbing.EncodedObject) plumbing.Hash {
	r.t.Helper()
	id, err := r.git.Storer.SetEncodedObject(o)
	if err != nil {
		r.t.Fatal(err)
	}
	return id
}

func (r *repo) blob(text string) plumbing.Hash {
	r.t.Helper()
	o := &plumbing.MemoryObject{}
	o.SetType(plumbing.BlobObject)
	o.Write([]byte(text))
	return r.store(o)
}

// link marks a file's text as the target of a symbolic link, submodule as the
// commit of one.
const (
	link      = "link to "
	submodule = "submodule at "
)

// tree writes a folder; the keys are paths.
func (r *repo) tree(files map[string]string) plumbing.Hash {
	r.t.Helper()
	var tree object.Tree
	folders := map[string]map[string]string{}
	for name, text := range files {
		if first, rest, ok := strings.Cut(name, "/"); ok {
			if folders[first] == nil {
				folders[first] = map[string]string{}
			}
			folders[first][rest] = text
			continue
		}
		e := object.TreeEntry{Name: name, Mode: filemode.Regular}
		if target, ok := strings.CutPrefix(text, link); ok {
			e.Mode, text = filemode.Symlink, target
		}
		e.Hash = r.blob(text)
		if commit, ok := strings.CutPrefix(text, submodule); ok {
			e.Mode, e.Hash = filemode.Submodule, plumbing.NewHash(commit)
		}
		tree.Entries = append(tree.Entries, e)
	}
	for name, inner := range folders {
		tree.Entries = append(tree.Entries, object.TreeEntry{Name: name, Mode: filemode.Dir, Hash: r.tree(inner)})
	}
	sort.Sort(object.TreeEntrySorter(tree.Entries))
	return r.object(&tree)
}

// root commits files and opens the commit's root.
func (r *repo) root(files map[string]string) *source.Tree {
	r.t.Helper()
	by := object.Signature{Name: "A U Thor", Email: "a@example.org", When: time.Unix(1, 0)}
	id := r.object(&object.Commit{Author: by, Committer: by, Message: "x", TreeHash: r.tree(files)})
	opener := source.NewOpener(source.Options{})
	r.t.Cleanup(func() { opener.Close() })
	opened, err := opener.OpenPath(r.t.Context(), r.dir)
	if err != nil {
		r.t.Fatal(err)
	}
	commit, err := opened.Commit(r.t.Context(), id.String())
	if err != nil {
		r.t.Fatal(err)
	}
	tree, err := commit.FS(r.t.Context(), ".")
	if err != nil {
		r.t.Fatal(err)
	}
	return tree
}

// loose is the file of an object.
func (r *repo) loose(id string) string {
	return filepath.Join(r.dir, "objects", id[:2], id[2:])
}

// blobID is the id that git gives a blob.
func blobID(text string) string {
	return plumbing.ComputeHash(plumbing.BlobObject, []byte(text)).String()
}

func hashOf(text string) v1.Hash {
	sum := sha256.Sum256([]byte(text))
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}
}
