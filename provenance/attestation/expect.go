package attestation

import (
	"slices"
	"strings"

	"golang.org/x/mod/semver"
)

// Expectation is what a statement must say; an empty field demands nothing. The fields
// have the names and meanings of slsa-verifier's flags (slsa-verifier 2.7.1,
// verifiers/internal/gha/provenance.go and gcb/provenance.go).
type Expectation struct {
	// Types are the predicate types, any of which will do; none stands for those of
	// SLSA provenance.
	Types []string
	// SourceURI is the repository, with or without "https://" or "git+https://".
	SourceURI string
	// SourceTag and SourceBranch are names without refs/…; SourceVersionedTag is a
	// semantic version, or the beginning of one: v1, v1.2.
	SourceTag, SourceVersionedTag, SourceBranch string
	// BuilderID is the builder's id, with or without @VERSION.
	BuilderID string
}

// Signer is what the certificate of whoever signed a statement says; the zero value is a
// bare key.
type Signer struct {
	// Subject is the certificate's name, Issuer who vouched for it.
	Subject, Issuer string
	// Repository (OWNER/NAME), Ref and Commit are of the GitHub workflow that the
	// certificate was given to.
	Repository, Ref, Commit string
	// CloudBuild says that one of Google Cloud Build's keys signed.
	CloudBuild bool
}

// OfProvenance reports whether something is expected that only provenance can say.
func (e Expectation) OfProvenance() bool {
	return e.SourceURI != "" || e.SourceTag != "" || e.SourceVersionedTag != "" || e.SourceBranch != "" || e.BuilderID != ""
}

// Validate refuses what contradicts itself, in one line.
func (e Expectation) Validate() error {
	switch {
	case e.SourceTag != "" && e.SourceVersionedTag != "":
		return errorf(RefDiffers, "a tag and a versioned tag exclude each other")
	case e.SourceVersionedTag != "" && !semver.IsValid(e.SourceVersionedTag):
		return errorf(RefDiffers, "%q is no semantic version such as v1.2.3, v1.2 or v1", e.SourceVersionedTag)
	case e.OfProvenance() && len(e.Types) > 0 && !slices.ContainsFunc(e.Types, IsProvenance):
		return errorf(TypeDiffers, "only SLSA provenance tells of source and builder, not %s", e.Types[0])
	case strings.Count(e.BuilderID, "@") > 1 || strings.HasSuffix(e.BuilderID, "@"):
		return errorf(BuilderDiffers, "%q is no builder's id: at most one @ with a version after it", e.BuilderID)
	}
	return nil
}

// Check compares a statement that somebody signed with what is expected. It gives the
// provenance where the statement is one; the error is an *Error.
func (e Expectation) Check(s *Statement, by Signer) (*Provenance, error) {
	types := e.Types
	if len(types) == 0 {
		types = typeNames["slsaprovenance"]
	}
	if !isType(types, s.PredicateType) {
		return nil, errorf(TypeDiffers, "the statement is of type %s, not %s", s.PredicateType, strings.Join(types, " or "))
	}
	if !IsProvenance(s.PredicateType) {
		return nil, nil
	}
	p, err := s.Provenance()
	if err != nil {
		return nil, err
	}
	for _, check := range []func(*Provenance, Signer) error{checkSigner, e.checkBuilder, e.checkSource, e.checkTag, e.checkBranch} {
		if err := check(p, by); err != nil {
			return p, err
		}
	}
	return p, nil
}

// checkSigner compares the provenance with who signed it: a builder signs for itself.
func checkSigner(p *Provenance, by Signer) error {
	if by.CloudBuild {
		return p.checkCloudBuild()
	}
	if strings.HasPrefix(p.Builder, cloudBuilder) && by.Subject == "" {
		return nil
	}
	if by.Issuer != GitHubIssuer || by.Subject == "" {
		return nil
	}
	switch workflow, _, _ := strings.Cut(by.Subject, "@"); {
	case isDelegator(workflow):
		if id, version, _ := strings.Cut(p.Builder, "@"); id == "" || !releaseRef(version) && !strings.HasPrefix(id, "https://github.com/jreleaser/release-action") {
			return errorf(BuilderDiffers, "the builder is %q, which names no release", p.Builder)
		}
	case strings.HasPrefix(p.Builder, gitHubRunner):
	case p.byGitHub() && p.Builder != by.Subject:
		return errorf(BuilderDiffers, "the builder is said to be %q, and the certificate is of %q", p.Builder, by.Subject)
	}
	if by.Repository == "" || !p.byGitHub() {
		return nil
	}
	if p.Trigger.Repository != "" && p.Trigger.Repository != "https://github.com/"+by.Repository {
		return errorf(SourceDiffers, "the workflow is said to be of %s, and the certificate is of one of %s", p.Trigger.Repository, by.Repository)
	}
	if by.Ref != "" && p.Trigger.Ref != "" && p.Trigger.Ref != by.Ref {
		return errorf(RefDiffers, "the workflow is said to run on %s, and the certificate is of %s", p.Trigger.Ref, by.Ref)
	}
	if by.Commit != "" && p.Trigger.Commit != "" && p.Trigger.Commit != by.Commit {
		return errorf(SourceDiffers, "the workflow is said to run on commit %s, and the certificate is of %s", p.Trigger.Commit, by.Commit)
	}
	return nil
}

// checkBuilder compares the builder's id. One with a version must be the same; one without
// takes any. A version v1.2.3 stands for refs/tags/v1.2.3.
func (e Expectation) checkBuilder(p *Provenance, by Signer) error {
	id, version, _ := strings.Cut(p.Builder, "@")
	if workflow, _, _ := strings.Cut(by.Subject, "@"); e.BuilderID == "" && isDelegator(workflow) && !strings.HasPrefix(id, generator+"/.github/workflows/") {
		return errorf(BuilderDiffers, "the builder is %q, somebody else's: it counts where it is asked for", p.Builder)
	}
	if e.BuilderID == "" {
		return nil
	}
	wantID, want, versioned := strings.Cut(e.BuilderID, "@")
	if id != wantID || versioned && version != want && version != "refs/tags/"+want {
		return errorf(BuilderDiffers, "the builder is %q, not %q", p.Builder, e.BuilderID)
	}
	return nil
}

// checkSource compares the repository: that of the source and that of the trigger.
func (e Expectation) checkSource(p *Provenance, by Signer) error {
	if len(p.problems) > 0 {
		return errorf(SourceDiffers, "the provenance contradicts itself: %s", p.problems[0])
	}
	if e.SourceURI == "" {
		return nil
	}
	want := strings.TrimPrefix(e.SourceURI, "git+")
	if !strings.Contains(want, "://") {
		want = "https://" + want
	}
	if p.Source.Repository == "" && p.Trigger.Repository == "" {
		return errorf(SourceDiffers, "the provenance names no source")
	}
	for _, l := range []Location{p.Source, p.Trigger} {
		have := strings.TrimPrefix(l.Repository, "git+")
		if p.byBuildKit() {
			have, want = strings.TrimSuffix(have, ".git"), strings.TrimSuffix(want, ".git")
		} else if strings.HasPrefix(have, "gs://") {
			have, _, _ = strings.Cut(have, "#")
		}
		if have != want && (have != "" || !p.byBuildKit()) {
			return errorf(SourceDiffers, "the source is %q, not %q", have, want)
		}
	}
	if by.Repository != "" && by.Issuer == GitHubIssuer && "https://github.com/"+by.Repository != want {
		return errorf(SourceDiffers, "the certificate is of a workflow of %s, not of %s", by.Repository, want)
	}
	return p.checkRefs()
}

// checkRefs refuses a source that was built from another reference than the one that
// started the build. Builders that others bring may commit before they build.
func (p *Provenance) checkRefs() error {
	if !p.byGitHub() {
		return nil
	}
	if p.Trigger.Ref == "" {
		return errorf(SourceDiffers, "the provenance says not which reference started the build")
	}
	if p.Source.Ref == "" && (p.BuildType == byob || p.BuildType == npmV1) {
		return nil
	}
	if p.Source.Ref != p.Trigger.Ref {
		return errorf(SourceDiffers, "%q was built, and %q started the build", p.Source.Ref, p.Trigger.Ref)
	}
	return nil
}

func (e Expectation) checkTag(p *Provenance, _ Signer) error {
	if e.SourceTag == "" && e.SourceVersionedTag == "" {
		return nil
	}
	tag, ok := strings.CutPrefix(p.Tag, "refs/tags/")
	switch {
	case !ok || tag == "":
		return errorf(RefDiffers, "the provenance names no tag")
	case strings.HasPrefix(p.Trigger.Ref, "refs/") && p.Trigger.Ref != p.Tag:
		return errorf(RefDiffers, "the provenance names the tag %s and the reference %s", p.Tag, p.Trigger.Ref)
	case e.SourceTag != "" && tag != e.SourceTag:
		return errorf(RefDiffers, "the tag is %q, not %q", tag, e.SourceTag)
	case e.SourceVersionedTag != "" && !matchesVersion(tag, e.SourceVersionedTag):
		return errorf(RefDiffers, "the tag %q is not of version %s", tag, e.SourceVersionedTag)
	}
	return nil
}

// matchesVersion reports whether a tag is the version, as far as that goes: v1.2 is
// met by v1.2.9 and not by v1.20.
func matchesVersion(tag, want string) bool {
	have := semver.Canonical(tag)
	if have == "" {
		return false
	}
	want = strings.TrimSuffix(want, semver.Build(want))
	switch strings.Count(want, ".") {
	case 0:
		return semver.Major(have) == want
	case 1:
		return semver.MajorMinor(have) == want
	}
	return have == want
}

func (e Expectation) checkBranch(p *Provenance, _ Signer) error {
	if e.SourceBranch == "" {
		return nil
	}
	branch, ok := strings.CutPrefix(p.Branch, "refs/heads/")
	switch {
	case !ok || branch == "":
		return errorf(RefDiffers, "the provenance names no branch")
	case branch != e.SourceBranch:
		return errorf(RefDiffers, "the branch is %q, not %q", branch, e.SourceBranch)
	case strings.HasPrefix(p.Trigger.Ref, "refs/heads/") && p.Trigger.Ref != p.Branch:
		return errorf(RefDiffers, "the provenance names the branch %s and the reference %s", p.Branch, p.Trigger.Ref)
	}
	return nil
}
