package cli

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/spf13/cobra"

	"github.com/imageverify/verify/internal/corpus"
	"github.com/imageverify/verify/internal/gitserver"
)

// program builds the program.
func program(t *testing.T) string {
	t.Helper()
	corpus.Real(t)
	name := filepath.Join(t.TempDir(), "verify")
	if out, err := exec.Command("go", "build", "-o", name, "github.com/imageverify/verify/cmd/verify").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return name
}

// traced runs a program under strace and returns its output, its exit code and
// the system calls that open a file, a connection or a program.
func traced(t *testing.T, env []string, args ...string) (stdout string, code int, calls []string) {
	t.Helper()
	log := filepath.Join(t.TempDir(), "strace")
	cmd := exec.Command("strace", append([]string{"-f", "-qq", "-s", "200", "-e", "trace=network,openat,open,execve", "-o", log}, args...)...)
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	cmd.Env = append(os.Environ(), env...)
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatalf("strace: %v", err)
	}
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	return out.String(), cmd.ProcessState.ExitCode(), strings.Split(strings.TrimSpace(string(text)), "\n")
}

// holding are the calls that hold some text.
func holding(calls []string, text string) []string {
	return slices.DeleteFunc(slices.Clone(calls), func(call string) bool { return !strings.Contains(call, text) })
}

// claimImage writes an image that names its own origin, from a Dockerfile of one
// CMD, and returns its reference.
func claimImage(t *testing.T, source string) string {
	t.Helper()
	created := v1.Time{Time: time.Now()}
	img, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{
		OS: "linux", Architecture: "amd64", Created: created,
		Config:  v1.Config{Cmd: []string{"/a"}, Labels: map[string]string{"org.opencontainers.image.source": source}},
		History: []v1.History{{CreatedBy: `CMD ["/a"]`, Created: created, EmptyLayer: true, Comment: "buildkit.dockerfile.v0"}},
		RootFS:  v1.RootFS{Type: "layers", DiffIDs: []v1.Hash{}},
	})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path, err := layout.Write(dir, empty.Index)
	if err == nil {
		err = path.AppendImage(mutate.ConfigMediaType(mutate.MediaType(img, types.OCIManifestSchema1), types.OCIConfigJSON))
	}
	if err != nil {
		t.Fatal(err)
	}
	return "oci:" + dir
}

// originOf is the status and reason of a check in a report.
func originOf(t *testing.T, report, check string) string {
	t.Helper()
	var r struct {
		Images []struct {
			Findings []struct{ Check, Status, Reason string }
		}
	}
	if err := json.Unmarshal([]byte(report), &r); err != nil || len(r.Images) != 1 {
		t.Fatalf("%v: %s", err, report)
	}
	for _, f := range r.Images[0].Findings {
		if f.Check == check {
			return strings.TrimSpace(f.Status + " " + f.Reason)
		}
	}
	return ""
}

// TestWhatAnImageNamesIsOpenedOnlyWithinTheRules looks at the program from the
// server's side and from the system's.
func TestWhatAnImageNamesIsOpenedOnlyWithinTheRules(t *testing.T) {
	verify := program(t)
	s := gitserver.New(t)
	repo := s.Repository(t, "app", "sha1")
	commit := repo.Commit(map[string]string{"d/Dockerfile": "FROM scratch\nCMD [\"/a\"]\n"})
	fork := repo.Fork(commit, map[string]string{"d/other": "evil"})
	var knocks atomic.Int64
	other := listen(t, &knocks)
	redirected := ""
	s.Between(func(git http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if redirected == "" {
				git.ServeHTTP(w, r)
				return
			}
			http.Redirect(w, r, redirected, http.StatusFound)
		})
	})
	env := []string{"SSL_CERT_FILE=" + s.CertFile(t)}
	allow := "--allow-host=" + s.Host()
	for name, c := range map[string]struct {
		repository, commit, redirect string
		flags                        []string
		origin, reachable            string
		dials                        bool // to the git server
	}{
		"a git server that the user allows":      {repo.URL, commit, "", []string{"--follow-claims", allow}, "pass", "pass", true},
		"the same, not followed":                 {repo.URL, commit, "", []string{allow}, "unknown not-followed", "unknown not-followed", false},
		"the same, not allowed":                  {repo.URL, commit, "", []string{"--follow-claims"}, "unknown no-network", "unknown no-network", false},
		"a fork's commit":                        {repo.URL, fork, "", []string{"--follow-claims", allow}, "pass", "unknown commit-unreachable", true},
		"the cloud's metadata":                   {"https://169.254.169.254/latest.git", commit, "", []string{"--follow-claims"}, "unknown no-network", "", false},
		"the cloud's metadata, not followed":     {"https://169.254.169.254/latest.git", commit, "", nil, "unknown not-followed", "", false},
		"the metadata's address as a number":     {"https://2852039166/latest.git", commit, "", []string{"--follow-claims"}, "unknown no-network", "", false},
		"the metadata's address inside IPv6":     {"https://[::ffff:169.254.169.254]/latest.git", commit, "", []string{"--follow-claims"}, "unknown no-network", "", false},
		"a file":                                 {"file://" + repo.Dir, commit, "", []string{"--follow-claims"}, "unknown not-followed", "", false},
		"a path":                                 {repo.Dir, commit, "", []string{"--follow-claims"}, "unknown not-followed", "", false},
		"a secret file":                          {"file:///etc/shadow", commit, "", []string{"--follow-claims"}, "unknown not-followed", "", false},
		"an ssh server":                          {"ssh://git@" + s.Host() + "/app.git", commit, "", []string{"--follow-claims", allow}, "unknown not-followed", "", false},
		"an ssh server in git's short form":      {"git@127.0.0.1:app.git", commit, "", []string{"--follow-claims", allow}, "unknown not-followed", "", false},
		"a program":                              {"ext::sh -c id", commit, "", []string{"--follow-claims", allow}, "unknown not-followed", "", false},
		"a redirect to another port":             {repo.URL, commit, "https://" + other + "/app/.git/info/refs", []string{"--follow-claims", allow}, "unknown no-network", "", true},
		"a redirect to another port without TLS": {repo.URL, commit, "http://" + other + "/app/.git/info/refs", []string{"--follow-claims", allow}, "unknown no-network", "", true},
		"a redirect to the metadata":             {repo.URL, commit, "https://169.254.169.254/info/refs", []string{"--follow-claims", allow}, "unknown no-network", "", true},
		"a redirect to a file":                   {repo.URL, commit, "file:///etc/shadow", []string{"--follow-claims", allow}, "unknown no-network", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			redirected = c.redirect
			s.Requests()
			ref := claimImage(t, c.repository+"#"+c.commit+":d")
			args := append([]string{verify, ref, "--as", "example.test/app:1", "--no-cache", "-o", "json"}, c.flags...)
			stdout, code, calls := traced(t, env, args...)
			if got := originOf(t, stdout, "trace.origin"); got != c.origin {
				t.Errorf("trace.origin is %q, want %q: %s", got, c.origin, stdout)
			}
			if got := originOf(t, stdout, "trace.reachable"); c.reachable != "" && got != c.reachable {
				t.Errorf("trace.reachable is %q, want %q", got, c.reachable)
			}
			if code != 3 && c.origin != "pass" {
				t.Errorf("exit code %d, want 3", code)
			}
			checkDoors(t, calls, s, c.dials)
			if n := len(s.Requests()); n > 0 != c.dials {
				t.Errorf("the server saw %d requests", n)
			}
			if n := knocks.Load(); n != 0 {
				t.Errorf("%d connections to another port", n)
			}
		})
	}
}

// checkDoors looks for what no image may make the program do.
func checkDoors(t *testing.T, calls []string, s *gitserver.Server, dials bool) {
	t.Helper()
	_, port, _ := net.SplitHostPort(s.Host())
	there := holding(holding(calls, "connect("), "htons("+port+")")
	if len(there) > 0 != dials {
		t.Errorf("connections to the git server: %v, want some: %v", there, dials)
	}
	for _, call := range holding(calls, "connect(") {
		if !slices.Contains(there, call) {
			t.Errorf("it connects elsewhere: %s", call)
		}
	}
	if programs := holding(calls, "execve("); len(programs) != 1 {
		t.Errorf("it starts programs: %v", programs)
	}
	for _, file := range []string{"/etc/shadow", s.Root} {
		if opened := holding(calls, file); len(holding(opened, "open")) != 0 {
			t.Errorf("it opens %v", opened)
		}
	}
}

// listen counts the connections to a loopback port.
func listen(t *testing.T, knocks *atomic.Int64) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			knocks.Add(1)
			c.Close()
		}
	}()
	return l.Addr().String()
}

// offlineRuns is a run of each command that would use the network if it were
// not off; what follows a command's name is its arguments.
var offlineRuns = map[string][]string{
	"verify":             {"alpine:3.20.3", "--offline"},
	"verify bundle":      {"bundle.json", "--subject", "sha256:" + strings.Repeat("0", 64), "--offline"},
	"verify cache":       nil,
	"verify cache path":  nil,
	"verify cache prune": nil,
	"verify completion":  {"bash"},
	"verify demo":        nil,
	"verify diff":        {"alpine:3.20.3", "alpine:3.20.2", "--offline"},
	"verify explain":     {"trace.origin"},
	"verify history":     {"alpine:3.20.3", "--offline"},
	"verify initialize":  {"--mirror", "https://192.0.2.1"}, // for nothing but the network; refused without --root
	"verify rebuild":     {"alpine:3.20.3", "--offline", "--plan"},
	"verify reproduce":   {"alpine:3.20.3", "--offline"},
	"verify signatures":  {"alpine:3.20.3", "--offline"},
	"verify version":     nil,
}

func TestNoCommandOpensASocketOffline(t *testing.T) {
	verify := program(t)
	a := &app{env: Env{Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}, Getenv: func(string) string { return "" }}}
	for _, name := range commandNames(a.rootCommand()) {
		args, known := offlineRuns[name]
		if !known {
			t.Errorf("%s has no row in offlineRuns: say how it is run without a network", name)
			continue
		}
		t.Run(name, func(t *testing.T) {
			env := []string{"VERIFY_CACHE_DIR=" + filepath.Join(t.TempDir(), "cache"), "HTTPS_PROXY=http://192.0.2.1:3128"}
			_, _, calls := traced(t, env, slices.Concat([]string{verify}, strings.Fields(name)[1:], args)...)
			if sockets := holding(calls, "AF_INET"); len(sockets) != 0 {
				t.Errorf("%v", sockets)
			}
			if len(holding(calls, "execve(")) == 0 {
				t.Error("strace saw nothing")
			}
		})
	}
	ref := claimImage(t, "https://192.0.2.1/app.git#"+strings.Repeat("1", 40)+":d")
	for name, args := range map[string][]string{
		"a claim that is followed":      {ref, "--as", "example.test/app:1", "--follow-claims"},
		"the default library":           {ref, "--as", "alpine:3.20.3"},
		"a daemon on another machine":   {"docker-daemon:a:1"},
		"a registry mirror far away":    {"alpine:3.20.3", "--registry-mirror", "docker.io=192.0.2.1:5000"},
		"a registry without TLS":        {"192.0.2.1:5000/a:1", "--insecure-registry", "192.0.2.1:5000"},
		"a library of the user's":       {ref, "--as", "alpine:3.20.3", "--library", "https://192.0.2.1/official-images"},
		"the default library, no cache": {ref, "--as", "alpine:3.20.3", "--no-cache"},
	} {
		t.Run(name, func(t *testing.T) {
			env := []string{"VERIFY_CACHE_DIR=" + filepath.Join(t.TempDir(), "cache"), "DOCKER_HOST=tcp://192.0.2.1:2375"}
			_, code, calls := traced(t, env, slices.Concat([]string{verify}, args, []string{"--offline"})...)
			if sockets := holding(calls, "AF_INET"); len(sockets) != 0 || code < 2 {
				t.Errorf("exit code %d, %v", code, sockets)
			}
		})
	}
}

// commandNames are the paths of a command and of all below it.
func commandNames(cmd *cobra.Command) []string {
	out := []string{cmd.CommandPath()}
	for _, c := range cmd.Commands() {
		out = append(out, commandNames(c)...)
	}
	return out
}
