package network

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestOfflineDialsNothing(t *testing.T) {
	server := serve(t, true, say("hello"))
	var based int
	base := roundTrip(func(*http.Request) (*http.Response, error) { based++; return nil, errors.New("asked") })
	for name, o := range map[string]Options{
		"by itself":             {},
		"a host that is listed": {AllowHosts: []string{server.host()}, Insecure: []string{server.host()}},
		"a mirror elsewhere":    {Rewrite: map[string]string{server.host(): "192.0.2.1:443"}},
		"a mirror of another":   {Rewrite: map[string]string{"registry.example": "127.0.0.1:1"}},
		"another transport":     {Base: base},
	} {
		t.Run(name, func(t *testing.T) {
			o.Offline = true
			tr := newTransport(t, o)
			_, _, err := fetch(tr, server.URL+"/x?token=secret")
			if !errors.Is(err, ErrOffline) || !strings.HasSuffix(err.Error(), "offline: "+server.host()+" is not contacted") {
				t.Errorf("error %v", err)
			}
			if tr.Sockets() != 0 || server.hits() != 0 || based != 0 {
				t.Errorf("%d sockets, %d requests, %d through Base", tr.Sockets(), server.hits(), based)
			}
		})
	}
}

func TestOfflineADaemonIsDialedOnThisMachineOnly(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	tr := newTransport(t, Options{Offline: true})
	for _, address := range []string{"192.0.2.1:2375", "daemon.example:2375", "[2001:db8::1]:2375", "127.0.0.1.example:2375"} {
		if c, err := tr.DialNamed(t.Context(), "tcp", address); !errors.Is(err, ErrOffline) || tr.Sockets() != 0 {
			t.Errorf("%s: %v, %v, %d sockets; want ErrOffline", address, c, err, tr.Sockets())
		}
	}
	c, err := tr.DialNamed(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatalf("this machine: %v", err)
	}
	c.Close()
	if _, err := tr.DialNamed(t.Context(), "unix", "/nonexistent/docker.sock"); errors.Is(err, ErrOffline) || err == nil {
		t.Errorf("a socket file: %v; want the system's error", err)
	}
}

func TestOfflineStillAsksAMirrorOnThisMachine(t *testing.T) {
	server := serve(t, false, say("hello"))
	tr := newTransport(t, Options{Offline: true, Rewrite: map[string]string{"registry.example": server.host()}})
	for _, u := range []string{"https://registry.example/v2/", "http://" + server.host() + "/v2/"} {
		if status, body, err := fetch(tr, u); status != 200 || body != "hello" || err != nil {
			t.Errorf("%s: %d, %q, %v", u, status, body, err)
		}
	}
	if _, _, err := fetch(tr, "https://other.example/"); !errors.Is(err, ErrOffline) {
		t.Errorf("another host: %v, want ErrOffline", err)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func TestBaseCarriesTheRequestsAndNoSocketIsOpened(t *testing.T) {
	var got []string
	base := roundTrip(func(req *http.Request) (*http.Response, error) {
		got = append(got, req.Method+" "+req.URL.String()+" "+req.Header.Get("User-Agent"))
		return &http.Response{StatusCode: 200, Body: http.NoBody, Header: http.Header{}}, nil
	})
	tr := newTransport(t, Options{Base: base, UserAgent: "verify/1"})
	for _, u := range []string{"https://registry.example/v2/", "https://127.0.0.1/", "http://10.0.0.1/"} {
		if status, _, err := fetch(tr, u); status != 200 || err != nil {
			t.Errorf("%s: %d, %v", u, status, err)
		}
	}
	want := "GET https://registry.example/v2/ verify/1\nGET https://127.0.0.1/ verify/1\nGET http://10.0.0.1/ verify/1"
	if all := strings.Join(got, "\n"); all != want {
		t.Errorf("Base got\n%s\nwant\n%s", all, want)
	}
	if tr.Sockets() != 0 {
		t.Errorf("%d sockets", tr.Sockets())
	}
}

func TestHostsThatAreRefusedByTheirURL(t *testing.T) {
	tests := map[string]struct{ url, host, reason string }{
		"loopback":                     {"https://127.0.0.1/", "127.0.0.1", "its address is not public (loopback)"},
		"another loopback":             {"https://127.8.8.8:5000/", "127.8.8.8:5000", "its address is not public (loopback)"},
		"IPv6 loopback":                {"https://[::1]:5000/", "[::1]:5000", "its address is not public (loopback)"},
		"loopback in IPv6":             {"https://[::ffff:127.0.0.1]/", "[::ffff:127.0.0.1]", "its address is not public (loopback)"},
		"loopback in IPv6, in hex":     {"https://[::ffff:7f00:1]/", "[::ffff:7f00:1]", "its address is not public (loopback)"},
		"loopback with a final dot":    {"https://127.0.0.1./", "127.0.0.1.", "its address is not public (loopback)"},
		"private":                      {"https://10.1.2.3/", "10.1.2.3", "its address is not public (private)"},
		"private, 172":                 {"https://172.31.0.1/", "172.31.0.1", "its address is not public (private)"},
		"private, 192":                 {"https://192.168.0.1/", "192.168.0.1", "its address is not public (private)"},
		"private IPv6":                 {"https://[fd00::1]/", "[fd00::1]", "its address is not public (private)"},
		"the metadata service":         {"https://169.254.169.254/latest/", "169.254.169.254", "its address is not public (link-local)"},
		"the metadata service in IPv6": {"https://[::ffff:a9fe:a9fe]/", "[::ffff:a9fe:a9fe]", "its address is not public (link-local)"},
		"link-local IPv6 with a zone":  {"https://[fe80::1%25lo]/", "[fe80::1%lo]", "its address is not public (link-local)"},
		"unspecified":                  {"https://0.0.0.0/", "0.0.0.0", "its address is not public (unspecified)"},
		"localhost":                    {"https://localhost/", "localhost", "localhost is this machine"},
		"localhost in capitals":        {"https://LOCALHOST.:1/", "LOCALHOST.:1", "localhost is this machine"},
		"below localhost":              {"https://a.localhost/", "a.localhost", "a.localhost is this machine"},
		"decimal":                      {"https://2130706433/", "2130706433", "it is neither a name nor a full address"},
		"octal":                        {"https://0177.0.0.1/", "0177.0.0.1", "it is neither a name nor a full address"},
		"hexadecimal":                  {"https://0x7f000001/", "0x7f000001", "it is neither a name nor a full address"},
		"hexadecimal in parts":         {"https://0x7F.1/", "0x7F.1", "it is neither a name nor a full address"},
		"short":                        {"https://127.1/", "127.1", "it is neither a name nor a full address"},
		"wide digits":                  {"https://\uff11\uff12\uff17.0.0.1/", "\uff11\uff12\uff17.0.0.1", "its name is not in ASCII (international names are written xn--…)"},
		"http":                         {"http://registry.example/", "registry.example", "only https is spoken, and the URL is http"},
		"http to loopback":             {"http://127.0.0.1/", "127.0.0.1", "only https is spoken, and the URL is http"},
		"file":                         {"file://host/etc/passwd", "host", "only https is spoken"},
		"git":                          {"git://host/x", "host", "only https is spoken"},
		"ftp":                          {"ftp://host/x", "host", "only https is spoken"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			for _, proxied := range []bool{false, true} {
				tr := newTransport(t, Options{})
				if proxied {
					tr.proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: "127.0.0.1:1"})
				}
				_, _, err := fetch(tr, test.url)
				refused, ok := errors.AsType[*HostError](err)
				if !ok || refused.Host != test.host || refused.Reason != test.reason {
					t.Errorf("proxied %v: error %v\nwant %s: %s", proxied, err, test.host, test.reason)
				}
				if tr.Sockets() != 0 {
					t.Errorf("%d sockets", tr.Sockets())
				}
			}
		})
	}
}

func TestARequestWithoutAHostIsRefused(t *testing.T) {
	tr := newTransport(t, Options{})
	for _, u := range []*url.URL{nil, {Scheme: "https"}, {Scheme: "https", Opaque: "x"}} {
		if _, err := tr.RoundTrip(&http.Request{URL: u}); err == nil || err.Error() != "network: the request names no host" {
			t.Errorf("%v: error %v", u, err)
		}
	}
}

func TestAddressRanges(t *testing.T) {
	for kind, addrs := range map[string]string{
		"":            "1.1.1.1 8.8.8.8 100.63.255.255 100.128.0.0 172.15.255.255 172.32.0.0 169.253.0.1 192.0.1.1 193.0.0.1 223.255.255.255 2606:4700::1111 64:ff9b::808:808 2002:808:808::1 2003::1 ::ffff:8.8.8.8",
		"loopback":    "127.0.0.1 127.255.255.255 ::1 ::ffff:127.0.0.1 64:ff9b::7f00:1 2002:7f00:1::1 ::127.0.0.1",
		"unspecified": "0.0.0.0 :: 0.1.2.3 ::ffff:0.0.0.0 64:ff9b::",
		"private":     "10.0.0.0 10.255.255.255 172.16.0.0 192.168.255.255 100.64.0.0 100.127.255.255 192.0.0.170 fc00::1 fdff::1 fec0::1 64:ff9b::a00:1 64:ff9b:1::1 2002:a00:1::1",
		"link-local":  "169.254.0.0 169.254.169.254 fe80::1 fe80::1%eth0 64:ff9b::a9fe:a9fe",
		"multicast":   "224.0.0.1 239.255.255.255 ff02::1 ff0e::1",
		"reserved":    "240.0.0.1 255.255.255.255 2001::1",
	} {
		for _, text := range strings.Fields(addrs) {
			addr := netip.MustParseAddr(text)
			if got := addrKind(addr); got != kind {
				t.Errorf("%s: %q, want %q", text, got, kind)
			}
		}
	}
}

func TestANameIsRefusedByWhatItResolvesTo(t *testing.T) {
	server := serve(t, true, say("hello"))
	useNames(t, names{
		"example.com":      {ip("127.0.0.1")},
		"both.example.com": {append(ip("127.0.0.1"), ip("127.0.0.1")...)},
		"meta.example.com": {ip("169.254.169.254")},
	})
	for host, reason := range map[string]string{
		"example.com":      "it resolves to 127.0.0.1, which is not public (loopback)",
		"both.example.com": "it resolves to 127.0.0.1, which is not public (loopback)",
		"meta.example.com": "it resolves to 169.254.169.254, which is not public (link-local)",
	} {
		tr := newTransport(t, Options{AllowHosts: []string{host + ":1", "other." + host}})
		_, _, err := fetch(tr, "https://"+host+":"+server.port()+"/")
		refused, ok := errors.AsType[*HostError](err)
		if !ok || refused.Host != host || refused.Reason != reason {
			t.Errorf("%s: error %v", host, err)
		}
		if tr.Sockets() != 0 || server.hits() != 0 {
			t.Errorf("%s: %d sockets, %d requests", host, tr.Sockets(), server.hits())
		}
	}
}

func TestANameThatChangesItsAddressGainsNothing(t *testing.T) {
	server := serve(t, true, say("hello"))
	// 192.0.2.1 is public by its range, and belongs to nobody.
	useNames(t, names{"example.com": {ip("192.0.2.1"), ip("127.0.0.1")}})
	tr := newTransport(t, Options{IdleTimeout: 100 * time.Millisecond})
	for range 3 {
		if _, _, err := fetch(tr, "https://example.com:"+server.port()+"/"); err == nil {
			t.Error("an answer came")
		}
	}
	if server.hits() != 0 {
		t.Errorf("%d requests reached this machine", server.hits())
	}
}

func TestAHostThatTheUserNamedIsSpokenTo(t *testing.T) {
	secure, plain := serve(t, true, say("secure")), serve(t, false, say("plain"))
	useNames(t, names{"example.com": {ip("127.0.0.1")}, "untrusted.test": {ip("127.0.0.1")}})
	tests := map[string]struct {
		options   Options
		url, want string
	}{
		"by name and port":           {Options{AllowHosts: []string{"Example.com.:" + secure.port()}}, "https://example.com:" + secure.port(), "secure"},
		"by name":                    {Options{AllowHosts: []string{"example.com"}}, "https://EXAMPLE.com:" + secure.port(), "secure"},
		"by address":                 {Options{AllowHosts: []string{"127.0.0.1"}}, secure.URL, "secure"},
		"by address, in IPv6":        {Options{AllowHosts: []string{"[::ffff:127.0.0.1]:" + secure.port()}}, secure.URL, "secure"},
		"http to this machine":       {Options{AllowHosts: []string{"127.0.0.1"}}, plain.URL, "plain"},
		"http to localhost":          {Options{AllowHosts: []string{"localhost"}}, "http://localhost:" + plain.port(), "plain"},
		"http to an insecure host":   {Options{Insecure: []string{"example.com"}}, "http://example.com:" + plain.port(), "plain"},
		"any certificate":            {Options{Insecure: []string{"untrusted.test:" + secure.port()}}, "https://untrusted.test:" + secure.port(), "secure"},
		"insecure, with a real name": {Options{Insecure: []string{"example.com"}}, "https://example.com:" + secure.port(), "secure"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			tr := newTransport(t, test.options)
			_, body, err := fetch(tr, test.url)
			if err != nil || body != test.want {
				t.Errorf("got %q, %v; want %q", body, err, test.want)
			}
			if tr.Sockets() != 1 {
				t.Errorf("%d sockets, want 1", tr.Sockets())
			}
		})
	}
}

func TestAnAllowedHostStillNeedsACertificateAndTLS(t *testing.T) {
	secure, plain := serve(t, true, say("secure")), serve(t, false, say("plain"))
	useNames(t, names{"untrusted.test": {ip("127.0.0.1")}})
	tr := newTransport(t, Options{AllowHosts: []string{"untrusted.test"}, Insecure: []string{"example.com"}})
	_, _, err := fetch(tr, "https://untrusted.test:"+secure.port())
	if err == nil || !strings.Contains(err.Error(), "certificate is valid for") {
		t.Errorf("a certificate for another name: %v", err)
	}
	_, _, err = fetch(tr, "http://untrusted.test:"+plain.port())
	if _, ok := errors.AsType[*HostError](err); !ok {
		t.Errorf("http: %v, want a *HostError", err)
	}
	if secure.hits() != 0 || plain.hits() != 0 {
		t.Errorf("%d and %d requests", secure.hits(), plain.hits())
	}
}

func TestRedirectsStayWithinTheRules(t *testing.T) {
	inner := serve(t, false, say("inner"))
	for name, to := range map[string]string{
		"to the metadata service":         "https://169.254.169.254/latest/meta-data",
		"to it over http":                 "http://169.254.169.254/latest/meta-data",
		"from https to http":              inner.URL,
		"to this machine":                 "https://localhost:" + inner.port(),
		"to a name of this machine":       "https://inner.test:" + inner.port(),
		"to another port of the own host": "http://127.0.0.1:" + inner.port(),
		"to a file":                       "file:///etc/passwd",
	} {
		t.Run(name, func(t *testing.T) {
			server := serve(t, true, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Location", to)
				w.WriteHeader(http.StatusTemporaryRedirect)
			})
			useNames(t, names{"inner.test": {ip("127.0.0.1")}})
			tr := newTransport(t, Options{AllowHosts: []string{server.host()}})
			_, _, err := fetch(tr, server.URL)
			_, refused := errors.AsType[*HostError](err)
			if !refused && !strings.Contains(err.Error(), "the request names no host") {
				t.Errorf("error %v, want a *HostError", err)
			}
			if server.hits() != 1 || inner.hits() != 0 {
				t.Errorf("%d and %d requests, want 1 and 0", server.hits(), inner.hits())
			}
		})
	}
}

func TestAPasswordDoesNotFollowARedirectToAnotherHost(t *testing.T) {
	other := serve(t, true, say("blob"))
	first := serve(t, true, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://example.com:"+other.port()+"/blob", http.StatusTemporaryRedirect)
	})
	useNames(t, names{"example.com": {ip("127.0.0.1")}})
	tr := newTransport(t, Options{AllowHosts: []string{"127.0.0.1", "example.com"}})
	req, err := http.NewRequest(http.MethodGet, first.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("user", "password")
	resp, err := (&http.Client{Transport: tr}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got := first.last().Header.Get("Authorization"); got == "" {
		t.Error("the first host did not get the password")
	}
	if got := other.last().Header.Get("Authorization"); got != "" {
		t.Errorf("the other host got %q", got)
	}
}
