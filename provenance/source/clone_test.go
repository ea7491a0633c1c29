package source

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/imageverify/verify/internal/gitserver"
)

// cloned brings a copy up to date.
func cloned(t *testing.T, s *server, cache string) *Clone {
	t.Helper()
	c, err := s.opener(t, cache).Clone(t.Context(), s.url(), 0)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func changesOf(t *testing.T, c *Clone) (n int) {
	t.Helper()
	if err := c.Repo.Changes(t.Context(), c.Head, "library", func(Change) error { n++; return nil }); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestACloneHasNoPastUntilItIsAskedFor(t *testing.T) {
	s := newServer(t)
	const versions = 60
	for i := range versions {
		s.commit(map[string]string{"library/app": noise(strconv.Itoa(i), 20<<10), "test/" + strconv.Itoa(i): "x"})
	}
	cache := t.TempDir()
	c := cloned(t, s, cache)
	if n := s.sent(); n > 8<<10 || c.Whole() {
		t.Errorf("%d bytes for HEAD, whole %v; want no more than a commit and its trees", n, c.Whole())
	}
	if n := changesOf(t, c); n != 1 {
		t.Errorf("%d changes are known without the past, want HEAD's own", n)
	}
	if err := c.Past(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := changesOf(t, c); n != versions || !c.Whole() {
		t.Errorf("%d changes, whole %v; want %d", n, c.Whole(), versions)
	}
	if n := s.sent(); n > 64<<10 {
		t.Errorf("%d bytes for the past; want no files", n)
	}
	s.commit(map[string]string{"library/app": "newer"})
	s.commit(map[string]string{"library/other": "newest"})
	before := s.sent()
	c = cloned(t, s, cache)
	if n := s.sent() - before; n > 4<<10 || c.Whole() {
		t.Errorf("%d bytes to move on by two commits, whole %v", n, c.Whole())
	}
	if err := c.Past(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, sent := changesOf(t, c), s.sent()-before; n != versions+2 || sent > 8<<10 {
		t.Errorf("%d changes after %d bytes, want %d", n, sent, versions+2)
	}
}

func TestAShallowCloneMovesForwardOnly(t *testing.T) {
	s := newServer(t)
	first := s.commit(map[string]string{"library/app": "1"})
	cache := t.TempDir()
	cloned(t, s, cache)
	for i := range 20 {
		s.commit(map[string]string{"library/app": fmt.Sprint("more ", i)})
	}
	c := cloned(t, s, cache)
	if c.Stale != nil || c.Head == first {
		t.Fatalf("at %s, stale %v", c.Head, c.Stale)
	}
	moved := c.Head
	s.repo.Git("reset", "-q", "--hard", first)
	s.commit(map[string]string{"library/app": "rewritten"})
	if c = cloned(t, s, cache); c.Head != moved || !errors.Is(c.Stale, ErrRewritten) {
		t.Errorf("at %s, stale %v; want %s, ErrRewritten", c.Head, c.Stale, moved)
	}
	s.repo.Git("checkout", "-q", "--orphan", "another")
	s.repo.Git("commit", "-q", "-m", "without a past")
	if c = cloned(t, s, cache); c.Head != moved || !errors.Is(c.Stale, ErrRewritten) {
		t.Errorf("a branch without a past: at %s, stale %v", c.Head, c.Stale)
	}
}

func TestACloneOfAServerThatCannotFilterIsWhole(t *testing.T) {
	s := newServer(t, "http.receivepack")
	for i := range 5 {
		s.commit(map[string]string{"library/app": strconv.Itoa(i)})
	}
	cache := t.TempDir()
	c := cloned(t, s, cache)
	if err := c.Past(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.commit(map[string]string{"library/app": "newer"})
	c = cloned(t, s, cache)
	if err := c.Past(t.Context()); err != nil {
		t.Fatal(err)
	}
	blob := gitserver.Git(t, s.repo.Dir, "rev-parse", "HEAD:library/app")
	if text, err := c.Repo.Blob(t.Context(), blob, 100); string(text) != "newer" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	if n := changesOf(t, c); n != 6 {
		t.Errorf("%d changes, want 6", n)
	}
	for _, r := range s.all() {
		if strings.Contains(r.Asked, "filter ") {
			t.Errorf("a filter was asked for: %q", r.Asked)
		}
	}
}
