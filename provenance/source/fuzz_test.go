package source

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	gitobject "github.com/go-git/go-git/v5/plumbing/object"
)

func FuzzParseTree(f *testing.F) {
	one := treeEntry{"a", 0o100644, id{1}}
	f.Add([]byte(treeData(map[string]id{"100644 " + one.name: one.id, "40000 sub": {2}, "160000 m": {3}, "120000 l": {4}})))
	f.Add([]byte("100644 a\x00short"))
	f.Add([]byte("40000 ..\x0001234567890123456789"))
	f.Add([]byte{})
	// The law: what parses has good, distinct, sorted names, and is what go-git
	// reads of the same bytes.
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, err := parseTree(data, idSize)
		if err != nil {
			if entries != nil || !errors.Is(err, ErrMalformed) {
				t.Fatalf("%d entries with error %v", len(entries), err)
			}
			return
		}
		for i, e := range entries {
			if badName(e.name) || strings.Contains(e.name, "\x00") || i > 0 && entries[i-1].name >= e.name {
				t.Errorf("name %q after %d others", e.name, i)
			}
		}
		var other gitobject.Tree
		if err := other.Decode(stored(plumbing.TreeObject, data)); err != nil || len(other.Entries) != len(entries) {
			t.Fatalf("%d entries, where go-git has %d, %v", len(entries), len(other.Entries), err)
		}
		for _, o := range other.Entries {
			i, ok := slices.BinarySearchFunc(entries, o.Name, func(e treeEntry, name string) int { return strings.Compare(e.name, name) })
			if !ok || entries[i].id != idOf(o.Hash[:]) || !entries[i].is(uint32(o.Mode)&modeType) {
				t.Errorf("go-git has %+v", o)
			}
		}
	})
}

// stored is an object as go-git's decoders take it.
func stored(kind plumbing.ObjectType, data []byte) plumbing.EncodedObject {
	var o plumbing.MemoryObject
	o.SetType(kind)
	o.Write(data)
	return &o
}

func FuzzParseCommit(f *testing.F) {
	f.Add([]byte(commitData(id{1}, 1725658772, id{2}, id{3})))
	f.Add([]byte("tree 0123456789012345678901234567890123456789\nauthor x\ncommitter > 9999999999999999999 +0"))
	f.Add([]byte("tree \n"))
	// The law: a commit written anew from what was read reads the same, and
	// go-git reads the same tree and parents.
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parseCommit(data)
		if err != nil {
			return
		}
		again, err := parseCommit([]byte(commitData(c.tree, c.time.Unix(), c.parents...)))
		if err != nil || again.tree != c.tree || !again.time.Equal(c.time) || len(again.parents) != len(c.parents) {
			t.Errorf("%+v became %+v, %v", c, again, err)
		}
		var other gitobject.Commit
		if err := other.Decode(stored(plumbing.CommitObject, data)); err != nil {
			return // a time zone, say, that go-git cannot read
		}
		if idOf(other.TreeHash[:]) != c.tree || len(other.ParentHashes) != len(c.parents) {
			t.Errorf("%+v, where go-git has tree %s and parents %s", c, other.TreeHash, other.ParentHashes)
		}
	})
}

func FuzzDelta(f *testing.F) {
	f.Add([]byte("0123456789"), []byte(deltaData(10, 2, 5, "new")))
	f.Add([]byte("0123456789"), []byte(deltaData(10, 8, 5, "")))
	f.Add([]byte(""), []byte("\x00\x01\x01x"))
	// The law: a delta gives exactly the size that heads it, and go-git's bytes,
	// or an error that says it is malformed.
	f.Fuzz(func(t *testing.T, base, delta []byte) {
		r, size, err := newDeltaReader(bytes.NewReader(base), int64(len(base)), bufio.NewReader(bytes.NewReader(delta)))
		var out []byte
		if err == nil {
			out, err = io.ReadAll(io.LimitReader(r, 1<<20))
		}
		if err != nil && !errors.Is(err, ErrMalformed) {
			t.Errorf("error %v", err)
		}
		if err == nil && int64(len(out)) != min(size, 1<<20) {
			t.Errorf("%d bytes, want %d", len(out), size)
		}
		if err != nil || size > 1<<20 {
			return
		}
		// go-git refuses deltas of less than 4 bytes and of nothing.
		if want, err := packfile.PatchDelta(base, delta); err == nil && !bytes.Equal(out, want) {
			t.Errorf("%q, where go-git has %q", out, want)
		}
	})
}

func FuzzIndexPack(f *testing.F) {
	good, _ := packData([]packItem{{kind: kindBlob, data: "0123456789"}, {kind: kindOffsetDelta, data: deltaData(10, 2, 5, "new")}})
	f.Add(good)
	f.Add(good[:30])
	// The law: every object of an index that was made opens under its name, and
	// has that hash. The checksum is put right first, so that more than it is
	// tried.
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < packHeader+idSize {
			return
		}
		data = resum(bytes.Clone(data))
		var out bytes.Buffer
		if _, err := indexBytes(t, data, &out); err != nil {
			return
		}
		x, err := newPackIndex(bytes.NewReader(out.Bytes()), int64(out.Len()))
		if err != nil {
			t.Fatal(err)
		}
		p := packOf(t, data, x)
		for b := range 256 {
			names, err := x.names(byte(b))
			if err != nil {
				t.Fatal(err)
			}
			for ; len(names) > 0; names = names[idSize:] {
				checkPacked(t, p, idOf(names[:idSize]))
			}
		}
	})
}

func packOf(t *testing.T, data []byte, x locator) *pack {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "pack"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	if _, err := file.Write(data); err != nil {
		t.Fatal(err)
	}
	return &pack{file: file, size: int64(len(data)), index: x, bases: newBaseCache()}
}

func checkPacked(t *testing.T, p *pack, name id) {
	t.Helper()
	offset, ok, err := p.index.find(name)
	if !ok || err != nil {
		t.Fatalf("%s: %v, %v", name, ok, err)
	}
	o, err := p.open(offset)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if _, err := readVerified(o, name, o.kind); err != nil && !errors.As(err, new(*LimitError)) {
		t.Errorf("%s: %v", name, err)
	}
}

func FuzzLooseHeader(f *testing.F) {
	for _, seed := range []string{"blob 12", "tree 0", "commit 9999999999999999999999", "tag -1", "blob", "blob 01"} {
		f.Add(seed)
	}
	// The law: a header that parses has one of four types and a size of zero or
	// more.
	f.Fuzz(func(t *testing.T, text string) {
		k, size, err := parseHeader(text)
		if err == nil && (size < 0 || !strings.HasPrefix(text, k.String()+" ")) {
			t.Errorf("%q: %s of %d", text, k, size)
		}
	})
}

// FuzzLongReferences: the tips are what branches and tags name, and nothing else.
func FuzzLongReferences(f *testing.F) {
	one, two := strings.Repeat("1", 64), strings.Repeat("2", 64)
	line := func(text string) string { return fmt.Sprintf("%04x%s", len(text)+4, text) }
	f.Add([]byte(line(one+" HEAD\x00object-format=sha256 filter\n") + line(two+" refs/heads/main\n") + "0000"))
	f.Add([]byte(line(one+" refs/pull/1/head\x00\n") + line("shallow "+two+"\n") + "0000"))
	f.Add([]byte("ffff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		refs, err := readLongReferences(data)
		if err != nil {
			return
		}
		named := map[id]bool{}
		for name, target := range refs.names {
			named[target] = named[target] || isBranchOrTag(name)
		}
		for _, tip := range refs.tips {
			if !named[tip] {
				t.Errorf("%s is a tip and no branch or tag", tip)
			}
		}
	})
}
