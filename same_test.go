package verify

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"github.com/imageverify/verify/internal/corpus"
)

const (
	ubuntuInForce = "49f002ba206e2cea2024aaa9f6f4ee4e9fb5c084"
	ubuntuTarball = "ubuntu-xenial-core-cloudimg-amd64-root.tar.gz"
	ubuntuSum     = "cc6f79ef87645ceaab78aa007084a34b20526e95f815cb50612930297e766d62"
)

// officialUbuntu are the options to trace the real ubuntu:16.04 by the library,
// against a mirror of its source that lacks the commit in force.
func officialUbuntu(t *testing.T) (ref string, o Options) {
	t.Helper()
	o = warmOptions(t)
	real := ubuntuOptions(t)
	o.As, o.GitMirrors, o.Keyrings = "ubuntu:16.04", real.GitMirrors, real.Keyrings
	return "oci:" + filepath.Join(corpus.Dir(t), "images/ubuntu-16.04"), o
}

func TestACommitOfTheSameSerialIsJudgedAndNamedNotMadeTheOrigin(t *testing.T) {
	ref, o := officialUbuntu(t)
	img := verifyOne(t, ref, o)
	wants(t, img, Incomplete, "trace.origin", Unknown, "source-absent")
	if *img.Origin.Commit != ubuntuInForce || img.Origin.Directory != "xenial" {
		t.Errorf("origin %+v, want the entry in force %s", img.Origin, ubuntuInForce)
	}
	f, _ := findingOf(img, "trace.origin")
	want := SameAs{Repository: ubuntuSource, Commit: ubuntuCommit, Directory: "xenial", File: "Dockerfile", Serial: "20210804"}
	if f.Details.SameAs == nil || *f.Details.SameAs != want {
		t.Errorf("sameAs %+v, want %+v", f.Details.SameAs, want)
	}
	wants(t, img, Incomplete, "history.directives", Pass, "")
	wants(t, img, Incomplete, "rootfs.signature", Pass, "")
	wants(t, img, Incomplete, "rootfs.checksum", Unknown, "source-absent")
	wants(t, img, Incomplete, "layer.content", Unknown, "blob-absent")
	if f, _ := findingOf(img, "rootfs.checksum"); !strings.Contains(f.Summary, "SHA256SUMS:1 says sha256:"+ubuntuSum) {
		t.Errorf("summary %q does not tell the published sum", f.Summary)
	}
	for _, f := range img.Findings {
		rests := !strings.HasPrefix(f.Check, "image.") && !strings.HasPrefix(f.Check, "trace.") || f.Check == "trace.current"
		told := strings.Contains(f.Summary, "judged on another commit, "+ubuntuCommit)
		if rests != told || rests && f.Details.SameAs == nil {
			t.Errorf("%s: rests on the other commit: %v, says so: %v", f.Check, rests, told)
		}
	}
}

// moveBranch is a copy of a mirror whose dist-amd64 is a commit with a file
// changed.
func moveBranch(t *testing.T, mirror, file string, change func(string) string) string {
	t.Helper()
	dir, id := recommit(t, mirror, ubuntuCommit, file, change)
	if out, err := exec.Command("git", "-C", dir, "update-ref", "refs/heads/dist-amd64", id).CombinedOutput(); err != nil {
		t.Fatalf("git update-ref: %v\n%s", err, out)
	}
	return dir
}

func TestEveryAttackOnThePublishedListIsSeen(t *testing.T) {
	second := func(s string) string { return s + strings.Repeat("0", 64) + " *" + ubuntuTarball + "\n" }
	tests := []struct {
		name, file, check, reason string
		change                    func(string) string
	}{
		{"one byte of the list", "xenial/SHA256SUMS", "rootfs.signature", "bad-signature",
			func(s string) string { return strings.Replace(s, "cc6f79", "cc6f70", 1) }},
		{"a byte in another file's line", "xenial/SHA256SUMS", "rootfs.signature", "bad-signature",
			func(s string) string { return strings.Replace(s, "79dd25", "79dd26", 1) }},
		{"a second line for the file", "xenial/SHA256SUMS", "rootfs.checksum", "two-sums", second},
		{"a second line for the file, signature", "xenial/SHA256SUMS", "rootfs.signature", "bad-signature", second},
		{"the file's line removed", "xenial/SHA256SUMS", "rootfs.checksum", "not-listed",
			func(s string) string { _, rest, _ := strings.Cut(s, "\n"); return rest }},
		{"no signature", "xenial/SHA256SUMS.gpg", "rootfs.signature", "no-signature", func(string) string { return "" }},
		{"one bit of the signature", "xenial/SHA256SUMS.gpg", "rootfs.signature", "bad-signature",
			func(s string) string { return strings.Replace(s, "AKGT", "AKGU", 1) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ref, o := officialUbuntu(t)
			o.GitMirrors = map[string]string{ubuntuSource: moveBranch(t, o.GitMirrors[ubuntuSource], tt.file, tt.change)}
			wants(t, verifyOne(t, ref, o), Failed, tt.check, Fail, tt.reason)
		})
	}
}

func TestAnotherKeyUnderTheSameNameDoesNotSign(t *testing.T) {
	ref, o := officialUbuntu(t)
	real := o.GitMirrors[ubuntuSource]
	list := gitShow(t, real, ubuntuCommit+":xenial/SHA256SUMS")
	key, signature := impostor(t, "UEC Image Automatic Signing Key", "cdimage@ubuntu.com", list)
	o.GitMirrors = map[string]string{ubuntuSource: moveBranch(t, real, "xenial/SHA256SUMS.gpg", func(string) string { return signature })}
	for name, keyrings := range map[string][]string{"alone": {key}, "beside the real one": {key, o.Keyrings[0]}} {
		t.Run(name, func(t *testing.T) {
			o := o
			o.Keyrings = keyrings
			wants(t, verifyOne(t, ref, o), Failed, "rootfs.signature", Fail, "wrong-key")
		})
	}
	t.Run("as a pinned key is absent, for the real signature", func(t *testing.T) {
		o := o
		o.GitMirrors, o.Keyrings = map[string]string{ubuntuSource: real}, []string{key}
		wants(t, verifyOne(t, ref, o), Failed, "rootfs.signature", Fail, "wrong-key")
	})
}

func gitShow(t *testing.T, dir, what string) string {
	t.Helper()
	out, err := exec.Command("git", "-c", "safe.directory=*", "-C", dir, "show", what).Output()
	if err != nil {
		t.Fatalf("git show %s: %v", what, err)
	}
	return string(out)
}

// impostor makes a key of a name, in a file, and its armored signature over
// text.
func impostor(t *testing.T, name, mail, text string) (file, signature string) {
	t.Helper()
	key, err := openpgp.NewEntity(name, "", mail, &packet.Config{Time: func() time.Time { return time.Date(2009, 9, 15, 0, 0, 0, 0, time.UTC) }})
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "key.asc")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := key.Serialize(f); err != nil {
		t.Fatal(err)
	}
	return file, armoredSignature(t, key, text)
}

// armoredSignature is a key's detached signature over text.
func armoredSignature(t *testing.T, key *openpgp.Entity, text string) string {
	t.Helper()
	var out bytes.Buffer
	w, err := armor.Encode(&out, openpgp.SignatureType, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := openpgp.DetachSign(w, []*openpgp.Entity{key}, strings.NewReader(text), nil); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestACommitThatTheLibrarysReferenceDoesNotHoldIsNotJudged(t *testing.T) {
	ref, o := officialUbuntu(t)
	dir := filepath.Join(t.TempDir(), "mirror.git")
	copyTree(t, o.GitMirrors[ubuntuSource], dir)
	for _, args := range [][]string{{"update-ref", "refs/heads/other", ubuntuCommit}, {"update-ref", "-d", "refs/heads/dist-amd64"}} {
		if out, err := exec.Command("git", append([]string{"-C", dir}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	o.GitMirrors = map[string]string{ubuntuSource: dir}
	wants(t, verifyOne(t, ref, o), Incomplete, "history.directives", Unknown, "no-dockerfile")
}

func TestACommitOfAnotherSerialIsNotJudged(t *testing.T) {
	ref, o := officialUbuntu(t)
	other := func(string) string { return "SERIAL=20220801\n" }
	o.GitMirrors = map[string]string{ubuntuSource: moveBranch(t, o.GitMirrors[ubuntuSource], "xenial/build-info.txt", other)}
	img := verifyOne(t, ref, o)
	wants(t, img, Incomplete, "history.directives", Unknown, "no-dockerfile")
	if f, _ := findingOf(img, "trace.origin"); f.Details.SameAs != nil {
		t.Errorf("sameAs %+v, want none", f.Details.SameAs)
	}
}
