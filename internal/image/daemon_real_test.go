package image

import (
	"fmt"
	"strings"
	"testing"

	"github.com/imageverify/verify/internal/builders"
)

// TestImagesOfARealDaemonAreOpened starts Debian's dockerd.
func TestImagesOfARealDaemonAreOpened(t *testing.T) {
	engine := builders.StartDocker(t)
	host := engine.Host
	o := Options{DockerHost: host}
	_, err := openFor(t, "docker-daemon:pb/a:legacy", o)
	wantError(t, err, "no image is named pb/a:legacy in the Docker daemon at "+host, "the daemon has no image with a name: docker pull it first")
	for archive, said := range savedArchives(t) {
		engine.Run(t, "load", "-q", "-i", archive)
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
	engine.Run(t, "tag", "pb/a:legacy", "pb/a:latest")
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
