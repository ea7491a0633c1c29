package checksums

import (
	"context"

	"golang.org/x/sync/semaphore"
)

// Windows bounds the zstd windows and xz dictionaries of all decoders that
// share it to MaxWindow bytes together: a decoder that asks for more than is
// free waits for the others. The zero value and nil bound each decoder alone.
type Windows struct{ free *semaphore.Weighted }

// NewWindows returns a bound for the layers that are read at the same time.
func NewWindows() *Windows {
	return &Windows{free: semaphore.NewWeighted(MaxWindow)}
}

// reserve returns what one decoder asks with. It gives its old window back
// before it waits for a new one, so that two decoders never wait for each
// other.
func (w *Windows) reserve(ctx context.Context) reserve {
	if w == nil || w.free == nil {
		return func(int64) error { return nil }
	}
	var held int64
	return func(n int64) error {
		if n == held {
			return nil
		}
		w.free.Release(held)
		held = 0
		if err := w.free.Acquire(ctx, n); err != nil {
			return err
		}
		held = n
		return nil
	}
}
