package layout

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/checksums"
	"github.com/imageverify/verify/provenance/source"
)

// Compare compares an image with the layout in a directory of a commit. root is
// the commit's root, since symbolic links may lead anywhere in it; file is the
// index in the directory, "" for index.json. What is wrong with the layout
// stands in the result's parts. The error is ErrSubject, or the context's.
func Compare(ctx context.Context, root *source.Tree, directory, file string, s Subject) (*Result, error) {
	m, err := s.parse()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSubject, err)
	}
	if file == "" {
		file = "index.json"
	}
	c := &comparison{ctx: ctx, root: root, directory: directory, subject: s, result: &Result{}}
	c.fetch(m, path.Join(directory, markerFile), path.Join(directory, file), c.place(v1.Descriptor{Digest: s.Digest}))
	c.marker()
	entry, ok := c.index(file)
	switch {
	case m != nil:
		c.add(c.blob(PartManifest, v1.Descriptor{Digest: s.Digest, Size: int64(len(s.Manifest))}, nil))
		c.content(m)
	case ok:
		c.unnamed(entry)
	}
	return c.result, ctx.Err()
}

// parse checks the subject and reads its manifest; nil where there is none.
func (s Subject) parse() (*manifest, error) {
	if s.Manifest == nil {
		if s.Config == (v1.Hash{}) {
			return nil, errors.New("neither a manifest nor a config is known")
		}
		return nil, nil
	}
	if err := drain(checksums.VerifyReader(bytes.NewReader(s.Manifest), -1, s.Digest)); err != nil {
		return nil, err
	}
	return parseManifest(s.Manifest)
}

// comparison is one run of Compare.
type comparison struct {
	ctx       context.Context
	root      *source.Tree
	directory string
	subject   Subject
	result    *Result
}

func (c *comparison) add(p Part) { c.result.Parts = append(c.result.Parts, p) }

// markerFile makes a folder a layout.
const markerFile = "oci-layout"

// fetch gets files, and the blobs of a manifest, before they are read one by
// one. What cannot be had is missed when it is read.
func (c *comparison) fetch(m *manifest, names ...string) {
	if m != nil {
		for _, d := range append([]v1.Descriptor{*m.Config}, m.layers()...) {
			names = append(names, c.place(d))
		}
	}
	_ = c.root.Fetch(names...)
}

// marker looks for the file that makes a folder a layout.
func (c *comparison) marker() {
	p := Part{What: PartLayout}
	raw, err := c.read(&p, path.Join(c.directory, markerFile))
	if err == nil {
		err = parseMarker(raw)
	}
	p.Err = err
	c.add(p)
}

// content compares the config and the layers that the manifest names.
func (c *comparison) content(m *manifest) {
	c.fetch(m)
	c.add(c.blob(PartConfig, *m.Config, nil))
	for i, layer := range m.layers() {
		var diffID *v1.Hash
		if c.subject.Manifest == nil {
			diffID = &c.subject.DiffIDs[i]
		}
		c.add(c.blob(fmt.Sprintf("layer %d", i+1), layer, diffID))
	}
}
