package image

import (
	"context"
	"errors"
	"slices"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// store finds attachments among the entries of a layout's index.json.
type store struct {
	src  source
	root []v1.Descriptor

	mu   sync.Mutex
	read bool
	docs []candidate // one an entry that could be read as a referrer
	err  error
}

// find lists the entries that cosign saved beside the subject, those that have
// the names of its tags, those in the list under its referrers' tag, and those
// whose manifests name it.
func (s *store) find(ctx context.Context, subject v1.Hash) ([]candidate, error) {
	var all []candidate
	saved := slices.ContainsFunc(s.root, func(d v1.Descriptor) bool {
		return d.Digest == subject && !attachedByCosign(d.Annotations[cosignKind])
	})
	var failed []error
	for _, d := range s.root {
		kind, tag := d.Annotations[cosignKind], nameTag(d)
		switch {
		case tag != "" && slices.Contains(tagsOf(subject), tag):
			all = append(all, candidate{via: ViaTag, tag: tag, desc: d})
		case tag != "" && tag == referrersTag(subject):
			listed, err := s.list(ctx, d, tag)
			all, failed = append(all, listed...), append(failed, err)
		case saved && attachedByCosign(kind):
			all = append(all, candidate{via: ViaCosign, desc: d})
		}
	}
	referrers, err := s.referrers(ctx)
	for _, c := range referrers {
		if c.desc.Digest != subject && (c.err != nil || c.doc.mismatched() || c.doc.subject() == subject) {
			all = append(all, c)
		}
	}
	return all, errors.Join(append(failed, err)...)
}

// nameTag is the tag that an entry's name has, or is.
func nameTag(d v1.Descriptor) string {
	named := d.Annotations[refNameAnnotation]
	if tag := tagPart(named); tag != "" {
		return tag
	}
	return named
}

// tagsOf are the tags that cosign gives to what it attaches.
func tagsOf(subject v1.Hash) []string {
	var all []string
	for _, t := range cosignTags {
		all = append(all, attachedTag(subject)+t.suffix)
	}
	return all
}

// list reads the list of referrers that an entry names.
func (s *store) list(ctx context.Context, d v1.Descriptor, tag string) ([]candidate, error) {
	doc, err := load(ctx, s.src, d)
	if err == nil {
		err = doc.listProblem(s.src.where())
	}
	if err != nil {
		return nil, &LookupError{Via: ViaReferrersTag, Tag: tag, Err: err}
	}
	return fromList(doc.index.Manifests, ViaReferrersTag, tag), nil
}

// referrers reads the documents of the layout's entries, once, and returns those
// that name a subject, and those that are marked as attachments and cannot be
// read.
func (s *store) referrers(ctx context.Context) ([]candidate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.read {
		return s.docs, s.err
	}
	docs, err := s.readReferrers(ctx)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	s.docs, s.err, s.read = docs, err, true
	return docs, err
}

func (s *store) readReferrers(ctx context.Context) ([]candidate, error) {
	over := func(what string, limit int64) error {
		return &LookupError{Via: ViaReferrers, Err: &LimitError{What: s.src.where() + ": " + what, Limit: limit}}
	}
	var all []candidate
	read, size := 0, 0
	for _, d := range distinct(s.root) {
		if attachedByCosign(d.Annotations[cosignKind]) {
			continue
		}
		if read++; read > MaxReferrers {
			return all, over("manifests that may be attached", MaxReferrers)
		}
		c := candidate{via: ViaReferrers, desc: d}
		c.doc, c.err = load(ctx, s.src, d)
		if c.doc != nil {
			size += len(c.doc.raw)
		}
		if size > MaxAttachedBytes {
			return all, over("bytes of manifests that may be attached", MaxAttachedBytes)
		}
		if c.isReferrer() {
			all = append(all, c)
		}
	}
	return all, nil
}

// isReferrer reports whether an entry of a layout is attached to something by
// its own account; one that is marked so and cannot be read may be attached to
// anything.
func (c candidate) isReferrer() bool {
	if c.err == nil && !c.doc.mismatched() && c.doc.err == nil {
		return c.doc.subject() != v1.Hash{}
	}
	return isArtifactType(c.desc.ArtifactType)
}
