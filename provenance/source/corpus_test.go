package source

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imageverify/verify/internal/corpus"
	"github.com/imageverify/verify/internal/gitserver"
)

// mirror opens a repository of the corpus.
func mirror(t testing.TB, name string) *Repository {
	t.Helper()
	o := NewOpener(Options{})
	t.Cleanup(func() { o.Close() })
	r, err := o.OpenPath(t.Context(), filepath.Join(corpus.Dir(t), "git", name))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func corpusFS(t *testing.T, repo, commit, dir string) *Tree {
	t.Helper()
	c, err := mirror(t, repo).Commit(t.Context(), commit)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := c.FS(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func TestEveryObjectOfRealPacksHasItsName(t *testing.T) {
	packs, err := filepath.Glob(filepath.Join(corpus.Dir(t), "git", "*.git"))
	if err != nil || len(packs) < 9 {
		t.Fatalf("%d mirrors, %v; want all of the corpus", len(packs), err)
	}
	total := 0
	for _, path := range packs {
		if filepath.Base(path) == "official-images.git" {
			continue // 145,012 objects: TestChangesAreThoseOfGit reads most of them
		}
		s, err := openStore(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range s.packs {
			total += readWhole(t, s, p.index.(*packIndex))
		}
		s.close()
	}
	if total < 47_000 {
		t.Errorf("%d objects read, want the corpus's", total)
	}
}

func readWhole(t *testing.T, s *store, x *packIndex) int {
	t.Helper()
	n := 0
	for b := range 256 {
		names, err := x.names(byte(b))
		if err != nil {
			t.Fatal(err)
		}
		for ; len(names) > 0; names = names[idSize:] {
			name := idOf(names[:idSize])
			o, err := s.open(name)
			if err != nil {
				t.Fatal(err)
			}
			body, err := verified(o, name, o.kind)
			if err == nil {
				_, err = io.Copy(io.Discard, body)
			}
			if err != nil {
				t.Errorf("%s in %s: %v", name, s.path, err)
			}
			o.Close()
			n++
		}
	}
	return n
}

func TestTheIndexOfARealPackIsTheOneThatGitMade(t *testing.T) {
	packs, err := filepath.Glob(filepath.Join(corpus.Dir(t), "git", "*", "objects", "pack", "*.pack"))
	if err != nil || len(packs) < 9 {
		t.Fatalf("%d packs, %v", len(packs), err)
	}
	for _, path := range packs {
		if info, err := os.Stat(path); err != nil || info.Size() > 10<<20 {
			continue
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(strings.TrimSuffix(path, "pack") + "idx")
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		sum, err := indexPack(t.Context(), f, &got)
		f.Close()
		if err != nil || !bytes.Equal(got.Bytes(), want) || "pack-"+sum+".pack" != filepath.Base(path) {
			t.Errorf("%s: %s, %v, equal %v", path, sum, err, bytes.Equal(got.Bytes(), want))
		}
	}
}

func TestTheTarballsOfALooseShallowMirrorAreTheDistributors(t *testing.T) {
	root := corpusFS(t, "alpinelinux+docker-alpine.git", "7d63673353bd39d92ba42f6effcc199aeebd45ee", ".")
	list, err := root.ReadFile("checksums.sha512")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	err = fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, ".tar.gz") {
			return err
		}
		f, err := root.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		h := sha512.New()
		if _, err := io.Copy(h, f); err != nil {
			return err
		}
		if sum := fmt.Sprintf("%x", h.Sum(nil)); !strings.Contains(string(list), sum) {
			t.Errorf("%s: %s is not in checksums.sha512", name, sum)
		}
		n++
		return nil
	})
	if n != 8 || err != nil {
		t.Errorf("%d tarballs, %v; want 8", n, err)
	}
}

func TestAFileThatAMirrorLacksIsAbsent(t *testing.T) {
	tree := corpusFS(t, "tianon+docker-brew-ubuntu-core.git", "570d5970a8b18bc772ad2c3eb1ce8fd0887d991a", "xenial")
	if data, err := tree.ReadFile("SHA256SUMS"); err != nil || len(data) == 0 {
		t.Errorf("SHA256SUMS: %d bytes, %v", len(data), err)
	}
	entries, err := tree.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".tar.gz") {
			continue
		}
		if _, err := tree.ReadFile(e.Name()); !errors.Is(err, ErrObjectAbsent) {
			t.Errorf("%s: %v; want ErrObjectAbsent", e.Name(), err)
		}
		return
	}
	t.Error("the folder names no tarball")
}

func TestLayoutsInGitAreReadThroughTheirLinks(t *testing.T) {
	tree := corpusFS(t, "docker-library+busybox.git", "0436ae6a521e9e1bf3a524b0c3062a68d2af96e0", "latest/glibc/arm64v8")
	links := 0
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.Type() != fs.ModeSymlink || !strings.HasPrefix(name, "blobs/sha256/") {
			return err
		}
		data, err := tree.ReadFile(name)
		if err != nil {
			return err
		}
		if sum := fmt.Sprintf("%x", sha256.Sum256(data)); !strings.HasSuffix(name, sum) {
			t.Errorf("%s leads to %s", name, sum)
		}
		links++
		return nil
	})
	if err != nil || links != 3 {
		t.Errorf("%d linked blobs, %v; want 3", links, err)
	}
}

func TestReachableInRealRepositories(t *testing.T) {
	for name, commit := range map[string]string{
		"alpinelinux+docker-alpine.git":  "cb8d8712f672bfa9a8b9a1f64b2c12f369f1cc68",
		"docker-library+hello-world.git": "3332fbee4210b41738d83f6cfdc301a42b96e30d",
		"nginxinc+docker-nginx.git":      "b430becb8f0f6b8d69e68cc73a82ea2873c38639",
	} {
		got, err := mirror(t, name).Reachable(t.Context(), commit)
		if !got || err != nil {
			t.Errorf("%s: %v, %v; want true", commit, got, err)
		}
	}
}

func TestChangesAreThoseOfGit(t *testing.T) {
	repo := mirror(t, "official-images.git")
	head, err := repo.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := gitChanges(t, repo.Location(), head)
	n := 0
	err = repo.Changes(t.Context(), head, "library", func(c Change) error {
		row := fmt.Sprintf("%s %d library/%s %s", c.Commit, c.Time.Unix(), c.Name, c.Blob)
		if !want[row] {
			return fmt.Errorf("git does not have the change %s", row)
		}
		delete(want, row)
		n++
		return nil
	})
	if err != nil || len(want) != 0 || n < 20_000 {
		t.Errorf("%d changes, %v; git has %d more", n, err, len(want))
	}
}

func gitChanges(t *testing.T, path, head string) map[string]bool {
	t.Helper()
	out := gitserver.Git(t, path, "log", "--first-parent", "-m", "--raw", "--no-renames", "--no-abbrev", "--root", "--format=%H %ct", head, "--", "library")
	rows := map[string]bool{}
	at := ""
	for _, line := range strings.Split(out, "\n") {
		switch {
		case line == "":
		case line[0] != ':':
			at = line
		default:
			fields := strings.Fields(line) // :MODE MODE OLD NEW STATUS PATH
			blob := fields[3]
			if strings.Trim(blob, "0") == "" {
				blob = ""
			}
			rows[fmt.Sprintf("%s %s %s", at, fields[5], blob)] = true
		}
	}
	return rows
}

func BenchmarkChanges(b *testing.B) {
	for b.Loop() {
		repo := mirror(b, "official-images.git")
		head, err := repo.Head(context.Background())
		if err != nil {
			b.Fatal(err)
		}
		if err := repo.Changes(context.Background(), head, "library", func(Change) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
