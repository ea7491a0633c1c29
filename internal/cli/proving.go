package cli

import (
	"context"
	"regexp"

	"github.com/spf13/pflag"

	"github.com/imageverify/verify"
	"github.com/imageverify/verify/provenance/attestation"
	"github.com/imageverify/verify/provenance/signature"
	"github.com/imageverify/verify/provenance/signed"
)

// provingFlags say what signed statements must say, under cosign's and slsa-verifier's
// names.
type provingFlags struct {
	kind         string
	sourceURI    string
	sourceTag    string
	versionedTag string
	sourceBranch string
	builderID    string
	files        []string
}

// add gives a command the flags of what signed statements must say.
func (f *provingFlags) add(set *pflag.FlagSet) {
	set.StringVar(&f.kind, "type", "", "demand a signed statement of `TYPE`: slsaprovenance, spdx, cyclonedx, vuln, openvex, … or a URI")
	set.StringVar(&f.sourceURI, "source-uri", "", "demand provenance from the repository `URI`, such as github.com/OWNER/NAME")
	set.StringVar(&f.sourceTag, "source-tag", "", "demand provenance from the git `TAG`")
	set.StringVar(&f.versionedTag, "source-versioned-tag", "", "demand provenance from a tag of `VERSION`: v1.2.3, or any of v1.2 or v1")
	set.StringVar(&f.sourceBranch, "source-branch", "", "demand provenance from the git `BRANCH`")
	set.StringVar(&f.builderID, "builder-id", "", "demand provenance of the builder `ID`, of any version unless @VERSION follows")
	set.StringArrayVar(&f.files, "provenance", nil, "take the provenance in `FILE`: a bundle, a DSSE envelope, or what gcloud prints (repeatable)")
}

// asked reports whether any of the flags asks for signed statements.
func (f *provingFlags) asked() bool { return f.kind != "" || f.ofSource() || len(f.files) > 0 }

// ofSource reports whether the flags ask for what only provenance says.
func (f *provingFlags) ofSource() bool {
	return f.sourceURI != "" || f.sourceTag != "" || f.versionedTag != "" || f.sourceBranch != "" || f.builderID != ""
}

// byBuilders reports whether nobody is named, so that the builders are believed that
// slsa-verifier accepts.
func (a *app) byBuilders() bool {
	return !a.flags.signing.names() && (a.flags.proving.sourceURI != "" || a.flags.proving.builderID != "")
}

// proving says what is expected of signed statements, and of whom. Without a key and an
// identity a source or a builder is believed to the builders that slsa-verifier accepts.
func (a *app) proving(policy signature.Policy, trust *signature.Trust, noTrust error) (verify.Proving, error) {
	f := a.flags.proving
	out := verify.Proving{Accepted: policy.Accepted(), Files: f.files}
	out.Expected = attestation.Expectation{SourceURI: f.sourceURI, SourceTag: f.sourceTag, SourceVersionedTag: f.versionedTag, SourceBranch: f.sourceBranch, BuilderID: f.builderID}
	if f.kind != "" {
		types, ok := attestation.TypeOf(f.kind)
		if !ok {
			return out, usagef("--type %q: no name of a statement's type, and no URI", f.kind)
		}
		out.Expected.Types = types
	}
	if err := out.Expected.Validate(); err != nil {
		return out, usagef("%v", err)
	}
	if !a.byBuilders() {
		return out, nil
	}
	builders := policy
	for _, pattern := range attestation.Builders() {
		builders.Identities = append(builders.Identities, signature.Identity{SubjectPattern: regexp.MustCompile(pattern), Issuer: attestation.GitHubIssuer})
	}
	verifier, err := signature.New(builders, trust, noTrust)
	if err != nil {
		return out, usagef("%v", err)
	}
	out.Signatures, out.CloudBuild = named{verifier}, true
	out.Accepted = []string{"the builders of slsa-framework/slsa-github-generator at their releases", "Google Cloud Build"}
	return out, nil
}

// named gives refusals the name of the builders in place of their patterns.
type named struct{ verifier *signature.Verifier }

// Verify verifies an item by the builders' identities.
func (n named) Verify(ctx context.Context, item signed.Item) signed.Result {
	r := n.verifier.Verify(ctx, item)
	if r.Reason == signed.IdentityMismatch {
		r.Detail = "signed by " + r.Signer.String() + ", which is no builder of slsa-framework/slsa-github-generator at a release"
	}
	return r
}
