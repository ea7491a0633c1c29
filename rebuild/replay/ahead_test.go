package replay

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"
)

func TestReadingAheadGivesTheSameBytes(t *testing.T) {
	data := make([]byte, 3*aheadChunk+17)
	rnd := rand.New(rand.NewPCG(1, 1))
	for i := range data {
		data[i] = byte(rnd.Uint32())
	}
	for _, size := range []int{0, 1, aheadChunk - 1, aheadChunk, aheadChunk + 1, len(data)} {
		for name, r := range map[string]io.Reader{
			"plain": bytes.NewReader(data[:size]), "halves": iotest.HalfReader(bytes.NewReader(data[:size])),
			"the error comes with the data": iotest.DataErrReader(bytes.NewReader(data[:size])),
		} {
			a := readAhead(r)
			got, err := io.ReadAll(a)
			if err != nil || !bytes.Equal(got, data[:size]) {
				t.Errorf("%s, %d bytes: %d and error %v", name, size, len(got), err)
			}
			a.Close()
		}
	}
}

func TestReadingAheadEndsWithItsReader(t *testing.T) {
	for name, c := range map[string]struct {
		r    io.Reader
		want error
	}{
		"cut short":   {io.MultiReader(bytes.NewReader([]byte("x")), iotest.ErrReader(io.ErrUnexpectedEOF)), io.ErrUnexpectedEOF},
		"broken":      {io.MultiReader(bytes.NewReader(make([]byte, 2*aheadChunk)), brokenReader{}), errMismatch},
		"no progress": {idleReader{}, io.ErrNoProgress},
	} {
		a := readAhead(c.r)
		if _, err := io.ReadAll(a); !errors.Is(err, c.want) {
			t.Errorf("%s: error %v, want %v", name, err, c.want)
		}
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, c.want) {
			t.Errorf("%s: a second time: error %v", name, err)
		}
		a.Close()
	}
	a := readAhead(panicking{})
	if _, err := io.ReadAll(a); err == nil {
		t.Error("a decoder that panics: no error")
	}
	a.Close()
	a = readAhead(endless{}) // closed while chunks are full
	if _, err := io.ReadFull(a, make([]byte, aheadChunk+1)); err != nil {
		t.Error(err)
	}
	a.Close()
}

type idleReader struct{}

func (idleReader) Read([]byte) (int, error) { return 0, nil }

type panicking struct{}

func (panicking) Read([]byte) (int, error) { panic("decoder") }

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }
