package image

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// fakeDaemon answers like a Docker daemon on a unix socket: images by the path
// they are asked for, everything else with 404.
type fakeDaemon struct {
	host    string
	answers map[string]http.HandlerFunc

	mu    sync.Mutex
	asked []string
}

// startDaemon listens on a socket with a short name: the system bounds it.
func startDaemon(t *testing.T, answers map[string]http.HandlerFunc) *fakeDaemon {
	t.Helper()
	dir, err := os.MkdirTemp("", "d")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "d.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	d := &fakeDaemon{host: "unix://" + socket, answers: answers}
	server := &http.Server{Handler: d}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return d
}

func (d *fakeDaemon) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	d.asked = append(d.asked, r.URL.Path)
	d.mu.Unlock()
	if answer, ok := d.answers[r.URL.Path]; ok {
		answer(w, r)
		return
	}
	says(http.StatusNotFound, `{"message":"reference does not exist"}`)(w, r)
}

// paths lists what was asked for so far.
func (d *fakeDaemon) paths() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.asked, " ")
}

// open opens a reference to an image of the daemon.
func (d *fakeDaemon) open(t *testing.T, ref string, o Options) (*Set, error) {
	t.Helper()
	o.DockerHost = d.host
	return openFor(t, "docker-daemon:"+ref, o)
}

func says(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		w.Write([]byte(text))
	}
}

func sends(data []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.Write(data) }
}
