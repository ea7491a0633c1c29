package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"runtime"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/internal/image"
	"github.com/imageverify/verify/internal/local"
	"github.com/imageverify/verify/provenance"
	"github.com/imageverify/verify/provenance/dockerfile"
	"github.com/imageverify/verify/provenance/library"
	"github.com/imageverify/verify/rebuild"
	"github.com/imageverify/verify/rebuild/replay"
)

// definition is what an image is rebuilt from.
type definition struct {
	input  rebuild.Input
	origin *Origin
	// ref and name are the image's name, short and with its host; "" for none.
	ref, name string
	dir       *local.Dir // a directory at hand
	base      *image.Set // the image that is built on; nil where none is given
}

func (d *definition) close() {
	d.dir.Close()
	if d.base != nil {
		d.base.Close() // it was only read
	}
}

func (d *definition) format() string {
	if d.input.Writer == rebuild.WriterClassic {
		return replay.Classic
	}
	return replay.BuildKit
}

// commitReference is REPOSITORY#COMMIT:DIRECTORY.
var commitReference = regexp.MustCompile(`^([^#]+)#([0-9a-fA-F]{40})(?::(.*))?$`)

// definition finds what is to be rebuilt.
func (s *session) definition(ctx context.Context, what string, r RebuildOptions) (*definition, error) {
	platform, err := s.buildPlatform()
	if err != nil {
		return nil, err
	}
	d := &definition{}
	d.input.Platform, d.input.Limits, d.input.NewBuilder = platform, s.layerLimits(), s.newBuilder
	d.input.Spill = s.cache.TempFile
	err = s.define(ctx, d, what, r)
	if err == nil {
		err = s.giveBase(ctx, d)
	}
	if err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

func (s *session) define(ctx context.Context, d *definition, what string, r RebuildOptions) error {
	if info, err := os.Stat(what); err == nil && info.IsDir() {
		return d.ofDirectory(what, r)
	}
	if m := commitReference.FindStringSubmatch(what); m != nil {
		e := library.Entry{Repository: m[1], Commit: strings.ToLower(m[2]), Directory: path.Clean("./" + m[3]), File: "Dockerfile"}
		return s.ofCommit(ctx, d, e, r)
	}
	return s.ofLibrary(ctx, d, what, r)
}

// buildPlatform is the platform asked for, else this machine's, with the variant
// that official images name.
func (s *session) buildPlatform() (v1.Platform, error) {
	p := v1.Platform{OS: "linux", Architecture: runtime.GOARCH}
	if text := s.options.Platform; text != "" {
		parsed, err := v1.ParsePlatform(text)
		if err != nil || parsed.OS == "" || parsed.Architecture == "" {
			return p, &RunError{Code: "usage", Message: fmt.Sprintf("platform %q is not os/architecture[/variant]", text), Input: text, err: err}
		}
		p = *parsed
	}
	switch {
	case p.Architecture == "arm64" && p.Variant == "":
		p.Variant = "v8"
	case p.Architecture == "arm" && p.Variant == "":
		p.Variant = "v7"
	}
	return p, nil
}

// ofDirectory takes a directory as the context; its files have the modes that
// they have there.
func (d *definition) ofDirectory(dir string, r RebuildOptions) error {
	if r.Created.IsZero() {
		return &RunError{Code: "usage", Message: fmt.Sprintf("%s: a directory has no date", dir), Hint: "give the image's time with --created", Input: dir}
	}
	var err error
	if d.dir, err = local.OpenDir(dir); err != nil {
		return err
	}
	d.input.AsFound = true
	return d.read(d.dir, "Dockerfile", r)
}

// ofLibrary takes the newest entry that the library has for a reference.
func (s *session) ofLibrary(ctx context.Context, d *definition, what string, r RebuildOptions) error {
	repository, tag, err := splitName(what)
	if err != nil {
		return &RunError{Code: "usage", Message: fmt.Sprintf("%s is no directory, no REPOSITORY#COMMIT:DIRECTORY and no reference: %v", what, err), Input: what, err: err}
	}
	name, ok := strings.CutPrefix(repository, "docker.io/library/")
	if !ok {
		return &RunError{Code: "not-in-library", Message: fmt.Sprintf("%s: %v", what, provenance.ErrNotInLibrary), Input: what, err: provenance.ErrNotInLibrary,
			Hint: "give the build definition: REPOSITORY#COMMIT:DIRECTORY"}
	}
	lib, err := s.library()
	if err != nil {
		return &RunError{Code: "library", Message: err.Error(), Input: s.options.Library, err: err}
	}
	p := d.input.Platform
	candidates, err := lib.Candidates(ctx, name, cmp.Or(tag, "latest"), library.Arch(p.OS, p.Architecture, p.Variant))
	if err != nil {
		return &RunError{Code: "not-in-library", Message: err.Error(), Input: what, err: err}
	}
	e := candidates[0].Entry
	if e.Builder == "oci-import" {
		return &RunError{Code: "oci-import", Message: fmt.Sprintf("%s: the library imports the image from a layout in git, so that nothing is built", what), Input: what}
	}
	r.Format = cmp.Or(r.Format, libraryFormat(e.Builder))
	if err := s.ofCommit(ctx, d, e, r); err != nil {
		return err
	}
	d.ref, d.name = name+":"+cmp.Or(tag, "latest"), repository+":"+cmp.Or(tag, "latest")
	d.origin.Claims = []Claim{libraryClaim(candidates[0], lib)}
	d.input.Form = rebuild.FormOfficial
	d.input.Annotations = rebuild.OfficialAnnotations(name, e, *d.origin.CommitTime, d.input.Build.Base)
	return nil
}

func libraryFormat(builder string) string {
	if builder == "classic" {
		return replay.Classic
	}
	return replay.BuildKit
}

func libraryClaim(c library.Candidate, lib *library.Library) Claim {
	head, date := lib.Head()
	e := c.Entry
	return Claim{Source: provenance.ByLibrary, Kind: provenance.KindBuild, Repository: e.Repository, Commit: e.Commit, Directory: e.Directory, File: e.File,
		Evidence: []Evidence{{Kind: "url", Value: lib.Location()}, {Kind: "git", Value: head + " (" + date.UTC().Format(time.RFC3339) + ")"},
			{Kind: "git", Value: c.LibraryCommit + ":" + c.File}}}
}

// ofCommit takes a directory of a commit, every object of which is hashed
// again.
func (s *session) ofCommit(ctx context.Context, d *definition, e library.Entry, r RebuildOptions) error {
	defer s.timeStage("source")()
	defer s.finishGit()
	repo, err := s.opener.Open(ctx, e.Repository, true)
	if err != nil {
		return err
	}
	commit, err := repo.Commit(ctx, e.Commit)
	if err != nil {
		return err
	}
	tree, err := commit.FS(ctx, e.Directory)
	if err != nil {
		return fmt.Errorf("directory %s at %s: %w", e.Directory, e.Commit, err)
	}
	if r.Created.IsZero() {
		r.Created = commit.Time
	}
	committed := commit.Time.UTC()
	d.input.Umask, d.input.Piped = 0o022, true
	if r.Format == replay.Classic {
		d.input.Umask = 0o002 // git archive's, which the official library's builders were fed
	}
	d.origin = &Origin{Repository: text(e.Repository), Commit: text(e.Commit), Directory: e.Directory, File: e.File,
		Builder: "dockerfile", CommitTime: &committed, Claims: []Claim{}}
	return d.read(tree, e.File, r)
}

// read parses the Dockerfile and settles the rest.
func (d *definition) read(context fs.FS, name string, r RebuildOptions) error {
	data, err := provenance.ReadDockerfile(context, path.Clean(name))
	if err != nil {
		return err
	}
	if ignore := name + ".dockerignore"; r.Format != replay.Classic {
		d.input.Ignore, err = provenance.ReadDockerfile(context, path.Clean(ignore))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	file, err := dockerfile.Parse(data)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	p := d.input.Platform
	d.input.Build, err = file.Evaluate(dockerfile.Options{OS: p.OS, Architecture: p.Architecture, Variant: p.Variant})
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	d.input.Context, d.input.SourceDate = context, r.Created.UTC().Truncate(time.Second)
	switch cmp.Or(r.Format, replay.BuildKit) {
	case replay.BuildKit:
		d.input.Writer, d.input.Form = rebuild.WriterBuildKit, rebuild.FormOCI
	case replay.Classic:
		d.input.Writer, d.input.Form = rebuild.WriterClassic, rebuild.FormPushed
	default:
		return &RunError{Code: "usage", Message: fmt.Sprintf("format %q: want classic or buildkit", r.Format), Input: r.Format, err: errors.ErrUnsupported}
	}
	return nil
}
