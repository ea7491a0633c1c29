package buildkit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/client"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"google.golang.org/grpc/codes"

	"github.com/imageverify/verify/provenance/dockerfile"
	"github.com/imageverify/verify/rebuild"

	"github.com/moby/buildkit/util/grpcerrors"
)

// aliveEvery is how often a builder is asked whether it is still there, while it
// builds.
const aliveEvery = 10 * time.Second

// goodbyeTime is how long a build that was ended may take to end.
const goodbyeTime = 10 * time.Second

// daemon is a BuildKit daemon, or the BuildKit of a Docker Engine.
type daemon struct {
	name         string // its address, without what is secret in it
	dial, scheme string
	engine       *engine // nil for a daemon of its own
	config       Config
}

func (d *daemon) dialect() string { return dockerfile.BuildKit }

// connect prepares a connection; the first call on it opens it.
func (d *daemon) connect(ctx context.Context) (*client.Client, error) {
	var opts []client.ClientOpt
	switch t := d.config.TLS; {
	case d.engine != nil:
		opts = append(opts, client.WithContextDialer(d.engine.dialGRPC), client.WithSessionDialer(d.engine.dialSession))
	case helpers[d.scheme] != "" && d.config.Log != nil:
		d.config.Log.Info("running a program to reach the builder", "program", helpers[d.scheme], "address", d.name)
	case d.scheme == "tcp" && t.used():
		if opts = append(opts, client.WithServerConfig(t.ServerName, t.CACert)); t.CACert == "" {
			opts = append(opts, client.WithServerConfigSystem(t.ServerName))
		}
		if t.Cert != "" || t.Key != "" {
			opts = append(opts, client.WithCredentials(t.Cert, t.Key))
		}
	}
	c, err := client.New(ctx, d.dial, opts...)
	if err != nil {
		return nil, d.refuse(rebuild.NoBuilder, fmt.Sprintf("the builder %s cannot be reached: %s", d.name, firstLine(err)), err)
	}
	return c, nil
}

func (d *daemon) refuse(reason, what string, err error) error {
	return &rebuild.BuildError{Reason: reason, What: what, Err: err, Environment: rebuild.Environment{Builder: d.kind(), Address: d.name}}
}

func (d *daemon) kind() string {
	if d.engine != nil {
		return "docker"
	}
	return "buildkit"
}

// check asks the builder for what it can do.
func (d *daemon) check(ctx context.Context, r *rebuild.Request) error {
	c, err := d.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	workers, version, err := d.ask(ctx, c)
	if err != nil {
		return err
	}
	want := platforms.Normalize(ocispecs.Platform{OS: r.Platform.OS, Architecture: r.Platform.Architecture, Variant: r.Platform.Variant})
	builds := false
	var names []string
	for _, w := range workers {
		for _, p := range w.Platforms {
			builds = builds || platforms.Only(p).Match(want)
			names = append(names, platforms.Format(p))
		}
	}
	switch {
	case d.engine != nil && !exportsOCI(workers):
		return d.refuse(rebuild.NeedsOCIExporter, fmt.Sprintf("the BuildKit of the Docker Engine at %s cannot hand out an image as it is: that takes the containerd image store, or a BuildKit of its own", d.name), nil)
	case !builds:
		return d.refuse(rebuild.NeedsPlatform, fmt.Sprintf("the builder %s builds for %s, not for %s", d.name, strings.Join(names, ", "), platforms.Format(want)), nil)
	case !r.SourceDate.IsZero() && older(version, minRewriting):
		return d.refuse(rebuild.NeedsNewerBuilder, fmt.Sprintf("the builder %s is BuildKit %s; v0.%d is the first that sets the times in layers", d.name, orUnknown(version), minRewriting), nil)
	case r.Limits.Memory > 0 && older(version, minBounding):
		return d.refuse(rebuild.NeedsNewerBuilder, fmt.Sprintf("the builder %s is BuildKit %s, which bounds no memory; v0.%d does", d.name, orUnknown(version), minBounding), nil)
	}
	return nil
}

// Minor versions of BuildKit: the first with the exporter's rewrite-timestamp,
// and the one whose frontend is known to take a bound of memory.
const (
	minRewriting = 13
	minBounding  = 34
)

// ask is what the builder says of its workers and its version, "" for one too
// old to tell.
func (d *daemon) ask(ctx context.Context, c *client.Client) ([]*client.WorkerInfo, string, error) {
	ctx, cancel := context.WithTimeout(ctx, d.config.patience())
	defer cancel()
	workers, err := c.ListWorkers(ctx)
	if err != nil {
		return nil, "", d.unanswered(err)
	}
	info, err := c.Info(ctx)
	switch {
	case grpcerrors.Code(err) == codes.Unimplemented: // before v0.11
		return workers, "", nil
	case err != nil:
		return nil, "", d.unanswered(err)
	}
	return workers, info.BuildkitVersion.Version, nil
}

func (d *daemon) unanswered(err error) error {
	what := fmt.Sprintf("the builder %s does not answer: %s", d.name, firstLine(err))
	if errors.Is(err, context.DeadlineExceeded) || grpcerrors.Code(err) == codes.DeadlineExceeded {
		what = fmt.Sprintf("the builder %s does not answer within %s", d.name, d.config.patience())
	}
	return d.refuse(rebuild.NoBuilder, what, err)
}

// exportsOCI reports whether an engine's BuildKit keeps images in containerd's
// store: its worker then names a snapshotter.
func exportsOCI(workers []*client.WorkerInfo) bool {
	for _, w := range workers {
		if _, ok := w.Labels["org.mobyproject.buildkit.worker.snapshotter"]; ok {
			return true
		}
	}
	return false
}

// older reports whether a version is v0.MINOR with a lower minor, or none. A
// version of another form, or v0.0, is that of a development build.
func older(version string, minor int) bool {
	rest, ok := strings.CutPrefix(version, "v0.")
	if !ok || strings.HasPrefix(rest, "0.") {
		return version == ""
	}
	number, _, _ := strings.Cut(rest, ".")
	n, err := strconv.Atoi(number)
	return err == nil && n < minor
}

func orUnknown(version string) string {
	if version == "" {
		return "before v0.11"
	}
	return version
}

// build solves the Dockerfile and has the image handed out.
func (d *daemon) build(ctx context.Context, r *rebuild.Request) (*rebuild.Result, error) {
	c, err := d.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	workers, version, err := d.ask(ctx, c)
	if err != nil {
		return nil, err
	}
	opt, err := d.solveOptions(r)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	go d.watch(ctx, c, stop)
	// Where a builder that hangs is told to stop, it is the connection that ends
	// the call.
	defer context.AfterFunc(ctx, func() { time.AfterFunc(goodbyeTime, func() { c.Close() }) })()
	if err := d.solve(ctx, c, r, opt); err != nil {
		return nil, err
	}
	env := rebuild.Environment{Builder: d.kind(), Version: version, Address: d.name, Worker: workerPlatform(workers)}
	return &rebuild.Result{Form: rebuild.FormOCIArchive, Environment: env}, nil
}

func (d *daemon) solve(ctx context.Context, c *client.Client, r *rebuild.Request, opt *client.SolveOpt) error {
	log := r.Log
	if log == nil {
		log = io.Discard
	}
	statuses, shown := show(ctx, log, d.config.Display)
	_, err := c.Solve(ctx, nil, *opt, statuses)
	failure := <-shown
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if code := grpcerrors.Code(err); code == codes.Unavailable || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return d.refuse(rebuild.BuilderGone, fmt.Sprintf("the builder %s was lost while it built: %s", d.name, firstLine(err)), err)
	}
	what := firstLine(err)
	if failure != "" {
		what = failure + ": " + what
	}
	return d.refuse(rebuild.BuildFailed, fmt.Sprintf("the builder %s could not build it: %s", d.name, what), err)
}

// watch ends a build whose builder does not answer any more.
func (d *daemon) watch(ctx context.Context, c *client.Client, stop func(error)) {
	tick := time.NewTicker(aliveEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		asked, cancel := context.WithTimeout(ctx, d.config.patience())
		_, err := c.Info(asked)
		cancel()
		if ctx.Err() == nil && grpcerrors.Code(err) == codes.DeadlineExceeded {
			stop(d.refuse(rebuild.BuilderGone, fmt.Sprintf("the builder %s stopped answering while it built", d.name), err))
			return
		}
	}
}

func workerPlatform(workers []*client.WorkerInfo) string {
	for _, w := range workers {
		if len(w.Platforms) > 0 {
			return platforms.Format(w.Platforms[0])
		}
	}
	return ""
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(strings.TrimSpace(err.Error()), "\n")
	return line
}
