package cli

import (
	"github.com/spf13/cobra"

	"github.com/imageverify/verify"
)

func (a *app) signaturesCommand() *cobra.Command {
	var contentTrust bool
	cmd := &cobra.Command{
		Use:   "signatures IMAGE…",
		Short: "List what is attached to an image: signatures, attestations, bills of materials",
		Long: `signatures lists what is attached to an image's manifest and to the indexes
that lead to it, and verifies what is signed. It is
verify IMAGE --only signature with all that was found as a tree; no
layer is opened. What is not verified is shown as what it says of itself.

docs/attachments.md tells where attachments are looked for.`,
		Example: "  verify signatures registry.example.com/app:1.2\n  verify signatures oci:./layout --all-platforms -o json",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if contentTrust {
				return errContentTrust
			}
			a.flags.attached = true
			if len(a.flags.only) == 0 {
				a.flags.only = []string{"signature"}
			}
			return a.verify(cmd, args)
		},
	}
	a.flags.add(cmd)
	cmd.Flags().BoolVar(&contentTrust, "docker-content-trust", false, "say what has become of Docker Content Trust")
	complete(cmd)
	return cmd
}

// errContentTrust answers --docker-content-trust (Docker's announcements of July
// 2025 and June 2026).
var errContentTrust = &verify.RunError{Code: "usage", Input: "--docker-content-trust",
	Message: "Docker Content Trust is retired: its certificates for official images began to expire on 2025-08-08, and its server, notary.docker.io, is switched off by 2026-12-08",
	Hint: `nothing can be verified with it any more: https://www.docker.com/blog/retiring-docker-content-trust/
verify signatures IMAGE lists what is attached to an image today; verify IMAGE traces an official one to its source`}
