package verify

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/imageverify/verify/internal/corpus"
)

const (
	ubuntuSource = "https://github.com/tianon/docker-brew-ubuntu-core.git"
	ubuntuCommit = "570d5970a8b18bc772ad2c3eb1ce8fd0887d991a"
)

// ubuntuImage is the metadata of the real ubuntu:16.04, which names a commit of
// Ubuntu's repository as its build definition.
func ubuntuImage(t *testing.T, commit string) string {
	t.Helper()
	s := takeSpecimen(t, "ubuntu-16.04", "amd64")
	s.manifest.Annotations = map[string]string{sourceKey: ubuntuSource + "#" + commit + ":xenial"}
	return "oci:" + s.write()
}

func ubuntuOptions(t *testing.T) Options {
	t.Helper()
	return Options{
		Platform: "linux/amd64", As: "example.com/ubuntu:16.04", Offline: true,
		GitMirrors:   map[string]string{ubuntuSource: filepath.Join(corpus.Dir(t), "git/tianon+docker-brew-ubuntu-core.git")},
		Keyrings:     []string{filepath.Join(corpus.Dir(t), "keys/ubuntu-uec-image.asc")},
		Requirements: Requirements{Only: []string{"rootfs", "trace.origin"}},
	}
}

func TestCanonicalsListIsSignedByItsKey(t *testing.T) {
	img := verifyOne(t, ubuntuImage(t, ubuntuCommit), ubuntuOptions(t))
	wants(t, img, Incomplete, "rootfs.signature", Pass, "")
	f, _ := findingOf(img, "rootfs.signature")
	for _, want := range []string{"D2EB44626FDDC30B513D5BB71A5D6C4C7DB87C81", "SHA1", "weak"} {
		if !strings.Contains(strings.ToUpper(f.Summary), strings.ToUpper(want)) {
			t.Errorf("summary %q does not name %s", f.Summary, want)
		}
	}
	wants(t, img, Incomplete, "rootfs.checksum", Unknown, "source-absent")
	wants(t, img, Incomplete, "trace.origin", Pass, "")
}

func TestAListWithoutTheDistributorsKeyIsUnknown(t *testing.T) {
	o := ubuntuOptions(t)
	o.Keyrings = nil
	img := verifyOne(t, ubuntuImage(t, ubuntuCommit), o)
	wants(t, img, Incomplete, "rootfs.signature", Unknown, "key-absent")
	if f, _ := findingOf(img, "rootfs.signature"); !strings.Contains(f.Summary, "--keyring") {
		t.Errorf("summary %q does not say how to get the key", f.Summary)
	}
}

func TestAChangedListOrSignatureIsSeen(t *testing.T) {
	tests := []struct {
		name, file, check, reason string
		change                    func(string) string
	}{
		{"one byte of the list", "xenial/SHA256SUMS", "rootfs.signature", "bad-signature", func(s string) string { return strings.Replace(s, "a", "b", 1) }},
		{"a line more", "xenial/SHA256SUMS", "rootfs.signature", "bad-signature", func(s string) string { return s + strings.Repeat("0", 64) + " *other\n" }},
		{"no signature in the file", "xenial/SHA256SUMS.gpg", "rootfs.signature", "no-signature", func(string) string { return "" }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := ubuntuOptions(t)
			mirror, commit := recommit(t, o.GitMirrors[ubuntuSource], ubuntuCommit, tt.file, tt.change)
			o.GitMirrors = map[string]string{ubuntuSource: mirror}
			img := verifyOne(t, ubuntuImage(t, commit), o)
			f, _ := findingOf(img, tt.check)
			if f.Status != Fail || f.Reason != tt.reason {
				t.Errorf("want fail %s:%s", tt.reason, describe(img))
			}
		})
	}
}
