package tutorial

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/imageverify/verify/internal/corpus"
)

// programs are what installing a package with apt-get takes.
var programs = []string{"/usr/bin/apt-get", "/usr/lib/apt/methods/http", "/usr/lib/apt/methods/store", "/usr/bin/dpkg", "/usr/bin/dpkg-deb", "/usr/bin/dpkg-query",
	"/usr/bin/dpkg-split", "/usr/share/dpkg/cputable", "/usr/share/dpkg/ostable", "/usr/share/dpkg/tupletable", "/usr/share/dpkg/abitable", "/usr/sbin/ldconfig", "/usr/sbin/start-stop-daemon", "/usr/bin/tar", "/usr/bin/sh", "/usr/bin/busybox"}

// applets are what busybox does there.
var applets = []string{"cat", "chmod", "cp", "diff", "echo", "mkdir", "mv", "rm", "wget", "date"}

var library = regexp.MustCompile(`/\S+\.so\S*`)

// debianRootfs is a small system with apt and dpkg, of this machine's files, as a
// compressed archive.
func debianRootfs(t testing.TB) string {
	t.Helper()
	a := newArchive()
	for _, dir := range []string{"dev", "etc/apt/apt.conf.d", "etc/apt/preferences.d", "etc/dpkg/dpkg.cfg.d", "proc", "run", "sys", "tmp", "usr/local/bin",
		"var/cache/apt/archives/partial", "var/cache/ldconfig", "var/lib/apt/lists/partial", "var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/dpkg/triggers", "var/log/apt", "root"} {
		a.dir(dir)
	}
	for _, dir := range []string{"bin", "lib", "lib64", "sbin"} {
		a.dir("usr/" + dir)
		a.link(dir, "usr/"+dir)
	}
	a.file("etc/passwd", 0o644, []byte("root:x:0:0:root:/root:/bin/sh\n"))
	a.file("etc/group", 0o644, []byte("root:x:0:\n"))
	a.file("etc/apt/apt.conf.d/root", 0o644, []byte("APT::Sandbox::User \"root\";\n"))
	a.file("var/lib/dpkg/status", 0o644, nil)
	for _, name := range slices.Concat(programs, libraries(t)) {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatalf("a file of Debian's apt, dpkg, dash or busybox-static: %v", err)
		}
		a.file(whereReal(name), 0o755, data)
	}
	for _, name := range applets {
		a.link("usr/bin/"+name, "busybox")
	}
	return a.finish(t)
}

// libraries are what the programs are linked with.
func libraries(t testing.TB) []string {
	t.Helper()
	out, err := exec.Command("ldd", programs...).Output()
	if err != nil && len(out) == 0 {
		t.Fatalf("ldd: %v", err)
	}
	names := library.FindAllString(string(out), -1)
	slices.Sort(names)
	return slices.Compact(names)
}

// whereReal is a file's path where the folders of the root are links into /usr.
func whereReal(name string) string {
	if !strings.HasPrefix(name, "/usr/") {
		name = "/usr" + name
	}
	return strings.TrimPrefix(name, "/")
}

// alpineRootfs is Alpine's own archive, of the corpus.
func alpineRootfs(t testing.TB) string {
	t.Helper()
	mirror := filepath.Join(corpus.Dir(t), "git", "alpinelinux+docker-alpine.git")
	out, err := exec.Command("git", "-C", mirror, "show", "7d63673353bd39d92ba42f6effcc199aeebd45ee:x86_64/alpine-minirootfs-3.20.3-x86_64.tar.gz").Output()
	if err != nil {
		t.Fatalf("%s: %v", mirror, err)
	}
	return string(out)
}

// archive is a compressed tar archive in the making, whose entries all have the
// same time and owner. Nothing fails before finish: all is in memory.
type archive struct {
	open   bool // it ends without the mark of an end, for more to follow
	buffer bytes.Buffer
	zip    *gzip.Writer
	tar    *tar.Writer
	made   map[string]bool
	err    error
}

func newArchive() *archive {
	a := &archive{made: map[string]bool{".": true}}
	a.zip = gzip.NewWriter(&a.buffer)
	a.tar = tar.NewWriter(a.zip)
	return a
}

// newSegment is an archive that another one follows.
func newSegment() *archive {
	a := newArchive()
	a.open = true
	return a
}

func (a *archive) add(h tar.Header, data []byte) {
	if a.err != nil || a.made[path.Clean(h.Name)] {
		return
	}
	if h.Typeflag != tar.TypeDir || h.Name != "./" {
		a.dir(path.Dir(path.Clean(h.Name)))
	}
	a.made[path.Clean(h.Name)] = true
	h.Size = int64(len(data))
	if a.err = a.tar.WriteHeader(&h); a.err == nil {
		_, a.err = a.tar.Write(data)
	}
}

// dir adds a folder, and those above it.
func (a *archive) dir(name string) {
	if !a.made[path.Clean(name)] {
		a.add(tar.Header{Name: path.Clean(name) + "/", Typeflag: tar.TypeDir, Mode: 0o755}, nil)
	}
}

func (a *archive) file(name string, mode int64, data []byte) {
	a.add(tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: mode}, data)
}

func (a *archive) link(name, target string) {
	a.add(tar.Header{Name: name, Typeflag: tar.TypeSymlink, Mode: 0o777, Linkname: target}, nil)
}

func (a *archive) finish(t testing.TB) string {
	t.Helper()
	end := a.tar.Close
	if a.open {
		end = a.tar.Flush
	}
	if err := errors.Join(a.err, end(), a.zip.Close()); err != nil {
		t.Fatal(err)
	}
	return a.buffer.String()
}
