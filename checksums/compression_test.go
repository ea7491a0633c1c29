package checksums

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	stdgzip "compress/gzip"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"io"
	"runtime"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

func gzipped(t testing.TB, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	return finish(t, &b, gzip.NewWriter(&b), content)
}

func finish(t testing.TB, b *bytes.Buffer, w io.WriteCloser, content []byte) []byte {
	t.Helper()
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zstdOf(t testing.TB, content []byte, o ...zstd.EOption) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b, o...)
	if err != nil {
		t.Fatal(err)
	}
	return finish(t, &b, w, content)
}

func xzOf(t testing.TB, c xz.WriterConfig, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := c.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	return finish(t, &b, w, content)
}

// bzip2Of is "hello\n": there is no bzip2 writer to make another.
func bzip2Of(t testing.TB) []byte {
	b, err := hex.DecodeString("425a6839314159265359c1c080e2000001410000100244a00030cd00c3462997177245385090c1c080e2")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// compressible is some kilobytes that no coder shrinks to a few.
func compressible() []byte {
	var b bytes.Buffer
	for i := range 20_000 {
		b.WriteString(hex.EncodeToString([]byte{byte(i * i >> 3), byte(i >> 2)}))
	}
	return b.Bytes()
}

func unpack(b []byte) ([]byte, Compression, error) {
	rc, kind, err := Decompress(bytes.NewReader(b))
	if err != nil {
		return nil, kind, err
	}
	defer rc.Close()
	got, err := io.ReadAll(rc)
	return got, kind, err
}

type packed struct {
	kind    Compression
	bytes   []byte
	content []byte
}

func packedForms(t testing.TB) map[string]packed {
	c := compressible()
	skippable := append([]byte{0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0}, "any"...)
	return map[string]packed{
		"nothing":              {None, nil, nil},
		"plain bytes":          {None, c, c},
		"gzip":                 {Gzip, gzipped(t, c), c},
		"gzip of nothing":      {Gzip, gzipped(t, nil), nil},
		"zstd":                 {Zstd, zstdOf(t, c), c},
		"zstd without a sum":   {Zstd, zstdOf(t, c, zstd.WithEncoderCRC(false)), c},
		"zstd single segment":  {Zstd, zstdOf(t, c, zstd.WithSingleSegment(true)), c},
		"zstd, long window":    {Zstd, zstdOf(t, c, zstd.WithWindowSize(int(MaxWindow))), c},
		"zstd of zeros":        {Zstd, zstdOf(t, make([]byte, 1<<20)), make([]byte, 1<<20)},
		"zstd after skippable": {Zstd, append(bytes.Clone(skippable), zstdOf(t, c)...), c},
		"xz":                   {XZ, xzOf(t, xz.WriterConfig{}, c), c},
		"xz in blocks":         {XZ, xzOf(t, xz.WriterConfig{BlockSize: 10_000}, c), c},
		"xz with CRC32":        {XZ, xzOf(t, xz.WriterConfig{CheckSum: xz.CRC32}, c), c},
		"xz with SHA-256":      {XZ, xzOf(t, xz.WriterConfig{CheckSum: xz.SHA256}, c), c},
		"xz without a sum":     {XZ, xzOf(t, xz.WriterConfig{NoCheckSum: true}, c), c},
		"xz of nothing":        {XZ, xzOf(t, xz.WriterConfig{}, nil), nil},
		"bzip2":                {Bzip2, bzip2Of(t), []byte("hello\n")},
	}
}

func TestDecompressKnowsEveryForm(t *testing.T) {
	for name, p := range packedForms(t) {
		got, kind, err := unpack(p.bytes)
		if err != nil || kind != p.kind || !bytes.Equal(got, p.content) {
			t.Errorf("%s: %d bytes, %s, %v; want %d bytes, %s", name, len(got), kind, err, len(p.content), p.kind)
		}
	}
}

func TestPartsBehindOneAnotherAreOneContent(t *testing.T) {
	for name, p := range packedForms(t) {
		if p.kind == None {
			continue
		}
		got, _, err := unpack(append(bytes.Clone(p.bytes), p.bytes...))
		if want := append(bytes.Clone(p.content), p.content...); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s, twice: %d bytes, %v; want %d bytes", name, len(got), err, len(want))
		}
	}
}

func TestXZStreamPaddingIsPassedOver(t *testing.T) {
	one := xzOf(t, xz.WriterConfig{}, []byte("one"))
	got, _, err := unpack(append(append(bytes.Clone(one), 0, 0, 0, 0, 0, 0, 0, 0), one...))
	if err != nil || string(got) != "oneone" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestGarbageBehindTheEndIsAnError(t *testing.T) {
	for name, p := range packedForms(t) {
		if p.kind == None {
			continue
		}
		if _, _, err := unpack(append(bytes.Clone(p.bytes), "garbage."...)); err == nil {
			t.Errorf("%s: garbage got through", name)
		}
	}
}

func TestACutAnywhereIsAnError(t *testing.T) {
	for name, p := range packedForms(t) {
		if p.kind == None {
			continue
		}
		for _, n := range []int{len(p.bytes) - 1, len(p.bytes) - 5, len(p.bytes) / 2, 12} {
			if name == "zstd after skippable" && n < 20 {
				continue // nothing but the skippable frame is a stream too
			}
			if got, _, err := unpack(p.bytes[:n]); err == nil {
				t.Errorf("%s, %d of %d bytes: gave %d bytes and no error", name, n, len(p.bytes), len(got))
			}
		}
	}
}

func TestATarNamedLikeBzip2IsNotBzip2(t *testing.T) {
	name := []byte("BZh91AY.txt\x00\x00\x00\x00")
	if _, kind, err := unpack(name); kind != None || err != nil {
		t.Errorf("got %s, %v", kind, err)
	}
}

// xzAsking returns the start of an xz stream whose block asks for a dictionary
// of the given code, as a 76-byte file can.
func xzAsking(code byte) []byte {
	b := []byte{0xfd, '7', 'z', 'X', 'Z', 0, 0, 1}
	b = binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b[6:8]))
	block := []byte{2, 0, 0x21, 1, code, 0, 0, 0}
	block = binary.LittleEndian.AppendUint32(block, crc32.ChecksumIEEE(block))
	return append(append(b, block...), make([]byte, 52)...)
}

// zstdAsking returns the start of a zstd frame with that window descriptor.
func zstdAsking(window byte) []byte {
	b := []byte{0x28, 0xb5, 0x2f, 0xfd, 0, window}
	return append(b, 9, 0, 0, 'x') // one raw block, the last
}

func TestTooLargeWindowsAreRefusedBeforeTheyAreAllocated(t *testing.T) {
	for name, test := range map[string]struct {
		bytes []byte
		what  string
	}{
		"xz, 192 MiB":                  {xzAsking(31), "bytes of xz dictionary"},
		"xz, 1.5 GiB":                  {xzAsking(37), "bytes of xz dictionary"},
		"xz, 4 GiB":                    {xzAsking(40), "bytes of xz dictionary"},
		"xz, in a second stream":       {append(xzOf(t, xz.WriterConfig{}, nil), xzAsking(37)...), "bytes of xz dictionary"},
		"zstd, 144 MiB":                {zstdAsking(17<<3 | 1), "bytes of zstd window"},
		"zstd, 3.75 TiB":               {zstdAsking(0xff), "bytes of zstd window"},
		"zstd, in a second frame":      {append(zstdOf(t, []byte("x")), zstdAsking(0xff)...), "bytes of zstd window"},
		"zstd, a single segment's own": {[]byte{0x28, 0xb5, 0x2f, 0xfd, 0xa0, 1, 0, 0, 8, 0, 0, 0}, "bytes of zstd window"},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _, err := unpack(test.bytes)
		runtime.ReadMemStats(&after)
		var limit *LimitError
		if !errors.As(err, &limit) || limit.What != test.what || limit.Limit != MaxWindow {
			t.Errorf("%s: got %v", name, err)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 40<<20 {
			t.Errorf("%s: allocated %d bytes", name, used)
		}
	}
}

func TestWindowsOfTheLimitAreAccepted(t *testing.T) {
	if got, _, err := unpack(zstdAsking(17 << 3)); err != nil || string(got) != "x" {
		t.Errorf("zstd, 128 MiB: got %q, %v", got, err)
	}
	c := xz.WriterConfig{DictCap: int(MaxWindow)}
	if got, _, err := unpack(xzOf(t, c, []byte("x"))); err != nil || string(got) != "x" {
		t.Errorf("xz, 128 MiB: got %q, %v", got, err)
	}
}

func TestXZDictionariesAreBoundedInSum(t *testing.T) {
	x := &xzReader{res: func(int64) error { return nil }, total: maxXZTotal - MaxWindow - 1}
	if err := x.allow(MaxWindow); err != nil {
		t.Errorf("one byte below the sum: %v", err)
	}
	if err := x.allow(1); err != nil {
		t.Errorf("the sum: %v", err)
	}
	var limit *LimitError
	if err := x.allow(1); !errors.As(err, &limit) || *limit != (LimitError{"bytes of xz dictionaries", maxXZTotal}) {
		t.Errorf("one byte above the sum: %v", err)
	}
}

// A chunk may declare more bytes than it takes to decode it: what is behind
// those must not be taken for framing by one reader and for data by another.
func TestAnXZBlockHiddenInAChunkIsRefusedToo(t *testing.T) {
	stream := xzOf(t, xz.WriterConfig{NoCheckSum: true}, bytes.Repeat([]byte("a"), 1000))
	at := 12 + (int(stream[12])+1)*4 // the first chunk
	if stream[at] < 0x80 {
		t.Fatal("the first chunk is not compressed")
	}
	size := int(binary.BigEndian.Uint16(stream[at+3:])) + 1
	end := at + 6 + size
	hidden := append([]byte{0}, make([]byte, -(end+1-at)&3)...) // the block's end as seen by a decoder that stops early
	hidden = append(hidden, xzAsking(37)[12:]...)
	evil := append(bytes.Clone(stream[:end]), hidden...)
	binary.BigEndian.PutUint16(evil[at+3:], uint16(size+len(hidden)-1))
	evil = append(evil, 0)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _, err := unpack(evil)
	runtime.ReadMemStats(&after)
	if err == nil {
		t.Error("got through")
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 40<<20 {
		t.Errorf("allocated %d bytes (%v)", used, err)
	}
}

func TestDecodersShareTheirWindows(t *testing.T) {
	w := NewWindows()
	first, second := w.reserve(context.Background()), w.reserve(context.Background())
	if err := first(MaxWindow); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := w.reserve(ended)(1); !errors.Is(err, context.Canceled) {
		t.Errorf("a window beyond the bound, where nobody waits: %v", err)
	}
	got := make(chan error)
	go func() { got <- second(MaxWindow) }()
	if err := first(8 << 20); err != nil { // smaller than before
		t.Fatal(err)
	}
	if err := first(0); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Error(err)
	}
}

// The law: what is read to its end is what a decoder without bounds reads of it;
// what the zstd guard passes on is the stream, byte for byte.
func FuzzDecompress(f *testing.F) {
	for _, p := range packedForms(f) {
		if len(p.bytes) < 4<<10 {
			f.Add(p.bytes)
		}
	}
	f.Add(xzOf(f, xz.WriterConfig{BlockSize: 8}, []byte("content in blocks")))
	f.Add(xzAsking(3))
	f.Add(zstdAsking(3))
	f.Add([]byte("\x28\xb5\x2f\xfd")) // a frame that ends after its magic
	f.Fuzz(func(t *testing.T, b []byte) {
		rc, kind, err := Decompress(bytes.NewReader(b))
		if err != nil {
			return
		}
		const most = 1 << 20
		got, err := io.ReadAll(io.LimitReader(rc, most))
		rc.Close()
		if err == nil && len(got) < most {
			checkPlain(t, kind, b, got)
		}
		if kind != Zstd {
			return
		}
		passed, err := io.ReadAll(newZstdGuard(bufio.NewReader(bytes.NewReader(b)), func(int64) error { return nil }))
		if !bytes.HasPrefix(b, passed) || err == nil && len(passed) != len(b) {
			t.Errorf("guard passed on %x of %x, %v", passed, b, err)
		}
	})
}

// checkPlain compares content with what another decoder makes of the same bytes.
func checkPlain(t *testing.T, kind Compression, packed, got []byte) {
	t.Helper()
	want, err := plain(kind, packed)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s %x: %x, where another decoder has %x, %v", kind, packed, got, want, err)
	}
}

func plain(kind Compression, packed []byte) ([]byte, error) {
	in := bytes.NewReader(packed)
	var r io.Reader = in
	var err error
	switch kind {
	case Gzip:
		r, err = stdgzip.NewReader(in)
	case XZ:
		r, err = xz.NewReader(in)
	case Bzip2:
		r = bzip2.NewReader(in)
	case Zstd:
		var d *zstd.Decoder
		if d, err = zstd.NewReader(in, zstd.WithDecoderConcurrency(1)); err == nil {
			defer d.Close()
			r = d
		}
	}
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}
