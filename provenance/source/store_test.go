package source

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func TestWhatIsNoRepositoryIsRefused(t *testing.T) {
	o := NewOpener(Options{})
	empty := t.TempDir()
	for _, path := range []string{empty, filepath.Join(empty, "missing"), os.DevNull} {
		if _, err := o.OpenPath(t.Context(), path); !errors.Is(err, ErrNotRepository) {
			t.Errorf("%s: %v; want ErrNotRepository", path, err)
		}
	}
}

func TestRepositoriesOfUnknownNamesAreRefused(t *testing.T) {
	r := newTestRepo(t)
	r.file("config", "[core]\n\trepositoryformatversion = 1\n[extensions]\n\tobjectFormat = sha512\n")
	if _, err := NewOpener(Options{}).OpenPath(t.Context(), r.dir); !errors.Is(err, ErrObjectFormat) {
		t.Errorf("%v; want ErrObjectFormat", err)
	}
	r.file("config", "[core]\n\trepositoryformatversion = 1\n[extensions]\n\tobjectFormat = sha1\n")
	if _, err := NewOpener(Options{}).OpenPath(t.Context(), r.dir); err != nil {
		t.Errorf("object format sha1: %v", err)
	}
}

func TestAWorkTreeIsReadThroughItsGitFolder(t *testing.T) {
	r := newTestRepo(t)
	c := sample(r)
	work := t.TempDir()
	if err := os.Rename(r.dir, filepath.Join(work, ".git")); err != nil {
		t.Fatal(err)
	}
	r.dir = work
	if got, err := r.fsAt(c).ReadFile("data"); string(got) != "data\n" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestObjectsAreBorrowedFromAlternates(t *testing.T) {
	lender, r := newTestRepo(t), newTestRepo(t)
	c := sample(lender)
	relative, err := filepath.Rel(filepath.Join(r.dir, "objects"), filepath.Join(lender.dir, "objects"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{filepath.Join(lender.dir, "objects"), relative} {
		r.file("objects/info/alternates", "# comment\n/nowhere/objects\n"+line+"\n")
		if got, err := r.fsAt(c).ReadFile("data"); string(got) != "data\n" || err != nil {
			t.Errorf("alternate %s: %q, %v", line, got, err)
		}
	}
}

func TestAlternatesInACircleEnd(t *testing.T) {
	r := newTestRepo(t)
	r.file("objects/info/alternates", "../objects\n")
	var limit *LimitError
	if _, err := NewOpener(Options{}).OpenPath(t.Context(), r.dir); !errors.As(err, &limit) || limit.Limit != maxAlternates {
		t.Errorf("%v; want a LimitError", err)
	}
}

func TestPacksThatAreAddedLaterAreFound(t *testing.T) {
	v := newVictim(t)
	repo := v.open()
	late := nameOf(kindBlob, "late")
	if _, err := repo.Blob(t.Context(), late.String(), 10); !errors.Is(err, ErrObjectAbsent) {
		t.Fatalf("before: %v; want ErrObjectAbsent", err)
	}
	v.addPack([]packItem{{kind: kindBlob, data: "late"}})
	if got, err := repo.Blob(t.Context(), late.String(), 4); string(got) != "late" || err != nil {
		t.Errorf("after: %q, %v", got, err)
	}
	var limit *LimitError
	if _, err := repo.Blob(t.Context(), late.String(), 3); !errors.As(err, &limit) {
		t.Errorf("over the caller's limit: %v; want a LimitError", err)
	}
}

func TestReferencesAreResolved(t *testing.T) {
	r := newTestRepo(t)
	c := sample(r)
	for name, write := range map[string]func(){
		"symbolic, loose": func() { r.ref("refs/heads/master", c) },
		"symbolic, packed": func() {
			os.Remove(filepath.Join(r.dir, "refs/heads/master"))
			r.file("packed-refs", "# pack-refs with: peeled\n"+c.String()+" refs/heads/master\n^"+c.String()+"\n")
		},
		"detached": func() { r.ref("HEAD", c) },
	} {
		write()
		if got, err := r.open().Head(t.Context()); got != c.String() || err != nil {
			t.Errorf("%s: %s, %v; want %s", name, got, err, c)
		}
		r.file("HEAD", "ref: refs/heads/master\n")
	}
	for text, want := range map[string]error{
		"ref: HEAD": ErrMalformed, "ref: refs/../../x": ErrMalformed, "ref: refs/heads/none": ErrObjectAbsent, "ref: /etc/passwd": ErrMalformed,
	} {
		r.file("HEAD", text+"\n")
		if got, err := r.open().Head(t.Context()); !errors.Is(err, want) {
			t.Errorf("HEAD %q: %s, %v; want %v", text, got, err, want)
		}
	}
	r.file("refs/heads/loop", "ref: refs/heads/loop\n")
	r.file("HEAD", "ref: refs/heads/loop\n")
	if _, err := r.open().Head(t.Context()); !errors.Is(err, ErrMalformed) {
		t.Errorf("a circle of references: %v; want ErrMalformed", err)
	}
}

// chain writes n commits, each the parent of the next.
func chain(r *testRepo, n int) []id {
	tree := r.tree(nil)
	var out []id
	for i := range n {
		var parents []id
		if i > 0 {
			parents = []id{out[i-1]}
		}
		out = append(out, r.commit(tree, int64(1000+i), parents...))
	}
	return out
}

func TestReachableFollowsBranchesAndTags(t *testing.T) {
	r := newTestRepo(t)
	line := chain(r, 5)
	side := r.commit(r.tree(nil), 5000, line[1])
	merge := r.commit(r.tree(nil), 6000, line[3], side)
	fork := r.commit(r.tree(nil), 7000, line[2])
	tagged := r.commit(r.tree(nil), 8000)
	tag := r.put(kindTag, fmt.Sprintf("object %s\ntype commit\ntag v1\n\nx", tagged))
	outer := r.put(kindTag, fmt.Sprintf("object %s\ntype tag\ntag v2\n\nx", tag))
	onlyPull := r.commit(r.tree(nil), 9000)
	r.ref("refs/heads/master", merge)
	r.ref("refs/tags/v2", outer)
	r.ref("refs/tags/blob", r.blob("a tag may name a file"))
	r.ref("refs/pull/1/head", onlyPull)
	for name, want := range map[id]bool{
		line[0]: true, line[3]: true, side: true, merge: true, tagged: true,
		line[4]: false, fork: false, onlyPull: false, nameOf(kindBlob, "none"): false,
	} {
		if got, err := r.open().Reachable(t.Context(), name.String()); got != want || err != nil {
			t.Errorf("%s: %v, %v; want %v", name, got, err, want)
		}
	}
}

func TestOnlyOwnBranchesAndTagsReachACommit(t *testing.T) {
	for name, want := range map[string]bool{
		"refs/heads/side":            true,
		"refs/heads/origin/pr/1":     true,
		"refs/tags/v1":               true,
		"refs/remotes/fork/master":   false,
		"refs/remotes/origin/master": false,
		"refs/remotes/origin/pr/1":   false,
		"refs/pull/1/head":           false,
		"refs/merge-requests/1/head": false,
		"refs/original/refs/heads/x": false,
		"refs/stash":                 false,
		"refs/Heads/side":            false,
		"refs/headsx/side":           false,
		"refs/notes/commits":         false,
	} {
		for _, packed := range []bool{false, true} {
			r := newTestRepo(t)
			r.ref("refs/heads/master", chain(r, 2)[1])
			fork := r.commit(r.tree(nil), 7000)
			if packed {
				r.file("packed-refs", "# pack-refs with: peeled\n"+fork.String()+" "+name+"\n")
			} else {
				r.ref(name, fork)
			}
			if got, err := r.open().Reachable(t.Context(), fork.String()); got != want || err != nil {
				t.Errorf("%s, packed %v: %v, %v; want %v", name, packed, got, err, want)
			}
		}
	}
}

func TestReachableDoesNotDenyWhatACutHistoryMayHide(t *testing.T) {
	r := newTestRepo(t)
	line := chain(r, 3)
	r.ref("refs/heads/master", line[2])
	r.file("shallow", line[1].String()+"\n")
	if got, err := r.open().Reachable(t.Context(), line[1].String()); !got || err != nil {
		t.Errorf("above the cut: %v, %v; want true", got, err)
	}
	if got, err := r.open().Reachable(t.Context(), line[0].String()); got || !errors.Is(err, ErrObjectAbsent) {
		t.Errorf("below the cut: %v, %v; want ErrObjectAbsent", got, err)
	}
}

func TestChangesFollowFirstParents(t *testing.T) {
	r := newTestRepo(t)
	state := func(files map[string]id) id {
		return r.tree(map[string]id{"40000 library": r.tree(files), "100644 README": r.blob("x")})
	}
	one, two := r.blob("one"), r.blob("two")
	c1 := r.commit(r.tree(map[string]id{"100644 README": r.blob("x")}), 10)
	c2 := r.commit(state(map[string]id{"100644 alpine": one, "100644 busybox": one}), 20, c1)
	branch := r.commit(state(map[string]id{"100644 alpine": two, "100644 busybox": one}), 15, c1)
	c3 := r.commit(state(map[string]id{"100644 alpine": two, "100644 busybox": one, "40000 sub": r.tree(nil)}), 30, c2, branch)
	c4 := r.commit(state(map[string]id{"100644 alpine": two, "100755 new": one}), 40, c3)
	c5 := r.commit(r.tree(map[string]id{"100644 README": r.blob("y")}), 50, c4)
	var got []string
	err := r.open().Changes(t.Context(), c5.String(), "library", func(c Change) error {
		got = append(got, fmt.Sprintf("%s %d %s %.7s", c.Commit[:7], c.Time.Unix(), c.Name, c.Blob))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	row := func(c id, seconds int, name, blob string) string {
		return fmt.Sprintf("%s %d %s %.7s", c.String()[:7], seconds, name, blob)
	}
	want := []string{
		row(c5, 50, "alpine", ""), row(c5, 50, "new", ""),
		row(c4, 40, "busybox", ""), row(c4, 40, "new", one.String()),
		row(c3, 30, "alpine", two.String()),
		row(c2, 20, "alpine", one.String()), row(c2, 20, "busybox", one.String()),
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("changes\n%v\nwant\n%v", got, want)
	}
	stop := errors.New("enough")
	if err := r.open().Changes(t.Context(), c5.String(), "library", func(Change) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the caller's error became %v", err)
	}
}

func TestChangesBeginWhereHistoryIsCut(t *testing.T) {
	r := newTestRepo(t)
	one := r.tree(map[string]id{"40000 library": r.tree(map[string]id{"100644 a": r.blob("1")})})
	two := r.tree(map[string]id{"40000 library": r.tree(map[string]id{"100644 a": r.blob("1"), "100644 b": r.blob("2")})})
	gone := nameOf(kindCommit, "never written")
	c1 := r.commit(one, 10, gone)
	c2 := r.commit(two, 20, c1)
	for _, shallow := range []string{"", c1.String() + "\n"} {
		r.file("shallow", shallow)
		var got []string
		err := r.open().Changes(t.Context(), c2.String(), "library", func(c Change) error {
			got = append(got, c.Commit[:7]+c.Name)
			return nil
		})
		if want := []string{c2.String()[:7] + "b", c1.String()[:7] + "a"}; err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("shallow %q: %v, %v; want %v", shallow, got, err, want)
		}
	}
	if err := r.open().Changes(t.Context(), gone.String(), "library", nil); !errors.Is(err, ErrObjectAbsent) {
		t.Errorf("an absent head: %v; want ErrObjectAbsent", err)
	}
}
