package provenance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/checksums/buildhash"
	"github.com/imageverify/verify/provenance/dockerfile"
	"github.com/imageverify/verify/provenance/history"
	"github.com/imageverify/verify/provenance/layout"
	"github.com/imageverify/verify/provenance/source"
)

// ContentHash is one content hash of the image's history, recomputed from the
// files that the directive names.
type ContentHash struct {
	// Row is the index of the alignment's row, Line the directive's line.
	Row, Line int
	Sources   []string
	// Want is the hash in history, such as "file:…".
	Want string
	// Equal says that Variant of the build hash gives it.
	Equal   bool
	Variant string
	// Err says why it could not be computed.
	Err error
}

// ErrElsewhere is for files that are not the context's.
var ErrElsewhere = errors.New("the files come from another stage, a URL or the Dockerfile itself")

// ErrHashUnknown is given for a content hash that buildah wrote: it is another
// function of the files than Docker's.
var ErrHashUnknown = errors.New("buildah's content hash is not one that can be computed here")

// read opens the candidate's repository, reads its Dockerfile at the commit and
// matches it to the image.
func (a *Attempt) read(ctx context.Context, s Subject, from Sources) error {
	if a.HandedIn() {
		return a.readGiven(ctx, s)
	}
	repo, err := a.open(ctx, from)
	if err != nil {
		return err
	}
	a.Repo = repo
	commit, err := repo.Commit(ctx, a.Commit)
	if err != nil {
		return err
	}
	a.CommitTime = commit.Time
	// A commit that holds a built image is younger than the image.
	if a.Builder == importBuilder && a.Candidate != nil {
		return a.compareLayout(ctx, s, commit)
	}
	if a.Candidate != nil && !a.Candidate.MayExplain(s.Created, commit.Time) {
		return ErrYounger
	}
	if err := a.enter(ctx, commit); err != nil {
		return fmt.Errorf("directory %s at %s: %w", a.Directory, a.Commit, err)
	}
	return a.matchTree(ctx, s)
}

// enter takes the candidate's directory at the commit as the build context.
func (a *Attempt) enter(ctx context.Context, commit *source.Commit) error {
	tree, err := commit.FS(ctx, a.Directory)
	if err == nil {
		a.Context, a.Tree = tree, tree
	}
	return err
}

// matchTree reads the Dockerfile at the commit and matches it.
func (a *Attempt) matchTree(ctx context.Context, s Subject) error {
	text, err := a.readTree()
	if err != nil {
		return err
	}
	return a.match(ctx, s, text)
}

// importBuilder is the library's name for entries whose image lies in git as an
// OCI layout.
const importBuilder = "oci-import"

// compareLayout compares the image with the layout that the commit holds.
func (a *Attempt) compareLayout(ctx context.Context, s Subject, commit *source.Commit) error {
	root, err := commit.FS(ctx, ".")
	if err != nil {
		return err
	}
	if a.File == "" {
		a.File = "index.json"
	}
	a.Layout, err = layout.Compare(ctx, root, a.Directory, a.File, layout.Subject{
		Digest: s.Digest, Manifest: s.Manifest, Config: s.ImageID, DiffIDs: s.DiffIDs,
		Platform: v1.Platform{OS: s.OS, Architecture: s.Architecture, Variant: s.Variant},
	})
	if err != nil {
		return err
	}
	for _, p := range a.Layout.Parts {
		if p.What == layout.PartIndex {
			a.FileID = p.ObjectID
		}
	}
	return nil
}

// match evaluates the Dockerfile and matches it to the image.
func (a *Attempt) match(ctx context.Context, s Subject, text []byte) error {
	file, err := dockerfile.Parse(text)
	if err != nil {
		return fmt.Errorf("%s: %w", a.File, err)
	}
	o := dockerfile.Options{OS: s.OS, Architecture: s.Architecture, Variant: s.Variant}
	if a.given != nil {
		o.Target, o.BuildArgs = a.given.Target, a.given.BuildArgs
	}
	if a.Build, err = file.Evaluate(o); err != nil {
		return fmt.Errorf("%s: %w", a.File, err)
	}
	a.Alignment = history.Match(s.History, s.Layers, a.Build)
	a.Build = a.Alignment.Build
	a.Buildah = a.Alignment.Dialect == dockerfile.Buildah || a.Alignment.Dialect == dockerfile.Classic && s.byBuildah()
	if !a.Alignment.Matched {
		return nil // its files are not needed unless it is judged for want of a better one
	}
	return a.hashContents(ctx)
}

// byBuildah reports whether the image says that it is buildah's: by its label,
// which it may have from its base, or by what its history says of bases.
func (s Subject) byBuildah() bool {
	return s.Labels["io.buildah.version"] != "" ||
		slices.ContainsFunc(s.History, func(h v1.History) bool { return strings.HasPrefix(h.Comment, "FROM ") })
}

// FetchFiles gets the files that the directives copy out of the context, before
// they are read one by one, where they are in a remote repository.
func (a *Attempt) FetchFiles() error {
	if a.Tree == nil {
		return nil
	}
	names := []string{".dockerignore"}
	for _, d := range a.Build.Directives {
		if d.Copy != nil && d.Copy.From == "" {
			names = append(names, d.Copy.Sources...)
		}
	}
	return a.Tree.Fetch(names...)
}

// hashContents recomputes the content hashes that matched entries hold. The
// error is the context's; what could not be read stands with its hash.
func (a *Attempt) hashContents(ctx context.Context) error {
	var absent error
	if a.Context == nil {
		absent = ErrContextUnknown
	} else if slices.ContainsFunc(a.Alignment.Rows, func(r history.Row) bool { return r.Hash != "" && r.Directive >= 0 }) {
		absent = a.FetchFiles()
	}
	for i, row := range a.Alignment.Rows {
		if row.Hash == "" || row.Directive < 0 {
			continue
		}
		d := a.Build.Directives[row.Directive]
		h := ContentHash{Row: i, Line: d.Line, Want: row.Hash}
		if d.Copy == nil || d.Copy.From != "" || len(d.Copy.Inline) > 0 {
			h.Err = ErrElsewhere
			a.Contents = append(a.Contents, h)
			continue
		}
		h.Sources, h.Err = d.Copy.Sources, absent
		switch {
		case a.Alignment.Dialect == dockerfile.Buildah:
			h.Err = ErrHashUnknown
		case absent == nil:
			var variant buildhash.Variant
			variant, h.Equal, h.Err = buildhash.Match(ctx, a.Context, h.Sources, h.Want)
			h.Variant = variant.Name
			switch {
			case h.Err != nil || h.Equal:
			case a.Buildah:
				h.Err = ErrHashUnknown
			case a.HardLinks():
				h.Err = ErrHardLinks
			}
		}
		a.Contents = append(a.Contents, h)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// contentDiffers reports whether some content hash was computed and is not the
// one in history.
func (a *Attempt) contentDiffers() bool {
	for _, h := range a.Contents {
		if h.Err == nil && !h.Equal {
			return true
		}
	}
	return false
}

// ReadDockerfile reads a Dockerfile whole, up to a bound.
func ReadDockerfile(fsys fs.FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, dockerfile.MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(data) > dockerfile.MaxSize {
		return nil, fmt.Errorf("%s: %w", name, &source.LimitError{What: "size of a Dockerfile", Limit: dockerfile.MaxSize})
	}
	return data, nil
}
