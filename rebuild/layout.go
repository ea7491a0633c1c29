package rebuild

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Layout is an OCI image layout that is being written. It lies beside its
// place until Finish moves it there; Close removes what is not finished.
type Layout struct {
	path, temp string
}

// NewLayout begins a layout that will be at path, where nothing must be.
func NewLayout(path string) (*Layout, error) {
	path = filepath.Clean(path)
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			err = fs.ErrExist
		}
		return nil, err
	}
	temp, err := os.MkdirTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return nil, err
	}
	l := &Layout{path: path, temp: temp}
	if err := os.MkdirAll(filepath.Join(temp, "blobs", "sha256"), 0o755); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// Create begins a blob.
func (l *Layout) Create() (Blob, error) {
	f, err := os.CreateTemp(l.temp, "blob.*")
	if err != nil {
		return nil, err
	}
	return &layoutBlob{File: f, layout: l}, nil
}

// layoutBlob is a blob under way.
type layoutBlob struct {
	*os.File
	layout *Layout
	done   bool
}

// Commit gives the blob its name.
func (b *layoutBlob) Commit(digest v1.Hash) error {
	err := b.Chmod(0o644)
	if err = errors.Join(err, b.File.Close()); err != nil {
		return err
	}
	b.done = true
	return os.Rename(b.Name(), filepath.Join(b.layout.temp, "blobs", digest.Algorithm, digest.Hex))
}

// Close forgets the blob, unless it was committed.
func (b *layoutBlob) Close() error {
	if b.done {
		return nil
	}
	b.done = true
	return errors.Join(b.File.Close(), os.Remove(b.Name()))
}

// Annotations by which a layout names its images: containerd's and the OCI
// image specification's.
const (
	annotationName = "io.containerd.image.name"
	annotationRef  = "org.opencontainers.image.ref.name"
)

// Finish writes the index over one image, and moves the layout to its place.
// ref is the image's name in the layout, name the full one with its host; "" is
// none.
func (l *Layout) Finish(img *Image, p v1.Platform, ref, name string) error {
	mediaType := types.OCIManifestSchema1
	if !img.Form.OCI() {
		mediaType = types.DockerManifestSchema2
	}
	d := v1.Descriptor{MediaType: mediaType, Digest: img.ManifestDigest, Size: int64(len(img.Manifest)), Platform: &p}
	for key, value := range map[string]string{annotationRef: ref, annotationName: name} {
		if value == "" {
			continue
		}
		if d.Annotations == nil {
			d.Annotations = map[string]string{}
		}
		d.Annotations[key] = value
	}
	index, err := json.MarshalIndent(v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{d}}, "", "  ")
	if err != nil {
		return err
	}
	for file, data := range map[string][]byte{"oci-layout": []byte(`{"imageLayoutVersion":"1.0.0"}`), "index.json": index} {
		if err := os.WriteFile(filepath.Join(l.temp, file), append(data, '\n'), 0o644); err != nil {
			return err
		}
	}
	if err := os.Chmod(l.temp, 0o755); err != nil {
		return err
	}
	// A directory is never moved over what is there, but for an empty one.
	if err := os.Rename(l.temp, l.path); err != nil {
		return fmt.Errorf("put into place: %w", err)
	}
	l.temp = ""
	return nil
}

// Close removes what was not finished.
func (l *Layout) Close() error {
	if l.temp == "" {
		return nil
	}
	return os.RemoveAll(l.temp)
}
