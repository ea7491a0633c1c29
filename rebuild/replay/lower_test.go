package replay

import (
	"archive/tar"
	"crypto/sha256"
	"errors"
	"io/fs"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"github.com/imageverify/verify/checksums"
	"github.com/imageverify/verify/provenance/dockerfile"
)

// lowerFile is a file below, as a copy of a file of that content makes it.
func lowerFile(name, content string) checksums.Entry {
	return checksums.Entry{Path: name, Type: tar.TypeReg, Mode: 0o644, Size: int64(len(content)),
		ModTime: someTime, Digest: sha256.Sum256([]byte(content))}
}

func mark(dir string, mode int64) checksums.Entry {
	return checksums.Entry{Path: dir + "/.wh..wh..opq", Type: tar.TypeReg, Mode: mode, ModTime: time.Unix(0, 0), Digest: sha256.Sum256(nil)}
}

func TestNothingHidesBehindAFileThatIsWrittenAgain(t *testing.T) {
	same, backdoor := lowerFile("etc/f", "f"), lowerFile("etc/backdoor", "x")
	later := same
	later.ModTime = someTime.Add(time.Hour)
	setuid := same
	setuid.Mode = 0o4644
	owned := same
	owned.UID = 7
	symbolic := lowerLink("etc/f", "/evil")
	whiteout := lowerFile("etc/.wh.passwd", "")
	opaque := mark("etc", 0o755)
	in := Input{Directive: copyOf("/etc/", "f"), Dialect: BuildKit, Umask: 0o022,
		Context: fstest.MapFS{"f": {Data: []byte("f"), Mode: 0o644}},
		Lower:   below(lowerDir("etc", 0o755), same, lowerFile("etc/passwd", "root"))}
	etc := lowerDir("etc", 0o755)
	for _, c := range []struct {
		name  string
		layer []checksums.Entry
		want  []string
	}{
		{"the file unchanged", []checksums.Entry{etc, same}, nil},
		{"the file with the time of its copy", []checksums.Entry{etc, later}, nil},
		{"nothing", nil, nil},
		{"the directory alone", []checksums.Entry{etc}, nil},
		{"other content", []checksums.Entry{etc, lowerFile("etc/f", "g")}, []string{"etc/f: 0 644 0:0 1 \"\" 0:0 map[] 252f10c83610, image has 0 644 0:0 1 \"\" 0:0 map[] cd0aa9856147"}},
		{"another mode", []checksums.Entry{etc, setuid}, []string{"etc/f: 0 644 0:0 1 \"\" 0:0 map[] 252f10c83610, image has 0 4644 0:0 1 \"\" 0:0 map[] 252f10c83610"}},
		{"another owner", []checksums.Entry{etc, owned}, []string{"etc/f: 0 644 0:0 1 \"\" 0:0 map[] 252f10c83610, image has 0 644 7:0 1 \"\" 0:0 map[] 252f10c83610"}},
		{"a link in its place", []checksums.Entry{etc, symbolic}, []string{"etc/f: 0 644 0:0 1 \"\" 0:0 map[] 252f10c83610, image has 2 777 0:0 0 \"/evil\" 0:0 map[] 000000000000"}},
		{"a backdoor beside it", []checksums.Entry{etc, same, backdoor}, []string{"etc/backdoor is only in the image"}},
		{"a backdoor instead of it", []checksums.Entry{etc, backdoor}, []string{"etc/backdoor is only in the image"}},
		{"the file twice", []checksums.Entry{etc, same, same}, []string{"etc/f is there twice"}},
		{"another file removed", []checksums.Entry{etc, same, whiteout}, []string{"etc/.wh.passwd is only in the image"}},
		{"all other files removed", []checksums.Entry{etc, opaque, same}, []string{"etc/.wh..wh..opq is only in the image"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			result, err := Layer(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			defer result.Close()
			if got := differences(result, c.layer, Times(time.Time{}, BuildKit)); !slices.Equal(got, c.want) {
				t.Errorf("differences %q, want %q", got, c.want)
			}
		})
	}
}

func TestOnlyWhatTheLayersBelowHaveAsItIsMayBeLacking(t *testing.T) {
	context := fstest.MapFS{
		"k":       {Data: []byte("k"), Mode: 0o644},
		"sub":     {Mode: fs.ModeDir | 0o755},
		"sub/d":   {Mode: fs.ModeDir | 0o755},
		"sub/d/g": {Data: []byte("g"), Mode: 0o644},
		"sub/h":   {Data: []byte("h"), Mode: 0o644},
	}
	q, d := lowerDir("q", 0o755), lowerDir("q/d", 0o755)
	all := below(q, d, lowerFile("q/d/g", "g"), lowerFile("q/h", "h"))
	hard := lowerFile("q/h", "")
	hard.Type, hard.Link, hard.Size, hard.Digest = tar.TypeLink, "other", 0, [32]byte{}
	for _, c := range []struct {
		name      string
		directive dockerfile.Directive
		lower     func(...string) (map[string]checksums.Entry, error)
		want      []string
	}{
		{"all is below", copyOf("/q/", "sub"), all, []string{"q", "q/d", "q/d/g", "q/h"}},
		{"one file is another", copyOf("/q/", "sub"), below(q, d, lowerFile("q/d/g", "G"), lowerFile("q/h", "h")), []string{"q/h"}},
		{"one file is longer", copyOf("/q/", "sub"), below(q, d, lowerFile("q/d/g", "g"), lowerFile("q/h", "hh")), []string{"q/d", "q/d/g"}},
		{"a folder has another mode", copyOf("/q/", "sub"), below(q, lowerDir("q/d", 0o700), lowerFile("q/d/g", "g"), lowerFile("q/h", "h")), []string{"q/d/g", "q/h"}},
		{"a file is a hard link", copyOf("/q/", "sub"), below(q, d, lowerFile("q/d/g", "g"), hard, lowerFile("other", "h")), []string{"q", "q/d", "q/d/g", "q/h"}},
		{"a file is a hard link to another file", copyOf("/q/", "sub"), below(q, d, lowerFile("q/d/g", "g"), hard, lowerFile("other", "x")), []string{"q/d", "q/d/g"}},
		{"a file is a hard link to nothing", copyOf("/q/", "sub"), below(q, d, lowerFile("q/d/g", "g"), hard), []string{"q/d", "q/d/g"}},
		{"nothing is below", copyOf("/q/", "sub"), nil, nil},
		{"--link does not see what is below", linked(copyOf("/q/", "sub")), all, nil},
	} {
		result, err := Layer(t.Context(), Input{Directive: c.directive, Context: context, Lower: c.lower, Dialect: BuildKit, Umask: 0o022})
		if err != nil || !slices.Equal(result.Optional, c.want) {
			t.Errorf("%s: %+v (error %v), want optional %q", c.name, result, err, c.want)
		}
		result.Close()
	}
	result, err := Layer(t.Context(), Input{Directive: copyOf("/q/", "sub"), Context: context, Lower: all, Dialect: Classic, Umask: 0o022})
	if err != nil || len(result.Optional) > 0 {
		t.Errorf("classic: %+v (error %v), want nothing optional", result, err)
	}
}

func linked(d dockerfile.Directive) dockerfile.Directive {
	d.Copy.Link = true
	return d
}

func TestFilesOfAnArchiveMayBeLackingIfTheirTimesAreAsBelow(t *testing.T) {
	data := makeTar(t, map[string]string{"x": "1"}, file("x", 0o644))
	clamped, other := lowerFile("x", "1"), lowerFile("x", "1")
	clamped.ModTime, other.ModTime = someTime.Add(-time.Hour), someTime.Add(-2*time.Hour)
	for _, c := range []struct {
		name  string
		lower checksums.Entry
		want  []string
	}{
		{"the same", lowerFile("x", "1"), []string{"x"}},
		{"set to the source date in the layer below", clamped, []string{"x"}},
		{"another", other, nil},
	} {
		result, err := Layer(t.Context(), Input{Directive: addOf("/", "a.tar"), Context: archiveContext(data), Lower: below(c.lower),
			Dialect: BuildKit, Created: clamped.ModTime})
		if err != nil || !slices.Equal(result.Optional, c.want) {
			t.Errorf("%s: %+v (error %v), want optional %q", c.name, result, err, c.want)
		}
		result.Close()
	}
}

func TestOfAHardLinkedFileAllNamesAreBelowOrTheFirstIsNot(t *testing.T) {
	data := makeTar(t, map[string]string{"a": "1"}, file("a", 0o644), hardlink("b", "a"))
	link := checksums.Entry{Path: "b", Type: tar.TypeLink, Link: "a", ModTime: someTime}
	for _, c := range []struct {
		name  string
		lower []checksums.Entry
		want  []string // nil: not to be replayed
	}{
		{"both names", []checksums.Entry{lowerFile("a", "1"), link}, []string{"?0 644 0:0 a #1 @1460000000", "?1 644 0:0 b -> a @1460000000"}},
		{"the second name", []checksums.Entry{lowerFile("b", "1")}, []string{"0 644 0:0 a #1 @1460000000", "?1 644 0:0 b -> a @1460000000"}},
		{"the first name", []checksums.Entry{lowerFile("a", "1")}, nil},
	} {
		got, err := play(t, Input{Directive: addOf("/", "a.tar"), Context: archiveContext(data), Lower: below(c.lower...), Dialect: BuildKit})
		var no *NotReplayable
		if c.want == nil && (!errors.As(err, &no) || no.Reason != SameAsLower) || c.want != nil && err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q (error %v), want %q", c.name, got, err, c.want)
		}
	}
}

// What real builders wrote: Docker 20.10's two on overlay2, and buildkitd.
func TestDirectoriesThatReplaceSomethingAreMarkedAsBuildersDo(t *testing.T) {
	const refused = "refused"
	d, s := lowerDir("d", 0o750), lowerDir("d/s", 0o750)
	contents := map[string]string{"d": "file", "d/g": "g", "d/s": "file", "d/s/f2": "other", "app/f": "f", "d/n/g": "g"}
	for _, c := range []struct {
		name     string
		lower    []checksums.Entry
		headers  []tar.Header
		classic  []string
		buildkit []string
	}{
		{"a directory over a file", []checksums.Entry{lowerFile("d", "file")}, []tar.Header{folder("d", 0o750), file("d/g", 0o640)},
			[]string{"5 750 0:0 d @1460000000", "?0 750 0:0 d/.wh..wh..opq @0", "0 640 0:0 d/g #1 @1460000000"}, nil},
		{"a directory over a link to one", []checksums.Entry{lowerLink("d", "e"), lowerDir("e", 0o750)}, []tar.Header{folder("d", 0o1750), file("d/g", 0o640)},
			[]string{"5 1750 0:0 d @1460000000", "?0 750 0:0 d/.wh..wh..opq @0", "0 640 0:0 d/g #1 @1460000000"}, nil},
		{"a directory removed and made again", []checksums.Entry{d, lowerFile("d/f1", "1"), s}, []tar.Header{file("d", 0o640), folder("d", 0o750), file("d/g", 0o640)},
			[]string{"5 750 0:0 d @1460000000", "0 750 0:0 d/.wh..wh..opq @0", "0 640 0:0 d/g #1 @1460000000"}, []string{refused}},
		{"an inner directory removed and made again", []checksums.Entry{d, s, lowerFile("d/s/f2", "2")}, []tar.Header{file("d/s", 0o640), folder("d/s", 0o750), file("d/s/f2", 0o640)},
			[]string{"5 750 0:0 d", "5 750 0:0 d/s @1460000000", "0 750 0:0 d/s/.wh..wh..opq @0", "0 640 0:0 d/s/f2 #5 @1460000000"}, []string{refused}},
		{"a file over a directory", []checksums.Entry{d, s}, []tar.Header{file("d", 0o640)}, []string{"0 640 0:0 d #4 @1460000000"}, nil},
		{"a link over a directory", []checksums.Entry{d, s}, []tar.Header{symlink("d", "x")}, []string{"2 777 0:0 d -> x @1460000000"}, nil},
		{"a directory over a directory", []checksums.Entry{d, s}, []tar.Header{folder("d", 0o700)}, []string{"5 700 0:0 d @1460000000"}, nil},
		{"a new directory", []checksums.Entry{lowerDir("x", 0o755)}, []tar.Header{folder("app", 0o755), file("app/f", 0o644)},
			[]string{"5 755 0:0 app @1460000000", "?0 755 0:0 app/.wh..wh..opq @0", "0 644 0:0 app/f #1 @1460000000"}, nil},
		{"new directories in one below", []checksums.Entry{d}, []tar.Header{folder("d/n", 0o750), folder("d/n/m", 0o750)},
			[]string{"5 750 0:0 d", "5 750 0:0 d/n @1460000000", "?0 750 0:0 d/n/.wh..wh..opq @0", "5 750 0:0 d/n/m @1460000000"}, nil},
		{"a file of the mark's name", []checksums.Entry{lowerDir("x", 0o755)}, []tar.Header{folder("d", 0o755), file("d/.wh..wh..opq", 0o755)}, []string{refused}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := Input{Directive: addOf("/", "a.tar"), Context: archiveContext(makeTar(t, contents, c.headers...)), Lower: below(c.lower...)}
			for _, in.Dialect = range []string{Classic, BuildKit} {
				want := c.classic
				if in.Dialect == BuildKit && c.buildkit != nil {
					want = c.buildkit
				}
				got, err := play(t, in)
				var no *NotReplayable
				if errors.As(err, &no) && no.Reason == ArchiveUnusual {
					got, err = []string{refused}, nil
				}
				if err != nil || !slices.Equal(got, want) {
					t.Errorf("%s:\n got %q (error %v)\nwant %q", in.Dialect, got, err, want)
				}
			}
		})
	}
}

func TestAFolderThatReplacesAFileIsMarked(t *testing.T) {
	context := fstest.MapFS{"sub": {Mode: fs.ModeDir | 0o755}, "sub/d": {Mode: fs.ModeDir | 0o755}, "sub/d/g": {Data: []byte("g"), Mode: 0o644}}
	got, err := play(t, Input{Directive: chowned(copyOf("/", "sub"), "7:8"), Context: context, Lower: below(lowerFile("d", "file")), Dialect: Classic, Umask: 0o022})
	want := []string{"5 755 7:8 d", "?0 755 7:8 d/.wh..wh..opq @0", "0 644 7:8 d/g #1"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q (error %v), want %q", got, err, want)
	}
}
