package layout

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/checksums"
	"github.com/imageverify/verify/provenance/source"
)

// maxUnpacked bounds a layer's unpacked bytes.
const maxUnpacked = 8 << 30

// blob compares one of the layout's blobs. unpacked is the digest that the blob
// must have when it is decompressed; nil where that is not asked.
func (c *comparison) blob(what string, d v1.Descriptor, unpacked *v1.Hash) Part {
	p := Part{What: what, Digest: d.Digest, Size: d.Size}
	p.Err = c.compare(&p, d, unpacked)
	return p
}

func (c *comparison) compare(p *Part, d v1.Descriptor, unpacked *v1.Hash) error {
	f, err := c.open(p, c.place(d))
	if err != nil {
		return err
	}
	defer f.Close()
	if err := c.hash(f, d, unpacked); err != nil {
		return err
	}
	return checkData(d)
}

// place is where a layout keeps a blob.
func (c *comparison) place(d v1.Descriptor) string {
	return path.Join(c.directory, "blobs", d.Digest.Algorithm, d.Digest.Hex)
}

// hash reads a file to its end, in one pass.
func (c *comparison) hash(f io.Reader, d v1.Descriptor, unpacked *v1.Hash) error {
	r := checksums.VerifyReader(checksums.ContextReader(c.ctx, f), d.Size, d.Digest)
	var wrong error
	if unpacked != nil {
		wrong = unpack(r, *unpacked, maxUnpacked)
	}
	err := drain(r)
	if _, ok := errors.AsType[*checksums.DigestError](err); ok {
		// The rest of the file decides whether the bytes are the commit's at all,
		// or those of a repository that serves false objects.
		if unread := drain(checksums.ContextReader(c.ctx, f)); unread != nil {
			return unread
		}
	}
	if err != nil {
		return err
	}
	return wrong
}

// unpack compares a layer's decompressed bytes, at most limit, with its diff ID.
func unpack(r io.Reader, diffID v1.Hash, limit int64) error {
	content, _, err := checksums.Decompress(r)
	if err != nil {
		return unpackError(err)
	}
	defer content.Close()
	bounded := &io.LimitedReader{R: content, N: limit + 1}
	err = drain(checksums.VerifyReader(bounded, -1, diffID))
	if bounded.N == 0 {
		return &checksums.LimitError{What: "unpacked bytes", Limit: limit}
	}
	return unpackError(err)
}

// unpackError names what is wrong with a layer whose blob is the right one.
func unpackError(err error) error {
	if err == nil || errors.As(err, new(*checksums.LimitError)) {
		return err
	}
	if digest, ok := errors.AsType[*checksums.DigestError](err); ok {
		digest.What = "unpacked layer"
		return digest
	}
	return fmt.Errorf("%w: %w", ErrMalformed, err)
}

// unnamed compares an image that has no manifest of its own: the manifest in
// git must name its config, and the layers must unpack to its diff IDs.
func (c *comparison) unnamed(entry v1.Descriptor) {
	p := Part{What: PartManifest, Digest: entry.Digest, Size: entry.Size}
	m, err := c.manifestInGit(&p, entry)
	p.Err = err
	c.add(p)
	if err == nil {
		c.content(m)
	}
}

func (c *comparison) manifestInGit(p *Part, entry v1.Descriptor) (*manifest, error) {
	raw, err := c.document(p, entry)
	if err != nil {
		return nil, err
	}
	m, err := parseManifest(raw)
	switch {
	case err != nil:
		return nil, err
	case m.Config.Digest != c.subject.Config:
		return nil, fmt.Errorf("%w: its config is %s, not %s", ErrOtherImage, m.Config.Digest, c.subject.Config)
	case len(m.layers()) != len(c.subject.DiffIDs):
		return nil, fmt.Errorf("%w: %d layers for %d diff IDs", ErrMalformed, len(m.layers()), len(c.subject.DiffIDs))
	}
	return m, nil
}

// document reads a blob that is a document, verified.
func (c *comparison) document(p *Part, d v1.Descriptor) ([]byte, error) {
	if err := checkData(d); err != nil {
		return nil, err
	}
	raw, err := c.read(p, c.place(d))
	if err != nil {
		return nil, err
	}
	return raw, drain(checksums.VerifyReader(bytes.NewReader(raw), d.Size, d.Digest))
}

// read reads a document whole.
func (c *comparison) read(p *Part, name string) ([]byte, error) {
	f, err := c.open(p, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(checksums.ContextReader(c.ctx, f), maxDocument+1))
	if err != nil {
		return nil, err
	}
	if len(raw) > maxDocument {
		return nil, &checksums.LimitError{What: "bytes in " + name, Limit: maxDocument}
	}
	return raw, nil
}

// open opens what a path leads to, which must be a file.
func (c *comparison) open(p *Part, name string) (fs.File, error) {
	if err := c.ctx.Err(); err != nil {
		return nil, err
	}
	f, err := c.find(p, name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, source.ErrSubmodule) || errors.Is(err, fs.ErrInvalid) {
		return nil, fmt.Errorf("%w: %w", ErrAbsent, err)
	}
	return f, err
}

func (c *comparison) find(p *Part, name string) (fs.File, error) {
	resolved, err := resolve(c.root, name)
	p.Path = resolved
	if err != nil {
		return nil, err
	}
	info, err := c.root.Lstat(resolved)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a file: %w", resolved, fs.ErrNotExist)
	}
	if p.ObjectID, err = c.root.ObjectID(resolved); err != nil {
		return nil, err
	}
	return c.root.Open(resolved)
}

// drain reads to the end and returns the error that stands there.
func drain(r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}
