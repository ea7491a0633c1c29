package cli

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/imageverify/verify"
	"github.com/imageverify/verify/internal/output"
)

// diffFlags are the flags of the diff command alone.
type diffFlags struct {
	layers, content bool
	ignore          []string
	level           string
}

func (a *app) diffCommand() *cobra.Command {
	var f diffFlags
	cmd := &cobra.Command{
		Use:   "diff A B",
		Short: "Compare two images file by file",
		Long: `diff compares two images, given as any kind of reference: the files that all
their layers together leave (or layer by layer), their configs and manifests.
Every byte is read once and checked; nothing is unpacked to disk.

Exit codes: 0 equal to the level asked for, 1 not, 2 could not be compared.`,
		Example: `  verify diff app:1.2 app:1.3
  verify diff docker-archive:app.tar oci:./rebuilt --level files
  verify diff app:1.2 registry.example.com/app:1.2 --ignore time,noise -o json`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error { return a.diff(cmd.Context(), args, f) },
	}
	set := cmd.Flags()
	set.SortFlags = false
	set.StringVar(&f.level, "level", "", "exit with 0 where the images are equal to this `LEVEL` or a better one: "+levelNames()+" (default: no difference at all)")
	set.StringSliceVar(&f.ignore, "ignore", nil, "let differences of these `CLASSES` (or known noise by name, or all \"noise\") count for nothing; they are still shown")
	set.BoolVar(&f.layers, "layers", false, "compare layer with layer, not what all layers leave")
	set.BoolVar(&f.content, "content", false, "show what changed in files, however much has to be read again for it")
	set.StringVar(&a.flags.platform, "platform", "", "compare the images for `OS/ARCH[/VARIANT]` (default: this machine's)")
	a.flags.addRegistries(set)
	a.flags.addBounds(set)
	a.flags.addOutput(set)
	return cmd
}

// levelFlag reads --level; NoLevel where none is given.
func levelFlag(name string) (verify.Level, error) {
	var level verify.Level
	if name == "" {
		return level, nil
	}
	if err := level.UnmarshalText([]byte(name)); err != nil || level < verify.SameFiles {
		return level, usagef("--level %q: the levels are %s", name, levelNames())
	}
	return level, nil
}

func levelNames() string {
	var names []string
	for _, l := range verify.Levels() {
		names = append(names, l.String())
	}
	return strings.Join(names, ", ")
}

// diff compares two images.
func (a *app) diff(ctx context.Context, args []string, f diffFlags) error {
	targets, err := a.outputs()
	if err != nil {
		return err
	}
	o, err := a.options()
	if err != nil {
		return err
	}
	want, err := levelFlag(f.level)
	if err != nil {
		return err
	}
	d := verify.DiffOptions{ByLayer: f.layers, Ignore: f.ignore, Reread: verify.DefaultReread}
	if f.content {
		d.Reread = -1
	}
	ctx, cancel := context.WithTimeout(ctx, a.flags.timeout)
	defer cancel()
	p := a.progress()
	o.Progress = p.event
	r, err := verify.Diff(ctx, args[0], args[1], o, d)
	p.stop()
	if err != nil {
		return errors.Join(err, a.writeErrors(targets, err))
	}
	if err := a.write(targets, func(w io.Writer, format output.Format, s output.Style) error {
		return output.WriteDiff(w, format, r, s)
	}); err != nil {
		return err
	}
	if f.level != "" && r.Judged.Reaches(want) || f.level == "" && equalAtAll(r) {
		return nil
	}
	return exitCode(exitFailed)
}

// equalAtAll reports whether nothing that counts differs. Without a manifest
// on one side there is nothing better than equal image IDs.
func equalAtAll(r *verify.DiffReport) bool {
	if r.A.Digest == nil || r.B.Digest == nil {
		return r.Judged.Reaches(verify.SameImageID)
	}
	return r.Judged == verify.SameDigest
}
