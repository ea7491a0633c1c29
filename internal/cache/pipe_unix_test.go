//go:build !windows

package cache

import (
	"errors"
	"syscall"
	"testing"
)

func TestAPipeUnderARecordsNameDoesNotBlock(t *testing.T) {
	d := openTemp(t)
	put(t, d, "kind", 1, "key", "data")
	replace(func(path string) error { return syscall.Mkfifo(path, 0o600) })(t, recordPath(t, d, "kind", "key"))
	_, err := both(t, d, "kind", 1, "key")
	if !errors.Is(err, ErrAbsent) || !errors.Is(err, errNotRecord) {
		t.Errorf("error %v, want ErrAbsent: not a record", err)
	}
}
