package network

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

const testIdle = 100 * time.Millisecond

// patientIdle is for servers that are slow and not idle: a busy machine may hold
// them up for long.
const patientIdle = time.Second

// silent is a server that takes connections and never says anything.
func silent(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() })
		}
	}()
	return listener.Addr().String()
}

// wantIdle checks that err is the IdleError of host, and that it came when it
// should.
func wantIdle(t *testing.T, err error, host string, took time.Duration) {
	t.Helper()
	idle, ok := errors.AsType[*IdleError](err)
	if !ok || *idle != (IdleError{Host: host, Idle: testIdle}) || idle.Error() != "no byte from "+host+" for 100ms" {
		t.Errorf("error %v, want no byte from %s for 100ms", err, host)
	}
	if took < testIdle || took > 100*testIdle {
		t.Errorf("it took %v", took)
	}
}

func TestAServerThatNeverAnswersEndsInAnIdleError(t *testing.T) {
	hanging := serve(t, true, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	quiet := silent(t)
	for name, test := range map[string]struct{ url, host string }{
		"after the request":     {hanging.URL, hanging.host()},
		"in the TLS handshake":  {"https://" + quiet, quiet},
		"to a request for http": {"http://" + quiet, quiet},
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTransport(t, Options{Insecure: []string{"127.0.0.1"}, IdleTimeout: testIdle})
			started := time.Now()
			_, _, err := fetch(tr, test.url)
			wantIdle(t, err, test.host, time.Since(started))
			if tr.Sockets() != 1 {
				t.Errorf("%d sockets: an idle server is not asked again", tr.Sockets())
			}
		})
	}
}

func TestAServerThatHangsInTheBodyEndsInAnIdleError(t *testing.T) {
	for name, secure := range map[string]bool{"HTTP/2": true, "HTTP/1.1": false} {
		t.Run(name, func(t *testing.T) {
			server := serve(t, secure, func(w http.ResponseWriter, r *http.Request) {
				io.WriteString(w, "half")
				w.(http.Flusher).Flush()
				<-r.Context().Done()
			})
			tr := newTransport(t, Options{Insecure: []string{"127.0.0.1"}, IdleTimeout: testIdle})
			started := time.Now()
			status, body, err := fetch(tr, server.URL)
			if status != 200 || body != "half" {
				t.Errorf("got %d, %q", status, body)
			}
			wantIdle(t, err, server.host(), time.Since(started))
		})
	}
}

func TestASlowServerIsWaitedForAsLongAsBytesCome(t *testing.T) {
	server := serve(t, true, func(w http.ResponseWriter, r *http.Request) {
		for range 8 {
			time.Sleep(patientIdle / 5)
			io.WriteString(w, "x")
			w.(http.Flusher).Flush()
		}
	})
	tr := newTransport(t, Options{AllowHosts: []string{"127.0.0.1"}, IdleTimeout: patientIdle})
	if _, body, err := fetch(tr, server.URL); err != nil || body != "xxxxxxxx" {
		t.Errorf("got %q, %v", body, err)
	}
}

func TestASlowReaderIsNotAnIdleServer(t *testing.T) {
	server := serve(t, true, say("hello"))
	tr := newTransport(t, Options{AllowHosts: []string{"127.0.0.1"}, IdleTimeout: testIdle})
	resp, err := (&http.Client{Transport: tr}).Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	time.Sleep(2 * testIdle)
	first := make([]byte, 2)
	if _, err := io.ReadFull(resp.Body, first); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * testIdle)
	if rest, err := io.ReadAll(resp.Body); err != nil || string(rest) != "llo" {
		t.Errorf("got %q, %v", rest, err)
	}
}

func TestASlowUploadIsNotAnIdleServer(t *testing.T) {
	server := serve(t, true, func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
	tr := newTransport(t, Options{AllowHosts: []string{"127.0.0.1"}, IdleTimeout: testIdle})
	reader, writer := io.Pipe()
	go func() {
		for range 8 {
			time.Sleep(testIdle / 3)
			io.WriteString(writer, "x")
		}
		writer.Close()
	}()
	resp, err := (&http.Client{Transport: tr}).Post(server.URL, "text/plain", reader)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "xxxxxxxx" {
		t.Errorf("got %q, %v", body, err)
	}
}

func TestCancellingEndsARequestAtOnce(t *testing.T) {
	hanging := serve(t, true, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			io.WriteString(w, "half")
			w.(http.Flusher).Flush()
		}
		if r.URL.Path == "/again" {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		<-r.Context().Done()
	})
	cause := errors.New("enough")
	for name, url := range map[string]string{
		"while the server is silent":  hanging.URL,
		"in the body":                 hanging.URL + "/body",
		"between two tries":           hanging.URL + "/again",
		"in the handshake":            "https://" + silent(t),
		"before anything was started": "https://127.0.0.1:1",
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTransport(t, Options{AllowHosts: []string{"127.0.0.1"}})
			tr.sleep = func(ctx context.Context, _ time.Duration) error { return sleep(ctx, time.Minute) }
			ctx, cancel := context.WithCancelCause(context.Background())
			if strings.HasPrefix(name, "before") {
				cancel(cause)
			} else {
				time.AfterFunc(testIdle, func() { cancel(cause) })
			}
			started := time.Now()
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := (&http.Client{Transport: tr}).Do(req)
			if err == nil {
				_, err = io.ReadAll(resp.Body)
				resp.Body.Close()
			}
			if !errors.Is(err, cause) && !errors.Is(err, context.Canceled) {
				t.Errorf("error %v, want the cancellation", err)
			}
			if took := time.Since(started); took > 100*testIdle {
				t.Errorf("it took %v", took)
			}
		})
	}
}

func TestConnectionsAreKept(t *testing.T) {
	server := serve(t, false, say("hello"))
	tr := newTransport(t, Options{Insecure: []string{"127.0.0.1"}})
	for range 20 {
		if _, body, err := fetch(tr, server.URL); err != nil || body != "hello" {
			t.Fatalf("got %q, %v", body, err)
		}
	}
	if tr.Sockets() != 1 {
		t.Errorf("%d sockets for 20 requests one after the other", tr.Sockets())
	}
	const many = 8
	for range 2 {
		done := make(chan error, many)
		for range many {
			go func() {
				_, _, err := fetch(tr, server.URL)
				done <- err
			}()
		}
		for range many {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
	}
	if tr.Sockets() > 2*many {
		t.Errorf("%d sockets for two rounds of %d requests at once", tr.Sockets(), many)
	}
}
