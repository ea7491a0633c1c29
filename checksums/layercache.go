package checksums

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/internal/cache"
)

// The two kinds of records, and the versions of their forms.
const (
	blobKind     = "layer-blob"  // blob digest and size → blobRecord
	indexKind    = "layer-index" // diff ID → serialised Index
	blobVersion  = 1
	indexVersion = 2
)

// LayerCache remembers layers that were read in full. A layer is found by the
// digest and size of its blob only, never by the diff ID that an image claims
// for it: else an evil blob beside the claim of a known diff ID would pass.
type LayerCache struct{ dir *cache.Dir }

// NewLayerCache returns a cache that keeps its records in d; nil keeps nothing.
func NewLayerCache(d *cache.Dir) *LayerCache { return &LayerCache{dir: d} }

// blobRecord is what is known of a blob.
type blobRecord struct {
	DiffID      v1.Hash     `json:"diffID"`
	Unpacked    int64       `json:"unpacked"`
	Compression Compression `json:"compression"`
	Trailing    bool        `json:"trailing"`
}

func blobKey(blob v1.Hash, size int64) string { return fmt.Sprintf("%s %d", blob, size) }

// Lookup returns the layer whose blob has the digest and is size bytes long, if
// it was stored and both of its records are as they were written.
func (c *LayerCache) Lookup(blob v1.Hash, size int64) (*Layer, bool) {
	data, err := c.dir.Get(blobKind, blobVersion, blobKey(blob, size))
	if err != nil {
		return nil, false
	}
	rec, err := parseBlobRecord(data)
	if err != nil {
		return nil, false
	}
	index, err := c.index(rec.DiffID)
	if err != nil {
		return nil, false
	}
	return &Layer{
		Blob: blob, BlobSize: size,
		DiffID: rec.DiffID, Unpacked: rec.Unpacked, Compression: rec.Compression,
		Index: index, Trailing: rec.Trailing, FromCache: true,
	}, true
}

func parseBlobRecord(data []byte) (blobRecord, error) {
	var rec blobRecord
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&rec); err != nil {
		return blobRecord{}, err
	}
	known := []Compression{None, Gzip, Zstd, XZ, Bzip2}
	if rec.DiffID.Algorithm != "sha256" || rec.Unpacked < 0 || !slices.Contains(known, rec.Compression) {
		return blobRecord{}, errors.New("record of a blob is not valid")
	}
	return rec, nil
}

func (c *LayerCache) index(diffID v1.Hash) (*Index, error) {
	f, err := c.dir.Open(indexKind, indexVersion, diffID.String())
	if err != nil {
		return nil, err
	}
	x, err := ReadIndex(f, f.Size(), f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return x, nil
}

// Store keeps a layer that ReadLayer has read. It refuses one that was not
// read to its end or whose archive cannot be read; what came from the cache is
// there already.
func (c *LayerCache) Store(l *Layer) error {
	if l.FromCache {
		return nil
	}
	if l.BlobErr != nil || l.TarErr != nil || l.Index == nil || l.Blob == (v1.Hash{}) || l.DiffID == (v1.Hash{}) {
		return errors.New("keeping a layer: only what was read without an error is kept")
	}
	if err := c.storeIndex(l); err != nil {
		return fmt.Errorf("keeping the index of layer %s: %w", l.Blob, err)
	}
	data, err := json.Marshal(blobRecord{l.DiffID, l.Unpacked, l.Compression, l.Trailing})
	if err != nil {
		return err
	}
	if err := c.dir.Put(blobKind, blobVersion, blobKey(l.Blob, l.BlobSize), data); err != nil {
		return fmt.Errorf("keeping layer %s: %w", l.Blob, err)
	}
	return nil
}

func (c *LayerCache) storeIndex(l *Layer) error {
	w, err := c.dir.Create(indexKind, indexVersion, l.DiffID.String())
	if err != nil {
		return err
	}
	if _, err := l.Index.WriteTo(w); err != nil {
		return errors.Join(err, w.Close())
	}
	if err := w.Commit(); err != nil {
		return errors.Join(err, w.Close())
	}
	return w.Close()
}
