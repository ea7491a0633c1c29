package demo

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net/http"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/imageverify/verify"
)

// The demo's repositories, under a name that can never be looked up.
const (
	sourceURL   = "https://git.verify.invalid/verify-demo.git"
	replacedURL = "https://git.verify.invalid/replaced.git"
)

// world is the demo's registry, library and source repositories.
type world struct {
	registry http.RoundTripper
	library  string
	mirrors  map[string]string
}

// handlerTransport answers requests with a handler, in process.
type handlerTransport struct{ http.Handler }

func (h handlerTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	w := &answer{header: http.Header{}, status: http.StatusOK}
	h.ServeHTTP(w, r)
	return &http.Response{
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Status: fmt.Sprintf("%d %s", w.status, http.StatusText(w.status)), StatusCode: w.status,
		Header: w.header, Body: io.NopCloser(&w.body), ContentLength: int64(w.body.Len()),
	}, nil
}

// answer is what a handler wrote.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(status int)      { a.status = status }
func (a *answer) Write(p []byte) (int, error) { return a.body.Write(p) }

func newWorld(dir string) (*world, error) {
	w := &world{
		registry: handlerTransport{registry.New(registry.WithReferrersSupport(true), registry.Logger(log.New(io.Discard, "", 0)))},
		library:  filepath.Join(dir, "library"),
		mirrors: map[string]string{
			sourceURL:   filepath.Join(dir, "source"),
			replacedURL: filepath.Join(dir, "replaced"),
		},
	}
	commits, err := w.sources()
	if err != nil {
		return nil, err
	}
	if err := w.writeLibrary(commits); err != nil {
		return nil, err
	}
	return w, w.pushAll(commits)
}

// releaseCommits are the commits of the demo's source, by release.
type releaseCommits map[string]string

// sources makes the source repository with a commit for each release, and its
// twin in which the tarball is replaced.
func (w *world) sources() (releaseCommits, error) {
	commits := releaseCommits{}
	for _, url := range []string{sourceURL, replacedURL} {
		repo, err := newRepository(w.mirrors[url])
		if err != nil {
			return nil, err
		}
		for _, release := range []string{"1.0", "1.1"} {
			if commits[release], err = repo.commit("release "+release, sourceFiles(release)); err != nil {
				return nil, err
			}
		}
	}
	tarball := tarballOf(rootfs("1.1"))
	forged := tarballOf(tampered(rootfs("1.1")))
	return commits, replaceObject(w.mirrors[replacedURL], tarball, forged)
}

// sourceFiles are the files of the source repository at a release.
func sourceFiles(release string) map[string][]byte {
	return map[string][]byte{
		"amd64/Dockerfile":          []byte(dockerfile(release)),
		"amd64/" + archive(release): tarballOf(rootfs(release)),
	}
}

func archive(release string) string { return "demo-rootfs-" + release + ".tar.gz" }

func dockerfile(release string) string {
	return fmt.Sprintf("FROM scratch\nADD %s /\nCMD [\"/bin/hello\"]\n", archive(release))
}

// writeLibrary makes the library, whose entries all name release 1.1.
func (w *world) writeLibrary(commits releaseCommits) error {
	repo, err := newRepository(w.library)
	if err != nil {
		return err
	}
	var text strings.Builder
	fmt.Fprintf(&text, "Maintainers: The Demo <demo@verify.invalid>\nGitRepo: %s\nGitCommit: %s\nDirectory: amd64\n", sourceURL, commits["1.1"])
	fmt.Fprintf(&text, "\nTags: buildkit, classic, changed-file, forged-history, moved-tag\nArchitectures: amd64\n")
	fmt.Fprintf(&text, "\nTags: replaced-tarball\nArchitectures: amd64\nGitRepo: %s\n", replacedURL)
	_, err = repo.commit("add the demo", map[string][]byte{"library/" + name: []byte(text.String())})
	return err
}

// pushAll puts the images and their twins into the registry.
func (w *world) pushAll(commits releaseCommits) error {
	good := newBuildkit("1.1", rootfs("1.1"))
	forged := newBuildkit("1.1", rootfs("1.1"))
	forged.config.History[1].CreatedBy = `CMD ["/bin/hello" "--quietly"]`
	images := map[string]built{
		"buildkit":         good,
		"classic":          newClassic("1.1", rootfs("1.1")),
		"changed-file":     newBuildkit("1.1", tampered(rootfs("1.1"))),
		"forged-history":   forged,
		"replaced-tarball": newBuildkit("1.1", tampered(rootfs("1.1"))),
		"moved-tag":        newBuildkit("1.0", rootfs("1.0")),
	}
	for tag, img := range images {
		if err := w.push(tag, img); err != nil {
			return fmt.Errorf("push %s: %w", tag, err)
		}
	}
	return nil
}

// options verify against the world alone.
func (w *world) options(version string) verify.Options {
	return verify.Options{
		Platform: "linux/amd64", Library: w.library, GitMirrors: w.mirrors,
		Transport: w.registry, Version: version,
	}
}
