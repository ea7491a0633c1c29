package image

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/imageverify/verify/internal/corpus"
)

// dockerPatience is how long Docker's daemon may take to answer for the first time.
const dockerPatience = 20 * time.Second

// startDocker starts Debian's dockerd on a unix socket, for as long as the test
// runs, without a bridge and without rules for the firewall.
func startDocker(t *testing.T) string {
	t.Helper()
	corpus.Real(t)
	dir, err := os.MkdirTemp("", "d")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	host := "unix://" + filepath.Join(dir, "d.sock")
	cmd := exec.Command("dockerd", "--data-root", filepath.Join(dir, "data"), "--exec-root", filepath.Join(dir, "exec"),
		"--pidfile", filepath.Join(dir, "pid"), "-H", host, "--iptables=false", "--bridge=none", "--storage-driver", "overlay2")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatalf("dockerd (Debian's package docker.io): %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	})
	for end := time.Now().Add(dockerPatience); ; time.Sleep(100 * time.Millisecond) {
		if exec.Command("/usr/bin/docker", "-H", host, "version").Run() == nil {
			return host
		}
		if time.Now().After(end) {
			text, _ := os.ReadFile(log.Name())
			t.Fatalf("dockerd does not answer:\n%s", text)
		}
	}
}

// TestImagesOfARealDaemonAreOpened starts Debian's dockerd.
func TestImagesOfARealDaemonAreOpened(t *testing.T) {
	host := startDocker(t)
	docker := func(args ...string) {
		t.Helper()
		if text, err := exec.Command("/usr/bin/docker", append([]string{"-H", host}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, text)
		}
	}
	o := Options{DockerHost: host}
	_, err := openFor(t, "docker-daemon:pb/a:legacy", o)
	wantError(t, err, "no image is named pb/a:legacy in the Docker daemon at "+host, "the daemon has no image with a name: docker pull it first")
	for archive, said := range savedArchives(t) {
		docker("load", "-q", "-i", archive)
		if said == nil {
			continue
		}
		for _, ref := range []string{said.RepoTags[0], "docker.io/" + said.RepoTags[0]} {
			set, err := openFor(t, "docker-daemon:"+ref, o)
			if err != nil {
				t.Errorf("%s: %v", ref, err)
				continue
			}
			checkSaved(t, set, said)
		}
		for _, ref := range []string{said.ID, strings.TrimPrefix(said.ID, "sha256:"), said.ID[7:19]} {
			set, err := openFor(t, "docker-daemon:"+ref, o)
			if err != nil {
				t.Errorf("%s: %v", ref, err)
				continue
			}
			if got := set.Images[0].Manifest().Parsed.Config.Digest.String(); got != said.ID || set.Reference.Name != "" || set.Reference.Pinned != (len(ref) > 12) {
				t.Errorf("%s: %s, %+v", ref, got, set.Reference)
			}
			if wrong := problems(t, set.Images[0]); wrong != nil {
				t.Errorf("%s: %q", ref, wrong)
			}
		}
	}
	docker("tag", "pb/a:legacy", "pb/a:latest")
	set, err := openFor(t, "docker-daemon:pb/a", o)
	if err != nil || set.Reference.Name != "docker.io/pb/a:latest" {
		t.Errorf("%+v, %v", set, err)
	}
	_, err = openFor(t, "docker-daemon:pb/a:legaci", o)
	if e, ok := err.(*NotFoundError); !ok || !strings.HasPrefix(e.Hint(), "near: pb/a:legacy") {
		t.Errorf("%v, %v", err, e)
	}
	unknown := fmt.Sprintf("sha256:%064d", 0)
	_, err = openFor(t, "docker-daemon:"+unknown, o)
	if err == nil || err.Error() != "no image has the ID "+unknown+" in the Docker daemon at "+host {
		t.Error(err)
	}
	if _, err = openFor(t, "docker-daemon:0000000", o); err == nil || err.Error() != "no image is named 0000000:latest in the Docker daemon at "+host {
		t.Error(err)
	}
}
