package checksums

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha512"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/ulikunitz/xz"

	"github.com/imageverify/verify/checksums/checksumstest"
)

func seededLayer(t testing.TB, seed int64, entries int, size int64) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := checksumstest.Layer(&b, seed, entries, size); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func readLayer(t testing.TB, blob []byte, o LayerOptions) *Layer {
	t.Helper()
	l, err := ReadLayer(context.Background(), bytes.NewReader(blob), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Index.Close() })
	return l
}

func TestALayerIsReadInOnePass(t *testing.T) {
	raw := seededLayer(t, 1, 300, 2<<20)
	want, _, err := indexOf(t, string(raw), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for kind, blob := range map[Compression][]byte{
		None: raw, Gzip: gzipped(t, raw), Zstd: zstdOf(t, raw), XZ: xzOf(t, xz.WriterConfig{}, raw),
	} {
		for _, size := range []int64{int64(len(blob)), -1} {
			var progress int64
			l := readLayer(t, blob, LayerOptions{Size: size, Windows: NewWindows(), Progress: func(n int64) { progress += n }})
			got := *l
			got.Index = nil
			if (got != Layer{Blob: hashOf(string(blob)), BlobSize: int64(len(blob)), DiffID: hashOf(string(raw)), Unpacked: int64(len(raw)), Compression: kind}) {
				t.Errorf("%s: got %+v", kind, got)
			}
			if progress != int64(len(blob)) {
				t.Errorf("%s: progress %d of %d bytes", kind, progress, len(blob))
			}
			if l.Index.Len() != len(want) || !bytes.Equal(serialised(t, l.Index), serialised(t, build(t, 0, want))) {
				t.Errorf("%s: index differs from that of the plain tar", kind)
			}
		}
	}
}

func TestABlobIsHashedByTheAlgorithmOfItsDigest(t *testing.T) {
	raw := seededLayer(t, 1, 20, 10_000)
	blob := gzipped(t, raw)
	long := v1.Hash{Algorithm: "sha512", Hex: fmt.Sprintf("%x", sha512.Sum512(blob))}
	for algorithm, want := range map[string]v1.Hash{"": hashOf(string(blob)), "sha256": hashOf(string(blob)), "sha512": long} {
		l := readLayer(t, blob, LayerOptions{Size: int64(len(blob)), Algorithm: algorithm})
		if l.Blob != want || l.DiffID != hashOf(string(raw)) {
			t.Errorf("%q: blob %s, diff ID %s", algorithm, l.Blob, l.DiffID)
		}
	}
	for _, algorithm := range []string{"sha1", "SHA512", "sha512 "} {
		want := fmt.Sprintf("reading a layer: digest algorithm %q is not supported", algorithm)
		l, err := ReadLayer(t.Context(), iotest.ErrReader(errors.New("was read")), LayerOptions{Algorithm: algorithm})
		if l != nil || err == nil || err.Error() != want {
			t.Errorf("got %v, %v; want %s", l, err, want)
		}
	}
}

func TestALayerSpillsToTheFilesItIsGiven(t *testing.T) {
	opened := 0
	spill := func() (*os.File, error) { opened++; return TempFile() }
	raw := seededLayer(t, 2, 300, 1<<18)
	l := readLayer(t, raw, LayerOptions{Size: -1, Memory: 4 << 10, Spill: spill})
	if opened != 2 {
		t.Errorf("%d files opened, want one for the runs and one for the index", opened)
	}
	if want := readLayer(t, raw, LayerOptions{Size: -1}); !bytes.Equal(serialised(t, l.Index), serialised(t, want.Index)) {
		t.Error("spilled index differs")
	}
}

func TestAnEmptyStreamIsALayerWithoutEntries(t *testing.T) {
	for _, blob := range [][]byte{nil, gzipped(t, nil)} {
		l := readLayer(t, blob, LayerOptions{Size: int64(len(blob))})
		if l.BlobErr != nil || l.TarErr != nil || l.Index.Len() != 0 || l.DiffID != hashOf("") {
			t.Errorf("%d bytes: got %+v", len(blob), l)
		}
	}
}

// attack is a blob that is not the one a manifest names.
type attack struct {
	blob []byte
	size int64 // declared
}

// attacks returns the blob with everything done to it that a comparison of
// Blob, BlobSize and DiffID with what is declared must notice.
func attacks(t testing.TB, blob []byte) map[string]attack {
	n := int64(len(blob))
	flip := func(at int64) []byte {
		b := bytes.Clone(blob)
		b[at] ^= 1
		return b
	}
	tail := append(bytes.Clone(blob), "tail"...)
	a := map[string]attack{
		"declared one byte too short":      {blob, n - 1},
		"declared one byte too long":       {blob, n + 1},
		"nothing at all":                   {nil, n},
		"twice":                            {append(bytes.Clone(blob), blob...), n},
		"a byte behind":                    {tail[:n+1], n},
		"bytes behind":                     {tail, n},
		"a byte behind, that is zero":      {append(bytes.Clone(blob), 0), n},
		"an empty gzip member behind":      {append(bytes.Clone(blob), gzipped(t, nil)...), n},
		"the same content, packed again":   {append(gzipped(t, nil), blob...), n + int64(len(gzipped(t, nil)))},
		"a byte before":                    {append([]byte{0}, blob...), n + 1},
		"another blob of the same length":  {bytes.Repeat([]byte{0x1f, 0x8b, 8, 0}, len(blob)/4+1)[:n], n},
		"its first byte twice":             {append([]byte{blob[0]}, blob[:n-1]...), n},
		"its last byte again and no end":   {append(bytes.Clone(blob[:n-1]), blob[n-1], blob[n-1]), n},
		"two bytes changed for each other": {append(append(bytes.Clone(blob[:n/2]), blob[n/2+1], blob[n/2]^0x55), blob[n/2+2:]...), n},
	}
	for _, at := range []int64{0, 2, 9, n / 3, n / 2, n - 9, n - 1} {
		a["bit flipped at "+fmt.Sprint(at)] = attack{flip(at), n}
	}
	for _, at := range []int64{1, 9, 20, n / 2, n - 9, n - 8, n - 1} {
		a["cut at "+fmt.Sprint(at)] = attack{blob[:at], n}
	}
	return a
}

func TestEveryAttackOnABlobIsNoticed(t *testing.T) {
	raw := seededLayer(t, 3, 50, 200_000)
	blob := gzipped(t, raw)
	want, diffID := hashOf(string(blob)), hashOf(string(raw))
	accepted := func(l *Layer, size int64) bool {
		return l.Blob == want && l.BlobSize == size
	}
	if l := readLayer(t, blob, LayerOptions{Size: int64(len(blob))}); !accepted(l, int64(len(blob))) || l.BlobErr != nil || l.DiffID != diffID {
		t.Fatalf("the blob itself: %+v", l)
	}
	for name, a := range attacks(t, blob) {
		l := readLayer(t, a.blob, LayerOptions{Size: a.size})
		if accepted(l, a.size) {
			t.Errorf("%s: got through", name)
		}
		if l.BlobSize > a.size+1 {
			t.Errorf("%s: %d bytes read of %d declared", name, l.BlobSize, a.size)
		}
		if read := a.blob[:l.BlobSize]; l.Blob != hashOf(string(read)) {
			t.Errorf("%s: Blob is not the digest of what was read", name)
		}
		if (l.BlobErr == nil) != (l.DiffID != v1.Hash{}) || l.BlobErr != nil && l.Index != nil {
			t.Errorf("%s: BlobErr %v beside diff ID %s", name, l.BlobErr, l.DiffID)
		}
	}
}

func TestABlobThatDoesNotUnpackSaysWhy(t *testing.T) {
	raw := seededLayer(t, 4, 50, 200_000)
	gz, zst, x := gzipped(t, raw), zstdOf(t, raw), xzOf(t, xz.WriterConfig{}, raw)
	flipped := bytes.Clone(gz)
	flipped[len(flipped)-6] ^= 1 // of the CRC
	for name, test := range map[string]struct {
		blob []byte
		want string
	}{
		"cut gzip":            {gz[:len(gz)/2], "gzip: unexpected EOF"},
		"cut in gzip's start": {gz[:5], "gzip: unexpected EOF"},
		"cut zstd":            {zst[:len(zst)/2], "zstd: unexpected EOF"},
		"cut xz":              {x[:len(x)/2], "xz: unexpected EOF"},
		"wrong CRC":           {flipped, "gzip: gzip: invalid checksum"},
		"garbage behind":      {append(bytes.Clone(gz), "garbage"...), "gzip: unexpected EOF"},
		"more garbage behind": {append(bytes.Clone(gz), "garbage garbage"...), "gzip: gzip: invalid header"},
	} {
		l := readLayer(t, test.blob, LayerOptions{Size: int64(len(test.blob))})
		if l.BlobErr == nil || l.BlobErr.Error() != test.want {
			t.Errorf("%s: BlobErr %v, want %s", name, l.BlobErr, test.want)
		}
		if l.TarErr != nil || l.Index != nil || l.Blob != hashOf(string(test.blob)) {
			t.Errorf("%s: got %+v", name, l)
		}
	}
}

func TestAnUnreadableArchiveKeepsItsDiffID(t *testing.T) {
	whole := seededLayer(t, 5, 50, 200_000)
	for name, test := range map[string]struct {
		raw    string
		limits Limits
		want   error
	}{
		"cut inside an entry": {string(whole[:len(whole)/2]), Limits{}, io.ErrUnexpectedEOF},
		"no tar":              {strings.Repeat("text ", 100_000), Limits{}, tar.ErrHeader},
		"too many entries":    {string(whole), Limits{Entries: 49}, &LimitError{"entries", 49}},
	} {
		l := readLayer(t, gzipped(t, []byte(test.raw)), LayerOptions{Size: -1, Limits: test.limits})
		var limit *LimitError
		if errors.As(test.want, &limit) {
			if !errors.As(l.TarErr, &limit) || *limit != *test.want.(*LimitError) {
				t.Errorf("%s: TarErr %v", name, l.TarErr)
			}
		} else if !errors.Is(l.TarErr, test.want) {
			t.Errorf("%s: TarErr %v", name, l.TarErr)
		}
		if l.BlobErr != nil || l.Index != nil || l.DiffID != hashOf(test.raw) || l.Unpacked != int64(len(test.raw)) {
			t.Errorf("%s: got %+v", name, l)
		}
	}
}

func TestBytesBehindALayersArchiveAreHashedAndNoticed(t *testing.T) {
	raw := archive(header{name: "f", typ: '0'}.with("x"), tarEnd, strings.Repeat("\x00", 300_000), "hidden")
	l := readLayer(t, gzipped(t, []byte(raw)), LayerOptions{Size: -1})
	if !l.Trailing || l.DiffID != hashOf(raw) || l.TarErr != nil || l.Index.Len() != 1 {
		t.Errorf("got %+v", l)
	}
}

func TestTheUnpackedLimitHoldsOnBothSides(t *testing.T) {
	raw := archive(header{name: "f", typ: '0'}.with("x"), tarEnd, strings.Repeat("\x00", 300_000))
	for _, blob := range [][]byte{[]byte(raw), gzipped(t, []byte(raw)), zstdOf(t, []byte(raw))} {
		n := int64(len(raw))
		if l := readLayer(t, blob, LayerOptions{Size: int64(len(blob)), Limits: Limits{Unpacked: n}}); l.BlobErr != nil || l.DiffID != hashOf(raw) {
			t.Errorf("%s at the limit: %v", l.Compression, l.BlobErr)
		}
		l := readLayer(t, blob, LayerOptions{Size: int64(len(blob)), Limits: Limits{Unpacked: n - 1}})
		var limit *LimitError
		if !errors.As(l.BlobErr, &limit) || *limit != (LimitError{"unpacked bytes", n - 1}) {
			t.Errorf("%s over the limit: %v", l.Compression, l.BlobErr)
		}
		if l.Unpacked != n || l.Blob != hashOf(string(blob)) || (l.DiffID != v1.Hash{}) || l.Index != nil {
			t.Errorf("%s over the limit: %+v", l.Compression, l)
		}
	}
}

func TestABombIsLeftAtTheLimit(t *testing.T) {
	bomb := gzipped(t, make([]byte, 256<<20))
	l := readLayer(t, bomb, LayerOptions{Size: int64(len(bomb)), Limits: Limits{Unpacked: 1 << 20}})
	if l.Unpacked != 1<<20+1 || !errors.As(l.BlobErr, new(*LimitError)) || l.Blob != hashOf(string(bomb)) {
		t.Errorf("got %+v", l)
	}
}

func TestABlobWithoutEndIsLeftAtALimit(t *testing.T) {
	for _, size := range []int64{-1, 1 << 60} {
		start := gzipped(t, nil)
		endless := io.MultiReader(bytes.NewReader(start), iotest.OneByteReader(strings.NewReader("")), zeroReader{})
		l, err := ReadLayer(context.Background(), endless, LayerOptions{Size: size, Limits: Limits{Unpacked: 1 << 16}})
		if err != nil {
			t.Fatal(err)
		}
		if l.BlobErr == nil || (l.Blob != v1.Hash{}) || l.BlobSize != blobLimit(1<<16) {
			t.Errorf("size %d: got %+v", size, l)
		}
	}
}

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestTheTransportsErrorsAreNotTheLayers(t *testing.T) {
	blob := gzipped(t, seededLayer(t, 6, 50, 200_000))
	lost := errors.New("connection lost")
	for _, n := range []int{0, 5, 100, len(blob) / 2, len(blob)} {
		r := io.MultiReader(bytes.NewReader(blob[:n]), iotest.ErrReader(lost))
		l, err := ReadLayer(context.Background(), r, LayerOptions{Size: -1})
		if l != nil || !errors.Is(err, lost) {
			t.Errorf("after %d bytes: %+v, %v", n, l, err)
		}
	}
	full := errors.New("disk full")
	l, err := ReadLayer(context.Background(), bytes.NewReader(blob), LayerOptions{Size: -1, Memory: 1, Spill: func() (*os.File, error) { return nil, full }})
	if l != nil || !errors.Is(err, full) || err.Error() != "temporary file of an index: disk full" {
		t.Errorf("no temporary file: %+v, %v", l, err)
	}
}

// ending ends its context when it has been read n bytes of.
type ending struct {
	r      io.Reader
	n      int
	cancel func()
}

func (e *ending) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	if e.n -= n; e.n <= 0 {
		e.cancel()
	}
	return n, err
}

func TestReadLayerEndsWithItsContextAndLeavesNothingRunning(t *testing.T) {
	blob := gzipped(t, seededLayer(t, 7, 500, 8<<20))
	before := runtime.NumGoroutine()
	for _, n := range []int{0, 1000, len(blob) / 2} {
		ctx, cancel := context.WithCancel(context.Background())
		l, err := ReadLayer(ctx, &ending{bytes.NewReader(blob), n, cancel}, LayerOptions{Size: int64(len(blob))})
		if l != nil || !errors.Is(err, context.Canceled) {
			t.Errorf("ended after %d bytes: %+v, %v", n, l, err)
		}
	}
	for range 100 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
}

func TestLayersReadAtTheSameTimeAreReadTheSame(t *testing.T) {
	blob := zstdOf(t, seededLayer(t, 8, 200, 1<<20))
	w := NewWindows()
	layers := make([]*Layer, 8)
	var group sync.WaitGroup
	for i := range layers {
		group.Go(func() {
			layers[i], _ = ReadLayer(context.Background(), bytes.NewReader(blob), LayerOptions{Size: -1, Windows: w})
		})
	}
	group.Wait()
	want := entriesOf(t, layers[0].Index)
	for i, l := range layers {
		if l.BlobErr != nil || l.DiffID != layers[0].DiffID || !reflect.DeepEqual(entriesOf(t, l.Index), want) {
			t.Errorf("layer %d: %+v", i, l)
		}
	}
}
