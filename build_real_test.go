package verify_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imageverify/verify"
	"github.com/imageverify/verify/internal/builders"
	"github.com/imageverify/verify/internal/corpus"
	"github.com/imageverify/verify/rebuild"
	"github.com/imageverify/verify/rebuild/buildkit"
)

// busyboxContext is a build context with Debian's busybox and a Dockerfile.
func busyboxContext(t testing.TB, dockerfile string) string {
	t.Helper()
	dir := t.TempDir()
	bin := filepath.Join(dir, "root", "bin")
	data, err := os.ReadFile("/bin/busybox")
	if err == nil {
		err = os.MkdirAll(bin, 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(bin, "busybox"), data, 0o755)
	}
	for _, applet := range []string{"sh", "date", "head", "mkdir", "od", "sleep"} {
		if err == nil {
			err = os.Symlink("busybox", filepath.Join(bin, applet))
		}
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(dockerfile), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// rebuilt verifies an image with a build by the builder.
func rebuilt(t testing.TB, reference, dir string, b verify.Builder, change func(*verify.Options)) verify.Image {
	t.Helper()
	o := verify.Options{Given: verify.Given{Context: dir}, Builder: b, Building: verify.Building{Asked: true},
		Platform: "linux/amd64", Requirements: verify.Requirements{Require: []string{"rebuild.level"}}}
	if change != nil {
		change(&o)
	}
	r, err := verify.Verify(t.Context(), []string{reference}, o)
	if err != nil {
		t.Fatal(err)
	}
	return r.Images[0]
}

func findingOf(t testing.TB, img verify.Image, check string) verify.Finding {
	t.Helper()
	for _, f := range img.Findings {
		if f.Check == check {
			return f
		}
	}
	t.Fatalf("no finding of %s", check)
	return verify.Finding{}
}

func poolAt(t testing.TB, address string) verify.Builder {
	t.Helper()
	p, err := buildkit.New([]string{address}, buildkit.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const onBusybox = "FROM scratch\nCOPY root/ /\n"

// hourAgo is the source date of published images.
const hourAgo = "1700000000"

func TestARebuildReachesTheLevelThatItsRUNAllows(t *testing.T) {
	t.Parallel()
	daemon := builders.StartBuildKit(t)
	pool := poolAt(t, daemon.Address)
	for _, c := range []struct {
		name, run, epoch string
		level            verify.Level
		says             string
	}{
		{"a RUN that repeats itself", "RUN mkdir -p /etc && echo made >/etc/made", hourAgo, verify.SameDigest, "to the level digest"},
		{"no source date", "RUN echo made >/made && sleep 2", "", verify.SameFiles, `the level is files, not layers: time of "`},
		{"the date", "RUN date >/when; head -c 0 /when; date +%s >>/when; head -c 9 /dev/urandom >>/when", hourAgo, verify.Different, `content of "when"`},
		{"a random number", "RUN head -c 8 /dev/urandom | od -x >/random", hourAgo, verify.Different, `content of "random"`},
		{"a log", "RUN mkdir -p /var/log && head -c 8 /dev/urandom | od -x >/var/log/made.log", hourAgo, verify.Different, `content of "var/log/made.log"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := busyboxContext(t, onBusybox+c.run+"\n")
			published := filepath.Join(t.TempDir(), "published.tar")
			daemon.Build(t, dir, published, c.epoch)
			img := rebuilt(t, "oci-archive:"+published, dir, pool, nil)
			f, content := findingOf(t, img, "rebuild.level"), findingOf(t, img, "layer.content")
			if img.Rebuild.Level != c.level || !strings.Contains(f.Summary, c.says) {
				t.Errorf("level %s: %s", img.Rebuild.Level, f.Summary)
			}
			if proved := c.level.Reaches(verify.SameLayers); (content.Status == verify.Pass) != proved || (f.Status == verify.Pass) != proved {
				t.Errorf("layer.content is %s, %s; rebuild.level is %s", content.Status, content.Reason, f.Status)
			}
			if unproved := img.Rebuild.Coverage.Bytes.Unproved; (unproved == 0) != c.level.Reaches(verify.SameLayers) {
				t.Errorf("%d bytes are not proved", unproved)
			}
		})
	}
}

func TestAnImageOnABaseInARegistryIsBuiltOnThatVeryBase(t *testing.T) {
	daemon, host := builders.StartBuildKit(t), corpus.Registry(t)
	publish := func(dir, reference string, args ...string) {
		archive := filepath.Join(t.TempDir(), "image.tar")
		daemon.Build(t, dir, archive, hourAgo, args...)
		if out, err := exec.Command("skopeo", "copy", "--dest-tls-verify=false", "oci-archive:"+archive, "docker://"+reference).CombinedOutput(); err != nil {
			t.Fatalf("skopeo: %v\n%s", err, out)
		}
	}
	publish(busyboxContext(t, onBusybox+"ENV A=b\n"), host+"/base:1")
	app := busyboxContext(t, "FROM "+host+"/base:1\nRUN echo $A >/made\nCMD [\"/bin/sh\"]\n")
	publish(app, host+"/app:1")
	img := rebuilt(t, host+"/app:1", app, poolAt(t, daemon.Address), func(o *verify.Options) {
		o.InsecureRegistries, o.AllowHosts = []string{host}, []string{host}
	})
	f := findingOf(t, img, "rebuild.level")
	if f.Status != verify.Pass || img.Rebuild.Level != verify.SameDigest {
		t.Errorf("level %s, %s: %s", img.Rebuild.Level, f.Status, f.Summary)
	}
	if b := img.Rebuild.Build; b == nil || len(b.Bases) != 1 || b.Digest != *img.Digest || b.Network != "none" {
		t.Errorf("the build is %+v", img.Rebuild.Build)
	}
}

// lying is a builder that hands out what it likes.
type lying struct {
	form string
	data []byte
}

func (l lying) Build(_ context.Context, r rebuild.Request) (*rebuild.Result, error) {
	_, err := r.Output.Write(l.data)
	return &rebuild.Result{Form: l.form, Environment: rebuild.Environment{Builder: "lying"}}, err
}

func TestWhatALyingBuilderHandsOutProvesNothing(t *testing.T) {
	daemon := builders.StartBuildKit(t)
	dir := busyboxContext(t, onBusybox+"RUN echo made >/made\n")
	published, other := filepath.Join(t.TempDir(), "p.tar"), filepath.Join(t.TempDir(), "o.tar")
	daemon.Build(t, dir, published, hourAgo)
	daemon.Build(t, busyboxContext(t, "FROM scratch\nCOPY Dockerfile /\nCOPY root/ /\n"), other, hourAgo, "--opt", "platform=linux/arm64")
	whole, err := os.ReadFile(published)
	if err != nil {
		t.Fatal(err)
	}
	arm, err := os.ReadFile(other)
	if err != nil {
		t.Fatal(err)
	}
	flipped := append([]byte(nil), whole...)
	for i := len(flipped) / 2; i < len(flipped)/2+64; i++ {
		flipped[i] ^= 0xff
	}
	for name, b := range map[string]verify.Builder{
		"garbage":          lying{rebuild.FormOCIArchive, []byte("this is no archive at all")},
		"nothing":          lying{rebuild.FormOCIArchive, nil},
		"half an image":    lying{rebuild.FormOCIArchive, whole[:len(whole)/2]},
		"bytes changed":    lying{rebuild.FormOCIArchive, flipped},
		"another platform": lying{rebuild.FormOCIArchive, arm},
		"another form":     lying{rebuild.FormDockerArchive, []byte("no")},
		"no form":          lying{"tar", whole},
	} {
		img := rebuilt(t, "oci-archive:"+published, dir, b, nil)
		f := findingOf(t, img, "rebuild.level")
		if f.Status != verify.Unknown || f.Reason != "builder-result" || strings.Contains(f.Summary, "\n") {
			t.Errorf("%s: %s (%s): %s", name, f.Status, f.Reason, f.Summary)
		}
		if c := findingOf(t, img, "layer.content"); c.Status != verify.Unknown || c.Reason != "run-unproved" {
			t.Errorf("%s: layer.content is %s (%s)", name, c.Status, c.Reason)
		}
	}
	img := rebuilt(t, "oci-archive:"+published, dir, nil, nil)
	if f := findingOf(t, img, "rebuild.level"); f.Status != verify.Unknown || f.Reason != "not-built-in" {
		t.Errorf("without a builder: %s (%s)", f.Status, f.Reason)
	}
}
