package verify

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/imageverify/verify/internal/corpus"
	"github.com/imageverify/verify/internal/gitserver"
)

const (
	busyboxSource = "https://github.com/docker-library/busybox.git"
	busyboxCommit = "0436ae6a521e9e1bf3a524b0c3062a68d2af96e0"
	busyboxDir    = "latest/musl/arm64v8"
)

// busyboxLayout is the real busybox:musl for arm64 as a layout without symbolic
// links, taken out of the repository that keeps it.
func busyboxLayout(t *testing.T) string {
	t.Helper()
	mirror := filepath.Join(corpus.Dir(t), "git/docker-library+busybox.git")
	out := t.TempDir()
	tree := exec.Command("sh", "-c", `git -c safe.directory="*" -C "$1" archive "$2" latest/musl | tar -x -C "$3"`, "sh", mirror, busyboxCommit, out)
	if text, err := tree.CombinedOutput(); err != nil {
		t.Fatalf("git archive: %v\n%s", err, text)
	}
	dir := filepath.Join(out, busyboxDir)
	blobs, err := filepath.Glob(filepath.Join(dir, "blobs/sha256/*"))
	if err != nil || len(blobs) == 0 {
		t.Fatalf("no blobs in %s: %v", dir, err)
	}
	for _, name := range blobs {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func busyboxOptions(t *testing.T) Options {
	o := warmOptions(t)
	o.Platform, o.As = "linux/arm64", "busybox:musl"
	o.GitMirrors = map[string]string{busyboxSource: filepath.Join(corpus.Dir(t), "git/docker-library+busybox.git")}
	return o
}

func TestAnImageThatLiesInGitIsVerifiedByItsLayout(t *testing.T) {
	img := verifyOne(t, "oci:"+busyboxLayout(t), busyboxOptions(t))
	wants(t, img, Verified, "trace.layout", Pass, "")
	wants(t, img, Verified, "trace.origin", Pass, "")
	if *img.Origin.Commit != busyboxCommit || img.Origin.Directory != busyboxDir || img.Origin.Builder != "oci-import" {
		t.Errorf("origin %+v", img.Origin)
	}
	for _, check := range []string{"history.directives", "history.content", "layer.content"} {
		if f, made := findingOf(img, check); made {
			t.Errorf("%s is made beside trace.layout: %s %s", check, f.Status, f.Summary)
		}
	}
}

// importedImage keeps an image in git as a layout, and names that in the
// library. change edits the layout's files before they are committed.
func importedImage(t *testing.T, w *world, change func(files map[string]string)) string {
	t.Helper()
	s := w.image(copySteps("true")...)
	dir := s.write()
	config, manifest := s.configBytes(), s.encode(s.manifest)
	files := map[string]string{
		"oci-layout": `{"imageLayoutVersion":"1.0.0"}`,
		"index.json": string(s.encode(v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{s.descriptor}})),
		"config":     string(config), "manifest": string(manifest), "layer": string(s.layers[0]),
	}
	change(files)
	in := map[string]string{"d/oci-layout": files["oci-layout"], "d/index.json": files["index.json"]}
	for name, digest := range map[string]v1.Hash{"config": sha(config), "manifest": sha(manifest), "layer": sha(s.layers[0])} {
		if files[name] != "" {
			in["d/blobs/sha256/"+digest.Hex] = files[name]
		}
	}
	w.entry("Builder: oci-import\nFile: index.json\nGitCommit: " + w.commit(w.source, in))
	return "oci:" + dir
}

func TestEveryFileOfALayoutInGitCounts(t *testing.T) {
	tests := []struct {
		name    string
		change  func(files map[string]string)
		verdict Verdict
		status  Status
		reason  string
	}{
		{"nothing changed", func(map[string]string) {}, Verified, Pass, ""},
		{"layer changed", func(f map[string]string) { f["layer"] += "x" }, Failed, Fail, "digest-mismatch"},
		{"layer absent", func(f map[string]string) { f["layer"] = "" }, Failed, Fail, "layout-differs"},
		{"config changed", func(f map[string]string) { f["config"] = strings.Replace(f["config"], "amd64", "arm64", 1) }, Failed, Fail, "digest-mismatch"},
		{"manifest changed", func(f map[string]string) { f["manifest"] += "\n" }, Failed, Fail, "digest-mismatch"},
		{"index of another image", func(f map[string]string) {
			f["index.json"] = strings.ReplaceAll(f["index.json"], sha([]byte(f["manifest"])).Hex, sha([]byte("other")).Hex)
		}, Failed, Fail, "other-image"},
		{"no layout", func(f map[string]string) { f["oci-layout"] = "{}" }, Failed, Fail, "malformed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			ref := importedImage(t, w, tt.change)
			img := verifyOne(t, ref, w.options())
			wants(t, img, tt.verdict, "trace.layout", tt.status, tt.reason)
		})
	}
}

// busyboxTwin commits the real layout of busybox:musl, changed by a test, to a
// repository that a server serves, and names that commit in a library.
func busyboxTwin(t *testing.T, s *gitserver.Server, change func(t *testing.T, dir string)) Options {
	t.Helper()
	repo := s.Repository(t, "docker-library/busybox.git", "sha1")
	mirror := filepath.Join(corpus.Dir(t), "git/docker-library+busybox.git")
	tree := exec.Command("sh", "-c", `git -c safe.directory="*" -C "$1" archive "$2" latest/musl/arm64v8 | tar -x -C "$3"`, "sh", mirror, busyboxCommit, repo.Dir)
	if text, err := tree.CombinedOutput(); err != nil {
		t.Fatalf("git archive: %v\n%s", err, text)
	}
	change(t, filepath.Join(repo.Dir, busyboxDir))
	commit := repo.Commit(map[string]string{"elsewhere/rootfs.tar": noise("elsewhere", 1<<20)})
	lib := s.Repository(t, "library", "sha1")
	lib.Commit(map[string]string{"library/busybox": "Maintainers: T <t@test> (@t)\nGitRepo: " + busyboxSource + "\n\nTags: musl\nArchitectures: arm64v8\n" +
		"Builder: oci-import\nFile: index.json\nDirectory: " + busyboxDir + "\nGitCommit: " + commit + "\n"})
	return Options{Platform: "linux/arm64", As: "busybox:musl", Library: lib.Dir, GitMirrors: map[string]string{busyboxSource: repo.Dir}, Offline: true}
}

// rewrite changes a file of a layout through whatever link leads to it.
func rewrite(name string, edit func([]byte) []byte) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		t.Helper()
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), edit(data), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// relink makes a blob of a layout a symbolic link to a target.
func relink(blob, target string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		t.Helper()
		name := filepath.Join(dir, "blobs/sha256", blob)
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, name); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheRealLayoutInGitTamperedWithIsSeen(t *testing.T) {
	const (
		manifest = "3cb83a1fb0a5d7064741699ec39f3276d393df432c7c287e8486154465910a89"
		layer    = "7e75e6d7d7c97e99528d165ddae068049dfd29846f693e5b35feba66c0e78912"
	)
	image := "oci:" + busyboxLayout(t)
	flip := func(at int) func([]byte) []byte {
		return func(b []byte) []byte { b[at] ^= 1; return b }
	}
	for name, c := range map[string]struct {
		change func(*testing.T, string)
		status Status
		reason string
	}{
		"nothing changed":                 {func(*testing.T, string) {}, Pass, ""},
		"one bit of the layer":            {rewrite("rootfs.tar.gz", flip(500_000)), Fail, "digest-mismatch"},
		"the layer cut short":             {rewrite("rootfs.tar.gz", func(b []byte) []byte { return b[:500_000] }), Fail, "digest-mismatch"},
		"a blank in the manifest":         {rewrite("image-manifest.json", func(b []byte) []byte { return append(b, ' ') }), Fail, "digest-mismatch"},
		"one bit of the config":           {rewrite("image-config.json", flip(100)), Fail, "digest-mismatch"},
		"a link to another file":          {relink(layer, "../../image-config.json"), Fail, "digest-mismatch"},
		"a link to nowhere":               {relink(layer, "../../rootfs.tar"), Fail, "layout-differs"},
		"a link that leaves the tree":     {relink(layer, strings.Repeat("../", 12)+"etc/passwd"), Fail, "link-leaves"},
		"an absolute link":                {relink(manifest, "/etc/passwd"), Fail, "link-leaves"},
		"a link to the repository itself": {relink(layer, "../../../../../.git/config"), Fail, "layout-differs"},
		"a link in a circle":              {relink(layer, layer), Fail, "layout-differs"},
	} {
		t.Run(name, func(t *testing.T) {
			s := gitserver.New(t)
			o := busyboxTwin(t, s, c.change)
			verdict := map[Status]Verdict{Pass: Verified, Fail: Failed}[c.status]
			wants(t, verifyOne(t, image, o), verdict, "trace.layout", c.status, c.reason)
			o.GitMirrors, o.Offline = nil, false
			o.Transport = &recorder{base: s.Client().Transport, host: "github.com", to: mustParse(t, s.URL)}
			wants(t, verifyOne(t, image, o), verdict, "trace.layout", c.status, c.reason)
			if n := gitserver.Sent(s.Requests()); n == 0 || n > 1<<20 {
				t.Errorf("%d bytes were sent for a layout of 917 kB", n)
			}
		})
	}
}
