package output

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/imageverify/verify"
)

// The types of an in-toto statement about a rebuild
// (https://github.com/in-toto/attestation, spec/v1/statement.md).
const (
	statementType = "https://in-toto.io/Statement/v1"
	// RebuildPredicate is the type of the predicate; docs/reproduce.md
	// describes it.
	RebuildPredicate = "https://github.com/imageverify/verify/attestation/rebuild/v1"
	verifierID       = "https://github.com/imageverify/verify"
)

// statement says that its predicate is true of its subject.
type statement struct {
	Type          string           `json:"_type"`
	Subject       []subject        `json:"subject"`
	PredicateType string           `json:"predicateType"`
	Predicate     rebuildPredicate `json:"predicate"`
}

type subject struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"`
}

// rebuildPredicate has the members of a SLSA verification summary
// (https://slsa.dev/spec/v1.0/verification_summary) where they mean the same,
// and those of the rebuild.
type rebuildPredicate struct {
	Verifier           verifier  `json:"verifier"`
	TimeVerified       time.Time `json:"timeVerified"`
	ResourceURI        string    `json:"resourceUri"`
	VerificationResult string    `json:"verificationResult"`

	Level        verify.Level              `json:"level,omitempty"`
	Asked        verify.Level              `json:"asked"`
	Source       []resource                `json:"source"`
	Environment  verify.RebuildEnvironment `json:"environment"`
	Rebuilds     []verify.RebuildRun       `json:"rebuilds"`
	Steady       verify.Level              `json:"steady,omitempty"`
	Witnesses    []verify.Witness          `json:"witnesses"`
	Coverage     *verify.RebuildCoverage   `json:"coverage,omitempty"`
	Causes       []verify.Cause            `json:"causes"`
	Unattributed int                       `json:"unattributed"`
}

type verifier struct {
	ID      string            `json:"id"`
	Version map[string]string `json:"version"`
}

// resource is a descriptor of what was built from
// (spec/v1/resource_descriptor.md).
type resource struct {
	URI    string            `json:"uri"`
	Digest map[string]string `json:"digest"`
}

// results are a summary's two, and one for what could not be rebuilt.
var results = map[verify.Verdict]string{verify.Verified: "PASSED", verify.Failed: "FAILED", verify.Incomplete: "INCOMPLETE"}

// reproduceStatement writes the statement. It is about the published manifest:
// there is none for an image without one.
func reproduceStatement(r *verify.ReproduceReport) ([]byte, error) {
	if r.Digest == nil {
		return nil, fmt.Errorf("an in-toto statement is about a digest, and %s has no manifest", SafeText(r.Reference))
	}
	algorithm, hex, _ := strings.Cut(*r.Digest, ":")
	p := rebuildPredicate{
		Verifier:     verifier{verifierID, map[string]string{"verify": r.Program.Version}},
		TimeVerified: r.Time, ResourceURI: resourceURI(r.Reference), VerificationResult: results[r.Verdict],
		Asked: r.Asked, Source: sourcesOf(r.Environment), Environment: r.Environment, Rebuilds: r.Builds, Steady: r.Steady,
		Witnesses: []verify.Witness{}, Causes: r.Causes, Unattributed: r.Unlisted,
	}
	if b := r.Rebuild; b != nil {
		p.Level, p.Coverage = b.Level, b.Coverage
		p.Witnesses = append(p.Witnesses, b.Witnesses...)
	}
	return jsonDocument(statement{statementType, []subject{{r.Reference, map[string]string{algorithm: hex}}}, RebuildPredicate, p})
}

// resourceURI is a reference with the scheme that containers' tools give those
// of registries (containers-transports(5)); others have one.
func resourceURI(reference string) string {
	if before, _, ok := strings.Cut(reference, ":"); ok && slices.Contains([]string{"oci", "oci-archive", "docker-archive", "docker-daemon", "docker"}, before) {
		return reference
	}
	return "docker://" + reference
}

// sourcesOf are the source's commit and the images that the build stands on.
func sourcesOf(e verify.RebuildEnvironment) []resource {
	out := []resource{}
	if e.Commit != "" {
		out = append(out, resource{"git+" + e.Repository, map[string]string{"gitCommit": e.Commit}})
	}
	for _, b := range e.Bases {
		if algorithm, hex, ok := strings.Cut(b.Digest, ":"); ok {
			out = append(out, resource{"docker://" + b.Reference, map[string]string{algorithm: hex}})
		}
	}
	return out
}
