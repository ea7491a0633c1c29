package image

import (
	"context"
	"errors"
	"io"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/checksums"
)

// Blob reads one of the attachment's layers, at most MaxAttachmentBlob bytes,
// which the caller must not change: they are kept for the next one who asks, as
// far as MaxAttachedBytes go. The error is an *AbsentError, a *LimitError, a
// *checksums.DigestError for bytes that are not those of the layer's digest and
// size, or what the network said.
func (a *Attachment) Blob(ctx context.Context, layer v1.Descriptor) ([]byte, error) {
	what := titled("attached blob", layer.Digest)
	if layer.Size > MaxAttachmentBlob {
		return nil, &LimitError{What: what + ": bytes", Limit: MaxAttachmentBlob, Advice: "nothing that is signed is that large"}
	}
	if layer.Size < 0 || layer.Digest == (v1.Hash{}) {
		return nil, &FormatError{What: what, Where: a.src.where(), Problem: "has no digest or no size"}
	}
	kept := a.blobs.of(layer)
	kept.Lock()
	defer kept.Unlock()
	if kept.data != nil {
		return kept.data, nil
	}
	data, err := a.readBlob(ctx, layer)
	if err == nil && a.blobs.keep(len(data)) {
		kept.data = data
	}
	return data, err
}

func (a *Attachment) readBlob(ctx context.Context, layer v1.Descriptor) ([]byte, error) {
	r, err := a.src.blob(ctx, layer.Digest)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(checksums.VerifyReader(r, layer.Size, layer.Digest))
	if mismatch, ok := errors.AsType[*checksums.DigestError](err); ok {
		mismatch.What = "attached blob"
	}
	if err != nil {
		return nil, err
	}
	return data, nil
}

// attachedBlobs keeps blobs that were read of the attachments of one manifest.
type attachedBlobs struct {
	mu   sync.Mutex
	kept map[blobKey]*keptBlob
	size int
}

// blobKey is what a blob was checked against.
type blobKey struct {
	digest v1.Hash
	size   int64
}

// keptBlob is one blob, nil before it was read.
type keptBlob struct {
	sync.Mutex
	data []byte
}

// of returns the place of a layer's blob.
func (b *attachedBlobs) of(layer v1.Descriptor) *keptBlob {
	key := blobKey{layer.Digest, layer.Size}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.kept == nil {
		b.kept = map[blobKey]*keptBlob{}
	}
	if b.kept[key] == nil {
		b.kept[key] = &keptBlob{}
	}
	return b.kept[key]
}

// keep reports whether so many bytes more can be kept.
func (b *attachedBlobs) keep(n int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.size+n > MaxAttachedBytes {
		return false
	}
	b.size += n
	return true
}
