package source

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"
)

// sample is a commit with every kind of entry.
func sample(r *testRepo) id {
	var module id
	copy(module[:], "01234567890123456789")
	script := r.blob("#!/bin/sh\n")
	sub := r.tree(map[string]id{
		"100644 file": r.blob("in sub\n"), "120000 up": r.blob("../data"), "120000 out": r.blob("../../x"),
		"120000 absolute": r.blob("/etc/passwd"), "120000 near": r.blob("./file"),
	})
	return r.commit(r.tree(map[string]id{
		"100644 data": r.blob("data\n"), "100755 run": script, "100664 group": r.blob("g"), "40000 sub": sub,
		"120000 dirlink": r.blob("sub"), "120000 a": r.blob("b"), "120000 b": r.blob("a"),
		"160000 module": module, "100644 empty": r.blob(""), "120000 chain": r.blob("dirlink/up"),
	}), 1725658772)
}

func TestFilesAreReadAtACommit(t *testing.T) {
	r := newTestRepo(t)
	tree := r.fsAt(sample(r))
	for name, want := range map[string]string{
		"data": "data\n", "run": "#!/bin/sh\n", "sub/file": "in sub\n", "empty": "",
		"sub/up": "data\n", "dirlink/file": "in sub\n", "chain": "data\n", "sub/near": "in sub\n", "dirlink/near": "in sub\n",
	} {
		if got, err := tree.ReadFile(name); string(got) != want || err != nil {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
	}
}

func TestPathsThatLeadNowhereSaySo(t *testing.T) {
	r := newTestRepo(t)
	tree := r.fsAt(sample(r))
	for name, want := range map[string]error{
		"sub/out": ErrOutsideTree, "sub/absolute": ErrOutsideTree, "dirlink/out": ErrOutsideTree,
		"module/file": ErrSubmodule, "nothing": fs.ErrNotExist, "data/x": errNotDirectory,
		"../data": fs.ErrInvalid, "/data": fs.ErrInvalid, "sub//file": fs.ErrInvalid, "a": errManyLinks,
	} {
		_, err := tree.Open(name)
		var path *fs.PathError
		if !errors.Is(err, want) || !errors.As(err, &path) || path.Path != name {
			t.Errorf("%s: %v; want %v", name, err, want)
		}
	}
	if _, err := fs.ReadDir(tree, "module"); !errors.Is(err, ErrSubmodule) {
		t.Errorf("a submodule was listed: %v", err)
	}
	if _, err := tree.ReadFile("sub"); !errors.Is(err, errIsDirectory) {
		t.Errorf("a directory was read: %v", err)
	}
}

func TestModesAreThoseOfGit(t *testing.T) {
	r := newTestRepo(t)
	tree := r.fsAt(sample(r))
	for name, want := range map[string]fs.FileMode{
		"data": 0o644, "run": 0o755, "group": 0o644, "sub": fs.ModeDir | 0o755, "dirlink": fs.ModeSymlink | 0o777,
		"module": fs.ModeDir | 0o755, "sub/up": fs.ModeSymlink | 0o777,
	} {
		info, err := tree.Lstat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want || !info.ModTime().IsZero() {
			t.Errorf("%s: mode %v, time %v; want %v and none", name, info.Mode(), info.ModTime(), want)
		}
	}
	if info, err := tree.Stat("chain"); err != nil || info.Mode() != 0o644 || info.Size() != 5 {
		t.Errorf("chain leads to %v, %v; want a file of 5 bytes", info, err)
	}
	if target, err := tree.ReadLink("sub/absolute"); target != "/etc/passwd" || err != nil {
		t.Errorf("ReadLink: %q, %v; want the raw target", target, err)
	}
	if _, err := tree.ReadLink("data"); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("ReadLink of a file: %v", err)
	}
}

func TestTheFileSystemKeepsTheRulesOfFS(t *testing.T) {
	r := newTestRepo(t)
	c := r.commit(r.tree(map[string]id{
		"100644 data": r.blob("data\n"), "100755 run": r.blob("x"), "120000 link": r.blob("data"),
		"40000 sub": r.tree(map[string]id{"100644 file": r.blob("in sub\n")}),
	}), 1)
	if err := fstest.TestFS(r.fsAt(c), "data", "run", "sub/file", "link"); err != nil {
		t.Error(err)
	}
}

func TestAFolderOfTheCommitIsAFileSystemThatMayReachTheRest(t *testing.T) {
	r := newTestRepo(t)
	c, err := r.open().Commit(t.Context(), sample(r).String())
	if err != nil {
		t.Fatal(err)
	}
	if want := time.Date(2024, 9, 6, 21, 39, 32, 0, time.UTC); !c.Time.Equal(want) {
		t.Errorf("committer time %v, want %v", c.Time, want)
	}
	for _, dir := range []string{"sub", "sub/", "./sub", "/sub/", "dirlink"} {
		tree, err := c.FS(t.Context(), dir)
		if err != nil {
			t.Fatalf("%s: %v", dir, err)
		}
		if got, err := tree.ReadFile("up"); string(got) != "data\n" || err != nil {
			t.Errorf("%s: up: %q, %v", dir, got, err)
		}
		if got, err := tree.Root().ReadFile("data"); string(got) != "data\n" || err != nil {
			t.Errorf("%s: root's data: %q, %v", dir, got, err)
		}
		entries, err := tree.ReadDir(".")
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		if want := []string{"absolute", "file", "near", "out", "up"}; !slices.Equal(names, want) || err != nil {
			t.Errorf("%s holds %v, %v; want %v", dir, names, err, want)
		}
		if got, _ := tree.ObjectID("file"); got != nameOf(kindBlob, "in sub\n").String() {
			t.Errorf("%s: id of file is %s", dir, got)
		}
	}
	for dir, want := range map[string]error{"data": errNotDirectory, "no": fs.ErrNotExist, "../x": fs.ErrInvalid, "module": errNotDirectory} {
		if _, err := c.FS(t.Context(), dir); !errors.Is(err, want) {
			t.Errorf("FS(%q): %v; want %v", dir, err, want)
		}
	}
}

func TestTreesMayBeSixtyFourDeep(t *testing.T) {
	r := newTestRepo(t)
	deep := func(n int) *Tree {
		at := r.blob("x")
		head := "100644 d"
		for range n {
			at, head = r.tree(map[string]id{head: at}), "40000 d"
		}
		return r.fsAt(r.commit(at, 1))
	}
	path := func(n int) string { return strings.TrimSuffix(strings.Repeat("d/", n), "/") }
	if _, err := deep(maxTreeDepth).ReadFile(path(maxTreeDepth)); err != nil {
		t.Errorf("depth %d: %v", maxTreeDepth, err)
	}
	var limit *LimitError
	if _, err := deep(maxTreeDepth + 1).ReadFile(path(maxTreeDepth + 1)); !errors.As(err, &limit) || limit.Limit != maxTreeDepth {
		t.Errorf("depth %d: %v; want a LimitError", maxTreeDepth+1, err)
	}
}

func TestALinkTargetMayHaveFourKiB(t *testing.T) {
	r := newTestRepo(t)
	long := strings.Repeat("./", (maxLinkBytes-1)/2) + "xx"[:maxLinkBytes-(maxLinkBytes-1)/2*2]
	tree := r.fsAt(r.commit(r.tree(map[string]id{
		"100644 xx": r.blob("found"), "120000 fits": r.blob(long), "120000 over": r.blob(long + "x"),
	}), 1))
	if got, err := tree.ReadFile("fits"); string(got) != "found" || err != nil {
		t.Errorf("a target of %d bytes: %q, %v", len(long), got, err)
	}
	var limit *LimitError
	if _, err := tree.ReadFile("over"); !errors.As(err, &limit) {
		t.Errorf("a target of %d bytes: %v; want a LimitError", len(long)+1, err)
	}
}

func TestTreesWithNamesThatNoFileHasAreRefused(t *testing.T) {
	r := newTestRepo(t)
	file := r.blob("x")
	for _, name := range []string{"..", ".", ".git", ".GIT", "", "a/b", "../../etc/passwd"} {
		tree := r.fsAt(r.commit(r.put(kindTree, "100644 "+name+"\x00"+string(file[:idSize])), 1))
		if _, err := tree.ReadDir("."); !errors.Is(err, ErrMalformed) {
			t.Errorf("name %q: %v; want ErrMalformed", name, err)
		}
	}
	twice := "100644 a\x00" + string(file[:idSize])
	tree := r.fsAt(r.commit(r.put(kindTree, twice+"40000 a\x00"+string(file[:idSize])), 1))
	if _, err := tree.ReadFile("a"); !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), "twice") {
		t.Errorf("a name that stands twice: %v", err)
	}
}

func TestManyReadersMayShareARepository(t *testing.T) {
	r := newTestRepo(t)
	files := map[string]id{}
	var items []packItem
	for i := range 50 {
		text := strings.Repeat(fmt.Sprintf("file %d ", i), 100*i)
		files[fmt.Sprintf("100644 f%02d", i)] = nameOf(kindBlob, text)
		items = append(items, packItem{kind: kindBlob, data: text})
	}
	r.addPack(items)
	tree := r.fsAt(r.commit(r.tree(files), 1))
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for i := range 50 {
				want := strings.Repeat(fmt.Sprintf("file %d ", i), 100*i)
				if got, err := tree.ReadFile(fmt.Sprintf("f%02d", i)); string(got) != want || err != nil {
					t.Errorf("f%02d: %d bytes, %v", i, len(got), err)
				}
			}
		})
	}
	group.Wait()
}
