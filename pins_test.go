package verify

import (
	"strings"
	"testing"
)

const videoTool = `FROM ubuntu:16.04
RUN apt-get update && apt-get install -y curl python
RUN curl -L https://downloads.test/latest/video-tool \
      -o /usr/local/bin/video-tool
ENTRYPOINT ["video-tool"]
`

// toolSteps are the history that BuildKit writes for videoTool.
func toolSteps() []step {
	layer := []entry{file("usr/local/bin/video-tool", "x")}
	return []step{
		{"/bin/sh -c #(nop) ADD file:0 in / ", []entry{file("etc/passwd", "root")}},
		{"RUN /bin/sh -c apt-get update && apt-get install -y curl python # buildkit", layer},
		{"RUN /bin/sh -c curl -L https://downloads.test/latest/video-tool       -o /usr/local/bin/video-tool # buildkit", layer},
		{`ENTRYPOINT ["video-tool"]`, nil},
	}
}

func TestWhatADockerfileLeavesOpenIsSaidAndNothingRestsOnIt(t *testing.T) {
	w := newWorld(t)
	w.release(map[string]string{"Dockerfile": videoTool})
	s := w.image(toolSteps()...)
	img := verifyOne(t, "oci:"+s.write(), w.options())
	for check, want := range map[string]string{
		"pin.base":     "Dockerfile:1: FROM ubuntu:16.04",
		"pin.packages": "Dockerfile:2: apt-get installs curl, python",
		"pin.download": "Dockerfile:3: curl fetches https://downloads.test/latest/video-tool",
		"pin.latest":   "Dockerfile:3: curl fetches",
		"pin.user":     "Dockerfile:5: no USER",
	} {
		f, ok := findingOf(img, check)
		if !ok || f.Status != Warn || f.Required || !strings.HasPrefix(f.Summary, want) {
			t.Errorf("%s: want a warning that begins %q, got %+v", check, want, f)
		}
	}
	for _, absent := range []string{"pin.pipe", "pin.key", "pin.upgrade", "pin.shell"} {
		if f, ok := findingOf(img, absent); ok {
			t.Errorf("%s speaks of nothing that is there: %+v", absent, f)
		}
	}
	for _, f := range img.Findings {
		if f.Status == Fail {
			t.Errorf("%s fails: %s", f.Check, f.Summary)
		}
	}
}

func TestAnImagesUserIsTheConfigs(t *testing.T) {
	w := newWorld(t)
	w.release(copied)
	s := w.image(copySteps("true")...)
	s.config.Config.User = "app"
	s.seal()
	if f, _ := findingOf(verifyOne(t, "oci:"+s.write(), w.options()), "pin.user"); f.Status != Pass {
		t.Errorf("USER app in the config: %+v", f)
	}
}

func TestADockerfileThatIsNotTheImagesLeavesNothingOpen(t *testing.T) {
	w := newWorld(t)
	w.release(map[string]string{"Dockerfile": strings.Replace(videoTool, "curl -L", "curl -fL", 1)})
	s := w.image(toolSteps()...)
	img := verifyOne(t, "oci:"+s.write(), w.options())
	for _, f := range img.Findings {
		if strings.HasPrefix(f.Check, "pin.") {
			t.Errorf("%s: %s", f.Check, f.Summary)
		}
	}
	if img.Verdict != Failed {
		t.Errorf("verdict %s", img.Verdict)
	}
}
