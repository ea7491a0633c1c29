package checksums

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
)

// ReadContents reads the contents of some of a layer's files from its blob:
// those of the paths in want, whose digests they must have. What is there under
// another digest (a path can have several entries) is passed over, and what is
// not there is absent from the result. It stops reading once all were found;
// the sum of the sizes asked for is what it keeps in memory.
func ReadContents(ctx context.Context, blob io.Reader, want map[string]Entry) (map[string][]byte, error) {
	unpacked, _, err := Decompress(ContextReader(ctx, blob))
	if err != nil {
		return nil, err
	}
	defer unpacked.Close()
	found := make(map[string][]byte, len(want))
	for tr := tar.NewReader(unpacked); len(found) < len(want); {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading contents: %w", err)
		}
		e := EntryFromHeader(h)
		wanted, ok := want[e.Path]
		if !ok || e.Type != wanted.Type || e.Size != wanted.Size {
			continue
		}
		data := make([]byte, e.Size)
		if _, err := io.ReadFull(tr, data); err != nil {
			return nil, fmt.Errorf("reading %q: %w", e.Path, unexpected(err))
		}
		if sha256.Sum256(data) == wanted.Digest {
			found[e.Path] = data
		}
	}
	return found, nil
}
