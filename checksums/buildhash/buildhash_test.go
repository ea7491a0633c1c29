package buildhash

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// slowSum is the hash straight from the documented format: headers as a tar
// would have them, one entry at a time, everything in memory.
func slowSum(context fstest.MapFS, v Variant, sources ...string) string {
	entry := func(name string) string {
		f := context[name]
		h := tar.Header{Name: v.Prefix + name, Mode: v.Mode(info(f)), Typeflag: tar.TypeReg, Size: int64(len(f.Data)), Uname: v.Owner, Gname: v.Owner}
		if f.Mode.IsDir() {
			h.Name, h.Typeflag, h.Size = h.Name+"/", tar.TypeDir, 0
		}
		text := fmt.Sprintf("name%smode%duid%dgid%dsize%dtypeflag%clinkname%suname%sgname%sdevmajor%ddevminor%d",
			h.Name, h.Mode, h.Uid, h.Gid, h.Size, h.Typeflag, h.Linkname, h.Uname, h.Gname, h.Devmajor, h.Devminor)
		return fmt.Sprintf("%x", sha256.Sum256(append([]byte(text), f.Data...)))
	}
	var all []string
	for _, source := range sources {
		if source != "." && !context[source].Mode.IsDir() {
			all = append(all, "file:"+entry(source))
			continue
		}
		var in []string
		for name := range context {
			if source == "." || name == source || strings.HasPrefix(name, source+"/") {
				in = append(in, entry(name))
			}
		}
		slices.Sort(in)
		all = append(all, fmt.Sprintf("dir:%x", sha256.Sum256([]byte(strings.Join(in, ",")))))
	}
	if len(all) == 1 {
		return all[0]
	}
	return fmt.Sprintf("multi:%x", sha256.Sum256([]byte(strings.Join(all, ","))))
}

func info(f *fstest.MapFile) fs.FileInfo {
	i, err := fs.Stat(fstest.MapFS{"x": f}, "x")
	if err != nil {
		panic(err)
	}
	return i
}

func smallContext() fstest.MapFS {
	return fstest.MapFS{
		"Dockerfile": {Data: []byte("FROM scratch\n"), Mode: 0o644},
		"run.sh":     {Data: []byte("#!/bin/sh\n"), Mode: 0o755},
		"empty":      {Mode: 0o644},
		"d":          {Mode: fs.ModeDir | 0o755},
		"d/e":        {Mode: fs.ModeDir | 0o755},
		"d/e/f":      {Data: []byte("f"), Mode: 0o644},
		"d-e":        {Data: []byte("between"), Mode: 0o600},
	}
}

func TestSumsAreThoseOfTheDocumentedFormat(t *testing.T) {
	context := smallContext()
	for _, v := range Variants() {
		for _, sources := range [][]string{{"run.sh"}, {"empty"}, {"d"}, {"d/e"}, {"."}, {"run.sh", "empty"}, {"empty", "run.sh"}, {"d", "run.sh", "."}} {
			got, err := Sum(t.Context(), context, sources, v)
			if want := slowSum(context, v, sources...); err != nil || got != want {
				t.Errorf("%s, %v: %s (error %v), want %s", v.Name, sources, got, err, want)
			}
		}
	}
}

func TestASourceHasOneHashHoweverItIsWritten(t *testing.T) {
	context := smallContext()
	for _, c := range []struct {
		written []string
		means   []string
	}{
		{[]string{"/run.sh"}, []string{"run.sh"}},
		{[]string{"./d/../run.sh"}, []string{"run.sh"}},
		{[]string{"../run.sh"}, []string{"run.sh"}},
		{[]string{"d/"}, []string{"d"}},
		{[]string{"/"}, []string{"."}},
		{[]string{"*.sh"}, []string{"run.sh"}},
		{[]string{"[dr]*"}, []string{"d", "d-e", "run.sh"}},
		{[]string{"d/*/?"}, []string{"d/e/f"}},
	} {
		got, err := Sum(t.Context(), context, c.written, Variants()[0])
		if want := slowSum(context, Variants()[0], c.means...); err != nil || got != want {
			t.Errorf("%v: %s (error %v), want that of %v: %s", c.written, got, err, c.means, want)
		}
	}
}

func TestLinksAreFollowedInsideTheContextOnly(t *testing.T) {
	context := smallContext()
	link := func(target string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte(target), Mode: fs.ModeSymlink | 0o777}
	}
	linked := smallContext()
	for name, target := range map[string]string{"relative": "d/e/f", "absolute": "/d/e/f", "climbing": "../../d/e/f", "folder": "d",
		"twice": "folder/e/f", "through": "folder", "nowhere": "gone", "circle": "circle", "d/up": "../run.sh"} {
		linked[name] = link(target)
	}
	v := Variants()[0]
	for _, name := range []string{"relative", "absolute", "climbing", "twice", "through/e/f"} {
		got, err := Sum(t.Context(), linked, []string{name}, v)
		if want := slowSum(context, v, "d/e/f"); err != nil || got != want {
			t.Errorf("%s: %s (error %v), want %s", name, got, err, want)
		}
	}
	for name, want := range map[string]error{"nowhere": ErrNoSource, "circle": errTooManyLinks, "gone": ErrNoSource, "run.sh/x": ErrNoSource} {
		if sum, err := Sum(t.Context(), linked, []string{name}, v); !errors.Is(err, want) || sum != "" {
			t.Errorf("%s: %q, error %v, want %v", name, sum, err, want)
		}
	}
}

func TestMatchNamesTheVariantAndReadsEachFileOnce(t *testing.T) {
	counted := &countingFS{MapFS: smallContext(), opened: map[string]int{}}
	for _, v := range Variants() {
		got, ok, err := Match(t.Context(), counted, []string{"d", "run.sh", "d/e"}, slowSum(smallContext(), v, "d", "run.sh", "d/e"))
		if err != nil || !ok {
			t.Errorf("%s: not found (error %v)", v.Name, err)
		}
		if want := slowSum(smallContext(), v, "d", "run.sh", "d/e"); slowSum(smallContext(), got, "d", "run.sh", "d/e") != want {
			t.Errorf("%s: found as %q, which gives another hash", v.Name, got.Name)
		}
		for name, n := range counted.opened {
			if n != 1 && name != ignoreName {
				t.Errorf("%s: %s was opened %d times", v.Name, name, n)
			}
		}
		clear(counted.opened)
	}
	if _, ok, err := Match(t.Context(), counted, []string{"run.sh"}, "dir:00"); ok || err != nil || len(counted.opened) != 0 {
		t.Errorf("a hash of another kind: matched %v, error %v, opened %v", ok, err, counted.opened)
	}
}

type countingFS struct {
	fstest.MapFS
	opened map[string]int
}

func (c *countingFS) Open(name string) (fs.File, error) {
	if f := c.MapFS[name]; f != nil && f.Mode.IsRegular() {
		c.opened[name]++
	}
	return c.MapFS.Open(name)
}

func (c *countingFS) ReadDir(name string) ([]fs.DirEntry, error) { return c.MapFS.ReadDir(name) }
func (c *countingFS) Lstat(name string) (fs.FileInfo, error)     { return c.MapFS.Lstat(name) }
func (c *countingFS) ReadLink(name string) (string, error)       { return c.MapFS.ReadLink(name) }

func TestEveryChangeOfTheSourceIsRefused(t *testing.T) {
	sources := []string{"d", "run.sh"}
	want := slowSum(smallContext(), Variants()[0], sources...)
	if _, ok, err := Match(t.Context(), smallContext(), sources, want); !ok || err != nil {
		t.Fatalf("the unchanged context does not match (error %v)", err)
	}
	for name, change := range map[string]func(fstest.MapFS){
		"one bit of content":   func(c fstest.MapFS) { c["d/e/f"].Data = []byte("g") },
		"content longer":       func(c fstest.MapFS) { c["d/e/f"].Data = []byte("ff") },
		"content gone":         func(c fstest.MapFS) { c["d/e/f"].Data = nil },
		"executable":           func(c fstest.MapFS) { c["d/e/f"].Mode = 0o755 },
		"no longer executable": func(c fstest.MapFS) { c["run.sh"].Mode = 0o644 },
		"file added":           func(c fstest.MapFS) { c["d/new"] = &fstest.MapFile{Mode: 0o644} },
		"folder added":         func(c fstest.MapFS) { c["d/new"] = &fstest.MapFile{Mode: fs.ModeDir | 0o755} },
		"file removed":         func(c fstest.MapFS) { delete(c, "d/e/f") },
		"file renamed":         func(c fstest.MapFS) { c["d/e/g"] = c["d/e/f"]; delete(c, "d/e/f") },
		"file made a folder":   func(c fstest.MapFS) { c["d/e/f"] = &fstest.MapFile{Mode: fs.ModeDir | 0o755} },
		"file made a link": func(c fstest.MapFS) {
			c["d/e/f"] = &fstest.MapFile{Data: []byte("../../d-e"), Mode: fs.ModeSymlink | 0o777}
		},
	} {
		context := smallContext()
		change(context)
		if v, ok, err := Match(t.Context(), context, sources, want); ok || err != nil {
			t.Errorf("%s: matched as %q (error %v)", name, v.Name, err)
		}
	}
	for _, other := range []string{"", "multi:", "multi", want[:len(want)-1], want + "0", strings.ToUpper(want), strings.Replace(want, "multi:", "file:", 1)} {
		if _, ok, err := Match(t.Context(), smallContext(), sources, other); ok || err != nil {
			t.Errorf("%q: matched %v (error %v)", other, ok, err)
		}
	}
	if _, ok, _ := Match(t.Context(), smallContext(), []string{"run.sh", "d"}, want); ok {
		t.Error("the sources in another order matched")
	}
}

func TestSourcesThatCannotBeHashedAreErrors(t *testing.T) {
	files := smallContext()
	files["fifo"] = &fstest.MapFile{Mode: fs.ModeNamedPipe | 0o644}
	if _, err := Sum(t.Context(), files, []string{"fifo"}, Variants()[0]); !errors.Is(err, ErrNotHashed) {
		t.Errorf("a FIFO: error %v, want %v", err, ErrNotHashed)
	}
	if _, err := Sum(t.Context(), files, []string{"*.nothing"}, Variants()[0]); !errors.Is(err, ErrNoSource) {
		t.Errorf("a wildcard that matches nothing: error %v, want %v", err, ErrNoSource)
	}
	if _, _, err := Match(t.Context(), files, nil, "file:00"); !errors.Is(err, ErrNoSource) {
		t.Errorf("no source: error %v, want %v", err, ErrNoSource)
	}
	if _, err := Sum(t.Context(), growing{files}, []string{"run.sh"}, Variants()[0]); err == nil || !strings.Contains(err.Error(), "does not have the 9 bytes") {
		t.Errorf("a file longer than it says: error %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := Match(ctx, files, []string{"run.sh"}, "file:00"); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled context: error %v", err)
	}
}

// growing says that files are a byte shorter than they are.
type growing struct{ fstest.MapFS }

type shorter struct{ fs.FileInfo }

func (s shorter) Size() int64 { return s.FileInfo.Size() - 1 }

func (g growing) Lstat(name string) (fs.FileInfo, error) {
	i, err := g.MapFS.Lstat(name)
	return shorter{i}, err
}

func TestEntriesOfOneSourceAreBounded(t *testing.T) {
	c, err := NewContext(smallContext(), IgnoreClassic)
	if err != nil {
		t.Fatal(err)
	}
	visit := func(string, fs.FileInfo) error { return nil }
	c.maxEntries = len(smallContext()) + 1 // and the root
	if err := c.Walk(t.Context(), ".", visit); err != nil {
		t.Errorf("as many entries as allowed: %v", err)
	}
	c.maxEntries--
	if err := c.Walk(t.Context(), ".", visit); !errors.Is(err, errTooManyEntries) {
		t.Errorf("one entry more: error %v, want %v", err, errTooManyEntries)
	}
}
