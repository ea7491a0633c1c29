package checksums

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// DigestError says that bytes are not those that their name promises.
type DigestError struct {
	// Want is the digest promised, Got the digest of the bytes; Got is zero
	// when the bytes went on past WantSize, since the rest was not read.
	Want, Got v1.Hash
	// WantSize is the size promised, -1 when none was; GotSize is how many
	// bytes came, WantSize+1 standing for any larger number.
	WantSize, GotSize int64
	// What names the thing read: "layer", "config"; may be empty.
	What string
}

func (e *DigestError) Error() string {
	what := e.What
	if what == "" {
		what = "content"
	}
	switch {
	case e.WantSize >= 0 && e.GotSize > e.WantSize:
		return fmt.Sprintf("%s %s: longer than the %d bytes it should have", what, e.Want, e.WantSize)
	case e.WantSize >= 0 && e.GotSize < e.WantSize:
		return fmt.Sprintf("%s %s: only %d of %d bytes", what, e.Want, e.GotSize, e.WantSize)
	}
	return fmt.Sprintf("%s %s: the %d bytes hash to %s", what, e.Want, e.GotSize, e.Got)
}

// VerifyReader reads r and ends with a *DigestError in place of io.EOF when
// the bytes do not hash to want (sha256 or sha512), or are not size bytes. A
// size below 0 is not compared. It asks for one byte more than size, so that
// trailing bytes are seen. The bytes are verified only once io.EOF was met.
func VerifyReader(r io.Reader, size int64, want v1.Hash) io.Reader {
	v := &verifyReader{r: r, size: max(size, -1), want: want}
	if v.hash = newHash(want.Algorithm); v.hash == nil {
		v.err = fmt.Errorf("digest %q: unknown algorithm", want.String())
	}
	return v
}

// newHash returns a hash of the algorithm as digests name it, nil for one that
// is not known.
func newHash(algorithm string) hash.Hash {
	switch algorithm {
	case "sha256":
		return sha256.New()
	case "sha512":
		return sha512.New()
	}
	return nil
}

func digestOf(algorithm string, h hash.Hash) v1.Hash {
	return v1.Hash{Algorithm: algorithm, Hex: hex.EncodeToString(h.Sum(nil))}
}

type verifyReader struct {
	r    io.Reader
	hash hash.Hash
	want v1.Hash
	size int64
	n    int64
	err  error // sticky
}

func (v *verifyReader) Read(p []byte) (int, error) {
	if v.err != nil {
		return 0, v.err
	}
	if v.size >= 0 && int64(len(p)) > v.size+1-v.n {
		p = p[:v.size+1-v.n]
	}
	n, err := v.r.Read(p)
	v.n += int64(n)
	if v.size >= 0 && v.n > v.size {
		v.err = v.mismatch(v1.Hash{})
		return n - 1, v.err
	}
	v.hash.Write(p[:n])
	if err == io.EOF {
		err = v.check()
	}
	v.err = err
	return n, err
}

// check is called at the end and returns what the reader ends with.
func (v *verifyReader) check() error {
	got := digestOf(v.want.Algorithm, v.hash)
	if got != v.want || v.size >= 0 && v.n != v.size {
		return v.mismatch(got)
	}
	return io.EOF
}

func (v *verifyReader) mismatch(got v1.Hash) error {
	return &DigestError{Want: v.want, Got: got, WantSize: v.size, GotSize: v.n}
}
