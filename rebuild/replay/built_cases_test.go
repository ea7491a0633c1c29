package replay

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

const baseDockerfile = "FROM scratch\nADD base.tar /\nCMD [\"/bin/sh\"]\n"

const (
	dirBit  = fs.ModeDir
	linkBit = fs.ModeSymlink
)

// baseContext holds a root file system with a shell and whatever directives
// stumble over.
func baseContext(t testing.TB) []written {
	t.Helper()
	busybox, err := os.ReadFile("/usr/bin/busybox")
	if err != nil {
		if busybox, err = os.ReadFile("/bin/busybox"); err != nil {
			t.Fatalf("Debian's package busybox-static: %v", err)
		}
	}
	return []written{{name: "base.tar", mode: 0o644, text: archiveOf(t, nil, []written{
		{name: "bin/", mode: dirBit | 0o755}, {name: "bin/busybox", mode: 0o755, text: string(busybox)},
		{name: "bin/sh", mode: linkBit | 0o777, text: "busybox"},
		{name: "etc/", mode: dirBit | 0o755},
		{name: "etc/passwd", mode: 0o644, text: "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1234:App:/home/app:/bin/sh\nweb:x:33:33::/:/bin/false\n"},
		{name: "etc/group", mode: 0o644, text: "root:x:0:\napp:x:1001:\nweb:x:33:\nstaff:x:50:app\n"},
		{name: "etc/motd", mode: 0o644, text: "motd\n"},
		{name: "private/", mode: dirBit | 0o700, owner: 7}, {name: "private/a", mode: 0o600, text: "a", owner: 7},
		{name: "private/sub/", mode: dirBit | fs.ModeSticky | 0o1711},
		{name: "usr/", mode: dirBit | 0o755}, {name: "usr/lib/", mode: dirBit | 0o755}, {name: "usr/lib/l.so", mode: 0o644, text: "so"},
		{name: "lib", mode: linkBit | 0o777, text: "usr/lib"}, {name: "abs", mode: linkBit | 0o777, text: "/usr/lib"},
		{name: "tofile", mode: linkBit | 0o777, text: "etc/motd"},
		{name: "tmp/", mode: dirBit | fs.ModeSticky | 0o777},
		{name: "h1", mode: 0o644, text: "hard"}, {name: "h2=h1", mode: 0o644},
	})}}
}

// archiveOf makes a tar: names that end in "/" are directories, "A=B" is a hard
// link of A to B; change sees each header before it is written.
func archiveOf(t testing.TB, change func(*tar.Header), files []written) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: f.name, Mode: int64(f.mode.Perm()), Size: int64(len(f.text)), ModTime: f.unix()}
		for bit, unix := range map[fs.FileMode]int64{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
			if f.mode&bit != 0 {
				h.Mode |= unix
			}
		}
		if f.owner != 0 {
			h.Uid, h.Gid = f.owner, f.owner+1
		}
		switch name, target, link := bytes.Cut([]byte(f.name), []byte("=")); {
		case link:
			h.Typeflag, h.Name, h.Linkname, h.Size = tar.TypeLink, string(name), string(target), 0
		case f.mode.IsDir():
			h.Typeflag = tar.TypeDir
		case f.mode&fs.ModeSymlink != 0:
			h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, f.text, 0
		case f.mode&fs.ModeCharDevice != 0:
			h.Typeflag, h.Devmajor, h.Devminor = tar.TypeChar, 1, 3
		case f.mode&fs.ModeDevice != 0:
			h.Typeflag, h.Devmajor, h.Devminor = tar.TypeBlock, 7, 300
		case f.mode&fs.ModeNamedPipe != 0:
			h.Typeflag = tar.TypeFifo
		}
		for key, value := range f.attrs {
			if h.PAXRecords == nil {
				h.PAXRecords = map[string]string{}
			}
			h.PAXRecords["SCHILY.xattr."+key] = value
		}
		if change != nil {
			change(h)
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := io.WriteString(w, f.text); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func compressedBy(t testing.TB, open func(io.Writer) (io.WriteCloser, error), text string) string {
	t.Helper()
	var b bytes.Buffer
	w, err := open(&b)
	if err == nil {
		_, err = io.WriteString(w, text)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func gzipped(t testing.TB, text string) string {
	return compressedBy(t, func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil }, text)
}

func xzipped(t testing.TB, text string) string {
	return compressedBy(t, func(w io.Writer) (io.WriteCloser, error) { return xz.NewWriter(w) }, text)
}

func zstdded(t testing.TB, text string) string {
	return compressedBy(t, func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) }, text)
}

// piped runs a program on text.
func piped(t testing.TB, text, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Stdin = bytes.NewReader([]byte(text))
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", program, err)
	}
	return string(out)
}

// cap is a security.capability that a kernel takes.
const capabilityValue = "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

// tree is the context that most cases copy from.
var treeContext = []written{
	{name: "a.txt", mode: 0o644, text: "a", time: 1451000000}, {name: "b.txt", mode: 0o600, text: "bb", time: 1470000000},
	{name: "run", mode: 0o755, text: "#!/bin/sh\n"}, {name: "setuid", mode: fs.ModeSetuid | 0o755, text: "s"},
	{name: "setgid", mode: fs.ModeSetgid | 0o775, text: "g"},
	{name: "ln", mode: linkBit | 0o777, text: "a.txt"}, {name: "lndir", mode: linkBit | 0o777, text: "/d"},
	{name: "d/", mode: dirBit | 0o750, time: 1452000000}, {name: "d/f", mode: 0o640, text: "f"}, {name: "d-e", mode: 0o644, text: "between"},
	{name: "d/sub/", mode: dirBit | fs.ModeSetgid | 0o770, time: 1453000000}, {name: "d/sub/g", mode: 0o644, text: "g"},
	{name: "d/sub/deep/h", mode: 0o444, text: "h"}, {name: "d/l", mode: linkBit | 0o777, text: "../nowhere", time: 1454000000},
	{name: "d/empty/", mode: dirBit | 0o755}, {name: "z/x.md", mode: 0o644, text: "md"}, {name: "z/y.txt", mode: 0o644, text: "y"},
}

// rootfs is an archive with everything in it.
func rootfs(prefix string) []written {
	list := []written{
		{name: "b/", mode: dirBit | 0o755, time: 1455000000}, {name: "b/z", mode: 0o644, text: "z"}, {name: "b/a", mode: 0o644, text: "a"},
		{name: "b-c", mode: 0o644, text: "between"}, {name: "a/", mode: dirBit | fs.ModeSticky | 0o777}, {name: "a/suid", mode: fs.ModeSetuid | fs.ModeSetgid | 0o755, text: "s", owner: 1000},
		{name: "a/l", mode: linkBit | 0o777, text: "/b/z", owner: 5}, {name: "a/h2=b/z", mode: 0o644}, {name: "no/dirs/above", mode: 0o644, text: "x"},
		{name: "dev/", mode: dirBit | 0o755}, {name: "dev/null", mode: fs.ModeDevice | fs.ModeCharDevice | 0o666}, {name: "dev/loop", mode: fs.ModeDevice | 0o660},
		{name: "dev/fifo", mode: fs.ModeNamedPipe | 0o600}, {name: "empty", mode: 0o644},
		{name: "ping", mode: 0o755, text: "ping", attrs: map[string]string{"security.capability": capabilityValue}},
		{name: "noted", mode: 0o644, text: "n", attrs: map[string]string{"user.note": "note"}},
		{name: "big", mode: 0o644, text: string(bytes.Repeat([]byte("0123456789"), 10000))},
	}
	for i := range list {
		name, target, link := bytes.Cut([]byte(list[i].name), []byte("="))
		list[i].name = prefix + string(name)
		if link {
			list[i].name += "=" + prefix + string(target)
		}
	}
	return list
}

func layerCases(t testing.TB) []layerCase {
	plain := archiveOf(t, nil, rootfs(""))
	dotted := archiveOf(t, nil, append([]written{{name: "./", mode: dirBit | 0o700}}, rootfs("./")...))
	archives := []written{
		{name: "plain.tar", mode: 0o644, text: plain}, {name: "dotted.tar.gz", mode: 0o644, text: gzipped(t, dotted)},
		{name: "b.tar.bz2", mode: 0o644, text: piped(t, plain, "bzip2")}, {name: "x.tar.xz", mode: 0o644, text: xzipped(t, plain)},
		{name: "z.tar.zst", mode: 0o644, text: zstdded(t, plain)}, {name: "notatar.tar", mode: 0o644, text: "text"},
		{name: "text.gz", mode: 0o644, text: gzipped(t, "text")},
	}
	return []layerCase{
		{name: "ADD of a tar to the root", dockerfile: "FROM scratch\nADD plain.tar /\n", context: archives},
		{name: "ADD of gzip with dots into a new directory", dockerfile: "FROM scratch\nADD dotted.tar.gz /opt/x/\n", context: archives},
		{name: "ADD of bzip2", dockerfile: "FROM scratch\nADD b.tar.bz2 /\n", context: archives},
		{name: "ADD of xz", dockerfile: "FROM scratch\nADD x.tar.xz /\n", context: archives},
		{name: "ADD of zstd", dockerfile: "FROM scratch\nADD z.tar.zst /\n", context: archives, only: BuildKit},
		{name: "ADD of files that are no archives", dockerfile: "FROM scratch\nADD notatar.tar text.gz /x/\n", context: archives},
		{name: "COPY of an archive", dockerfile: "FROM scratch\nCOPY plain.tar /plain.tar\n", context: archives},
		{name: "ADD over a base", dockerfile: "FROM test/base\nADD plain.tar /\n", context: archives},
		{name: "COPY of files", dockerfile: "FROM scratch\nCOPY a.txt /\nCOPY b.txt /new/name\nCOPY run setuid setgid /bin/\nCOPY ln /ln\n", context: treeContext},
		{name: "COPY of directories", dockerfile: "FROM scratch\nCOPY d /d\nCOPY d/ /e/f/\nCOPY . /all/\nCOPY lndir /l/\n", context: treeContext},
		{name: "COPY over a base", dockerfile: "FROM test/base\nCOPY a.txt /etc/motd\nCOPY d /private\nCOPY run /bin\nCOPY a.txt /lib/\nCOPY a.txt /abs/b\nCOPY d /lib/d\n", context: treeContext},
		{name: "the same file twice", dockerfile: "FROM test/base\nCOPY a.txt /x/a\nCOPY a.txt /x/a\nCOPY d /d\nCOPY d /d\nCOPY b.txt /x/b\n", context: treeContext},
		{name: "wildcards", dockerfile: "FROM scratch\nCOPY *.txt /t/\nCOPY [ab].* /u/\nCOPY ?/sub /v/\nADD z/*.md /w/\n", context: treeContext},
		{name: "chown by number", dockerfile: "FROM test/base\nCOPY --chown=7:8 a.txt /o/p/a\nCOPY --chown=9 d /q/d\nADD --chown=10:11 setuid setgid /s/\nCOPY --chown=1:2 d /private\n", context: treeContext},
		{name: "chown by name", dockerfile: "FROM test/base\nCOPY --chown=app:staff a.txt /o/p/a\nCOPY --chown=web d /q/d\nCOPY --chown=app:8 run /r\nCOPY --chown=root:root a.txt /x\nCOPY --chown=app a.txt /y\n", context: treeContext},
		{name: "WORKDIR", dockerfile: "FROM test/base\nWORKDIR /w/x\nWORKDIR y\nWORKDIR /etc\nWORKDIR /private/new\nCOPY a.txt .\n", context: treeContext},
		{name: "WORKDIR on scratch", dockerfile: "FROM scratch\nWORKDIR /w\nCOPY a.txt ./\nWORKDIR /w/z\n", context: treeContext},
		{name: "USER and WORKDIR", dockerfile: "FROM test/base\nUSER app\nWORKDIR /home/app\nCOPY a.txt .\nUSER 5:6\nWORKDIR /five\n", context: treeContext},
		{name: "COPY --from", dockerfile: "FROM test/base AS one\nCOPY --chown=7:8 d /d\nADD plain.tar /r/\nFROM scratch\nCOPY --from=one /d /d\nCOPY --from=one /etc/passwd /p\nCOPY --from=0 /r/ /all/\nCOPY --from=one /r/a/suid /r/ping /x/\nCOPY --from=one --chown=3:4 /r/ /owned/\nCOPY --from=one /lib/ /lib/\n",
			context: append(archives, treeContext...)},
		{name: "COPY --from an image", dockerfile: "FROM scratch\nCOPY --from=test/base /bin/busybox /busybox\nCOPY --from=test/base /etc /etc\nCOPY --from=test/base /private /private\nCOPY --from=test/base /h? /\n", context: treeContext},
		{name: "COPY --from wildcards", dockerfile: "FROM scratch AS one\nCOPY . /src/\nFROM scratch\nCOPY --from=one /src/*.txt /t/\nCOPY --from=one /src/d/s* /u/\n", context: treeContext},
		{name: "a stage on a stage", dockerfile: "FROM test/base AS one\nCOPY a.txt /one/\nFROM one\nCOPY b.txt /one/\nWORKDIR /one/two\n", context: treeContext},
		{name: "a directory over a file", dockerfile: "FROM test/base\nADD over.tar /\n", context: []written{{name: "over.tar", mode: 0o644, text: archiveOf(t, nil, []written{{name: "h1/", mode: dirBit | 0o755}, {name: "h1/x", mode: 0o644, text: "x"}, {name: "tofile/", mode: dirBit | 0o700}, {name: "private", mode: 0o644, text: "file"}})}}},
		{name: "hard links to files below", dockerfile: "FROM test/base\nADD links.tar /\n", context: []written{{name: "links.tar", mode: 0o644, text: archiveOf(t, nil, []written{{name: "etc/again=etc/motd", mode: 0o600, time: 1456000000}, {name: "h3=h2", mode: 0o644}})}}},
		{name: "links in archives are followed", dockerfile: "FROM test/base\nADD through.tar /\n", context: []written{{name: "through.tar", mode: 0o644, text: archiveOf(t, nil, []written{{name: "lib/new", mode: 0o644, text: "n"}, {name: "abs/newer", mode: 0o644, text: "n"}})}}},
		{name: "names that need PAX records", dockerfile: "FROM scratch\nADD long.tar /\nCOPY " + longName + " /d/\n", context: []written{{name: longName, mode: 0o644, text: "l"}, {name: "long.tar", mode: 0o644, text: archiveOf(t, nil, []written{
			{name: longName + "/" + longName, mode: 0o644, text: "x"}, {name: "ünïcode", mode: 0o644}, {name: "bigid", mode: 0o644, owner: 3000000}, {name: "l", mode: linkBit, text: longName + longName}, {name: "d/" + longName + "=" + longName + "/" + longName, mode: 0o644}})}}},
		{name: "GNU headers", dockerfile: "FROM scratch\nADD gnu.tar /g/\n", context: []written{{name: "gnu.tar", mode: 0o644, text: archiveOf(t, func(h *tar.Header) { h.Format = tar.FormatGNU }, []written{
			{name: longName + "/" + longName, mode: 0o644, text: "x"}, {name: "bigid", mode: 0o644, owner: 3000000}, {name: "l", mode: linkBit, text: longName + longName}, {name: "d=" + longName + "/" + longName, mode: 0o644}})}}},
		{name: "a folder removed and made again", dockerfile: "FROM test/base\nADD again.tar /\nADD again.tar /\n", context: []written{{name: "again.tar", mode: 0o644, text: archiveOf(t, nil, []written{
			{name: "private", mode: 0o644}, {name: "private/", mode: dirBit | 0o710}, {name: "private/b", mode: 0o644, text: "new"},
			{name: "usr/lib", mode: 0o644}, {name: "usr/lib/", mode: dirBit | 0o755}, {name: "usr/lib/l.so", mode: 0o644, text: "so"},
			{name: "etc", mode: 0o644}, {name: "etc/", mode: dirBit | 0o755}, {name: "etc/motd", mode: 0o600, text: "motd\n"}, {name: "etc/+", mode: 0o644}})}}},
		{name: ".dockerignore", dockerfile: "FROM scratch\nCOPY . /\nCOPY d /d2/\n", context: append([]written{{name: ".dockerignore", mode: 0o644, text: "*.txt\nd/sub\n!d/sub/deep\nz\n!z/y.txt\n"}}, treeContext...)},
		{name: "RUN between", dockerfile: "FROM test/base\nCOPY a.txt /a\nRUN echo x > /r && rm /etc/motd && mkdir -p /run/d && chmod 711 /run/d\nCOPY d /run/d/\nCOPY b.txt /etc/\nRUN rm -r /private && ln -s run /var\nWORKDIR /private/x\nCOPY run /var/d/run\nADD plain.tar /var/\n", context: append(archives, treeContext...)},
		{name: "old and odd times", dockerfile: "FROM scratch\nADD times.tar /\n", context: []written{{name: "times.tar", mode: 0o644, text: archiveOf(t, func(h *tar.Header) { h.Format = tar.FormatPAX }, []written{
			{name: "old", mode: 0o644, time: -5}, {name: "one", mode: 0o644, time: 1}, {name: "future", mode: 0o644, time: 4000000000}, {name: "fd/", mode: dirBit | 0o755, time: 4000000000}})}}},
		{name: "duplicates in an archive", dockerfile: "FROM scratch\nADD twice.tar /\n", context: []written{{name: "twice.tar", mode: 0o644, text: archiveOf(t, nil, []written{
			{name: "d/", mode: dirBit | 0o755}, {name: "d/x", mode: 0o644, text: "1"}, {name: "x", mode: 0o644, text: "1"}, {name: "x", mode: 0o600, text: "two"}, {name: "d/", mode: dirBit | 0o700, time: 1456000000}, {name: "d/y", mode: 0o644}, {name: "z", mode: linkBit, text: "x"}, {name: "z", mode: 0o644, text: "file"}})}}},
		{name: "GNU sparse files", dockerfile: "FROM scratch\nADD sparse.tar /\n", context: []written{{name: "sparse.tar", mode: 0o644, text: sparseArchive(t, "--format=posix")}}},
		{name: "--chmod", dockerfile: "FROM test/base\nCOPY --chmod=4755 a.txt /s\nCOPY --chmod=640 d /m/\nCOPY --chmod=600 a.txt /p/q/a\nCOPY --chmod=u=rwX,go=rX d /w/\n", context: treeContext, only: BuildKit},
		{name: "--parents of files", dockerfile: "FROM test/base\nCOPY --parents d/sub/g z/y.txt /p/\nCOPY --parents d/./sub/deep/h /q/\nCOPY --parents */*.txt /r/\nCOPY --parents d/sub /s/\nCOPY --parents a.txt /\n", context: treeContext, only: BuildKit},
		{name: "--exclude", dockerfile: "FROM scratch\nCOPY --exclude=*.txt . /p/\nCOPY --exclude=sub --exclude=l d /q/\nCOPY --exclude=**/g --exclude=f d /r/\nCOPY --exclude=a.txt *.txt /s/\nCOPY --exclude=sub --exclude=!sub/deep d /u/\n", context: treeContext, only: BuildKit},
		{name: "--link", dockerfile: "FROM test/base\nCOPY --link a.txt /etc/deep/a\nCOPY --link --chown=5:6 d /private/d\nADD --link plain.tar /x/\n", context: append(archives, treeContext...), only: BuildKit},
		{name: "here-documents", dockerfile: "FROM test/base\nCOPY <<one <<two /h/\n1\none\n2\ntwo\nCOPY --chmod=755 --chown=app <<EOF /h/run\n#!/bin/sh\nEOF\n", only: BuildKit},
		{name: "ADD --unpack=false and --chown of an archive", dockerfile: "FROM test/base\nADD --unpack=false plain.tar /x/\nADD --chown=7:8 plain.tar /y/\n", context: archives, only: BuildKit},
	}
}

const longName = "a-name-of-more-than-one-hundred-bytes-which-does-not-fit-into-the-field-of-a-header-and-has-to-go-into-a-record-of-its-own"

// sparseArchive has GNU tar pack a file with holes.
func sparseArchive(t testing.TB, format string) string {
	t.Helper()
	dir := t.TempDir()
	f, err := os.Create(dir + "/holes")
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int64{0, 1 << 20, 3<<20 + 5} {
		if _, err := f.WriteAt([]byte("data"), at); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Truncate(4 << 20); err != nil {
		t.Fatal(err)
	}
	f.Close()
	out, err := exec.Command("tar", "-C", dir, "--sparse", format, "--mtime=@1456000000", "--owner=0", "--group=0", "-c", "holes").Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
