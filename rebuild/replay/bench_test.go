package replay

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/imageverify/verify/provenance/dockerfile"
)

// rootfsBytes and rootfsEntries are the size of the generated archive.
const (
	rootfsBytes   = 1 << 30
	rootfsEntries = 110_000
)

// makeRootfs writes a rootfs.tar.gz of many entries, in walk order or, like
// tar, in the order of a directory's blocks, which is any.
func makeRootfs(b *testing.B, dir string, walkOrder bool) {
	b.Helper()
	f, err := os.Create(filepath.Join(dir, "rootfs.tar.gz"))
	if err != nil {
		b.Fatal(err)
	}
	z := gzip.NewWriter(f)
	w := tar.NewWriter(z)
	rnd := rand.New(rand.NewPCG(1, 2))
	filler := makeFiller(rnd)
	const perDir = 100
	dirs := rnd.Perm(rootfsEntries / perDir)
	for i := range dirs {
		if walkOrder {
			dirs[i] = i
		}
	}
	put := func(h *tar.Header, content []byte) {
		h.ModTime, h.Format = someTime, tar.FormatPAX
		if err := w.WriteHeader(h); err != nil {
			b.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			b.Fatal(err)
		}
	}
	for _, d := range dirs {
		name := fmt.Sprintf("usr/share/package-%06d/", d)
		put(&tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o755}, nil)
		for i := range perDir - 1 {
			size := rnd.IntN(2 * rootfsBytes / rootfsEntries)
			at := rnd.IntN(len(filler) - size)
			put(&tar.Header{Typeflag: tar.TypeReg, Name: fmt.Sprintf("%sfile-%06d", name, i), Mode: 0o644, Size: int64(size)}, filler[at:at+size])
		}
	}
	for _, c := range []io.Closer{w, z, f} {
		if err := c.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// makeFiller makes bytes that compress to about two fifths, as programs do.
func makeFiller(rnd *rand.Rand) []byte {
	var words [2000][]byte
	for i := range words {
		words[i] = make([]byte, 2+rnd.IntN(10))
		for j := range words[i] {
			words[i][j] = byte(rnd.Uint32())
		}
	}
	var b bytes.Buffer
	for b.Len() < 8<<20 {
		b.Write(words[int(rnd.ExpFloat64()*200)%len(words)])
	}
	return b.Bytes()
}

// BenchmarkRootfs replays ADD of a rootfs.tar.gz of 1 GiB to its diff ID. It
// reports the time in terms of "gzip -dc | sha256sum" of the same file, and the
// peak of the process's memory.
func BenchmarkRootfs(b *testing.B) {
	for _, walkOrder := range []bool{true, false} {
		b.Run(fmt.Sprintf("walkOrder=%v", walkOrder), func(b *testing.B) {
			dir := b.TempDir()
			makeRootfs(b, dir, walkOrder)
			in := Input{Directive: dockerfile.Directive{Name: "ADD", Copy: &dockerfile.Copy{Add: true, Dest: "/", Sources: []string{"rootfs.tar.gz"}}},
				Context: os.DirFS(dir), Dialect: BuildKit}
			var program time.Duration
			for range 2 {
				start := time.Now()
				if out, err := exec.Command("sh", "-c", "gzip -dc "+filepath.Join(dir, "rootfs.tar.gz")+" | sha256sum").CombinedOutput(); err != nil {
					b.Fatalf("%v: %s", err, out)
				}
				if took := time.Since(start); program == 0 || took < program {
					program = took
				}
			}
			os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) // resets the peak
			var best time.Duration
			for b.Loop() {
				start := time.Now()
				if _, err := WriteLayer(b.Context(), in, Stamp{SourceDate: someTime}, io.Discard); err != nil {
					b.Fatal(err)
				}
				if took := time.Since(start); best == 0 || took < best {
					best = took
				}
			}
			b.ReportMetric(float64(best)/float64(program), "gzip|sha256sum")
			b.ReportMetric(peakMiB(b), "peak-MiB")
		})
	}
}

func peakMiB(b *testing.B) float64 {
	b.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Skip("no /proc")
	}
	m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	kib, err := strconv.Atoi(string(m[1]))
	if err != nil {
		b.Fatal(err)
	}
	return float64(kib) / 1024
}
