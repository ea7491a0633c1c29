package corpus

import (
	"os/exec"
	"strings"
	"sync"
	"testing"
)

// moduleDirs are the directories of modules that were asked for.
var moduleDirs sync.Map

// Module is the directory of a module that this one requires: real files of other
// programs are read there.
func Module(t testing.TB, path string) string {
	t.Helper()
	if dir, ok := moduleDirs.Load(path); ok {
		return dir.(string)
	}
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", path).Output()
	dir := strings.TrimSpace(string(out))
	if err != nil || dir == "" {
		t.Fatalf("module %s: not in the module cache: %v", path, err)
	}
	moduleDirs.Store(path, dir)
	return dir
}
