package buildkit

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/platforms"
	"github.com/distribution/reference"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/util/staticfs"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/tonistiigi/fsutil"
	"github.com/tonistiigi/fsutil/types"

	"github.com/imageverify/verify/rebuild"
)

// solveOptions are the request as BuildKit's client has it. The builder's own
// Dockerfile frontend reads the Dockerfile: the image that a "# syntax=" line
// names would be a program that nobody looked at. Nothing is taken from the
// builder's cache, nothing is attached to the image.
func (d *daemon) solveOptions(r *rebuild.Request) (*client.SolveOpt, error) {
	platform := ocispecs.Platform{OS: r.Platform.OS, Architecture: r.Platform.Architecture, Variant: r.Platform.Variant}
	attrs := map[string]string{
		"filename": "Dockerfile", "no-cache": "", "platform": platforms.Format(platform),
		"cmdline": "", // the line is not looked for where this is there
	}
	if r.Target != "" {
		attrs["target"] = r.Target
	}
	if r.Network == rebuild.NetworkNone {
		attrs["force-network-mode"] = "none"
	}
	if r.Limits.Memory > 0 {
		attrs["memory"] = strconv.FormatInt(r.Limits.Memory, 10)
	}
	for name, value := range r.BuildArgs {
		attrs["build-arg:"+name] = value
	}
	export := map[string]string{}
	if !r.SourceDate.IsZero() {
		attrs["build-arg:SOURCE_DATE_EPOCH"] = strconv.FormatInt(r.SourceDate.Unix(), 10)
		export["rewrite-timestamp"] = "true"
	}
	stores := map[string]content.Store{}
	for i, b := range r.Bases {
		name, err := contextName(b.Name)
		if err != nil {
			return nil, fmt.Errorf("the image %s: %w", b.Name, err)
		}
		id := "base" + strconv.Itoa(i)
		stores[id], attrs["context:"+name] = newStore(b), "oci-layout://"+id+"@"+b.Descriptor.Digest.String()
	}
	output := func(map[string]string) (io.WriteCloser, error) {
		return r.Output.(io.WriteCloser), nil
	}
	return &client.SolveOpt{
		Frontend: "dockerfile.v0", FrontendAttrs: attrs, OCIStores: stores,
		LocalMounts: map[string]fsutil.FS{"context": contextFS{r}, "dockerfile": dockerfiles(r)},
		Exports:     []client.ExportEntry{{Type: client.ExporterOCI, Attrs: export, Output: output}},
	}, nil
}

// dockerfiles are the Dockerfile and its ignore file: one that ignores nothing
// stands before the context's .dockerignore.
func dockerfiles(r *rebuild.Request) fsutil.FS {
	files, ignore := staticfs.NewFS(), r.Ignore
	files.Add("Dockerfile", &types.Stat{Mode: 0o644}, r.Dockerfile)
	if r.Piped {
		ignore = []byte("# nothing is ignored\n")
	}
	if ignore != nil {
		files.Add("Dockerfile.dockerignore", &types.Stat{Mode: 0o644}, ignore)
	}
	return files
}

// contextName is how BuildKit's Dockerfile frontend looks up the image that a
// FROM or a --from names.
func contextName(image string) (string, error) {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return "", err
	}
	return strings.TrimSuffix(reference.FamiliarString(reference.TagNameOnly(named)), ":latest"), nil
}

// contextFS is a request's context as BuildKit's client sends it.
type contextFS struct{ request *rebuild.Request }

// Walk implements fsutil.FS.
func (c contextFS) Walk(ctx context.Context, target string, visit fs.WalkDirFunc) error {
	root := filepath.ToSlash(filepath.Clean("./" + target))
	if c.request.Context == nil {
		return nil
	}
	return c.request.Walk(ctx, root, func(f rebuild.ContextFile) error {
		stat := &types.Stat{Path: filepath.FromSlash(f.Path), Mode: uint32(f.Mode), Size: f.Size, Linkname: f.Link}
		if !f.ModTime.IsZero() {
			stat.ModTime = f.ModTime.UnixNano()
		}
		return visit(stat.Path, &fsutil.DirEntryInfo{Stat: stat}, nil)
	})
}

// Open implements fsutil.FS.
func (c contextFS) Open(name string) (io.ReadCloser, error) {
	if c.request.Context == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return c.request.Context.Open(filepath.ToSlash(name))
}
