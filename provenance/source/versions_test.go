package source

import (
	"context"
	"slices"
	"testing"
)

// versionsOf lists the commits that Versions gives, by the names they have in
// the test.
func versionsOf(t *testing.T, r *Repository, names map[id]string, ref, dir string) []string {
	t.Helper()
	var out []string
	err := r.Versions(t.Context(), ref, dir, func(c *Commit) bool {
		commit, err := parseID(c.ID)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, names[commit])
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func openTest(t *testing.T, dir string) *Repository {
	t.Helper()
	o := NewOpener(Options{})
	t.Cleanup(func() { o.Close() })
	r, err := o.OpenPath(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestEachContentOfAFolderIsGivenOnceYoungestFirst(t *testing.T) {
	w := newTestRepo(t)
	folder := func(text string) id {
		inner := w.tree(map[string]id{"100644 f": w.blob(text)})
		return w.tree(map[string]id{"40000 d": w.tree(map[string]id{"40000 e": inner}), "100644 other": w.blob(text + "!")})
	}
	one := w.commit(folder("1"), 100)
	two := w.commit(folder("2"), 200, one)
	again := w.commit(folder("1"), 300, two)
	side := w.commit(folder("3"), 250, one)
	none := w.commit(w.tree(map[string]id{"100644 x": w.blob("x")}), 400, again)
	lost := w.commit(folder("4"), 500, id{9})
	w.ref("refs/heads/main", none)
	w.ref("refs/heads/side", side)
	w.ref("refs/pull/1/head", w.commit(folder("fork"), 900))
	w.ref("refs/tags/lost", w.put(kindTag, "object "+lost.String()+"\ntype commit\ntag lost\n"))
	w.ref("refs/tags/blob", w.blob("no commit"))
	w.ref("refs/heads/nowhere", id{1})
	names := map[id]string{one: "one", two: "two", again: "again", side: "side", none: "none", lost: "lost"}
	r := openTest(t, w.dir)
	tests := []struct {
		ref, dir string
		want     []string
	}{
		{"", "d/e", []string{"lost", "again", "side", "two"}},
		{"refs/heads/main", "d/e", []string{"again", "two"}},
		{"refs/heads/side", "d/e", []string{"side", "one"}},
		{"refs/tags/lost", "d/e", []string{"lost"}},
		{"refs/heads/main", "elsewhere", nil},
		{"refs/heads/main", ".", []string{"none", "again", "two"}},
		{"refs/heads/absent", "d/e", nil},
		{"refs/heads/nowhere", "d/e", nil},
		{"refs/pull/1/head", "d/e", nil},
		{"HEAD", "d/e", nil},
		{"../config", "d/e", nil},
	}
	for _, tt := range tests {
		if got := versionsOf(t, r, names, tt.ref, tt.dir); !slices.Equal(got, tt.want) {
			t.Errorf("%q of %q: %v, want %v", tt.dir, tt.ref, got, tt.want)
		}
	}
	n := 0
	if err := r.Versions(t.Context(), "", "d/e", func(*Commit) bool { n++; return false }); err != nil || n != 1 {
		t.Errorf("after the first: %d more, error %v; want an end", n-1, err)
	}
}

func TestASearchThroughHistoryStopsAtFalseObjects(t *testing.T) {
	w := newTestRepo(t)
	tree := w.tree(map[string]id{"40000 d": w.tree(map[string]id{"100644 f": w.blob("1")})})
	parent := w.commit(tree, 100)
	w.ref("refs/heads/main", w.commit(tree, 200, parent))
	w.putAs(parent, "commit 3\x00abc")
	err := openTest(t, w.dir).Versions(t.Context(), "", "d", func(*Commit) bool { return true })
	if _, ok := err.(*MismatchError); !ok {
		t.Errorf("error %v, want a *MismatchError", err)
	}
}

func TestASearchThroughHistoryIsBounded(t *testing.T) {
	w := versionWalk{seen: map[id]bool{}}
	for i := range maxVersionCommits - 1 {
		w.seen[id{byte(i), byte(i >> 8), byte(i >> 16), 1}] = true
	}
	w.repo = openTest(t, newTestRepo(t).dir)
	if err := w.push(t.Context(), id{2}); err != nil {
		t.Errorf("commit %d: %v, want none", maxVersionCommits, err)
	}
	if _, ok := w.push(t.Context(), id{3}).(*LimitError); !ok {
		t.Errorf("commit %d: want a *LimitError", maxVersionCommits+1)
	}
}
