package checksums

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestCleanPath(t *testing.T) {
	for name, want := range map[string]string{
		"":                ".",
		".":               ".",
		"./":              ".",
		"/":               ".",
		"usr/bin/":        "usr/bin",
		"./usr//bin/.":    "usr/bin",
		"//usr/bin":       "usr/bin",
		"usr/../etc":      "etc",
		"../etc/passwd":   "../etc/passwd",
		"a/../../etc":     "../etc",
		"/../etc":         "../etc",
		"..":              "..",
		"a\\b":            "a\\b",
		"...":             "...",
		"usr/\xff\n/\x1b": "usr/\xff\n/\x1b",
	} {
		if got := CleanPath(name); got != want {
			t.Errorf("CleanPath(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestEscapesIsForPathsThatLeaveTheRoot(t *testing.T) {
	for path, want := range map[string]bool{"..": true, "../a": true, "..a": false, "...": false, "a/..b": false, ".": false} {
		if got := (Entry{Path: path}).Escapes(); got != want {
			t.Errorf("%q escapes: %v, want %v", path, got, want)
		}
	}
}

func TestComparePathsOrdersAsAWalkDoes(t *testing.T) {
	walk := []string{".", "!", "-", "..", "../x", ".a", "a", "a/\x00", "a/b", "a/b/c", "a/b-", "a\x00", "a-b", "a.b", "ab", "b"}
	for i, p := range walk {
		for j, q := range walk {
			if got, want := ComparePaths(p, q), cmp.Compare(i, j); got != want {
				t.Errorf("ComparePaths(%q, %q) = %d, want %d", p, q, got, want)
			}
		}
	}
}

// compareSlowly follows the words of ComparePaths' comment.
func compareSlowly(a, b string) int {
	if a == b {
		return 0
	}
	if a == "." {
		return -1
	}
	if b == "." {
		return 1
	}
	return slices.Compare(strings.Split(a, "/"), strings.Split(b, "/"))
}

func TestComparePathsAgreesWithComparingComponents(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	random := func() string {
		b := make([]byte, rnd.IntN(7))
		for i := range b {
			b[i] = "/.-a\xff\x00"[rnd.IntN(6)]
		}
		return CleanPath(string(b))
	}
	for range 20_000 {
		a, b := random(), random()
		if got, want := ComparePaths(a, b), compareSlowly(a, b); got != want {
			t.Fatalf("ComparePaths(%q, %q) = %d, want %d", a, b, got, want)
		}
	}
}
