package signature

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/sigstore/sigstore-go/pkg/tuf"
	"github.com/theupdateframework/go-tuf/v2/metadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/config"
	"github.com/theupdateframework/go-tuf/v2/metadata/updater"
)

const (
	// MaxTUFBytes bounds what is fetched from a TUF mirror in one refresh, in bytes.
	MaxTUFBytes = 16 << 20
	// MaxTUFCopy bounds the copy of it that is kept: its bytes in base64.
	MaxTUFCopy = 2 * MaxTUFBytes
	// MaxTUFRoots bounds the roots that follow one on the other in a refresh.
	MaxTUFRoots = 64

	// trustedRootTarget is the name of the trusted root among a mirror's files.
	trustedRootTarget = "trusted_root.json"
)

// ErrNoFile says that a TUF mirror has no such file.
var ErrNoFile = errors.New("no such file")

// TUF is where a trusted root comes from: a mirror of The Update Framework
// (https://theupdateframework.github.io/specification/), and the root of keys with
// which all trust in it begins.
type TUF struct {
	// Mirror is the URL of the metadata; "" is that of sigstore's public instance.
	Mirror string
	// Root is the first root.json to believe; nil is that of the public instance, as
	// the program was built with it.
	Root []byte
	// Fetch reads a URL, at most limit bytes and one; it gives ErrNoFile for what is
	// not there.
	Fetch func(ctx context.Context, url string, limit int64) ([]byte, error)
	// Now is the present; nil is the clock.
	Now func() time.Time
}

// mirror is the mirror's URL.
func (u TUF) mirror() string {
	if u.Mirror == "" {
		return tuf.DefaultMirror
	}
	return u.Mirror
}

func (u TUF) root() []byte {
	if u.Root == nil {
		return tuf.DefaultRoot()
	}
	return u.Root
}

func (u TUF) now() time.Time {
	if u.Now == nil {
		return time.Now()
	}
	return u.Now()
}

// Key names the mirror and the root: copies of one are none of another.
func (u TUF) Key() string {
	sum := sha256.Sum256(u.root())
	return u.mirror() + " " + hex.EncodeToString(sum[:])
}

// tufCopy is all that was fetched in a refresh, so that it can be verified again.
type tufCopy struct {
	At    time.Time         `json:"at"`
	Files map[string][]byte `json:"files"`
}

// versions are those of the metadata of a refresh, by role.
type versions map[string]int64

// Refresh fetches the trusted root. last is the copy of an earlier refresh, nil where
// there is none: nothing in it may be newer than what the mirror has now. The copy
// that it returns is for Read and the next Refresh.
func (u TUF) Refresh(ctx context.Context, last []byte) (*Trust, []byte, error) {
	r := &recorder{ctx: ctx, fetch: u.Fetch, base: u.mirror(), copy: tufCopy{At: u.now().UTC(), Files: map[string][]byte{}}}
	trust, now, err := u.run(r, u.now())
	if err != nil {
		return nil, nil, fmt.Errorf("trusted root from %s: %w", u.mirror(), err)
	}
	if _, before, _, err := u.replay(last, time.Time{}); err == nil {
		for role, version := range before {
			if now[role] < version {
				return nil, nil, fmt.Errorf("trusted root from %s: it is rolled back: its %s has the version %d, and was seen with %d", u.mirror(), role, now[role], version)
			}
		}
	}
	data, err := json.Marshal(r.copy)
	if err != nil {
		return nil, nil, fmt.Errorf("trusted root from %s: %w", u.mirror(), err)
	}
	return trust, data, nil
}

// Read verifies a copy again, every signature from the first root on, as it was valid
// when it was fetched, and says when that was. Nothing is fetched.
func (u TUF) Read(data []byte) (*Trust, time.Time, error) {
	trust, _, at, err := u.replay(data, time.Time{})
	return trust, at, err
}

// ReadNow is Read, and refuses a copy that has expired.
func (u TUF) ReadNow(data []byte) (*Trust, time.Time, error) {
	trust, _, at, err := u.replay(data, u.now())
	return trust, at, err
}

// replay verifies a copy at a time; zero is when it was fetched.
func (u TUF) replay(data []byte, at time.Time) (*Trust, versions, time.Time, error) {
	var c tufCopy
	if len(data) > MaxTUFCopy {
		return nil, nil, at, fmt.Errorf("copy of the trusted root of more than %d bytes", MaxTUFCopy)
	}
	if err := json.Unmarshal(data, &c); err != nil {
		return nil, nil, at, fmt.Errorf("copy of the trusted root: %w", err)
	}
	if c.At.After(u.now().Add(maxSkew)) {
		return nil, nil, at, fmt.Errorf("copy of the trusted root: it is of %s, in the future", c.At.Format(time.RFC3339))
	}
	if at.IsZero() {
		at = c.At
	}
	trust, v, err := u.run(&recorder{ctx: context.Background(), base: u.mirror(), copy: c}, at)
	if err != nil {
		return nil, nil, at, fmt.Errorf("copy of the trusted root: %w", err)
	}
	return trust, v, c.At, nil
}

// run goes TUF's way from the first root to the trusted root, at a time.
func (u TUF) run(r *recorder, at time.Time) (trust *Trust, seen versions, err error) {
	// The library is given what a mirror answers.
	defer func() {
		if p := recover(); p != nil {
			trust, seen, err = nil, nil, fmt.Errorf("its metadata brings down what reads it: %v", p)
		}
	}()
	cfg, err := config.New(r.base, u.root())
	if err != nil {
		return nil, nil, err
	}
	// The library keeps no files. Without a cache it would still look for some in the
	// working directory.
	cfg.DisableLocalCache = true
	cfg.LocalMetadataDir = filepath.Join(os.DevNull, "none")
	cfg.LocalTargetsDir = cfg.LocalMetadataDir
	cfg.MaxRootRotations = MaxTUFRoots + 1
	cfg.Fetcher = r
	up, err := updater.New(cfg)
	if err != nil {
		return nil, nil, fmt.Errorf("the first root: %w", err)
	}
	up.UnsafeSetRefTime(at)
	first := up.GetTrustedMetadataSet().Root.Signed.Version
	if err := up.Refresh(); err != nil {
		return nil, nil, err
	}
	if up.GetTrustedMetadataSet().Root.Signed.Version-first > MaxTUFRoots {
		return nil, nil, fmt.Errorf("more than %d roots follow the first", MaxTUFRoots)
	}
	target, err := up.GetTargetInfo(trustedRootTarget)
	if err != nil {
		return nil, nil, err
	}
	if target.Length > MaxTrustedRoot {
		return nil, nil, fmt.Errorf("%s has %d bytes, more than %d", trustedRootTarget, target.Length, MaxTrustedRoot)
	}
	_, data, err := up.DownloadTarget(target, "", "")
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", trustedRootTarget, err)
	}
	if trust, err = ParseTrustedRoot(data); err != nil {
		return nil, nil, err
	}
	set := up.GetTrustedMetadataSet()
	return trust, versions{
		"root": set.Root.Signed.Version, "timestamp": set.Timestamp.Signed.Version,
		"snapshot": set.Snapshot.Signed.Version, "targets": set.Targets[metadata.TARGETS].Signed.Version,
	}, nil
}

// recorder is a fetcher of TUF's library that keeps what it gives. Without a function
// to fetch with, it gives what it has.
type recorder struct {
	ctx   context.Context
	fetch func(ctx context.Context, url string, limit int64) ([]byte, error)
	base  string
	copy  tufCopy
	bytes int64
}

// DownloadFile gives one file of the mirror.
func (r *recorder) DownloadFile(url string, limit int64, _ time.Duration) ([]byte, error) {
	name := path.Base(url)
	if r.fetch == nil {
		data, ok := r.copy.Files[name]
		if !ok {
			return nil, &metadata.ErrDownloadHTTP{StatusCode: 404, URL: url}
		}
		return data, nil
	}
	if left := MaxTUFBytes - r.bytes; limit > left {
		limit = left
	}
	data, err := r.fetch(r.ctx, url, limit)
	switch {
	case errors.Is(err, ErrNoFile):
		return nil, &metadata.ErrDownloadHTTP{StatusCode: 404, URL: url}
	case err != nil:
		return nil, fmt.Errorf("%s: %w", name, err)
	case int64(len(data)) > limit:
		return nil, fmt.Errorf("%s has more than %d bytes", name, limit)
	}
	r.bytes += int64(len(data))
	r.copy.Files[name] = data
	return data, nil
}
