package source

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imageverify/verify/internal/gitserver"
)

// longServer serves a repository whose names are SHA-256.
func longServer(t *testing.T) *server {
	t.Helper()
	s := &server{Server: gitserver.New(t)}
	s.repo = s.Repository(t, "repo", "sha256")
	return s
}

func checkSample(t *testing.T, r *Repository, commit string) {
	t.Helper()
	c, err := r.Commit(t.Context(), commit)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := c.FS(t.Context(), "x86_64")
	if err == nil {
		err = tree.Fetch(".")
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Dockerfile", "rootfs", "sub/file"} {
		if got, err := fs.ReadFile(tree, name); string(got) != sampleFiles["x86_64/"+name] || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if id, err := tree.ObjectID("rootfs"); len(id) != 64 || err != nil {
		t.Errorf("the object's name is %q, %v", id, err)
	}
}

func TestARepositoryOfSHA256NamesIsRead(t *testing.T) {
	s := longServer(t)
	want := s.commit(sampleFiles)
	newer := s.commit(map[string]string{"newer": strings.Repeat("more than is held in memory ", 1<<18)})
	o := NewOpener(Options{})
	defer o.Close()
	local, err := o.OpenPath(t.Context(), s.repo.Dir)
	if err != nil {
		t.Fatal(err)
	}
	checkSample(t, local, want)
	for commit, on := range map[string]bool{want: true, newer: true, s.repo.Fork(want, map[string]string{"x": "evil"}): false} {
		if got, err := local.Reachable(t.Context(), commit); got != on || err != nil {
			t.Errorf("%s: reachable %v, %v; want %v", commit, got, err, on)
		}
	}
	c, err := local.Commit(t.Context(), newer)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := c.FS(t.Context(), ".")
	if err != nil {
		t.Fatal(err)
	}
	if data, err := fs.ReadFile(tree, "newer"); len(data) != 28<<18 || err != nil {
		t.Errorf("a large file: %d bytes, %v", len(data), err)
	}
	if head, err := local.Head(t.Context()); head != newer || err != nil {
		t.Errorf("HEAD is %s, %v", head, err)
	}
	if _, err := local.Commit(t.Context(), strings.Repeat("1", 64)); !errors.Is(err, ErrObjectAbsent) {
		t.Errorf("a commit that is not there: %v; want ErrObjectAbsent", err)
	}
	if _, err := local.Commit(t.Context(), want[:40]); !errors.Is(err, ErrObjectFormat) {
		t.Errorf("a SHA-1 in a repository of SHA-256 names: %v; want ErrObjectFormat", err)
	}
}

func TestARemoteRepositoryOfSHA256NamesIsFetched(t *testing.T) {
	s := longServer(t)
	s.commit(map[string]string{"big": noise("big", 1<<20)})
	want := s.commit(sampleFiles)
	s.commit(map[string]string{"newer": noise("newer", 1<<20)})
	fork := s.repo.Fork(want, map[string]string{"x": "evil"})
	cache := t.TempDir()
	r := s.open(t, s.opener(t, cache))
	checkSample(t, r, want)
	if n := s.sent(); n > 16<<10 {
		t.Errorf("%d bytes were sent for a few small files", n)
	}
	for commit, on := range map[string]bool{want: true, fork: false} {
		if _, err := r.Commit(t.Context(), commit); err != nil {
			t.Fatal(err)
		}
		if got, err := r.Reachable(t.Context(), commit); got != on || err != nil {
			t.Errorf("%s: reachable %v, %v; want %v", commit, got, err, on)
		}
	}
	if n := s.sent(); n > 64<<10 {
		t.Errorf("%d bytes were sent in all", n)
	}
	if _, err := r.Commit(t.Context(), strings.Repeat("1", 64)); !errors.Is(err, ErrObjectAbsent) {
		t.Errorf("a commit that is not there: %v; want ErrObjectAbsent", err)
	}
	before := s.count()
	checkSample(t, s.open(t, s.opener(t, cache, func(o *Options) { o.Offline = true })), want)
	if s.count() != before {
		t.Error("the server was asked offline")
	}
}

func TestNamesOfTheOtherKindAreTold(t *testing.T) {
	long, short := longServer(t), newServer(t)
	long.commit(sampleFiles)
	short.commit(sampleFiles)
	for name, c := range map[string]struct {
		s      *server
		commit string
	}{
		"a SHA-1 on a server of SHA-256 names": {long, strings.Repeat("1", 40)},
		"a SHA-256 on a server of SHA-1 names": {short, strings.Repeat("1", 64)},
	} {
		_, err := c.s.open(t, c.s.opener(t, "")).Commit(t.Context(), c.commit)
		if !errors.Is(err, ErrObjectFormat) || errors.Is(err, ErrUnreachable) {
			t.Errorf("%s: %v; want ErrObjectFormat", name, err)
		}
	}
}

func TestWithoutTheGitProgramSHA256NamesAreNotChecked(t *testing.T) {
	s := longServer(t)
	want := s.commit(sampleFiles)
	o := s.opener(t, "")
	t.Setenv("PATH", t.TempDir())
	if _, err := o.OpenPath(t.Context(), s.repo.Dir); !errors.Is(err, ErrObjectFormat) {
		t.Errorf("a mirror: %v; want ErrObjectFormat", err)
	}
	if _, err := s.open(t, o).Commit(t.Context(), want); !errors.Is(err, ErrObjectFormat) {
		t.Errorf("a server: %v; want ErrObjectFormat", err)
	}
}

// TestTheGitProgramIsNotBelieved files objects under the names of others.
func TestTheGitProgramIsNotBelieved(t *testing.T) {
	s := longServer(t)
	want := s.commit(sampleFiles)
	for _, path := range []string{"", ":x86_64", ":x86_64/rootfs"} {
		evil := gitserver.Git(t, s.repo.Dir, "hash-object", "-w", "-t", "blob", writeTemp(t, "evil"))
		if path != ":x86_64/rootfs" {
			evil = gitserver.Git(t, s.repo.Dir, "rev-parse", map[string]string{"": "HEAD", ":x86_64": "HEAD:aarch64"}[path])
		}
		if path == "" {
			evil = s.commit(map[string]string{"more": "x"})
		}
		target := s.repo.Git("rev-parse", want+path)
		at := func(id string) string { return filepath.Join(s.repo.Dir, ".git/objects", id[:2], id[2:]) }
		honest, err := os.ReadFile(at(target))
		if err != nil {
			t.Fatal(err)
		}
		lying, err := os.ReadFile(at(evil))
		if err != nil {
			t.Fatal(err)
		}
		os.Remove(at(target))
		if err := os.WriteFile(at(target), lying, 0o644); err != nil {
			t.Fatal(err)
		}
		o := NewOpener(Options{})
		err = readSample(t, o, s.repo.Dir, want)
		var mismatch *MismatchError
		if !errors.As(err, &mismatch) || mismatch.Want != target || mismatch.Got != evil {
			t.Errorf("%q: %v; want a MismatchError", path, err)
		}
		o.Close()
		if err := os.WriteFile(at(target), honest, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func readSample(t *testing.T, o *Opener, dir, commit string) error {
	t.Helper()
	r, err := o.OpenPath(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	c, err := r.Commit(t.Context(), commit)
	if err != nil {
		return err
	}
	tree, err := c.FS(t.Context(), "x86_64")
	if err != nil {
		return err
	}
	_, err = fs.ReadFile(tree, "rootfs")
	return err
}

// TestARepositorysConfigurationIsNotRead puts programs into every setting of it
// that git would run.
func TestARepositorysConfigurationIsNotRead(t *testing.T) {
	s := longServer(t)
	want := s.commit(sampleFiles)
	ran := filepath.Join(t.TempDir(), "ran")
	script := writeTemp(t, "#!/bin/sh\ntouch "+ran+"\n")
	if err := os.Chmod(script, 0o755); err != nil {
		t.Fatal(err)
	}
	for key, value := range map[string]string{
		"core.fsmonitor": script, "core.hooksPath": filepath.Dir(script), "core.sshCommand": script, "core.pager": script,
		"remote.origin.url": "ext::" + script, "remote.origin.promisor": "true", "extensions.partialClone": "origin",
		"protocol.ext.allow": "always", "credential.helper": "!" + script, "core.alternateRefsCommand": script,
	} {
		s.repo.Git("config", key, value)
	}
	blob := s.repo.Git("rev-parse", want+":x86_64/rootfs")
	if err := os.Remove(filepath.Join(s.repo.Dir, ".git/objects", blob[:2], blob[2:])); err != nil {
		t.Fatal(err)
	}
	o := NewOpener(Options{})
	defer o.Close()
	if err := readSample(t, o, s.repo.Dir, want); !errors.Is(err, ErrObjectAbsent) {
		t.Errorf("a file that only the promised remote would have: %v; want ErrObjectAbsent", err)
	}
	if _, err := os.Stat(ran); err == nil {
		t.Error("a program that the repository names was run")
	}
}
