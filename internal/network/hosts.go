package network

import (
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// hosts is a set of hosts, each for one port or for every port. Names are
// lower-case without a final dot, addresses in their shortest form, so that one
// host cannot be written so that the set overlooks it.
type hosts map[string]bool

func newHosts(list []string) hosts {
	h := make(hosts, len(list))
	for _, host := range list {
		h.add(host)
	}
	return h
}

func (h hosts) add(host string) {
	name, port := splitHost(host)
	h[joinHost(name, port)] = true
}

// has reports whether the set holds the host, for the port or for every port.
func (h hosts) has(name, port string) bool {
	name = canonicalName(name)
	return h[name] || h[joinHost(name, port)]
}

func (h hosts) hasURL(u *url.URL) bool {
	return h.has(u.Hostname(), portOf(u))
}

func portOf(u *url.URL) string {
	if port := u.Port(); port != "" {
		return port
	}
	if u.Scheme == "http" {
		return "80"
	}
	return "443"
}

// splitHost takes "name", "name:port", "::1", "[::1]" and "[::1]:port" apart;
// port is "" where there is none.
func splitHost(host string) (name, port string) {
	if name, port, err := net.SplitHostPort(host); err == nil {
		return canonicalName(name), port
	}
	return canonicalName(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")), ""
}

func joinHost(name, port string) string {
	if port == "" {
		return name
	}
	return net.JoinHostPort(name, port)
}

// canonicalName returns the one spelling of a host name or address.
func canonicalName(name string) string {
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	if addr, err := netip.ParseAddr(name); err == nil {
		return addr.Unmap().String()
	}
	return name
}

// registryHost returns the one name of a registry, with its port if it has one
// that is not https's: Docker Hub's three are one host.
func registryHost(host string) string {
	name, port := splitHost(host)
	if port == "443" {
		port = ""
	}
	switch host := joinHost(name, port); host {
	case "docker.io", "registry-1.docker.io":
		return "index.docker.io"
	default:
		return host
	}
}

// isThisMachine reports whether the name alone says that the host is the one
// the program runs on.
func isThisMachine(name string) bool {
	name = canonicalName(name)
	if addr, err := netip.ParseAddr(name); err == nil {
		return addr.IsLoopback()
	}
	return name == "localhost" || strings.HasSuffix(name, ".localhost")
}
