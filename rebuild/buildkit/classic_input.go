package buildkit

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/moby/patternmatcher/ignorefile"
	"github.com/tonistiigi/fsutil"

	"github.com/imageverify/verify/provenance/dockerfile"
	"github.com/imageverify/verify/rebuild"
)

// dockerfileName is the file by which the classic builder gets the Dockerfile,
// beside the context's own.
const dockerfileName = ".verify.dockerfile"

// loadBases puts the images that the build stands on into the engine, without a
// name, and gives the Dockerfile with their IDs in place of their names.
func (c *classic) loadBases(ctx context.Context, r *rebuild.Request, left *leftovers) ([]byte, error) {
	ids := map[string]string{}
	for _, b := range r.Bases {
		var m v1.Manifest
		if err := json.Unmarshal(b.Manifest, &m); err != nil {
			return nil, fmt.Errorf("the manifest of %s: %w", b.Name, err)
		}
		id := m.Config.Digest.String()
		ids[b.Name] = id
		var found struct {
			ID string `json:"Id"`
		}
		if c.ask(ctx, "/images/"+url.PathEscape(id)+"/json", &found) == nil {
			left.kept = append(left.kept, m.Config.Digest.Hex)
			continue
		}
		left.ids = append(left.ids, m.Config.Digest.Hex)
		if err := c.load(ctx, b, &m); err != nil {
			return nil, c.lost(ctx, err)
		}
	}
	return withIDs(r, ids)
}

// load has the engine take an image, from an archive as docker save writes it.
func (c *classic) load(ctx context.Context, b rebuild.Base, m *v1.Manifest) error {
	reader, writer := io.Pipe()
	defer reader.Close()
	go func() { writer.CloseWithError(writeSaved(ctx, writer, b, m)) }()
	resp, err := c.call(ctx, http.MethodPost, "/images/load", url.Values{"quiet": {"1"}}, reader)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return err
	}
	var said struct{ Error string }
	if json.Unmarshal(answer, &said) == nil && said.Error != "" {
		return &engineError{resp.StatusCode, said.Error}
	}
	return nil
}

func writeSaved(ctx context.Context, w io.Writer, b rebuild.Base, m *v1.Manifest) error {
	type entry struct {
		Config string
		Layers []string
	}
	list := entry{Config: m.Config.Digest.Hex + ".json"}
	archive := tar.NewWriter(w)
	if err := copyBlob(ctx, archive, list.Config, b, m.Config); err != nil {
		return err
	}
	for i, l := range m.Layers {
		name := strconv.Itoa(i) + "/layer.tar"
		list.Layers = append(list.Layers, name)
		if err := copyBlob(ctx, archive, name, b, l); err != nil {
			return err
		}
	}
	data, err := json.Marshal([]entry{list})
	if err != nil {
		return err
	}
	if err := addFile(archive, "manifest.json", 0o644, int64(len(data)), bytes.NewReader(data)); err != nil {
		return err
	}
	return archive.Close()
}

func copyBlob(ctx context.Context, archive *tar.Writer, name string, b rebuild.Base, d v1.Descriptor) error {
	blob, err := b.Blob(ctx, d)
	if err != nil {
		return err
	}
	defer blob.Close()
	return addFile(archive, name, 0o644, d.Size, blob)
}

func addFile(archive *tar.Writer, name string, mode, size int64, content io.Reader) error {
	if err := archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: size, ModTime: time.Unix(0, 0)}); err != nil {
		return err
	}
	_, err := io.Copy(archive, content)
	return err
}

// withIDs is the Dockerfile with the IDs of images in place of their names, line
// by line. An image that is not given is an error: the engine would pull it.
func withIDs(r *rebuild.Request, ids map[string]string) ([]byte, error) {
	file, err := dockerfile.Parse(r.Dockerfile)
	if err != nil {
		return nil, err
	}
	lines := strings.Split(string(r.Dockerfile), "\n")
	stages := map[string]bool{}
	for i, st := range file.Stages {
		inner := stages[strings.ToLower(st.Base)]
		stages[st.Name] = true
		if inner || strings.EqualFold(st.Base, dockerfile.Scratch) {
			continue
		}
		base, err := stageBase(file, i, r)
		if err != nil {
			return nil, err
		}
		id, ok := ids[base]
		if !ok || !strings.Contains(lines[st.Line-1], st.Base) {
			return nil, &rebuild.BuildError{Reason: rebuild.NoBuilder, What: fmt.Sprintf("line %d of the Dockerfile: the classic builder cannot be given the image %s", st.Line, base)}
		}
		lines[st.Line-1] = strings.Replace(lines[st.Line-1], st.Base, id, 1)
	}
	return []byte(strings.Join(lines, "\n")), nil
}

// stageBase is the image that a stage stands on, its arguments put in.
func stageBase(file *dockerfile.File, i int, r *rebuild.Request) (string, error) {
	target := strconv.Itoa(i)
	if name := file.Stages[i].Name; name != "" {
		target = name
	}
	b, err := file.Evaluate(dockerfile.Options{Target: target, BuildArgs: r.BuildArgs,
		OS: r.Platform.OS, Architecture: r.Platform.Architecture, Variant: r.Platform.Variant})
	if err != nil {
		return "", err
	}
	return b.Base, nil
}

// writeContext writes the build context as Docker's client sends it, and the
// Dockerfile.
func writeContext(ctx context.Context, w io.Writer, r *rebuild.Request, text []byte) error {
	excludes, err := excluded(r)
	if err != nil {
		return err
	}
	files, err := fsutil.NewFilterFS(contextFS{r}, &fsutil.FilterOpt{ExcludePatterns: excludes})
	if err != nil {
		return err
	}
	archive := tar.NewWriter(w)
	err = files.Walk(ctx, "", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return addEntry(archive, files, name, d)
	})
	if err != nil {
		return err
	}
	if err := addFile(archive, dockerfileName, 0o644, int64(len(text)), bytes.NewReader(text)); err != nil {
		return err
	}
	return archive.Close()
}

func addEntry(archive *tar.Writer, files fsutil.FS, name string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	link := ""
	if stat, ok := info.(*fsutil.StatInfo); ok {
		link = stat.Linkname
	}
	h, err := tar.FileInfoHeader(info, link)
	if err != nil {
		return err
	}
	if h.Name = name; info.IsDir() {
		h.Name += "/"
	}
	if err := archive.WriteHeader(h); err != nil || !info.Mode().IsRegular() {
		return err
	}
	content, err := files.Open(name)
	if err != nil {
		return err
	}
	defer content.Close()
	_, err = io.Copy(archive, content)
	return err
}

// excluded are the patterns of files that Docker's client would not send.
func excluded(r *rebuild.Request) ([]string, error) {
	text := r.Ignore
	if r.Piped || r.Context == nil {
		return nil, nil
	}
	if text == nil {
		var err error
		text, err = fs.ReadFile(r.Context, ".dockerignore")
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return ignorefile.ReadAll(bytes.NewReader(text))
}
