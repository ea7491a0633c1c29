package buildkit

import (
	"errors"
	"fmt"
	"io"
	"syscall"

	"github.com/imageverify/verify/rebuild"
)

// bounded is where an image is written, up to a limit of bytes; 0 is none. What
// keeps it from being written ends the build: a builder alone would only say
// that its client is gone.
type bounded struct {
	to          io.Writer
	left, limit int64
	stop        func(error)
	err         error
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.limit > 0 && int64(len(p)) > b.left {
		return 0, b.fail(&rebuild.BuildError{Reason: rebuild.BuildLimit, What: fmt.Sprintf("the image that is built is larger than %d bytes", b.limit)})
	}
	n, err := b.to.Write(p)
	b.left -= int64(n)
	if err != nil {
		return n, b.fail(notWritten(err))
	}
	return n, nil
}

func (b *bounded) fail(err error) error {
	b.err = err
	b.stop(err)
	return err
}

// notWritten says that there is no room, or no way, to write what is built.
func notWritten(err error) error {
	what := "what is built could not be written: " + err.Error()
	if errors.Is(err, syscall.ENOSPC) {
		what = "no space is left for what is built: " + err.Error()
	}
	return &rebuild.BuildError{Reason: rebuild.BuildLimit, What: what, Err: err}
}

// Close leaves open what is written to.
func (b *bounded) Close() error { return b.err }
