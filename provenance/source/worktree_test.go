package source

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestALinkedWorkTreeIsItsRepositoryWithAHeadOfItsOwn(t *testing.T) {
	dir := t.TempDir()
	main, linked := filepath.Join(dir, "main"), filepath.Join(dir, "linked")
	git := func(args ...string) string {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-c", "user.name=t", "-c", "user.email=t@test"}, args...)...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	git("init", "-q", main)
	git("-C", main, "commit", "-q", "--allow-empty", "-m", "one")
	git("-C", main, "worktree", "add", "-q", "-b", "side", linked)
	git("-C", linked, "commit", "-q", "--allow-empty", "-m", "two")
	want := git("-C", linked, "rev-parse", "HEAD")

	o := NewOpener(Options{})
	defer o.Close()
	repo, err := o.OpenPath(t.Context(), linked)
	if err != nil {
		t.Fatal(err)
	}
	head, err := repo.Head(t.Context())
	if err != nil || head != want {
		t.Errorf("HEAD is %s (%v), want %s of the linked work tree", head, err, want)
	}
	if _, err := repo.Commit(t.Context(), want); err != nil {
		t.Error(err)
	}
	if ok, err := repo.Reachable(t.Context(), want); err != nil || !ok {
		t.Errorf("its branch leads to the commit: %v (%v)", ok, err)
	}
}

func TestAGitFileThatLeadsNowhereIsNoRepository(t *testing.T) {
	for name, text := range map[string]string{
		"another text": "hello", "no folder": "gitdir: nowhere", "a folder without HEAD": "gitdir: .", "empty": "",
		"too long": "gitdir: " + strings.Repeat("x", 2*maxRefBytes),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, ".git"), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			o := NewOpener(Options{})
			defer o.Close()
			if _, err := o.OpenPath(t.Context(), dir); !errors.Is(err, ErrNotRepository) {
				t.Errorf("error %v, want %v", err, ErrNotRepository)
			}
		})
	}
}
