// Package attestation reads in-toto statements and SLSA provenance as values, and
// compares them with what is expected of them. Of signatures it verifies only those of
// Google Cloud Build, which are in a form of their own.
package attestation

import (
	"encoding/json"
	"strings"
)

const (
	// PayloadType is the type of in-toto statements in DSSE envelopes.
	PayloadType = "application/vnd.in-toto+json"
	// MaxStatement bounds a statement in bytes, MaxSubjects what it is about.
	MaxStatement = 16 << 20
	MaxSubjects  = 10000
)

// The reasons of errors.
const (
	Malformed   = "malformed"
	Ambiguous   = "ambiguous"
	OverLimit   = "over-limit"
	WrongType   = "wrong-type"
	OtherDigest = "other-digest"

	BadSignature = "bad-signature"
	NoSignature  = "no-signature"

	TypeDiffers    = "predicate-differs" // a statement of another kind
	BuilderDiffers = "builder-differs"   // another builder, or one that contradicts its certificate
	SourceDiffers  = "source-differs"    // another repository, or several that contradict each other
	RefDiffers     = "ref-differs"       // another tag or branch
	NotProvenance  = "not-provenance"    // a predicate that is no SLSA provenance
	BuildUnknown   = "build-type-other"  // a build type that is not the builder's
)

// The types of statements.
const (
	statementV01 = "https://in-toto.io/Statement/v0.1"
	statementV1  = "https://in-toto.io/Statement/v1"
)

// Statement is an in-toto statement. Nothing of it is verified.
type Statement struct {
	// Type is that of the statement, PredicateType that of what it says.
	Type, PredicateType string
	// Subjects are what it is about: a hash by algorithm each.
	Subjects []map[string]string

	predicate any
	raw       map[string]any
}

// ParseStatement reads a statement of version 0.1 or 1 (in-toto/attestation,
// spec/v1/statement.md). The error is an *Error.
func ParseStatement(data []byte) (*Statement, error) {
	v, err := decode(data, MaxStatement)
	if err != nil {
		return nil, in("statement", err)
	}
	r := &reader{}
	o := r.object(v, "statement", "_type", "subject", "predicateType", "predicate")
	s := &Statement{Type: r.text(o, "_type"), PredicateType: r.text(o, "predicateType"), predicate: o["predicate"], raw: o}
	switch {
	case r.err != nil:
	case s.Type != statementV01 && s.Type != statementV1:
		r.fail(WrongType, "_type is %q, not %q", s.Type, statementV1)
	case s.PredicateType == "":
		r.fail(Malformed, "there is no predicateType")
	}
	s.readSubjects(r, o)
	if r.err != nil {
		return nil, in("statement", r.err)
	}
	return s, nil
}

func (s *Statement) readSubjects(r *reader, o object) {
	subjects := r.list(o, "subject")
	if len(subjects) == 0 {
		r.fail(Malformed, "there is no subject")
	}
	if len(subjects) > MaxSubjects {
		r.fail(OverLimit, "more than %d subjects", MaxSubjects)
		return
	}
	for _, v := range subjects {
		subject := r.object(v, "subject", "name", "digest", "annotations")
		digests := r.digests(subject["digest"], "subject's digest")
		if len(digests) == 0 {
			r.fail(Malformed, "a subject has no digest")
		}
		s.Subjects = append(s.Subjects, digests)
	}
}

// About reports whether the statement has the digest, in lower case, as a subject.
func (s *Statement) About(algorithm, hex string) bool {
	for _, digests := range s.Subjects {
		if hex != "" && digests[algorithm] == hex {
			return true
		}
	}
	return false
}

// IsProvenance reports whether the predicate type is one of SLSA provenance.
func IsProvenance(predicateType string) bool {
	return predicateType == provenanceV01 || predicateType == provenanceV02 || predicateType == provenanceV1
}

// typeNames are the names that cosign gives predicate types (pkg/cosign/attestation and
// cmd/cosign/cli/options), with those types.
var typeNames = map[string][]string{
	"slsaprovenance":   {provenanceV01, provenanceV02, provenanceV1},
	"slsaprovenance02": {provenanceV02},
	"slsaprovenance1":  {provenanceV1},
	"link":             {"https://in-toto.io/Link/v1"},
	"spdx":             {"https://spdx.dev/Document"},
	"spdxjson":         {"https://spdx.dev/Document"},
	"cyclonedx":        {"https://cyclonedx.org/bom"},
	"vuln":             {"https://cosign.sigstore.dev/attestation/vuln/v1"},
	"openvex":          {"https://openvex.dev/ns"},
	"custom":           {"https://cosign.sigstore.dev/attestation/v1"},
}

// TypeOf says which predicate types are meant by one of cosign's names, or by a URI; ok
// is false for anything else.
func TypeOf(name string) (types []string, ok bool) {
	if types, ok = typeNames[name]; ok {
		return types, true
	}
	return []string{name}, strings.Contains(name, "://")
}

// isType reports whether a predicate type is one of those: where cosign's type is a
// document's without a version, those of its versions are meant as well.
func isType(types []string, have string) bool {
	for _, t := range types {
		if have == t || !strings.HasSuffix(t, "/") && unversioned[t] && strings.HasPrefix(have, t+"/v") {
			return true
		}
	}
	return false
}

// unversioned are predicate types that are written with and without a version.
var unversioned = map[string]bool{"https://spdx.dev/Document": true, "https://cyclonedx.org/bom": true, "https://openvex.dev/ns": true}

// sameJSON compares decoded JSON values.
func sameJSON(a, b any) bool {
	x, errA := json.Marshal(a)
	y, errB := json.Marshal(b)
	return errA == nil && errB == nil && string(x) == string(y)
}
