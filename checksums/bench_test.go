package checksums

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
)

// floor is the least that any check of a layer must do: hash the blob, unpack
// it, hash what comes out; in one goroutine, with the same decoder.
func floor(b *testing.B, blob []byte) time.Duration {
	start := time.Now()
	z, err := gzip.NewReader(io.TeeReader(bytes.NewReader(blob), sha256.New()))
	if err != nil {
		b.Fatal(err)
	}
	if _, err := io.CopyBuffer(sha256.New(), struct{ io.Reader }{z}, make([]byte, chunkSize)); err != nil {
		b.Fatal(err)
	}
	return time.Since(start)
}

// BenchmarkReadLayer reads a layer of 64 MB in 7,000 entries. x-floor is the
// time it takes in units of the floor's, taken in turns.
func BenchmarkReadLayer(b *testing.B) {
	raw := seededLayer(b, 1, 7000, 64<<20)
	blob := gzipped(b, raw)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	var least, taken time.Duration
	for b.Loop() {
		b.StopTimer()
		least += floor(b, blob)
		b.StartTimer()
		start := time.Now()
		l, err := ReadLayer(context.Background(), bytes.NewReader(blob), LayerOptions{Size: int64(len(blob))})
		if err != nil || l.BlobErr != nil || l.TarErr != nil {
			b.Fatal(err, l)
		}
		taken += time.Since(start)
	}
	b.ReportMetric(float64(taken)/float64(least), "x-floor")
	b.ReportMetric(float64(len(raw))/float64(len(blob)), "gzip-ratio")
}

// BenchmarkIndex adds, sorts and reads 100,000 entries, once in memory and
// once through temporary files.
func BenchmarkIndex(b *testing.B) {
	entries := randomEntries(1, 100_000)
	for name, memory := range map[string]int64{"memory": DefaultMemory, "spilled": 2 << 20} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				x := build(b, memory, entries)
				for _, err := range x.Entries() {
					if err != nil {
						b.Fatal(err)
					}
				}
				x.Close()
			}
		})
	}
}
