package checksums

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestContextReaderEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	r := ContextReader(ctx, strings.NewReader("hello"))
	first := make([]byte, 2)
	if _, err := io.ReadFull(r, first); err != nil || string(first) != "he" {
		t.Fatalf("before the end: %q, %v", first, err)
	}
	why := errors.New("enough")
	cancel(why)
	if n, err := r.Read(first); n != 0 || !errors.Is(err, why) {
		t.Errorf("after the end: %d bytes, %v, want none and the cause", n, err)
	}
}
