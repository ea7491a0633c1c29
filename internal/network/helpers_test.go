package network

import (
	"context"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestMain makes the certificate of httptest's servers, which is for
// example.com and 127.0.0.1, one that the system trusts, in the way a user
// would: by SSL_CERT_FILE.
func TestMain(m *testing.M) {
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "network-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	server := httptest.NewTLSServer(nil)
	file := filepath.Join(dir, "ca.pem")
	block := &pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}
	server.Close()
	if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	os.Setenv("SSL_CERT_FILE", file)
	os.Setenv("SSL_CERT_DIR", dir)
	return m.Run()
}

// newTransport is New for tests: no proxy of the machine's environment, no real
// waiting between tries.
func newTransport(t *testing.T, o Options) *Transport {
	t.Helper()
	tr := New(o)
	tr.proxy = func(*http.Request) (*url.URL, error) { return nil, nil }
	tr.sleep = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

// fetch asks for address, following redirects, and returns status and body.
func fetch(tr *Transport, address string) (int, string, error) {
	resp, err := (&http.Client{Transport: tr}).Get(address)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}

// counted is a server that counts the requests it gets.
type counted struct {
	*httptest.Server
	mu       sync.Mutex
	requests []*http.Request
}

func (c *counted) hits() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.requests)
}

func (c *counted) last() *http.Request {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.requests[len(c.requests)-1]
}

// host is the server's host:port.
func (c *counted) host() string { return c.Listener.Addr().String() }

func (c *counted) port() string {
	_, port, _ := net.SplitHostPort(c.host())
	return port
}

func serve(t *testing.T, secure bool, handle http.HandlerFunc) *counted {
	t.Helper()
	c := &counted{}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		c.requests = append(c.requests, r)
		c.mu.Unlock()
		handle(w, r)
	})
	c.Server = httptest.NewUnstartedServer(handler)
	c.Config.ErrorLog = log.New(io.Discard, "", 0)
	c.EnableHTTP2 = true
	if secure {
		c.StartTLS()
	} else {
		c.Start()
	}
	t.Cleanup(c.Close)
	return c
}

func say(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) }
}

// names answers look-ups in this process: each look-up of a name takes the next
// of its answers, the last one again and again.
type names map[string][][]netip.Addr

func useNames(t *testing.T, n names) {
	t.Helper()
	var mu sync.Mutex
	asked := make(map[string]int)
	answer := func(name string) []netip.Addr {
		mu.Lock()
		defer mu.Unlock()
		answers := n[name]
		if len(answers) == 0 {
			return nil
		}
		i := min(asked[name], len(answers)-1)
		asked[name]++
		return answers[i]
	}
	before := net.DefaultResolver
	t.Cleanup(func() { net.DefaultResolver = before })
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		go answerDNS(there, answer)
		return here, nil
	}}
}

// answerDNS answers one query for A records, in the framing of DNS over TCP.
func answerDNS(conn net.Conn, answer func(string) []netip.Addr) {
	defer conn.Close()
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return
	}
	query := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(conn, query); err != nil {
		return
	}
	var labels []string
	end := 12
	for query[end] != 0 {
		n := int(query[end])
		labels = append(labels, strings.ToLower(string(query[end+1:end+1+n])))
		end += 1 + n
	}
	question := query[12 : end+5]
	var addrs []netip.Addr
	if binary.BigEndian.Uint16(question[len(question)-4:]) == 1 {
		addrs = answer(strings.Join(labels, "."))
	}
	msg := append([]byte{query[0], query[1], 0x81, 0x80, 0, 1, 0, byte(len(addrs)), 0, 0, 0, 0}, question...)
	for _, addr := range addrs {
		msg = append(msg, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
		msg = append(msg, addr.AsSlice()...)
	}
	conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(msg))), msg...))
}

func ip(s string) []netip.Addr { return []netip.Addr{netip.MustParseAddr(s)} }
