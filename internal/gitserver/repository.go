package gitserver

import (
	"os"
	"path/filepath"
	"testing"
)

// Repository is a repository on a Server, with a work tree.
type Repository struct {
	// Dir is the work tree, URL where it is served.
	Dir, URL string
	t        testing.TB
}

// Repository makes an empty repository at URL/NAME, whose branch is main.
// format is sha1 or sha256.
func (s *Server) Repository(t testing.TB, name, format string) *Repository {
	t.Helper()
	dir := filepath.Join(s.Root, filepath.FromSlash(name))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	Git(t, dir, "init", "-q", "-b", "main", "--object-format="+format, ".")
	return &Repository{Dir: dir, URL: s.URL + "/" + name + "/.git", t: t}
}

// At is a repository with a work tree that is already there.
func At(t testing.TB, dir string) *Repository { return &Repository{Dir: dir, t: t} }

// Mirror serves a repository of this machine as it is at URL/NAME.
func (s *Server) Mirror(t testing.TB, name, path string) (url string) {
	t.Helper()
	at := filepath.Join(s.Root, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path, at); err != nil {
		t.Fatal(err)
	}
	return s.URL + "/" + name
}

// Commit writes files over those that are there, commits them and returns the
// commit's id.
func (r *Repository) Commit(files map[string]string) string {
	r.t.Helper()
	for name, text := range files {
		full := filepath.Join(r.Dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			r.t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
			r.t.Fatal(err)
		}
	}
	r.Git("add", "-A")
	r.Git("commit", "-q", "--allow-empty", "-m", "x")
	return r.Git("rev-parse", "HEAD")
}

// Fork makes a commit on top of another that no branch or tag holds, as a fork's
// are on the big hosts, and returns its id.
func (r *Repository) Fork(from string, files map[string]string) string {
	r.t.Helper()
	branch := r.Git("symbolic-ref", "--short", "HEAD")
	r.Git("checkout", "-q", "-f", "--detach", from)
	id := r.Commit(files)
	r.Git("update-ref", "refs/pull/1/head", id)
	r.Git("checkout", "-q", "-f", branch)
	return id
}

// Git runs the git program in the repository.
func (r *Repository) Git(args ...string) string {
	r.t.Helper()
	return Git(r.t, r.Dir, args...)
}
