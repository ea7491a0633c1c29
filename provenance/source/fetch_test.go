package source

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/imageverify/verify/internal/gitserver"
)

// noise is text that does not compress.
func noise(seed string, size int) string {
	var b strings.Builder
	for i := 0; b.Len() < size; i++ {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", seed, i))
		b.Write(sum[:])
	}
	return b.String()[:size]
}

// objectsHere are the objects that were fetched, as "TYPE ID".
func objectsHere(t *testing.T, r *Repository) []string {
	t.Helper()
	out := gitserver.Git(t, r.store.path, "--git-dir=.", "cat-file", "--batch-all-objects", "--batch-check=%(objecttype) %(objectname)")
	return strings.Fields(strings.ReplaceAll(out, " ", ":"))
}

func treesOnTheWay(t *testing.T, s *server, commit, dir string) []string {
	t.Helper()
	out := []string{"commit:" + commit, "tree:" + s.repo.Git("rev-parse", commit+"^{tree}")}
	for at := dir; at != "."; at = path.Dir(at) {
		out = append(out, "tree:"+s.repo.Git("rev-parse", commit+":"+at))
	}
	return out
}

func TestOfManyTarballsOnlyTheOneThatIsNamedIsFetched(t *testing.T) {
	const size = 256 << 10
	files := map[string]string{"README": "read me"}
	for i := range 40 {
		dir := fmt.Sprintf("dist/%02d", i)
		files[dir+"/Dockerfile"] = fmt.Sprintf("FROM scratch\nADD rootfs-%d.tar.xz /\n", i)
		files[fmt.Sprintf("%s/rootfs-%d.tar.xz", dir, i)] = noise(dir, size)
	}
	s := newServer(t)
	s.commit(map[string]string{"old": noise("old", 1<<20)})
	want := s.commit(files)
	repo := s.open(t, s.opener(t, ""))
	c, err := repo.Commit(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := c.FS(t.Context(), "dist/07")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tree.ReadFile("Dockerfile"); err != nil {
		t.Fatal(err)
	}
	if n := s.sent(); n > 16<<10 {
		t.Errorf("%d bytes were sent for a Dockerfile", n)
	}
	if err := tree.Fetch("rootfs-7.tar.xz"); err != nil {
		t.Fatal(err)
	}
	if n := s.sent(); n < size || n > size+16<<10 {
		t.Errorf("%d bytes were sent for a Dockerfile and a file of %d", n, size)
	}
	var blobs []string
	for _, o := range objectsHere(t, repo) {
		if strings.HasPrefix(o, "blob:") {
			blobs = append(blobs, o)
		}
	}
	named := []string{"blob:" + s.repo.Git("rev-parse", want+":dist/07/Dockerfile"), "blob:" + s.repo.Git("rev-parse", want+":dist/07/rootfs-7.tar.xz")}
	if slices.Sort(named); !slices.Equal(blobs, named) {
		t.Errorf("the files here are %v, want %v", blobs, named)
	}
}

func TestOfManyTreesOnlyThoseOnTheWayAreFetched(t *testing.T) {
	s := newServer(t)
	files := map[string]string{"a/b/Dockerfile": "FROM scratch\n", "a/b/c/file": "below"}
	for i := range 300 {
		dir := fmt.Sprintf("wide/%x", sha256.Sum256([]byte{byte(i), byte(i >> 8)}))
		for j := range 12 {
			files[fmt.Sprintf("%s/%x", dir, sha256.Sum256([]byte{byte(i), byte(i >> 8), byte(j)}))] = noise(dir, 40+j)
		}
	}
	s.commit(files)
	wide := s.commit(nil)
	o := s.opener(t, "")
	o.bounds.trees = 64 << 10
	repo := s.open(t, o)
	c, err := repo.Commit(t.Context(), wide)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := c.FS(t.Context(), "a/b")
	if err != nil {
		t.Fatal(err)
	}
	if err := tree.Fetch("Dockerfile"); err != nil {
		t.Fatal(err)
	}
	want := append(treesOnTheWay(t, s, wide, "a/b"), "blob:"+s.repo.Git("rev-parse", wide+":a/b/Dockerfile"))
	got := objectsHere(t, repo)
	slices.Sort(want)
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("here are %v\nwant %v", got, want)
	}
	if data, err := fs.ReadFile(tree, "c/file"); string(data) != "below" || err != nil {
		t.Errorf("a file below: %q, %v", data, err)
	}
}

func TestAFileOverTheBoundIsNotFetched(t *testing.T) {
	s := newServer(t)
	want := s.commit(map[string]string{"big": noise("big", 300<<10), "small": noise("small", 100<<10)})
	for name, fits := range map[string]bool{"small": true, "big": false} {
		o := s.opener(t, t.TempDir())
		o.bounds.fetch = 200 << 10
		c, err := s.open(t, o).Commit(t.Context(), want)
		if err != nil {
			t.Fatal(err)
		}
		tree, err := c.FS(t.Context(), ".")
		if err != nil {
			t.Fatal(err)
		}
		_, err = tree.ReadFile(name)
		before := s.count()
		if _, again := tree.ReadFile(name); !fits && (!isLimit(again, 200<<10) || s.count() != before) {
			t.Errorf("%s, the second time: %v, %d requests", name, again, s.count()-before)
		}
		if fits && err != nil || !fits && !isLimit(err, 200<<10) {
			t.Errorf("%s: %v; want it to fit: %v", name, err, fits)
		}
		left, err := filepath.Glob(filepath.Join(tree.repo.store.path, "objects/pack/tmp_*"))
		if err != nil || len(left) != 0 {
			t.Errorf("%s: these are left: %v, %v", name, left, err)
		}
	}
}

func TestAServerThatGivesNoObjectByItsIDGivesItsOwnCommits(t *testing.T) {
	s := newServer(t, "http.receivepack")
	old := s.commit(sampleFiles)
	s.commit(map[string]string{"newer": "x"})
	repo := s.open(t, s.opener(t, ""))
	fork := s.repo.Fork(old, map[string]string{"x": "evil"})
	s.repo.Git("update-ref", "-d", "refs/pull/1/head")
	if _, err := repo.Commit(t.Context(), fork); !errors.Is(err, ErrObjectAbsent) || errors.Is(err, ErrUnreachable) {
		t.Errorf("a fork's commit: %v; want ErrObjectAbsent", err)
	}
	c, err := repo.Commit(t.Context(), old)
	if err != nil {
		t.Fatal(err)
	}
	if tree, err := c.FS(t.Context(), "."); err != nil {
		t.Error(err)
	} else if data, err := tree.ReadFile("README"); string(data) != "read me" || err != nil {
		t.Errorf("a file of an older commit: %q, %v", data, err)
	}
}

func TestReferencesOverTheBoundAreNotRead(t *testing.T) {
	s := newServer(t)
	want := s.commit(nil)
	for i := range 100 {
		s.repo.Git("update-ref", fmt.Sprintf("refs/heads/branch-%d", i), want)
	}
	o := s.opener(t, "")
	o.bounds.advertisement = 4 << 10
	if _, err := s.open(t, o).Commit(t.Context(), want); !isLimit(err, 4<<10) {
		t.Errorf("%v; want a LimitError", err)
	}
}

func TestWhetherACommitIsReachableTakesFewBytes(t *testing.T) {
	s := newServer(t)
	s.commit(map[string]string{"big": noise("first", 1<<20)})
	old := s.commit(map[string]string{"d/Dockerfile": "FROM scratch\n"})
	for i := range 20 {
		s.commit(map[string]string{"big": noise(fmt.Sprint(i), 256<<10)})
	}
	side := s.repo.Fork(old, map[string]string{"big": noise("side", 256<<10)})
	s.repo.Git("tag", "-a", "-m", "a tag", "v1", side)
	repo := s.open(t, s.opener(t, ""))
	for _, commit := range []string{old, side} {
		if _, err := repo.Commit(t.Context(), commit); err != nil {
			t.Fatal(err)
		}
		if on, err := repo.Reachable(t.Context(), commit); !on || err != nil {
			t.Errorf("%s: %v, %v; want it to be reachable", commit, on, err)
		}
	}
	if n := s.sent(); n > 32<<10 {
		t.Errorf("%d bytes were sent; want commits and trees alone", n)
	}
	o := s.opener(t, "")
	o.bounds.history = 1 << 10
	repo = s.open(t, o)
	if _, err := repo.Commit(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	if _, err := repo.Reachable(t.Context(), old); !isLimit(err, 1<<10) {
		t.Errorf("more history than the bound: %v; want a LimitError", err)
	}
}

func TestWhatAKilledFetchLeftIsRemoved(t *testing.T) {
	s := newServer(t)
	want := s.commit(nil)
	cache := t.TempDir()
	dir := filepath.Join(s.open(t, s.opener(t, cache)).store.path, "objects/pack")
	old, fresh := filepath.Join(dir, "tmp_pack_1"), filepath.Join(dir, "tmp_pack_2")
	for _, name := range []string{old, fresh} {
		if err := os.WriteFile(name, []byte("half a pack"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(old, time.Time{}, time.Now().Add(-staleAfter-time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.open(t, s.opener(t, cache)).Commit(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(old); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the old one: %v; want it gone", err)
	}
	if _, err := os.Stat(fresh); err != nil {
		t.Errorf("one that may still be written: %v", err)
	}
}

func TestSymbolicLinksAreFetchedWithWhatTheyLeadTo(t *testing.T) {
	s := newServer(t)
	s.commit(map[string]string{"layout/data": "the data", "layout/blobs/x": ""})
	s.repo.Git("rm", "-q", "layout/blobs/x")
	link := strings.TrimSpace(gitserver.Git(t, s.repo.Dir, "hash-object", "-w", "-t", "blob", "--path=x", writeTemp(t, "../data")))
	s.repo.Git("update-index", "--add", "--cacheinfo", "120000,"+link+",layout/blobs/x")
	s.repo.Git("commit", "-q", "-m", "link")
	c, err := s.open(t, s.opener(t, "")).Commit(t.Context(), s.repo.Git("rev-parse", "HEAD"))
	if err != nil {
		t.Fatal(err)
	}
	tree, err := c.FS(t.Context(), "layout")
	if err != nil {
		t.Fatal(err)
	}
	before := s.count()
	if err := tree.Fetch("blobs/x", "data"); err != nil {
		t.Fatal(err)
	}
	if n := s.count() - before; n != 1 {
		t.Errorf("%d requests, want one: what the link leads to was asked for with it", n)
	}
	if data, err := tree.ReadFile("blobs/x"); string(data) != "the data" || err != nil || s.count() != before+1 {
		t.Errorf("%q, %v, %d requests", data, err, s.count()-before)
	}
}
