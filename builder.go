package verify

import (
	"context"
	"io"
	"time"

	"github.com/imageverify/verify/rebuild"
)

// Builder builds what follows from no source but by running it. The error is a
// *rebuild.BuildError where there is no image.
type Builder interface {
	Build(context.Context, rebuild.Request) (*rebuild.Result, error)
}

// Building says whether and how RUN is run again.
type Building struct {
	// Asked asks for a build where the source alone does not decide a layer.
	Asked bool
	// Network is what RUN may reach: NetworkNone, which "" stands for, or
	// NetworkDefault.
	Network string
	// Time, Memory and Disk bound a build: how long it may take, the bytes that
	// one RUN may use, and those of the image. 0 stands for DefaultBuildTime, no
	// bound of the builder's memory, and DefaultBuildDisk.
	Time         time.Duration
	Memory, Disk int64
	// Log is written what builders say, in full; nil: only the end is kept.
	Log io.Writer
}

// The networks that RUN can be given.
const (
	NetworkNone    = rebuild.NetworkNone
	NetworkDefault = rebuild.NetworkDefault // what the builder gives without being asked
)

// The default bounds of a build.
const (
	DefaultBuildTime = time.Hour
	DefaultBuildDisk = 16 << 30
)
