package rebuild

import (
	"context"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/checksums"
	"github.com/imageverify/verify/rebuild/replay"
)

// BaseImage is the image that a build stands on.
type BaseImage struct {
	// Config is its config, ID the config's digest.
	Config []byte
	ID     v1.Hash
	// Layers are its layers, lowest first.
	Layers []BaseLayer
}

// BaseLayer is one layer of a base.
type BaseLayer struct {
	// Blob is its descriptor, which the image that is built has too.
	Blob  v1.Descriptor
	Index *checksums.Index
	// Open opens the blob. What it gives is compared with the digest here.
	Open func(context.Context) (io.ReadCloser, error)
}

// below are the layers as replay wants them.
func (b *BaseImage) below(ctx context.Context) []replay.Below {
	if b == nil {
		return nil
	}
	out := make([]replay.Below, len(b.Layers))
	for i, l := range b.Layers {
		out[i] = replay.Below{Index: l.Index, Open: func() (io.ReadCloser, error) {
			rc, err := l.Open(ctx)
			if err != nil {
				return nil, err
			}
			return verified{checksums.VerifyReader(rc, l.Blob.Size, l.Blob.Digest), rc}, nil
		}}
	}
	return out
}

// verified is a blob that is compared with its digest as it is read.
type verified struct {
	io.Reader
	io.Closer
}

// copyLayers puts the base's blobs among those of the image that is built.
func (b *BaseImage) copyLayers(ctx context.Context, blobs Blobs) ([]v1.Descriptor, error) {
	if b == nil {
		return nil, nil
	}
	var out []v1.Descriptor
	for _, l := range b.Layers {
		if err := l.copy(ctx, blobs); err != nil {
			return nil, fmt.Errorf("layer %s of the base image: %w", l.Blob.Digest, err)
		}
		out = append(out, v1.Descriptor{Digest: l.Blob.Digest, Size: l.Blob.Size})
	}
	return out, nil
}

func (l BaseLayer) copy(ctx context.Context, blobs Blobs) error {
	rc, err := l.Open(ctx)
	if err != nil {
		return err
	}
	defer rc.Close()
	blob, err := blobs.Create()
	if err != nil {
		return err
	}
	defer blob.Close()
	if _, err := io.Copy(blob, checksums.VerifyReader(checksums.ContextReader(ctx, rc), l.Blob.Size, l.Blob.Digest)); err != nil {
		return err
	}
	return blob.Commit(l.Blob.Digest)
}
