package verify

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/imageverify/verify/provenance/attestation"
	"github.com/imageverify/verify/provenance/signed"
)

// DefaultLibrary is the repository of the official library.
const DefaultLibrary = "https://github.com/docker-library/official-images"

// Options say how to verify. The zero value verifies for the host's platform,
// over the network, without a cache, with the default requirements.
type Options struct {
	// Platform is "os/architecture[/variant]"; "" chooses the host's within an
	// index and takes a single manifest as it is.
	Platform string
	// AllPlatforms verifies every image of an index.
	AllPlatforms bool
	// As is the name to trace under, in place of the reference's own.
	As string

	// Given is the build definition that the user names, in place of the
	// library's; the zero value names none.
	Given Given

	// Bases maps images as a FROM names them to references of the images to take
	// for them; the keys are compared as whole references. One that no FROM names
	// is an error of use.
	Bases map[string]string
	// Depth is how many base images are verified, one below the other: 0 stands
	// for 1, AllBases for all of them, NoBases for none.
	Depth int

	// Library is the official library: a path or an https URL; "" is
	// DefaultLibrary.
	Library string
	// GitMirrors maps repository URLs, or prefixes that end in "/", to local
	// repositories, which are not trusted.
	GitMirrors map[string]string
	// RegistryMirrors maps registry hosts to the HOST:PORT asked in their place.
	RegistryMirrors map[string]string
	// InsecureRegistries may be spoken to without TLS or with any certificate.
	InsecureRegistries []string
	// DockerHost is where the Docker daemon listens, for docker-daemon:
	// references: unix:///PATH or tcp://HOST:PORT; "" is the default socket.
	DockerHost string
	// AllowHosts may have addresses that are not public: loopback, private or
	// link-local. Each is a host, or HOST:PORT.
	AllowHosts []string
	// FollowClaims allows to fetch repositories that only an image names.
	FollowClaims bool
	// Keychain gives credentials for registries; nil is anonymous.
	Keychain authn.Keychain

	// RebuildLevel is the level that the check rebuild.level asks for; NoLevel
	// is SameDigest. The check is made where Requirements require it.
	RebuildLevel Level
	// Builder builds what only running it shows; nil stands for a program that
	// cannot: where Building asks for it, rebuild.level is then unknown
	// (not-built-in).
	Builder Builder
	// Building says whether and how that is done.
	Building Building

	// Keyrings are files with the OpenPGP keys of distributors; only keys that
	// are pinned for a distributor count.
	Keyrings []string

	// Objects are files in place of such as a mirror or a distributor no longer
	// has; each is used only where its git blob id, its published sum or its
	// key's fingerprint is the one that is looked for.
	Objects []string

	// Offline refuses every connection but to registry mirrors on this machine.
	Offline bool
	// IdleTimeout ends a request in which no byte came for so long; 0 is 30 s.
	IdleTimeout time.Duration
	// Transport replaces the network; nil is the real one.
	Transport http.RoundTripper

	// Cache is the directory of what can be made again; "" keeps nothing.
	Cache string
	// Limits bound what an image may ask of the machine.
	Limits Limits
	// Parallel is the number of layers read at a time, over all images; 0 is
	// the number of processors.
	Parallel int

	// Signatures verifies what is attached to the images; nil stands for a program
	// that cannot: signature.image is then unknown (not-built-in). Whether it is
	// asked is for Requirements to say.
	Signatures Signatures
	// Signing says what is demanded of the signatures that it finds valid.
	Signing Signing
	// Proving says what is expected of signed statements.
	Proving Proving

	// Requirements say which checks are made and which of them the verdict
	// rests on.
	Requirements Requirements

	// History puts the image's history, laid beside the Dockerfile, into the
	// report.
	History bool

	// Attached puts what is attached to the image, and to the indexes that led to
	// it, into the report.
	Attached bool

	// Version is the program's version, for the report.
	Version string
	// Progress is told what is being done; nil tells nobody. It is called from
	// several goroutines.
	Progress func(Event)
	// Log gets the steps of a run; nil logs nothing.
	Log *slog.Logger
}

// Given names the build definition of the user's own images. With any of
// Source, Dockerfile and Context set the library is not asked.
type Given struct {
	// Source is REPOSITORY#COMMIT[:DIRECTORY]: an https URL, or the path of a
	// repository on this machine, and a full commit id. The directory is the
	// build context.
	Source string
	// Dockerfile is the file's path: in Source, from its directory, or on this
	// machine; "-" is Stdin. "" is "Dockerfile" in Source or Context.
	Dockerfile string
	// Context is a directory on this machine: the build context. Without it and
	// Source no context is known.
	Context string
	// Target is the stage that was built, by name or index; "" is the last.
	Target string
	// BuildArgs are the arguments that were given to the build.
	BuildArgs map[string]string
	// Stdin is read where Dockerfile is "-".
	Stdin io.Reader
}

// named reports whether a build definition is named.
func (g Given) named() bool { return g.Source != "" || g.Dockerfile != "" || g.Context != "" }

// Signatures verifies one thing that is signed, against the signers that it
// accepts. Whatever is wrong is in the result, the end of ctx included. It is
// called from several goroutines.
type Signatures interface {
	Verify(ctx context.Context, item signed.Item) signed.Result
}

// Signing says what is demanded of an image's signatures.
type Signing struct {
	// Accepted names the signers that Signatures accepts, each in a few words;
	// where it is empty nobody is, and signature.image is unknown.
	Accepted []string
	// Patterns are the regular expressions by which signers are accepted.
	Patterns []string
	// Threshold is how many different signers must have signed; 0 is 1.
	Threshold int
	// CheckReference refuses a signature whose payload names another repository.
	CheckReference bool
	// Bundles are files with sigstore bundles of the images.
	Bundles []string
}

// Proving says what is expected of the signed statements about an image.
type Proving struct {
	// Signatures verifies them; nil stands for Options.Signatures.
	Signatures Signatures
	// Accepted names the signers that are accepted, each in a few words; where it is
	// empty nobody is, and attestation.provenance is unknown.
	Accepted []string
	// CloudBuild accepts the keys of Google Cloud Build.
	CloudBuild bool
	// Expected is what a statement must say.
	Expected attestation.Expectation
	// Files are files with statements: bundles, envelopes, and what gcloud prints.
	Files []string
}

// Limits bound what an image may ask of the machine; zero fields stand for the
// defaults of docs/security.md.
type Limits struct {
	// LayerSize is the largest unpacked layer in bytes.
	LayerSize int64
	// LayerEntries is the largest number of entries in a layer.
	LayerEntries int
}

// Event is a step of a run that may take long.
type Event struct {
	// What names the step: "layer sha256:…", "fetching https://…".
	What string
	// Done and Total count bytes, or things where Count is set; Total is 0 when
	// it is not known. Finished says that the step has ended.
	Done, Total     int64
	Count, Finished bool
}

func (o Options) progress(e Event) {
	if o.Progress != nil {
		o.Progress(e)
	}
}
