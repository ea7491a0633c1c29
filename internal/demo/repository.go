package demo

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// epoch is when everything of the demo happened; commits follow a minute apart.
var epoch = time.Date(2024, 9, 6, 12, 5, 36, 0, time.UTC)

// repository is a git repository that is made file by file.
type repository struct {
	dir     string
	git     *git.Repository
	commits int
}

func newRepository(dir string) (*repository, error) {
	r, err := git.PlainInit(dir, false)
	if err != nil {
		return nil, fmt.Errorf("repository %s: %w", dir, err)
	}
	return &repository{dir: dir, git: r}, nil
}

// commit writes the files over those that are there and commits them; the id
// depends on nothing but what is given.
func (r *repository) commit(message string, files map[string][]byte) (string, error) {
	tree, err := r.git.Worktree()
	if err != nil {
		return "", err
	}
	for name, data := range files {
		path := filepath.Join(r.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return "", err
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			return "", err
		}
		if _, err := tree.Add(name); err != nil {
			return "", fmt.Errorf("add %s: %w", name, err)
		}
	}
	who := &object.Signature{Name: "The Demo", Email: "demo@verify.invalid", When: epoch.Add(time.Duration(r.commits) * time.Minute)}
	r.commits++
	id, err := tree.Commit(message, &git.CommitOptions{Author: who, Committer: who})
	return id.String(), err
}

// replaceObject puts other content under the object name of a blob, as somebody
// with write access to the repository's files could.
func replaceObject(dir string, blob, other []byte) error {
	id := plumbing.ComputeHash(plumbing.BlobObject, blob).String()
	path := filepath.Join(dir, ".git", "objects", id[:2], id[2:])
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("object to replace: %w", err)
	}
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	fmt.Fprintf(w, "blob %d\x00", len(other))
	w.Write(other)
	if err := w.Close(); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil {
		return err
	}
	return os.WriteFile(path, out.Bytes(), 0o444)
}
