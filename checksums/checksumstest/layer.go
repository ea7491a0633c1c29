// Package checksumstest makes layers for tests and benchmarks: the same bytes
// for the same seed, everywhere.
package checksumstest

import (
	"archive/tar"
	"fmt"
	"io"
	"math/rand/v2"
	"time"
)

// Layer writes an uncompressed tar of about the given number of bytes of
// content in the given number of entries to w: a tree of directories, files of
// mixed sizes, symbolic and hard links, in walk order. A seventh of the
// content does not compress and the rest does well, so that gzip makes it about
// a third, as it does real layers.
func Layer(w io.Writer, seed int64, entries int, bytes int64) error {
	g := &generator{
		tw:  tar.NewWriter(w),
		rnd: rand.New(rand.NewPCG(uint64(seed), 0x9e3779b97f4a7c15)),
	}
	g.fillBlocks()
	for i := range entries {
		left := int64(entries - i)
		if err := g.entry(i, max(bytes-g.written, 0)/left); err != nil {
			return fmt.Errorf("entry %d: %w", i, err)
		}
	}
	return g.tw.Close()
}

const (
	perDirectory = 12
	blockSize    = 16 << 10
	blockKinds   = 64
	// noisyBlocks of blockKinds hold noise, the others text.
	noisyBlocks = 9
)

type generator struct {
	tw      *tar.Writer
	rnd     *rand.Rand
	blocks  [blockKinds][blockSize]byte
	dir     string
	file    string // the last file, for hard links
	written int64
}

// fillBlocks makes the blocks that contents are cut from.
func (g *generator) fillBlocks() {
	words := make([]string, 2000)
	for i := range words {
		words[i] = fmt.Sprintf("%x ", g.rnd.Uint64()>>g.rnd.UintN(48))
	}
	for k := range g.blocks {
		block := g.blocks[k][:]
		for n := 0; n < len(block); {
			if k < noisyBlocks {
				block[n] = byte(g.rnd.Uint32())
				n++
				continue
			}
			often := g.rnd.Float64() * g.rnd.Float64() * g.rnd.Float64() // small numbers mostly
			n += copy(block[n:], words[int(often*float64(len(words)))])
		}
	}
}

// entry writes entry i; mean is how long its content should be in the middle.
func (g *generator) entry(i int, mean int64) error {
	h := &tar.Header{
		Format: tar.FormatPAX, Mode: 0o644,
		ModTime: time.Unix(1_600_000_000+int64(g.rnd.Uint32N(1<<24)), 0),
	}
	switch {
	case i%perDirectory == 0:
		g.dir = fmt.Sprintf("usr/lib/d%03d/p%06d/", i/5000, i)
		h.Name, h.Typeflag, h.Mode = g.dir, tar.TypeDir, 0o755
	case i%perDirectory == perDirectory-1 && g.file != "":
		h.Name, h.Typeflag, h.Linkname = g.name(i), tar.TypeLink, g.file
	case i%perDirectory == perDirectory-2:
		h.Name, h.Typeflag, h.Linkname, h.Mode = g.name(i), tar.TypeSymlink, "../lib.so."+fmt.Sprint(i), 0o777
	default:
		return g.writeFile(h, i, mean)
	}
	return g.tw.WriteHeader(h)
}

func (g *generator) name(i int) string { return fmt.Sprintf("%sf%07d.dat", g.dir, i) }

// writeFile writes a file whose size is spread widely around the mean.
func (g *generator) writeFile(h *tar.Header, i int, mean int64) error {
	f := g.rnd.Float64()
	h.Name, h.Typeflag = g.name(i), tar.TypeReg
	h.Size = int64(float64(mean) * 4 * f * f * f * perDirectory / (perDirectory - 3))
	g.file = h.Name
	if err := g.tw.WriteHeader(h); err != nil {
		return err
	}
	g.written += h.Size
	for left := h.Size; left > 0; {
		block := g.blocks[g.rnd.IntN(blockKinds)][:]
		at := g.rnd.IntN(blockSize / 2)
		n := min(left, int64(blockSize-at))
		if _, err := g.tw.Write(block[at : int64(at)+n]); err != nil {
			return err
		}
		left -= n
	}
	return nil
}
