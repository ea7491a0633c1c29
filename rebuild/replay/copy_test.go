package replay

import (
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/imageverify/verify/checksums"
	"github.com/imageverify/verify/provenance/dockerfile"
)

func TestFilesAndFoldersAreCopiedAsBuildersDo(t *testing.T) {
	context := fstest.MapFS{
		"run":       {Data: []byte("run"), Mode: 0o755},
		"a.txt":     {Data: []byte("a"), Mode: 0o644},
		"b.txt":     {Data: []byte("bb"), Mode: 0o644},
		"dir/f":     {Data: []byte("f"), Mode: 0o644},
		"dir/sub/g": {Data: []byte("g"), Mode: 0o644},
		"dir/link":  {Data: []byte("f"), Mode: fs.ModeSymlink | 0o777},
		"tofile":    {Data: []byte("dir/f"), Mode: fs.ModeSymlink | 0o777},
		"todir":     {Data: []byte("/dir"), Mode: fs.ModeSymlink | 0o777},
		"dir":       {Mode: fs.ModeDir | 0o755},
		"dir/sub":   {Mode: fs.ModeDir | 0o755},
	}
	usrBin := below(lowerDir("usr", 0o755), lowerDir("usr/bin", 0o755))
	chmodded := copyOf("/x/run", "run")
	chmodded.Copy.Chmod = "0755"
	linked := copyOf("/usr/bin", "run")
	linked.Copy.Link = true
	inline := dockerfile.Directive{Name: "COPY", Copy: &dockerfile.Copy{Dest: "/etc/motd", Sources: []string{"EOF"}, Inline: map[string]string{"EOF": "hi\n"}}}
	for _, c := range []struct {
		name      string
		directive dockerfile.Directive
		lower     func(...string) (map[string]checksums.Entry, error)
		umask     fs.FileMode
		classic   []string
		buildkit  []string // nil: as classic
	}{
		{"a file to a name", copyOf("/x", "run"), nil, 0o022, []string{"0 755 0:0 x #3"}, nil},
		{"umask 002", copyOf("/x/", "run"), nil, 0o002, []string{"5 755 0:0 x", "0 775 0:0 x/run #3"}, nil},
		{"a directory below makes the destination a directory", copyOf("/usr/bin", "run"), usrBin, 0o022,
			[]string{"5 755 0:0 usr @1460000000", "5 755 0:0 usr/bin", "0 755 0:0 usr/bin/run #3"}, nil},
		{"nothing below makes it a file", copyOf("/usr/bin", "run"), nil, 0o022,
			[]string{"5 755 0:0 usr", "0 755 0:0 usr/bin #3"}, nil},
		{"--link does not see what is below", linked, usrBin, 0o022, []string{"5 755 0:0 usr", "0 755 0:0 usr/bin #3"}, nil},
		{"a folder's content is copied, not the folder", copyOf("/d", "dir"), nil, 0o022,
			[]string{"5 755 0:0 d", "0 644 0:0 d/f #1", "2 777 0:0 d/link -> f", "5 755 0:0 d/sub", "0 644 0:0 d/sub/g #1"}, nil},
		{"folders below keep their attributes, folders inside do not", copyOf("/", "dir"), below(lowerDir("sub", 0o700)), 0o022,
			[]string{"0 644 0:0 f #1", "2 777 0:0 link -> f", "5 755 0:0 sub", "0 644 0:0 sub/g #1"}, nil},
		{"a linked file is copied under the link's name", copyOf("/d/", "tofile"), nil, 0o022,
			[]string{"5 755 0:0 d", "0 644 0:0 d/tofile #1"}, nil},
		{"a linked folder is followed", copyOf("/d/", "todir/sub"), nil, 0o022, []string{"5 755 0:0 d", "0 644 0:0 d/g #1"}, nil},
		{"wildcards", copyOf("/d/", "*.txt"), nil, 0o022, []string{"5 755 0:0 d", "0 644 0:0 d/a.txt #1", "0 644 0:0 d/b.txt #2"}, nil},
		{"a destination that is a link is followed", copyOf("/l", "run"), below(lowerLink("l", "t"), lowerDir("t", 0o755)), 0o022,
			[]string{"5 755 0:0 t", "0 755 0:0 t/run #3"}, nil},
		{"--chown of a file owns what is made for it", chowned(copyOf("/x/y/run", "run"), "7:8"), nil, 0o022,
			[]string{"5 755 7:8 x", "5 755 7:8 x/y", "0 755 7:8 x/y/run #3"}, nil},
		{"--chown with a user alone", chowned(copyOf("/run", "run"), "7"), nil, 0o022, []string{"0 755 7:7 run #3"}, nil},
		{"--chown of a folder", chowned(copyOf("/x/y", "dir/sub"), "7:8"), nil, 0o022,
			[]string{"5 755 0:0 x", "5 755 7:8 x/y", "0 644 7:8 x/y/g #1"},
			[]string{"5 755 7:8 x", "5 755 7:8 x/y", "0 644 7:8 x/y/g #1"}},
		{"--chmod", chmodded, nil, 0o022, []string{"5 755 0:0 x", "0 755 0:0 x/run #3"}, nil},
		{"a here-document", inline, below(lowerDir("etc", 0o755)), 0o022, []string{"5 755 0:0 etc", "0 644 0:0 etc/motd #3"}, nil},
		{"WORKDIR makes what is missing", workdir("/a/b"), below(lowerDir("a", 0o711)), 0o022,
			[]string{"5 711 0:0 a", "5 755 0:0 a/b", "?0 755 0:0 a/b/.wh..wh..opq @0"}, nil},
		{"WORKDIR that exists leaves nothing", workdir("/a"), below(lowerDir("a", 0o711)), 0o022, nil, nil},
		{"WORKDIR after USER", dockerfile.Directive{Name: "WORKDIR", WorkingDir: "/w", User: "7"}, nil, 0o022,
			[]string{"5 755 0:0 w"}, []string{"5 755 7:7 w"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, dialect := range []string{Classic, BuildKit} {
				want := c.classic
				if dialect == BuildKit && c.buildkit != nil {
					want = c.buildkit
				}
				got, err := play(t, Input{Directive: c.directive, Context: context, Lower: c.lower, Umask: c.umask, Dialect: dialect})
				if err != nil || !slices.Equal(got, want) {
					t.Errorf("%s:\n got %q (error %v)\nwant %q", dialect, got, err, want)
				}
			}
		})
	}
}

func TestIgnoredFilesAreNotCopiedUnlessTheContextWasAnArchive(t *testing.T) {
	context := fstest.MapFS{
		".dockerignore": {Data: []byte("*\n!keep\n"), Mode: 0o644},
		"keep":          {Mode: 0o644},
		"drop":          {Mode: 0o644},
	}
	for _, c := range []struct {
		dialect string
		piped   bool
		want    []string
	}{
		{Classic, false, []string{"0 644 0:0 keep"}},
		{BuildKit, false, []string{"0 644 0:0 keep"}},
		{Classic, true, []string{"0 644 0:0 drop", "0 644 0:0 keep"}}, // the daemon removes the list itself
		{BuildKit, true, []string{"0 644 0:0 .dockerignore", "0 644 0:0 drop", "0 644 0:0 keep"}},
	} {
		got, err := play(t, Input{Directive: copyOf("/", "."), Context: context, Dialect: c.dialect, Piped: c.piped, Umask: 0o022})
		for i, line := range got {
			got[i], _, _ = strings.Cut(line, " #")
		}
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s, piped %v: got %q (error %v), want %q", c.dialect, c.piped, got, err, c.want)
		}
	}
}

func TestModesAreStampedWhereTheUmaskDecidesOne(t *testing.T) {
	data := makeTar(t, map[string]string{"x": "1"}, file("x", 0o644))
	context := fstest.MapFS{
		"one.tar": {Data: data, Mode: 0o644}, "two.tar": {Data: data, Mode: 0o644}, "no.tar": {Data: []byte("text"), Mode: 0o644},
		"links/l": {Data: []byte("x"), Mode: fs.ModeSymlink | 0o777}, "links": {Mode: fs.ModeDir | 0o755},
		"dirs/d": {Mode: fs.ModeDir | 0o755}, "dirs": {Mode: fs.ModeDir | 0o755},
		"implied/d/l": {Data: []byte("x"), Mode: fs.ModeSymlink | 0o777}, ".dockerignore": {Data: []byte("implied/d\n!implied/d/l\n"), Mode: 0o644},
	}
	chmodded := copyOf("/x", "no.tar")
	chmodded.Copy.Chmod = "644"
	inline := dockerfile.Directive{Name: "COPY", Copy: &dockerfile.Copy{Dest: "/x", Sources: []string{"EOF"}, Inline: map[string]string{"EOF": "hi"}}}
	kept := copyOf("/", "no.tar")
	for _, c := range []struct {
		name      string
		directive dockerfile.Directive
		dialect   string
		asFound   bool
		want      bool
	}{
		{"archives that a wildcard names", addOf("/", "*o.tar"), BuildKit, false, true}, // no.tar is none
		{"archives that another wildcard names", addOf("/", "[ot]*.tar"), BuildKit, false, false},
		{"a file that only has an archive's name", addOf("/", "no.tar"), BuildKit, false, true},
		{"an archive and a file", addOf("/", "one.tar", "no.tar"), Classic, false, true},
		{"an archive that is copied", copyOf("/", "one.tar"), Classic, false, true},
		{"a file with the context's own mode", kept, Classic, true, false},
		{"a file with --chmod", chmodded, BuildKit, false, false},
		{"a here-document", inline, BuildKit, false, false},
		{"links", copyOf("/", "links"), BuildKit, false, false},
		{"a directory", copyOf("/", "dirs"), BuildKit, false, true},
		{"a directory that a classic context has no entry for", copyOf("/", "implied"), Classic, false, false},
		{"WORKDIR", workdir("/a"), BuildKit, false, false},
	} {
		result, err := Layer(t.Context(), Input{Directive: c.directive, Context: context, Dialect: c.dialect, Umask: 0o022, AsFound: c.asFound})
		if err != nil || result.Stamped != c.want {
			t.Errorf("%s: %+v (error %v), want stamped %v", c.name, result, err, c.want)
		}
		result.Close()
	}
}
