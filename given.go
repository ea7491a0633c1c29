package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/imageverify/verify/internal/local"
	"github.com/imageverify/verify/provenance"
	"github.com/imageverify/verify/provenance/dockerfile"
)

// ignoreSuffix makes of a Dockerfile's name that of its own ignore file;
// maxIgnore bounds it in bytes.
const (
	ignoreSuffix = ".dockerignore"
	maxIgnore    = 1 << 20
)

// validate refuses what makes no sense together, before anything is opened.
func (g Given) validate(library string) error {
	switch {
	case g.Source != "" && g.Context != "":
		return usage(g.Context, "--source and --context exclude each other: the source's directory is the context")
	case g.Source != "" && g.Dockerfile == "-":
		return usage("-", "--dockerfile -: with --source the Dockerfile is a file of the source")
	case !g.named() && (g.Target != "" || len(g.BuildArgs) > 0):
		return usage(g.Target, "--target and --build-arg go with --source, --dockerfile or --context")
	}
	return nil
}

func usage(input, format string, args ...any) error {
	return &RunError{Code: "usage", Message: fmt.Sprintf(format, args...), Input: input}
}

// readGiven reads what the user names as the build definition.
func (s *session) readGiven(ctx context.Context) error {
	g := s.options.Given
	if err := g.validate(s.options.Library); err != nil || !g.named() {
		return err
	}
	s.given = &provenance.Given{Target: g.Target, BuildArgs: g.BuildArgs}
	if g.Source != "" {
		return s.readSource(ctx, g)
	}
	return s.readHandedIn(g)
}

// readHandedIn reads a Dockerfile on this machine, and opens the context.
func (s *session) readHandedIn(g Given) error {
	var err error
	if g.Context != "" {
		if s.folder, err = local.OpenDir(g.Context); err != nil {
			return inputError("context", g.Context, err)
		}
		s.given.Context, s.given.ContextName, s.given.HardLinks = s.folder, g.Context, s.folder.HasHardLinks
	}
	name := g.Dockerfile
	if name == "" {
		name = filepath.Join(g.Context, "Dockerfile")
	}
	if err := s.readDockerfile(g); err != nil {
		return inputError("dockerfile", name, err)
	}
	s.given.Claim = provenance.Claim{Source: provenance.ByFlag, Kind: provenance.KindBuild, File: name,
		Evidence: []provenance.Evidence{{Kind: "file", Value: name}}}
	return nil
}

// readDockerfile reads the Dockerfile and its ignore file, once, and refuses
// what no builder could read.
func (s *session) readDockerfile(g Given) (err error) {
	switch {
	case g.Dockerfile == "-" && g.Stdin == nil:
		return errors.New("there is no standard input")
	case g.Dockerfile == "-":
		s.given.Text, err = local.ReadAll(g.Stdin, dockerfile.MaxSize)
	case g.Dockerfile != "":
		s.given.Text, err = local.ReadFile(g.Dockerfile, dockerfile.MaxSize)
		if err == nil {
			s.given.Ignore, err = local.ReadFile(g.Dockerfile+ignoreSuffix, maxIgnore)
		}
	default:
		s.given.Text, err = readIn(s.folder, "Dockerfile", dockerfile.MaxSize)
		if err == nil {
			s.given.Ignore, err = readIn(s.folder, "Dockerfile"+ignoreSuffix, maxIgnore)
		}
	}
	if err != nil && (s.given.Text == nil || !errors.Is(err, fs.ErrNotExist)) {
		return err
	}
	return evaluates(s.given.Text, g)
}

// evaluates refuses a text that is no Dockerfile, or lacks the stage that is
// asked for.
func evaluates(text []byte, g Given) error {
	file, err := dockerfile.Parse(text)
	if err != nil {
		return err
	}
	_, err = file.Evaluate(dockerfile.Options{Target: g.Target, BuildArgs: g.BuildArgs})
	return err
}

// readIn reads a file of the context.
func readIn(dir *local.Dir, name string, limit int64) ([]byte, error) {
	f, err := dir.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return local.ReadAll(f, limit)
}

// inputError states what is wrong with a local input, in one line that names it
// once.
func inputError(code, name string, err error) error {
	cause := err
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		cause = p.Err
	}
	return &RunError{Code: code, Message: fmt.Sprintf("%s %s: %v", code, name, cause), Input: name, err: err}
}
