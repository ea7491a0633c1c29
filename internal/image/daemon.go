package image

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/imageverify/verify/internal/network"
)

// DefaultDockerHost is where a Docker daemon listens unless DOCKER_HOST says
// otherwise.
const DefaultDockerHost = "unix:///var/run/docker.sock"

const (
	// daemonDialTimeout bounds the connecting to a daemon.
	daemonDialTimeout = 10 * time.Second
	// daemonSilence is how long a daemon may send nothing: before the first byte
	// it writes every layer of the image to its own disk.
	daemonSilence = 10 * time.Minute
	// maxDaemonHeader bounds the header of an answer.
	maxDaemonHeader = 64 << 10
)

// daemon is a Docker daemon, asked over the Docker Engine API
// (https://docs.docker.com/reference/api/engine/). Only images are asked for.
type daemon struct {
	host    string // as DOCKER_HOST has it
	url     url.URL
	client  *http.Client
	silence time.Duration
}

// openDockerDaemon opens a reference to an image in a Docker daemon: what
// `docker save` would write is kept in a temporary file, and read like it.
func openDockerDaemon(ctx context.Context, given string, o Options) (*Set, error) {
	ref := strings.TrimPrefix(given, KindDockerDaemon+":")
	asked, err := daemonName(given, ref)
	if err != nil {
		return nil, err
	}
	d, err := newDaemon(given, o)
	if err != nil {
		return nil, err
	}
	defer d.client.CloseIdleConnections()
	body, asked, err := d.image(ctx, ref, asked)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	file, files, err := spool(ctx, body, inSaved, o.spill(), MaxSpoolBytes)
	if err != nil {
		return nil, d.notSaved(ctx, given, err)
	}
	s := newSaved(d.where(), file, files)
	s.store, s.sentBy = KindDockerDaemon, d
	return s.openSet(ctx, Reference{Given: given, Kind: KindDockerDaemon, Store: s.store}, asked, o)
}

// newDaemon prepares to ask a daemon. Nothing is asked yet.
func newDaemon(given string, o Options) (*daemon, error) {
	host := o.DockerHost
	if host == "" {
		host = DefaultDockerHost
	}
	kind, address, _ := strings.Cut(host, "://")
	d := &daemon{host: host, url: url.URL{Scheme: "http", Host: "docker"}, silence: daemonSilence}
	switch {
	case kind == "unix" && address != "":
	case kind == "tcp" && address != "" && !strings.ContainsAny(address, "/?#@"):
		if _, _, err := net.SplitHostPort(address); err != nil {
			address = net.JoinHostPort(strings.Trim(address, "[]"), "2375")
		}
		d.url.Host = address
	default:
		return nil, &ReferenceError{Given: given, Problem: "DOCKER_HOST is not an address that is spoken to: " + oneLine(host),
			Advice: "set it to unix:///PATH or tcp://HOST:PORT, or save the image and write docker-archive:FILE"}
	}
	dial := o.DialDaemon
	if dial == nil {
		dial = (&net.Dialer{Timeout: daemonDialTimeout}).DialContext
	}
	d.client = &http.Client{
		Transport: &http.Transport{
			DialContext:            func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, kind, address) },
			DisableCompression:     true,
			MaxResponseHeaderBytes: maxDaemonHeader,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return d, nil
}

// where names the daemon in messages.
func (d *daemon) where() string { return "the Docker daemon at " + d.host }

// image asks for an image as `docker save` would write it, and says by which
// name. Where there is none of that name, a reference may be the start of an ID.
func (d *daemon) image(ctx context.Context, ref, asked string) (io.ReadCloser, string, error) {
	body, err := d.get(ctx, "/images/"+asked+"/get")
	if isMissing(err) && isShortID(ref) {
		if body, err = d.get(ctx, "/images/sha256:"+ref+"/get"); err == nil {
			return body, "sha256:" + ref, nil
		}
	}
	if isMissing(err) || d.lacks(ctx, asked, err) {
		return nil, "", d.noImage(ctx, asked)
	}
	return body, asked, err
}

// lacks reports whether an answer means that there is no image of an ID, for
// which Docker 20.10 answers as for a failure of its own.
func (d *daemon) lacks(ctx context.Context, asked string, err error) bool {
	var e *DaemonError
	if !strings.HasPrefix(asked, "sha256:") || !errors.As(err, &e) || e.Status != http.StatusInternalServerError {
		return false
	}
	body, err := d.get(ctx, "/images/"+asked+"/json")
	if err == nil {
		body.Close()
	}
	return isMissing(err)
}

// get asks for a path of the API and returns the body of an answer of status
// 200, which ends with an error when nothing comes for the time of silence.
func (d *daemon) get(ctx context.Context, path string) (io.ReadCloser, error) {
	caller := ctx
	ctx, cancel := context.WithCancelCause(caller)
	b := &daemonBody{of: d, caller: caller, ctx: ctx, cancel: cancel}
	b.timer = time.AfterFunc(d.silence, func() { cancel(&network.IdleError{Host: d.host, Idle: d.silence}) })
	u := d.url
	u.Path = path
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		b.Close()
		return nil, err
	}
	req.Header.Set("User-Agent", userAgent)
	resp, err := d.client.Do(req)
	b.timer.Stop()
	if err != nil {
		err = b.explain(err)
		b.Close()
		return nil, err
	}
	b.inner = resp.Body
	if resp.StatusCode != http.StatusOK {
		defer b.Close()
		return nil, d.refused(resp.StatusCode, b)
	}
	return b, nil
}

// daemonBody is an answer's body. Only the time that it is waited for counts.
type daemonBody struct {
	of     *daemon
	caller context.Context
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	inner  io.ReadCloser
}

// Read reads the body; that it breaks off is the daemon's failure.
func (b *daemonBody) Read(p []byte) (int, error) {
	b.timer.Reset(b.of.silence)
	n, err := b.inner.Read(p)
	b.timer.Stop()
	if err != nil && err != io.EOF {
		err = b.explain(err)
	}
	return n, err
}

// Close lets go of the request.
func (b *daemonBody) Close() error {
	b.timer.Stop()
	b.cancel(nil)
	if b.inner == nil {
		return nil
	}
	return b.inner.Close()
}
