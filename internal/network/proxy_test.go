package network

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
)

// proxy is an HTTP proxy that lets everything through to one server and counts
// what it was asked for.
func proxyTo(t *testing.T, server *counted) (*counted, *atomic.Value) {
	t.Helper()
	var asked atomic.Value
	asked.Store("")
	proxy := serve(t, false, func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.Method + " " + r.Host + " " + r.Header.Get("Proxy-Authorization"))
		there, err := net.Dial("tcp", server.host())
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer there.Close()
		here, buffered, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer here.Close()
		fmt.Fprint(here, "HTTP/1.1 200 OK\r\n\r\n")
		go io.Copy(there, buffered)
		io.Copy(here, there)
	})
	return proxy, &asked
}

func TestAProxyOfTheEnvironmentMayHaveAnyAddress(t *testing.T) {
	server := serve(t, true, say("hello"))
	proxy, asked := proxyTo(t, server)
	tr := newTransport(t, Options{})
	tr.proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: proxy.host(), User: url.UserPassword("user", "password")})
	_, body, err := fetch(tr, "https://example.com/x")
	if err != nil || body != "hello" {
		t.Fatalf("got %q, %v", body, err)
	}
	if got, want := asked.Load(), "CONNECT example.com:443 Basic dXNlcjpwYXNzd29yZA=="; got != want {
		t.Errorf("the proxy got %q, want %q", got, want)
	}
	if got := server.last().Header.Get("Proxy-Authorization"); got != "" {
		t.Errorf("the server got the proxy's password, %q", got)
	}
	// The proxy's address is no door: asked for as a host it is refused.
	_, _, err = fetch(tr, "https://"+proxy.host()+"/")
	if _, ok := errors.AsType[*HostError](err); !ok {
		t.Errorf("the proxy as a host: %v, want a *HostError", err)
	}
	tr.proxy = func(*http.Request) (*url.URL, error) { return nil, nil }
	useNames(t, names{"example.com": {ip("127.0.0.1")}})
	_, _, err = fetch(tr, "https://example.com:"+proxy.port()+"/")
	if _, ok := errors.AsType[*HostError](err); !ok {
		t.Errorf("a name of the proxy, dialed directly: %v, want a *HostError", err)
	}
}

func TestNoErrorRepeatsTheProxysPassword(t *testing.T) {
	refusing := serve(t, false, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusProxyAuthRequired)
	})
	for name, proxy := range map[string]func(*http.Request) (*url.URL, error){
		"a proxy that is not there": http.ProxyURL(&url.URL{Scheme: "http", Host: "127.0.0.1:1", User: url.UserPassword("user", "password")}),
		"one that wants another":    http.ProxyURL(&url.URL{Scheme: "http", Host: refusing.host(), User: url.UserPassword("user", "password")}),
		"a URL that is none": func(*http.Request) (*url.URL, error) {
			return nil, errors.New(`invalid proxy address "http://user:password@%zz"`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTransport(t, Options{})
			tr.proxy = proxy
			_, _, err := fetch(tr, "https://example.com/")
			if err == nil || strings.Contains(err.Error(), "password") {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestTheEnvironmentSaysWhichProxyIsUsed(t *testing.T) {
	tr := New(Options{})
	req, err := http.NewRequest(http.MethodGet, "https://127.0.0.1/", nil)
	if err != nil {
		t.Fatal(err)
	}
	// The environment is read once a process; this machine never has a proxy.
	if proxy, err := tr.proxy(req); proxy != nil || err != nil {
		t.Errorf("proxy %v, %v for this machine", proxy, err)
	}
}
