package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/imageverify/verify"
	"github.com/imageverify/verify/internal/output"
)

func (a *app) explainCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "explain CHECK|REASON",
		Short:             "Tell what a check, or a reason, means, and what to do about it",
		Example:           "  verify explain layer.content\n  verify explain run-unproved",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeExplained,
		RunE: func(_ *cobra.Command, args []string) error {
			text, err := explain(args[0])
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(a.env.Stdout, text)
			return err
		},
	}
}

// reasonWidth is the column in which reasons are explained.
const reasonWidth = 22

// explain is the manual's entry for a check or a reason.
func explain(name string) (string, error) {
	checks := verify.Checks()
	i := slices.IndexFunc(checks, func(c verify.CheckInfo) bool { return c.ID == name })
	if i >= 0 {
		return explainCheck(checks[i]), nil
	}
	meaning := verify.ReasonText(name)
	if meaning == "" {
		return "", usagef("no check or reason is called %q; the checks are: %s", name, strings.Join(verify.CheckIDs(), ", "))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n\n", name, meaning)
	if advice := output.Advice(name); advice != "" {
		fmt.Fprintf(&b, "  what to do: %s\n", advice)
	}
	for _, c := range checks {
		if slices.Contains(c.Fails, name) {
			fmt.Fprintf(&b, "  a failure of %s\n", c.ID)
		}
		if slices.Contains(c.Others, name) {
			fmt.Fprintf(&b, "  a reason of %s to warn or not to know (--accept %s lets it stand)\n", c.ID, name)
		}
	}
	return b.String(), nil
}

func explainCheck(c verify.CheckInfo) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s passes when %s.\n", c.ID, c.Passes)
	for _, list := range []struct {
		title   string
		reasons []string
	}{{"fails with", c.Fails}, {"warns or is unknown with", c.Others}} {
		if len(list.reasons) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\nIt %s\n", list.title)
		for i, r := range list.reasons {
			fmt.Fprintf(&b, "  %-*s %s\n", reasonWidth, r, verify.ReasonText(r))
			advice := output.Advice(r)
			if i+1 < len(list.reasons) && output.Advice(list.reasons[i+1]) == advice {
				continue // it is said once, below the last reason that it is for
			}
			if advice != "" {
				fmt.Fprintf(&b, "  %-*s → %s\n", reasonWidth, "", advice)
			}
		}
	}
	if c.Fix != "" {
		fmt.Fprintf(&b, "\nWhat to write instead: %s.\n", c.Fix)
	}
	return b.String()
}
