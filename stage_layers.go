package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/imageverify/verify/checksums"
	"github.com/imageverify/verify/internal/image"
)

// errForeign is for a layer that lies outside the registry.
var errForeign = errors.New("lies at a URL outside the registry, which is never fetched")

// indexMemory is what the indexes of one image's layers may hold in memory
// together, in bytes; the rest of them lies in temporary files. An index never
// gets more than its own default, nor less than minIndexMemory.
const (
	indexMemory    = 256 << 20
	minIndexMemory = 1 << 20
)

// blobKey names a blob by where it lies and what its descriptor says. Two
// images of one reference that share a blob share its reading; those of two
// references do not, since each must hold the bytes itself.
type blobKey struct {
	set    *image.Set
	digest v1.Hash
	size   int64
}

// layerRead is the one reading of a blob in a run.
type layerRead struct {
	once  sync.Once
	layer *checksums.Layer
	err   error
}

func (r *layerRead) close() {
	if r.layer != nil && r.layer.Index != nil {
		r.layer.Index.Close()
	}
}

// readLayers reads every layer of the image in one pass each, largest first,
// within the run's budget.
func (s *session) readLayers(ctx context.Context, f *facts, n need) error {
	if n&needLayers == 0 {
		return nil
	}
	if f.above != nil {
		shareLayers(f)
		return nil
	}
	defer s.timeStage("layers")()
	descriptors := f.manifest().Layers
	f.layers = make([]layerFact, len(descriptors))
	order := make([]int, len(descriptors))
	for i, d := range descriptors {
		f.layers[i].desc, order[i] = d, i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(descriptors[b].Size, descriptors[a].Size) })
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(s.parallel)
	for _, i := range order {
		g.Go(func() error {
			f.layers[i].layer, f.layers[i].err = s.readLayer(gctx, f, descriptors[i])
			return gctx.Err()
		})
	}
	return g.Wait()
}

// readLayer reads a blob, or takes what another image of the reference, or an
// earlier run, found in it.
func (s *session) readLayer(ctx context.Context, f *facts, d v1.Descriptor) (*checksums.Layer, error) {
	if len(d.URLs) > 0 {
		return nil, errForeign
	}
	s.mu.Lock()
	key := blobKey{f.set, d.Digest, d.Size}
	read, ok := s.reads[key]
	if !ok {
		read = &layerRead{}
		s.reads[key] = read
	}
	s.mu.Unlock()
	read.once.Do(func() { read.layer, read.err = s.readBlob(ctx, f, d) })
	return read.layer, read.err
}

func (s *session) readBlob(ctx context.Context, f *facts, d v1.Descriptor) (*checksums.Layer, error) {
	// Without a manifest the digest is only what the config says of a file, so
	// that the file itself has to be read.
	if f.img.HasManifest() {
		if l := s.knownLayer(d); l != nil {
			return l, nil
		}
	}
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	blob, err := f.img.Blob(ctx, d)
	if err != nil {
		return nil, err
	}
	defer blob.Close()
	l, err := s.streamLayer(ctx, blob, d, indexMemory/int64(len(f.layers)))
	if err != nil {
		return nil, fmt.Errorf("layer %s: %w", d.Digest, err)
	}
	if l.Blob != d.Digest || l.BlobSize != d.Size {
		return l, nil
	}
	if err := s.layers.Store(l); err != nil && s.options.Log != nil {
		s.options.Log.Warn("layer not kept in the cache", "layer", d.Digest.String(), "error", err)
	}
	return l, nil
}

// knownLayer is what an earlier run found in a blob, unless it is over the
// limits of this run.
func (s *session) knownLayer(d v1.Descriptor) *checksums.Layer {
	l, ok := s.layers.Lookup(d.Digest, d.Size)
	if !ok {
		return nil
	}
	limits := s.layerLimits()
	if l.Unpacked > limits.Unpacked || l.Index.Len() > limits.Entries {
		l.Index.Close()
		return nil
	}
	return l
}

// layerLimits are the run's limits, defaults filled in.
func (s *session) layerLimits() checksums.Limits {
	limits := checksums.DefaultLimits()
	if n := s.options.Limits.LayerSize; n > 0 {
		limits.Unpacked = n
	}
	if n := s.options.Limits.LayerEntries; n > 0 {
		limits.Entries = n
	}
	return limits
}

func (s *session) streamLayer(ctx context.Context, blob io.Reader, d v1.Descriptor, memory int64) (*checksums.Layer, error) {
	what := "layer " + d.Digest.String()
	defer s.options.progress(Event{What: what, Done: d.Size, Total: d.Size, Finished: true})
	var done int64
	return checksums.ReadLayer(ctx, blob, checksums.LayerOptions{
		Size: d.Size, Algorithm: d.Digest.Algorithm,
		Limits:  s.layerLimits(),
		Spill:   s.cache.TempFile,
		Memory:  max(minIndexMemory, min(memory, checksums.DefaultMemory)),
		Windows: s.windows,
		Progress: func(n int64) {
			done += n
			s.options.progress(Event{What: what, Done: done, Total: d.Size})
		},
	})
}
