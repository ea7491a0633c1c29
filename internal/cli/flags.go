package cli

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/imageverify/verify"
)

// flags are the values of the flags that all commands share.
type flags struct {
	platform     string
	allPlatforms bool
	as           string
	source       string
	dockerfile   string
	context      string
	target       string
	buildArgs    []string
	bases        []string
	depth        string
	library      string
	gitMirrors   []string
	registries   []string
	keyrings     []string
	objects      []string
	allowHosts   []string
	followClaims bool
	insecure     []string
	offline      bool
	cacheDir     string
	noCache      bool
	timeout      time.Duration
	layerSize    int64
	only         []string
	skip         []string
	require      []string
	accept       []string
	rebuild      []string
	building     buildFlags
	signing      signingFlags
	proving      provingFlags
	output       []string
	quiet        bool
	verbose      bool
	color        string
	// history says that the command is history.
	history bool
	// attached says that the command is signatures.
	attached bool
}

// add gives a command the flags of verifying.
func (f *flags) add(cmd *cobra.Command) {
	set := cmd.Flags()
	set.SortFlags = false
	set.StringVar(&f.platform, "platform", "", "verify the image for `OS/ARCH[/VARIANT]` (default: this machine's)")
	set.BoolVar(&f.allPlatforms, "all-platforms", false, "verify every image of an index")
	f.addTrace(set)
	set.StringSliceVar(&f.only, "only", nil, "make, and require, only these `CHECKS` (an id, or a prefix up to a dot)")
	set.StringSliceVar(&f.skip, "skip", nil, "do not make these `CHECKS`")
	set.StringSliceVar(&f.require, "require", nil, "require these `CHECKS` too")
	set.StringSliceVar(&f.accept, "accept", nil, "let findings with this `REASON` stand (never a failure)")
	f.addRebuild(set)
	f.signing.add(set)
	f.proving.add(set)
	f.addOutput(set)
}

// addTrace adds the flags of every command that traces an image.
func (f *flags) addTrace(set *pflag.FlagSet) {
	set.StringVar(&f.as, "as", "", "trace the image under the name `REF`")
	set.StringVar(&f.source, "source", "", "trace the image to `REPOSITORY#COMMIT[:DIR]` (an https URL or a local repository), not to the library")
	set.StringVar(&f.dockerfile, "dockerfile", "", "trace the image to the Dockerfile `FILE` (- is stdin); with --source a path in its DIR")
	set.StringVar(&f.context, "context", "", "take `DIR` as the build context of the Dockerfile (default: DIR/Dockerfile)")
	set.StringVar(&f.target, "target", "", "the `STAGE` of the Dockerfile that was built (default: the last)")
	set.StringArrayVar(&f.buildArgs, "build-arg", nil, "a build argument that was given, `NAME=VALUE` (repeatable)")
	set.StringArrayVar(&f.bases, "base", nil, "take an image for the base that a FROM names, `REF=IMAGE` (repeatable)")
	set.StringVar(&f.depth, "depth", "1", "verify `N` base images, one below the other (all: down to scratch)")
	f.addRegistries(set)
	set.BoolVar(&f.followClaims, "follow-claims", false, "fetch git repositories that only the image names")
	set.StringArrayVar(&f.keyrings, "keyring", nil, "take distributors' OpenPGP keys from `FILE` (repeatable); only pinned keys count")
	f.addSources(set)
}

// addShared gives a command and all below it the flags of every command.
func (f *flags) addShared(cmd *cobra.Command) {
	shared := cmd.PersistentFlags()
	shared.SortFlags = false
	shared.BoolVarP(&f.quiet, "quiet", "q", false, "one line an image, and no progress")
	shared.BoolVarP(&f.verbose, "verbose", "v", false, "more detail, and the steps on stderr")
	shared.StringVar(&f.color, "color", "auto", "colour the text: `auto|always|never`")
}

// addSources adds the flags of every command that reads sources.
func (f *flags) addSources(set *pflag.FlagSet) {
	set.StringVar(&f.library, "library", "", "official-images library: `PATH|URL` (default: "+verify.DefaultLibrary+")")
	set.StringArrayVar(&f.gitMirrors, "git-mirror", nil, "read the git repository (or prefix ending in /) `URL=PATH` from a local directory")
	set.StringArrayVar(&f.objects, "object", nil, "take `FILE` for the absent file it is, by its git blob id or published sum (repeatable)")
	f.addBounds(set)
}

// addRegistries adds the flags of every command that opens images.
func (f *flags) addRegistries(set *pflag.FlagSet) {
	set.StringArrayVar(&f.registries, "registry-mirror", nil, "ask `HOST=HOST:PORT` in a registry's place")
	set.StringArrayVar(&f.insecure, "insecure-registry", nil, "speak to the registry `HOST` without verified TLS")
}

// addBounds adds what a command may ask of the network and of the machine.
func (f *flags) addBounds(set *pflag.FlagSet) {
	set.StringArrayVar(&f.allowHosts, "allow-host", nil, "let `HOST[:PORT]` have an address that is not public (repeatable)")
	set.BoolVar(&f.offline, "offline", false, "open no connection, but to a registry mirror on this machine")
	set.StringVar(&f.cacheDir, "cache-dir", "", "keep what was read in `DIR` (default: $VERIFY_CACHE_DIR, else the user's cache)")
	set.BoolVar(&f.noCache, "no-cache", false, "neither read nor write the cache")
	set.DurationVar(&f.timeout, "timeout", 5*time.Minute, "give up after this `DURATION` in all")
	set.Int64Var(&f.layerSize, "max-layer-size", 0, "refuse layers that unpack to more than `BYTES` (default 8 GiB)")
}

// addOutput adds the flag that says where the report goes.
func (f *flags) addOutput(set *pflag.FlagSet) {
	set.StringArrayVarP(&f.output, "output", "o", nil, "write the report as `text|json|FORMAT=FILE` (repeatable)")
}

// options are the flags as the product's options.
func (a *app) options() (verify.Options, error) {
	f := a.flags
	o := verify.Options{
		Platform: f.platform, AllPlatforms: f.allPlatforms, As: f.as, Library: f.library,
		InsecureRegistries: f.insecure, Keyrings: f.keyrings, Objects: f.objects, AllowHosts: f.allowHosts, FollowClaims: f.followClaims, Offline: f.offline, Keychain: authn.DefaultKeychain,
		DockerHost:   a.env.Getenv("DOCKER_HOST"),
		Limits:       verify.Limits{LayerSize: f.layerSize},
		Requirements: verify.Requirements{Only: f.only, Skip: f.skip, Require: f.require, Accept: f.accept},
		History:      f.history,
		Attached:     f.attached,
		Version:      version(),
	}
	if f.platform != "" && f.allPlatforms {
		return o, usagef("--platform and --all-platforms exclude each other")
	}
	if f.quiet && f.verbose {
		return o, usagef("--quiet and --verbose exclude each other")
	}
	if f.layerSize < 0 {
		return o, usagef("--max-layer-size %d: must not be negative", f.layerSize)
	}
	if f.timeout <= 0 {
		return o, usagef("--timeout %s: must be more than nothing", f.timeout)
	}
	var err error
	if err := a.building(&o); err != nil {
		return o, err
	}
	if o.RebuildLevel != verify.NoLevel {
		o.Requirements.Require = append(slices.Clone(f.require), "rebuild.level")
	}
	if o.GitMirrors, err = pairs("--git-mirror", "URL=PATH", f.gitMirrors); err != nil {
		return o, err
	}
	if o.Given, err = a.given(); err != nil {
		return o, err
	}
	if o.Bases, err = bases(f.bases); err != nil {
		return o, err
	}
	if o.Depth, err = depth(f.depth); err != nil {
		return o, err
	}
	if o.RegistryMirrors, err = pairs("--registry-mirror", "HOST=HOST:PORT", f.registries); err != nil {
		return o, err
	}
	if !f.noCache {
		if o.Cache, err = a.cacheDir(); err != nil {
			return o, err
		}
	}
	if f.verbose {
		o.Log = a.logger()
	}
	return o, nil
}

// logger writes the steps of a run to stderr.
func (a *app) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(logWriter{a.env.Stderr}, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// given is the build definition that the flags name.
func (a *app) given() (verify.Given, error) {
	f := a.flags
	g := verify.Given{Source: f.source, Dockerfile: f.dockerfile, Context: f.context, Target: f.target, Stdin: a.env.Stdin}
	for _, arg := range f.buildArgs {
		name, value, ok := strings.Cut(arg, "=")
		if !ok || name == "" {
			return g, usagef("--build-arg %q: want NAME=VALUE", arg)
		}
		if g.BuildArgs == nil {
			g.BuildArgs = map[string]string{}
		}
		g.BuildArgs[name] = value
	}
	return g, nil
}

// bases reads --base flags; the value is what follows the first "=", since no
// reference holds one.
func bases(values []string) (map[string]string, error) {
	out := map[string]string{}
	for _, v := range values {
		ref, image, ok := strings.Cut(v, "=")
		if !ok || ref == "" || image == "" {
			return nil, usagef("--base %q: want REF=IMAGE", v)
		}
		if _, twice := out[ref]; twice {
			return nil, usagef("--base: %s is given twice", ref)
		}
		out[ref] = image
	}
	return out, nil
}

// depth reads --depth.
func depth(value string) (int, error) {
	if value == "all" {
		return verify.AllBases, nil
	}
	n, err := strconv.Atoi(value)
	switch {
	case err != nil || n < 0:
		return 0, usagef("--depth %q: want a number of base images, or all", value)
	case n == 0:
		return verify.NoBases, nil
	}
	return n, nil
}

// pairs reads KEY=VALUE flags; the value is what follows the last "=".
func pairs(flag, form string, values []string) (map[string]string, error) {
	out := map[string]string{}
	for _, v := range values {
		i := strings.LastIndex(v, "=")
		if i <= 0 || i == len(v)-1 {
			return nil, usagef("%s %q: want %s", flag, v, form)
		}
		if _, twice := out[v[:i]]; twice {
			return nil, usagef("%s: %s is given twice", flag, v[:i])
		}
		out[v[:i]] = v[i+1:]
	}
	return out, nil
}

// cacheDir is where the cache lies.
func (a *app) cacheDir() (string, error) {
	if a.flags.cacheDir != "" {
		return a.flags.cacheDir, nil
	}
	if dir := a.env.Getenv("VERIFY_CACHE_DIR"); dir != "" {
		return dir, nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache directory: %w (name one with --cache-dir, or use --no-cache)", err)
	}
	return filepath.Join(dir, "verify"), nil
}
