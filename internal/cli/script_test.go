package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/imageverify/verify/internal/corpus"
	"github.com/imageverify/verify/internal/schema"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"verify": func() { os.Exit(Main(os.Args[1:], Process())) },
	})
}

// TestScripts runs the program itself. Scripts in testdata/script need nothing
// but Go; those in testdata/corpus read the real images.
func TestScripts(t *testing.T) {
	runScripts(t, "testdata/script", nil)
}

func TestCorpusScripts(t *testing.T) {
	dir := corpus.Dir(t)
	runScripts(t, "testdata/corpus", func(e *testscript.Env) { corpusEnv(e, dir) })
}

// corpusEnv names the corpus's parts to a script.
func corpusEnv(e *testscript.Env, dir string) {
	e.Setenv("CORPUS", dir)
	e.Setenv("LIBRARY", filepath.Join(dir, "git/official-images.git"))
	e.Setenv("ALPINE", "https://github.com/alpinelinux/docker-alpine.git="+filepath.Join(dir, "git/alpinelinux+docker-alpine.git"))
	e.Setenv("UBUNTU", "https://github.com/tianon/docker-brew-ubuntu-core.git="+filepath.Join(dir, "git/tianon+docker-brew-ubuntu-core.git"))
	e.Setenv("BUSYBOX", "https://github.com/docker-library/busybox.git="+filepath.Join(dir, "git/docker-library+busybox.git"))
	e.Setenv("HELLO", "https://github.com/docker-library/hello-world.git="+filepath.Join(dir, "git/docker-library+hello-world.git"))
}

func runScripts(t *testing.T, dir string, more func(*testscript.Env)) {
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		Setup: func(e *testscript.Env) error {
			e.Setenv("VERIFY_CACHE_DIR", filepath.Join(e.WorkDir, ".cache"))
			e.Setenv("DOCKER_CONFIG", filepath.Join(e.WorkDir, ".docker"))
			if more != nil {
				more(e)
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":    cmdExits,
			"registry": cmdRegistry,
			"server":   cmdServer,
			"filled":   cmdFilled,
			"absent":   cmdAbsent,
		},
	})
}

// cmdExits runs the program and asserts its exit code: exits CODE ARG…
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: exits CODE ARG…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec("verify", args[1:]...)
	got := 0
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		got = e.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
	checkJSON(ts, args[1:])
}

// checkJSON holds whatever a run wrote as JSON to the published schema.
func checkJSON(ts *testscript.TestScript, args []string) {
	if out := ts.ReadFile("stdout"); asksForJSON(args) && out != "" {
		ts.Check(schema.Validate([]byte(out)))
	}
	for _, arg := range args {
		_, name, ok := strings.Cut(arg, "json=")
		if _, err := os.Stat(ts.MkAbs(name)); ok && err == nil {
			ts.Check(schema.Validate([]byte(ts.ReadFile(name))))
		}
	}
}

// cmdRegistry starts an in-process registry on loopback and sets $VAR to its
// HOST:PORT: registry VAR [LAYOUT REPOSITORY:TAG]…
func cmdRegistry(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args)%2 != 1 {
		ts.Fatalf("usage: registry VAR [LAYOUT REPOSITORY:TAG]…")
	}
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(true)))
	ts.Defer(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	ts.Setenv(args[0], host)
	for pair := range slices.Chunk(args[1:], 2) {
		ts.Check(push(ts.MkAbs(pair[0]), host+"/"+pair[1]))
	}
}

// push writes the first image or index of a layout to a registry.
func push(dir, ref string) error {
	tag, err := name.NewTag(ref, name.Insecure)
	if err != nil {
		return err
	}
	path, err := layout.FromPath(dir)
	if err != nil {
		return err
	}
	root, err := path.ImageIndex()
	if err != nil {
		return err
	}
	m, err := root.IndexManifest()
	if err != nil {
		return err
	}
	d := m.Manifests[0]
	if !d.MediaType.IsIndex() {
		img, err := root.Image(d.Digest)
		if err != nil {
			return err
		}
		return remote.Write(tag, img, remote.WithContext(context.Background()))
	}
	idx, err := root.ImageIndex(d.Digest)
	if err != nil {
		return err
	}
	return remote.WriteIndex(tag, idx, remote.WithContext(context.Background()))
}

// cmdServer starts a server with a fault and sets $VAR to its HOST:PORT:
// server VAR hang|closed|huge
func cmdServer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: server VAR hang|closed|huge")
	}
	switch args[1] {
	case "hang":
		stop := make(chan struct{})
		server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-stop }))
		ts.Defer(server.Close)
		ts.Defer(func() { close(stop) })
		ts.Setenv(args[0], strings.TrimPrefix(server.URL, "http://"))
	case "closed":
		l, err := net.Listen("tcp", "127.0.0.1:0")
		ts.Check(err)
		ts.Setenv(args[0], l.Addr().String())
		ts.Check(l.Close())
	case "huge":
		server := httptest.NewServer(http.HandlerFunc(serveHuge))
		ts.Defer(server.Close)
		ts.Setenv(args[0], strings.TrimPrefix(server.URL, "http://"))
	default:
		ts.Fatalf("server: no fault is called %q", args[1])
	}
}

// serveHuge answers every manifest with more than 4 MiB of JSON.
func serveHuge(w http.ResponseWriter, r *http.Request) {
	if !strings.Contains(r.URL.Path, "/manifests/") {
		return
	}
	w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
	body := append([]byte(`{"schemaVersion":2,"annotations":{"a":"`), bytes.Repeat([]byte("x"), 5<<20)...)
	_, _ = w.Write(append(body, `"}}`...))
}

// cmdFilled asserts that a directory holds something; with ! that it is empty
// or absent: filled DIR
func cmdFilled(ts *testscript.TestScript, neg bool, args []string) {
	entries, err := os.ReadDir(ts.MkAbs(args[0]))
	if err != nil && !os.IsNotExist(err) {
		ts.Fatalf("%v", err)
	}
	if (len(entries) > 0) == neg {
		ts.Fatalf("%s holds %d entries", args[0], len(entries))
	}
}

// cmdAbsent makes a copy of a layout without its layers:
// absent FROM TO
func cmdAbsent(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: absent FROM TO")
	}
	from, to := ts.MkAbs(args[0]), ts.MkAbs(args[1])
	ts.Check(os.CopyFS(to, os.DirFS(from)))
	path, err := layout.FromPath(from)
	ts.Check(err)
	idx, err := path.ImageIndex()
	ts.Check(err)
	ts.Check(removeLayers(idx, to))
}

func removeLayers(idx v1.ImageIndex, dir string) error {
	m, err := idx.IndexManifest()
	if err != nil {
		return err
	}
	for _, d := range m.Manifests {
		if d.MediaType.IsIndex() {
			child, err := idx.ImageIndex(d.Digest)
			if err != nil {
				return err
			}
			if err := removeLayers(child, dir); err != nil {
				return err
			}
			continue
		}
		img, err := idx.Image(d.Digest)
		if err != nil {
			return err
		}
		im, err := img.Manifest()
		if err != nil {
			return err
		}
		for _, l := range im.Layers {
			if err := os.Remove(filepath.Join(dir, "blobs", l.Digest.Algorithm, l.Digest.Hex)); err != nil {
				return err
			}
		}
	}
	return nil
}
