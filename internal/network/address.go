package network

import (
	"net/netip"
	"net/url"
	"strings"
)

// checkURL applies the rules that the URL alone decides. What its host resolves
// to is judged when it is dialed.
func (t *Transport) checkURL(u *url.URL) error {
	if err := t.checkScheme(u); err != nil {
		return err
	}
	if t.anyAddress(u.Hostname(), portOf(u)) {
		return nil
	}
	if reason := refusedName(u.Hostname()); reason != "" {
		return hostError(u.Host, reason)
	}
	return nil
}

// checkScheme refuses everything but https, and http to hosts that the user
// said may go without TLS.
func (t *Transport) checkScheme(u *url.URL) error {
	if u.Scheme == "https" {
		return nil
	}
	if u.Scheme != "http" {
		return hostError(u.Host, "only https is spoken")
	}
	if t.insecure.hasURL(u) || t.mirrors.hasURL(u) || t.private.hasURL(u) && isThisMachine(u.Hostname()) {
		return nil
	}
	return hostError(u.Host, "only https is spoken, and the URL is http")
}

// anyAddress reports whether the user named the host, whatever its address.
func (t *Transport) anyAddress(name, port string) bool {
	return t.private.has(name, port) || t.insecure.has(name, port) || t.mirrors.has(name, port)
}

// refusedName says why a host is refused by its name alone, "" if it is not. It
// sees what a proxy, which looks names up itself, would be asked for.
func refusedName(name string) string {
	for i := range len(name) {
		if name[i] >= 0x80 {
			// Mapping could make an address of it: U+2488 is "1.".
			return "its name is not in ASCII (international names are written xn--…)"
		}
	}
	name = canonicalName(name)
	if addr, err := netip.ParseAddr(name); err == nil {
		if kind := addrKind(addr); kind != "" {
			return "its address is not public (" + kind + ")"
		}
		return ""
	}
	if isThisMachine(name) {
		return name + " is this machine"
	}
	if endsInNumber(name) {
		// Some resolvers read 2130706433, 0x7f.1 and 0177.0.0.1 as 127.0.0.1.
		return "it is neither a name nor a full address"
	}
	return ""
}

// endsInNumber reports whether the last label is a decimal, octal or
// hexadecimal number, which no top-level domain is.
func endsInNumber(name string) bool {
	last := name[strings.LastIndexByte(name, '.')+1:]
	if digits, hex := strings.CutPrefix(last, "0x"); hex {
		return strings.Trim(digits, "0123456789abcdef") == ""
	}
	return last != "" && strings.Trim(last, "0123456789") == ""
}

// addrKind names the range of an address that is not public, "" for others.
func addrKind(addr netip.Addr) string {
	addr = addr.Unmap().WithZone("")
	switch {
	case !addr.IsValid():
		return "invalid"
	case addr.IsLoopback():
		return "loopback"
	case addr.IsUnspecified():
		return "unspecified"
	case addr.IsLinkLocalUnicast():
		return "link-local"
	case addr.IsMulticast():
		return "multicast"
	case addr.IsPrivate():
		return "private"
	case addr.Is4():
		return addrKind4(addr.As4())
	}
	return addrKind6(addr.As16())
}

// addrKind4 knows the ranges of RFC 6890 that netip has no name for.
func addrKind4(a [4]byte) string {
	switch {
	case a[0] == 0:
		return "unspecified" // 0.0.0.0/8, "this network"
	case a[0] == 100 && a[1]&0xc0 == 64:
		return "private" // 100.64.0.0/10, behind a provider's NAT
	case a[0] == 192 && a[1] == 0 && a[2] == 0:
		return "private" // 192.0.0.0/24, protocol assignments
	case a[0] >= 240:
		return "reserved" // 240.0.0.0/4, with the broadcast address
	}
	return ""
}

// addrKind6 knows site-local addresses, and the IPv4 addresses that gateways
// find in IPv6 ones: a public one inside is public.
func addrKind6(a [16]byte) string {
	switch {
	case a[0] == 0xfe && a[1]&0xc0 == 0xc0:
		return "private" // fec0::/10, the site-local range of old
	case [12]byte(a[:12]) == [12]byte{}: // ::/96, IPv4-compatible
		return addrKind(netip.AddrFrom4([4]byte(a[12:])))
	case [12]byte(a[:12]) == [12]byte{0, 0x64, 0xff, 0x9b}: // 64:ff9b::/96, NAT64
		return addrKind(netip.AddrFrom4([4]byte(a[12:])))
	case [6]byte(a[:6]) == [6]byte{0, 0x64, 0xff, 0x9b, 0, 1}:
		return "private" // 64:ff9b:1::/48, NAT64 of one's own network
	case a[0] == 0x20 && a[1] == 0x02: // 2002::/16, 6to4
		return addrKind(netip.AddrFrom4([4]byte(a[2:6])))
	case [4]byte(a[:4]) == [4]byte{0x20, 0x01}:
		return "reserved" // 2001::/32, Teredo: the address inside is masked
	}
	return ""
}
