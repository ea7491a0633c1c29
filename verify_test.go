package verify

import (
	"bytes"
	"compress/zlib"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/imageverify/verify/internal/corpus"
)

func TestAnUntouchedSpecimenIsVerified(t *testing.T) {
	o := warmOptions(t)
	for _, arch := range []string{"amd64", "arm64"} {
		s := takeSpecimen(t, "alpine-3.20.3", arch)
		o.Platform = "linux/" + arch
		if img := verifyOne(t, "oci:"+s.write(), o); img.Verdict != Verified {
			t.Errorf("%s: verdict %s:%s", arch, img.Verdict, describe(img))
		}
	}
}

func TestRepackingALayerWithItsOwnEntriesChangesNothing(t *testing.T) {
	s := takeSpecimen(t, "alpine-3.20.3", "amd64")
	s.editLayer(func(es []entry) []entry { return es })
	if img := verifyOne(t, "oci:"+s.write(), warmOptions(t)); img.Verdict != Verified {
		t.Errorf("verdict %s:%s", img.Verdict, describe(img))
	}
}

func TestAnEvilBlobBesideACleanCachedDiffIDIsRead(t *testing.T) {
	o := warmOptions(t)
	good := takeSpecimen(t, "alpine-3.20.3", "amd64")
	if img := verifyOne(t, "oci:"+good.write(), o); img.Verdict != Verified {
		t.Fatalf("the clean image: %s", describe(img))
	}
	warm := verifyOne(t, "oci:"+good.write(), o)
	if f, _ := findingOf(warm, "image.digests"); warm.Verdict != Verified || !f.Details.Cached {
		t.Fatalf("the second run does not say that it answers from the cache: %s", describe(warm))
	}
	evil := takeSpecimen(t, "alpine-3.20.3", "amd64")
	clean := evil.config
	evil.editLayer(func(es []entry) []entry {
		find(t, es, passwd).data[0]++
		return es
	})
	evil.config = clean
	evil.sealConfig()
	img := verifyOne(t, "oci:"+evil.write(), o)
	checkAttack(t, attack{check: "image.digests", status: Fail, reason: "diff-id-mismatch"}, img)
	checkAttack(t, attack{check: "layer.content", status: Fail, reason: "digest-mismatch"}, img)
}

func TestALayerInTheCacheIsHeldToTheLimitsOfThisRun(t *testing.T) {
	o := warmOptions(t)
	ref := "oci:" + takeSpecimen(t, "alpine-3.20.3", "amd64").write()
	if img := verifyOne(t, ref, o); img.Verdict != Verified {
		t.Fatalf("without a limit: %s", describe(img))
	}
	for _, limits := range []Limits{{LayerSize: 1_000_000}, {LayerEntries: 100}} {
		o.Limits = limits
		checkAttack(t, attack{check: "image.digests", status: Unknown, reason: "over-limit"}, verifyOne(t, ref, o))
	}
}

func TestATarballReplacedInGitUnderItsOldNameIsSeen(t *testing.T) {
	o := warmOptions(t)
	mirror := filepath.Join(t.TempDir(), "mirror.git")
	copyTree(t, o.GitMirrors[alpineSource], mirror)
	const tarball = "61208a10ca0fe7488868988803e399d06a1f4007"
	name := filepath.Join(mirror, "objects", tarball[:2], tarball[2:])
	data := gzipped(t, []byte("another tarball"))
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	fmt.Fprintf(w, "blob %d\x00%s", len(data), data)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, out.Bytes(), 0o444); err != nil {
		t.Fatal(err)
	}
	o.GitMirrors = map[string]string{alpineSource: mirror}
	img := verifyOne(t, "oci:"+filepath.Join(corpus.Dir(t), "images/alpine-3.20.3"), o)
	checkAttack(t, attack{check: "layer.content", status: Fail, reason: "object-mismatch"}, img)
	checkAttack(t, attack{check: "rootfs.checksum", status: Fail, reason: "object-mismatch"}, img)
}

func copyTree(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

func TestTheSameDigestInTwoReferencesIsReadInBoth(t *testing.T) {
	good := takeSpecimen(t, "alpine-3.20.3", "amd64")
	bad := takeSpecimen(t, "alpine-3.20.3", "amd64")
	bad.layers[0] = slices.Clone(bad.layers[0])
	bad.layers[0][1000] ^= 1
	refs := []string{"oci:" + good.write(), "oci:" + bad.write()}
	want := map[string]Verdict{refs[0]: Verified, refs[1]: Failed}
	for range 2 {
		o := warmOptions(t)
		o.Cache = ""
		r, err := Verify(context.Background(), refs, o)
		if err != nil {
			t.Fatal(err)
		}
		for _, img := range r.Images {
			if img.Verdict != want[img.Reference] {
				t.Errorf("%v: %s is %s, want %s:%s", refs, img.Reference, img.Verdict, want[img.Reference], describe(img))
			}
		}
		slices.Reverse(refs)
	}
}

// The list of the same commit is changed in a commit of its own, which the image
// then names as its build definition.
func TestWhatTheChecksumFileSaysIsJudged(t *testing.T) {
	tests := []struct {
		name   string
		list   func(real string) string
		status Status
		reason string
	}{
		{"another sum", func(s string) string { return strings.Replace(s, "9d5405f6", "00000000", 1) }, Fail, "sum-differs"},
		{"two sums", func(s string) string {
			return s + strings.Repeat("0", 128) + "  x86_64/alpine-minirootfs-3.20.3-x86_64.tar.gz\n"
		}, Fail, "two-sums"},
		{"no line", func(s string) string { return strings.ReplaceAll(s, "x86_64/", "other/") }, Fail, "not-listed"},
		{"no list of sums", func(string) string { return "nothing of the kind\n" }, Unknown, "list-invalid"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := warmOptions(t)
			o.Requirements.Only = []string{"rootfs.checksum"}
			s := takeSpecimen(t, "alpine-3.20.3", "amd64")
			mirror, commit := recommit(t, o.GitMirrors[alpineSource], realCommit, "checksums.sha512", tt.list)
			onAnnotation(sourceKey, realCommit, commit)(s)
			s.descriptor.Annotations = nil
			o.As, o.GitMirrors = "example.com/alpine:3", map[string]string{alpineSource: mirror}
			checkAttack(t, attack{check: "rootfs.checksum", status: tt.status, reason: tt.reason}, verifyOne(t, "oci:"+s.write(), o))
		})
	}
}

// recommit copies a repository and commits a file of a commit anew, changed.
func recommit(t *testing.T, from, commit, file string, change func(string) string) (dir, id string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "mirror.git")
	copyTree(t, from, dir)
	git := func(stdin string, args ...string) string {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=t", "-c", "user.email=t@test"}, args...)...)
		cmd.Stdin = strings.NewReader(stdin)
		cmd.Env = append(os.Environ(), "GIT_INDEX_FILE="+filepath.Join(dir, "index.tmp"))
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("git %v: %v", args, err)
		}
		return strings.TrimRight(string(out), "\n")
	}
	blob := git(change(git("", "show", commit+":"+file)+"\n"), "hash-object", "-w", "--stdin")
	git("", "read-tree", commit)
	git("", "update-index", "--cacheinfo", "100644,"+blob+","+file)
	return dir, git("", "commit-tree", git("", "write-tree", "--missing-ok"), "-m", "changed")
}

func TestAFileOfDockerSaveIsReadThoughItsDiffIDIsKnown(t *testing.T) {
	o := Options{Offline: true, Cache: filepath.Join(t.TempDir(), "cache"), Requirements: Requirements{Only: []string{"image.digests"}}}
	saved := filepath.Join(corpus.Dir(t), "builders/a-legacy.docker-save.tar")
	if img := verifyOne(t, "docker-archive:"+saved, o); img.Verdict != Verified {
		t.Fatalf("as saved: %s", describe(img))
	}
	data, err := os.ReadFile(saved)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(data, []byte("bin/busybox"))
	if at < 0 {
		t.Fatal("no busybox in the image")
	}
	data[at+2048] ^= 1
	changed := filepath.Join(t.TempDir(), "changed.tar")
	if err := os.WriteFile(changed, data, 0o644); err != nil {
		t.Fatal(err)
	}
	if img := verifyOne(t, "docker-archive:"+changed, o); img.Verdict != Failed {
		t.Errorf("one bit changed, with the diff ID in the cache: %s", describe(img))
	}
}
