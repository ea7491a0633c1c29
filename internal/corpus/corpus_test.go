package corpus

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// recorder is a test that remembers how it ended; the methods it does not
// override are never called by the package.
type recorder struct {
	testing.TB
	skipped, failed string
}

func (r *recorder) Helper() {}

func (r *recorder) Skip(args ...any) {
	r.skipped = fmt.Sprint(args...)
	runtime.Goexit()
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.failed = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// record runs f the way the testing package runs a test, in a goroutine that
// Skip and Fatalf may end.
func record(f func(testing.TB)) *recorder {
	r := &recorder{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(r)
	}()
	<-done
	return r
}

func newCorpus(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range folders {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestDirSkipsWhenTheVariableIsUnset(t *testing.T) {
	t.Setenv(dirVariable, "")
	r := record(func(tb testing.TB) { Dir(tb) })
	if !strings.HasPrefix(r.skipped, "VERIFY_CORPUS is not set: ") || r.failed != "" {
		t.Errorf("skipped with %q, failed with %q", r.skipped, r.failed)
	}
}

func TestDirReturnsAnAbsolutePathAsItIs(t *testing.T) {
	want := newCorpus(t)
	t.Setenv(dirVariable, want)
	if got := Dir(t); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestDirResolvesARelativePathAgainstTheModuleRoot(t *testing.T) {
	want := newCorpus(t)
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	relative, err := filepath.Rel(root, want)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(dirVariable, relative)
	if got := Dir(t); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestDirFailsWhenTheFolderIsNotACorpus(t *testing.T) {
	lacking := newCorpus(t)
	if err := os.Remove(filepath.Join(lacking, "images")); err != nil {
		t.Fatal(err)
	}
	file := newCorpus(t)
	if err := os.Remove(filepath.Join(file, "git")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(file, "git"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct{ value, want string }{
		"it does not exist":            {filepath.Join(lacking, "absent"), "is not a corpus: stat "},
		"one of its folders is gone":   {lacking, "is not a corpus: stat " + filepath.Join(lacking, "images")},
		"one of its folders is a file": {file, "is not a corpus: git is not a folder"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Setenv(dirVariable, test.value)
			r := record(func(tb testing.TB) { Dir(tb) })
			if !strings.Contains(r.failed, test.want) || r.skipped != "" {
				t.Errorf("failed with %q, want it to hold %q; skipped with %q", r.failed, test.want, r.skipped)
			}
		})
	}
}

func TestRealSkipsUnlessTheVariableIsOne(t *testing.T) {
	for _, value := range []string{"", "0", "true"} {
		t.Setenv(realVariable, value)
		if r := record(Real); !strings.HasPrefix(r.skipped, "VERIFY_REAL is not 1: ") {
			t.Errorf("%q: skipped with %q", value, r.skipped)
		}
	}
	t.Setenv(realVariable, "1")
	if r := record(Real); r.skipped != "" {
		t.Errorf("skipped with %q although the variable is 1", r.skipped)
	}
}

func TestDirFindsTheRealCorpus(t *testing.T) {
	dir := Dir(t)
	if _, err := os.Stat(filepath.Join(dir, "images", "alpine-3.20.3", "index.json")); err != nil {
		t.Error(err)
	}
}
