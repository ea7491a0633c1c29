package source

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// victim is a commit with one tarball in one folder.
type victim struct {
	*testRepo
	commitID, rootID, treeID, blobID id
}

const tarball = "the published root file system"

func newVictim(t testing.TB) victim {
	r := newTestRepo(t)
	v := victim{testRepo: r, blobID: r.blob(tarball)}
	v.treeID = r.tree(map[string]id{"100644 rootfs.tar": v.blobID})
	v.rootID = r.tree(map[string]id{"40000 x86_64": v.treeID})
	v.commitID = r.commit(v.rootID, 1000)
	return v
}

// readVictim does all that a trace does: the commit, its trees, the file.
func (v victim) read() (string, error) {
	o := NewOpener(Options{})
	defer o.Close()
	repo, err := o.OpenPath(v.t.Context(), v.dir)
	if err != nil {
		return "", err
	}
	c, err := repo.Commit(v.t.Context(), v.commitID.String())
	if err != nil {
		return "", err
	}
	tree, err := c.FS(v.t.Context(), "x86_64")
	if err != nil {
		return "", err
	}
	data, err := tree.ReadFile("rootfs.tar")
	return string(data), err
}

func header(k kind, data string) string { return fmt.Sprintf("%s %d\x00%s", k, len(data), data) }

func TestEveryObjectOnTheWayIsHashed(t *testing.T) {
	if got, err := newVictim(t).read(); got != tarball || err != nil {
		t.Fatalf("the untouched repository: %q, %v", got, err)
	}
	evil := func(v victim) id { return v.blob("evil") }
	evilTree := func(v victim) string { return treeData(map[string]id{"100644 rootfs.tar": evil(v)}) }
	for name, attack := range map[string]struct {
		of      kind
		as      string
		content func(v victim) string
	}{
		"another file under the tarball's name":  {kindBlob, "blob", func(v victim) string { return header(kindBlob, "evil") }},
		"one bit of the tarball flipped":         {kindBlob, "blob", func(v victim) string { return header(kindBlob, "T"+tarball[1:]) }},
		"a byte appended to the tarball":         {kindBlob, "blob", func(v victim) string { return header(kindBlob, tarball+"\n") }},
		"a byte appended, the header as it was":  {kindBlob, "blob", func(v victim) string { return header(kindBlob, tarball) + "\n" }},
		"the tarball's last byte missing":        {kindBlob, "blob", func(v victim) string { return header(kindBlob, tarball[:len(tarball)-1]) }},
		"the tarball cut, the header as it was":  {kindBlob, "blob", func(v victim) string { return header(kindBlob, tarball)[:20] }},
		"an empty file under the tarball's name": {kindBlob, "blob", func(v victim) string { return header(kindBlob, "") }},
		"another tree under the folder's name":   {kindTree, "tree", func(v victim) string { return header(kindTree, evilTree(v)) }},
		"an empty tree under the folder's name":  {kindTree, "tree", func(v victim) string { return header(kindTree, "") }},
		"another commit under the commit's name": {kindCommit, "commit", func(v victim) string { return header(kindCommit, commitData(v.rootID, 999)) }},
		"a commit with another tree":             {kindCommit, "commit", func(v victim) string { return header(kindCommit, commitData(v.treeID, 1000)) }},
		"a commit whose header says another length": {kindCommit, "commit", func(v victim) string {
			return strings.Replace(header(kindCommit, commitData(v.rootID, 1000)), "commit 1", "commit 2", 1)
		}},
		"a size that is no number":      {kindBlob, "", func(v victim) string { return "blob 0x" + header(kindBlob, tarball)[5:] }},
		"the tarball's bytes as a tree": {kindBlob, "", func(v victim) string { return header(kindTree, tarball) }},
		"a header of no known type":     {kindBlob, "", func(v victim) string { return "blub 4\x00evil" }},
		"a header without an end":       {kindBlob, "", func(v victim) string { return strings.Repeat("blob ", 100) }},
		"a negative size":               {kindBlob, "", func(v victim) string { return "blob -1\x00" + tarball }},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVictim(t)
			target := map[kind]id{kindBlob: v.blobID, kindTree: v.treeID, kindCommit: v.commitID}[attack.of]
			v.putAs(target, attack.content(v))
			got, err := v.read()
			checkRefused(t, got, err, attack.as, target)
		})
	}
}

// checkRefused wants a *MismatchError of the type or, where as is "", ErrMalformed.
func checkRefused(t *testing.T, got string, err error, as string, target id) {
	t.Helper()
	if as == "" {
		if !errors.Is(err, ErrMalformed) {
			t.Errorf("%q, %v; want ErrMalformed", got, err)
		}
		return
	}
	var mismatch *MismatchError
	if !errors.As(err, &mismatch) {
		t.Fatalf("%q, %v; want a MismatchError", got, err)
	}
	if mismatch.Type != as || mismatch.Want != target.String() || mismatch.Got == mismatch.Want || mismatch.Collision {
		t.Errorf("%+v; want type %s of %s", mismatch, as, target)
	}
	if want := fmt.Sprintf("git %s %s does not hash to its name: it is %s", as, target, mismatch.Got); mismatch.Error() != want {
		t.Errorf("message %q, want %q", mismatch.Error(), want)
	}
}

func TestDamagedLooseFilesAreErrors(t *testing.T) {
	v := newVictim(t)
	whole := deflate(header(kindBlob, tarball))
	for name, content := range map[string]string{
		"empty": "", "not zlib": "garbage that is no zlib", "cut in the header": whole[:8], "cut before the checksum": whole[:len(whole)-4],
		"checksum wrong": whole[:len(whole)-1] + string(whole[len(whole)-1]^1),
	} {
		v.file(loosePath(v.blobID), content)
		if got, err := v.read(); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %q, %v; want ErrMalformed", name, got, err)
		}
	}
}

func TestTheSwappedPackIsFoundOut(t *testing.T) {
	v := newVictim(t)
	if err := os.Remove(filepath.Join(v.dir, loosePath(v.blobID))); err != nil {
		t.Fatal(err)
	}
	if _, err := v.read(); !errors.Is(err, ErrObjectAbsent) {
		t.Fatalf("without the tarball: %v; want ErrObjectAbsent", err)
	}
	v.addPack([]packItem{{kind: kindBlob, data: tarball}})
	if got, err := v.read(); got != tarball || err != nil {
		t.Fatalf("the tarball in a pack: %q, %v", got, err)
	}
	evil, _ := packData([]packItem{{kind: kindBlob, data: strings.ToUpper(tarball)}})
	packs, _ := filepath.Glob(filepath.Join(v.dir, "objects/pack/*.pack"))
	if err := os.WriteFile(packs[0], evil, 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := v.read()
	checkRefused(t, got, err, "blob", v.blobID)
}

func TestAReaderThatStopsEarlyWasToldNothing(t *testing.T) {
	v := newVictim(t)
	v.putAs(v.blobID, header(kindBlob, "evil"))
	f, err := v.fsAt(v.commitID).Open("x86_64/rootfs.tar")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	var mismatch *MismatchError
	if string(data) != "evil" || !errors.As(err, &mismatch) {
		t.Errorf("%q, %v; want the bytes as they come and a MismatchError in place of EOF", data, err)
	}
	if n, again := f.Read(make([]byte, 8)); n != 0 || !errors.As(again, &mismatch) {
		t.Errorf("reading on gives %d, %v; want the same error", n, again)
	}
}

// colliding is a hash that has seen a collision.
type colliding struct{ bytes.Buffer }

func (c *colliding) Sum(b []byte) []byte { return append(b, make([]byte, 20)...) }
func (c *colliding) Size() int           { return 20 }
func (c *colliding) BlockSize() int      { return 64 }
func (c *colliding) CollisionResistantSum(b []byte) ([]byte, bool) {
	return c.Sum(b), true
}

func TestADetectedCollisionIsAnErrorEvenWhenTheNameFits(t *testing.T) {
	o := &object{kind: kindBlob, size: 1, ReadCloser: io.NopCloser(strings.NewReader("x"))}
	_, err := io.ReadAll(&verifier{object: o, hash: &colliding{}, left: 1})
	var mismatch *MismatchError
	if !errors.As(err, &mismatch) || !mismatch.Collision || !strings.Contains(err.Error(), "collision attack") {
		t.Errorf("%v; want a MismatchError that names the collision", err)
	}
}

func TestObjectsOverTheirBoundAreNotRead(t *testing.T) {
	for _, k := range []kind{kindBlob, kindTree, kindCommit, kindTag} {
		at := &object{kind: k, size: k.limit(), ReadCloser: io.NopCloser(strings.NewReader(""))}
		if _, err := verified(at, id{}, k); err != nil {
			t.Errorf("a %s of %d bytes: %v", k, k.limit(), err)
		}
		over := &object{kind: k, size: k.limit() + 1, ReadCloser: io.NopCloser(strings.NewReader(""))}
		var limit *LimitError
		if _, err := verified(over, id{}, k); !errors.As(err, &limit) || limit.Limit != k.limit() {
			t.Errorf("a %s of %d bytes: %v; want a LimitError", k, k.limit()+1, err)
		}
	}
	v := newVictim(t)
	v.putAs(v.blobID, fmt.Sprintf("blob %d\x00x", int64(maxBlob)+1))
	var limit *LimitError
	if _, err := v.read(); !errors.As(err, &limit) || limit.Limit != 512<<20 {
		t.Errorf("a file that says it is over 512 MiB: %v; want a LimitError", err)
	}
}

func TestOnlyFullIDsAreTaken(t *testing.T) {
	v := newVictim(t)
	repo := v.open()
	for given, want := range map[string]string{
		"master": "not a full git object id", "7d63673": "not a full git object id", "": "not a full git object id",
		strings.Repeat("g", 40): "not a full git object id",
	} {
		if _, err := repo.Commit(t.Context(), given); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Commit(%q): %v; want %q", given, err, want)
		}
	}
	if _, err := repo.Commit(t.Context(), strings.Repeat("0a", 32)); !errors.Is(err, ErrObjectFormat) {
		t.Errorf("a SHA-256 id: %v; want ErrObjectFormat", err)
	}
	if _, err := repo.Commit(t.Context(), strings.Repeat("0a", 20)); !errors.Is(err, ErrObjectAbsent) {
		t.Errorf("an id that names nothing: %v; want ErrObjectAbsent", err)
	}
	if _, err := repo.Commit(t.Context(), v.blobID.String()); !errors.Is(err, ErrMalformed) {
		t.Errorf("a blob's id as a commit: %v; want ErrMalformed", err)
	}
}

func TestAPipeInPlaceOfAnObjectDoesNotHang(t *testing.T) {
	v := newVictim(t)
	path := filepath.Join(v.dir, loosePath(v.blobID))
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := v.read(); !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), "regular file") {
		t.Errorf("%v; want ErrMalformed", err)
	}
}
