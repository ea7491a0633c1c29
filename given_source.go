package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"regexp"
	"strings"

	"github.com/imageverify/verify/provenance"
	"github.com/imageverify/verify/provenance/dockerfile"
	"github.com/imageverify/verify/provenance/source"
)

// sourceForm is REPOSITORY#COMMIT[:DIRECTORY]. A path may hold a "#", a commit
// never does.
var (
	sourceForm = regexp.MustCompile(`^(.+)#([^#:]*)(?::(.*))?$`)
	commitForm = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)
)

// readSource takes --source apart and opens its repository, which is asked for
// nothing yet where it is not on this machine.
func (s *session) readSource(ctx context.Context, g Given) error {
	m := sourceForm.FindStringSubmatch(g.Source)
	if m == nil {
		return usage(g.Source, "--source %q: want REPOSITORY#COMMIT[:DIRECTORY]", g.Source)
	}
	commit, dir, file := strings.ToLower(m[2]), path.Clean(strings.Trim(m[3], "/")), "Dockerfile"
	if g.Dockerfile != "" {
		file = path.Clean(g.Dockerfile)
	}
	switch {
	case !commitForm.MatchString(commit):
		return &RunError{Code: "usage", Input: g.Source,
			Message: fmt.Sprintf("--source %q: %q is not a full commit id", g.Source, m[2]),
			Hint:    "branches move and short ids can be forged; git rev-parse, or git ls-remote, prints the full one"}
	case !fs.ValidPath(dir):
		return usage(g.Source, "--source %q: the directory leaves the repository", g.Source)
	case path.IsAbs(file) || !fs.ValidPath(path.Join(dir, file)):
		return usage(g.Dockerfile, "--dockerfile %s: with --source it is a path from the source's directory, and stays in the repository", g.Dockerfile)
	}
	s.given.Claim = provenance.Claim{Source: provenance.ByFlag, Kind: provenance.KindBuild,
		Repository: withoutUser(m[1]), Commit: commit, Directory: dir, File: file}
	if info, err := os.Stat(m[1]); err == nil && info.IsDir() {
		return s.localSource(ctx, m[1])
	}
	return s.remoteSource(ctx, g, m[1])
}

// withoutUser drops the credentials of a URL.
func withoutUser(repository string) string {
	if u, err := url.Parse(repository); err == nil && u.Host != "" {
		u.User = nil
		return u.String()
	}
	return repository
}

// remoteSource opens a repository by its URL, or the mirror of it.
func (s *session) remoteSource(ctx context.Context, g Given, repository string) error {
	if _, err := s.opener.Open(ctx, repository, true); err != nil {
		if errors.Is(err, source.ErrScheme) {
			err = errors.New("neither an https URL nor a directory on this machine")
		}
		return &RunError{Code: "source", Message: fmt.Sprintf("source %s: %v", withoutUser(repository), err), Input: g.Source, err: err}
	}
	s.given.Open = func(ctx context.Context) (*source.Repository, error) { return s.opener.Open(ctx, repository, true) }
	s.given.Claim.Evidence = []provenance.Evidence{{Kind: "url", Value: withoutUser(repository)}}
	return nil
}

// localSource opens a repository on this machine, which must hold what is named.
func (s *session) localSource(ctx context.Context, name string) error {
	repo, err := s.opener.OpenPath(ctx, name)
	if err == nil {
		err = s.holds(ctx, repo)
	}
	if err != nil {
		return inputError("source", name, err)
	}
	s.given.Open = func(context.Context) (*source.Repository, error) { return repo, nil }
	s.given.Claim.Local = true
	s.given.Claim.Evidence = []provenance.Evidence{{Kind: "file", Value: name}}
	return nil
}

// holds looks for the commit, the directory and the Dockerfile that are named.
// What is there and cannot be read, or is false, the trace will say.
func (s *session) holds(ctx context.Context, repo *source.Repository) error {
	c := s.given.Claim
	commit, err := repo.Commit(ctx, c.Commit)
	if errors.Is(err, source.ErrObjectAbsent) {
		return fmt.Errorf("it has no commit %s", c.Commit)
	}
	if err != nil {
		return nil
	}
	root, err := commit.FS(ctx, ".")
	if err != nil {
		return nil
	}
	dir, err := root.Stat(c.Directory)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !dir.IsDir() {
		return fmt.Errorf("commit %s has no directory %s", c.Commit, c.Directory)
	}
	name := path.Join(c.Directory, c.File)
	if file, err := root.Stat(name); errors.Is(err, fs.ErrNotExist) || err == nil && file.IsDir() {
		return fmt.Errorf("commit %s has no file %s", c.Commit, name)
	}
	return s.hasTarget(root, name)
}

// hasTarget refuses a stage that a Dockerfile in git lacks.
func (s *session) hasTarget(root *source.Tree, name string) error {
	if info, err := root.Stat(name); err != nil || info.Size() > dockerfile.MaxSize {
		return nil
	}
	text, err := root.ReadFile(name)
	if err != nil {
		return nil
	}
	file, err := dockerfile.Parse(text)
	if err != nil {
		return nil
	}
	return file.HasTarget(s.given.Target)
}
