package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/imageverify/verify"
)

func (a *app) explainCommand() *cobra.Command {
	return &cobra.Command{
		Use:       "explain CHECK|REASON",
		Short:     "Tell what a check, or a reason, means",
		Example:   "  verify explain layer.content\n  verify explain run-unproved",
		Args:      cobra.ExactArgs(1),
		ValidArgs: verify.CheckIDs(),
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
		for _, r := range list.reasons {
			fmt.Fprintf(&b, "  %-20s %s\n", r, verify.ReasonText(r))
		}
	}
	return b.String()
}
