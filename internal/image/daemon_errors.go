package image

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/internal/network"
)

// explain says why a daemon was not heard: the caller's end, its silence, or
// what the connection said.
func (b *daemonBody) explain(err error) error {
	if b.caller.Err() != nil {
		return b.caller.Err()
	}
	if cause := context.Cause(b.ctx); cause != nil {
		err = cause
	}
	return b.of.unreachable(err)
}

// unreachable says that a daemon could not be spoken to.
func (d *daemon) unreachable(err error) error {
	e := &DaemonError{Host: d.host, Problem: "cannot be reached: " + oneLine(connectionReason(err)), Err: err,
		Advice: "start it, or name another one in DOCKER_HOST as unix:///PATH or tcp://HOST:PORT"}
	switch {
	case errors.Is(err, network.ErrOffline):
		e.Problem, e.Advice = "is on another machine, and the network is off", "drop --offline, or save the image and write docker-archive:FILE"
	case errors.Is(err, fs.ErrPermission):
		e.Advice = "its socket is for root and the group docker"
	case errors.Is(err, io.ErrUnexpectedEOF):
		e.Problem, e.Advice = "broke off in the middle of its answer", "try again, or look into the daemon's log"
	}
	return e
}

// connectionReason is an error of a connection without the address and the URL,
// which the message has already.
func connectionReason(err error) string {
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Err != nil {
		return dial.Err.Error()
	}
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return err.Error()
}

// refused says what a daemon answered in place of what it was asked for: JSON
// with a message, or text.
func (d *daemon) refused(status int, body io.Reader) error {
	e := &DaemonError{Host: d.host, Status: status, Problem: "answered " + statusText(status)}
	raw, err := io.ReadAll(io.LimitReader(body, MaxDaemonAnswer))
	if err != nil {
		return e
	}
	var said struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(raw, &said) != nil {
		said.Message = string(raw)
	}
	e.Problem += prefixed(": ", strings.TrimSpace(oneLine(said.Message)))
	return e
}

// statusText names an HTTP status.
func statusText(status int) string {
	if text := http.StatusText(status); text != "" {
		return text
	}
	return "an unknown status"
}

// isMissing reports whether a daemon answered that there is no such image.
func isMissing(err error) bool {
	var e *DaemonError
	return errors.As(err, &e) && e.Status == http.StatusNotFound
}

// notSaved says that what a daemon sent could not be kept.
func (d *daemon) notSaved(ctx context.Context, given string, err error) error {
	var failed *DaemonError
	if errors.As(err, &failed) {
		return failed
	}
	return notTar(ctx, given, err)
}

// noImage says that there is no image of a name, and which there are.
func (d *daemon) noImage(ctx context.Context, asked string) error {
	e := &NotFoundError{What: "no image is named " + asked, Where: d.where(), Label: "present",
		Advice: "the daemon has no image with a name: docker pull it first"}
	if _, err := v1.NewHash(asked); err == nil {
		e.What = "no image has the ID " + asked
	}
	names, err := d.names(ctx)
	if err != nil {
		e.Advice = ""
		return e
	}
	if close := near(asked, names); len(close) > 0 {
		e.Label, names = "near", close
	}
	e.Present = names
	return e
}

// names lists the images of a daemon, MaxTags of them.
func (d *daemon) names(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, tagListTimeout)
	defer cancel()
	body, err := d.get(ctx, "/images/json")
	if err != nil {
		return nil, err
	}
	defer body.Close()
	var images []struct{ RepoTags []string }
	if err := json.NewDecoder(io.LimitReader(body, MaxDaemonAnswer)).Decode(&images); err != nil {
		return nil, err
	}
	var names []string
	for _, i := range images {
		for _, tag := range i.RepoTags {
			if tag != "<none>:<none>" && len(names) < MaxTags {
				names = append(names, tag)
			}
		}
	}
	return names, nil
}
