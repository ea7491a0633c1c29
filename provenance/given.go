package provenance

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/imageverify/verify/provenance/source"
)

// Given is the build definition that the user names. It takes the library's
// place: the library is not asked, and nothing else is a candidate.
type Given struct {
	// Claim is what the user says, with ByFlag as its source.
	Claim Claim
	// Open opens the repository that Claim names; nil for files that were
	// handed in, for which the fields below stand.
	Open func(ctx context.Context) (*source.Repository, error)
	// Text is the Dockerfile's, Ignore that of its own ignore file: nil where
	// it has none.
	Text, Ignore []byte
	// Context is the build context, with modes as they are on disk, and
	// ContextName what the user calls it; nil where none is known.
	Context     fs.FS
	ContextName string
	// HardLinks reports whether files of Context have several names, which
	// builders keep; asked where something differs. nil: none has.
	HardLinks func() bool
	// Target and BuildArgs are the stage and the arguments that were built.
	Target    string
	BuildArgs map[string]string
}

// ErrHardLinks is given where the context has hard links, which go into the
// builder's archive of it in an order that only the builder knows.
var ErrHardLinks = errors.New("files of the context are hard links, which builders keep in their own way")

// HardLinks reports whether files of a context that was handed in have several
// names.
func (a *Attempt) HardLinks() bool {
	return a.given != nil && a.given.HardLinks != nil && a.given.HardLinks()
}

// ErrContextUnknown is given for files of a build context that is not known.
var ErrContextUnknown = errors.New("the build context is not known")

func givenAttempt(g *Given) *Attempt {
	return &Attempt{Claim: g.Claim, Builder: "dockerfile", given: g}
}

// HandedIn reports whether the Dockerfile was handed in, so that no repository
// and no commit is known.
func (a *Attempt) HandedIn() bool { return a.given != nil && a.given.Open == nil }

// ByFlag reports whether the user named the candidate.
func (a *Attempt) ByFlag() bool { return a.given != nil }

// readGiven matches the Dockerfile that was handed in.
func (a *Attempt) readGiven(ctx context.Context, s Subject) error {
	g := a.given
	a.Context, a.ContextName, a.AsFound, a.Ignore = g.Context, g.ContextName, true, g.Ignore
	a.FileID = fmt.Sprintf("sha256:%x", sha256.Sum256(g.Text))
	return a.match(ctx, s, g.Text)
}

// open opens the candidate's repository.
func (a *Attempt) open(ctx context.Context, from Sources) (*source.Repository, error) {
	if a.given != nil {
		return a.given.Open(ctx)
	}
	return from.Open(ctx, a.Repository, a.Candidate != nil)
}

// ignoreSuffix makes of a Dockerfile's name that of its own ignore file, which
// BuildKit takes in the place of .dockerignore.
const ignoreSuffix = ".dockerignore"

// readTree reads the Dockerfile and its ignore file at the commit.
func (a *Attempt) readTree() ([]byte, error) {
	if a.File == "" {
		a.File = "Dockerfile"
	}
	tree, name := a.Tree, path.Clean(a.File)
	if !fs.ValidPath(name) { // in the commit, and not in the context
		tree, name = tree.Root(), path.Join(a.Directory, name)
	}
	text, err := ReadDockerfile(tree, name)
	if err != nil {
		return nil, err
	}
	if a.FileID, err = tree.ObjectID(name); err != nil {
		return nil, err
	}
	if info, err := fs.Stat(tree, name+ignoreSuffix); err == nil && info.Mode().IsRegular() {
		if a.Ignore, err = ReadDockerfile(tree, name+ignoreSuffix); err != nil {
			return nil, err
		}
	}
	return text, nil
}
