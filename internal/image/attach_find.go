package image

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync/atomic"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/imageverify/verify/checksums"
)

const (
	// parallelAttachments bounds the attachments whose manifests are asked for at
	// one time.
	parallelAttachments = 8
	// maxSilences is after how many attachments that could not be had for the
	// network or the server the rest is not asked for.
	maxSilences = 8
)

// finder lists what a source knows to be attached to a digest. The error joins
// *LookupErrors.
type finder interface {
	find(ctx context.Context, subject v1.Hash) ([]candidate, error)
}

// candidate is an attachment whose manifest may not have been read yet.
type candidate struct {
	via, tag string
	desc     v1.Descriptor
	// doc is the document where it was read already, err why it could not be.
	doc *document
	err error
}

// findAttached finds and reads what is attached to a digest.
func (s *Set) findAttached(ctx context.Context, subject v1.Hash) *Attached {
	listed, err := s.finder.find(ctx, subject)
	listed, over := distinctCandidates(slices.Concat(listed, s.inIndexes(subject)))
	out := &Attached{Subject: subject, Attachments: readAttachments(ctx, s.src, subject, listed)}
	out.Err = errors.Join(err, over, cutSignatures(out.Attachments))
	return out
}

// order is how attachments follow one another: those that only a registry's list
// names, which can be flooded, stand last.
var order = []string{ViaTag, ViaIndex, ViaCosign, ViaReferrers, ViaReferrersTag}

// distinctCandidates puts candidates into order, drops those whose digest was
// named before, and the ones over the bound.
func distinctCandidates(all []candidate) ([]candidate, error) {
	slices.SortStableFunc(all, func(a, b candidate) int {
		return slices.Index(order, a.via) - slices.Index(order, b.via)
	})
	seen := map[v1.Hash]bool{}
	all = slices.DeleteFunc(all, func(c candidate) bool {
		again := seen[c.desc.Digest]
		seen[c.desc.Digest] = c.desc.Digest != v1.Hash{}
		return again
	})
	if len(all) > MaxReferrers {
		return all[:MaxReferrers], &LookupError{Via: all[MaxReferrers].via, Err: &LimitError{What: "attachments of one manifest", Limit: MaxReferrers}}
	}
	return all, nil
}

// cutSignatures leaves the layers over the bound of signatures out.
func cutSignatures(all []*Attachment) error {
	left := MaxSignatures
	var err error
	for _, a := range all {
		if !a.Kind.signs() {
			continue
		}
		if len(a.Layers) > left {
			a.Layers = a.Layers[:left]
			err = &LookupError{Via: a.Via, Tag: a.Tag, Err: &LimitError{What: "signatures of one manifest", Limit: MaxSignatures}}
		}
		left -= len(a.Layers)
	}
	return err
}

// attachmentReader reads the manifests of one subject's attachments.
type attachmentReader struct {
	src      source
	subject  v1.Hash
	blobs    *attachedBlobs
	bytes    atomic.Int64
	silences atomic.Int64
	silence  atomic.Pointer[error] // the last one
}

// readAttachments reads the manifests of all candidates.
func readAttachments(ctx context.Context, src source, subject v1.Hash, all []candidate) []*Attachment {
	r := &attachmentReader{src: src, subject: subject, blobs: &attachedBlobs{}}
	out := make([]*Attachment, len(all))
	var group errgroup.Group
	group.SetLimit(parallelAttachments)
	for i, c := range all {
		group.Go(func() error {
			out[i] = r.read(ctx, c)
			return nil
		})
	}
	_ = group.Wait() // none gives an error
	return out
}

// read makes an attachment of a candidate; what is wrong with it is in its Err.
func (r *attachmentReader) read(ctx context.Context, c candidate) *Attachment {
	a := &Attachment{Subject: r.subject, Via: c.via, Tag: c.tag, Descriptor: c.desc, ArtifactType: c.desc.ArtifactType, src: r.src, blobs: r.blobs}
	doc, err := r.document(ctx, c)
	if err == nil {
		err = r.fill(a, doc)
	}
	a.Err, a.Kind = err, kindOf(a)
	return a
}

// document reads a candidate's document within the bounds.
func (r *attachmentReader) document(ctx context.Context, c candidate) (*document, error) {
	if c.doc != nil || c.err != nil {
		return c.doc, c.err
	}
	if r.silences.Load() >= maxSilences {
		return nil, *r.silence.Load()
	}
	limit := &LimitError{What: "manifests of attachments: bytes", Limit: MaxAttachedBytes}
	if r.bytes.Load() > MaxAttachedBytes {
		return nil, limit
	}
	doc, err := load(ctx, r.src, c.desc)
	if err != nil {
		if !aboutContent(err) {
			r.silence.Store(&err)
			r.silences.Add(1)
		}
		return nil, err
	}
	if r.bytes.Add(int64(len(doc.raw))) > MaxAttachedBytes {
		return nil, limit
	}
	return doc, nil
}

// fill takes over what an attachment's document says, if it is the one asked for
// and belongs to the subject.
func (r *attachmentReader) fill(a *Attachment, doc *document) error {
	if size := int64(len(doc.raw)); doc.mismatched() || size != doc.desc.Size {
		return &checksums.DigestError{What: "manifest", Want: doc.desc.Digest, WantSize: doc.desc.Size, Got: doc.got, GotSize: size}
	}
	if doc.err != nil {
		return doc.err
	}
	if subject := doc.subject(); !r.belongs(a.Via, subject) {
		return &SubjectError{Attachment: doc.desc.Digest, Want: r.subject, Got: subject}
	}
	if doc.index != nil {
		a.Annotations = maps.Clone(doc.index.Annotations)
		return nil
	}
	m := doc.manifest
	a.Annotations, a.Layers = maps.Clone(m.Annotations), slices.Clone(m.Layers)
	switch {
	case m.ArtifactType != "":
		a.ArtifactType = m.ArtifactType
	case m.Config.MediaType != "":
		a.ArtifactType = string(m.Config.MediaType)
	}
	return nil
}

// belongs reports whether a document with that subject may hang on the one asked
// for: what is found by a list of referrers must name it; elsewhere documents
// name none, or that one.
func (r *attachmentReader) belongs(via string, subject v1.Hash) bool {
	if via == ViaReferrers || via == ViaReferrersTag {
		return subject == r.subject
	}
	return subject == v1.Hash{} || subject == r.subject
}

// subject is the digest that a document names as its subject, or zero.
func (d *document) subject() v1.Hash {
	switch {
	case d.manifest != nil && d.manifest.Subject != nil:
		return d.manifest.Subject.Digest
	case d.index != nil && d.index.Subject != nil:
		return d.index.Subject.Digest
	}
	return v1.Hash{}
}

// The annotations of BuildKit's attestation manifests in an index (BuildKit,
// docs/attestations/attestation-storage.md).
const (
	buildkitAttestation = "attestation-manifest"
	buildkitSubject     = "vnd.docker.reference.digest"
)

// inIndexes lists what BuildKit put beside a manifest into the set's indexes.
func (s *Set) inIndexes(subject v1.Hash) []candidate {
	var all []candidate
	for _, d := range s.entries() {
		if d.Annotations[buildkitReference] == buildkitAttestation && d.Annotations[buildkitSubject] == subject.String() {
			all = append(all, candidate{via: ViaIndex, desc: d})
		}
	}
	return all
}

// entries are those of all indexes that led to the set's images, and of a
// layout's index.json.
func (s *Set) entries() []v1.Descriptor {
	all := slices.Clone(s.root)
	seen := map[v1.Hash]bool{}
	for _, img := range s.Images {
		for _, index := range img.Indexes {
			if index.Manifest != nil && !seen[index.Descriptor.Digest] {
				seen[index.Descriptor.Digest] = true
				all = append(all, index.Manifest.Manifests...)
			}
		}
	}
	return all
}
