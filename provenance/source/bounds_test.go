package source

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/imageverify/verify/internal/cache"
)

func isLimit(err error, limit int64) bool {
	var over *LimitError
	return errors.As(err, &over) && over.Limit == limit
}

func TestAChainOfDeltasMayBeAsLongAsGitMakesThem(t *testing.T) {
	r := newTestRepo(t)
	text := "0"
	items := []packItem{{kind: kindBlob, data: text}}
	var texts []string
	for i := range maxDeltaDepth + 1 {
		next := string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676))
		items = append(items, packItem{kind: kindOffsetDelta, base: i, data: deltaData(len(text), 0, 0, next)})
		text = next
		texts = append(texts, text)
	}
	r.addPack(items)
	checkBlobs(t, r, texts[maxDeltaDepth-1])
	_, err := r.open().Blob(t.Context(), nameOf(kindBlob, texts[maxDeltaDepth]).String(), 10)
	if !isLimit(err, maxDeltaDepth) {
		t.Errorf("a chain of %d: %v; want a LimitError", maxDeltaDepth+1, err)
	}
}

func TestWhatAPackUnpacksToIsBounded(t *testing.T) {
	x := &indexer{inflated: maxInflated - maxBlob}
	if err := x.count(maxBlob); err != nil {
		t.Errorf("16 GiB in all: %v", err)
	}
	if err := x.count(1); !isLimit(err, maxInflated) {
		t.Errorf("a byte more: %v; want a LimitError", err)
	}
	if err := new(indexer).count(maxBlob + 1); !isLimit(err, maxBlob) {
		t.Errorf("one object over the bound: %v; want a LimitError", err)
	}
}

func TestACommitMayHaveAThousandParents(t *testing.T) {
	c, err := parseCommit([]byte(commitData(id{1}, 5, make([]id, maxParents)...)))
	if err != nil || len(c.parents) != maxParents {
		t.Errorf("%d parents, %v", len(c.parents), err)
	}
	if _, err := parseCommit([]byte(commitData(id{1}, 5, make([]id, maxParents+1)...))); !isLimit(err, maxParents) {
		t.Errorf("one more: %v; want a LimitError", err)
	}
}

func TestObjectsOfEachTypeAreBounded(t *testing.T) {
	for k, limit := range map[kind]int64{kindBlob: maxBlob, kindTree: maxTree, kindCommit: maxCommit, kindTag: maxCommit} {
		for _, size := range []int64{limit, limit + 1} {
			_, err := verified(&object{kind: k, size: size, ReadCloser: io.NopCloser(strings.NewReader(""))}, id{}, k)
			if over := isLimit(err, limit); over != (size > limit) || !over && err != nil {
				t.Errorf("a %s of %d bytes: %v", k, size, err)
			}
		}
	}
}

func TestALookUpFollowsAsManyLinksAsLinux(t *testing.T) {
	r := newTestRepo(t)
	entries := map[string]id{"100644 l0": r.blob("data")}
	for i := range maxLinkHops + 1 {
		entries[fmt.Sprintf("120000 l%d", i+1)] = r.blob(fmt.Sprintf("l%d", i))
	}
	tree := r.fsAt(r.commit(r.tree(entries), 1725658772))
	if got, err := tree.ReadFile(fmt.Sprintf("l%d", maxLinkHops)); err != nil || string(got) != "data" {
		t.Errorf("%d links: %q, %v", maxLinkHops, got, err)
	}
	if _, err := tree.ReadFile(fmt.Sprintf("l%d", maxLinkHops+1)); !errors.Is(err, errManyLinks) {
		t.Errorf("one more: %v", err)
	}
}

func TestCommitsThatAreNoneAreRefused(t *testing.T) {
	good := commitData(id{1}, 1725658772, id{2})
	if c, err := parseCommit([]byte(good)); err != nil || !c.time.Equal(time.Unix(1725658772, 0)) || c.tree != (id{1}) {
		t.Fatalf("%+v, %v", c, err)
	}
	for name, text := range map[string]string{
		"empty":                       "",
		"no tree":                     strings.TrimPrefix(good, "tree "+id{1}.String()+"\n"),
		"a short tree id":             strings.Replace(good, "tree 01", "tree 1", 1),
		"no author":                   strings.Replace(good, "author", "writer", 1),
		"no committer":                strings.Replace(good, "committer", "mitter", 1),
		"no time":                     strings.Replace(good, "1725658772 +0200", "", 1),
		"a time that is no number":    strings.Replace(good, "1725658772", "now", 1),
		"a time beyond all calendars": strings.Replace(good, "1725658772", "99999999999999999", 1),
	} {
		if c, err := parseCommit([]byte(text)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %+v, %v; want ErrMalformed", name, c, err)
		}
	}
}

func TestFoldersAreThoseOfTheCache(t *testing.T) {
	kept, err := cache.Open(filepath.Join(t.TempDir(), "cache"))
	if err != nil {
		t.Fatal(err)
	}
	for name, dir := range map[string]*cache.Dir{"a cache": kept, "no cache": nil} {
		o := NewOpener(Options{CacheDir: dir.Folder})
		repo, err := o.Open(t.Context(), "https://github.com/a/b.git", true)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		again, err := o.Open(t.Context(), "git://github.com/a/b", true)
		if again != repo || err != nil {
			t.Errorf("%s: the same repository is opened twice: %v", name, err)
		}
		inCache := dir != nil && strings.HasPrefix(repo.store.path, dir.Path())
		if inCache != (dir != nil) {
			t.Errorf("%s: folder %s", name, repo.store.path)
		}
		if err := o.Close(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
