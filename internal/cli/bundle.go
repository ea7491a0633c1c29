package cli

import (
	"context"
	"errors"
	"slices"

	"github.com/spf13/cobra"

	"github.com/imageverify/verify"
)

func (a *app) bundleCommand() *cobra.Command {
	var subject string
	cmd := &cobra.Command{
		Use:   "bundle FILE --subject sha256:…|FILE",
		Short: "Verify a sigstore bundle for a file or a digest, with no image around it",
		Long: `bundle verifies the signature in a sigstore bundle, a DSSE envelope, or what
gcloud artifacts docker images describe --format json --show-provenance prints,
for a file or a digest: a rootfs tarball, a release file.`,
		Example: "  verify bundle app.tar.gz.sigstore.json --subject app.tar.gz --certificate-identity … --certificate-oidc-issuer …\n  verify bundle provenance.json --subject sha256:… --source-uri github.com/OWNER/NAME",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.bundle(cmd, args, subject)
		},
	}
	set := cmd.Flags()
	set.SortFlags = false
	set.StringVar(&subject, "subject", "", "the `DIGEST|FILE` that must be what was signed")
	a.flags.signing.add(set)
	a.flags.proving.add(set)
	a.flags.addBounds(set)
	a.flags.addOutput(set)
	complete(cmd)
	return cmd
}

func (a *app) bundle(cmd *cobra.Command, args []string, subject string) error {
	outputs, err := a.outputs()
	if err != nil {
		return err
	}
	switch {
	case len(args) != 1:
		return usagef("one bundle, please: verify bundle FILE --subject sha256:…|FILE")
	case subject == "":
		return usagef("what was signed? name it with --subject sha256:… or --subject FILE")
	case len(a.flags.signing.bundles)+len(a.flags.proving.files) > 0:
		return usagef("--bundle and --provenance are for images: name the file alone")
	}
	if a.flags.timeout <= 0 {
		return usagef("--timeout %s: must be more than nothing", a.flags.timeout)
	}
	o := verify.Options{Offline: a.flags.offline, AllowHosts: a.flags.allowHosts, Version: version()}
	ctx, cancel := context.WithTimeout(cmd.Context(), a.flags.timeout)
	defer cancel()
	if err := a.sign(ctx, &o); err != nil {
		return err
	}
	o.Requirements = verify.Requirements{Only: []string{"signature.bundle"}}
	if a.flags.proving.asked() {
		o.Requirements.Only = append(o.Requirements.Only, "attestation.provenance")
	}
	o.Signing.Accepted = slices.Clone(o.Proving.Accepted)
	r, err := verify.VerifyBundle(ctx, args[0], subject, o)
	if err != nil {
		return errors.Join(err, a.writeErrors(outputs, err))
	}
	return a.finish(outputs, r)
}
