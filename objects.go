package verify

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"sync"

	"github.com/imageverify/verify/checksums"
	"github.com/imageverify/verify/checksums/sums"
	"github.com/imageverify/verify/internal/local"
	"github.com/imageverify/verify/provenance/source"
)

// maxKeyObject is the longest file handed in, in bytes, that is tried as a
// keyring: what a key may have.
const maxKeyObject = 1 << 20

// objects are the files of Options.Objects. Each is known by what it hashes to,
// never by its name.
type objects []*objectFile

// objectFile is one file, read through the one descriptor that was opened and
// judged. It is hashed when something is first looked for among the files.
type objectFile struct {
	name string
	file *os.File
	size int64

	mu     sync.Mutex
	hashed bool
	blob   string            // its git blob id; "" for a SHA-1 collision
	sums   map[string]string // by algorithm
}

// openObjects opens the files.
func openObjects(names []string) (objects, error) {
	var out objects
	for _, name := range names {
		f, err := openInput("object", name)
		if err != nil {
			out.close()
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

// openInput opens a local input that a flag names: a regular file of at most
// source.MaxBlob bytes. The error is a *RunError of the code.
func openInput(code, name string) (*objectFile, error) {
	f, err := local.Open(name)
	var info os.FileInfo
	if err == nil {
		info, err = f.Stat()
	}
	if err == nil && info.Size() > source.MaxBlob {
		err = &local.LimitError{Limit: source.MaxBlob}
	}
	if err == nil {
		return &objectFile{name: name, file: f, size: info.Size()}, nil
	}
	if f != nil {
		f.Close()
	}
	reason := err
	if e, ok := errors.AsType[*os.PathError](err); ok {
		reason = e.Err // the name stands in the message
	}
	return nil, &RunError{Code: code, Message: fmt.Sprintf("%s %s: %v", code, name, reason), Input: name, err: err}
}

func (o objects) close() error {
	var errs []error
	for _, f := range o {
		errs = append(errs, f.file.Close())
	}
	return errors.Join(errs...)
}

// read gives a new reader over the whole file.
func (f *objectFile) read() *io.SectionReader { return io.NewSectionReader(f.file, 0, f.size) }

// hash reads the file once, for all digests that it may be known by.
func (f *objectFile) hash(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.hashed {
		return nil
	}
	blob := source.NewBlobHash(f.size)
	hashes := map[string]hash.Hash{"sha256": sha256.New(), "sha384": sha512.New384(), "sha512": sha512.New()}
	writers := []io.Writer{blob}
	for _, h := range hashes {
		writers = append(writers, h)
	}
	n, err := io.Copy(io.MultiWriter(writers...), checksums.ContextReader(ctx, f.read()))
	if err == nil && n != f.size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return fmt.Errorf("object %s: %w", f.name, err)
	}
	f.sums = map[string]string{}
	for algorithm, h := range hashes {
		f.sums[algorithm] = hex.EncodeToString(h.Sum(nil))
	}
	if name, ok := blob.ID(); ok {
		f.blob = name
	}
	f.hashed = true
	return nil
}

// find returns the first file that is what is looked for; nil where none is.
func (o objects) find(ctx context.Context, is func(*objectFile) bool) (*objectFile, error) {
	for _, f := range o {
		if err := f.hash(ctx); err != nil {
			return nil, err
		}
		if is(f) {
			return f, nil
		}
	}
	return nil, nil
}

// Object implements source.Objects.
func (o objects) Object(ctx context.Context, blob string) (io.ReadCloser, int64, error) {
	f, err := o.find(ctx, func(f *objectFile) bool { return f.blob == blob })
	if err != nil {
		return nil, 0, err
	}
	if f == nil {
		return nil, 0, source.ErrObjectAbsent
	}
	return io.NopCloser(f.read()), f.size, nil
}

// listed returns the file that has a published sum; nil where none has.
func (o objects) listed(ctx context.Context, line sums.Entry) (*objectFile, error) {
	return o.find(ctx, func(f *objectFile) bool { return f.sums[line.Algorithm] == line.Digest })
}

// keyring is the keys among the files. As everywhere, they count by their
// fingerprints alone.
func (o objects) keyring() *sums.Keyring {
	var all *sums.Keyring
	for _, f := range o {
		if f.size > maxKeyObject {
			continue
		}
		if k, err := sums.ReadKeyring(f.read()); err == nil {
			all = sums.Join(all, k)
		}
	}
	return all
}
