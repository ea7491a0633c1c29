package checksums

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func hashOf(s string) v1.Hash {
	sum := sha256.Sum256([]byte(s))
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}
}

func TestVerifyReaderGivesWhatHashesToItsDigest(t *testing.T) {
	long := sha512.Sum512([]byte("hello"))
	for name, want := range map[string]v1.Hash{
		"sha256": hashOf("hello"),
		"sha512": {Algorithm: "sha512", Hex: hex.EncodeToString(long[:])},
	} {
		for _, size := range []int64{5, -1} {
			for _, r := range []io.Reader{strings.NewReader("hello"), iotest.OneByteReader(strings.NewReader("hello")), iotest.DataErrReader(strings.NewReader("hello"))} {
				got, err := io.ReadAll(VerifyReader(r, size, want))
				if err != nil || string(got) != "hello" {
					t.Errorf("%s, size %d: got %q, %v", name, size, got, err)
				}
			}
		}
	}
}

func TestVerifyReaderRefuses(t *testing.T) {
	good := hashOf("hello")
	for name, test := range map[string]struct {
		content string
		size    int64
		want    *DigestError
		text    string
	}{
		"a flipped bit": {"hellO", 5,
			&DigestError{Want: good, Got: hashOf("hellO"), WantSize: 5, GotSize: 5},
			"content " + good.String() + ": the 5 bytes hash to " + hashOf("hellO").String()},
		"a flipped bit where no size is known": {"hellO", -1,
			&DigestError{Want: good, Got: hashOf("hellO"), WantSize: -1, GotSize: 5},
			"content " + good.String() + ": the 5 bytes hash to " + hashOf("hellO").String()},
		"one byte too few": {"hell", 5,
			&DigestError{Want: good, Got: hashOf("hell"), WantSize: 5, GotSize: 4},
			"content " + good.String() + ": only 4 of 5 bytes"},
		"one byte too many": {"hello!", 5,
			&DigestError{Want: good, WantSize: 5, GotSize: 6},
			"content " + good.String() + ": longer than the 5 bytes it should have"},
		"a declared size one too small, with the right digest": {"hello", 4,
			&DigestError{Want: good, WantSize: 4, GotSize: 5},
			"content " + good.String() + ": longer than the 4 bytes it should have"},
		"a declared size one too large, with the right digest": {"hello", 6,
			&DigestError{Want: good, Got: good, WantSize: 6, GotSize: 5},
			"content " + good.String() + ": only 5 of 6 bytes"},
		"nothing at all": {"", 5,
			&DigestError{Want: good, Got: hashOf(""), WantSize: 5, GotSize: 0},
			"content " + good.String() + ": only 0 of 5 bytes"},
	} {
		r := VerifyReader(strings.NewReader(test.content), test.size, good)
		_, err := io.ReadAll(r)
		var got *DigestError
		if !errors.As(err, &got) || *got != *test.want {
			t.Errorf("%s: got %+v, want %+v", name, err, test.want)
			continue
		}
		if err.Error() != test.text {
			t.Errorf("%s: message %q, want %q", name, err, test.text)
		}
		if n, again := r.Read(make([]byte, 1)); n != 0 || again != err {
			t.Errorf("%s: read after the error gave %d, %v", name, n, again)
		}
	}
}

func TestVerifyReaderNeverGivesMoreThanTheSize(t *testing.T) {
	got, err := io.ReadAll(VerifyReader(strings.NewReader("hello, world"), 5, hashOf("hello")))
	if string(got) != "hello" || err == nil {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestVerifyReaderRefusesUnknownAlgorithms(t *testing.T) {
	_, err := io.ReadAll(VerifyReader(strings.NewReader("x"), 1, v1.Hash{Algorithm: "md5", Hex: "00"}))
	if err == nil || err.Error() != `digest "md5:00": unknown algorithm` {
		t.Errorf("got %v", err)
	}
}

func TestVerifyReaderPassesOtherErrorsOn(t *testing.T) {
	broken := errors.New("connection lost")
	_, err := io.ReadAll(VerifyReader(iotest.ErrReader(broken), 5, hashOf("hello")))
	if err != broken {
		t.Errorf("got %v", err)
	}
}
