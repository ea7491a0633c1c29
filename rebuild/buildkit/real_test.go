package buildkit_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/internal/builders"
	"github.com/imageverify/verify/provenance/dockerfile"
	"github.com/imageverify/verify/rebuild"
	"github.com/imageverify/verify/rebuild/buildkit"
)

// sourceDate is the source date of the tests' builds.
var sourceDate = time.Unix(1700000000, 0).UTC()

// rootfs is a context with Debian's busybox, and its applets in bin.
func rootfs(t testing.TB) fstest.MapFS {
	t.Helper()
	busybox, err := os.ReadFile("/bin/busybox")
	if err != nil {
		t.Fatalf("Debian's package busybox-static: %v", err)
	}
	files := fstest.MapFS{"root/bin/busybox": {Data: busybox, Mode: 0o755}}
	for _, applet := range []string{"sh", "date", "cat", "head", "mkdir", "sleep", "wget", "uname", "ls", "touch"} {
		files["root/bin/"+applet] = &fstest.MapFile{Data: []byte("busybox"), Mode: 0o777 | fs.ModeSymlink}
	}
	return files
}

// request is a build of directives on the rootfs.
func request(t testing.TB, out io.Writer, directives ...string) rebuild.Request {
	return rebuild.Request{
		Dockerfile: []byte("FROM scratch\nCOPY root/ /\n" + strings.Join(directives, "\n") + "\n"),
		Context:    rootfs(t), Umask: 0o022, Platform: v1.Platform{OS: "linux", Architecture: "amd64"},
		SourceDate: sourceDate, Network: rebuild.NetworkNone, Dialect: dockerfile.BuildKit, Output: out,
	}
}

func pool(t testing.TB, addresses ...string) *buildkit.Pool {
	t.Helper()
	p, err := buildkit.New(addresses, buildkit.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestBuildKitBuildsTheSameArchiveTwice(t *testing.T) {
	daemon := builders.StartBuildKit(t)
	p := pool(t, daemon.Address)
	var digests []string
	var log bytes.Buffer
	for range 2 {
		var out bytes.Buffer
		r := request(t, &out, "RUN echo $SOURCE_DATE_EPOCH >/made && mkdir /var && date >/dev/null")
		r.Log = &log
		built, err := p.Build(t.Context(), r)
		if err != nil {
			t.Fatalf("%v\n%s", err, log.String())
		}
		if e := built.Environment; built.Form != rebuild.FormOCIArchive || e.Builder != "buildkit" || e.Version == "" || e.Address != daemon.Address || !strings.HasPrefix(e.Worker, "linux/") {
			t.Errorf("the result is %+v", built)
		}
		digests = append(digests, digestOf(t, out.Bytes()))
	}
	if digests[0] != digests[1] {
		t.Errorf("two builds gave %v", digests)
	}
	if !strings.Contains(log.String(), "RUN echo") {
		t.Errorf("the log lacks the directive: %s", log.String())
	}
}

// digestOf is that of an archive's index.json, which names the manifest.
func digestOf(t testing.TB, archive []byte) string {
	t.Helper()
	r := tar.NewReader(bytes.NewReader(archive))
	for {
		h, err := r.Next()
		if err != nil {
			t.Fatalf("no index.json: %v", err)
		}
		if h.Name == "index.json" {
			data, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			return fmt.Sprintf("%x", sha256.Sum256(data))
		}
	}
}

func TestADirectiveThatFailsIsNamedAndTheLogIsKept(t *testing.T) {
	p := pool(t, builders.StartBuildKit(t).Address)
	var out, log bytes.Buffer
	r := request(t, &out, "RUN echo so far so good && exit 7")
	r.Log = &log
	_, err := p.Build(t.Context(), r)
	e, ok := errors.AsType[*rebuild.BuildError](err)
	if !ok || e.Reason != rebuild.BuildFailed || !strings.Contains(e.What, "exit code: 7") || strings.Contains(e.What, "\n") {
		t.Fatalf("the error is %v", err)
	}
	if !strings.Contains(log.String(), "so far so good") || out.Len() > 0 {
		t.Errorf("log %q, output of %d bytes", log.String(), out.Len())
	}
}
