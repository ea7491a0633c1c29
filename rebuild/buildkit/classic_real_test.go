package buildkit_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/imageverify/verify/internal/builders"
	"github.com/imageverify/verify/provenance/dockerfile"
	"github.com/imageverify/verify/rebuild"
	"github.com/imageverify/verify/rebuild/buildkit"
)

func TestTheClassicBuilderBuildsAndNothingOfItStays(t *testing.T) {
	docker := builders.StartDocker(t)
	p := pool(t, buildkit.Classic(docker.Host))
	var out, log bytes.Buffer
	r := request(t, &out, "RUN echo hello >/made")
	r.Dialect, r.Log, r.SourceDate = dockerfile.Classic, &log, sourceDate
	built, err := p.Build(t.Context(), r)
	if err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	if built.Form != rebuild.FormDockerArchive || built.Environment.Builder != "classic" || !strings.HasPrefix(built.Environment.Version, "20.10") {
		t.Errorf("the result is %+v", built)
	}
	if !bytes.Contains(out.Bytes(), []byte("manifest.json")) || !strings.Contains(log.String(), "RUN echo hello") {
		t.Errorf("an archive of %d bytes, the log %q", out.Len(), log.String())
	}
	if left := docker.Run(t, "images", "--all", "--quiet"); strings.TrimSpace(left) != "" {
		t.Errorf("images stayed: %s", left)
	}
}

func TestWhatFailsInTheClassicBuilderLeavesNothingEither(t *testing.T) {
	docker := builders.StartDocker(t)
	p := pool(t, buildkit.Classic(docker.Host))
	var out, log bytes.Buffer
	r := request(t, &out, "RUN echo good >/a", "RUN exit 9")
	r.Log = &log
	_, err := p.Build(t.Context(), r)
	e, ok := errors.AsType[*rebuild.BuildError](err)
	if !ok || e.Reason != rebuild.BuildFailed || !strings.Contains(e.What, "returned a non-zero code: 9") {
		t.Fatalf("the error is %v", err)
	}
	if left := docker.Run(t, "images", "--all", "--quiet") + docker.Run(t, "ps", "--all", "--quiet"); strings.TrimSpace(left) != "" || out.Len() > 0 {
		t.Errorf("stayed: %q, and %d bytes", left, out.Len())
	}
}

func TestAnEngineWithoutTheContainerdStoreIsRefusedByName(t *testing.T) {
	docker := builders.StartDocker(t)
	_, err := pool(t, "docker+"+docker.Host).Build(t.Context(), request(t, &bytes.Buffer{}, "RUN true"))
	if e, ok := errors.AsType[*rebuild.BuildError](err); !ok || e.Reason != rebuild.NeedsOCIExporter {
		t.Errorf("the error is %v", err)
	}
}

func TestABuilderOfAnotherPlatformIsRefusedAndTheNextOneTaken(t *testing.T) {
	docker, daemon := builders.StartDocker(t), builders.StartBuildKit(t)
	r := request(t, &bytes.Buffer{}, "RUN true")
	r.Platform.Architecture, r.Platform.OS = "s390x", "plan9"
	_, err := pool(t, buildkit.Classic(docker.Host), daemon.Address).Build(t.Context(), r)
	if e, ok := errors.AsType[*rebuild.BuildError](err); !ok || e.Reason != rebuild.NeedsPlatform {
		t.Errorf("the error is %v", err)
	}
	built, err := pool(t, "unix:///nonexistent/b.sock", daemon.Address).Build(t.Context(), request(t, &bytes.Buffer{}, "RUN true"))
	if err != nil || built.Environment.Address != daemon.Address {
		t.Errorf("%+v, %v", built, err)
	}
}
