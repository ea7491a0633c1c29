package library

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/imageverify/verify/provenance/source"
)

// commitOf is one state of the library's files, by name.
type commitOf map[string]string

// newLibrary writes a bare repository with a commit for each state, a day
// apart, and returns its path.
func newLibrary(t *testing.T, states ...commitOf) string {
	t.Helper()
	path := t.TempDir()
	repo, err := git.PlainInit(path, true)
	if err != nil {
		t.Fatal(err)
	}
	var head plumbing.Hash
	for i, files := range states {
		head = addCommit(t, repo, head, day(i+1), files)
	}
	if err := repo.Storer.SetReference(plumbing.NewHashReference("refs/heads/master", head)); err != nil {
		t.Fatal(err)
	}
	return path
}

type encoder interface {
	Encode(plumbing.EncodedObject) error
}

func store(t *testing.T, repo *git.Repository, e encoder) plumbing.Hash {
	t.Helper()
	o := repo.Storer.NewEncodedObject()
	if err := e.Encode(o); err != nil {
		t.Fatal(err)
	}
	name, err := repo.Storer.SetEncodedObject(o)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func addCommit(t *testing.T, repo *git.Repository, parent plumbing.Hash, when time.Time, files commitOf) plumbing.Hash {
	t.Helper()
	var tree object.Tree
	for name, text := range files {
		o := repo.Storer.NewEncodedObject()
		o.SetType(plumbing.BlobObject)
		w, err := o.Writer()
		if err != nil {
			t.Fatal(err)
		}
		w.Write([]byte(text))
		w.Close()
		blob, err := repo.Storer.SetEncodedObject(o)
		if err != nil {
			t.Fatal(err)
		}
		tree.Entries = append(tree.Entries, object.TreeEntry{Name: name, Mode: filemode.Regular, Hash: blob})
	}
	sortEntries(tree.Entries)
	root := object.Tree{Entries: []object.TreeEntry{{Name: folder, Mode: filemode.Dir, Hash: store(t, repo, &tree)}}}
	who := object.Signature{Name: "n", Email: "m", When: when}
	c := object.Commit{Author: who, Committer: who, Message: "x", TreeHash: store(t, repo, &root)}
	if !parent.IsZero() {
		c.ParentHashes = []plumbing.Hash{parent}
	}
	return store(t, repo, &c)
}

func sortEntries(entries []object.TreeEntry) {
	for i := range entries {
		for j := i; j > 0 && entries[j].Name < entries[j-1].Name; j-- {
			entries[j], entries[j-1] = entries[j-1], entries[j]
		}
	}
}

func fileOf(tag, commit string) string {
	return "Maintainers: x\nGitRepo: https://example.org/x\n\nTags: " + tag + "\nGitCommit: " + commit + "\n"
}

// memory is a cache that counts.
type memory struct {
	records    map[string][]byte
	gets, puts int
}

func (m *memory) Get(kind string, version int, key string) ([]byte, error) {
	m.gets++
	if data, ok := m.records[key]; ok && kind == indexKind && version == indexVersion {
		return data, nil
	}
	return nil, fs.ErrNotExist
}

func (m *memory) Put(_ string, _ int, key string, data []byte) error {
	m.puts++
	m.records[key] = data
	return nil
}

func TestCandidatesAreReadFromTheRepository(t *testing.T) {
	path := newLibrary(t,
		commitOf{"one": fileOf("1, latest", commitA), "two": fileOf("x", commitA)},
		commitOf{"one": fileOf("1, latest", commitB), "two": fileOf("x", commitA)},
		commitOf{"one": "this cannot be read: 1, latest\n", "two": fileOf("x", commitA)},
		commitOf{"one": fileOf("2, latest", commitC), "two": fileOf("x", commitA)},
		commitOf{"two": fileOf("x", commitA)},
	)
	cache := &memory{records: map[string][]byte{}}
	for _, round := range []string{"cold", "warm"} {
		l, err := Open(t.Context(), path, Options{Cache: cache})
		if err != nil {
			t.Fatal(err)
		}
		if _, when := l.Head(); !when.Equal(day(5)) || l.Location() != path {
			t.Errorf("head of %v at %s", when, l.Location())
		}
		for tag, want := range map[string]string{
			"1":      "b 2-4 0, a 1-2 1",
			"2":      "c 4-5 0",
			"latest": "c 4-5 0, b 2-4 1, a 1-2 2",
		} {
			c, err := l.Candidates(t.Context(), "one", tag, "amd64")
			if got := shown(c); got != want || err != nil {
				t.Errorf("%s: one:%s: %s, %v; want %s", round, tag, got, err, want)
			}
			if len(c) > 0 && c[0].File != "library/one" {
				t.Errorf("file %q", c[0].File)
			}
		}
		if c, err := l.Candidates(t.Context(), "two", "x", "amd64"); shown(c) != "a 1-now 0!" || err != nil {
			t.Errorf("%s: two:x: %s, %v", round, shown(c), err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
	if cache.gets != 2 || cache.puts != 1 {
		t.Errorf("%d gets and %d puts, want the index made once and read once", cache.gets, cache.puts)
	}
}

func TestWhatTheLibraryNeverHadIsToldApart(t *testing.T) {
	l, err := Open(t.Context(), newLibrary(t, commitOf{"one": fileOf("1", commitA)}), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range []struct {
		image, tag, arch string
		want             error
		text             string
	}{
		{"none", "1", "amd64", ErrNoImage, "none: image is not in the official library and never was"},
		{"../one", "1", "amd64", ErrNoImage, "../one: image is not in the official library and never was"},
		{"one", "2", "amd64", ErrNoTag, "one:2 for amd64: tag is not in the official library and never was"},
		{"one", "1", "s390x", ErrNoTag, "one:1 for s390x: tag is not in the official library and never was"},
	} {
		c, err := l.Candidates(t.Context(), one.image, one.tag, one.arch)
		if !errors.Is(err, one.want) || err.Error() != one.text || c != nil {
			t.Errorf("%s:%s: %v, %v", one.image, one.tag, c, err)
		}
	}
}

func TestADamagedRecordIsMadeAgain(t *testing.T) {
	path := newLibrary(t, commitOf{"one": fileOf("1", commitA)})
	cache := &memory{records: map[string][]byte{}}
	if _, err := Open(t.Context(), path, Options{Cache: cache}); err != nil {
		t.Fatal(err)
	}
	for key, data := range cache.records {
		data[3] ^= 1
		cache.records[key] = data
	}
	l, err := Open(t.Context(), path, Options{Cache: cache})
	if err != nil {
		t.Fatal(err)
	}
	if c, err := l.Candidates(t.Context(), "one", "1", "amd64"); shown(c) != "a 1-now 0!" || err != nil || cache.puts != 2 {
		t.Errorf("%s, %v after %d puts", shown(c), err, cache.puts)
	}
}

func TestWhatIsNoLibraryIsRefused(t *testing.T) {
	if _, err := Open(t.Context(), t.TempDir(), Options{}); !errors.Is(err, source.ErrNotRepository) {
		t.Errorf("%v; want ErrNotRepository", err)
	}
	if _, err := Open(t.Context(), newLibrary(t, commitOf{}), Options{}); err == nil || !strings.Contains(err.Error(), "never had a folder named library") {
		t.Errorf("an empty repository: %v", err)
	}
}
