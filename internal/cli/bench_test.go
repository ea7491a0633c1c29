package cli

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"

	"github.com/imageverify/verify/checksums/checksumstest"
	"github.com/imageverify/verify/internal/corpus"
)

// The large image of the benchmarks: 1.09 GB of tar in 8 layers.
const (
	largeLayers  = 8
	largeEntries = 113_000 / largeLayers
	largeBytes   = 1_000_000_000 / largeLayers
	craneVersion = "v0.22.1"
)

// BenchmarkLargeImage compares image.digests of a 1 GiB image in a registry on
// loopback with what "crane validate --remote" takes for it, whole processes in
// turn. limit: ratio 0.30, peak 150 MiB.
func BenchmarkLargeImage(b *testing.B) {
	verify := buildProgram(b)
	crane := installCrane(b)
	ref := pushLarge(b)
	for b.Loop() {
		ours := run(b, verify, ref, "--insecure-registry", strings.Split(ref, "/")[0], "--platform", "linux/amd64",
			"--only", "image.digests", "--no-cache", "-q")
		theirs := run(b, crane, "validate", "--remote", ref, "--insecure")
		b.ReportMetric(ours.wall.Seconds()/theirs.wall.Seconds(), "ratio")
		b.ReportMetric(ours.wall.Seconds(), "verify-s")
		b.ReportMetric(theirs.wall.Seconds(), "crane-s")
		b.ReportMetric(ours.peakMiB, "verify-MiB")
		b.ReportMetric(theirs.peakMiB, "crane-MiB")
	}
}

// BenchmarkAlpine is the real alpine:3.20.3 with local mirrors, with a cold
// cache and a warm one. limits: 2 s and 0.3 s.
func BenchmarkAlpine(b *testing.B) {
	if os.Getenv("VERIFY_CORPUS") == "" {
		b.Skip("VERIFY_CORPUS is not set: the real images are not at hand")
	}
	dir := corpus.Dir(b)
	verify := buildProgram(b)
	args := []string{"oci:" + filepath.Join(dir, "images/alpine-3.20.3"), "--as", "alpine:3.20.3", "--platform", "linux/amd64",
		"--library", filepath.Join(dir, "git/official-images.git"), "--offline", "-q",
		"--git-mirror", "https://github.com/alpinelinux/docker-alpine.git=" + filepath.Join(dir, "git/alpinelinux+docker-alpine.git")}
	for b.Loop() {
		cache := b.TempDir()
		cold := run(b, verify, append(args, "--cache-dir", cache)...)
		warm := run(b, verify, append(args, "--cache-dir", cache)...)
		b.ReportMetric(cold.wall.Seconds(), "cold-s")
		b.ReportMetric(warm.wall.Seconds(), "warm-s")
		b.ReportMetric(cold.peakMiB, "cold-MiB")
		b.ReportMetric(warm.peakMiB, "warm-MiB")
	}
}

// BenchmarkStart is what starting the program costs. limit: 20 ms.
func BenchmarkStart(b *testing.B) {
	verify := buildProgram(b)
	for b.Loop() {
		u := run(b, verify, "version")
		b.ReportMetric(float64(u.wall.Microseconds())/1000, "start-ms")
		b.ReportMetric(u.peakMiB, "start-MiB")
	}
}

// usage is what one process took.
type usage struct {
	wall    time.Duration
	peakMiB float64
}

func run(b *testing.B, program string, args ...string) usage {
	b.Helper()
	cmd := exec.Command(program, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	start := time.Now()
	err := cmd.Run()
	u := usage{wall: time.Since(start)}
	if err != nil {
		b.Fatalf("%s %s: %v\n%s", filepath.Base(program), strings.Join(args, " "), err, out.String())
	}
	if r, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok && runtime.GOOS == "linux" {
		u.peakMiB = float64(r.Maxrss) / 1024
	}
	return u
}

func buildProgram(b *testing.B) string {
	b.Helper()
	name := filepath.Join(b.TempDir(), "verify")
	goTool(b, "build", "-o", name, "github.com/imageverify/verify/cmd/verify")
	return name
}

func installCrane(b *testing.B) string {
	b.Helper()
	dir := b.TempDir()
	b.Setenv("GOBIN", dir)
	goTool(b, "install", "github.com/google/go-containerregistry/cmd/crane@"+craneVersion)
	return filepath.Join(dir, "crane")
}

func goTool(b *testing.B, args ...string) {
	b.Helper()
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		b.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// pushLarge makes the image, always the same one, and serves it from disk: a
// large test process would count as its children's memory.
func pushLarge(b *testing.B) string {
	b.Helper()
	blobs := registry.WithBlobHandler(registry.NewDiskBlobHandler(b.TempDir()))
	server := httptest.NewServer(registry.New(blobs, registry.Logger(log.New(io.Discard, "", 0))))
	b.Cleanup(server.Close)
	ref := strings.TrimPrefix(server.URL, "http://") + "/large"
	manifest := v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1}
	config := v1.ConfigFile{OS: "linux", Architecture: "amd64", RootFS: v1.RootFS{Type: "layers"}}
	for i := range largeLayers {
		blob, desc, diffID := largeLayer(b, int64(i))
		put(b, "POST", server.URL+"/v2/large/blobs/uploads/?digest="+desc.Digest.String(), "application/octet-stream", blob)
		manifest.Layers = append(manifest.Layers, desc)
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, diffID)
		config.History = append(config.History, v1.History{CreatedBy: fmt.Sprintf("layer %d", i)})
	}
	data := marshal(b, config)
	manifest.Config = v1.Descriptor{MediaType: types.OCIConfigJSON, Digest: sumOf(sha256.Sum256(data)), Size: int64(len(data))}
	put(b, "POST", server.URL+"/v2/large/blobs/uploads/?digest="+manifest.Config.Digest.String(), "application/octet-stream", bytes.NewReader(data))
	put(b, "PUT", server.URL+"/v2/large/manifests/latest", string(types.OCIManifestSchema1), bytes.NewReader(marshal(b, manifest)))
	return ref
}

// largeLayer writes one gzip-compressed layer to a file, which is returned at
// its start.
func largeLayer(b *testing.B, seed int64) (*os.File, v1.Descriptor, v1.Hash) {
	b.Helper()
	f, err := os.CreateTemp(b.TempDir(), "layer")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { f.Close() })
	digest, diffID := sha256.New(), sha256.New()
	z := gzip.NewWriter(io.MultiWriter(f, digest))
	if err := checksumstest.Layer(io.MultiWriter(z, diffID), seed, largeEntries, largeBytes); err != nil {
		b.Fatal(err)
	}
	if err := z.Close(); err != nil {
		b.Fatal(err)
	}
	size, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		b.Fatal(err)
	}
	return f, v1.Descriptor{MediaType: types.OCILayer, Digest: sumOf([32]byte(digest.Sum(nil))), Size: size}, sumOf([32]byte(diffID.Sum(nil)))
}

func sumOf(sum [32]byte) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: fmt.Sprintf("%x", sum)}
}

func marshal(b *testing.B, v any) []byte {
	b.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		b.Fatal(err)
	}
	return data
}

func put(b *testing.B, method, url, mediaType string, body io.Reader) {
	b.Helper()
	req, err := http.NewRequest(method, url, body)
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Content-Type", mediaType)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		b.Fatalf("%s %s: %s", method, url, resp.Status)
	}
}
