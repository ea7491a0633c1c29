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
