package buildkit

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/errdefs"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	digest "github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/imageverify/verify/rebuild"
)

// store shows one image to a builder that builds on it: its manifest and what
// that names, to be read and nothing else. The builder hashes what it reads.
type store struct {
	base  rebuild.Base
	blobs map[digest.Digest]v1.Descriptor
}

var _ content.Store = (*store)(nil)

func newStore(b rebuild.Base) *store {
	s := &store{base: b, blobs: map[digest.Digest]v1.Descriptor{}}
	var m v1.Manifest
	if json.Unmarshal(b.Manifest, &m) == nil { // the builder says what is wrong with it
		for _, d := range append(m.Layers, m.Config) {
			s.blobs[digest.Digest(d.Digest.String())] = d
		}
	}
	s.blobs[s.root()] = b.Descriptor
	return s
}

func (s *store) root() digest.Digest { return digest.Digest(s.base.Descriptor.Digest.String()) }

// Info implements content.InfoProvider.
func (s *store) Info(_ context.Context, d digest.Digest) (content.Info, error) {
	desc, ok := s.blobs[d]
	if !ok {
		return content.Info{}, fmt.Errorf("%s is no part of %s: %w", d, s.base.Name, errdefs.ErrNotFound)
	}
	return content.Info{Digest: d, Size: desc.Size}, nil
}

// ReaderAt implements content.Provider.
func (s *store) ReaderAt(ctx context.Context, want ocispecs.Descriptor) (content.ReaderAt, error) {
	desc, ok := s.blobs[want.Digest]
	if !ok {
		return nil, fmt.Errorf("%s is no part of %s: %w", want.Digest, s.base.Name, errdefs.ErrNotFound)
	}
	if want.Digest == s.root() {
		return &memory{bytes.NewReader(s.base.Manifest)}, nil
	}
	return &stream{size: desc.Size, open: func() (io.ReadCloser, error) { return s.base.Blob(ctx, desc) }}, nil
}

// memory is a document as a content.ReaderAt.
type memory struct{ *bytes.Reader }

func (m *memory) Close() error { return nil }

// stream reads a blob at the places where it is asked for, which are in order
// but for a start anew.
type stream struct {
	open func() (io.ReadCloser, error)
	size int64
	body io.ReadCloser
	at   int64
}

func (s *stream) Size() int64 { return s.size }

// ReadAt implements io.ReaderAt, for one caller at a time.
func (s *stream) ReadAt(p []byte, offset int64) (int, error) {
	if err := s.seek(offset); err != nil {
		return 0, err
	}
	n, err := io.ReadFull(s.body, p)
	s.at += int64(n)
	if err == io.ErrUnexpectedEOF {
		err = io.EOF
	}
	return n, err
}

func (s *stream) seek(offset int64) error {
	if s.body == nil || offset < s.at {
		if err := s.Close(); err != nil {
			return err
		}
		var err error
		if s.body, err = s.open(); err != nil {
			return err
		}
		s.at = 0
	}
	n, err := io.CopyN(io.Discard, s.body, offset-s.at)
	s.at += n
	return err
}

// Close implements io.Closer.
func (s *stream) Close() error {
	if s.body == nil {
		return nil
	}
	body := s.body
	s.body = nil
	return body.Close()
}

// errReadOnly is the answer to whoever asks for more than to read.
var errReadOnly = fmt.Errorf("the image is only shown: %w", errdefs.ErrNotImplemented)

// Update, Walk, Delete, Status, ListStatuses, Abort and Writer implement the
// rest of content.Store, by refusing it.
func (s *store) Update(context.Context, content.Info, ...string) (content.Info, error) {
	return content.Info{}, errReadOnly
}

// Walk refuses.
func (s *store) Walk(context.Context, content.WalkFunc, ...string) error { return errReadOnly }

// Delete refuses.
func (s *store) Delete(context.Context, digest.Digest) error { return errReadOnly }

// Status refuses.
func (s *store) Status(context.Context, string) (content.Status, error) {
	return content.Status{}, errReadOnly
}

// ListStatuses refuses.
func (s *store) ListStatuses(context.Context, ...string) ([]content.Status, error) {
	return nil, errReadOnly
}

// Abort refuses.
func (s *store) Abort(context.Context, string) error { return errReadOnly }

// Writer refuses.
func (s *store) Writer(context.Context, ...content.WriterOpt) (content.Writer, error) {
	return nil, errReadOnly
}
