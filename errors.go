package verify

import (
	"errors"
	"net"
	"strings"

	"github.com/imageverify/verify/internal/image"
	"github.com/imageverify/verify/internal/network"
)

// CodeFalseBytes is the code of an error that is a failure of the image: bytes
// that are not those of their digest.
const CodeFalseBytes = "digest-mismatch"

// runError states why a reference could not be opened.
func runError(ref string, err error) *RunError {
	if e, ok := errors.AsType[*RunError](err); ok {
		return e
	}
	e := &RunError{Code: openCode(err), Message: err.Error(), Input: ref, err: err}
	if !strings.Contains(e.Message, ref) {
		e.Message = ref + ": " + e.Message
	}
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) {
		e.Hint = hinted.Hint()
	}
	return e
}

// openCode names the kind of an error that kept a reference from being opened.
func openCode(err error) string {
	switch {
	case kind[*falseBytesError](err):
		return CodeFalseBytes
	case errors.Is(err, network.ErrOffline):
		return "offline"
	case kind[*image.NotFoundError](err):
		return "not-found"
	case kind[*image.AbsentError](err):
		return "blob-absent"
	case kind[*image.LimitError](err):
		return "over-limit"
	case kind[*network.HostError](err), kind[*network.IdleError](err), kind[*net.OpError](err), kind[*net.DNSError](err):
		return "no-network"
	}
	return "cannot-open"
}
