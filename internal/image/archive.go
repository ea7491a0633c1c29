package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// archive is a tar archive of an OCI image layout. The file is opened once and
// scanned once; contents are then read at their offsets.
type archive struct {
	name  string // oci-archive:FILE
	file  *os.File
	files map[string]extent
}

// extent is where a file's content stands in the archive.
type extent struct {
	offset, size int64
	other        string // what stands there, if it is not a regular file
}

// openArchive scans an archive and reads its index.json.
func openArchive(ctx context.Context, given string, ref localReference) (source, *v1.IndexManifest, error) {
	file, err := os.OpenFile(ref.path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, &ReferenceError{Given: given, Problem: "cannot be opened: " + reason(err), Err: err}
	}
	a := &archive{name: ref.where(), file: file}
	index, err := a.readIndex(ctx, given, ref)
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return a, index, nil
}

func (a *archive) readIndex(ctx context.Context, given string, ref localReference) (*v1.IndexManifest, error) {
	if err := a.check(given); err != nil {
		return nil, err
	}
	files, err := scanArchive(ctx, a.file)
	if err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		return nil, &ReferenceError{Given: given, Problem: "not a readable tar archive: " + err.Error(), Err: err}
	}
	a.files = files
	index, err := readRoot(given, ref, func(name string) (io.ReadCloser, error) { return a.open(name) })
	var notLayout *ReferenceError
	if _, saved := files["manifest.json"]; saved && errors.As(err, &notLayout) {
		notLayout.Advice = "it is what older versions of docker save write: convert it to an OCI layout"
	}
	return index, err
}

// check refuses what is not a plain regular file, judged from the descriptor.
func (a *archive) check(given string) error {
	info, err := a.file.Stat()
	if err != nil {
		return fmt.Errorf("%s: %w", given, err)
	}
	if !info.Mode().IsRegular() {
		return &ReferenceError{Given: given, Problem: "is not a regular file"}
	}
	magic := make([]byte, 6)
	n, err := a.file.ReadAt(magic, 0)
	if err != nil && err != io.EOF {
		return fmt.Errorf("%s: %w", given, err)
	}
	if name := compression(magic[:n]); name != "" {
		return &ReferenceError{Given: given, Problem: "is compressed with " + name, Advice: "decompress it first"}
	}
	return nil
}

// compression names the compression of a file that starts with magic, or "".
func compression(magic []byte) string {
	for name, start := range map[string]string{
		"gzip": "\x1f\x8b", "zstd": "\x28\xb5\x2f\xfd", "xz": "\xfd7zXZ\x00", "bzip2": "BZh",
	} {
		if bytes.HasPrefix(magic, []byte(start)) {
			return name
		}
	}
	return ""
}

// open opens a file of the layout.
func (a *archive) open(name string) (io.ReadCloser, error) {
	e, ok := a.files[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	if e.other != "" {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errors.New(e.other)}
	}
	return io.NopCloser(io.NewSectionReader(a.file, e.offset, e.size)), nil
}

func (a *archive) where() string { return a.name }

func (a *archive) close() error { return a.file.Close() }

func (a *archive) document(ctx context.Context, h v1.Hash) ([]byte, error) {
	return readBlobDocument(ctx, a, h)
}

func (a *archive) blob(ctx context.Context, h v1.Hash) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r, err := a.open(path.Join(blobsDir, h.Algorithm, h.Hex))
	if err == nil {
		return r, nil
	}
	absent := &AbsentError{What: h.String(), Where: a.name}
	if !errors.Is(err, fs.ErrNotExist) {
		absent.Note = reason(err)
	}
	return nil, absent
}
