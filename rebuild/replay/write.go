package replay

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/checksums"
)

// Format is how a layer's archive is written.
type Format string

const (
	// FormatDocker is what Docker Engine's layer store writes, for the classic
	// builder and for its own BuildKit: file type bits in modes, marks of
	// opaque directories.
	FormatDocker Format = "docker"
	// FormatBuildKit is what BuildKit's differ writes: no file type bits, and
	// nothing that is below as it is.
	FormatBuildKit Format = "buildkit"
)

// Stamp is what a layer's bytes depend on besides its directive.
type Stamp struct {
	// Format is, where empty, that of the dialect.
	Format Format
	// SourceDate is SOURCE_DATE_EPOCH of a BuildKit that rewrites timestamps:
	// later times are set to it. Zero for none.
	SourceDate time.Time
	// Time gives, by path, the times that the source does not decide. False
	// says that the layer has no such entry, which then is left out where the
	// builder may have done so. nil stands for a function that knows nothing.
	// With SourceDate only earlier times count; those that the build itself
	// gave, which are most, are SourceDate and need no answer.
	Time func(path string) (time.Time, bool)
	// Names gives the names of owners, which some versions of Docker wrote as
	// the host of the build had them; nil for none.
	Names func(uid, gid int) (user, group string)
	// MarkNew has marks also in directories that are new in a directory of the
	// layers below, as Linux up to 5.11 makes them. It is for FormatDocker.
	MarkNew bool
}

// Written is a layer's archive.
type Written struct {
	DiffID v1.Hash
	Size   int64 // in bytes, not compressed
	// Times are the times that came from Stamp.Time, in walk order: one for
	// each file, under the first of its names.
	Times []Time
	// Undated are the paths whose time neither the source nor Stamp knows: it
	// is 1970 in the archive.
	Undated []string
	// Stamped is whether Umask decided the mode of a file or directory.
	Stamped bool
}

// Time is a time that was asked for.
type Time struct {
	Path string
	Time time.Time
}

// Compress returns a writer that compresses as the builders do: Go's standard
// gzip at its default level, without name and time in its header. The caller
// closes it, w stays open.
func Compress(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }

// WriteLayer writes the archive of the layer that an ADD, COPY or WORKDIR
// makes, not compressed. Every file that goes into it is read to its end
// through the context. The error is a *NotReplayable where the source does not
// decide the layer; then, too, a part of the archive may have been written.
func WriteLayer(ctx context.Context, in Input, stamp Stamp, w io.Writer) (*Written, error) {
	p, err := Play(ctx, in)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	return p.Write(ctx, stamp, w)
}

// Played is a directive that was played: what it leaves in its layer.
type Played struct{ player *player }

// Play plays a directive. Archives are read, and the contents that they hold
// kept, in a temporary file where they are large; other files are read when
// they are asked for.
func Play(ctx context.Context, in Input) (*Played, error) {
	p := newPlayer(in)
	p.store = &spool{openFile: in.Spill}
	err := p.play(ctx)
	if err == nil {
		err = p.markRepeats(ctx)
	}
	if err != nil {
		p.store.Close()
		return nil, err
	}
	return &Played{p}, nil
}

// Close frees the contents of archives.
func (p *Played) Close() error { return p.player.store.Close() }

// Index returns the entries of the layer, as Layer does.
func (p *Played) Index(ctx context.Context) (*Result, error) { return p.player.index(ctx) }

// Write writes the layer's archive. It may be called again, with other stamps.
func (p *Played) Write(ctx context.Context, stamp Stamp, w io.Writer) (*Written, error) {
	if stamp.Format == "" {
		stamp.Format = FormatDocker
		if p.player.in.Dialect == BuildKit {
			stamp.Format = FormatBuildKit
		}
	}
	sum := checksums.NewSumWriter(w)
	buffered := bufio.NewWriterSize(sum, 256<<10)
	a := &archiver{player: p.player, ctx: ctx, stamp: stamp, tw: tar.NewWriter(buffered),
		first: map[*inode]string{}, left: map[*node]bool{}, removed: map[*node][]string{}, out: &Written{Stamped: p.player.stamped}}
	if stamp.Format == FormatBuildKit {
		if err := a.findRemoved(".", p.player.tree.root, false); err != nil {
			return nil, err
		}
		if _, err := a.leave(".", p.player.tree.root); err != nil {
			return nil, err
		}
	}
	if err := a.walk(".", p.player.tree.root); err != nil {
		return nil, err
	}
	if err := a.tw.Close(); err != nil {
		return nil, fmt.Errorf("writing a layer: %w", err)
	}
	if err := buffered.Flush(); err != nil {
		return nil, fmt.Errorf("writing a layer: %w", err)
	}
	a.out.DiffID, a.out.Size = sum.Digest(), sum.Size()
	return a.out, nil
}
