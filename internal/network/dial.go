package network

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"
)

const keepAlive = 15 * time.Second

// dialChecked dials a host. Unless the user named it, each address is judged
// when its socket is about to connect: what was judged is what is connected to,
// however often the name changes what it resolves to.
func (t *Transport) dialChecked(ctx context.Context, network, address string) (net.Conn, error) {
	name, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if t.anyAddress(name, port) {
		return t.dialAny(ctx, network, address)
	}
	d := t.dialer(func(remote string) error { return checkRemote(name, remote) })
	return d.DialContext(ctx, network, address)
}

// dialAny dials a host at whatever address: one that the user named, or a proxy
// of the environment.
func (t *Transport) dialAny(ctx context.Context, network, address string) (net.Conn, error) {
	return t.dialer(func(string) error { return nil }).DialContext(ctx, network, address)
}

// DialNamed connects to what the user named and is no https server, such as a
// Docker daemon, at whatever address. network is "tcp" or "unix". Offline, that
// must be this machine by its name or address; the error is ErrOffline
// otherwise.
func (t *Transport) DialNamed(ctx context.Context, network, address string) (net.Conn, error) {
	if name, _ := splitHost(address); t.options.Offline && network != "unix" && !isThisMachine(name) {
		return nil, offlineError(address)
	}
	return t.dialAny(ctx, network, address)
}

// dialer returns a dialer that asks check before each connect(2), with the
// numeric "address:port", and counts those that go on.
func (t *Transport) dialer(check func(remote string) error) *net.Dialer {
	return &net.Dialer{
		Timeout:   t.idle,
		KeepAlive: keepAlive,
		ControlContext: func(_ context.Context, _, remote string, _ syscall.RawConn) error {
			if err := check(remote); err != nil {
				return err
			}
			t.sockets.Add(1)
			return nil
		},
	}
}

// checkRemote judges the numeric address that a socket for name would connect
// to.
func checkRemote(name, remote string) error {
	addr, err := netip.ParseAddrPort(remote)
	if err != nil {
		return hostError(name, "its address cannot be read")
	}
	if kind := addrKind(addr.Addr()); kind != "" {
		return hostError(name, fmt.Sprintf("it resolves to %s, which is not public (%s)", addr.Addr(), kind))
	}
	return nil
}
