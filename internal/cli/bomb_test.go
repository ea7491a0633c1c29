package cli

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"

	"github.com/imageverify/verify/internal/gitserver"
)

// bomb is an image that asks for far more than it is worth.
type bomb struct {
	name string
	// manifest is written in place of one that names the layers.
	manifest func(w io.Writer) error
	layers   []blob
	// archive is a file that the image's Dockerfile adds, in a repository that
	// the library names.
	archive []byte
	// flags are given to the program, and code is its exit code; out must
	// stand in its output.
	flags []string
	code  int
	out   string
	// large bombs take a quarter of a minute.
	large bool
}

// blob is a layer, written anew for each reader. plain writes it unpacked; nil
// for one that nobody unpacks to its end.
type blob struct {
	media        types.MediaType
	write, plain func(w io.Writer) error
}

// bombMiB is what the program may take for any bomb, in MiB at its peak: its
// own bound for a layer's entries is 64 MiB.
const bombMiB = 150

func bombs(t testing.TB) []bomb {
	zeros := gzipMember(t, func(w io.Writer) error { return writeZeros(w, 64<<20) })
	start := gzipMember(t, func(w io.Writer) error { return tarHeader(w, "zeros", 100<<30) })
	hundred := blob{types.OCILayer, func(w io.Writer) error { return errors.Join(repeat(w, start, 1), repeat(w, zeros, 100<<10/64)) }, nil}
	var plain bytes.Buffer
	if err := emptyEntries(&plain, 100_000); err != nil {
		t.Fatal(err)
	}
	packed := gzipMember(t, just(plain.Bytes()))
	entries := blob{types.OCILayer, func(w io.Writer) error { return repeat(w, packed, 100) }, func(w io.Writer) error { return repeat(w, plain.Bytes(), 100) }}
	empty := blob{types.OCILayer, just(gzipMember(t, emptyTar)), emptyTar}
	return []bomb{
		{name: "100 GiB of zeros in 100 MiB of gzip", layers: []blob{hundred}, code: exitIncomplete, out: "more than 8589934592 unpacked bytes", large: true},
		{name: "100 GiB of zeros, with a lower bound", layers: []blob{hundred}, flags: []string{"--max-layer-size", "1000000"},
			code: exitIncomplete, out: "more than 1000000 unpacked bytes"},
		{name: "10 million empty entries", layers: []blob{entries},
			code: exitIncomplete, out: "more than 2000000 entries", large: true},
		{name: "a zstd window of 512 MiB", layers: []blob{{types.OCILayerZStd, just(zstdOf512MiB()), nil}}, code: exitIncomplete, out: "more than 134217728 bytes of zstd window"},
		{name: "76 bytes of xz that ask for 1.5 GiB", layers: []blob{{types.OCILayer, just(xzOf1536MiB()), nil}}, code: exitIncomplete, out: "more than 134217728 bytes of xz dictionary"},
		{name: "the same in a Dockerfile's ADD", layers: []blob{empty}, archive: xzOf1536MiB(),
			flags: []string{"--only", "layer.content"}, code: exitIncomplete, out: "more than 134217728 bytes of xz dictionary"},
		{name: "zeros in a Dockerfile's ADD", layers: []blob{empty}, archive: zerosArchive(t),
			flags: []string{"--only", "layer.content", "--max-layer-size", "10000000"}, code: exitIncomplete, out: "more than 10000000 bytes of content"},
		{name: "a manifest of 100 MiB", manifest: func(w io.Writer) error { return repeat(w, bytes.Repeat([]byte(" "), 1<<20), 100) },
			code: exitNotRun, out: "over the limit of 4194304"},
		{name: "5,000 layers", manifest: manyLayers, code: exitNotRun, out: "layers: over the limit of 1000"},
	}
}

// TestBombsEndWithinBoundedMemory runs the program over each bomb in a registry
// on loopback; the large ones are for BenchmarkBombs.
func TestBombsEndWithinBoundedMemory(t *testing.T) {
	for _, b := range bombs(t) {
		if !b.large {
			t.Run(b.name, func(t *testing.T) { explode(t, b) })
		}
	}
}

// BenchmarkBombs is the same over the bombs that take seconds. limit: 150 MiB.
func BenchmarkBombs(b *testing.B) {
	for _, bomb := range bombs(b) {
		if !bomb.large {
			continue
		}
		b.Run(bomb.name, func(b *testing.B) {
			for b.Loop() {
				took := explode(b, bomb)
				b.ReportMetric(took.wall.Seconds(), "verify-s")
				b.ReportMetric(took.peakMiB, "verify-MiB")
			}
		})
	}
}

// explode serves a bomb, runs the program over it and judges how it ended.
func explode(t testing.TB, b bomb) usage {
	t.Helper()
	r := serveBomb(t, b)
	args := append([]string{r.host + "/bomb:1", "--insecure-registry", r.host, "--platform", "linux/amd64", "--no-cache"}, b.flags...)
	if b.archive != nil {
		args = append(args, sources(t, b.archive)...)
	} else {
		args = append(args, "--only", "image.digests")
	}
	cmd := exec.Command("verify", args...)
	var both bytes.Buffer
	cmd.Stdout, cmd.Stderr = &both, &both
	start := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	peak := watchPeak(cmd.Process.Pid)
	err := cmd.Wait()
	took := usage{wall: time.Since(start), peakMiB: peak()}
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err)
	}
	if code := cmd.ProcessState.ExitCode(); code != b.code || !strings.Contains(both.String(), b.out) {
		t.Errorf("exit code %d, want %d and %q in\n%s", code, b.code, b.out, both.String())
	}
	if took.peakMiB > bombMiB {
		t.Errorf("%.0f MiB at the peak, over the limit of %d", took.peakMiB, bombMiB)
	}
	if b.manifest != nil && r.sent.Load() > 64<<20 {
		t.Errorf("%d bytes were taken", r.sent.Load())
	}
	return took
}

// watchPeak follows a process's peak of resident memory until the function it
// returns is called. The usage that the kernel gives at the end will not do: it
// counts this process's memory, which the child shares before it runs another
// program.
func watchPeak(pid int) (peakMiB func() float64) {
	stop, done := make(chan struct{}), make(chan struct{})
	var peak float64
	go func() {
		defer close(done)
		for {
			if status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)); err == nil {
				if _, line, ok := strings.Cut(string(status), "VmHWM:"); ok {
					var kib float64
					fmt.Sscan(line, &kib)
					peak = max(peak, kib/1024)
				}
			}
			select {
			case <-stop:
				return
			case <-time.After(2 * time.Millisecond):
			}
		}
	}()
	return func() float64 { close(stop); <-done; return peak }
}

// bombRegistry counts what it sends.
type bombRegistry struct {
	host  string
	sent  atomic.Int64
	files map[string]served // by what follows /v2/bomb/
}

type served struct {
	media string
	size  int64 // -1 where it is not told
	write func(w io.Writer) error
}

func serveBomb(t testing.TB, b bomb) *bombRegistry {
	t.Helper()
	r := &bombRegistry{files: map[string]served{}}
	config := v1.ConfigFile{OS: "linux", Architecture: "amd64", RootFS: v1.RootFS{Type: "layers"}}
	manifest := v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1}
	for _, l := range b.layers {
		d := r.add(t, "blobs/", l.media, l.write)
		manifest.Layers = append(manifest.Layers, d)
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, diffID(t, l, d))
		config.History = append(config.History, v1.History{CreatedBy: "ADD archive / # buildkit", Comment: "buildkit.dockerfile.v0"})
	}
	manifest.Config = r.add(t, "blobs/", types.OCIConfigJSON, encoded(config))
	write := encoded(manifest)
	if b.manifest != nil {
		write = b.manifest
		r.files["manifests/1"] = served{string(types.OCIManifestSchema1), -1, write}
	} else {
		d := r.add(t, "manifests/", types.OCIManifestSchema1, write)
		r.files["manifests/1"] = r.files["manifests/"+d.Digest.String()]
	}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.host = strings.TrimPrefix(server.URL, "http://")
	return r
}

// diffID is the layer's, or any where it has none.
func diffID(t testing.TB, l blob, d v1.Descriptor) v1.Hash {
	t.Helper()
	if l.plain == nil {
		return d.Digest
	}
	sum := sha256.New()
	if err := l.plain(sum); err != nil {
		t.Fatal(err)
	}
	return sumOf([32]byte(sum.Sum(nil)))
}

// add serves a blob or manifest by its digest.
func (r *bombRegistry) add(t testing.TB, under string, media types.MediaType, write func(io.Writer) error) v1.Descriptor {
	t.Helper()
	sum, count := sha256.New(), &counting{}
	if err := write(io.MultiWriter(sum, count)); err != nil {
		t.Fatal(err)
	}
	d := v1.Descriptor{MediaType: media, Size: count.n.Load(), Digest: sumOf([32]byte(sum.Sum(nil)))}
	r.files[under+d.Digest.String()] = served{string(media), d.Size, write}
	return d
}

// ServeHTTP answers what was added.
func (r *bombRegistry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	f, ok := r.files[strings.TrimPrefix(req.URL.Path, "/v2/bomb/")]
	if !ok {
		if req.URL.Path != "/v2/" {
			http.NotFound(w, req)
		}
		return
	}
	w.Header().Set("Content-Type", f.media)
	if f.size >= 0 {
		w.Header().Set("Content-Length", fmt.Sprint(f.size))
	}
	if req.Method != http.MethodHead {
		// The program hangs up when it has seen enough.
		_ = f.write(io.MultiWriter(w, &counting{also: &r.sent}))
	}
}

// counting counts what is written.
type counting struct {
	n    atomic.Int64
	also *atomic.Int64
}

func (c *counting) Write(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	if c.also != nil {
		c.also.Add(int64(len(p)))
	}
	return len(p), nil
}

// sources makes a repository whose Dockerfile adds the archive, and a library
// that names it; it returns the flags that say where they are.
func sources(t testing.TB, archive []byte) []string {
	t.Helper()
	const url = "https://git.test/bomb.git"
	repository := func(files map[string]string) (dir, commit string) {
		dir = t.TempDir()
		gitserver.Git(t, dir, "init", "-q", "-b", "main", ".")
		return dir, gitserver.At(t, dir).Commit(files)
	}
	source, commit := repository(map[string]string{"d/Dockerfile": "FROM scratch\nADD archive /\n", "d/archive": string(archive)})
	library, _ := repository(map[string]string{"library/bomb": "Maintainers: T <t@test> (@t)\nGitRepo: " + url +
		"\n\nTags: 1\nArchitectures: amd64\nDirectory: d\nGitCommit: " + commit + "\n"})
	return []string{"--as", "bomb:1", "--library", library, "--git-mirror", url + "=" + source}
}

func encoded(v any) func(io.Writer) error {
	return func(w io.Writer) error { return json.NewEncoder(w).Encode(v) }
}

func just(data []byte) func(io.Writer) error {
	return func(w io.Writer) error { return repeat(w, data, 1) }
}

func repeat(w io.Writer, data []byte, times int) error {
	for range times {
		if _, err := w.Write(data); err != nil {
			return err
		}
	}
	return nil
}

func gzipMember(t testing.TB, write func(io.Writer) error) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if err := errors.Join(write(z), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func writeZeros(w io.Writer, n int) error { return repeat(w, make([]byte, 1<<20), n>>20) }

// tarHeader begins a file of a tar that goes on for size bytes.
func tarHeader(w io.Writer, name string, size int64) error {
	return tar.NewWriter(w).WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: size, Format: tar.FormatGNU})
}

// emptyEntries writes n empty files, and no end.
func emptyEntries(w io.Writer, n int) error {
	tw := tar.NewWriter(w)
	for i := range n {
		if err := tw.WriteHeader(&tar.Header{Name: fmt.Sprintf("d/%d", i), Typeflag: tar.TypeReg, Mode: 0o644}); err != nil {
			return err
		}
	}
	return nil
}

func emptyTar(w io.Writer) error { return tar.NewWriter(w).Close() }

// zerosArchive is a rootfs with one file of 64 MiB.
func zerosArchive(t testing.TB) []byte {
	return gzipMember(t, func(w io.Writer) error {
		return errors.Join(tarHeader(w, "zeros", 64<<20), writeZeros(w, 64<<20), repeat(w, make([]byte, 1024), 1))
	})
}

// manyLayers is a manifest of 5,000 layers.
func manyLayers(w io.Writer) error {
	d := v1.Descriptor{MediaType: types.OCILayer, Size: 1, Digest: sumOf(sha256.Sum256([]byte("x")))}
	m := v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Config: d}
	m.Config.MediaType = types.OCIConfigJSON
	for range 5_000 {
		m.Layers = append(m.Layers, d)
	}
	return encoded(m)(w)
}

// zstdOf512MiB is a frame of one byte that asks for a window of 512 MiB.
func zstdOf512MiB() []byte {
	return []byte{0x28, 0xb5, 0x2f, 0xfd, 0, 19 << 3, 9, 0, 0, 'x'}
}

// xzOf1536MiB is the start of an xz stream whose first block asks for a
// dictionary of 1.5 GiB, 76 bytes in all.
func xzOf1536MiB() []byte {
	b := []byte{0xfd, '7', 'z', 'X', 'Z', 0, 0, 1}
	b = binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b[6:8]))
	block := []byte{2, 0, 0x21, 1, 37, 0, 0, 0}
	block = binary.LittleEndian.AppendUint32(block, crc32.ChecksumIEEE(block))
	return append(append(b, block...), make([]byte, 52)...)
}

// TestBombsInFilesAreRefused gives bombs as the files that the program opens by
// itself.
func TestBombsInFilesAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		reference string
		data      []byte
		out       string
	}{
		"xz as an archive of docker save":   {"docker-archive:", xzOf1536MiB(), "more than 134217728 bytes of xz dictionary"},
		"zstd as an archive of docker save": {"docker-archive:", zstdOf512MiB(), "more than 134217728 bytes of zstd window"},
		"zeros as an OCI archive":           {"oci-archive:", zerosArchive(t), "is compressed with gzip"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "bomb")
			if err := os.WriteFile(file, c.data, 0o600); err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			code := Main([]string{c.reference + file, "--no-cache", "--offline"}, Env{Stdout: &out, Stderr: &out, Getenv: func(string) string { return "" }})
			if code != exitNotRun || !strings.Contains(out.String(), c.out) {
				t.Errorf("exit code %d, want %d and %q in %s", code, exitNotRun, c.out, out.String())
			}
		})
	}
}
