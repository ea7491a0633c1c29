package source

import (
	"context"
	"fmt"
	"io"
	"io/fs"

	"github.com/pjbgf/sha1cd"
)

// MaxBlob bounds a blob in bytes.
const MaxBlob = maxBlob

// Objects are files that were handed in for blobs that no repository has. They
// are no more trusted than a mirror: what they give is hashed again as it is
// read.
type Objects interface {
	// Object opens the blob of an id, in hex, of size bytes. The error is
	// ErrObjectAbsent where none of the files is that blob.
	Object(ctx context.Context, id string) (content io.ReadCloser, size int64, err error)
}

// BlobHash computes the id that git gives a file of the size, from the bytes
// that are written to it.
type BlobHash struct{ hash sha1cd.CollisionResistantHash }

// NewBlobHash starts the hash of a file of size bytes.
func NewBlobHash(size int64) BlobHash { return BlobHash{newHash(kindBlob, size)} }

// Write implements io.Writer.
func (h BlobHash) Write(p []byte) (int, error) { return h.hash.Write(p) }

// ID returns the id in hex; ok is false for bytes that are part of a SHA-1
// collision attack, which have none.
func (h BlobHash) ID() (name string, ok bool) {
	sum, collision := h.hash.CollisionResistantSum(nil)
	return idOf(sum).String(), !collision
}

// handedIn opens an object that was handed in.
func (r *Repository) handedIn(ctx context.Context, want id, as kind) (*object, error) {
	if r.objects == nil || as != kindBlob {
		return nil, ErrObjectAbsent
	}
	content, size, err := r.objects.Object(ctx, want.String())
	if err != nil {
		return nil, fmt.Errorf("among the files handed in: %w", err)
	}
	return &object{kind: kindBlob, size: size, ReadCloser: content}, nil
}

// hasBlob reports whether a blob can be had without asking anybody.
func (r *Repository) hasBlob(ctx context.Context, blob id) bool {
	if r.store.has(blob) {
		return true
	}
	o, err := r.handedIn(ctx, blob, kindBlob)
	if err == nil {
		o.Close()
	}
	return err == nil
}

// BlobID returns the id, in hex, of the file that a path leads to, symbolic
// links followed. The file itself need not be there.
func (t *Tree) BlobID(name string) (string, error) {
	n, err := t.find("blobid", name, true)
	if err != nil {
		return "", err
	}
	if !n.is(modeRegular) {
		return "", &fs.PathError{Op: "blobid", Path: name, Err: errIsDirectory}
	}
	return n.id.String(), nil
}
