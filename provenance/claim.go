package provenance

import (
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/imageverify/verify/provenance/library"
	"github.com/imageverify/verify/provenance/source"
)

// The kinds of claims: of the build definition (the Dockerfile's repository),
// and of the source of the program inside the image.
const (
	KindBuild  = "build"
	KindSource = "source"
)

// The claimants.
const (
	ByLibrary    = "library"
	ByAnnotation = "annotation" // on the manifest or on its descriptor: the publisher
	ByLabel      = "label"      // in the config
	ByFlag       = "flag"       // the user
	// ByAttestation is an accepted signer, in provenance.
	ByAttestation = "attestation"
)

// Claim is somebody's statement of origin. It is never trusted because it
// exists.
type Claim struct {
	// Source is the claimant, Kind what the claim speaks of.
	Source, Kind string
	// Repository is a URL, Commit a full commit id ("" where the claim names
	// none). Directory and File are "" where the claim names none.
	Repository, Commit, Directory, File string
	// Local says that Repository is a path on this machine, which does not tell
	// whose repository that is.
	Local bool
	// Base says that the claim is the base image's: a label that the image has
	// from it speaks of the base.
	Base     bool
	Evidence []Evidence
}

// Evidence is what a claim or a fact rests on: Kind is url, git, digest, key,
// file or line.
type Evidence struct{ Kind, Value string }

// Annotation and label keys that state an origin; see the OCI image
// specification, "Pre-Defined Annotation Keys".
const (
	keySource   = "org.opencontainers.image.source"
	keyRevision = "org.opencontainers.image.revision"
	keyURL      = "org.opencontainers.image.url"
)

// buildDefinition is the official pipeline's form of a source annotation:
// REPOSITORY.git#COMMIT:DIRECTORY.
// Ids are compared in lower case; an abbreviated one is compared as far as it
// goes.
var buildDefinition = regexp.MustCompile(`^([^#]+)#([0-9a-fA-F]{7,64})(?::(.*))?$`)

var (
	fullCommit = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)
	someCommit = regexp.MustCompile(`^[0-9a-fA-F]{7,64}$`)
)

// gitHosts are hosts whose URLs of the form HOST/OWNER/NAME are repositories, so
// that a URL annotation which leads there is a claim of origin.
var gitHosts = []string{"github.com", "gitlab.com", "bitbucket.org", "codeberg.org"}

// claimOf reads the claim that a set of annotations or labels makes; ok is
// false when there is none. where names the set for the evidence.
func claimOf(claimant, where string, set map[string]string) (Claim, bool) {
	text := set[keySource]
	if text == "" && set[keyRevision] == "" {
		return Claim{}, false
	}
	c := Claim{Source: claimant, Kind: KindSource, Repository: text}
	c.Evidence = claimEvidence(where, set)
	if m := buildDefinition.FindStringSubmatch(text); m != nil {
		c.Kind, c.Repository, c.Commit, c.Directory = KindBuild, m[1], strings.ToLower(m[2]), cleanDirectory(m[3])
		return c, true
	}
	if someCommit.MatchString(set[keyRevision]) {
		c.Commit = strings.ToLower(set[keyRevision])
	}
	return c, c.Repository != "" || c.Commit != ""
}

func claimEvidence(where string, set map[string]string) []Evidence {
	var out []Evidence
	for _, key := range []string{keySource, keyRevision, keyURL} {
		if v := set[key]; v != "" {
			out = append(out, Evidence{Kind: "line", Value: where + " " + key + "=" + v})
		}
	}
	return out
}

// publisherClaims gathers the claims that the image makes of itself. Manifest
// and descriptor annotations are one claimant; where both say the same, one
// claim stands for both. A revision that names another commit than the source
// of the same set is a claim of its own, so that the two can be compared. Labels
// that inherited says are the base image's are the base's claims.
func publisherClaims(s Subject, inherited func(key, value string) bool) []Claim {
	own, base := splitLabels(s.Labels, inherited)
	sets := []struct {
		claimant, where string
		values          map[string]string
		base            bool
	}{
		{ByAnnotation, "manifest annotation", s.Annotations, false},
		{ByAnnotation, "descriptor annotation", s.DescriptorAnnotations, false},
		{ByLabel, "config label", own, false},
		{ByLabel, "config label of the base image", base, true},
	}
	var out []Claim
	for _, set := range sets {
		if home, ok := homeOf(set.values[keyURL]); ok {
			line := Evidence{Kind: "line", Value: set.where + " " + keyURL + "=" + set.values[keyURL]}
			out = merge(out, Claim{Source: set.claimant, Kind: KindSource, Repository: home, Base: set.base, Evidence: []Evidence{line}})
		}
		c, ok := claimOf(set.claimant, set.where, set.values)
		if !ok {
			continue
		}
		c.Base = set.base
		out = merge(out, c)
		rev := strings.ToLower(set.values[keyRevision])
		if c.Kind == KindBuild && someCommit.MatchString(rev) && !sameCommit(rev, c.Commit) {
			c.Commit, c.Directory = rev, ""
			out = merge(out, c)
		}
	}
	return out
}

// splitLabels parts the image's own labels from its base's.
func splitLabels(labels map[string]string, inherited func(key, value string) bool) (own, base map[string]string) {
	own, base = map[string]string{}, map[string]string{}
	for _, key := range []string{keySource, keyRevision, keyURL} {
		value, ok := labels[key]
		switch {
		case !ok:
		case inherited != nil && inherited(key, value):
			base[key] = value
		default:
			own[key] = value
		}
	}
	return own, base
}

// homeOf is the repository that a URL leads to, where its host holds
// repositories.
func homeOf(text string) (string, bool) {
	u, err := url.Parse(text)
	if err != nil || !slices.Contains(gitHosts, strings.ToLower(u.Hostname())) {
		return "", false
	}
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	if len(parts) < 2 {
		return "", false
	}
	return "https://" + u.Host + "/" + parts[0] + "/" + parts[1], true
}

// sameCommit compares two ids, of which either may be abbreviated.
func sameCommit(a, b string) bool {
	return strings.HasPrefix(a, b) || strings.HasPrefix(b, a)
}

// merge adds a claim, or its evidence to a claim that says the same.
func merge(claims []Claim, c Claim) []Claim {
	for i, have := range claims {
		if have.Source == c.Source && have.Kind == c.Kind && have.Repository == c.Repository &&
			have.Commit == c.Commit && have.Directory == c.Directory && have.Base == c.Base {
			claims[i].Evidence = append(claims[i].Evidence, c.Evidence...)
			return claims
		}
	}
	return append(claims, c)
}

// libraryClaim states a library entry as a claim.
func libraryClaim(c library.Candidate, evidence []Evidence) Claim {
	e := c.Entry
	return Claim{
		Source: ByLibrary, Kind: KindBuild,
		Repository: e.Repository, Commit: e.Commit,
		Directory: cleanDirectory(e.Directory), File: e.File,
		Evidence: append(slices.Clone(evidence), Evidence{Kind: "git", Value: c.LibraryCommit + ":" + c.File}),
	}
}

func cleanDirectory(dir string) string {
	return path.Clean(strings.Trim(dir, "/"))
}

// Disagreement is a pair of claims that cannot both be true, or that name
// different repositories for different things.
type Disagreement struct {
	A, B Claim
	// Reason is repository-differs, commit-differs or directory-differs within
	// a kind, and across kinds commit-differs (same repository) or
	// other-repository, which is no contradiction.
	Reason string
}

// Disagreements compares every pair of claims, in the list's order. A commit or
// directory that a claim does not name contradicts nothing, and what the base
// image claims contradicts nobody: it speaks of the base.
func Disagreements(claims []Claim) []Disagreement {
	var out []Disagreement
	for i, a := range claims {
		for _, b := range claims[i+1:] {
			if reason := disagreement(a, b); reason != "" {
				out = append(out, Disagreement{A: a, B: b, Reason: reason})
			}
		}
	}
	return out
}

func disagreement(a, b Claim) string {
	sameRepository := a.Repository == "" || b.Repository == "" || a.Local != b.Local || sameRepositories(a.Repository, b.Repository)
	switch {
	case a.Base || b.Base:
		return ""
	case !sameRepository && a.Kind != b.Kind:
		return "other-repository"
	case !sameRepository:
		return "repository-differs"
	case a.Commit != "" && b.Commit != "" && !sameCommit(a.Commit, b.Commit):
		if a.Local != b.Local && a.Kind != b.Kind {
			return "other-repository" // for all that the path tells
		}
		return "commit-differs"
	case a.Kind == b.Kind && a.Directory != "" && b.Directory != "" && a.Directory != b.Directory:
		return "directory-differs"
	}
	return ""
}

// sameRepositories compares two URLs. A fragment that is no commit names
// something that cannot be compared, and is never the same as a URL without it.
func sameRepositories(a, b string) bool {
	if strings.Contains(a+b, "#") {
		return a == b
	}
	return source.NormalizeURL(a) == source.NormalizeURL(b)
}
