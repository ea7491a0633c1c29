package network

import (
	"net/url"
	"testing"
)

func TestHostsKnowAHostHoweverItIsWritten(t *testing.T) {
	tests := map[string]struct {
		listed string
		url    string
		want   bool
	}{
		"a name for every port":          {"host", "https://host:5000/", true},
		"a name with the default port":   {"host:443", "https://host/", true},
		"http's default port":            {"host:80", "http://host/", true},
		"http's port is not https's":     {"host:443", "http://host/", false},
		"another port":                   {"host:5000", "https://host:5001/", false},
		"capitals":                       {"HoSt", "https://hOsT/", true},
		"a final dot":                    {"host.", "https://host/", true},
		"a final dot in the URL":         {"host", "https://host.:5000/", true},
		"a name that ends the same":      {"host", "https://xhost/", false},
		"a name below":                   {"host", "https://a.host/", false},
		"IPv6":                           {"::1", "https://[::1]:5000/", true},
		"IPv6 in brackets":               {"[::1]", "https://[0:0::1]/", true},
		"IPv6 with a port":               {"[::1]:5000", "https://[::1]:5000/", true},
		"IPv6 with another port":         {"[::1]:5000", "https://[::1]/", false},
		"IPv4 in IPv6":                   {"10.0.0.1", "https://[::ffff:10.0.0.1]/", true},
		"an address with a port":         {"10.0.0.1:5000", "https://10.0.0.1:5000/", true},
		"nothing matches an empty entry": {"", "https://host/", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			u, err := url.Parse(test.url)
			if err != nil {
				t.Fatal(err)
			}
			if got := newHosts([]string{test.listed}).hasURL(u); got != test.want {
				t.Errorf("%q holds %s: %v, want %v", test.listed, test.url, got, test.want)
			}
		})
	}
}

func BenchmarkNew(b *testing.B) {
	o := Options{AllowHosts: []string{"a", "b:1"}, Rewrite: map[string]string{"docker.io": "127.0.0.1:5000"}}
	for b.Loop() {
		New(o)
	}
}
