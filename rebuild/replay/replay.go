// Package replay assembles what ADD, COPY and WORKDIR directives leave in a
// layer, from a source tree and from what the layers below hold: the entries
// (Layer) and the archive, byte for byte (WriteLayer).
//
// A directive is played on a model of the file system as an overlay shows it:
// the layers below, and on top of them the layer that the directive writes.
// The layer then holds what was written, and the directories above it, as a
// walk of the upper directory finds them. The rules are those of the classic
// builder (Docker 20.10) and of BuildKit (v0.34); where versions of one
// builder disagree, or the source does not decide what the layer holds, the
// answer is a *NotReplayable.
package replay

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/imageverify/verify/checksums"
	"github.com/imageverify/verify/provenance/dockerfile"
)

// Builders whose rules differ.
const (
	Classic  = dockerfile.Classic
	BuildKit = dockerfile.BuildKit
)

// Reasons why a directive cannot be replayed.
const (
	NeedsRun        = "needs-run"          // RUN: what a program does follows from no source
	RemoteSource    = "remote-source"      // ADD of a URL or a git repository
	FromStage       = "from-stage"         // --from: the files of the other stage or image are not at hand
	ChownName       = "chown-name"         // an owner by name, which a file of the image decides that is not at hand
	ChmodUnknown    = "chmod-unknown"      // --chmod of something that is no mode
	ChmodParents    = "chmod-parents"      // --chmod where parents are made: versions disagree on their mode
	ContextUnknown  = "context-unknown"    // there is no context
	SourceAbsent    = "source-absent"      // the context has nothing of that name
	SourceUnusual   = "source-unusual"     // a device, socket or FIFO in the context
	ArchiveFormat   = "archive-format"     // a compression that only some versions unpack
	ArchiveBroken   = "archive-unreadable" // no builder could have unpacked it
	ArchiveEscapes  = "archive-escapes"    // a name that leaves the destination
	ArchiveUnusual  = "archive-unusual"    // an entry that builders refuse or treat in their own ways
	Conflict        = "conflict"           // a file stands where a directory is needed, or the other way round
	SameAsLower     = "same-as-lower"      // a hard-linked file of which some names are below as they were: the builder may have left those out
	VariableUnknown = "variable-unknown"   // an argument depends on a variable that only the base image has
	UnknownDialect  = "unknown-dialect"    // Dialect is neither
	ContentBelow    = "content-below"      // a layer repeats a file of the layers below, whose contents are not at hand
	NothingToReplay = "nothing-to-replay"  // a directive without files
)

// NotReplayable says why the source does not decide what a layer holds. It is
// not a failure of the image.
type NotReplayable struct {
	Reason string // one of the constants above
	What   string // the argument or path in question
}

func (e *NotReplayable) Error() string {
	return fmt.Sprintf("cannot be replayed (%s): %s", e.Reason, e.What)
}

func cannot(reason, format string, args ...any) error {
	return &NotReplayable{Reason: reason, What: fmt.Sprintf(format, args...)}
}

// Input is one directive and what it works on.
type Input struct {
	Directive dockerfile.Directive
	// Context is the build context, nil where it is not known. Links are known
	// where it implements fs.ReadLinkFS. Only the executable bits of modes
	// count, unless AsFound.
	Context fs.FS
	// Ignore is the text of the Dockerfile's own ignore file, nil where it has
	// none: BuildKit takes it in the place of .dockerignore.
	Ignore []byte
	// Lower returns the entries of the layers below for those of the clean
	// paths that exist there; nil stands for scratch.
	Lower func(paths ...string) (map[string]checksums.Entry, error)
	// Contents opens a file of the layers below, by its clean path; nil where
	// only their entries are known.
	Contents func(path string) (io.ReadCloser, error)
	// List names what the layers below have in a directory; nil where that is
	// not known.
	List func(dir string) ([]string, error)
	// From is the tree of the stage or image that --from names, best a
	// Stage's; nil where it is not known.
	From fs.FS
	// Umask makes git's two modes into file modes, for copied files: 022 or
	// 002.
	Umask fs.FileMode
	// AsFound takes the context's own modes instead.
	AsFound bool
	// Dated takes the context's own times, cut to seconds, for those of its
	// files, and with the classic builder of its directories.
	Dated bool
	// ChmodParents has directories that COPY makes on its way get the mode of
	// --chmod, as BuildKit v0.34 does it; PlainParents has them made with mode
	// 0755, as others do. Where neither is set and it matters, the layer is
	// not replayed.
	ChmodParents, PlainParents bool
	// Piped is whether the context reached the builder as an archive or from
	// git, so that .dockerignore does not apply (see buildhash.Variant).
	Piped bool
	// Dialect is Classic or BuildKit.
	Dialect string
	// Created is the image's creation time. Expected times do not depend on
	// it; see Times.
	Created time.Time
	// Limits bounds what archives unpack to; zero fields have their defaults.
	Limits checksums.Limits
	// Spill opens temporary files, for contents of archives that do not fit
	// into memory; they need no name. nil stands for files in the system's
	// temporary folder.
	Spill func() (*os.File, error)
	// NewBuilder makes the builder of the result; nil stands for one with
	// Limits.
	NewBuilder func() *checksums.Builder
}

// Layer returns the entries that the layer of an ADD, COPY or WORKDIR must
// hold. Every file that is read is read to its end, so that a context which
// checks what it reads has its say. The error is a *NotReplayable where the
// source does not decide the layer; the caller closes the result.
func Layer(ctx context.Context, in Input) (*Result, error) {
	p := newPlayer(in)
	if err := p.play(ctx); err != nil {
		return nil, err
	}
	return p.index(ctx)
}

// player plays one directive.
type player struct {
	in     Input
	tree   *tree
	store  *spool // of archives' contents; nil where digests are enough
	limits checksums.Limits
	bytes  int64 // of content so far
	// stamped is whether the umask decided a mode.
	stamped bool

	repeatsMarked bool
}

func (p *player) play(ctx context.Context) error {
	if p.in.Dialect != Classic && p.in.Dialect != BuildKit {
		return cannot(UnknownDialect, "%q", p.in.Dialect)
	}
	switch d := p.in.Directive; {
	case d.Copy != nil && (d.Name == "ADD" || d.Name == "COPY"):
		return p.copy(ctx, d.Copy)
	case d.Name == "WORKDIR" && d.WorkingDir != "":
		return p.workdir(d.WorkingDir, d.User)
	case d.Name == "RUN":
		return cannot(NeedsRun, "%s", d.Name)
	default:
		return cannot(NothingToReplay, "%s", d.Name)
	}
}

func newPlayer(in Input) *player {
	limits := in.Limits.OrDefault()
	if c := in.Directive.Copy; c != nil && c.Link {
		in.Lower, in.Contents, in.List = nil, nil, nil // --link writes onto nothing, whatever is below
	}
	t := newTree(in.Lower, limits)
	t.reads = in.Contents
	return &player{in: in, limits: limits, tree: t}
}

// workdir makes the directory, and those above it, where they are missing.
func (p *player) workdir(dir, user string) error {
	if dockerfile.HasHole(dir) || dockerfile.HasHole(user) {
		return cannot(VariableUnknown, "WORKDIR")
	}
	o := owner{}
	if p.in.Dialect == BuildKit && user != "" {
		var err error
		if o, err = p.owner(user); err != nil {
			return err
		}
	}
	at, err := p.tree.resolve(dir, ".", true)
	if err != nil {
		return err
	}
	_, err = p.tree.mkdirAll(at, o, newDirMode)
	return err
}

// Times returns how filetree.Compare is to compare the time that a is expected
// to have with that of b, the entry of the image: a time that is zero matches
// all, others must be equal to the second. BuildKit sets times later than the
// source date, which is the image's creation time, to it.
func Times(created time.Time, dialect string) func(a, b checksums.Entry) bool {
	created = created.Truncate(time.Second)
	return func(a, b checksums.Entry) bool {
		if a.ModTime.IsZero() {
			return true
		}
		want, got := a.ModTime.Truncate(time.Second), b.ModTime.Truncate(time.Second)
		if want.Equal(got) {
			return true
		}
		return dialect == BuildKit && !created.IsZero() && want.After(created) && got.Equal(created)
	}
}
