package rebuild

import (
	"context"
	"io"
	"io/fs"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// The networks that a build's RUN can be given.
const (
	NetworkNone    = "none"
	NetworkDefault = "default" // what the builder gives without being asked
)

// Request is what a builder is to build.
type Request struct {
	// Dockerfile is the Dockerfile's text; Ignore is that of its own ignore
	// file, nil for none.
	Dockerfile, Ignore []byte
	// Context holds the files of the build context; nil: there are none.
	Context fs.FS
	// AsFound says that the context's files keep the modes and the times that
	// they have there; else files are stamped with Umask and with SourceDate,
	// as those of a git repository. Piped says that no .dockerignore applies.
	AsFound, Piped bool
	Umask          fs.FileMode
	// Target is the stage to build, "" for the last; BuildArgs are the
	// arguments.
	Target    string
	BuildArgs map[string]string
	Platform  v1.Platform
	// Bases are the images that the Dockerfile's stages stand on or copy from.
	Bases []Base
	// SourceDate is SOURCE_DATE_EPOCH; the zero time sets none.
	SourceDate time.Time
	// Network is NetworkNone or NetworkDefault.
	Network string
	// Dialect is whose image is built again, dockerfile.Classic or dockerfile.BuildKit:
	// where there are builders of both kinds, one of it is taken.
	Dialect string
	// Output takes the image, an archive of the result's form.
	Output io.Writer
	// Log is written what the builder says; nil: nothing is.
	Log io.Writer
	// Limits bound the build.
	Limits BuildLimits
}

// Base is an image that a build stands on or copies from.
type Base struct {
	// Name is how the Dockerfile names it, after its arguments are put in.
	Name string
	// Manifest is the image's, of the media type and the digest that Descriptor
	// has; a builder gets this very image.
	Descriptor v1.Descriptor
	Manifest   []byte
	// Blob opens the config or a layer of the manifest. Its bytes are not
	// checked yet.
	Blob func(context.Context, v1.Descriptor) (io.ReadCloser, error)
}

// BuildLimits bound a build; a zero field stands for the builder's default.
type BuildLimits struct {
	// Time is how long the build may take in all.
	Time time.Duration
	// Memory is what one RUN may use, in bytes; no builder is asked for less
	// than it can bound.
	Memory int64
	// Disk is how large the image may be, as it is written, in bytes.
	Disk int64
}

// Result is what a builder built.
type Result struct {
	// Form is what was written into the request's Output: FormOCIArchive or
	// FormDockerArchive. What is in it is the builder's word.
	Form string
	// Environment is what built it.
	Environment Environment
}

// The forms in which builders hand out an image, as references name them.
const (
	FormOCIArchive    = "oci-archive"
	FormDockerArchive = "docker-archive"
)

// Environment is a builder.
type Environment struct {
	// Builder is its kind: "buildkit", "docker" for the BuildKit of a Docker
	// Engine, or "classic"; Version is its version.
	Builder, Version string
	// Address is where it listens, without user information.
	Address string
	// Worker is the platform of the machine that RUN ran on.
	Worker string
}

// The reasons why there is no build; stable codes.
const (
	NoBuilder         = "no-builder"          // none was found, or none answers
	NeedsOCIExporter  = "needs-oci-exporter"  // the builder cannot hand out an image
	NeedsPlatform     = "needs-platform"      // no builder builds for the platform
	NeedsNewerBuilder = "needs-newer-builder" // the builder cannot do what a repeatable build takes
	BuildFailed       = "build-failed"        // a directive failed
	BuilderGone       = "builder-gone"        // the connection was lost during the build
	BuildLimit        = "build-limit"         // time, memory or disk ran out
	BuilderResult     = "builder-result"      // what came back is not an image of what was asked for
)

// BuildError says why a builder built nothing.
type BuildError struct {
	// Reason is one of the codes above.
	Reason string
	// What says it in one line; it can hold foreign text.
	What string
	// Environment is the builder, as far as it is known.
	Environment Environment
	// Err is what lies behind it; nil where there is no more to say.
	Err error
}

func (e *BuildError) Error() string { return e.What }

// Unwrap gives what lies behind the error.
func (e *BuildError) Unwrap() error { return e.Err }
