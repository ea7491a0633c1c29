//go:build unix

package local

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestAFIFOIsRefusedWithoutWaiting(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFile(name, 10); !errors.Is(err, ErrNotRegular) {
		t.Errorf("as a file: %v", err)
	}
	if _, err := openDir(t, dir).Open("pipe"); !errors.Is(err, ErrNotRegular) {
		t.Errorf("in a directory: %v", err)
	}
}

// A name can lead elsewhere between looking and opening.
func TestAFIFOInAFilesPlaceIsOpenedWithoutWaiting(t *testing.T) {
	name := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(name, os.O_RDONLY|nonblock, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
}
