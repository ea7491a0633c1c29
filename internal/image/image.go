// Package image opens what an image reference names: an image in a registry, in
// an OCI layout directory or a tar archive of one, in an archive that `docker
// save` wrote, or in a Docker daemon.
//
// Open reads indexes and manifests, bounded and re-hashed, and chooses by
// platform; configs and layer blobs are read when they are asked for. Bytes that
// do not hash to the digest they were asked for by are not an error here: they
// are handed out with the digest that they have, so that the caller can report
// the two. Layer URLs in manifests ("foreign layers") are never followed.
package image

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"

	"github.com/google/go-containerregistry/pkg/authn"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// The kinds of reference, as Reference.Kind has them.
const (
	KindRegistry      = "registry"
	KindLayout        = "oci"
	KindArchive       = "oci-archive"
	KindDockerArchive = "docker-archive"
	KindDockerDaemon  = "docker-daemon"
)

// Options say how a reference is opened. The zero value opens local references;
// for a registry Transport is required.
type Options struct {
	// Transport is the only way to the network.
	Transport http.RoundTripper
	// Keychain gives the credentials for a registry; nil: anonymous.
	Keychain authn.Keychain
	// Platform is what an index is searched for; nil: DefaultPlatform.
	Platform *v1.Platform
	// PlatformExplicit says that the user named Platform, so that an image of
	// another platform is refused even where there is no choice.
	PlatformExplicit bool
	// AllPlatforms opens every image of an index; Platform is then ignored.
	AllPlatforms bool
	// Mirrors maps a registry's host to the host:port to ask in its place, over
	// https or http, whichever answers.
	Mirrors map[string]string
	// Insecure lists hosts (host or host:port) that may be asked over http.
	Insecure []string
	// DockerHost is where the Docker daemon listens, as in DOCKER_HOST:
	// unix:///PATH or tcp://HOST:PORT; "": DefaultDockerHost.
	DockerHost string
	// DialDaemon connects to the daemon; network is "unix" or "tcp". nil: a plain
	// dialer.
	DialDaemon func(ctx context.Context, network, address string) (net.Conn, error)
	// Spill makes the temporary file that a compressed archive, or what a daemon
	// sends, is kept in; nil: a nameless one in the system's folder for them.
	Spill func() (*os.File, error)
	// Registries keeps what was learnt of registries for the next reference; nil:
	// nothing is kept.
	Registries *Registries
	// Unwanted are kinds of attachments that need not be looked for; nil: all are.
	Unwanted []AttachmentKind
	// Log is told of each request's subject; nil: silent.
	Log *slog.Logger
}

// Set is what one reference names: one image, or all those of an index.
type Set struct {
	Reference Reference
	// Index is the outermost index that a digest names. It is nil for a single
	// manifest, and where a layout's own index.json lists the platforms.
	Index *Index
	// Images holds at least one image, in the order of the index.
	Images []*Image
	// Close releases the layout or archive; it is never nil.
	Close func() error

	src    source
	finder finder          // nil where images have no manifests
	root   []v1.Descriptor // the entries of a layout's index.json

	mu       sync.Mutex
	attached map[v1.Hash]*attachedOnce
}

// Reference is what the user gave and what it says about names.
type Reference struct {
	// Given is the reference as the user wrote it.
	Given string
	// Kind is one of the Kind constants.
	Kind string
	// Store is Given without what chooses in it: "oci:DIR", "docker-archive:FILE",
	// "docker-daemon"; "" for a registry.
	Store string
	// Name is the name to trace under, such as "docker.io/library/alpine:3.20.3";
	// it has no tag where only a digest was given, and is "" when unknown.
	Name string
	// OwnAccount is set when the name comes from the layout itself, not from the
	// user.
	OwnAccount bool
	// Pinned is set when a digest was given: of a manifest, or, where the image
	// has none, of its config (the image ID).
	Pinned bool
	// Tag is the tag in Name, or "".
	Tag string
}

// Index is an image index (or manifest list) as it was read.
type Index struct {
	// Descriptor is what named the index: its Digest is the one wanted.
	Descriptor v1.Descriptor
	Raw        []byte
	// Got is the digest that Raw has, in the algorithm of Descriptor.Digest.
	Got v1.Hash
	// Manifest is nil where Raw is not an index.
	Manifest *v1.IndexManifest
}

// Manifest is an image manifest as it was read. Of an image that has none (see
// HasManifest) only Parsed is set: it lists the config by the ID that the
// archive names, and the layers with their sizes in the archive and the digest
// that each should have there: the one in its name, else the diff ID of a layer
// that is not compressed, else the one it has.
type Manifest struct {
	Raw []byte
	// Got is the digest that Raw has; zero where nothing could be read.
	Got     v1.Hash
	GotSize int64
	// Parsed is nil where ParseErr is set.
	Parsed *v1.Manifest
	// ParseErr says why there is no Parsed: an *AbsentError, a *FormatError, a
	// *LimitError, or, for bytes that do not hash to their digest and that are an
	// index, what was wrong with that index.
	ParseErr error
}

// Config is an image's config as it was read.
type Config struct {
	// Want is the manifest's descriptor of the config.
	Want v1.Descriptor
	Raw  []byte
	// Got is the digest that Raw has.
	Got v1.Hash
	// File and History are nil where ParseErr is set.
	File    *v1.ConfigFile
	History []v1.History
	// ParseErr is a *FormatError or *LimitError.
	ParseErr error
}

// Image is one image. Its manifest was read by Open, the rest is read on demand.
// It is safe for concurrent use.
type Image struct {
	// Descriptor is what named the manifest in the index or the layout, its
	// annotations and platform included; its Digest is the one wanted. For a
	// registry's single manifest only media type, size and digest are there; it is
	// zero where the image has no manifest.
	Descriptor v1.Descriptor
	// DescriptorAnnotations are the annotations of Descriptor.
	DescriptorAnnotations map[string]string
	// Indexes are the indexes that led here, outermost first; a layout's own
	// index.json is not among them.
	Indexes []Index

	manifest Manifest
	src      source

	mu     sync.Mutex
	config *Config
}

// HasManifest reports whether the image was read through a manifest. One from
// `docker save` or a Docker daemon was not: it has no digest, and is known by
// the digest of its config.
func (i *Image) HasManifest() bool { return i.Descriptor.Digest != (v1.Hash{}) }

// Manifest returns the manifest that Open read, or made.
func (i *Image) Manifest() *Manifest { return &i.manifest }

// Config reads the image's config, once: later calls give the same value. The
// error is an *AbsentError, a *LimitError, a *FormatError (there is no manifest
// to name a config), or what the network said; a config that was read but is not
// one has its ParseErr set instead.
func (i *Image) Config(ctx context.Context) (*Config, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.config != nil {
		return i.config, nil
	}
	if i.manifest.Parsed == nil {
		return nil, i.manifest.ParseErr
	}
	c, err := readConfig(ctx, i.src, i.manifest.Parsed.Config)
	if err != nil {
		return nil, err
	}
	i.config = c
	return c, nil
}

// Blob opens the bytes that are stored under d's digest. They are not verified
// and not bounded: the caller hashes and counts. d's URLs are never followed.
// The error is an *AbsentError where the blob is not there.
func (i *Image) Blob(ctx context.Context, d v1.Descriptor) (io.ReadCloser, error) {
	if d.Digest == (v1.Hash{}) {
		return nil, &FormatError{What: "a blob's descriptor", Where: i.src.where(), Problem: "has no digest"}
	}
	return i.src.blob(ctx, d.Digest)
}

// Platform returns the platform that the descriptor names, else the one in the
// config if that has been read, else the zero value.
func (i *Image) Platform() v1.Platform {
	if hasPlatform(i.Descriptor) {
		return *i.Descriptor.Platform
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.config == nil || i.config.File == nil || i.config.File.Platform() == nil {
		return v1.Platform{}
	}
	return *i.config.File.Platform()
}
