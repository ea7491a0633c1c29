package cli

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/imageverify/verify"
	"github.com/imageverify/verify/internal/output"
)

// rebuildFlags are the flags of verify rebuild alone.
type rebuildFlags struct {
	format, created, to string
	plan                bool
}

func (a *app) rebuildCommand() *cobra.Command {
	var f rebuildFlags
	cmd := &cobra.Command{
		Use:   "rebuild REFERENCE|DIR|REPOSITORY#COMMIT:DIR",
		Short: "Assemble an image from its source, without a builder or a registry",
		Long: `rebuild assembles the image that a Dockerfile makes, byte for byte as builders
write it, and writes it as an OCI layout. A reference is taken from its entry in
the official library: no registry is asked, but for an image that --base names.
Directives that run programs cannot be rebuilt; --plan says what can.

Exit codes: 0 done, or the plan is one that can be done; 2 could not run;
3 some directive cannot be rebuilt here, and nothing was written.`,
		Example: `  verify rebuild alpine:3.20.3 --platform linux/riscv64 --to oci:out
  verify rebuild https://github.com/alpinelinux/docker-alpine.git#7d63673353bd39d92ba42f6effcc199aeebd45ee:x86_64 --to oci:out
  verify rebuild ./context --created 2024-09-06T12:05:36Z --format classic --to oci:out
  verify rebuild ./context --created 2024-09-06T12:05:36Z --base alpine:3.20=oci:./alpine --to oci:out
  verify rebuild python:3.12 --plan -o json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.rebuild(cmd.Context(), args[0], f) },
	}
	set := cmd.Flags()
	set.SortFlags = false
	set.StringVar(&a.flags.platform, "platform", "", "build for `OS/ARCH[/VARIANT]` (default: this machine's)")
	set.StringVar(&f.format, "format", "", "write as this builder does: `classic|buildkit` (default: the library entry's, else buildkit)")
	set.StringVar(&f.created, "created", "", "the image's `TIME`, RFC 3339 or seconds since 1970 (default: the commit's)")
	set.StringVar(&f.to, "to", "", "write the image to `oci:DIR`, which must not exist yet")
	set.BoolVar(&f.plan, "plan", false, "say what would be done, and write no image")
	set.StringArrayVar(&a.flags.bases, "base", nil, "build on an image for the one that FROM names, `REF=IMAGE`")
	a.flags.addRegistries(set)
	a.flags.addSources(set)
	a.flags.addOutput(set)
	return cmd
}

func (a *app) rebuild(ctx context.Context, what string, f rebuildFlags) error {
	outputs, err := a.outputs()
	if err != nil {
		return err
	}
	r, err := f.options()
	if err != nil {
		return err
	}
	o, err := a.options()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, a.flags.timeout)
	defer cancel()
	p := a.progress()
	o.Progress = p.event
	report, err := verify.Rebuild(ctx, what, o, r)
	p.stop()
	if err != nil {
		return errors.Join(err, a.writeErrors(outputs, err))
	}
	err = a.write(outputs, func(w io.Writer, f output.Format, s output.Style) error { return output.WriteRebuild(w, f, report, s) })
	if err == nil && report.Refused() {
		return exitCode(exitIncomplete)
	}
	return err
}

// options are the flags as the product's options.
func (f rebuildFlags) options() (verify.RebuildOptions, error) {
	r := verify.RebuildOptions{Format: f.format, Plan: f.plan}
	switch f.format {
	case "", "classic", "buildkit":
	default:
		return r, usagef("--format %q: want classic or buildkit", f.format)
	}
	dir, ok := strings.CutPrefix(f.to, "oci:")
	switch {
	case f.plan && f.to != "":
		return r, usagef("--plan writes no image: leave --to out")
	case !f.plan && (!ok || dir == ""):
		return r, usagef("--to %q: want oci:DIR", f.to)
	}
	r.To = dir
	if f.created == "" {
		return r, nil
	}
	var err error
	if r.Created, err = moment(f.created); err != nil || r.Created.Year() > lastYear || r.Created.Unix() < 0 {
		return r, usagef("--created %q: want RFC 3339, such as 2024-09-06T12:05:36Z, or seconds since 1970, up to the year %d", f.created, lastYear)
	}
	return r, nil
}

// lastYear is the last one that RFC 3339, and so a config, can have.
const lastYear = 9999

// moment reads RFC 3339 or a number of seconds, as SOURCE_DATE_EPOCH has it.
func moment(text string) (time.Time, error) {
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Unix(seconds, 0).UTC(), nil
	}
	return time.Parse(time.RFC3339, text)
}
