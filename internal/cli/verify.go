package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/imageverify/verify"
	"github.com/imageverify/verify/internal/output"
)

// verify is the main command.
func (a *app) verify(cmd *cobra.Command, args []string) error {
	outputs, err := a.outputs()
	if err != nil {
		return err
	}
	if len(args) == 0 {
		return usagef("which image? for example: %s alpine:3.20.3", cmd.CommandPath())
	}
	o, err := a.options()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), a.timeLimit(cmd, o))
	defer cancel()
	if err := a.sign(ctx, &o); err != nil {
		return err
	}
	p := a.progress()
	o.Progress = p.event
	a.showBuilds(p)
	r, err := verify.Verify(ctx, args, o)
	p.stop()
	if err != nil {
		return errors.Join(err, a.writeErrors(outputs, err))
	}
	return a.finish(outputs, r)
}

// finish writes the report of images, and ends with its verdict.
func (a *app) finish(outputs []target, r *verify.Report) error {
	err := a.write(outputs, func(w io.Writer, f output.Format, s output.Style) error { return output.Write(w, f, r, s) })
	if err != nil {
		return err
	}
	if code := codeOf(r); code != exitVerified {
		return exitCode(code)
	}
	return nil
}

// colors are the values of --color.
var colors = []string{"auto", "always", "never"}

// target is one place that a report is written to.
type target struct {
	format output.Format
	file   string // "" is stdout
}

// outputs reads the --output flags of a command that writes the formats; nil
// stands for those of every command.
func (a *app) outputs(formats ...string) ([]target, error) {
	if formats == nil {
		formats = output.Formats()
	}
	var out []target
	stdout := 0
	for _, v := range a.flags.output {
		format, file, named := strings.Cut(v, "=")
		if !slices.Contains(formats, format) {
			return nil, usagef("--output %q: the formats are %s", v, strings.Join(formats, ", "))
		}
		if named && file == "" {
			return nil, usagef("--output %q: no file is named", v)
		}
		if file == "" {
			stdout++
			a.json = format == string(output.JSON) && stdout == 1
		}
		out = append(out, target{output.Format(format), file})
	}
	if !slices.Contains(colors, a.flags.color) {
		return nil, usagef("--color %q: want auto, always or never", a.flags.color)
	}
	if stdout > 1 {
		return nil, usagef("--output: only one format goes to stdout; name a file for the others (json=FILE)")
	}
	if len(out) == 0 {
		out = []target{{format: output.Text}}
	}
	return out, nil
}

// write puts the report where it was asked for; files first, so that what
// stdout shows last stands at the end of a terminal.
func (a *app) write(targets []target, to func(io.Writer, output.Format, output.Style) error) error {
	for _, t := range targets {
		if t.file == "" {
			continue
		}
		if err := writeFile(t.file, func(w io.Writer) error { return to(w, t.format, a.style(false)) }); err != nil {
			return &verify.RunError{Code: "output", Message: fmt.Sprintf("output %s: %v", t.file, err), Input: t.file}
		}
	}
	for _, t := range targets {
		if t.file != "" {
			continue
		}
		if err := to(a.env.Stdout, t.format, a.style(a.env.StdoutTerminal)); err != nil {
			a.json = false
			return &verify.RunError{Code: "output", Message: fmt.Sprintf("standard output: %v", err)}
		}
	}
	return nil
}

// writeErrors puts the error where a report was to be, so that no older one is
// taken for this run's.
func (a *app) writeErrors(targets []target, err error) error {
	var failed []error
	for _, t := range targets {
		if t.file != "" {
			failed = append(failed, writeFile(t.file, func(w io.Writer) error { return output.WriteError(w, t.format, a.runError(err), a.style(false)) }))
		}
	}
	return errors.Join(failed...)
}

// writeFile writes a file aside and renames it into place, so that a report is
// there whole or not at all. What is there and no regular file, such as a pipe
// or a device, is written to; a symbolic link is followed.
func writeFile(name string, write func(io.Writer) error) error {
	mode := fs.FileMode(0o644)
	if real, err := filepath.EvalSymlinks(name); err == nil {
		name = real
	}
	if info, err := os.Stat(name); err == nil {
		if !info.Mode().IsRegular() {
			return writeOver(name, write)
		}
		mode = info.Mode().Perm()
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if err := write(f); err != nil {
		f.Close()
		return err
	}
	if err := f.Chmod(mode); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

func writeOver(name string, write func(io.Writer) error) error {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the program's version",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(a.env.Stdout, "verify", version())
			return err
		},
	}
}

// version is the module's version as the build recorded it.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "devel"
	}
	return info.Main.Version
}
