package rebuild

import (
	"context"
	"errors"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/checksums"
	"github.com/imageverify/verify/rebuild/replay"
)

// Blobs keeps what is written, by digest.
type Blobs interface {
	Create() (Blob, error)
}

// Blob is one that is being written. Close after Commit does nothing; without
// it, it forgets what was written.
type Blob interface {
	io.WriteCloser
	Commit(digest v1.Hash) error
}

// Discard keeps nothing: what is written is hashed only.
var Discard Blobs = discard{}

type discard struct{}

func (discard) Create() (Blob, error)       { return discard{}, nil }
func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) Commit(v1.Hash) error        { return nil }
func (discard) Close() error                { return nil }

// ahead is how many bytes of a layer may wait for the compressor.
const ahead = 1 << 18

// WriteBlob writes a layer as builders publish it, compressed. Nothing is
// committed to blobs where the error is not nil.
func WriteBlob(ctx context.Context, p *replay.Played, stamp replay.Stamp, blobs Blobs) (*replay.Written, v1.Descriptor, error) {
	blob, err := blobs.Create()
	if err != nil {
		return nil, v1.Descriptor{}, err
	}
	defer blob.Close()
	out := checksums.NewSumWriter(blob)
	// The layer is assembled in one goroutine and compressed in another.
	reader, writer := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := compress(out, reader)
		reader.CloseWithError(err)
		done <- err
	}()
	written, err := p.Write(ctx, stamp, writer)
	writer.CloseWithError(err)
	if compressErr := <-done; err == nil {
		err = compressErr
	}
	if err != nil {
		return nil, v1.Descriptor{}, err
	}
	d := v1.Descriptor{Digest: out.Digest(), Size: out.Size()}
	return written, d, blob.Commit(d.Digest)
}

func compress(w io.Writer, r io.Reader) error {
	z := replay.Compress(w)
	_, err := io.CopyBuffer(z, r, make([]byte, ahead))
	return errors.Join(err, z.Close())
}

// keep writes a document.
func keep(blobs Blobs, data []byte) (v1.Hash, error) {
	blob, err := blobs.Create()
	if err != nil {
		return v1.Hash{}, err
	}
	defer blob.Close()
	out := checksums.NewSumWriter(blob)
	if _, err := out.Write(data); err != nil {
		return v1.Hash{}, err
	}
	return out.Digest(), blob.Commit(out.Digest())
}
