package attestation

import (
	"path"
	"strings"
)

// The predicate types of SLSA provenance.
const (
	provenanceV01 = "https://slsa.dev/provenance/v0.1"
	provenanceV02 = "https://slsa.dev/provenance/v0.2"
	provenanceV1  = "https://slsa.dev/provenance/v1"
)

// Provenance is SLSA provenance of any version and builder, in one form. What a builder
// does not say is "".
type Provenance struct {
	PredicateType string
	// Builder is the builder's id, BuildType the URI that says what the rest means.
	Builder, BuildType string
	// Source is what was built, Trigger what started the build: for most builders the
	// same.
	Source, Trigger Location
	// Workflow is the path of the workflow or build configuration in Trigger.
	Workflow string
	// Event is what started the workflow, such as "push".
	Event string
	// Tag and Branch are full git references, refs/tags/… and refs/heads/….
	Tag, Branch string
	// Dockerfile is the path in Source, Target the stage, Args the build arguments.
	Dockerfile, Target string
	Args               map[string]string
	// Materials are what the build is said to have used, Source among them.
	Materials []Material
	// Invocation names the run of the build.
	Invocation string

	problems []string
	fields   object // builder-specific, for Cloud Build's own rules
	argsType string
}

// Location is a repository at a commit.
type Location struct {
	// Repository is a URL without "git+", Ref a git reference, Commit a commit id,
	// Directory one in the repository.
	Repository, Ref, Commit, Directory string
}

// Material is one thing that a build used: a repository, a base image.
type Material struct {
	URI     string
	Digests map[string]string
}

// maxMaterials bounds the materials that are kept.
const maxMaterials = 10000

// Provenance reads the statement's predicate. The error is an *Error: NotProvenance
// where the predicate is of another type.
func (s *Statement) Provenance() (*Provenance, error) {
	if !IsProvenance(s.PredicateType) {
		return nil, errorf(NotProvenance, "the statement is of type %s, which is no SLSA provenance", s.PredicateType)
	}
	r, p := &reader{}, &Provenance{PredicateType: s.PredicateType}
	if _, ok := s.predicate.(map[string]any); !ok {
		return nil, errorf(Malformed, "the predicate is no object")
	}
	switch s.PredicateType {
	case provenanceV1:
		p.readV1(r, s.predicate)
	case provenanceV02:
		p.readV02(r, s.predicate)
	default:
		p.readV01(r, s.predicate)
	}
	if r.err != nil {
		return nil, in("provenance", r.err)
	}
	return p, nil
}

// byGitHub reports whether a workflow of GitHub made it, so that its certificate must
// agree with it.
func (p *Provenance) byGitHub() bool {
	return strings.HasPrefix(p.BuildType, generator) || strings.HasPrefix(p.BuildType, generator+"-go@") ||
		p.BuildType == gitHubWorkflow || p.BuildType == containerBased || strings.HasPrefix(p.Builder, "https://github.com/") && p.Trigger.Repository != "" && !p.byBuildKit()
}

func (p *Provenance) byBuildKit() bool {
	return p.BuildType == buildKitV02 || p.BuildType == buildKitV1
}

// materials reads a list of materials or resolved dependencies.
func (p *Provenance) materials(r *reader, list []any) {
	if len(list) > maxMaterials {
		r.fail(OverLimit, "more than %d materials", maxMaterials)
		return
	}
	for _, v := range list {
		o := r.object(v, "material", "uri", "digest")
		p.Materials = append(p.Materials, Material{URI: r.text(o, "uri"), Digests: r.digests(o["digest"], "material's digest")})
	}
}

// commitOf is the commit among digests of a repository.
func commitOf(digests map[string]string) string {
	for _, algorithm := range []string{"gitCommit", "sha1", "sha256"} {
		if h := digests[algorithm]; h != "" {
			return h
		}
	}
	return ""
}

// location reads a URI of a repository: git+https://HOST/PATH@REF, BuildKit's
// https://HOST/PATH.git#REF:DIR, and Cloud Build's https://HOST/PATH/commit/ID.
func location(uri string, digests map[string]string) Location {
	l := Location{Commit: commitOf(digests)}
	uri = strings.TrimPrefix(uri, "git+")
	if at, fragment, ok := strings.Cut(uri, "#"); ok && !strings.HasPrefix(uri, "gs://") {
		l.Repository = at
		l.Ref, l.Directory, _ = strings.Cut(fragment, ":")
		return l.named()
	}
	l.Repository = uri
	scheme := strings.Index(uri, "://") + 1
	if i := strings.Index(uri[scheme:], "@refs/"); i >= 0 {
		l.Repository, l.Ref = uri[:scheme+i], uri[scheme+i+1:]
	} else if i := strings.LastIndex(uri, "@"); i > scheme && strings.HasPrefix(uri, "https://") {
		l.Repository, l.Ref = uri[:i], uri[i+1:]
	}
	if at, id, ok := strings.Cut(l.Repository, "/commit/"); ok && lowerHex(id, 40) {
		l.Repository = at
		if l.Commit == "" {
			l.Commit = id
		}
	}
	return l.named()
}

// named takes a reference that is a commit id for the commit.
func (l Location) named() Location {
	if lowerHex(l.Ref, 40) && (l.Commit == "" || l.Commit == l.Ref) {
		l.Commit, l.Ref = l.Ref, ""
	}
	return l
}

// setRef keeps a git reference as tag or branch.
func (p *Provenance) setRef(ref string) {
	switch {
	case strings.HasPrefix(ref, "refs/tags/"):
		p.Tag = ref
	case strings.HasPrefix(ref, "refs/heads/"):
		p.Branch = ref
	}
}

// Base returns the images among the materials, as references with their digests:
// pkg:docker/NAME@TAG?digest=… and docker-image://… of BuildKit.
func (p *Provenance) Base() []Material {
	var out []Material
	for _, m := range p.Materials {
		if strings.HasPrefix(m.URI, "pkg:docker/") || strings.HasPrefix(m.URI, "docker-image://") {
			out = append(out, m)
		}
	}
	return out
}

// DockerfilePath is the Dockerfile's path from the root of Source; "" where it is not
// known.
func (p *Provenance) DockerfilePath() string {
	if p.Dockerfile == "" {
		return ""
	}
	return path.Join(p.Source.Directory, p.Dockerfile)
}
