package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/imageverify/verify"
	"github.com/imageverify/verify/internal/output"
)

// reproduceFlags are the flags of verify reproduce alone.
type reproduceFlags struct {
	level string
	saved string
}

func (a *app) reproduceCommand() *cobra.Command {
	var f reproduceFlags
	cmd := &cobra.Command{
		Use:   "reproduce IMAGE",
		Short: "Build an image again from its source, and report what differs and why",
		Long: `reproduce builds an image again from the source that it is traced to, compares
the result with the published image, and reports the level that was reached, by
layer; what differs, with the causes, those that touch most files first, the
directive behind each and what would fix it; and what it takes to repeat the
rebuild on another machine.

Exit codes: 0 reproduced to the level asked for, 1 not, 2 could not run,
3 could not be rebuilt, or not wholly.`,
		Example: `  verify reproduce alpine:3.20.3 -o text -o html=report.html
  verify reproduce registry.example.com/app:1.2 --context ./app --level files
  verify reproduce oci:./layout --as alpine:3.20.3 -o json=report.json -o markdown
  verify reproduce app:1.2 --context ./app --rebuild build --network default
  verify reproduce --saved report.json -o html=report.html`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.reproduce(cmd, args, f) },
	}
	set := cmd.Flags()
	set.SortFlags = false
	set.StringVar(&f.level, "level", "", "exit with 0 where the image is reproduced to this `LEVEL` or a better one: "+levelNames()+" (default: the best there is)")
	set.StringVar(&a.flags.platform, "platform", "", "reproduce the image for `OS/ARCH[/VARIANT]` (default: this machine's)")
	a.flags.addTrace(set)
	a.flags.addRebuild(set)
	set.StringVar(&f.saved, "saved", "", "write the report in `FILE`, a report as JSON, again; nothing is built")
	set.StringArrayVarP(&a.flags.output, "output", "o", nil, "write the report as `text|json|html|markdown|intoto|FORMAT=FILE` (repeatable)")
	return cmd
}

func (a *app) reproduce(cmd *cobra.Command, args []string, f reproduceFlags) error {
	targets, err := a.outputs(output.ReproduceFormats()...)
	if err != nil {
		return err
	}
	r, err := a.reproduceReport(cmd, args, f)
	if err != nil {
		return errors.Join(err, a.writeErrors(targets, err))
	}
	err = a.write(targets, func(w io.Writer, format output.Format, s output.Style) error {
		return output.WriteReproduce(w, format, r, s)
	})
	if err != nil {
		return err
	}
	switch r.Verdict {
	case verify.Verified:
		return nil
	case verify.Failed:
		return exitCode(exitFailed)
	}
	return exitCode(exitIncomplete)
}

// reproduceReport makes a report, or reads a saved one.
func (a *app) reproduceReport(cmd *cobra.Command, args []string, f reproduceFlags) (*verify.ReproduceReport, error) {
	level, err := levelFlag(f.level)
	switch {
	case err != nil:
		return nil, err
	case f.saved != "" && len(args) > 0:
		return nil, usagef("--saved builds nothing: leave the image out")
	case f.saved != "":
		return savedReport(f.saved)
	case len(args) == 0:
		return nil, usagef("which image? for example: %s alpine:3.20.3", cmd.CommandPath())
	}
	o, err := a.options()
	if err != nil {
		return nil, err
	}
	if level == verify.NoLevel && o.RebuildLevel != verify.SameDigest {
		level = o.RebuildLevel // as --rebuild has it
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), a.timeLimit(cmd, o))
	defer cancel()
	p := a.progress()
	o.Progress = p.event
	a.showBuilds(p)
	r, err := verify.Reproduce(ctx, args[0], o, verify.ReproduceOptions{Level: level})
	p.stop()
	if err == nil {
		r.Environment.Command = repeatCommand(cmd, r)
	}
	return r, err
}

// maxSaved bounds a saved report, whose differences are bounded by number.
const maxSaved = 256 << 20

func savedReport(name string) (*verify.ReproduceReport, error) {
	bad := func(err error) error {
		return &verify.RunError{Code: "saved", Message: "saved report " + name + ": " + err.Error(), Input: name}
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, bad(err)
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, bad(errors.Join(err, errors.New("not a regular file")))
	}
	data, err := io.ReadAll(io.LimitReader(file, maxSaved+1))
	if err == nil && len(data) > maxSaved {
		err = errors.New("larger than a report can be")
	}
	if err != nil {
		return nil, bad(err)
	}
	r, err := verify.ReadReproduceReport(data)
	if err != nil {
		return nil, bad(err)
	}
	return r, nil
}

// hereOnly are flags that say what this machine does with a report.
var hereOnly = []string{"output", "saved", "quiet", "verbose", "color", "timeout", "cache-dir", "no-cache", "platform",
	"build-log", "tlscacert", "tlscert", "tlskey", "tlsservername"}

// repeatCommand is the command line that reproduces the very image again: the
// flags that were given, the reference with its digest, and the platform.
func repeatCommand(cmd *cobra.Command, r *verify.ReproduceReport) string {
	words := []string{"verify", "reproduce", pinned(r)}
	if r.Platform != nil {
		words = append(words, "--platform", *r.Platform)
	}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if slices.Contains(hereOnly, f.Name) {
			return
		}
		values := []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		for _, v := range values {
			if how, _, ok := strings.Cut(v, "="); ok && f.Name == "rebuild" && strings.HasPrefix(how, "build") {
				v = how // the builder is this machine's; the other finds its own
			}
			words = append(words, "--"+f.Name)
			if f.Value.Type() != "bool" {
				words = append(words, v)
			} else if v != "true" {
				words[len(words)-1] += "=" + v
			}
		}
	})
	return shellLine(words)
}

// pinned is the reference with the image's digest, where it is a registry's.
func pinned(r *verify.ReproduceReport) string {
	name, _, _ := strings.Cut(r.Reference, "@sha256:")
	local := slices.ContainsFunc([]string{"oci:", "oci-archive:", "docker-archive:", "docker-daemon:", "/", "./", "../"},
		func(prefix string) bool { return strings.HasPrefix(name, prefix) })
	if _, err := os.Stat(name); err == nil || local || r.Digest == nil {
		return r.Reference
	}
	return name + "@" + *r.Digest
}

// plainWord is what a shell takes as it is.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./#-]+$`)

// shellLine writes words as a POSIX shell reads them.
func shellLine(words []string) string {
	out := make([]string, len(words))
	for i, w := range words {
		if plainWord.MatchString(w) && !strings.HasPrefix(w, "#") {
			out[i] = w
		} else {
			out[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(out, " ")
}
