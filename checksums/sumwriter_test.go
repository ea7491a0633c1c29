package checksums

import (
	"bytes"
	"io"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// short takes only the first bytes of what is written to it.
type short struct {
	w    io.Writer
	left int
}

func (s *short) Write(p []byte) (int, error) {
	n, _ := s.w.Write(p[:min(len(p), s.left)])
	s.left -= n
	if n < len(p) {
		return n, io.ErrShortWrite
	}
	return n, nil
}

func TestASumIsOfWhatWasPassedOn(t *testing.T) {
	for name, left := range map[string]int{"everything": 64, "a part": 7, "nothing": 0} {
		t.Run(name, func(t *testing.T) {
			var taken bytes.Buffer
			s := NewSumWriter(&short{&taken, left})
			for _, part := range []string{"first ", "second"} {
				if _, err := io.WriteString(s, part); err != nil {
					break
				}
			}
			want, size, err := v1.SHA256(bytes.NewReader(taken.Bytes()))
			if err != nil {
				t.Fatal(err)
			}
			if s.Digest() != want || s.Size() != size {
				t.Errorf("got %s of %d bytes, want %s of %d", s.Digest(), s.Size(), want, size)
			}
		})
	}
}
