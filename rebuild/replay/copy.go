package replay

import (
	"context"
	"errors"
	"path"
	"slices"
	"strings"

	"github.com/moby/patternmatcher"

	"github.com/imageverify/verify/checksums"
	"github.com/imageverify/verify/checksums/buildhash"
	"github.com/imageverify/verify/provenance/dockerfile"
)

// copying is an ADD or COPY under way.
type copying struct {
	*player
	what   *dockerfile.Copy
	view   *buildhash.Context
	dest   string
	owner  owner
	chown  bool
	chmod  *chmod // nil for none
	stamps buildhash.Variant
	// excluded and included are the patterns of --exclude and, one source at a
	// time, of --parents; nil for none.
	excluded, included *patternmatcher.PatternMatcher
}

// copy plays an ADD or a COPY.
func (p *player) copy(ctx context.Context, what *dockerfile.Copy) error {
	if err := refuse(p.in, what); err != nil {
		return err
	}
	c := &copying{player: p, what: what, dest: checksums.CleanPath(what.Dest),
		stamps: buildhash.Variant{Umask: p.in.Umask, AsFound: p.in.AsFound}}
	if err := c.flags(); err != nil {
		return err
	}
	for _, source := range what.Sources {
		if _, inline := what.Inline[source]; inline {
			continue
		}
		if err := c.source(ctx, source); err != nil {
			return err
		}
	}
	for _, source := range what.Sources { // after all others, as BuildKit does
		text, inline := what.Inline[source]
		if !inline {
			continue
		}
		if err := c.inline(source, text); err != nil {
			return err
		}
	}
	return nil
}

// refuse finds what makes a directive depend on more than the context.
func refuse(in Input, what *dockerfile.Copy) error {
	switch {
	case what.From != "" && in.From == nil:
		return cannot(FromStage, "--from=%s", what.From)
	}
	for _, text := range slices.Concat([]string{what.From, what.Dest, what.Chown, what.Chmod}, what.Exclude, what.Sources) {
		if dockerfile.HasHole(text) {
			return cannot(VariableUnknown, "%s", strings.ReplaceAll(text, "\x00", ""))
		}
	}
	for _, source := range what.Sources {
		if _, inline := what.Inline[source]; !inline && remote(source) {
			return cannot(RemoteSource, "%s", source)
		}
	}
	return nil
}

// remote reports whether a source is fetched from elsewhere.
func remote(source string) bool {
	for _, prefix := range []string{"http://", "https://", "git://", "ssh://", "git@"} {
		if strings.HasPrefix(strings.ToLower(source), prefix) {
			return true
		}
	}
	return false
}

func (c *copying) flags() (err error) {
	if c.what.Chown != "" {
		c.chown = true
		if c.owner, err = c.player.owner(c.what.Chown); err != nil {
			return err
		}
	}
	if c.what.Chmod != "" {
		if c.chmod, err = parseMode(c.what.Chmod); err != nil {
			return err
		}
	}
	if len(c.what.Exclude) > 0 {
		if c.excluded, err = patternmatcher.New(c.what.Exclude); err != nil {
			return cannot(SourceAbsent, "--exclude: %v", err)
		}
	}
	return nil
}

// source copies all that one source argument names.
func (c *copying) source(ctx context.Context, source string) error {
	if err := c.open(); err != nil {
		return err
	}
	if c.what.Parents {
		return whenAbsent(source, c.parents(ctx, source))
	}
	names, err := c.view.Expand(ctx, source)
	if err != nil {
		return whenAbsent(source, err)
	}
	for _, name := range names {
		if err := c.one(ctx, name); err != nil {
			return whenAbsent(name, err)
		}
	}
	return nil
}

// open opens the context, or what --from names, for the first source.
func (c *copying) open() (err error) {
	how := c.ignoring()
	switch {
	case c.view != nil:
	case c.what.From != "":
		c.view, err = buildhash.NewContext(c.in.From, buildhash.IgnoreNothing)
	case c.in.Context == nil:
		return cannot(ContextUnknown, "the build context is not known")
	case c.in.Ignore != nil && how == buildhash.IgnoreBuildKit:
		c.view, err = buildhash.NewContextIgnoring(c.in.Context, how, c.in.Ignore)
	default:
		c.view, err = buildhash.NewContext(c.in.Context, how)
	}
	return err
}

func (c *copying) ignoring() buildhash.Ignoring {
	switch {
	case c.in.Dialect == Classic && c.in.Piped:
		return buildhash.IgnorePiped
	case c.in.Dialect == Classic:
		return buildhash.IgnoreClassic
	case c.in.Piped:
		return buildhash.IgnoreNothing
	}
	return buildhash.IgnoreBuildKit
}

func whenAbsent(name string, err error) error {
	if errors.Is(err, buildhash.ErrNoSource) {
		return cannot(SourceAbsent, "%s", name)
	}
	return err
}

// one copies or unpacks what stands at one path of the context.
func (c *copying) one(ctx context.Context, name string) error {
	resolved, info, err := c.view.Resolve(name)
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return c.folder(ctx, resolved)
	case !info.Mode().IsRegular() && c.inodeOf(info) == nil:
		return cannot(SourceUnusual, "%s is %s", name, info.Mode().Type())
	}
	if unpacks(c.what) && info.Mode().IsRegular() {
		if done, err := c.archive(ctx, resolved); done || err != nil {
			return err
		}
	}
	it, err := c.file(resolved, info, true)
	if err != nil {
		return err
	}
	return c.place(path.Base(name), it)
}

// unpacks reports whether archives are unpacked: by ADD, unless --unpack says
// otherwise.
func unpacks(what *dockerfile.Copy) bool {
	if what.Unpack != nil {
		return *what.Unpack
	}
	return what.Add
}
