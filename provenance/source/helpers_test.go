package source

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
)

// testRepo is a bare repository that a test writes object by object.
type testRepo struct {
	t   testing.TB
	dir string
}

func newTestRepo(t testing.TB) *testRepo {
	t.Helper()
	r := &testRepo{t: t, dir: filepath.Join(t.TempDir(), "repo.git")}
	r.file("HEAD", "ref: refs/heads/master\n")
	r.file("config", "[core]\n\trepositoryformatversion = 0\n\tbare = true\n")
	if err := os.MkdirAll(filepath.Join(r.dir, "objects"), 0o755); err != nil {
		t.Fatal(err)
	}
	return r
}

// file writes a file of the repository.
func (r *testRepo) file(name, text string) {
	r.t.Helper()
	full := filepath.Join(r.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

func (r *testRepo) ref(name string, target id) { r.file(name, target.String()+"\n") }

func nameOf(k kind, data string) id {
	sum := sha1.Sum([]byte(fmt.Sprintf("%s %d\x00%s", k, len(data), data)))
	return idOf(sum[:])
}

func deflate(data string) string {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	z.Write([]byte(data))
	z.Close()
	return b.String()
}

func loosePath(name id) string {
	text := name.String()
	return "objects/" + text[:2] + "/" + text[2:]
}

// put writes an object under its own name.
func (r *testRepo) put(k kind, data string) id {
	r.t.Helper()
	name := nameOf(k, data)
	r.putAs(name, fmt.Sprintf("%s %d\x00%s", k, len(data), data))
	return name
}

// putAs files whatever it is given under a name.
func (r *testRepo) putAs(name id, content string) {
	r.t.Helper()
	r.file(loosePath(name), deflate(content))
}

func (r *testRepo) blob(data string) id { return r.put(kindBlob, data) }

// tree writes a tree; the entries are given as "MODE NAME" to id.
func (r *testRepo) tree(entries map[string]id) id {
	r.t.Helper()
	return r.put(kindTree, treeData(entries))
}

func treeData(entries map[string]id) string {
	heads := make([]string, 0, len(entries))
	for head := range entries {
		heads = append(heads, head)
	}
	key := func(head string) string {
		mode, name, _ := strings.Cut(head, " ")
		if mode == "40000" {
			name += "/"
		}
		return name
	}
	sort.Slice(heads, func(i, j int) bool { return key(heads[i]) < key(heads[j]) })
	var b strings.Builder
	for _, head := range heads {
		one := entries[head]
		b.WriteString(head + "\x00" + string(one[:idSize]))
	}
	return b.String()
}

// commit writes a commit at a time in Unix seconds.
func (r *testRepo) commit(tree id, seconds int64, parents ...id) id {
	r.t.Helper()
	return r.put(kindCommit, commitData(tree, seconds, parents...))
}

func commitData(tree id, seconds int64, parents ...id) string {
	var b strings.Builder
	fmt.Fprintf(&b, "tree %s\n", tree)
	for _, p := range parents {
		fmt.Fprintf(&b, "parent %s\n", p)
	}
	fmt.Fprintf(&b, "author A U Thor <a@example.org> 1 +0000\n")
	fmt.Fprintf(&b, "committer C O Mitter <c@example.org> %d +0200\n\nmessage\n", seconds)
	return b.String()
}

// open opens the repository.
func (r *testRepo) open() *Repository {
	r.t.Helper()
	o := NewOpener(Options{})
	r.t.Cleanup(func() { o.Close() })
	repo, err := o.OpenPath(r.t.Context(), r.dir)
	if err != nil {
		r.t.Fatal(err)
	}
	return repo
}

// fsAt opens the file system of a commit.
func (r *testRepo) fsAt(commit id) *Tree {
	r.t.Helper()
	c, err := r.open().Commit(r.t.Context(), commit.String())
	if err != nil {
		r.t.Fatal(err)
	}
	tree, err := c.FS(r.t.Context(), ".")
	if err != nil {
		r.t.Fatal(err)
	}
	return tree
}

// packItem is one object of a pack that a test writes. With base, it is a delta
// on the item of that index (offset delta), or on the object of that name.
type packItem struct {
	kind   kind
	data   string // content, or the delta's instructions with their header
	base   int
	baseID id
	size   int64 // the size to claim; 0: the true one
}

// packData writes a pack and returns the offsets of its objects too.
func packData(items []packItem) ([]byte, []int64) {
	out := []byte(packSignature)
	out = binary.BigEndian.AppendUint32(out, uint32(len(items)))
	var offsets []int64
	for _, item := range items {
		offset := int64(len(out))
		offsets = append(offsets, offset)
		size := item.size
		if size == 0 {
			size = int64(len(item.data))
		}
		out = appendEntry(out, item.kind, size)
		switch item.kind {
		case kindOffsetDelta:
			out = appendBackward(out, offset-offsets[item.base])
		case kindNameDelta:
			out = append(out, item.baseID[:idSize]...)
		}
		out = append(out, deflate(item.data)...)
	}
	sum := sha1.Sum(out)
	return append(out, sum[:]...), offsets
}

func appendEntry(out []byte, k kind, size int64) []byte {
	b := byte(k)<<4 | byte(size&15)
	for size >>= 4; size > 0; size >>= 7 {
		out = append(out, b|0x80)
		b = byte(size & 0x7f)
	}
	return append(out, b)
}

func appendBackward(out []byte, back int64) []byte {
	raw := []byte{byte(back & 0x7f)}
	for back >>= 7; back > 0; back >>= 7 {
		back--
		raw = append([]byte{byte(back&0x7f) | 0x80}, raw...)
	}
	return append(out, raw...)
}

// deltaData writes a delta that copies a run of the base and inserts a text.
func deltaData(baseSize, from, run int, insert string) string {
	out := binary.AppendUvarint(nil, uint64(baseSize))
	out = binary.AppendUvarint(out, uint64(run+len(insert)))
	for run > 0 {
		n := min(run, 0xffffff)
		out = append(out, 0xff)
		out = binary.LittleEndian.AppendUint32(out, uint32(from))
		out = append(out, byte(n), byte(n>>8), byte(n>>16))
		from, run = from+n, run-n
	}
	for len(insert) > 0 {
		n := min(len(insert), 127)
		out = append(append(out, byte(n)), insert[:n]...)
		insert = insert[n:]
	}
	return string(out)
}

// addPack puts a pack into the repository through the indexer.
func (r *testRepo) addPack(items []packItem) {
	r.t.Helper()
	data, _ := packData(items)
	f := &folder{path: r.dir, lock: func() (func() error, error) { return func() error { return nil }, nil }}
	if err := f.create(""); err != nil {
		r.t.Fatal(err)
	}
	if err := f.addPack(r.t.Context(), bytes.NewReader(data), maxFetch); err != nil {
		r.t.Fatal(err)
	}
}

// writeTemp writes a file and returns its name.
func writeTemp(t testing.TB, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}
