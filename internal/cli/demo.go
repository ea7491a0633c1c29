package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/imageverify/verify/internal/demo"
	"github.com/imageverify/verify/internal/output"
)

func (a *app) demoCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Verify made-up images and tampered twins of them, without any network",
		Args:  cobra.NoArgs,
		RunE:  a.demo,
	}
}

// demo shows each case's report, and fails if one is judged wrongly.
func (a *app) demo(cmd *cobra.Command, _ []string) error {
	wrong := 0
	var summary strings.Builder
	a.say("This is a demo: the images, the registry and the git repositories are made up on the spot,\nand no connection is opened. Two images are sound; the others are tampered with.\n")
	err := demo.Run(cmd.Context(), version(), func(r demo.Result) error {
		mark := "as it should be"
		if text := r.Wrong(); text != "" {
			wrong++
			mark = "WRONG: " + text
		}
		fmt.Fprintf(&summary, "  %-28s %-9s %s\n", r.Case.Reference, r.Report.Verdict, mark)
		a.say("\n── demo: %s: %s\n\n", r.Case.Reference, r.Case.Title)
		return output.Write(a.env.Stdout, output.Text, r.Report, a.style(a.env.StdoutTerminal))
	})
	if err != nil {
		return err
	}
	a.say("\n── demo: summary (made-up images)\n\n%s", summary.String())
	if wrong > 0 {
		return exitCode(exitFailed)
	}
	return nil
}

// say writes to stdout for a person; a failing stdout shows in the report's own
// writing.
func (a *app) say(format string, args ...any) {
	fmt.Fprintf(a.env.Stdout, format, args...)
}
