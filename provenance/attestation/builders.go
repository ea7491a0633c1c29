package attestation

import (
	"slices"
	"strings"

	"golang.org/x/mod/semver"
)

// GitHubIssuer vouches for the workflows of GitHub.
const GitHubIssuer = "https://token.actions.githubusercontent.com"

const gitHubRunner = "https://github.com/actions/runner"

// workflows are the reusable workflows that slsa-verifier 2.7.1 accepts as builders
// (verifiers/internal/gha/builder.go), delegators those that lend their identity to a
// builder of somebody else.
var (
	workflows = []string{
		generator + "/.github/workflows/generator_generic_slsa3.yml",
		generator + "/.github/workflows/generator_container_slsa3.yml",
		generator + "/.github/workflows/builder_go_slsa3.yml",
		generator + "/.github/workflows/builder_container-based_slsa3.yml",
	}
	delegators = []string{
		generator + "/.github/workflows/delegator_generic_slsa3.yml",
		generator + "/.github/workflows/delegator_lowperms-generic_slsa3.yml",
	}
)

func isDelegator(workflow string) bool { return slices.Contains(delegators, workflow) }

// Builders are patterns of the names in the certificates of the accepted builders on
// GitHub: each workflow at a release, refs/tags/vX.Y.Z.
func Builders() []string {
	var out []string
	for _, w := range slices.Concat(workflows, delegators) {
		out = append(out, `^`+strings.ReplaceAll(w, ".", `\.`)+`@refs/tags/v(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)$`)
	}
	return out
}

// releaseRef reports whether a reference is refs/tags/vX.Y.Z.
func releaseRef(ref string) bool {
	tag, ok := strings.CutPrefix(ref, "refs/tags/")
	return ok && semver.IsValid(tag) && semver.Canonical(tag) == tag && semver.Prerelease(tag) == ""
}
