// Package corpus finds the real images and repositories that tests read.
//
// The corpus is a folder outside the module, named by the environment variable
// VERIFY_CORPUS. Nothing of it is copied into the module: tests read it in
// place and skip where it is not there.
package corpus

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

const (
	dirVariable  = "VERIFY_CORPUS"
	realVariable = "VERIFY_REAL"
)

// folders are what every corpus holds; a folder that lacks one of them is
// something else, and a test that went on with it would read nothing and pass.
var folders = []string{"facts", "git", "histories", "images"}

// Dir returns the absolute path of the corpus that VERIFY_CORPUS names; a
// relative value counts from the module's root, since each package's tests run
// in a folder of their own. The test is skipped when the variable is unset and
// ends with a failure when it names something that is not a corpus.
func Dir(t testing.TB) string {
	t.Helper()
	value := os.Getenv(dirVariable)
	if value == "" {
		t.Skip(dirVariable + " is not set: this test reads real images and repositories")
	}
	dir, err := locate(value)
	if err != nil {
		t.Fatalf("%s: %v", dirVariable, err)
	}
	return dir
}

// Real skips the test unless VERIFY_REAL is 1. It guards the tests that start
// real builders and registries, which take minutes and want root.
func Real(t testing.TB) {
	t.Helper()
	if os.Getenv(realVariable) != "1" {
		t.Skip(realVariable + " is not 1: this test starts real builders or registries")
	}
}

// locate makes value absolute and checks that the folder there is a corpus.
func locate(value string) (string, error) {
	if !filepath.IsAbs(value) {
		root, err := ModuleRoot()
		if err != nil {
			return "", err
		}
		value = filepath.Join(root, value)
	}
	for _, name := range folders {
		info, err := os.Stat(filepath.Join(value, name))
		if err != nil {
			return "", fmt.Errorf("%s is not a corpus: %w", value, err)
		}
		if !info.IsDir() {
			return "", fmt.Errorf("%s is not a corpus: %s is not a folder", value, name)
		}
	}
	return value, nil
}

// ModuleRoot returns the nearest folder, from the working directory upwards,
// that holds a go.mod.
func ModuleRoot() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		_, err := os.Stat(filepath.Join(dir, "go.mod"))
		if err == nil {
			return dir, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no go.mod in %s or above it", start)
		}
	}
}
