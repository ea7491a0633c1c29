package buildkit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/imageverify/verify/provenance/dockerfile"
	"github.com/imageverify/verify/rebuild"
)

// classic is the classic builder of a Docker Engine. It knows no source date:
// what it builds has the times of the build.
type classic struct{ *engine }

func (c *classic) dialect() string { return dockerfile.Classic }

func (c *classic) refuse(reason, what string, err error) error {
	return &rebuild.BuildError{Reason: reason, What: what, Err: err, Environment: rebuild.Environment{Builder: "classic", Address: c.name}}
}

// about asks the engine what it is.
func (c *classic) about(ctx context.Context) (about, error) {
	var a about
	if err := c.ask(ctx, "/version", &a); err != nil {
		return a, c.refuse(rebuild.NoBuilder, fmt.Sprintf("the Docker Engine at %s does not answer: %s", c.name, firstLine(err)), err)
	}
	return a, nil
}

// check compares the engine's platform: the classic builder builds for no other.
func (c *classic) check(ctx context.Context, r *rebuild.Request) error {
	a, err := c.about(ctx)
	if err != nil {
		return err
	}
	if a.Os != r.Platform.OS || a.Arch != r.Platform.Architecture {
		return c.refuse(rebuild.NeedsPlatform, fmt.Sprintf("the Docker Engine at %s builds for %s/%s, not for %s", c.name, a.Os, a.Arch, r.Platform.String()), nil)
	}
	return nil
}

// build has the image built and handed out, and leaves nothing of it in the
// engine.
func (c *classic) build(ctx context.Context, r *rebuild.Request) (*rebuild.Result, error) {
	a, err := c.about(ctx)
	if err != nil {
		return nil, err
	}
	left := leftovers{engine: c.engine}
	defer left.remove(ctx)
	text, err := c.loadBases(ctx, r, &left)
	if err != nil {
		return nil, err
	}
	id, err := c.run(ctx, r, text, &left)
	if err != nil {
		return nil, err
	}
	if err := c.export(ctx, r, id); err != nil {
		return nil, err
	}
	return &rebuild.Result{Form: rebuild.FormDockerArchive, Environment: c.environment("classic", a)}, nil
}

// run builds, and gives the ID of the image.
func (c *classic) run(ctx context.Context, r *rebuild.Request, text []byte, left *leftovers) (string, error) {
	query := url.Values{"dockerfile": {dockerfileName}, "nocache": {"1"}, "rm": {"1"}, "forcerm": {"1"}, "version": {"1"}}
	if r.Network == rebuild.NetworkNone {
		query.Set("networkmode", "none")
	}
	if r.Target != "" {
		query.Set("target", r.Target)
	}
	if r.Limits.Memory > 0 {
		query.Set("memory", strconv.FormatInt(r.Limits.Memory, 10))
		query.Set("memswap", strconv.FormatInt(r.Limits.Memory, 10))
	}
	if len(r.BuildArgs) > 0 {
		args, err := json.Marshal(r.BuildArgs)
		if err != nil {
			return "", err
		}
		query.Set("buildargs", string(args))
	}
	reader, writer := io.Pipe()
	defer reader.Close()
	go func() { writer.CloseWithError(writeContext(ctx, writer, r, text)) }()
	resp, err := c.call(ctx, http.MethodPost, "/build", query, reader)
	if err != nil {
		return "", c.lost(ctx, err)
	}
	defer resp.Body.Close()
	return c.follow(ctx, r, resp.Body, left)
}

// follow reads what the builder says, until it names the image.
func (c *classic) follow(ctx context.Context, r *rebuild.Request, body io.Reader, left *leftovers) (string, error) {
	var id string
	messages := json.NewDecoder(body)
	for {
		var m struct {
			Stream, Error string
			Aux           struct{ ID string }
		}
		err := messages.Decode(&m)
		switch {
		case errors.Is(err, io.EOF) && id != "":
			return id, nil
		case err != nil:
			return "", c.lost(ctx, err)
		case m.Error != "":
			return "", c.refuse(rebuild.BuildFailed, fmt.Sprintf("the Docker Engine at %s could not build it: %s", c.name, firstLine(errors.New(m.Error))), nil)
		}
		if m.Aux.ID != "" {
			id = m.Aux.ID
			left.made(id)
		}
		if step, ok := strings.CutPrefix(strings.TrimSpace(m.Stream), "---> "); ok && !strings.Contains(step, " ") {
			left.made(step)
		}
		if r.Log != nil {
			if _, err := io.WriteString(r.Log, m.Stream); err != nil {
				return "", notWritten(err)
			}
		}
	}
}

// lost is an error of a connection during the build.
func (c *classic) lost(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if e, ok := errors.AsType[*rebuild.BuildError](err); ok {
		return e
	}
	if e, ok := errors.AsType[*engineError](err); ok {
		return c.refuse(rebuild.BuildFailed, fmt.Sprintf("the Docker Engine at %s could not build it: %s", c.name, firstLine(e)), e)
	}
	return c.refuse(rebuild.BuilderGone, fmt.Sprintf("the Docker Engine at %s was lost while it built: %s", c.name, firstLine(err)), err)
}

// export writes the image, as docker save does.
func (c *classic) export(ctx context.Context, r *rebuild.Request, id string) error {
	resp, err := c.call(ctx, http.MethodGet, "/images/"+url.PathEscape(id)+"/get", nil, nil)
	if err != nil {
		return c.lost(ctx, err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(r.Output, resp.Body); err != nil {
		return c.lost(ctx, err)
	}
	return nil
}

// leftovers are the images that a build leaves in an engine.
type leftovers struct {
	engine *engine
	ids    []string
	kept   []string // that were there before
}

// made notes an image that the build made; the bases that it names are none.
func (l *leftovers) made(id string) {
	id = strings.TrimPrefix(id, "sha256:")
	for _, k := range l.kept {
		if id == "" || strings.HasPrefix(k, id) {
			return
		}
	}
	l.ids = append(l.ids, id)
}

// remove removes the images, the last one first, with the untagged ones that
// they stand on. One that has a name is somebody's, and stays.
func (l *leftovers) remove(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbyeTime)
	defer cancel()
	for i := len(l.ids) - 1; i >= 0; i-- {
		path := "/images/" + url.PathEscape(l.ids[i])
		var said struct{ RepoTags, RepoDigests []string }
		if err := l.engine.ask(ctx, path+"/json", &said); err != nil || len(said.RepoTags)+len(said.RepoDigests) > 0 {
			continue
		}
		// A build that was ended can hold its last container for a moment.
		for range 5 {
			resp, err := l.engine.call(ctx, http.MethodDelete, path, url.Values{"force": {"1"}}, nil)
			if err == nil {
				resp.Body.Close()
				break
			}
			if e, ok := errors.AsType[*engineError](err); !ok || e.status != http.StatusConflict {
				break
			}
			time.Sleep(200 * time.Millisecond)
		}
	}
}
