package tutorial

import (
	"archive/tar"
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"testing"
)

// Server serves packages and a program on loopback.
type Server struct {
	// URL is its address, without a slash at the end.
	URL string

	files map[string][]byte
}

// NewServer serves until the test ends.
func NewServer(t testing.TB) *Server {
	t.Helper()
	s := &Server{}
	s.release(t, "1.0")
	server := httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	data, found := s.files[path.Clean(r.URL.Path)] // apt asks for ./Packages
	if !found {
		http.NotFound(w, r)
		return
	}
	_, _ = w.Write(data)
}

// release makes the packages and the program of a version.
func (s *Server) release(t testing.TB, version string) {
	t.Helper()
	curl := "#!/bin/sh\n# curl " + version + ": -L ADDRESS -o FILE\nexec wget -q -O \"$4\" \"$2\"\n"
	python := "#!/bin/sh\n# python " + version + "\nexec /bin/sh \"$@\"\n"
	files := map[string][]byte{"/latest/downloader": []byte("#!/bin/sh\necho downloader " + version + "\n")}
	var index bytes.Buffer
	for name, text := range map[string]string{"curl": curl, "python": python} {
		deb := debPackage(t, name, version, text)
		files["/apt/"+name+".deb"] = deb
		fmt.Fprintf(&index, "Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: Nobody <nobody@example.org>\nFilename: ./%s.deb\nSize: %d\nSHA256: %x\nDescription: made for a test\n\n",
			name, version, name, len(deb), sha256.Sum256(deb))
	}
	files["/apt/Packages"] = index.Bytes()
	files["/apk/x86_64/APKINDEX.tar.gz"], files["/apk/x86_64/downloader-"+version+"-r0.apk"] = apkRepository(t, version)
	s.files = files
}

// debPackage is a package with one program, made by dpkg-deb.
func debPackage(t testing.TB, name, version, program string) []byte {
	t.Helper()
	dir := t.TempDir()
	for file, text := range map[string]string{
		"DEBIAN/control":  fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: Nobody <nobody@example.org>\nDescription: made for a test\n", name, version),
		"usr/bin/" + name: program,
	} {
		file = filepath.Join(dir, "root", file)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	deb := filepath.Join(dir, "a.deb")
	cmd := exec.Command("dpkg-deb", "--root-owner-group", "--build", filepath.Join(dir, "root"), deb)
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1700000000")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("dpkg-deb: %v\n%s", err, out)
	}
	data, err := os.ReadFile(deb)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// apkRepository is the index of a repository and its one package, not signed, in
// the format of apk-tools 2: https://wiki.alpinelinux.org/wiki/Apk_spec.
func apkRepository(t testing.TB, version string) (index, apk []byte) {
	t.Helper()
	program := []byte("#!/bin/sh\necho downloader " + version + "\n")
	content := newArchive()
	content.add(tar.Header{Name: "usr/bin/downloader", Typeflag: tar.TypeReg, Mode: 0o755,
		PAXRecords: map[string]string{"APK-TOOLS.checksum.SHA1": fmt.Sprintf("%x", sha1.Sum(program))}}, program)
	data := content.finish(t)
	info := fmt.Sprintf("pkgname = downloader\npkgver = %s-r0\npkgdesc = made for a test\narch = x86_64\nsize = 4096\ndatahash = %x\n", version, sha256.Sum256([]byte(data)))
	control := newSegment()
	control.file(".PKGINFO", 0o644, []byte(info))
	head := control.finish(t)
	sum := sha1.Sum([]byte(head))
	apk = []byte(head + data)
	entry := fmt.Sprintf("C:Q1%s\nP:downloader\nV:%s-r0\nA:x86_64\nS:%d\nI:4096\nT:made for a test\n\n", base64.StdEncoding.EncodeToString(sum[:]), version, len(apk))
	list := newArchive()
	list.file("APKINDEX", 0o644, []byte(entry))
	return []byte(list.finish(t)), apk
}
