package replay

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/imageverify/verify/checksums"
	"github.com/imageverify/verify/provenance/dockerfile"
)

// stageOver is a stage over layers, lowest first.
func stageOver(t testing.TB, layers ...[]written) *Stage {
	t.Helper()
	var base []Below
	for _, l := range layers {
		base = append(base, belowOf(t, []byte(archiveOf(t, nil, l))))
	}
	s := NewStage(t.Context(), base, nil, checksums.Limits{})
	t.Cleanup(func() { s.Close() })
	return s
}

// listing shows a tree, a line a path: type, owner, content or link.
func listing(t testing.TB, fsys fs.FS) []string {
	t.Helper()
	var out []string
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		line := name
		switch mode := info.Mode(); {
		case mode.IsDir():
			line += "/"
		case mode&fs.ModeSymlink != 0:
			target, err := fs.ReadLink(fsys, name)
			if err != nil {
				return err
			}
			line += " -> " + target
		case mode.IsRegular():
			data, err := fs.ReadFile(fsys, name)
			if err != nil {
				return err
			}
			line += "=" + string(data)
		}
		out = append(out, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func treeOf(t testing.TB, s *Stage) fs.FS {
	t.Helper()
	tree, err := s.FS()
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func TestAStagesTreeIsThatOfItsLayers(t *testing.T) {
	dir := func(name string) written { return written{name: name, mode: dirBit | 0o755} }
	reg := func(name, text string) written { return written{name: name, mode: 0o644, text: text} }
	for _, c := range []struct {
		name   string
		layers [][]written
		want   []string
	}{
		{"nothing", nil, nil},
		{"one layer", [][]written{{dir("d/"), reg("d/a", "1"), {name: "l", mode: linkBit, text: "d/a"}}}, []string{"d/", "d/a=1", "l -> d/a"}},
		{"a file replaced", [][]written{{reg("a", "1")}, {reg("a", "2")}}, []string{"a=2"}},
		{"a file removed", [][]written{{dir("d/"), reg("d/a", "1"), reg("d/b", "1")}, {reg("d/.wh.a", "")}}, []string{"d/", "d/b=1"}},
		{"a folder removed", [][]written{{dir("d/"), reg("d/a", "1")}, {reg(".wh.d", "")}}, nil},
		{"removed and made again in one layer", [][]written{{reg("+", "old"), reg("a", "old")}, {reg("+", "new"), reg(".wh.+", ""), reg(".wh.a", ""), reg("a", "new")}}, []string{"+=new", "a=new"}},
		{"an opaque folder", [][]written{{dir("d/"), reg("d/a", "1"), reg("d/b", "1")}, {dir("d/"), reg("d/+", "2"), reg("d/.wh..wh..opq", "")}}, []string{"d/", "d/+=2"}},
		{"a file over a folder", [][]written{{dir("d/"), reg("d/a", "1")}, {reg("d", "2")}}, []string{"d=2"}},
		{"a folder over a file", [][]written{{reg("d", "1")}, {dir("d/"), reg("d/a", "2")}}, []string{"d/", "d/a=2"}},
		{"a folder over a folder", [][]written{{dir("d/"), reg("d/a", "1")}, {dir("d/"), reg("d/b", "2")}}, []string{"d/", "d/a=1", "d/b=2"}},
		{"a hard link in one layer", [][]written{{reg("b", "1"), reg("a=b", "")}}, []string{"a=1", "b=1"}},
		{"a hard link into the layer below", [][]written{{reg("b", "1")}, {reg("a=b", "")}}, []string{"a=1", "b=1"}},
		{"folders that no layer has", [][]written{{reg("d/e/a", "1")}}, []string{"d/", "d/e/", "d/e/a=1"}},
		{"names that leave the root", [][]written{{reg("../a", "1"), reg("b", "1")}}, []string{"b=1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := stageOver(t, c.layers...)
			got := listing(t, treeOf(t, s))
			if !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
			for _, line := range got { // the other way to look
				name, text, isFile := strings.Cut(line, "=")
				name = strings.TrimSuffix(strings.Split(name, " -> ")[0], "/")
				if found, err := s.Lower(name); (err != nil || len(found) != 1) && c.name != "folders that no layer has" {
					t.Errorf("%s: Lower finds %v (error %v)", name, found, err)
				}
				if data, err := readAll(s.Open(name)); isFile && (err != nil || data != text) {
					t.Errorf("%s: Open gives %q (error %v)", name, data, err)
				}
			}
		})
	}
	s := stageOver(t, []written{reg("a", "1"), dir("d/"), reg("d/b", "1")}, []written{reg(".wh.a", ""), reg("d/.wh..wh..opq", "")})
	for _, gone := range []string{"a", "d/b", "never"} {
		if found, err := s.Lower(gone); err != nil || len(found) > 0 {
			t.Errorf("%s: Lower finds %v (error %v)", gone, found, err)
		}
		if _, err := s.Open(gone); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: Open: error %v", gone, err)
		}
	}
}

func readAll(r io.ReadCloser, err error) (string, error) {
	if err != nil {
		return "", err
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	return string(data), err
}

func TestTheTreeKeepsTheFileSystemsLaws(t *testing.T) {
	s := stageOver(t, []written{{name: "d/", mode: dirBit | 0o755}, {name: "d/a", mode: 0o640, text: "a"}, {name: "d/e/", mode: dirBit | 0o755}, {name: "b", mode: 0o755, text: "bb"}})
	if err := fstest.TestFS(treeOf(t, s), "d/a", "b", "d/e"); err != nil {
		t.Error(err)
	}
}

func TestWhatIsPlayedIsBelowWhatFollows(t *testing.T) {
	context := fstest.MapFS{"f": {Data: []byte("f"), Mode: 0o644}, "d/g": {Data: []byte("gg"), Mode: 0o755}, "d": {Mode: fs.ModeDir | 0o755},
		"h.tar": {Data: []byte(archiveOf(t, nil, []written{{name: "w/l=w/f", mode: 0o600}})), Mode: 0o644}}
	for _, dialect := range []string{Classic, BuildKit} {
		s := stageOver(t, []written{{name: "base", mode: 0o644, text: "base"}})
		var last *Played
		for _, d := range []dockerfile.Directive{workdir("/w"), copyOf("/w/", "f"), copyOf("/w/d", "d"), addOf("/", "h.tar")} {
			var err error
			if last, err = s.Play(Input{Directive: d, Context: context, Dialect: dialect, Umask: 0o022}); err != nil {
				t.Fatal(err)
			}
		}
		want := []string{"base=base", "w/", "w/d/", "w/d/g=gg", "w/f=f", "w/l=f"}
		if got := listing(t, treeOf(t, s)); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", dialect, got, want)
		}
		// The last layer repeats f, whose bytes are those of an earlier one.
		var layer bytes.Buffer
		if _, err := last.Write(t.Context(), Stamp{}, &layer); err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, e := range readEntries(t, layer.Bytes()) {
			names = append(names, fmt.Sprintf("%s %o %s", e.head.Name, e.head.Mode&0o777, e.data))
		}
		if want := []string{"w/ 755 ", "w/f 600 f", "w/l 600 "}; !slices.Equal(names, want) {
			t.Errorf("%s: the last layer has %q, want %q", dialect, names, want)
		}
	}
}

func TestCopiesFromAStageKeepWhatEachBuilderKeeps(t *testing.T) {
	from := stageOver(t, []written{
		{name: "s/", mode: dirBit | 0o710, owner: 3}, {name: "s/suid", mode: fs.ModeSetuid | 0o755, text: "s", owner: 5, attrs: map[string]string{capability: "cap"}},
		{name: "s/h=s/suid", mode: 0o755}, {name: "s/l", mode: linkBit, text: "suid", owner: 7}, {name: "s/block", mode: fs.ModeDevice | 0o660}, {name: "s/fifo", mode: fs.ModeNamedPipe | 0o600},
	})
	tree := treeOf(t, from)
	with := func(d dockerfile.Directive) dockerfile.Directive { d.Copy.From = "other"; return d }
	for _, c := range []struct {
		name              string
		directive         dockerfile.Directive
		classic, buildkit []string
	}{
		{"a folder", with(copyOf("/x", "s")),
			[]string{"5 755 0:0 x", "4 660 0:0 x/block @1450000000", "6 600 0:0 x/fifo @1450000000", "0 4755 5:6 x/h #1 @1450000000 +security.capability", "2 777 7:8 x/l -> suid @1450000000", "1 4755 5:6 x/suid -> x/h @1450000000 +security.capability"},
			[]string{"5 755 0:0 x @1450000000", "3 660 0:0 x/block @1450000000", "6 600 0:0 x/fifo @1450000000", "0 4755 5:6 x/h #1 @1450000000 +security.capability", "2 777 7:8 x/l -> suid @1450000000", "1 4755 5:6 x/suid -> x/h @1450000000 +security.capability"}},
		{"a file", with(copyOf("/", "s/h")), []string{"0 4755 5:6 h #1 @1450000000"}, []string{"0 4755 5:6 h #1 @1450000000 +security.capability"}},
		{"with another owner", with(chowned(copyOf("/x", "s/l"), "9")), []string{"0 755 9:9 x #1 @1450000000"}, []string{"0 4755 9:9 x #1 @1450000000 +security.capability"}},
	} {
		for _, dialect := range []string{Classic, BuildKit} {
			want := c.classic
			if dialect == BuildKit && c.buildkit != nil {
				want = c.buildkit
			}
			got, err := play(t, Input{Directive: c.directive, From: tree, Dialect: dialect})
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%s, %s:\n got %q (error %v)\nwant %q", c.name, dialect, got, err, want)
			}
		}
	}
}

func TestNamesOfOwnersAreLookedUpAsEachBuilderDoes(t *testing.T) {
	passwd := "root:x:0:0::/:/bin/sh\napp:x:1000:1234::/:\nweb:x:33:34::/:\n"
	group := "root:x:0:\napp:x:1001:\nstaff:x:50:\n"
	withFiles := stageOver(t, []written{{name: "etc/", mode: dirBit | 0o755}, {name: "etc/passwd", mode: 0o644, text: passwd}, {name: "etc/group", mode: linkBit, text: "../g"}, {name: "g", mode: 0o644, text: group}})
	large := stageOver(t, []written{{name: "etc/passwd", mode: 0o644, text: passwd + strings.Repeat("\n", maxUserFile+1-len(passwd))}, {name: "etc/group", mode: 0o644, text: group}})
	full := stageOver(t, []written{{name: "etc/passwd", mode: 0o644, text: passwd + strings.Repeat("\n", maxUserFile-len(passwd))}, {name: "etc/group", mode: 0o644, text: group}})
	const refused = "refused"
	for _, c := range []struct {
		owner             string
		stage             *Stage
		classic, buildkit string
	}{
		{"app", withFiles, "1000:1001", "1000:1234"},
		{"app:staff", withFiles, "1000:50", "1000:50"},
		{"app:7", withFiles, "1000:7", "1000:7"},
		{"7:staff", withFiles, "7:50", "7:50"},
		{"7", withFiles, "7:7", "7:7"},
		{"app:", withFiles, refused, "1000:1234"},
		{"web", withFiles, refused, "33:34"},
		{"nobody", withFiles, refused, "0:0"},
		{"root", withFiles, "0:0", "0:0"},
		{"a:b:c", withFiles, refused, "0:0"},
		{"-1", withFiles, refused, "0:0"},
		{"4294967296", withFiles, refused, "0:0"},
		{"app", stageOver(t), refused, "0:0"},
		{"app:staff", full, "1000:50", "1000:50"},
		{"app:staff", large, refused, refused},
	} {
		for dialect, want := range map[string]string{Classic: c.classic, BuildKit: c.buildkit} {
			p, err := c.stage.Play(Input{Directive: chowned(copyOf("/x", "f"), c.owner), Context: fstest.MapFS{"f": {Mode: 0o644}}, Dialect: dialect})
			got := refused
			if err == nil {
				n, _ := p.player.tree.find("x")
				got = fmt.Sprintf("%d:%d", n.ino.entry.UID, n.ino.entry.GID)
				c.stage.levels = c.stage.levels[:len(c.stage.levels)-1]
			}
			var no *NotReplayable
			if got != want || err != nil && (!errors.As(err, &no) || no.Reason != ChownName) {
				t.Errorf("%s, %s: %s (error %v), want %s", dialect, c.owner, got, err, want)
			}
		}
	}
}

func TestWhatIsNotAtHandBelowIsNotReplayed(t *testing.T) {
	below := belowOf(t, []byte(archiveOf(t, nil, []written{{name: "f", mode: 0o644, text: "f"}})))
	links := archiveContext([]byte(archiveOf(t, nil, []written{{name: "l=f", mode: 0o644}})))
	for name, open := range map[string]func() (io.ReadCloser, error){
		"no contents":    nil,
		"another layer":  func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("")), nil },
		"a broken layer": func() (io.ReadCloser, error) { return io.NopCloser(brokenReader{}), nil },
		"no such blob":   func() (io.ReadCloser, error) { return nil, fs.ErrNotExist },
		"another file": func() (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader(archiveOf(t, nil, []written{{name: "f", text: "longer", mode: 0o644}}))), nil
		},
		"nothing of a file": func() (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader(archiveOf(t, nil, []written{{name: "f/", mode: dirBit | 0o755}}))), nil
		},
	} {
		s := NewStage(t.Context(), []Below{{Index: below.Index, Open: open}}, nil, checksums.Limits{})
		p, err := s.Play(Input{Directive: addOf("/", "a.tar"), Context: links, Dialect: Classic})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Write(t.Context(), Stamp{}, io.Discard); err == nil {
			t.Errorf("%s: no error", name)
		}
		if _, err := p.Index(t.Context()); err != nil {
			t.Errorf("%s: the entries are known without contents, and: %v", name, err)
		}
		s.Close()
	}
}

func TestADirectoryRemovedAndMadeAgainHidesWhatWasInIt(t *testing.T) {
	dir := func(name string) written { return written{name: name, mode: dirBit | 0o755} }
	reg := func(name, text string) written { return written{name: name, mode: 0o644, text: text} }
	base := []written{dir("d/"), reg("d/a", "a"), reg("d/same", "s"), dir("d/sub/"), reg("d/sub/x", "x"), reg("d/sub/y", "y"), dir("d/z/"), reg("d/z/deep", "z"), dir("e/"), reg("e/f", "f")}
	again := archiveOf(t, nil, []written{reg("d", ""), dir("d/"), reg("d/+", "new"), reg("d/same", "s"), dir("d/sub/"), reg("d/sub/y", "new"), reg("d/z", "a file"), reg("e", ""), dir("e/"), reg("e/f", "f")})
	in := Input{Directive: addOf("/", "a.tar"), Context: archiveContext([]byte(again)), Dialect: BuildKit}
	for _, c := range []struct {
		format Format
		want   []string
	}{
		{FormatBuildKit, []string{"d/", "d/+", "d/.wh.a", "d/sub/", "d/sub/.wh.x", "d/sub/y", "d/z"}},
		{FormatDocker, []string{"d/", "d/.wh..wh..opq", "d/+", "d/same", "d/sub/", "d/sub/y", "d/z", "e/", "e/.wh..wh..opq", "e/f"}},
	} {
		s := stageOver(t, base)
		p, err := s.Play(in)
		if err != nil {
			t.Fatal(err)
		}
		var layer bytes.Buffer
		if _, err := p.Write(t.Context(), Stamp{Format: c.format}, &layer); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range readEntries(t, layer.Bytes()) {
			got = append(got, e.head.Name)
			if strings.HasPrefix(e.head.Name, "d/.wh.a") && (e.head.Mode != 0 || e.head.ModTime.Unix() != 0) {
				t.Errorf("%s has mode %o, time %v", e.head.Name, e.head.Mode, e.head.ModTime)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.format, got, c.want)
		}
		tree := []string{"d/", "d/+=new", "d/same=s", "d/sub/", "d/sub/y=new", "d/z=a file", "e/", "e/f=f"}
		if got := listing(t, treeOf(t, s)); !slices.Equal(got, tree) {
			t.Errorf("%s: the tree is %q, want %q", c.format, got, tree)
		}
		over := stageOver(t, base)
		over.Add(belowOf(t, layer.Bytes()))
		if got := listing(t, treeOf(t, over)); !slices.Equal(got, tree) {
			t.Errorf("%s: the layer over its base makes %q, want %q", c.format, got, tree)
		}
	}
	in.Lower = stageOver(t, base).Lower // and nothing to list it by
	var no *NotReplayable
	if _, err := WriteLayer(t.Context(), in, Stamp{}, io.Discard); !errors.As(err, &no) || no.Reason != ArchiveUnusual {
		t.Errorf("a base that cannot be listed: error %v", err)
	}
}

func TestLayersBelowThatMakeNoSenseEndInAnError(t *testing.T) {
	for name, layer := range map[string][]written{
		"a link to itself":  {{name: "l=l", mode: 0o644}},
		"links in a circle": {{name: "l=m", mode: 0o644}, {name: "m=l", mode: 0o644}},
		"a link to nothing": {{name: "l=m", mode: 0o644}},
		"a link outside":    {{name: "l=../../m", mode: 0o644}},
	} {
		s := stageOver(t, layer)
		if _, err := s.Open("l"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: Open: error %v", name, err)
		}
		tree, err := s.FS()
		if err == nil {
			_, err = fs.ReadFile(tree, "l")
		}
		if err == nil {
			t.Errorf("%s: it can be read", name)
		}
	}
}

func TestLayersBelowAreBounded(t *testing.T) {
	data := []byte(archiveOf(t, nil, []written{{name: "a", mode: 0o644, text: "1234"}, {name: "b", mode: 0o644, text: "5678"}}))
	for _, c := range []struct {
		limits checksums.Limits
		what   string
	}{
		{checksums.Limits{Entries: 2, Unpacked: int64(len(data))}, ""},
		{checksums.Limits{Entries: 1}, "entries"},
		{checksums.Limits{Unpacked: 1024}, "unpacked bytes"},
	} {
		b := belowOf(t, data)
		s := NewStage(t.Context(), []Below{b}, nil, c.limits)
		_, err := readAll(s.Open("b"))
		var limit *checksums.LimitError
		if c.what == "" && err != nil || c.what != "" && (!errors.As(err, &limit) || limit.What != c.what) {
			t.Errorf("%+v: error %v, want %q", c.limits, err, c.what)
		}
		s.Close()
	}
	huge := belowLayer{Below: Below{Open: func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(sparseArchive(t, "--format=posix"))), nil
	}},
		limits: checksums.Limits{Entries: 10, PathBytes: 100, Unpacked: 1 << 20}}
	var limit *checksums.LimitError
	if _, err := huge.open("holes"); !errors.As(err, &limit) || limit.What != "bytes of content" {
		t.Errorf("a file of holes: error %v", err)
	}
}

func TestContentsAreKeptInMemoryOrInAFile(t *testing.T) {
	opened := 0
	open := func() (*os.File, error) { opened++; return checksums.TempFile() }
	for _, c := range []struct{ size, files int }{{0, 0}, {spoolMemory, 0}, {spoolMemory + 1, 1}, {2*spoolMemory + 5, 1}} {
		opened = 0
		s := &spool{openFile: open}
		data := bytes.Repeat([]byte("0123456789abcdef"), c.size/16+1)[:c.size]
		for part := range slices.Chunk(data, 100_000) {
			if n, err := s.Write(part); n != len(part) || err != nil {
				t.Fatal(n, err)
			}
		}
		if got, err := io.ReadAll(io.NewSectionReader(s, 0, s.size)); err != nil || !bytes.Equal(got, data) || opened != c.files {
			t.Errorf("%d bytes: read %d (error %v), %d files, want %d", c.size, len(got), err, opened, c.files)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	full := errors.New("no space")
	in := Input{Directive: addOf("/", "a.tar"), Dialect: Classic, Context: archiveContext([]byte(archiveOf(t, nil, []written{{name: "f", mode: 0o644, text: strings.Repeat("x", spoolMemory+1)}}))),
		Spill: func() (*os.File, error) { return nil, full }}
	var spoolErr *SpoolError
	if _, err := Play(t.Context(), in); !errors.As(err, &spoolErr) || !errors.Is(err, full) {
		t.Errorf("no file to be had: error %v", err)
	}
}

func TestTheHostsNamesAreWrittenWhereTheyAreGiven(t *testing.T) {
	data := archiveOf(t, nil, []written{{name: "f", mode: 0o644, owner: 7}, {name: "old/", mode: dirBit | 0o755, owner: 7}})
	names := func(uid, gid int) (string, string) { return fmt.Sprint("u", uid), fmt.Sprint("g", gid) }
	var layer bytes.Buffer
	_, err := WriteLayer(t.Context(), Input{Directive: addOf("/", "a.tar"), Context: archiveContext([]byte(data)), Dialect: Classic, Lower: below(lowerFile("old", "file"))}, Stamp{Names: names}, &layer)
	if err != nil {
		t.Fatal(err)
	}
	entries := readEntries(t, layer.Bytes())
	if len(entries) != 3 {
		t.Errorf("%d entries", len(entries))
	}
	for _, e := range entries {
		if e.head.Uname != "u7" || e.head.Gname != "g8" {
			t.Errorf("%s has %q, %q", e.head.Name, e.head.Uname, e.head.Gname)
		}
	}
}

// What buildkitd leaves out, and Docker's BuildKit and older kernels write.
func TestEachFormatHasTheEntriesOfItsWriter(t *testing.T) {
	context := fstest.MapFS{"f": {Data: []byte("f"), Mode: 0o644}}
	s := stageOver(t, []written{{name: "d/", mode: dirBit | 0o755}})
	date := Stamp{SourceDate: someTime}
	play := func(dest string) *Played {
		p, err := s.Play(Input{Directive: copyOf(dest, "f"), Context: context, Dialect: BuildKit, Umask: 0o022})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	first, again := play("/d/n/f"), play("/d/n/f")
	for _, c := range []struct {
		name  string
		p     *Played
		stamp Stamp
		want  []string
	}{
		{"BuildKit", first, date, []string{"d/ 755", "d/n/ 755", "d/n/f 644"}},
		{"Docker", first, Stamp{Format: FormatDocker}, []string{"d/ 40755", "d/n/ 40755", "d/n/f 100644"}},
		{"Docker on an older kernel", first, Stamp{Format: FormatDocker, MarkNew: true}, []string{"d/ 40755", "d/n/ 40755", "d/n/.wh..wh..opq 755", "d/n/f 100644"}},
		{"BuildKit, the same again", again, date, nil},
		{"BuildKit, times unknown", again, Stamp{}, nil},
		{"BuildKit, the same at another time", again, Stamp{Time: func(string) (time.Time, bool) { return someTime, true }}, []string{"d/ 755", "d/n/ 755", "d/n/f 644"}},
		{"Docker, the same again", again, Stamp{Format: FormatDocker}, []string{"d/ 40755", "d/n/ 40755", "d/n/f 100644"}},
	} {
		var layer bytes.Buffer
		if _, err := c.p.Write(t.Context(), c.stamp, &layer); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range readEntries(t, layer.Bytes()) {
			got = append(got, fmt.Sprintf("%s %o", e.head.Name, e.head.Mode))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
