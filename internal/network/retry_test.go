package network

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// script answers each request with the next of its steps; "cut" cuts the
// connection.
func script(t *testing.T, retryAfter string, steps ...string) *counted {
	t.Helper()
	var c *counted
	c = serve(t, false, func(w http.ResponseWriter, r *http.Request) {
		step := steps[min(c.hits(), len(steps))-1]
		if step == "cut" {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				conn.(*net.TCPConn).SetLinger(0)
				conn.Close()
			}
			return
		}
		status := map[string]int{"200": 200, "404": 404, "429": 429, "500": 500, "502": 502, "503": 503, "504": 504}[step]
		if retryAfter != "" {
			w.Header().Set("Retry-After", retryAfter)
		}
		w.WriteHeader(status)
		io.WriteString(w, step)
	})
	return c
}

func TestWhatIsTriedAgain(t *testing.T) {
	near := func(d time.Duration) []time.Duration { return []time.Duration{d * 3 / 4, d * 5 / 4} }
	first, second := near(firstBackoff), near(4*firstBackoff)
	tests := map[string]struct {
		method, retryAfter string
		steps              []string
		want               int // status; 0 is an error
		hits               int
		waits              [][]time.Duration // least and most
	}{
		"all is well":                      {"GET", "", []string{"200"}, 200, 1, nil},
		"503 then 200":                     {"GET", "", []string{"503", "200"}, 200, 2, [][]time.Duration{first}},
		"502 and 504 then 200":             {"HEAD", "", []string{"502", "504", "200"}, 200, 3, [][]time.Duration{first, second}},
		"three times and no more":          {"GET", "", []string{"503"}, 503, 3, [][]time.Duration{first, second}},
		"the connection is cut":            {"GET", "", []string{"cut", "200"}, 200, 2, [][]time.Duration{first}},
		"it is cut every time":             {"GET", "", []string{"cut"}, 0, 3, [][]time.Duration{first, second}},
		"429 with seconds":                 {"GET", "7", []string{"429", "200"}, 200, 2, [][]time.Duration{{7 * time.Second, 7 * time.Second}}},
		"429 with as long as is allowed":   {"GET", "30", []string{"429", "200"}, 200, 2, [][]time.Duration{{30 * time.Second, 30 * time.Second}}},
		"429 with a second more":           {"GET", "31", []string{"429", "200"}, 429, 1, nil},
		"429 with a number beyond numbers": {"GET", "99999999999999999999", []string{"429", "200"}, 200, 2, [][]time.Duration{first}},
		"429 with a date gone by":          {"GET", "Wed, 21 Oct 2015 07:28:00 GMT", []string{"429", "200"}, 200, 2, [][]time.Duration{{0, 0}}},
		"429 with a date far off":          {"GET", "Wed, 21 Oct 2099 07:28:00 GMT", []string{"429", "200"}, 429, 1, nil},
		"429 with nonsense":                {"GET", "soon", []string{"429", "200"}, 200, 2, [][]time.Duration{first}},
		"429 with nothing":                 {"GET", "", []string{"429", "200"}, 200, 2, [][]time.Duration{first}},
		"503 with seconds":                 {"GET", "2", []string{"503", "200"}, 200, 2, [][]time.Duration{{2 * time.Second, 2 * time.Second}}},
		"404 is an answer":                 {"GET", "", []string{"404", "200"}, 404, 1, nil},
		"500 is an answer":                 {"GET", "", []string{"500", "200"}, 500, 1, nil},
		"a POST is not repeated":           {"POST", "", []string{"503", "200"}, 503, 1, nil},
		"a POST that is cut is not either": {"POST", "", []string{"cut", "200"}, 0, 1, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			server := script(t, test.retryAfter, test.steps...)
			tr := newTransport(t, Options{Insecure: []string{"127.0.0.1"}})
			var waits []time.Duration
			tr.sleep = func(_ context.Context, d time.Duration) error { waits = append(waits, d); return nil }
			req, err := http.NewRequest(test.method, server.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := tr.RoundTrip(req)
			status := 0
			if err == nil {
				status = resp.StatusCode
				resp.Body.Close()
			}
			if status != test.want || server.hits() != test.hits {
				t.Errorf("got %d, %v after %d requests; want %d after %d", status, err, server.hits(), test.want, test.hits)
			}
			inside := func(d time.Duration, bounds []time.Duration) bool { return d >= bounds[0] && d <= bounds[1] }
			if !slices.EqualFunc(waits, test.waits, inside) {
				t.Errorf("waited %v, want %v", waits, test.waits)
			}
		})
	}
}

func TestARequestWithABodyIsNotRepeated(t *testing.T) {
	server := script(t, "", "503", "200")
	tr := newTransport(t, Options{Insecure: []string{"127.0.0.1"}})
	req, err := http.NewRequest(http.MethodGet, server.URL, strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := tr.RoundTrip(req)
	if err != nil || resp.StatusCode != 503 || server.hits() != 1 {
		t.Fatalf("got %v, %v after %d requests", resp, err, server.hits())
	}
	resp.Body.Close()
}

func TestARefusedRequestIsNotRepeatedAndItsBodyIsClosed(t *testing.T) {
	for name, o := range map[string]Options{"offline": {Offline: true}, "refused": {}} {
		tr := newTransport(t, o)
		tr.sleep = func(context.Context, time.Duration) error { t.Errorf("%s: waited", name); return nil }
		body := &closed{Reader: strings.NewReader("x")}
		req, err := http.NewRequest(http.MethodPost, "https://10.0.0.1/", body)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tr.RoundTrip(req); err == nil || !body.done {
			t.Errorf("%s: error %v, body closed %v", name, err, body.done)
		}
	}
}

type closed struct {
	io.Reader
	done bool
}

func (c *closed) Close() error { c.done = true; return nil }

func TestTheLogHoldsEveryTryAndNoSecret(t *testing.T) {
	server := script(t, "", "503", "200")
	var log bytes.Buffer
	tr := newTransport(t, Options{
		Insecure: []string{"127.0.0.1"},
		Log:      slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if _, _, err := fetch(tr, strings.Replace(server.URL, "://", "://user:password@", 1)+"/v2?token=secret&n=5"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := fetch(tr, "https://10.0.0.1/?sig=secret"); err == nil {
		t.Error("a private address was spoken to")
	}
	text := log.String()
	for _, want := range []string{
		`msg=request method=GET url="http://` + server.host() + `/v2?n=5&token=REDACTED"`, "status=503", "status=200",
		`error="10.0.0.1 is not contacted: its address is not public (private)"`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the log lacks %s:\n%s", want, text)
		}
	}
	if strings.Contains(text, "secret") || strings.Contains(text, "password") || strings.Count(text, "\n") != 3 {
		t.Errorf("the log:\n%s", text)
	}
}

func TestSleepEndsWithTheContext(t *testing.T) {
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(cause)
	if err := sleep(ctx, time.Hour); err != cause {
		t.Errorf("error %v, want the cause", err)
	}
	if err := sleep(context.Background(), time.Nanosecond); err != nil {
		t.Error(err)
	}
}

// The law: a wait that is asked for is never negative, and numbers are seconds.
func FuzzRetryAfter(f *testing.F) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, seed := range []string{"", "0", "30", "-1", "1e9", "99999999999", "Fri, 02 Jan 2026 03:04:15 GMT", "Mon, 01 Jan 0001 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		d, ok := retryAfter(value, now)
		if d < 0 || !ok && d != 0 {
			t.Errorf("%q: %v, %v", value, d, ok)
		}
	})
}
