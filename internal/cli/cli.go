// Package cli is the command line: its commands and flags, its exit codes, and
// what it writes to the terminal.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/imageverify/verify"
	"github.com/imageverify/verify/internal/output"
)

// Env is what a run of the program touches besides files and the network.
type Env struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// StdoutTerminal and StderrTerminal say what the writers are; Width and
	// StderrWidth are the terminals' widths in columns, 0 where there is none.
	StdoutTerminal, StderrTerminal bool
	Width, StderrWidth             int
	Getenv                         func(string) string
}

// Process is the environment of this process.
func Process() Env {
	e := Env{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv}
	e.StdoutTerminal = term.IsTerminal(int(os.Stdout.Fd()))
	e.StderrTerminal = term.IsTerminal(int(os.Stderr.Fd()))
	if w, _, err := term.GetSize(int(os.Stdout.Fd())); err == nil && e.StdoutTerminal {
		e.Width = w
	}
	if w, _, err := term.GetSize(int(os.Stderr.Fd())); err == nil && e.StderrTerminal {
		e.StderrWidth = w
	}
	return e
}

// Main runs the program with the arguments and returns its exit code.
func Main(args []string, env Env) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second interrupt ends the program at once.
	context.AfterFunc(ctx, stop)
	// A closed pipe is an error of writing, after which is tidied up.
	signal.Ignore(syscall.SIGPIPE)
	app := &app{env: env, args: args}
	root := app.rootCommand()
	root.SetArgs(args)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	err := root.ExecuteContext(ctx)
	if code, ok := errors.AsType[exitCode](err); ok {
		return int(code)
	}
	if err == nil {
		return exitVerified
	}
	return app.fail(err)
}

// app is one run of the program.
type app struct {
	env   Env
	args  []string
	flags flags
	// json says that stdout holds JSON, an error included.
	json bool
}

// fail writes the error that kept the program from running, and returns the
// exit code.
func (a *app) fail(err error) int {
	e := a.runError(err)
	code := codeOfError(e)
	if a.json {
		if err := output.WriteError(a.env.Stdout, output.JSON, e, output.Style{}); err == nil {
			return code
		}
	}
	// Nothing is left to tell a failing stderr.
	_ = output.WriteError(a.env.Stderr, output.Text, e, a.style(a.env.StderrTerminal))
	return code
}

// runError states an error that kept the program from running.
func (a *app) runError(err error) *verify.RunError {
	e, ok := errors.AsType[*verify.RunError](err)
	switch {
	case ok:
		return e
	case errors.Is(err, context.DeadlineExceeded):
		return &verify.RunError{Code: "timeout", Message: fmt.Sprintf("not done after %s", a.flags.timeout), Hint: "give it longer with --timeout"}
	case errors.Is(err, context.Canceled):
		return &verify.RunError{Code: "interrupted", Message: "interrupted"}
	}
	return &verify.RunError{Code: "cannot-run", Message: err.Error()}
}

// style is how text is written to a terminal or a file.
func (a *app) style(terminal bool) output.Style {
	s := output.Style{Verbose: a.flags.verbose, Quiet: a.flags.quiet}
	if terminal {
		s.Width = a.env.Width
	}
	switch a.flags.color {
	case "always":
		s.Color = true
	case "auto", "":
		s.Color = terminal && a.env.Getenv("NO_COLOR") == "" && a.env.Getenv("TERM") != "dumb"
	}
	return s
}

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "verify IMAGE…",
		Short:         "Trace container images to their source and check what of that can be proved",
		Long:          longHelp,
		Example:       examples,
		Args:          cobra.ArbitraryArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          a.verify,
	}
	// What cobra finds wrong with flags is found before any command runs, so
	// that -o json has not been understood yet.
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		a.json = asksForJSON(a.args)
		return usagef("%s", err)
	})
	a.flags.add(root)
	a.flags.addShared(root)
	complete(root)
	root.AddCommand(a.historyCommand(), a.signaturesCommand(), a.bundleCommand(), a.rebuildCommand(), a.reproduceCommand(), a.diffCommand(), a.demoCommand(), a.explainCommand(), a.initializeCommand(), a.cacheCommand(), a.versionCommand())
	return root
}

const longHelp = `verify traces a container image to its Dockerfile and rootfs tarball, checks
every checksum, and checks that the image's history and layers are what the
Dockerfile's directives would leave. It says what is proved, what failed and
what could not be checked.

IMAGE is a registry reference (ubuntu:16.04), oci:DIR[:REF|@DIGEST],
oci-archive:FILE[:REF|@DIGEST], docker-archive:FILE[:REF] (docker save), or
docker-daemon:REF.

Exit codes: 0 verified, 1 a check failed, 2 could not run, 3 not everything
required could be checked.`

const examples = `  verify alpine:3.20.3
  verify alpine:3.20.3 --all-platforms -o json
  verify oci:./layout --as alpine:3.20.3 --offline --library ./official-images.git
  verify hello-world:linux --git-mirror https://github.com/=/srv/git
  verify docker-daemon:app:1.2 --context ./app
  verify registry.example.com/app:1.2 --only image,trace -o text -o json=report.json`
