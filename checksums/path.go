package checksums

import (
	"path"
	"strings"
)

// CleanPath turns the name of an archive's entry into the form that Entry.Path
// has: "./usr/bin/", "/usr/bin" and "usr//bin/." are all "usr/bin"; the root is
// ".". ".." is resolved within the name; what is left of it leads out of the
// root and stays, for absolute names too ("/../x" is "../x").
func CleanPath(name string) string {
	return path.Clean(strings.TrimLeft(name, "/"))
}

// ComparePaths orders clean paths as a directory walk meets them: component by
// component, each in byte order, a directory before what is in it, the root
// first. "a", "a/b", "a-b" is such an order; as plain strings "a-b" would come
// before "a/b". It returns -1, 0 or 1.
func ComparePaths(a, b string) int { return comparePaths(a, b) }

func comparePaths[A, B ~string | ~[]byte](a A, b B) int {
	n := min(len(a), len(b))
	i := 0
	for i < n && a[i] == b[i] {
		i++
	}
	if i == len(a) && i == len(b) {
		return 0
	}
	if isRoot(a) {
		return -1
	}
	if isRoot(b) {
		return 1
	}
	if walkRank(a, i) < walkRank(b, i) {
		return -1
	}
	return 1
}

func isRoot[P ~string | ~[]byte](p P) bool { return len(p) == 1 && p[0] == '.' }

// walkRank ranks the byte at i: the path's end first, then the end of a
// component, then bytes by value.
func walkRank[P ~string | ~[]byte](p P, i int) int {
	switch {
	case i == len(p):
		return 0
	case p[i] == '/':
		return 1
	}
	return int(p[i]) + 2
}
