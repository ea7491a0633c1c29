package network

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"time"
)

// ErrOffline says that a request was refused because the program was told to
// stay offline. The error around it names the host.
var ErrOffline = errors.New("offline")

func offlineError(host string) error {
	return fmt.Errorf("%w: %s is not contacted", ErrOffline, host)
}

// HostError says why a host is not spoken to.
type HostError struct {
	Host   string // as the URL has it
	Reason string // a clause: "its address is not public (loopback)"
}

// Error implements error.
func (e *HostError) Error() string {
	return fmt.Sprintf("%s is not contacted: %s", e.Host, e.Reason)
}

func hostError(host, reason string) error {
	return &HostError{Host: host, Reason: reason}
}

// IdleError ends a request during which no byte came for too long.
type IdleError struct {
	Host string
	Idle time.Duration
}

// Error implements error.
func (e *IdleError) Error() string {
	return fmt.Sprintf("no byte from %s for %v", e.Host, e.Idle)
}

// Timeout makes an IdleError a timeout in the sense of net.Error.
func (e *IdleError) Timeout() bool { return true }

// isPlainHTTP reports whether err is what a TLS handshake gets from a server
// that speaks http.
func isPlainHTTP(err error) bool {
	_, ok := errors.AsType[tls.RecordHeaderError](err)
	return ok
}

// plainer returns err without the layers that only repeat the host: a refusal
// from inside a dialer as it was given.
func plainer(err error) error {
	if refused, ok := errors.AsType[*HostError](err); ok {
		return refused
	}
	return err
}

// isDeadline reports whether err is the dialer's own deadline that passed.
func isDeadline(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded)
}
