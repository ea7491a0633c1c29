package verify

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/checksums"
	"github.com/imageverify/verify/checksums/sums"
	"github.com/imageverify/verify/internal/cache"
	"github.com/imageverify/verify/internal/image"
	"github.com/imageverify/verify/internal/local"
	"github.com/imageverify/verify/internal/network"
	"github.com/imageverify/verify/provenance"
	"github.com/imageverify/verify/provenance/chain"
	"github.com/imageverify/verify/provenance/library"
	"github.com/imageverify/verify/provenance/source"
)

// libraryFresh is how long the copy of a remote library is used before the
// server is asked again.
const libraryFresh = time.Hour

// session is what the images of one run share: the transport, the caches, the
// opened repositories, and the budget of layers read at a time.
type session struct {
	options   Options
	start     time.Time
	transport *network.Transport
	cache     *cache.Dir
	layers    *checksums.LayerCache
	windows   *checksums.Windows
	opener    *source.Opener
	parallel  int
	slots     chan struct{}
	library   func() (*library.Library, error)
	keyring   *sums.Keyring
	given     *provenance.Given
	bundles   map[string][]byte
	folder    *local.Dir
	objects   objects
	keyMu     sync.Mutex
	keys      map[string]keyAnswer

	registries image.Registries

	mu     sync.Mutex
	signed map[blobKey]*signedOnce
	stages map[string]Duration
	git    map[string]Event
	reads  map[blobKey]*layerRead
	froms  map[string]bool // the bases that were named
}

// newSession refuses options that make no sense, before anything is opened.
func newSession(ctx context.Context, o Options) (*session, error) {
	if err := o.Requirements.Validate(); err != nil {
		return nil, &RunError{Code: "usage", Message: err.Error(), err: err}
	}
	objects, err := openObjects(o.Objects)
	if err != nil {
		return nil, err
	}
	s := &session{options: o, objects: objects, start: time.Now(), parallel: o.Parallel, stages: map[string]Duration{}, git: map[string]Event{}, reads: map[blobKey]*layerRead{}, froms: map[string]bool{}, keys: map[string]keyAnswer{}, signed: map[blobKey]*signedOnce{}}
	if s.parallel <= 0 {
		s.parallel = runtime.GOMAXPROCS(0)
	}
	s.slots = make(chan struct{}, s.parallel)
	if o.Cache != "" {
		dir, err := cache.Open(o.Cache)
		if err != nil {
			objects.close()
			return nil, &RunError{Code: "cache", Message: err.Error(), Input: o.Cache, err: err}
		}
		s.cache = dir
	}
	s.layers, s.windows = checksums.NewLayerCache(s.cache), checksums.NewWindows()
	s.transport = newTransport(o)
	folder := func(kind, key string) (string, func() error, error) { return s.cache.FolderContext(ctx, kind, key) }
	s.opener = source.NewOpener(source.Options{
		Mirrors: o.GitMirrors, Offline: o.Offline, Transport: s.transport, CacheDir: folder,
		FollowClaims: o.FollowClaims, Progress: s.gitProgress, Log: o.Log, Objects: s.objects,
	})
	s.library = s.libraryOnce(ctx)
	if s.keyring, err = readKeyrings(o.Keyrings); err != nil {
		s.close()
		return nil, err
	}
	s.keyring = sums.Join(s.keyring, s.objects.keyring())
	if s.bundles, err = readBundles(o.Signing.Bundles); err != nil {
		s.close()
		return nil, err
	}
	for _, check := range []func(context.Context) error{s.checkInputs, s.readGiven} {
		if err := check(ctx); err != nil {
			s.close()
			return nil, err
		}
	}
	return s, nil
}

// gitProgress tells of git's steps. Which one is the last of its kind only the
// caller of git knows; finishGit ends those that were told of.
func (s *session) gitProgress(what string, n, total int64) {
	s.gitEvent(Event{What: what, Done: n, Total: total})
}

func (s *session) gitEvent(e Event) {
	s.mu.Lock()
	s.git[e.What] = e
	s.mu.Unlock()
	s.options.progress(e)
}

func (s *session) finishGit() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for what, e := range s.git {
		e.Finished = true
		s.options.progress(e)
		delete(s.git, what)
	}
}

func newTransport(o Options) *network.Transport {
	return network.New(network.Options{
		Offline: o.Offline, IdleTimeout: o.IdleTimeout, Insecure: o.InsecureRegistries, AllowHosts: o.AllowHosts, Rewrite: o.RegistryMirrors,
		Base: o.Transport, Log: o.Log, UserAgent: "verify/" + o.Version,
	})
}

// checkInputs refuses local inputs that are not what they should be, before
// any image is opened.
func (s *session) checkInputs(ctx context.Context) error {
	if as := s.options.As; strings.Contains(as, "@") {
		return &RunError{Code: "usage", Message: fmt.Sprintf("--as %q: a name and a tag, without a digest", as), Input: as}
	}
	seen := map[string]bool{}
	for ref := range s.options.Bases {
		full, err := chain.Reference(ref)
		if err != nil || seen[full] {
			return &RunError{Code: "usage", Message: fmt.Sprintf("--base %s: not a reference to an image in a registry, or one that is given twice", ref), Input: ref, err: err}
		}
		seen[full] = true
	}
	for prefix, path := range s.options.GitMirrors {
		if info, err := os.Stat(path); err != nil || !info.IsDir() {
			return &RunError{Code: "git-mirror", Message: fmt.Sprintf("git mirror for %s: %s is not a directory", prefix, path), Input: path, err: err}
		}
		if strings.HasSuffix(prefix, "/") {
			continue
		}
		if _, err := s.opener.OpenPath(ctx, path); err != nil {
			return &RunError{Code: "git-mirror", Message: fmt.Sprintf("git mirror for %s: %v", prefix, err), Input: path, err: err}
		}
	}
	if needsOf(s.options.Requirements)&needTrace == 0 || s.options.Library == "" || isURL(s.options.Library) {
		return nil
	}
	_, err := s.library()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return &RunError{Code: "library", Message: err.Error(), Input: s.options.Library, err: err}
	}
	return nil
}

func isURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && len(u.Scheme) > 1 && u.Host != ""
}

// libraryOnce opens the official library when it is first asked for.
func (s *session) libraryOnce(ctx context.Context) func() (*library.Library, error) {
	return sync.OnceValues(func() (*library.Library, error) {
		defer s.timeStage("library")()
		where := s.options.Library
		if where == "" {
			where = DefaultLibrary
		}
		o := library.Options{Opener: s.opener, Cache: s.cache, Location: where, Log: s.options.Log}
		o.Progress = func(what string, n, total int64) { s.gitEvent(Event{What: what, Done: n, Total: total, Count: true}) }
		defer s.finishGit()
		if !isURL(where) {
			return library.Open(ctx, where, o)
		}
		clone, err := s.opener.Clone(ctx, where, libraryFresh)
		if err != nil {
			return nil, err
		}
		return library.OpenClone(ctx, clone, o)
	})
}

// imageOptions are the run's options for opening a reference, but the platform.
func (s *session) imageOptions() image.Options {
	o := image.Options{
		Transport: s.transport, Keychain: s.options.Keychain,
		Mirrors: s.options.RegistryMirrors, Insecure: s.options.InsecureRegistries, Log: s.options.Log,
		DockerHost: s.options.DockerHost, DialDaemon: s.transport.DialNamed, Spill: s.cache.TempFile,
		Registries: &s.registries, Unwanted: s.unwanted(),
	}
	if o.Keychain == nil {
		o.Keychain = authn.NewMultiKeychain()
	}
	return o
}

// unwanted are the kinds of attachments that neither a check nor the report asks
// for.
func (s *session) unwanted() []image.AttachmentKind {
	var all []image.AttachmentKind
	if s.options.Attached {
		return nil
	}
	attestations := func(c check) bool { return strings.HasPrefix(c.id, "attestation.") && c.made(s.options.Requirements) }
	if !slices.ContainsFunc(checkTable, attestations) {
		all = append(all, image.KindAttestation)
	}
	return append(all, image.KindSBOM)
}

// openFor resolves a reference to the image for the platform of another one.
func (s *session) openFor(ctx context.Context, ref string, f *facts) (*image.Set, error) {
	defer s.timeStage("resolve")()
	o, platform := s.imageOptions(), platformOf(f)
	if platform.OS != "" && platform.Architecture != "" {
		o.Platform, o.PlatformExplicit = &platform, true
	}
	return image.Open(ctx, ref, o)
}

// platformOf is the platform of an image, by its descriptor or its config.
func platformOf(f *facts) v1.Platform {
	platform, cfg := f.img.Platform(), f.configFile()
	if platform.OS == "" && cfg != nil {
		platform = v1.Platform{OS: cfg.OS, Architecture: cfg.Architecture, Variant: cfg.Variant}
	}
	return platform
}

// open resolves a reference.
func (s *session) open(ctx context.Context, ref string) (*image.Set, error) {
	defer s.timeStage("resolve")()
	o := s.imageOptions()
	o.AllPlatforms = s.options.AllPlatforms
	if p := s.options.Platform; p != "" {
		platform, err := v1.ParsePlatform(p)
		if err != nil || platform.OS == "" || platform.Architecture == "" {
			return nil, &RunError{Code: "usage", Message: fmt.Sprintf("platform %q is not os/architecture[/variant]", p), Input: p, err: err}
		}
		o.Platform, o.PlatformExplicit = platform, true
	}
	return image.Open(ctx, ref, o)
}

// givenName is the name to trace a set under as it was given, and who gave it:
// flag, reference or image; "" where it has none.
func (s *session) givenName(set *image.Set) (given, source string) {
	ref := set.Reference
	switch {
	case s.options.As != "":
		return s.options.As, "flag"
	case ref.Name == "":
		return "", ""
	case ref.OwnAccount:
		return ref.Name, "image"
	}
	return ref.Name, "reference"
}

// traceName is the name to trace an image under: repository and tag, "" where it
// has none. A base is known by the name that the Dockerfile above gives it.
func (s *session) traceName(f *facts) (repository, tag string, err error) {
	if f.above != nil {
		repository, tag, _ = chain.Split(f.as)
		return repository, tag, nil
	}
	set := f.set
	given, _ := s.givenName(set)
	if given == "" {
		return "", "", nil
	}
	repository, tag, err = splitName(given)
	if err == nil && tag == "" {
		tag = set.Reference.Tag
		if s.options.As != "" {
			tag = name.DefaultTag
		}
	}
	return repository, tag, err
}

// splitName takes a reference apart: the repository with its host in one
// spelling, and the tag, "" where none is given. A digest does not count.
func splitName(given string) (repository, tag string, err error) {
	given, _, _ = strings.Cut(strings.TrimPrefix(given, "docker://"), "@")
	ref, err := name.ParseReference(given)
	if err != nil {
		return "", "", fmt.Errorf("name %q: %w", given, err)
	}
	repository = ref.Context().Name()
	for _, host := range []string{"index.docker.io/", "registry-1.docker.io/"} {
		if rest, ok := strings.CutPrefix(repository, host); ok {
			repository = "docker.io/" + rest
		}
	}
	if t, ok := ref.(name.Tag); ok && strings.HasSuffix(given, ":"+t.TagStr()) {
		tag = t.TagStr()
	}
	return repository, tag, nil
}

func (s *session) report(references []string) *Report {
	r := &Report{SchemaVersion: SchemaVersion, Program: Program{Version: s.options.Version}, Images: []Image{}}
	if len(references) > 0 {
		r.Reference = references[0]
	}
	if len(references) > 1 {
		r.References = references
	}
	return r
}

func (s *session) timings() Timings {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Timings{Total: Duration(time.Since(s.start)), Stages: s.stages}
}

// close lets go of the indexes that were read.
func (s *session) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.reads {
		r.close()
	}
	s.transport.CloseIdleConnections()
	if err := errors.Join(s.opener.Close(), s.folder.Close(), s.cache.Close(), s.objects.close()); err != nil && s.options.Log != nil {
		s.options.Log.Warn("not closed", "error", err)
	}
}

// timeStage notes how long a stage took, over all images.
func (s *session) timeStage(name string) func() {
	start := time.Now()
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.stages[name] += Duration(time.Since(start))
	}
}

// readKeyrings joins the keys of the files.
func readKeyrings(names []string) (*sums.Keyring, error) {
	var all *sums.Keyring
	for _, name := range names {
		f, err := openInput("keyring", name)
		if err != nil {
			return nil, err
		}
		k, err := sums.ReadKeyring(f.read())
		f.file.Close()
		if err != nil {
			return nil, &RunError{Code: "keyring", Message: fmt.Sprintf("keyring %s: %v", name, err), Input: name, err: err}
		}
		all = sums.Join(all, k)
	}
	return all, nil
}
