package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/imageverify/verify/internal/demo"
	"github.com/imageverify/verify/internal/output"
)

func (a *app) demoCommand() *cobra.Command {
	var rebuild bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Verify made-up images and tampered twins of them, without any network",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if rebuild {
				return a.demoRebuild(cmd)
			}
			return a.demo(cmd)
		},
	}
	cmd.Flags().BoolVar(&rebuild, "rebuild", false, "build an image and its twin again from their source, in process, and show what differs")
	return cmd
}

// tally gathers how the cases of a demo came out.
type tally struct {
	text  strings.Builder
	wrong int
}

// add notes a case; wrong says how it was misjudged, "" where it was not.
func (t *tally) add(reference, outcome, wrong string) {
	mark := "as it should be"
	if wrong != "" {
		t.wrong++
		mark = "WRONG: " + wrong
	}
	fmt.Fprintf(&t.text, "  %-28s %-9s %s\n", reference, outcome, mark)
}

// demo shows each case's report, and fails if one is judged wrongly.
func (a *app) demo(cmd *cobra.Command) error {
	var t tally
	a.say("This is a demo: the images, the registry and the git repositories are made up on the spot,\nand no connection is opened. Two images are sound; the others are tampered with.\n")
	err := demo.Run(cmd.Context(), version(), func(r demo.Result) error {
		t.add(r.Case.Reference, string(r.Report.Verdict), r.Wrong())
		a.say("\n── demo: %s: %s\n\n", r.Case.Reference, r.Case.Title)
		return output.Write(a.env.Stdout, output.Text, r.Report, a.style(a.env.StdoutTerminal))
	})
	return a.summed(&t, err)
}

// demoRebuild shows each rebuild's report, and fails if one is judged wrongly.
func (a *app) demoRebuild(cmd *cobra.Command) error {
	var t tally
	a.say("This is a demo: the images, the registry and the git repositories are made up on the spot,\nno connection is opened, and no builder is needed. One image is sound; the other is tampered with.\n")
	err := demo.RunRebuilds(cmd.Context(), version(), func(r demo.RebuildResult) error {
		t.add(r.Rebuild.Reference, r.Level().String(), r.Wrong())
		a.say("\n── demo: %s: %s\n\n", r.Rebuild.Reference, r.Rebuild.Title)
		return output.WriteReproduce(a.env.Stdout, output.Text, r.Report, a.style(a.env.StdoutTerminal))
	})
	return a.summed(&t, err)
}

// summed ends a demo with its summary.
func (a *app) summed(t *tally, err error) error {
	if err != nil {
		return err
	}
	a.say("\n── demo: summary (made-up images)\n\n%s", t.text.String())
	if t.wrong > 0 {
		return exitCode(exitFailed)
	}
	return nil
}

// say writes to stdout for a person; a failing stdout shows in the report's own
// writing.
func (a *app) say(format string, args ...any) {
	fmt.Fprintf(a.env.Stdout, format, args...)
}
