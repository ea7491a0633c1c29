package image

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// The files of an OCI image layout.
const (
	layoutFile    = "oci-layout"
	indexFile     = "index.json"
	blobsDir      = "blobs"
	layoutVersion = "1.0.0"
)

// layout is a directory in the OCI image layout. Blobs are regular files below
// its blobs directory; symbolic links that leave that directory are not followed.
type layout struct {
	name  string // oci:DIR
	root  *os.Root
	blobs *os.Root // nil where there is no blobs directory
}

// openLayout opens a layout's directory and reads its index.json.
func openLayout(given string, ref localReference) (source, *v1.IndexManifest, error) {
	root, err := os.OpenRoot(ref.path)
	if err != nil {
		return nil, nil, &ReferenceError{Given: given, Problem: "cannot be opened: " + reason(err), Err: err}
	}
	l := &layout{name: ref.where(), root: root}
	index, err := readRoot(given, ref, func(name string) (io.ReadCloser, error) { return openRegular(root, name) })
	if err != nil {
		l.close()
		return nil, nil, err
	}
	l.blobs, err = root.OpenRoot(blobsDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		l.close()
		return nil, nil, &ReferenceError{Given: given, Problem: "its blobs directory cannot be opened: " + reason(err), Err: err}
	}
	return l, index, nil
}

func (l *layout) where() string { return l.name }

func (l *layout) close() error {
	if l.blobs == nil {
		return l.root.Close()
	}
	return errors.Join(l.blobs.Close(), l.root.Close())
}

func (l *layout) document(ctx context.Context, h v1.Hash) ([]byte, error) {
	return readBlobDocument(ctx, l, h)
}

func (l *layout) blob(ctx context.Context, h v1.Hash) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	absent := &AbsentError{What: h.String(), Where: l.name}
	if l.blobs == nil {
		absent.Note = "there is no directory blobs"
		return nil, absent
	}
	name := path.Join(h.Algorithm, h.Hex)
	f, err := openRegular(l.blobs, name)
	if err == nil {
		return f, nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, absent
	}
	info, bad := l.blobs.Lstat(name)
	if bad == nil && info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s in %s: %w", h, l.name, err)
	}
	absent.Note = reason(err)
	return nil, absent
}

// errNotRegular refuses directories, pipes and devices.
var errNotRegular = errors.New("is not a regular file")

// openRegular opens a regular file below root. It does not wait for the other
// end of a pipe.
func openRegular(root *os.Root, name string) (*os.File, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: name, Err: errNotRegular}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// readRoot checks that there is a layout and returns its index.json.
func readRoot(given string, ref localReference, open func(name string) (io.ReadCloser, error)) (*v1.IndexManifest, error) {
	raw, err := readFile(given, layoutFile, open)
	if err != nil {
		return nil, err
	}
	var version struct {
		Version string `json:"imageLayoutVersion"`
	}
	if err := json.Unmarshal(bytes.TrimSpace(raw), &version); err != nil {
		return nil, &FormatError{What: layoutFile, Where: ref.where(), Problem: "is not JSON", Err: err}
	}
	if version.Version != layoutVersion {
		return nil, &FormatError{What: layoutFile, Where: ref.where(),
			Problem: fmt.Sprintf("layout version %.20q is not %q", version.Version, layoutVersion)}
	}
	if raw, err = readFile(given, indexFile, open); err != nil {
		return nil, err
	}
	return parseRoot(raw, ref.where())
}

// parseRoot parses a layout's index.json.
func parseRoot(raw []byte, where string) (*v1.IndexManifest, error) {
	index, _, err := parseDocument(raw, v1.Descriptor{}, where)
	var format *FormatError
	if errors.As(err, &format) {
		format.What = indexFile
	}
	if err == nil && index == nil {
		err = &FormatError{What: indexFile, Where: where, Problem: "is an image manifest, not an index"}
	}
	return index, err
}

// readFile reads one of the files that every layout has.
func readFile(given, name string, open func(name string) (io.ReadCloser, error)) ([]byte, error) {
	f, err := open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &ReferenceError{Given: given, Problem: "not an OCI layout: it has no " + name,
			Advice: "a layout has the files oci-layout and index.json and the directory blobs", Err: err}
	}
	if err != nil {
		return nil, &ReferenceError{Given: given, Problem: "not an OCI layout: " + name + " " + reason(err), Err: err}
	}
	defer f.Close()
	raw, err := readBounded(f, name)
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", given, name, err)
	}
	return raw, nil
}

// reason is a file system error without the path, which the message has already.
func reason(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}
