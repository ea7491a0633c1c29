package cli

import (
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/imageverify/verify"
	"github.com/imageverify/verify/rebuild/buildkit"
)

// buildFlags say how an image is built again.
type buildFlags struct {
	network string
	limit   time.Duration
	memory  int64
	disk    int64
	log     string
	tls     buildkit.TLS
	// view is where builds are shown; nil: nowhere.
	view *buildView
}

// addRebuild adds the flags of rebuilding.
func (f *flags) addRebuild(set *pflag.FlagSet) {
	set.StringArrayVar(&f.rebuild, "rebuild", nil, "assemble the image again: `replay|build[=ADDRESS]|classic=ADDRESS`, in process or with builders (repeatable); :digest, :image-id, :layers or :files after the word is the level that is required (default: digest)")
	b := &f.building
	set.StringVar(&b.network, "network", verify.NetworkNone, "what RUN may reach when it is run again: `none|default`")
	set.DurationVar(&b.limit, "build-timeout", verify.DefaultBuildTime, "give up a build after this `DURATION`")
	set.Int64Var(&b.memory, "build-memory", 0, "let one RUN use `BYTES` of memory (default: the builder's bound)")
	set.Int64Var(&b.disk, "build-disk", verify.DefaultBuildDisk, "refuse a built image of more than `BYTES`")
	set.StringVar(&b.log, "build-log", "", "write all that builders say to `FILE`")
	set.StringVar(&b.tls.CACert, "tlscacert", "", "trust the CA certificate in `FILE` for builders at tcp://")
	set.StringVar(&b.tls.Cert, "tlscert", "", "the client's certificate in `FILE`, for builders at tcp://")
	set.StringVar(&b.tls.Key, "tlskey", "", "the client's key in `FILE`, for builders at tcp://")
	set.StringVar(&b.tls.ServerName, "tlsservername", "", "the `NAME` in the certificate of builders at tcp://")
}

// rebuilding is what the --rebuild flags ask for.
type rebuilding struct {
	level     verify.Level
	build     bool
	addresses []string // of builders; none: the usual places
}

// parseRebuild reads the --rebuild flags: WORD[:LEVEL][=ADDRESS].
func parseRebuild(values []string) (r rebuilding, err error) {
	anywhere := false
	for _, value := range values {
		how, address, named := strings.Cut(value, "=")
		how, name, leveled := strings.Cut(how, ":")
		switch {
		case how == "replay" && !named:
		case how == "build" && named && address != "":
			r.build, r.addresses = true, append(r.addresses, address)
		case how == "build" && !named:
			r.build, anywhere = true, true
		case how == "classic" && named && address != "":
			r.build, r.addresses = true, append(r.addresses, buildkit.Classic(address))
		default:
			return r, usagef("--rebuild %q: want replay, build, build=ADDRESS or classic=ADDRESS, with :LEVEL after the word", value)
		}
		level := verify.SameDigest
		if leveled {
			if err := level.UnmarshalText([]byte(name)); err != nil || !slices.Contains(verify.Levels(), level) {
				return r, usagef("--rebuild %q: the levels are digest, image-id, layers, files", value)
			}
		}
		if r.level != verify.NoLevel && r.level != level {
			return r, usagef("--rebuild: one level for all, %s or %s", r.level, level)
		}
		r.level = level
	}
	if anywhere && len(r.addresses) > 0 {
		return r, usagef("--rebuild build looks for a builder, and another --rebuild names one: give one of them")
	}
	return r, nil
}

// networks are the values of --network.
var networks = []string{verify.NetworkNone, verify.NetworkDefault}

// building puts what the flags say of rebuilding into the options.
func (a *app) building(o *verify.Options) error {
	r, err := parseRebuild(a.flags.rebuild)
	if err != nil {
		return err
	}
	b := &a.flags.building
	o.RebuildLevel = r.level
	o.Building = verify.Building{Asked: r.build, Network: b.network, Time: b.limit, Memory: b.memory, Disk: b.disk}
	if !r.build {
		return nil
	}
	switch {
	case !slices.Contains(networks, b.network):
		return usagef("--network %q: want none or default", b.network)
	case b.limit <= 0:
		return usagef("--build-timeout %s: must be more than nothing", b.limit)
	case b.memory < 0:
		return usagef("--build-memory %d: must not be negative", b.memory)
	case b.disk <= 0:
		return usagef("--build-disk %d: must be more than nothing", b.disk)
	}
	if b.log != "" {
		file, err := os.OpenFile(b.log, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			return &verify.RunError{Code: "build-log", Message: "--build-log: " + err.Error(), Input: b.log}
		}
		o.Building.Log = &oneAtATime{w: file} // open until the end
	}
	config := buildkit.Config{TLS: b.tls, Getenv: a.env.Getenv, Offline: a.flags.offline, Display: b}
	if a.flags.verbose {
		config.Log = a.logger()
	}
	pool, err := buildkit.New(r.addresses, config)
	if err != nil {
		return usagef("--rebuild: %s", err)
	}
	o.Builder = pool
	return nil
}

// showBuilds has builds shown in the place of the progress.
func (a *app) showBuilds(p *progress) {
	a.flags.building.view = &buildView{progress: p, plain: a.flags.verbose}
}

// Begin implements buildkit.Display.
func (b *buildFlags) Begin() (io.Writer, func()) {
	if b.view == nil {
		return nil, func() {}
	}
	return b.view.begin()
}

// buildView shows one build at a time where the progress is shown otherwise: as
// docker build does on a terminal, in lines where they are asked for.
type buildView struct {
	progress *progress
	plain    bool
	mu       sync.Mutex
	taken    bool
}

func (v *buildView) begin() (io.Writer, func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	p := v.progress
	if v.taken || p.quiet || !p.terminal && !v.plain {
		return nil, func() {}
	}
	v.taken = true
	p.hold(true)
	w := p.w
	if !p.terminal {
		w = lines{p.w}
	}
	return w, func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		p.hold(false)
		v.taken = false
	}
}

// lines hides from whoever draws on it that it may be a terminal.
type lines struct{ io.Writer }

// oneAtATime is a writer for several builds.
type oneAtATime struct {
	mu sync.Mutex
	w  io.Writer
}

// Write writes p as a whole.
func (o *oneAtATime) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.w.Write(p)
}

// timeLimit is how long a run may take: a build has a limit of its own, so that
// the run's is only for the rest where none is given.
func (a *app) timeLimit(cmd *cobra.Command, o verify.Options) time.Duration {
	if o.Building.Asked && !cmd.Flags().Changed("timeout") {
		return a.flags.timeout + a.flags.building.limit
	}
	return a.flags.timeout
}
