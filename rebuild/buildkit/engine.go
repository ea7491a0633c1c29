package buildkit

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/imageverify/verify/rebuild"
)

// engine is a Docker Engine, spoken to by its API
// (https://docs.docker.com/reference/api/engine/).
type engine struct {
	name             string // its address
	network, address string
	client           *http.Client
	patience         time.Duration
}

// newEngine takes unix://PATH or tcp://HOST:PORT.
func (c Config) newEngine(address string) (*engine, error) {
	u, err := parseAddress(address)
	if err != nil {
		return nil, err
	}
	e := &engine{name: u.Redacted(), network: u.Scheme, address: u.Host, patience: c.patience()}
	switch u.Scheme {
	case "unix":
		e.address = u.Path
	case "tcp":
	default:
		return nil, fmt.Errorf("%s: a Docker Engine's address is unix://PATH or tcp://HOST:PORT", e.name)
	}
	if err := c.mayReach(u); err != nil {
		return nil, err
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return e.dial(ctx) }
	e.client = &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	return e, nil
}

func (e *engine) dial(ctx context.Context) (net.Conn, error) {
	d := net.Dialer{Timeout: e.patience}
	return d.DialContext(ctx, e.network, e.address)
}

// dialGRPC and dialSession open the two connections of BuildKit's client through
// the engine.
func (e *engine) dialGRPC(ctx context.Context, _ string) (net.Conn, error) {
	return e.upgrade(ctx, "/grpc", "h2c", nil)
}

func (e *engine) dialSession(ctx context.Context, proto string, meta map[string][]string) (net.Conn, error) {
	return e.upgrade(ctx, "/session", proto, meta)
}

// upgrade makes a connection to a path of the API one of another protocol.
func (e *engine) upgrade(ctx context.Context, path, proto string, meta map[string][]string) (net.Conn, error) {
	conn, err := e.dial(ctx)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://docker"+path, nil)
	if err != nil {
		conn.Close()
		return nil, err
	}
	for name, values := range meta {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", proto)
	reader, err := shakeHands(conn, req, e.patience)
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &upgraded{conn, reader}, nil
}

func shakeHands(conn net.Conn, req *http.Request, patience time.Duration) (*bufio.Reader, error) {
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	if err := req.Write(conn); err != nil {
		return nil, err
	}
	reader := bufio.NewReader(conn)
	resp, err := http.ReadResponse(reader, req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return nil, fmt.Errorf("the engine answers %s", resp.Status)
	}
	return reader, conn.SetDeadline(time.Time{})
}

// upgraded reads first what came with the answer.
type upgraded struct {
	net.Conn
	reader *bufio.Reader
}

func (u *upgraded) Read(p []byte) (int, error) { return u.reader.Read(p) }

// maxAnswer bounds a document of the engine, in bytes.
const maxAnswer = 1 << 20

// call asks the engine. The caller closes the answer's body; an answer that is
// no success is an error with what the engine says.
func (e *engine) call(ctx context.Context, method, path string, query url.Values, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://docker"+path+"?"+query.Encode(), body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/x-tar")
	}
	resp, err := e.client.Do(req)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err
		}
		return nil, err
	}
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	defer resp.Body.Close()
	var said struct{ Message string }
	data, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer)) // the status alone says enough
	if json.Unmarshal(data, &said) != nil || said.Message == "" {
		said.Message = resp.Status
	}
	return nil, &engineError{resp.StatusCode, said.Message}
}

// engineError is an answer of the engine that is no success.
type engineError struct {
	status int
	text   string
}

func (e *engineError) Error() string { return "the engine answers: " + e.text }

// ask reads a document of the engine.
func (e *engine) ask(ctx context.Context, path string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, e.patience)
	defer cancel()
	resp, err := e.call(ctx, http.MethodGet, path, nil, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(into)
}

// about is what an engine says of itself.
type about struct {
	Version, Os, Arch string
}

func (e *engine) environment(builder string, a about) rebuild.Environment {
	return rebuild.Environment{Builder: builder, Version: a.Version, Address: e.name, Worker: a.Os + "/" + a.Arch}
}
