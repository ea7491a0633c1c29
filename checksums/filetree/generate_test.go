package filetree

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/imageverify/verify/checksums"
)

// indexOf makes an index of entries in the order given.
func indexOf(t testing.TB, entries []checksums.Entry) *checksums.Index {
	t.Helper()
	b := checksums.NewBuilder(nil, checksums.Limits{})
	defer b.Close()
	for _, e := range entries {
		if err := b.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	x, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close() })
	return x
}

// randomTree returns n entries with different paths, in walk order, every
// third one a directory that others may lie in.
func randomTree(rnd *rand.Rand, n int) []checksums.Entry {
	names := []string{"a", "a-b", "a.b", "ab", ".wh.x", "b", "\xff", "z z"}
	dirs := []string{""}
	seen := map[string]bool{}
	var tree []checksums.Entry
	for i := 0; len(tree) < n; i++ {
		path := dirs[rnd.IntN(len(dirs))] + names[rnd.IntN(len(names))]
		if i > 10*n {
			path += fmt.Sprint(i)
		}
		if seen[path] {
			continue
		}
		seen[path] = true
		e := randomEntry(rnd, path)
		if e.Type == '5' {
			dirs = append(dirs, path+"/")
		}
		tree = append(tree, e)
	}
	slices.SortFunc(tree, func(a, b checksums.Entry) int { return checksums.ComparePaths(a.Path, b.Path) })
	return tree
}

func randomEntry(rnd *rand.Rand, path string) checksums.Entry {
	e := checksums.Entry{
		Path: path, Type: "00001234555567"[rnd.IntN(14)],
		Mode: int64(rnd.IntN(0o1000)), UID: rnd.IntN(3), GID: rnd.IntN(3),
		ModTime: time.Unix(int64(rnd.IntN(1000)), 0).UTC(),
	}
	switch e.Type {
	case '0', '7':
		e.Size = int64(rnd.IntN(100))
		e.Digest[0] = byte(rnd.IntN(256))
	case '1', '2':
		e.Link = fmt.Sprint("target", rnd.IntN(3))
	case '3', '4':
		e.Devmajor, e.Devminor = int64(rnd.IntN(9)), int64(rnd.IntN(9))
	}
	if rnd.IntN(6) == 0 {
		e.Odd = "name,uname"
	}
	if rnd.IntN(4) == 0 {
		e.Xattrs = map[string]string{"user.a": "1", "user.b": "2"}
	}
	return e
}

// change makes an entry differ in one class; it returns false for an entry
// that cannot.
type change func(rnd *rand.Rand, e *checksums.Entry) bool

var changes = map[Class]change{
	Content: func(rnd *rand.Rand, e *checksums.Entry) bool {
		if e.Type != '0' && e.Type != '7' {
			return false
		}
		if rnd.IntN(2) == 0 {
			e.Size++
		} else {
			e.Digest[rnd.IntN(32)] ^= 1 << rnd.IntN(8)
		}
		return true
	},
	Type: func(rnd *rand.Rand, e *checksums.Entry) bool {
		other := randomEntry(rnd, e.Path)
		if e.Type == '3' && other.Type == '3' {
			e.Devminor++
			return true
		}
		if other.Type == e.Type {
			return false
		}
		*e = other // everything else may differ too, and must not show
		return true
	},
	Mode: func(rnd *rand.Rand, e *checksums.Entry) bool { e.Mode ^= 1 << rnd.IntN(12); return true },
	Owner: func(rnd *rand.Rand, e *checksums.Entry) bool {
		if rnd.IntN(2) == 0 {
			e.UID++
		} else {
			e.GID++
		}
		return true
	},
	Time: func(rnd *rand.Rand, e *checksums.Entry) bool {
		e.ModTime = e.ModTime.Add(time.Second << rnd.IntN(20))
		return true
	},
	Xattr: func(rnd *rand.Rand, e *checksums.Entry) bool {
		x := maps.Clone(e.Xattrs)
		switch {
		case x == nil:
			x = map[string]string{"user.a": ""}
		case rnd.IntN(2) == 0:
			delete(x, "user.a")
		default:
			x["user.b"] += "2"
		}
		e.Xattrs = x
		return true
	},
	Format: func(rnd *rand.Rand, e *checksums.Entry) bool {
		if e.Odd != "" {
			e.Odd = ""
		} else {
			e.Odd = "acl"
		}
		return true
	},
	Link: func(rnd *rand.Rand, e *checksums.Entry) bool {
		if e.Type != '1' && e.Type != '2' {
			return false
		}
		e.Link += "/x"
		return true
	},
}

// key is what a difference is known by.
type key struct {
	path  string
	class Class
}

// damaged returns a copy of the tree with random differences, and which they
// are, seen as the copy being b.
func damaged(rnd *rand.Rand, tree []checksums.Entry) ([]checksums.Entry, map[key]bool) {
	want := map[key]bool{}
	var out []checksums.Entry
	for _, e := range tree {
		switch rnd.IntN(8) {
		case 0:
			want[key{e.Path, OnlyInA}] = true
			continue
		case 1:
			extra := randomEntry(rnd, e.Path+"+extra")
			want[key{extra.Path, OnlyInB}] = true
			out = append(out, e, extra)
			continue
		case 2:
			earlier := randomEntry(rnd, e.Path)
			want[key{e.Path, Duplicate}] = true
			out = append(out, earlier)
		case 3, 4:
			changed := changeSome(rnd, &e)
			for _, class := range changed {
				want[key{e.Path, class}] = true
			}
		}
		out = append(out, e)
	}
	return out, want
}

// changeSome makes one to three differences in different classes.
func changeSome(rnd *rand.Rand, e *checksums.Entry) []Class {
	var made []Class
	all := slices.Sorted(maps.Keys(changes))
	for range 1 + rnd.IntN(3) {
		class := all[rnd.IntN(len(all))]
		if slices.Contains(made, class) || !changes[class](rnd, e) {
			continue
		}
		if class == Type {
			return []Class{Type}
		}
		made = append(made, class)
	}
	return made
}
