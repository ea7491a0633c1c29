package replay

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/imageverify/verify/checksums"
	"github.com/imageverify/verify/provenance/dockerfile"
)

var someTime = time.Unix(1460000000, 0).UTC()

// makeTar writes headers and, for files, their Linkname's worth of content:
// the map has it by name.
func makeTar(t testing.TB, contents map[string]string, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(contents[h.Name]))
		}
		if h.ModTime.IsZero() {
			h.ModTime = someTime
		}
		h.Format = tar.FormatPAX
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := io.WriteString(w, contents[h.Name]); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func file(name string, mode int64) tar.Header {
	return tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode}
}

func folder(name string, mode int64) tar.Header {
	return tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: mode}
}

func symlink(name, target string) tar.Header {
	return tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o700}
}

func hardlink(name, target string) tar.Header {
	return tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: target, Mode: 0o644}
}

// play runs a directive over a context and returns lines such as
// "d 755 0:0 usr" or "2 777 0:0 bin/sh -> busybox", with "@" and seconds where
// the time is known, and "?" in front where the layer may lack the entry.
func play(t testing.TB, in Input) ([]string, error) {
	t.Helper()
	result, err := Layer(t.Context(), in)
	if err != nil {
		return nil, err
	}
	defer result.Close()
	checkWritten(t, in, result)
	var lines []string
	for _, e := range entries(t, result.Index) {
		line := fmt.Sprintf("%c %o %d:%d %s", e.Type, e.Mode, e.UID, e.GID, e.Path)
		if e.Link != "" {
			line += " -> " + e.Link
		}
		if e.Size > 0 {
			line += fmt.Sprintf(" #%d", e.Size)
		}
		if !e.ModTime.IsZero() {
			line += fmt.Sprintf(" @%d", e.ModTime.Unix())
		}
		for key := range e.Xattrs {
			line += " +" + key
		}
		if result.MayLack(e.Path) {
			line = "?" + line
		}
		lines = append(lines, line)
	}
	return lines, nil
}

// checkWritten holds the archive that has every entry to the entries.
func checkWritten(t testing.TB, in Input, result *Result) {
	t.Helper()
	var layer bytes.Buffer
	_, err := WriteLayer(t.Context(), in, Stamp{Format: FormatDocker, MarkNew: true}, &layer)
	var no *NotReplayable
	if errors.As(err, &no) && no.Reason == ContentBelow {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	var written, listed []string
	for _, e := range entries(t, belowOf(t, layer.Bytes()).Index) {
		written = append(written, e.Path+" "+describe(e))
	}
	for _, e := range entries(t, result.Index) {
		listed = append(listed, e.Path+" "+describe(e))
	}
	if !slices.Equal(written, listed) {
		t.Errorf("written:\n%s\nlisted:\n%s", strings.Join(written, "\n"), strings.Join(listed, "\n"))
	}
}

func archiveContext(data []byte) fs.FS {
	return fstest.MapFS{"a.tar": &fstest.MapFile{Data: data, Mode: 0o644}}
}

// below is a lower function over fixed entries.
func below(list ...checksums.Entry) func(...string) (map[string]checksums.Entry, error) {
	return func(paths ...string) (map[string]checksums.Entry, error) {
		found := map[string]checksums.Entry{}
		for _, e := range list {
			if slices.Contains(paths, e.Path) {
				found[e.Path] = e
			}
		}
		return found, nil
	}
}

func lowerDir(name string, mode int64) checksums.Entry {
	return checksums.Entry{Path: name, Type: tar.TypeDir, Mode: mode, ModTime: someTime}
}

func lowerLink(name, target string) checksums.Entry {
	return checksums.Entry{Path: name, Type: tar.TypeSymlink, Mode: 0o777, Link: target, ModTime: someTime}
}

func TestWhatTheSourceDoesNotDecideIsNotReplayed(t *testing.T) {
	flagged := func(change func(*dockerfile.Copy)) dockerfile.Directive {
		d := copyOf("/x/", "f")
		change(d.Copy)
		return d
	}
	plain := fstest.MapFS{"f": {Data: []byte("f"), Mode: 0o644}, "fifo": {Mode: fs.ModeNamedPipe | 0o644}, "d/f": {Data: []byte("f"), Mode: 0o644}}
	archive := func(headers ...tar.Header) fs.FS {
		return archiveContext(makeTar(t, map[string]string{"x": "1"}, headers...))
	}
	cut := makeTar(t, map[string]string{"x": strings.Repeat("1", 600)}, file("x", 0o644))[:700]
	fileBelow := below(checksums.Entry{Path: "x", Type: tar.TypeReg, Mode: 0o644, Size: 1})
	for _, c := range []struct {
		name, reason, dialect string
		directive             dockerfile.Directive
		context               fs.FS
		lower                 func(...string) (map[string]checksums.Entry, error)
	}{
		{"RUN", NeedsRun, Classic, dockerfile.Directive{Name: "RUN"}, plain, nil},
		{"metadata", NothingToReplay, Classic, dockerfile.Directive{Name: "CMD"}, plain, nil},
		{"another dialect", UnknownDialect, "buildah", copyOf("/", "f"), plain, nil},
		{"a URL", RemoteSource, BuildKit, addOf("/", "https://example.com/a.tar"), plain, nil},
		{"a git repository", RemoteSource, BuildKit, addOf("/", "git@example.com:a/b.git"), plain, nil},
		{"another stage", FromStage, BuildKit, flagged(func(c *dockerfile.Copy) { c.From = "build" }), plain, nil},
		{"an owner by name", ChownName, Classic, chowned(copyOf("/", "f"), "app:app"), plain, nil},
		{"an owner with a sign", ChownName, Classic, chowned(copyOf("/", "f"), "-1"), plain, nil},
		{"a mode that is none", ChmodUnknown, BuildKit, flagged(func(c *dockerfile.Copy) { c.Chmod = "u=rwz" }), plain, nil},
		{"a mode of too many bits", ChmodUnknown, BuildKit, flagged(func(c *dockerfile.Copy) { c.Chmod = "10644" }), plain, nil},
		{"a mode where directories are made", ChmodParents, BuildKit, flagged(func(c *dockerfile.Copy) { c.Chmod = "600" }), plain, nil},
		{"an unknown variable", VariableUnknown, BuildKit, copyOf("/"+dockerfile.Hole("HOME"), "f"), plain, nil},
		{"a source that is not there", SourceAbsent, BuildKit, copyOf("/", "g"), plain, nil},
		{"a wildcard that matches nothing", SourceAbsent, BuildKit, copyOf("/", "*.go"), plain, nil},
		{"no context", ContextUnknown, BuildKit, copyOf("/", "f"), nil, nil},
		{"a FIFO in the context", SourceUnusual, BuildKit, copyOf("/", "fifo"), plain, nil},
		{"zstd, which old daemons copy", ArchiveFormat, Classic, addOf("/", "a.tar"), archiveContext([]byte{0x28, 0xb5, 0x2f, 0xfd, 4, 0, 1, 0, 0, 0x99, 0xe9, 0xd8, 0x51}), nil},
		{"an archive that is cut off", ArchiveBroken, Classic, addOf("/", "a.tar"), archiveContext(cut), nil},
		{"a hard link to itself", ArchiveBroken, Classic, addOf("/", "a.tar"), archive(file("x", 0o644), hardlink("x", "x")), nil},
		{"a hard link to nothing", Conflict, Classic, addOf("/", "a.tar"), archive(hardlink("x", "y")), nil},
		{"an entry that leaves the root", ArchiveEscapes, Classic, addOf("/", "a.tar"), archive(file("../x", 0o644)), nil},
		{"a hard link that leaves the root", ArchiveEscapes, Classic, addOf("/", "a.tar"), archive(hardlink("x", "../../etc/passwd")), nil},
		{"an overlay's own removal", ArchiveUnusual, Classic, addOf("/", "a.tar"), archive(tar.Header{Typeflag: tar.TypeChar, Name: "x"}), nil},
		{"capabilities that no kernel takes", ArchiveUnusual, BuildKit, addOf("/", "a.tar"), archive(tar.Header{Typeflag: tar.TypeReg, Name: "x", Mode: 0o755, Size: 1,
			PAXRecords: map[string]string{"SCHILY.xattr.security.capability": strings.Repeat("c", 21)}}), nil},
		{"links in a circle", Conflict, Classic, addOf("/", "a.tar"), archive(symlink("a", "b"), symlink("b", "a"), file("a/x", 0o644)), nil},
		{"a file where a directory is needed", Conflict, Classic, copyOf("/x/", "f"), plain, fileBelow},
		{"BuildKit: a file over a directory", Conflict, BuildKit, copyOf("/", "f"), plain, below(lowerDir("f", 0o755))},
	} {
		t.Run(c.name, func(t *testing.T) {
			lines, err := play(t, Input{Directive: c.directive, Context: c.context, Lower: c.lower, Dialect: c.dialect, Umask: 0o022})
			var no *NotReplayable
			if !errors.As(err, &no) || no.Reason != c.reason || no.What == "" && c.reason != UnknownDialect {
				t.Errorf("got %q, error %v; want reason %s", lines, err, c.reason)
			}
		})
	}
}

func TestBoundsHoldOnBothSides(t *testing.T) {
	data := makeTar(t, map[string]string{"abcd": "12345"}, folder("abc", 0o755), file("abcd", 0o644))
	in := Input{Directive: addOf("/", "a.tar"), Context: archiveContext(data), Dialect: BuildKit}
	for _, c := range []struct {
		name   string
		limits checksums.Limits
		what   string // "" for none
	}{
		{"as many entries as allowed", checksums.Limits{Entries: 2}, ""},
		{"one entry more", checksums.Limits{Entries: 1}, "entries"},
		{"paths as long as allowed", checksums.Limits{PathBytes: 4}, ""},
		{"a path one byte longer", checksums.Limits{PathBytes: 3}, "bytes in a path"},
		{"an archive as long as allowed", checksums.Limits{Unpacked: int64(len(data))}, ""},
		{"an archive that unpacks to more", checksums.Limits{Unpacked: 1024}, "unpacked bytes"},
	} {
		in.Limits = c.limits
		_, err := play(t, in)
		var limit *checksums.LimitError
		if c.what == "" && err != nil || c.what != "" && (!errors.As(err, &limit) || limit.What != c.what) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.what)
		}
	}
}

// lyingFS gives a file whose reader fails at its end, as a git object does
// that does not hash to its name.
type lyingFS struct{ fstest.MapFS }

type lyingFile struct{ fs.File }

var errMismatch = errors.New("object does not hash to its name")

func (f lyingFile) Read(p []byte) (int, error) {
	n, err := f.File.Read(p)
	if err == io.EOF {
		err = errMismatch
	}
	return n, err
}

func (l lyingFS) Open(name string) (fs.File, error) {
	f, err := l.MapFS.Open(name)
	return lyingFile{f}, err
}

func TestASourceThatDoesNotHashToItsNameIsAnError(t *testing.T) {
	trailing := append(makeTar(t, map[string]string{"x": "1"}, file("x", 0o644)), make([]byte, 1<<20)...)
	for name, data := range map[string][]byte{"an archive": trailing, "a file": []byte("text"), "an empty file": nil} {
		context := lyingFS{archiveContext(data).(fstest.MapFS)}
		for _, d := range []dockerfile.Directive{addOf("/", "a.tar"), copyOf("/", "a.tar"), copyOf("/", ".")} {
			_, err := play(t, Input{Directive: d, Context: context, Dialect: Classic})
			if !errors.Is(err, errMismatch) {
				t.Errorf("%s of %s: error %v, want %v", d.Name, name, err, errMismatch)
			}
		}
	}
}

func TestACancelledContextEndsTheReading(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, d := range []dockerfile.Directive{addOf("/", "a.tar"), copyOf("/", "a.tar"), copyOf("/", ".")} {
		_, err := Layer(ctx, Input{Directive: d, Context: archiveContext([]byte("text")), Dialect: Classic})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s %v: error %v, want cancellation", d.Name, d.Copy.Sources, err)
		}
	}
}

func TestTimesAreComparedAsFarAsTheSourceSays(t *testing.T) {
	created := time.Unix(1000, 500)
	at := func(s int64) checksums.Entry { return checksums.Entry{ModTime: time.Unix(s, 0)} }
	for _, c := range []struct {
		name    string
		dialect string
		a, b    checksums.Entry
		want    bool
	}{
		{"an unknown time matches all", Classic, checksums.Entry{}, at(5), true},
		{"equal", Classic, at(5), at(5), true},
		{"a fraction is dropped", Classic, at(5), checksums.Entry{ModTime: time.Unix(5, 999)}, true},
		{"another second", Classic, at(5), at(6), false},
		{"later than the source date is set to it", BuildKit, at(2000), at(1000), true},
		{"not by the classic builder", Classic, at(2000), at(1000), false},
		{"not earlier ones", BuildKit, at(5), at(1000), false},
		{"to nothing else", BuildKit, at(2000), at(999), false},
	} {
		if got := Times(created, c.dialect)(c.a, c.b); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	if Times(time.Time{}, BuildKit)(at(2000), checksums.Entry{}) {
		t.Error("without a source date a time matched nothing's")
	}
}
