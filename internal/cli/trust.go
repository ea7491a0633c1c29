package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/imageverify/verify"
	"github.com/imageverify/verify/internal/cache"
	"github.com/imageverify/verify/internal/network"
	"github.com/imageverify/verify/provenance/signature"
)

const (
	// trustFresh is how long a copy of the trusted root serves before the mirror is
	// asked again.
	trustFresh = 24 * time.Hour
	// trustPatience is how long a TUF mirror may take for all its answers.
	trustPatience = time.Minute
	// trustKind and trustVersion are the copy's in the cache.
	trustKind    = "trusted-root"
	trustVersion = 1
)

// trust is what the trusted root says; nil, and why, where there is none. Without a
// file of one, the copy in the cache serves while it is fresh, then the mirror is asked;
// offline, the last copy that was verified serves, however old. Nothing is looked for
// where it is not needed.
func (a *app) trust(ctx context.Context, o verify.Options, needed bool) (trust *signature.Trust, none, err error) {
	if name := a.flags.signing.trustedRoot; name != "" {
		trust, err = readTrustedRoot(name)
		return trust, nil, err
	}
	if !needed {
		return nil, nil, nil
	}
	source, err := a.tuf(o)
	if err != nil {
		return nil, nil, err
	}
	var store *cache.Dir
	if o.Cache != "" {
		if store, err = cache.Open(o.Cache); err != nil {
			return nil, nil, &verify.RunError{Code: "cache", Message: err.Error(), Input: o.Cache}
		}
		defer store.Close()
	}
	last, _ := store.Get(trustKind, trustVersion, source.Key())
	if o.Offline {
		trust, _, err = source.Read(last)
		if err != nil {
			return nil, errors.New(noCopy(last, err)), nil
		}
		return trust, nil, nil
	}
	kept, at, err := source.ReadNow(last)
	if err == nil && time.Since(at) < trustFresh {
		return kept, nil, nil
	}
	trust, none = refresh(ctx, source, store, last)
	if none != nil && err == nil {
		return kept, nil, nil // has not expired
	}
	return trust, none, nil
}

func noCopy(last []byte, err error) string {
	const help = "fetch one with: verify initialize; or name a file with --trusted-root"
	if len(last) == 0 {
		return "offline, and no trusted root was fetched before (" + help + ")"
	}
	return fmt.Sprintf("offline, and %v (%s)", err, help)
}

// refresh asks the mirror, and keeps what it verified.
func refresh(ctx context.Context, source signature.TUF, store *cache.Dir, last []byte) (*signature.Trust, error) {
	ctx, cancel := context.WithTimeout(ctx, trustPatience)
	defer cancel()
	trust, copied, err := source.Refresh(ctx, last)
	if err != nil {
		return nil, err
	}
	if err := store.Put(trustKind, trustVersion, source.Key(), copied); err != nil {
		return nil, fmt.Errorf("trusted root: %w", err)
	}
	return trust, nil
}

// tuf is the mirror that the flags name.
func (a *app) tuf(o verify.Options) (signature.TUF, error) {
	f := &a.flags.signing
	transport := transportFor(o)
	source := signature.TUF{Mirror: f.tufMirror, Fetch: func(ctx context.Context, url string, limit int64) ([]byte, error) {
		return get(ctx, transport, url, limit)
	}}
	if f.tufRoot == "" {
		if f.tufMirror != "" {
			return source, usagef("a TUF mirror of your own needs the root.json to believe it by: --tuf-root, or --root of initialize")
		}
		return source, nil
	}
	var err error
	source.Root, err = readNamed("tuf-root", f.tufRoot, signature.MaxTrustedRoot)
	return source, err
}

func readTrustedRoot(name string) (*signature.Trust, error) {
	data, err := readNamed("trusted-root", name, signature.MaxTrustedRoot)
	if err != nil {
		return nil, err
	}
	trust, err := signature.ParseTrustedRoot(data)
	if err != nil {
		return nil, &verify.RunError{Code: "trusted-root", Message: fmt.Sprintf("trusted-root %s: %v", name, err), Input: name}
	}
	return trust, nil
}

// transportFor is a transport for what the flags name and is no registry.
func transportFor(o verify.Options) *network.Transport {
	return network.New(network.Options{Offline: o.Offline, IdleTimeout: o.IdleTimeout, AllowHosts: o.AllowHosts, Base: o.Transport, Log: o.Log, UserAgent: "verify/" + o.Version})
}

// get reads a URL: at most limit bytes and one. What is not there is
// signature.ErrNoFile.
func get(ctx context.Context, transport http.RoundTripper, url string, limit int64) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	answer, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	switch answer.StatusCode {
	case http.StatusOK:
		return io.ReadAll(io.LimitReader(answer.Body, limit+1))
	case http.StatusNotFound:
		return nil, fmt.Errorf("the server answered %s: %w", answer.Status, signature.ErrNoFile)
	}
	return nil, fmt.Errorf("the server answered %s", answer.Status)
}

func (a *app) initializeCommand() *cobra.Command {
	var mirror, root string
	cmd := &cobra.Command{
		Use:   "initialize",
		Short: "Fetch the keys of logs and authorities to trust, for later and for offline use",
		Long: `initialize fetches sigstore's trusted root from its TUF mirror, verifies it and
keeps it in the cache. Verifying signatures does the same when it needs to and the
copy is a day old; --offline uses the last copy. A mirror of your own is named again,
with --tuf-mirror and --tuf-root, when signatures are verified.`,
		Example: "  verify initialize\n  verify initialize --mirror https://tuf.example.com --root root.json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a.flags.signing.tufMirror, a.flags.signing.tufRoot = mirror, root
			ctx, cancel := context.WithTimeout(cmd.Context(), a.flags.timeout)
			defer cancel()
			return a.initialize(ctx)
		},
	}
	cmd.Flags().StringVar(&mirror, "mirror", "", "the TUF mirror at `URL` (default: sigstore's public one)")
	cmd.Flags().StringVar(&root, "root", "", "the first root.json to believe, in `FILE` (needed with --mirror)")
	cmd.Flags().StringVar(&a.flags.cacheDir, "cache-dir", "", "the cache in `DIR` (default: $VERIFY_CACHE_DIR, else the user's cache)")
	cmd.Flags().StringArrayVar(&a.flags.allowHosts, "allow-host", nil, "let `HOST[:PORT]` have an address that is not public (repeatable)")
	cmd.Flags().DurationVar(&a.flags.timeout, "timeout", trustPatience, "give up after this `DURATION`")
	return cmd
}

func (a *app) initialize(ctx context.Context) error {
	dir, err := a.cacheDir()
	if err != nil {
		return err
	}
	store, err := cache.Open(dir)
	if err != nil {
		return &verify.RunError{Code: "cache", Message: err.Error(), Input: dir}
	}
	defer store.Close()
	source, err := a.tuf(verify.Options{AllowHosts: a.flags.allowHosts})
	if err != nil {
		return err
	}
	last, _ := store.Get(trustKind, trustVersion, source.Key())
	if _, err := refresh(ctx, source, store, last); err != nil {
		return &verify.RunError{Code: "trusted-root", Message: err.Error(), Hint: "without a mirror: name a file with --trusted-root"}
	}
	_, err = fmt.Fprintf(a.env.Stdout, "trusted root kept in %s\n", dir)
	return err
}
