package image

import (
	"context"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// source is where the documents and blobs of one reference are read from. It is
// safe for concurrent use.
type source interface {
	// document returns the bytes stored as the index or manifest of a digest, at
	// most MaxManifestBytes, whatever they hash to; an *AbsentError where there
	// are none.
	document(ctx context.Context, h v1.Hash) ([]byte, error)
	// blob opens the bytes stored under a digest; an *AbsentError where there
	// are none.
	blob(ctx context.Context, h v1.Hash) (io.ReadCloser, error)
	// where names the source in messages.
	where() string
	close() error
}

// load reads and parses the document that desc names. An error says that it
// could not be read; one that is not what it should be has its err set.
func load(ctx context.Context, src source, desc v1.Descriptor) (*document, error) {
	raw, err := src.document(ctx, desc.Digest)
	if err != nil {
		return nil, err
	}
	return newDocument(desc, raw, src.where()), nil
}

// readConfig reads and parses the config that desc names.
func readConfig(ctx context.Context, src source, desc v1.Descriptor) (*Config, error) {
	r, err := src.blob(ctx, desc.Digest)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	raw, err := readBounded(r, titled("config", desc.Digest))
	if err != nil {
		return nil, err
	}
	c := &Config{Want: desc, Raw: raw, Got: hashOf(desc.Digest.Algorithm, raw)}
	c.File, c.ParseErr = parseConfig(raw, desc, src.where())
	if c.File != nil {
		c.History = c.File.History
	}
	return c, nil
}

// readBlobDocument reads a document from a source that stores it as a blob.
func readBlobDocument(ctx context.Context, src source, h v1.Hash) ([]byte, error) {
	r, err := src.blob(ctx, h)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return readBounded(r, titled("manifest", h))
}
