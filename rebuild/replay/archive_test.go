package replay

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/imageverify/verify/checksums"
)

func TestArchivesAreUnpackedAsBuildersDo(t *testing.T) {
	device := tar.Header{Typeflag: tar.TypeChar, Name: "dev/null", Mode: 0o666, Devmajor: 1, Devminor: 3}
	withAttributes := file("ping", 0o4755)
	withAttributes.PAXRecords = map[string]string{"SCHILY.xattr.security.capability": strings.Repeat("c", 20), "SCHILY.xattr.user.note": "n"}
	owned := file("owned", 0o640)
	owned.Uid, owned.Gid, owned.Uname, owned.Gname = 7, 8, "lp", "lp"
	later := folder("d", 0o700)
	later.ModTime = someTime.Add(time.Hour)
	subsecond := file("x", 0o644)
	subsecond.ModTime = someTime.Add(999 * time.Millisecond)
	ancient := file("x", 0o644)
	ancient.ModTime = time.Unix(-5, 0)
	contents := map[string]string{"x": "1", "./x": "1", "/x": "1", "d/x": "1", "d/e/x": "1", "lib/x": "1", "b": "22", "d": "file", ".wh.x": ""}
	for _, c := range []struct {
		name    string
		dest    string
		lower   func(...string) (map[string]checksums.Entry, error)
		headers []tar.Header
		want    []string
	}{
		{"the root entry is dropped and ./ is gone", "/", nil,
			[]tar.Header{folder("./", 0o700), file("./x", 0o644)},
			[]string{"0 644 0:0 x #1 @1460000000"}},
		{"an absolute name stays inside", "/", nil,
			[]tar.Header{file("/x", 0o644)}, []string{"0 644 0:0 x #1 @1460000000"}},
		{"a destination is made, its time is not known", "/opt/", nil,
			[]tar.Header{file("x", 0o644)},
			[]string{"5 755 0:0 opt", "0 644 0:0 opt/x #1 @1460000000"}},
		{"a header named / speaks of the destination", "/opt/", nil,
			[]tar.Header{folder("/", 0o711), file("x", 0o644)},
			[]string{"5 711 0:0 opt @1460000000", "0 644 0:0 opt/x #1 @1460000000"}},
		{"directories that have no header are made", "/", nil,
			[]tar.Header{file("d/e/x", 0o644)},
			[]string{"5 755 0:0 d", "5 755 0:0 d/e", "0 644 0:0 d/e/x #1 @1460000000"}},
		{"the last of two files wins", "/", nil,
			[]tar.Header{file("x", 0o644), file("x", 0o600)}, []string{"0 600 0:0 x #1 @1460000000"}},
		{"a directory that comes again is updated and keeps its files", "/", nil,
			[]tar.Header{folder("d", 0o755), file("d/x", 0o644), later},
			[]string{"5 700 0:0 d @1460003600", "0 644 0:0 d/x #1 @1460000000"}},
		{"a file replaces a directory with all in it", "/", nil,
			[]tar.Header{file("d/x", 0o644), file("d", 0o600)}, []string{"0 600 0:0 d #4 @1460000000"}},
		{"a directory replaces a file", "/", nil,
			[]tar.Header{file("d", 0o600), folder("d", 0o755)}, []string{"5 755 0:0 d @1460000000"}},
		{"numeric owners count, names do not", "/", nil,
			[]tar.Header{owned}, []string{"0 640 7:8 owned @1460000000"}},
		{"setuid and capabilities stay, user attributes go", "/", nil,
			[]tar.Header{withAttributes}, []string{"0 4755 0:0 ping @1460000000 +security.capability"}},
		{"devices stay", "/", nil, []tar.Header{folder("dev", 0o755), device},
			[]string{"5 755 0:0 dev @1460000000", "3 666 0:0 dev/null @1460000000"}},
		{"times lose what is below a second", "/", nil, []tar.Header{subsecond}, []string{"0 644 0:0 x #1 @1460000000"}},
		{"times before 1970 become 1970", "/", nil, []tar.Header{ancient}, []string{"0 644 0:0 x #1 @0"}},
		{"links have mode 0777 and their target as written", "/", nil,
			[]tar.Header{symlink("l", "/../x")}, []string{"2 777 0:0 l -> /../x @1460000000"}},
		{"the first name in walk order holds a linked file's content", "/", nil,
			[]tar.Header{file("b", 0o644), hardlink("a", "b"), hardlink("c", "./b")},
			[]string{"0 644 0:0 a #2 @1460000000", "1 644 0:0 b -> a @1460000000", "1 644 0:0 c -> a @1460000000"}},
		{"whiteouts are ordinary files", "/", nil, []tar.Header{file(".wh.x", 0o644)}, []string{"0 644 0:0 .wh.x @1460000000"}},
		{"a link to a directory in the archive is followed", "/", nil,
			[]tar.Header{folder("usr/lib", 0o755), symlink("lib", "usr/lib"), file("lib/x", 0o644)},
			[]string{"2 777 0:0 lib -> usr/lib @1460000000", "5 755 0:0 usr", "5 755 0:0 usr/lib @1460000000",
				"0 644 0:0 usr/lib/x #1 @1460000000"}},
		{"a link to a directory below is followed", "/", below(lowerLink("lib", "/usr/lib"), lowerDir("usr", 0o755), lowerDir("usr/lib", 0o711)),
			[]tar.Header{file("lib/x", 0o644)},
			[]string{"5 755 0:0 usr @1460000000", "5 711 0:0 usr/lib", "0 644 0:0 usr/lib/x #1 @1460000000"}},
		{"absolute links below a destination lead back to it", "/opt", below(lowerDir("opt", 0o755), lowerLink("opt/lib", "/usr/lib"), lowerDir("usr", 0o755), lowerDir("usr/lib", 0o755)),
			[]tar.Header{file("lib/x", 0o644)},
			[]string{"5 755 0:0 opt", "5 755 0:0 opt/usr", "?0 755 0:0 opt/usr/.wh..wh..opq @0", "5 755 0:0 opt/usr/lib", "0 644 0:0 opt/usr/lib/x #1 @1460000000"}},
		{"a hard link to a file below brings it up", "/", below(lowerDir("d", 0o700),
			checksums.Entry{Path: "d/f", Type: tar.TypeReg, Mode: 0o600, Size: 9, ModTime: someTime}),
			[]tar.Header{hardlink("l", "d/f")},
			[]string{"5 700 0:0 d @1460000000", "0 644 0:0 d/f #9 @1460000000", "1 644 0:0 l -> d/f @1460000000"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			data := makeTar(t, contents, c.headers...)
			for _, dialect := range []string{Classic, BuildKit} {
				got, err := play(t, Input{Directive: addOf(c.dest, "a.tar"), Context: archiveContext(data), Lower: c.lower, Dialect: dialect})
				if err != nil || !slices.Equal(got, c.want) {
					t.Errorf("%s:\n got %q (error %v)\nwant %q", dialect, got, err, c.want)
				}
			}
		})
	}
}

func TestArchivesAreSniffedByContent(t *testing.T) {
	data := makeTar(t, map[string]string{"x": "1"}, file("x", 0o644))
	unpacked := []string{"0 644 0:0 x #1 @1460000000"}
	compress := func(open func(io.Writer) (io.WriteCloser, error)) []byte {
		var b bytes.Buffer
		w, err := open(&b)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(data)
		w.Close()
		return b.Bytes()
	}
	gz := compress(func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil })
	for _, c := range []struct {
		name string
		data []byte
		want []string
	}{
		{"plain", data, unpacked},
		{"gzip", gz, unpacked},
		{"xz", compress(func(w io.Writer) (io.WriteCloser, error) { return xz.NewWriter(w) }), unpacked},
		{"zstd", compress(func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) }), unpacked},
		{"bytes behind the archive's end change nothing", append(slices.Clone(data), "trailing"...), unpacked},
		{"text", []byte("hello"), []string{"0 644 0:0 a.tar #5"}},
		{"nothing", nil, []string{"0 644 0:0 a.tar"}},
		{"an archive without entries", make([]byte, 1024), []string{"0 644 0:0 a.tar #1024"}},
		{"gzip of text", gzipOf("hello"), []string{"0 644 0:0 a.tar #29"}},
		{"a damaged gzip header", append([]byte{0x1f, 0x8b, 8, 0xff}, gz[4:20]...), []string{"0 644 0:0 a.tar #20"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := play(t, Input{Directive: addOf("/", "a.tar"), Context: archiveContext(c.data), Dialect: BuildKit, Umask: 0o022})
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("got %q (error %v)\nwant %q", got, err, c.want)
			}
		})
	}
	got, err := play(t, Input{Directive: copyOf("/", "a.tar"), Context: archiveContext(data), Dialect: BuildKit, Umask: 0o022})
	if want := []string{"0 644 0:0 a.tar #2048"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("COPY of an archive: got %q (error %v), want %q", got, err, want)
	}
}

func gzipOf(text string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write([]byte(text))
	w.Close()
	return b.Bytes()
}

func TestEveryChangeOfTheTarballChangesTheLayer(t *testing.T) {
	contents := map[string]string{"bin/sh": "shell", "bin/ls": "list!", "etc/new": ""}
	make := func(change func([]tar.Header) []tar.Header) []string {
		headers := []tar.Header{folder("bin", 0o755), file("bin/sh", 0o755), hardlink("bin/ash", "bin/sh"), file("bin/ls", 0o755),
			folder("etc", 0o755), symlink("etc/mtab", "/proc/mounts"),
			{Typeflag: tar.TypeChar, Name: "dev", Mode: 0o666, Devmajor: 1, Devminor: 3}}
		headers[3].PAXRecords = map[string]string{"SCHILY.xattr.security.capability": strings.Repeat("1", 20)}
		result, err := Layer(t.Context(), Input{Directive: addOf("/", "a.tar"), Dialect: BuildKit,
			Context: archiveContext(makeTar(t, contents, change(headers)...))})
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, e := range entries(t, result.Index) {
			lines = append(lines, fmt.Sprintf("%s %s %d", e.Path, describe(e), e.ModTime.Unix()))
		}
		return lines
	}
	original := make(func(h []tar.Header) []tar.Header { return h })
	if again := make(func(h []tar.Header) []tar.Header { return h }); !slices.Equal(original, again) {
		t.Fatal("one tarball gave two layers")
	}
	for name, change := range map[string]func([]tar.Header) []tar.Header{
		"entry dropped":         func(h []tar.Header) []tar.Header { return h[:len(h)-1] },
		"entry added":           func(h []tar.Header) []tar.Header { return append(h, file("etc/new", 0o644)) },
		"empty folder added":    func(h []tar.Header) []tar.Header { return append(h, folder("tmp", 0o755)) },
		"mode":                  func(h []tar.Header) []tar.Header { h[3].Mode = 0o4755; return h },
		"owner":                 func(h []tar.Header) []tar.Header { h[3].Uid = 1; return h },
		"group":                 func(h []tar.Header) []tar.Header { h[0].Gid = 1; return h },
		"time":                  func(h []tar.Header) []tar.Header { h[3].ModTime = someTime.Add(time.Second); return h },
		"folder's time":         func(h []tar.Header) []tar.Header { h[0].ModTime = someTime.Add(time.Second); return h },
		"link's target":         func(h []tar.Header) []tar.Header { h[5].Linkname = "/proc/self/mounts"; return h },
		"hard link's target":    func(h []tar.Header) []tar.Header { h[2], h[3] = h[3], hardlink("bin/ash", "bin/ls"); return h },
		"hard link made a file": func(h []tar.Header) []tar.Header { h[2] = file("bin/ash", 0o644); return h },
		"file made a link":      func(h []tar.Header) []tar.Header { h[3] = symlink("bin/ls", "sh"); return h },
		"device number":         func(h []tar.Header) []tar.Header { h[6].Devminor = 5; return h },
		"device's kind":         func(h []tar.Header) []tar.Header { h[6].Typeflag = tar.TypeBlock; return h },
		"capability": func(h []tar.Header) []tar.Header {
			h[3].PAXRecords = map[string]string{"SCHILY.xattr.security.capability": strings.Repeat("2", 24)}
			return h
		},
		"capability dropped": func(h []tar.Header) []tar.Header { h[3].PAXRecords = nil; return h },
		"name":               func(h []tar.Header) []tar.Header { h[3].Name = "bin/dir"; return h },
	} {
		if slices.Equal(original, make(change)) {
			t.Errorf("%s: the layer is the same", name)
		}
	}
	contents["bin/ls"] = "list?"
	if slices.Equal(original, make(func(h []tar.Header) []tar.Header { return h })) {
		t.Error("one byte of content: the layer is the same")
	}
}

func TestWhatIsKeptOfAnArchivesHeadersIsBounded(t *testing.T) {
	e := checksums.Entry{Path: "1234", Link: "56", Xattrs: map[string]string{"7": "89"}}
	if n, err := countHeaders(maxHeaders-9, e); n != maxHeaders || err != nil {
		t.Errorf("at the bound: %d, %v", n, err)
	}
	var limit *checksums.LimitError
	if _, err := countHeaders(maxHeaders-8, e); !errors.As(err, &limit) || limit.Limit != maxHeaders {
		t.Errorf("one more: %v", err)
	}
}

func TestTheEntriesOfAnArchiveAreBounded(t *testing.T) {
	// The same folder over and over is one entry of the tree.
	data := makeTar(t, nil, folder("a", 0o755), folder("a", 0o755), folder("a", 0o755), folder("a", 0o755))
	for most, ok := range map[int]bool{4: true, 3: false} {
		_, err := Layer(t.Context(), Input{Dialect: BuildKit, Directive: addOf("/", "a.tar"), Context: archiveContext(data), Limits: checksums.Limits{Entries: most}})
		var limit *checksums.LimitError
		if over := errors.As(err, &limit) && limit.Limit == int64(most); over == ok || ok && err != nil {
			t.Errorf("4 entries of %d: %v", most, err)
		}
	}
}

// FuzzArchive's law: whatever the archive, the layer is a file system. Paths
// are clean, in walk order and there once; every entry's folder stands before
// it; hard links name an earlier file. Or there is an error and no index.
func FuzzArchive(f *testing.F) {
	contents := map[string]string{"x": "1", "d/x": "2"}
	f.Add(makeTar(f, contents, folder("d", 0o755), file("d/x", 0o644), hardlink("a", "d/x"), symlink("l", "d"), file("l/y", 0o600)))
	f.Add(makeTar(f, contents, file("x", 0o644), folder("x", 0o755), file("x/../d", 0o644)))
	f.Add(makeTar(f, contents, symlink("a", "b"), symlink("b", "a"), file("a/x", 0o644)))
	f.Add(gzipOf("text"))
	f.Fuzz(func(t *testing.T, data []byte) {
		lower := below(lowerDir("opt", 0o755), lowerDir("opt/d", 0o755), lowerLink("opt/l", "d"),
			checksums.Entry{Path: "opt/x", Type: tar.TypeReg, Mode: 0o644, ModTime: someTime})
		for _, in := range []Input{{Dialect: Classic}, {Dialect: BuildKit}, {Dialect: Classic, Lower: lower}, {Dialect: BuildKit, Lower: lower}} {
			in.Directive, in.Context, in.Limits = addOf("/opt/", "a.tar"), archiveContext(data), checksums.Limits{Unpacked: 1 << 20, Entries: 1000}
			checkFileSystem(t, in)
		}
	})
}

func checkFileSystem(t *testing.T, in Input) {
	t.Helper()
	result, err := Layer(t.Context(), in)
	if err != nil {
		if result != nil {
			t.Fatal("an error with a result")
		}
		return
	}
	seen := map[string]checksums.Entry{}
	last := ""
	for _, e := range entries(t, result.Index) {
		if e.Odd != "" {
			t.Fatalf("%q is odd: %s", e.Path, e.Odd)
		}
		if e.Path != checksums.CleanPath(e.Path) || e.Escapes() || last != "" && checksums.ComparePaths(last, e.Path) >= 0 {
			t.Fatalf("%q after %q", e.Path, last)
		}
		if i := strings.LastIndexByte(e.Path, '/'); i > 0 && seen[e.Path[:i]].Type != tar.TypeDir {
			t.Fatalf("%q without its folder", e.Path)
		}
		if _, ok := seen[e.Link]; e.Type == tar.TypeLink && !ok {
			t.Fatalf("%q links to %q, which is not before it", e.Path, e.Link)
		}
		seen[e.Path], last = e, e.Path
	}
	for _, name := range result.Optional {
		if _, ok := seen[name]; !ok || !result.MayLack(name) {
			t.Fatalf("%q may be lacking, but is not there", name)
		}
	}
}
