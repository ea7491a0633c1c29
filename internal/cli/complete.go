package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/imageverify/verify"
	"github.com/imageverify/verify/internal/output"
)

// complete tells the shells what the flags with closed sets of values take.
func complete(cmd *cobra.Command) {
	for flag, values := range map[string][]string{
		"only": verify.CheckIDs(), "skip": verify.CheckIDs(), "require": verify.CheckIDs(), "accept": verify.Reasons(),
		"output": output.Formats(), "color": colors, "network": networks,
	} {
		if cmd.Flag(flag) == nil {
			continue // the root command's, for every command below it
		}
		// It fails only for a flag that there is not.
		if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
			panic(err)
		}
	}
}

// completeExplained gives the checks and reasons that begin like what was
// typed.
func completeExplained(_ *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	var out []string
	if len(args) == 0 {
		for _, name := range append(verify.CheckIDs(), verify.Reasons()...) {
			if strings.HasPrefix(name, typed) {
				out = append(out, name)
			}
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}
