package corpus

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// moduleDirs are the directories of modules that were asked for.
var moduleDirs sync.Map

// Module is the directory of a module, where real files of other programs are
// read: a path that this one requires, or PATH@VERSION of any other one, which
// Real allows to download and is skipped where it is not at hand. The path holds
// no capital letter.
func Module(t testing.TB, path string) string {
	t.Helper()
	if dir, ok := moduleDirs.Load(path); ok {
		return dir.(string)
	}
	find := required
	if strings.Contains(path, "@") {
		find = versioned
	}
	dir := find(t, path)
	moduleDirs.Store(path, dir)
	return dir
}

func required(t testing.TB, path string) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", path).Output()
	dir := strings.TrimSpace(string(out))
	if err != nil || dir == "" {
		t.Fatalf("module %s: not in the module cache: %v", path, err)
	}
	return dir
}

func versioned(t testing.TB, path string) string {
	t.Helper()
	cache, err := exec.Command("go", "env", "GOMODCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(strings.TrimSpace(string(cache)), filepath.FromSlash(path))
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	Real(t)
	if out, err := exec.Command("go", "mod", "download", path).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}
