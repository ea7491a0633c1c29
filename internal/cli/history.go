package cli

import "github.com/spf13/cobra"

func (a *app) historyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "history IMAGE…",
		Short: "Lay an image's history beside its Dockerfile, line by line",
		Long: `history traces an image to its Dockerfile and matches each entry of the image's
history with the directive that left it, without opening a layer. It is
verify IMAGE --only trace,history with the match as a table.

docs/history.md tells how the table is read.`,
		Example: "  verify history alpine:3.20.3\n  verify history oci:./layout --as alpine:3.20.3 -o json",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			a.flags.history = true
			if len(a.flags.only) == 0 {
				a.flags.only = []string{"trace", "history"}
			}
			return a.verify(cmd, args)
		},
	}
	a.flags.add(cmd)
	complete(cmd)
	return cmd
}
