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

// openArchive scans an archive and reads its index.json.
func openArchive(ctx context.Context, given string, ref localReference) (source, *v1.IndexManifest, error) {
	file, err := openFile(given, ref.path)
	if err != nil {
		return nil, nil, err
	}
	return readArchive(ctx, given, ref, file)
}

// readArchive scans an archive that is open, and closes it where it cannot.
func readArchive(ctx context.Context, given string, ref localReference, file *os.File) (source, *v1.IndexManifest, error) {
	a := &archive{name: ref.where(), file: file}
	index, err := a.readIndex(ctx, given, ref)
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return a, index, nil
}

func (a *archive) readIndex(ctx context.Context, given string, ref localReference) (*v1.IndexManifest, error) {
	if err := a.checkPlain(given); err != nil {
		return nil, err
	}
	files, err := scanArchive(ctx, a.file, inLayout, position(a.file))
	if err != nil {
		return nil, notTar(ctx, given, err)
	}
	a.files = files
	index, err := readRoot(given, ref, func(name string) (io.ReadCloser, error) { return a.open(name) })
	var notLayout *ReferenceError
	if _, saved := files[manifestFile]; saved && errors.As(err, &notLayout) {
		notLayout.Advice = "it is what docker save writes: write docker-archive:" + ref.path
	}
	return index, err
}

// openFile opens a regular file, judged from the descriptor. It does not wait
// for the other end of a pipe.
func openFile(given, path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, &ReferenceError{Given: given, Problem: "cannot be opened: " + reason(err), Err: err}
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &ReferenceError{Given: given, Problem: "is not a regular file"}
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// notTar says that an archive could not be scanned, unless it is ctx or a
// temporary file that ended the scan.
func notTar(ctx context.Context, given string, err error) error {
	if ctx.Err() != nil {
		return err
	}
	if errors.Is(err, errTempFile) {
		return fmt.Errorf("%s: %w", given, err)
	}
	e := &ReferenceError{Given: given, Problem: "not a readable tar archive: " + err.Error(), Err: err}
	if limit := (*LimitError)(nil); errors.As(err, &limit) {
		e.Advice = limit.Hint()
	}
	return e
}

// checkPlain refuses a compressed file.
func (a *archive) checkPlain(given string) error {
	magic := make([]byte, magicBytes)
	n, err := a.file.ReadAt(magic, 0)
	if err != nil && err != io.EOF {
		return fmt.Errorf("%s: %w", given, err)
	}
	if name := compression(magic[:n]); name != "" {
		return &ReferenceError{Given: given, Problem: "is compressed with " + name, Advice: "decompress it first"}
	}
	return nil
}

// magicBytes is how many bytes tell the compressions apart.
const magicBytes = 6

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
