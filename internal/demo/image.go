package demo

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// file is one entry of the demo's root file system.
type file struct {
	name string // directories end in "/"
	mode int64
	text string
	link string
}

// rootfs is the demo's root file system at a release, in walk order.
func rootfs(release string) []file {
	return []file{
		{name: "bin/", mode: 0o755},
		{name: "bin/hello", mode: 0o755, text: "#!/bin/sh\necho this is release " + release + "\n"},
		{name: "bin/hi", link: "hello", mode: 0o777},
		{name: "etc/", mode: 0o755},
		{name: "etc/passwd", mode: 0o644, text: "root:x:0:0:root:/root:/bin/sh\n"},
		{name: "etc/release", mode: 0o644, text: release + "\n"},
		{name: "tmp/", mode: 0o1777},
	}
}

// tampered gives root a second name, in a file of the same length.
func tampered(files []file) []file {
	for i := range files {
		if files[i].name == "etc/passwd" {
			files[i].text = "boot:x:0:0:root:/root:/bin/sh\n"
		}
	}
	return files
}

// tarballOf packs files as a distributor does: gzip, names under "./".
func tarballOf(files []file) []byte { return compress(pack("./", files)) }

func pack(prefix string, files []file) []byte {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, f := range files {
		h := &tar.Header{Name: prefix + f.name, Mode: f.mode, Size: int64(len(f.text)), ModTime: epoch.Add(-time.Hour), Typeflag: tar.TypeReg}
		switch {
		case f.link != "":
			h.Typeflag, h.Linkname = tar.TypeSymlink, f.link
		case f.name[len(f.name)-1] == '/':
			h.Typeflag = tar.TypeDir
		}
		// Writing to memory what is known to be well-formed cannot fail.
		_ = w.WriteHeader(h)
		_, _ = w.Write([]byte(f.text))
	}
	_ = w.Close()
	return out.Bytes()
}

func compress(data []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(data)
	_ = w.Close()
	return out.Bytes()
}

// built is an image before it is written: its layer and its config.
type built struct {
	layer  []byte
	config v1.ConfigFile
	// buildkit says that BuildKit writes the documents.
	buildkit bool
}

func newImage(files []file, add, cmd v1.History) built {
	layer := pack("", files)
	when := v1.Time{Time: epoch.Add(time.Minute)}
	add.Created, cmd.Created, cmd.EmptyLayer = when, when, true
	return built{layer: compress(layer), config: v1.ConfigFile{
		Architecture: "amd64", OS: "linux", Created: when,
		Config: v1.Config{
			Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
			Cmd: []string{"/bin/hello"},
		},
		RootFS:  v1.RootFS{Type: "layers", DiffIDs: []v1.Hash{hashOf(layer)}},
		History: []v1.History{add, cmd},
	}}
}

// newBuildkit makes an image with the history that BuildKit writes.
func newBuildkit(release string, files []file) built {
	const comment = "buildkit.dockerfile.v0"
	img := newImage(files,
		v1.History{CreatedBy: "ADD " + archive(release) + " / # buildkit", Comment: comment},
		v1.History{CreatedBy: `CMD ["/bin/hello"]`, Comment: comment})
	img.buildkit = true
	return img
}

// buildkitConfig has BuildKit's order of members.
type buildkitConfig struct {
	Architecture string `json:"architecture"`
	Config       struct {
		Env, Cmd    []string
		WorkingDir  string
		ArgsEscaped bool
	} `json:"config"`
	Created v1.Time      `json:"created"`
	History []v1.History `json:"history"`
	OS      string       `json:"os"`
	RootFS  v1.RootFS    `json:"rootfs"`
}

// descriptor has BuildKit's order of members.
type descriptor struct {
	MediaType types.MediaType `json:"mediaType"`
	Digest    v1.Hash         `json:"digest"`
	Size      int64           `json:"size"`
}

type buildkitManifest struct {
	SchemaVersion int             `json:"schemaVersion"`
	MediaType     types.MediaType `json:"mediaType"`
	Config        descriptor      `json:"config"`
	Layers        []descriptor    `json:"layers"`
}

// documents are the image's config and manifest as its builder writes them,
// BuildKit byte for byte.
func (b built) documents() (config, manifest []byte, err error) {
	if !b.buildkit {
		if config, err = json.Marshal(b.config); err != nil {
			return nil, nil, err
		}
		manifest, err = json.Marshal(v1.Manifest{
			SchemaVersion: 2, MediaType: types.OCIManifestSchema1,
			Config: v1.Descriptor{MediaType: types.OCIConfigJSON, Size: int64(len(config)), Digest: hashOf(config)},
			Layers: []v1.Descriptor{{MediaType: types.OCILayer, Size: int64(len(b.layer)), Digest: hashOf(b.layer)}},
		})
		return config, manifest, err
	}
	c := buildkitConfig{Architecture: b.config.Architecture, Created: b.config.Created, History: b.config.History, OS: b.config.OS, RootFS: b.config.RootFS}
	c.Config.Env, c.Config.Cmd, c.Config.WorkingDir, c.Config.ArgsEscaped = b.config.Config.Env, b.config.Config.Cmd, "/", true
	if config, err = json.Marshal(c); err != nil {
		return nil, nil, err
	}
	manifest, err = json.MarshalIndent(buildkitManifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1,
		Config: descriptor{types.OCIConfigJSON, hashOf(config), int64(len(config))},
		Layers: []descriptor{{types.OCILayer, hashOf(b.layer), int64(len(b.layer))}},
	}, "", "  ")
	return config, manifest, err
}

// newClassic makes an image with the history that the classic builder writes,
// whose content hash is made as that builder's source has it: the archive's tar
// header fields as text, then its bytes.
func newClassic(release string, files []file) built {
	data := tarballOf(files)
	h := sha256.New()
	fmt.Fprintf(h, "name%smode%duid0gid0size%dtypeflag0linknameunamegnamedevmajor0devminor0", archive(release), 0o100644, len(data))
	h.Write(data)
	return newImage(files,
		v1.History{CreatedBy: fmt.Sprintf("/bin/sh -c #(nop) ADD file:%x in / ", h.Sum(nil))},
		v1.History{CreatedBy: `/bin/sh -c #(nop)  CMD ["/bin/hello"]`})
}

func hashOf(data []byte) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: fmt.Sprintf("%x", sha256.Sum256(data))}
}

// push writes the image into the registry under a tag.
func (w *world) push(tag string, img built) error {
	config, manifest, err := img.documents()
	if err != nil {
		return err
	}
	for _, blob := range [][]byte{config, img.layer} {
		if err := w.send(http.MethodPost, "blobs/uploads/?digest="+hashOf(blob).String(), "application/octet-stream", blob); err != nil {
			return err
		}
	}
	return w.send(http.MethodPut, "manifests/"+tag, string(types.OCIManifestSchema1), manifest)
}

func (w *world) send(method, path, mediaType string, body []byte) error {
	r, err := http.NewRequest(method, "https://registry.invalid/v2/library/"+name+"/"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", mediaType)
	resp, err := w.registry.RoundTrip(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		return fmt.Errorf("%s %s: %s", method, path, resp.Status)
	}
	return nil
}
