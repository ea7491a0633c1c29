package verify

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/imageverify/verify/internal/corpus"
	"github.com/imageverify/verify/provenance/source"
)

const (
	debianSource = "https://github.com/debuerreotype/docker-debian-artifacts.git"
	rootfsName   = "rootfs.tar.xz"
)

// debian is a generated repository of Debian's kind, with an image built from
// it.
type debian struct {
	*world
	ref     string
	tarball []byte
}

func newDebian(t *testing.T, change func(files map[string]string)) *debian {
	t.Helper()
	d := &debian{world: newWorld(t)}
	layer := []entry{file("debian_version", "12.1\n")}
	d.tarball = repack(t, layer)
	files := map[string]string{
		"d/Dockerfile":                "FROM scratch\nADD rootfs.tar.xz /\nCMD [\"bash\"]\n",
		"d/" + rootfsName:             string(d.tarball),
		"d/" + rootfsName + ".sha256": fmt.Sprintf("%x *rootfs.tar.xz\n", sha256.Sum256(d.tarball)),
	}
	if change != nil {
		change(files)
	}
	id := d.commit(d.source, files)
	d.commit(d.lib, map[string]string{"library/app": fmt.Sprintf(
		"Maintainers: T <t@test> (@t)\nGitRepo: %s\n\nTags: 1\nArchitectures: amd64\nDirectory: d\nGitCommit: %s\n", debianSource, id)})
	d.ref = "oci:" + d.image(step{"ADD rootfs.tar.xz / # buildkit", layer}, step{`CMD ["bash"]`, nil}).write()
	return d
}

func (d *debian) options() Options {
	o := d.world.options()
	o.GitMirrors = map[string]string{debianSource: d.source}
	return o
}

// without removes blobs from the repository.
func (d *debian) without(blobs ...[]byte) {
	d.t.Helper()
	for _, data := range blobs {
		id := plumbing.ComputeHash(plumbing.BlobObject, data).String()
		if err := os.Remove(filepath.Join(d.source, ".git/objects", id[:2], id[2:])); err != nil {
			d.t.Fatal(err)
		}
	}
}

// handIn writes a file under a name that tells nothing.
func handIn(t *testing.T, data []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "some file")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestAnAbsentTarballIsTakenFromTheFileThatItIs(t *testing.T) {
	d := newDebian(t, nil)
	wants(t, verifyOne(t, d.ref, d.options()), Verified, "rootfs.checksum", Pass, "")
	d.without(d.tarball)
	wants(t, verifyOne(t, d.ref, d.options()), Incomplete, "rootfs.checksum", Unknown, "source-absent")

	o := d.options()
	o.Objects = []string{handIn(t, []byte("another")), handIn(t, d.tarball)}
	img := verifyOne(t, d.ref, o)
	wants(t, img, Verified, "rootfs.checksum", Pass, "")
	wants(t, img, Verified, "layer.content", Pass, "")
}

func TestAFileThatDiffersInOneByteIsNeverUsed(t *testing.T) {
	d := newDebian(t, nil)
	d.without(d.tarball)
	for at := range []int{0, len(d.tarball) / 2, len(d.tarball) - 1} {
		changed := bytes.Clone(d.tarball)
		changed[at] ^= 1
		o := d.options()
		o.Objects = []string{handIn(t, changed), handIn(t, append(bytes.Clone(d.tarball), 0)), handIn(t, d.tarball[:len(d.tarball)-1])}
		img := verifyOne(t, d.ref, o)
		wants(t, img, Incomplete, "rootfs.checksum", Unknown, "source-absent")
		wants(t, img, Incomplete, "layer.content", Unknown, "source-absent")
	}
}

func TestAListHandedInIsUsedByItsBlob(t *testing.T) {
	d := newDebian(t, nil)
	list := fmt.Appendf(nil, "%x *rootfs.tar.xz\n", sha256.Sum256(d.tarball))
	d.without(list)
	wants(t, verifyOne(t, d.ref, d.options()), Incomplete, "rootfs.checksum", Unknown, "source-absent")
	o := d.options()
	o.Objects = []string{handIn(t, list)}
	wants(t, verifyOne(t, d.ref, o), Verified, "rootfs.checksum", Pass, "")
	o.Objects = []string{handIn(t, bytes.ToUpper(list))}
	wants(t, verifyOne(t, d.ref, o), Incomplete, "rootfs.checksum", Unknown, "source-absent")
}

func TestAFileIsUsedByItsPublishedSumWhereGitNamesNone(t *testing.T) {
	d := newDebian(t, func(files map[string]string) { delete(files, "d/"+rootfsName) })
	o := d.options()
	wants(t, verifyOne(t, d.ref, o), Incomplete, "rootfs.checksum", Unknown, "source-absent")
	name := handIn(t, d.tarball)
	o.Objects = []string{name}
	img := verifyOne(t, d.ref, o)
	wants(t, img, Incomplete, "rootfs.checksum", Pass, "")
	if f, _ := findingOf(img, "rootfs.checksum"); len(f.Evidence) == 0 || f.Evidence[0].Value != name {
		t.Errorf("evidence %+v does not name the file handed in", f.Evidence)
	}
}

// A mirror that leaves out the blob of a forged tarball, beside the real list,
// is found out by the real tarball.
func TestAPublishedFileThatTheCommitDoesNotNameShowsTheForgery(t *testing.T) {
	d := newDebian(t, func(files map[string]string) { files["d/"+rootfsName] = "forged" })
	d.without([]byte("forged"))
	o := d.options()
	wants(t, verifyOne(t, d.ref, o), Incomplete, "rootfs.checksum", Unknown, "source-absent")
	o.Objects = []string{handIn(t, d.tarball)}
	wants(t, verifyOne(t, d.ref, o), Failed, "rootfs.checksum", Fail, "sum-differs")
}

func TestFilesHandedInThatAreNoneEndTheRunWithOneLine(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	large := filepath.Join(dir, "large")
	for name, want := range map[string]string{
		fifo: "not a regular file", dir: "not a regular file", filepath.Join(dir, "absent"): "no such file", os.DevNull: "not a regular file", large: "limit of",
	} {
		if err := os.WriteFile(large, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(large, source.MaxBlob+1); err != nil {
			t.Fatal(err)
		}
		for code, o := range map[string]Options{"object": {Objects: []string{name}}, "keyring": {Keyrings: []string{name}}} {
			_, err := Verify(context.Background(), []string{"oci:" + dir}, o)
			e, ok := errors.AsType[*RunError](err)
			if !ok || e.Code != code || e.Input != name || !strings.Contains(e.Message, want) || strings.Contains(e.Message, "\n") {
				t.Errorf("%s %s: %v, want one line with %q", code, name, err, want)
			}
		}
	}
	if err := os.Truncate(large, source.MaxBlob); err != nil {
		t.Fatal(err)
	}
	files, err := openObjects([]string{large})
	if err != nil {
		t.Errorf("a file of the bound: %v", err)
	}
	files.close()
}

func TestAKeyHandedInCountsByItsFingerprint(t *testing.T) {
	ref, o := officialUbuntu(t)
	o.Keyrings = nil
	o.Objects = []string{filepath.Join(corpus.Dir(t), "keys/ubuntu-uec-image.asc")}
	wants(t, verifyOne(t, ref, o), Incomplete, "rootfs.signature", Pass, "")
}
