package corpus

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// registryPatience is how long a registry may take to answer for the first time.
const registryPatience = 10 * time.Second

// Registry starts Debian's docker-registry on a free loopback port, for as long
// as the test runs, and returns its HOST:PORT. It skips as Real does, and fails
// where the program is missing.
func Registry(t testing.TB) string {
	t.Helper()
	Real(t)
	dir, host := t.TempDir(), freePort(t)
	config := filepath.Join(dir, "config.yml")
	text := fmt.Sprintf("version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: %s\nhttp:\n  addr: %s\n", filepath.Join(dir, "data"), host)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var output bytes.Buffer
	cmd := exec.Command("docker-registry", "serve", config)
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatalf("docker-registry (Debian's package of that name): %v", err)
	}
	stop := func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	t.Cleanup(stop)
	if err := answers("http://" + host + "/v2/"); err != nil {
		stop()
		t.Fatalf("docker-registry: %v\n%s", err, output.String())
	}
	return host
}

// freePort is a loopback address that nobody listens on.
func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func answers(url string) error {
	var err error
	for end := time.Now().Add(registryPatience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		var resp *http.Response
		if resp, err = http.Get(url); err == nil {
			return resp.Body.Close()
		}
	}
	return err
}
