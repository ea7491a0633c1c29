package buildkit_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/imageverify/verify/internal/builders"
	"github.com/imageverify/verify/rebuild"
	"github.com/imageverify/verify/rebuild/buildkit"
)

// watched calls started when a line of a build's log says so.
type watched struct {
	mu      sync.Mutex
	text    bytes.Buffer
	line    string
	started func()
}

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(p)
	if w.started != nil && strings.Contains(w.text.String(), w.line) {
		w.started()
		w.started = nil
	}
	return len(p), nil
}

// sleeping is a RUN that says that it runs, and does so for some seconds; the
// number tells it from all others.
const sleeping = `RUN echo "has"" begun" && sleep 7.31`

func TestABuildThatIsCancelledEndsOnTheDaemonToo(t *testing.T) {
	daemon := builders.StartBuildKit(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("interrupted")
	var out bytes.Buffer
	r := request(t, &out, "RUN echo \"has\"\" begun\" && sleep 3141.59")
	r.Log = &watched{line: "has begun", started: func() { cancel(why) }}
	begin := time.Now()
	_, err := pool(t, daemon.Address).Build(ctx, r)
	if !errors.Is(err, why) || out.Len() > 0 || time.Since(begin) > 30*time.Second {
		t.Errorf("after %s: %v, %d bytes", time.Since(begin), err, out.Len())
	}
	for end := time.Now().Add(10 * time.Second); runs(t, "3141.59"); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("what RUN did goes on")
		}
	}
}

// runs reports whether some process has the argument.
func runs(t testing.TB, argument string) bool {
	t.Helper()
	names, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		line, err := os.ReadFile(name)
		if err == nil && bytes.HasSuffix(line, []byte("sleep\x00"+argument+"\x00")) {
			return true
		}
	}
	return false
}

func TestABuilderThatIsKilledWhileItBuildsIsLost(t *testing.T) {
	daemon := builders.StartBuildKit(t)
	var out bytes.Buffer
	r := request(t, &out, sleeping)
	r.Log = &watched{line: "has begun", started: func() { daemon.Kill(t) }}
	_, err := pool(t, daemon.Address).Build(t.Context(), r)
	refused(t, err, rebuild.BuilderGone, "was lost while it built")
}

func TestABuildOverItsTimeIsEnded(t *testing.T) {
	r := request(t, &bytes.Buffer{}, sleeping)
	r.Limits.Time = 2 * time.Second
	_, err := pool(t, builders.StartBuildKit(t).Address).Build(t.Context(), r)
	refused(t, err, rebuild.BuildLimit, "not done after 2s")
}

func TestAnImageLargerThanItMayBeIsEnded(t *testing.T) {
	daemon := builders.StartBuildKit(t)
	for _, c := range []struct {
		limit int64
		ok    bool
	}{{1 << 10, false}, {64 << 20, true}} {
		var out bytes.Buffer
		r := request(t, &out, "RUN true")
		r.Limits.Disk = c.limit
		_, err := pool(t, daemon.Address).Build(t.Context(), r)
		if c.ok {
			if err != nil {
				t.Error(err)
			}
			continue
		}
		refused(t, err, rebuild.BuildLimit, "larger than 1024 bytes")
		if int64(out.Len()) > c.limit {
			t.Errorf("%d bytes were written", out.Len())
		}
	}
}

func TestADiskThatIsFullEndsTheBuild(t *testing.T) {
	r := request(t, &full{}, "RUN true")
	_, err := pool(t, builders.StartBuildKit(t).Address).Build(t.Context(), r)
	refused(t, err, rebuild.BuildLimit, "no space is left")
}

// full is a file on a disk that has no room.
type full struct{}

func (*full) Write([]byte) (int, error) {
	return 0, &os.PathError{Op: "write", Path: "out", Err: syscall.ENOSPC}
}

func TestABuilderThatNeverAnswersIsGivenUp(t *testing.T) {
	listener, err := net.Listen("unix", filepath.Join(t.TempDir(), "b.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, address := range []string{"unix://" + listener.Addr().String(), buildkit.Classic("unix://" + listener.Addr().String())} {
		p, err := buildkit.New([]string{address}, buildkit.Config{Patience: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.Build(ctx, request(t, &bytes.Buffer{}, "RUN true"))
		refused(t, err, rebuild.NoBuilder, "does not answer")
	}
}

// refused checks that a build ended for a reason, told in one line.
func refused(t testing.TB, err error, reason, text string) {
	t.Helper()
	e, ok := errors.AsType[*rebuild.BuildError](err)
	if !ok || e.Reason != reason || !strings.Contains(e.What, text) || strings.Contains(e.What, "\n") {
		t.Errorf("the error is %v; want %s, %q", err, reason, text)
	}
}
