package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/imageverify/verify/internal/network"
)

func TestAnImageOfADaemonIsOpenedByNameAndID(t *testing.T) {
	f := &savedFixture{t: t}
	image := f.old("alpine:latest", layerTar(t, "one"), layerTar(t, "two"))
	named := sends(f.bytes())
	f.images[0].RepoTags = nil
	byID := sends(f.bytes())
	f.images[0].RepoTags = []string{"localhost/team/app:1"}
	local := sends(f.bytes())
	id := namedDigest(image.Config)
	d := startDaemon(t, map[string]http.HandlerFunc{
		"/images/alpine:latest/get": named, "/images/docker.io/library/alpine:latest/get": named,
		"/images/" + id.String() + "/get":        byID,
		"/images/sha256:" + id.Hex[:12] + "/get": byID,
		"/images/team/app:1/get":                 local,
	})
	for _, c := range []struct {
		ref, asked, name string
		pinned           bool
	}{
		{"alpine", "/images/alpine:latest/get", "docker.io/library/alpine:latest", false},
		{"alpine:latest", "/images/alpine:latest/get", "docker.io/library/alpine:latest", false},
		{"docker.io/library/alpine", "/images/docker.io/library/alpine:latest/get", "docker.io/library/alpine:latest", false},
		{"team/app:1", "/images/team/app:1/get", "localhost/team/app:1", false},
		{id.String(), "/images/" + id.String() + "/get", "", true},
		{id.Hex, "/images/" + id.String() + "/get", "", true},
		{id.Hex[:12], "/images/" + id.Hex[:12] + ":latest/get /images/sha256:" + id.Hex[:12] + "/get", "", false},
	} {
		d.asked = nil
		set, err := d.open(t, c.ref, Options{})
		if err != nil {
			t.Errorf("%s: %v", c.ref, err)
			continue
		}
		if d.paths() != c.asked {
			t.Errorf("%s: asked for %s", c.ref, d.paths())
		}
		r := set.Reference
		if r.Kind != KindDockerDaemon || r.Store != "docker-daemon" || r.Name != c.name || r.OwnAccount != (c.name != "") || r.Pinned != c.pinned {
			t.Errorf("%s: %+v", c.ref, r)
		}
		if wrong := problems(t, set.Images[0]); wrong != nil || set.Images[0].HasManifest() {
			t.Errorf("%s: %q", c.ref, wrong)
		}
	}
}

func TestAnIDOfADaemonThatKeepsManifestsIsTaken(t *testing.T) {
	f := &savedFixture{t: t}
	f.layout("", gzipped, layerTar(t, "one"))
	manifest := hashOf("sha256", []byte("a manifest"))
	f.blob([]byte("a manifest"))
	d := startDaemon(t, map[string]http.HandlerFunc{"/images/" + manifest.String() + "/get": sends(f.bytes())})
	set, err := d.open(t, manifest.String(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if set.Reference.Pinned {
		t.Error("an ID that is not the image's pins it")
	}
}

func TestADaemonThatSendsAnotherImageIsRefused(t *testing.T) {
	f := &savedFixture{t: t}
	f.old("evil:1", layerTar(t, "one"))
	id := hashOf("sha256", []byte("other"))
	d := startDaemon(t, map[string]http.HandlerFunc{
		"/images/alpine:3/get":            sends(f.bytes()),
		"/images/" + id.String() + "/get": sends(f.bytes()),
	})
	for _, ref := range []string{"alpine:3", id.String()} {
		_, err := d.open(t, ref, Options{})
		wantError(t, err, "Docker daemon at "+d.host+": was asked for "+ref+" and sent another image", "")
	}
}

func TestAnImageThatADaemonLacksGetsNamesNearIt(t *testing.T) {
	id := hashOf("sha256", []byte("other")).String()
	answers := map[string]http.HandlerFunc{
		"/images/" + id + "/get": says(500, `{"message":"failed to get digest: no such file or directory"}`),
	}
	d := startDaemon(t, answers)
	where := " in the Docker daemon at " + d.host
	_, err := d.open(t, "app:2", Options{})
	wantError(t, err, "no image is named app:2"+where, "")
	answers["/images/json"] = sends([]byte("[]"))
	_, err = d.open(t, "app:2", Options{})
	wantError(t, err, "no image is named app:2"+where, "the daemon has no image with a name: docker pull it first")
	answers["/images/json"] = sends([]byte(`[{"RepoTags":["app:1","something/else:3"]},{"RepoTags":null},{"RepoTags":["<none>:<none>"]}]`))
	_, err = d.open(t, "app:2", Options{})
	wantError(t, err, "no image is named app:2"+where, "near: app:1")
	_, err = d.open(t, "registry.example.org/x:9", Options{})
	wantError(t, err, "no image is named registry.example.org/x:9"+where, "present: app:1, something/else:3")
	_, err = d.open(t, id, Options{})
	wantError(t, err, "no image has the ID "+id+where, "present: app:1, something/else:3")
}

func TestADaemonThatFailsIsSaid(t *testing.T) {
	f := &savedFixture{t: t}
	f.old("a:1", layerTar(t, "one"))
	saved := f.bytes()
	cut := func(w http.ResponseWriter, _ *http.Request) {
		w.Write(saved[:len(saved)/2])
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	for _, c := range []struct {
		name, message, hint string
		answer              http.HandlerFunc
	}{
		{"an error", "DAEMON: answered Internal Server Error: no space left", "", says(500, `{"message":"no space left\n"}`)},
		{"an error in text", "DAEMON: answered Bad Request: Client sent an HTTP request to an HTTPS server.", "", says(400, "Client sent an HTTP request to an HTTPS server.\n")},
		{"an error without words", "DAEMON: answered Forbidden", "", says(403, "")},
		{"an error with control characters", "DAEMON: answered Conflict: a [31mb", "", says(409, `{"message":"a\u001b[31mb"}`)},
		{"a redirection", "DAEMON: answered Moved Permanently", "", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://169.254.169.254/")
			w.WriteHeader(http.StatusMovedPermanently)
		}},
		{"a cut stream", "DAEMON: broke off in the middle of its answer", "try again, or look into the daemon's log", cut},
		{"nothing", "REF: not an archive of docker save: it has no manifest.json", "archives of Docker before 1.10 are not read", sends(nil)},
		{"an error after the first bytes", "REF: not a readable tar archive: archive/tar: invalid tar header", "", sends(append(saved[:1024:1024], strings.Repeat(`{"error":"x"}`, 40)...))},
		{"no answer", "DAEMON: cannot be reached: EOF", "start it, or name another one in DOCKER_HOST as unix:///PATH or tcp://HOST:PORT",
			func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
	} {
		d := startDaemon(t, map[string]http.HandlerFunc{"/images/a:1/get": c.answer})
		_, err := d.open(t, "a:1", Options{})
		if err == nil {
			t.Errorf("%s: no error", c.name)
			continue
		}
		message := strings.NewReplacer("DAEMON", "Docker daemon at "+d.host, "REF", "docker-daemon:a:1").Replace(c.message)
		wantError(t, err, message, c.hint)
	}
}

func TestADaemonThatHangsIsGivenUp(t *testing.T) {
	for name, start := range map[string]string{"before its answer": "", "in its answer": "some bytes"} {
		synctest.Test(t, func(t *testing.T) {
			here, there := net.Pipe()
			defer there.Close()
			go func() {
				there.Read(make([]byte, 4096))
				if start != "" {
					fmt.Fprintf(there, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n%s", start)
				}
			}()
			began := time.Now()
			_, err := Open(t.Context(), "docker-daemon:a:1", Options{DockerHost: "tcp://10.0.0.1:2375",
				DialDaemon: func(context.Context, string, string) (net.Conn, error) { return here, nil }})
			wantError(t, err, "Docker daemon at tcp://10.0.0.1:2375: cannot be reached: no byte from tcp://10.0.0.1:2375 for 10m0s",
				"start it, or name another one in DOCKER_HOST as unix:///PATH or tcp://HOST:PORT")
			if took := time.Since(began); took != daemonSilence || !errors.As(err, new(*network.IdleError)) {
				t.Errorf("%s: %v after %v", name, err, took)
			}
		})
	}
}

func TestWaitingForADaemonEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	d := startDaemon(t, map[string]http.HandlerFunc{"/images/a:1/get": func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte("x"))
		w.(http.Flusher).Flush()
		cancel()
		<-r.Context().Done()
	}})
	if _, err := Open(ctx, "docker-daemon:a:1", Options{DockerHost: d.host}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestWhereADaemonIsLookedFor(t *testing.T) {
	refused := errors.New("not now")
	for _, c := range []struct{ host, network, address string }{
		{"", "unix", "/var/run/docker.sock"},
		{"unix:///x/y.sock", "unix", "/x/y.sock"},
		{"unix://y.sock", "unix", "y.sock"},
		{"tcp://127.0.0.1:4243", "tcp", "127.0.0.1:4243"},
		{"tcp://box", "tcp", "box:2375"},
		{"tcp://[::1]:1", "tcp", "[::1]:1"},
		{"tcp://[::1]", "tcp", "[::1]:2375"},
	} {
		var network, address string
		_, err := openFor(t, "docker-daemon:a:1", Options{DockerHost: c.host, DialDaemon: func(_ context.Context, n, a string) (net.Conn, error) {
			network, address = n, a
			return nil, refused
		}})
		if !errors.Is(err, refused) || network != c.network || address != c.address {
			t.Errorf("%q: %s %s, %v", c.host, network, address, err)
		}
	}
	for _, host := range []string{"ssh://me@box", "npipe:////./pipe/docker_engine", "fd://", "unix://", "tcp://", "tcp://box/path", "tcp://me@box", "box", "https://box"} {
		_, err := openFor(t, "docker-daemon:a:1", Options{DockerHost: host})
		wantError(t, err, "docker-daemon:a:1: DOCKER_HOST is not an address that is spoken to: "+host,
			"set it to unix:///PATH or tcp://HOST:PORT, or save the image and write docker-archive:FILE")
	}
}

func TestADaemonThatIsNotThereIsSaid(t *testing.T) {
	gone := "unix://" + filepath.Join(t.TempDir(), "gone.sock")
	_, err := openFor(t, "docker-daemon:a:1", Options{DockerHost: gone})
	wantError(t, err, "Docker daemon at "+gone+": cannot be reached: connect: no such file or directory",
		"start it, or name another one in DOCKER_HOST as unix:///PATH or tcp://HOST:PORT")
	_, err = openFor(t, "docker-daemon:a:1", Options{DialDaemon: func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "unix", Err: os.NewSyscallError("connect", fs.ErrPermission)}
	}})
	wantError(t, err, "Docker daemon at unix:///var/run/docker.sock: cannot be reached: connect: permission denied",
		"its socket is for root and the group docker")
}

func TestWhatIsNotAReferenceToADaemonsImage(t *testing.T) {
	for _, c := range []struct{ ref, problem, hint string }{
		{"", "not the name of an image: ", "write docker-daemon:NAME:TAG or docker-daemon:IMAGE-ID"},
		{"../etc/passwd:1", "not the name of an image: ", "write docker-daemon:NAME:TAG or docker-daemon:IMAGE-ID"},
		{"a b", "not the name of an image: ", "write docker-daemon:NAME:TAG or docker-daemon:IMAGE-ID"},
		{"//a", "not the name of an image: ", "write docker-daemon:NAME:TAG or docker-daemon:IMAGE-ID"},
		{"a?x=y", "not the name of an image: ", "write docker-daemon:NAME:TAG or docker-daemon:IMAGE-ID"},
		{"alpine@" + someDigest, "an image in a daemon has no manifest that could have that digest",
			"write docker-daemon:NAME:TAG or docker-daemon:sha256:… with the image's ID"},
	} {
		_, err := openFor(t, "docker-daemon:"+c.ref, Options{DialDaemon: func(context.Context, string, string) (net.Conn, error) {
			t.Errorf("%q: the daemon was asked", c.ref)
			return nil, errors.ErrUnsupported
		}})
		e, ok := err.(*ReferenceError)
		if !ok || !strings.HasPrefix(e.Problem, c.problem) || e.Hint() != c.hint {
			t.Errorf("%q: %v", c.ref, err)
		}
	}
}

func TestADaemonsErrorIsReadUpToItsBound(t *testing.T) {
	d := &daemon{host: "unix:///x"}
	const start, end = `{"message":"no disk","more":"`, `"}`
	for more, want := range map[int]string{0: ": no disk", 1: `: {"message":"no disk"`} {
		body := start + strings.Repeat("x", MaxDaemonAnswer-len(start)-len(end)+more) + end
		if err := d.refused(500, strings.NewReader(body)); !strings.Contains(err.Error(), want) {
			t.Errorf("%d bytes: %.200v", len(body), err)
		}
	}
}
