package verify

import (
	"context"
	"errors"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/imageverify/verify/internal/account"
	"github.com/imageverify/verify/internal/image"
	"github.com/imageverify/verify/provenance/signed"
)

// parallelContents bounds the contents of attachments that are read at one time:
// each may have image.MaxAttachmentBlob bytes.
const parallelContents = 4

// listAttached reads what is attached to an image and to the indexes that led to
// it, and what that says of itself.
func (s *session) listAttached(ctx context.Context, f *facts) ([]SignedSubject, error) {
	defer s.timeStage("attachments")()
	all := []SignedSubject{}
	for i, digest := range f.img.Subjects() {
		what := "index"
		if i == 0 {
			what = "manifest"
		}
		subject, err := s.attachedTo(ctx, f, digest, what)
		if err != nil {
			return nil, err
		}
		all = append(all, *subject)
	}
	return all, nil
}

// attachedTo lists what is attached to one digest.
func (s *session) attachedTo(ctx context.Context, f *facts, digest v1.Hash, what string) (*SignedSubject, error) {
	attached, err := f.set.Attached(ctx, digest)
	if err != nil {
		return nil, err
	}
	verified, err := s.verified(ctx, f, digest, what)
	if err != nil {
		return nil, err
	}
	results := verified.byAttachment()
	out := &SignedSubject{Digest: digest.String(), What: what, Signed: verified.signed() && f.subjectsErr() == nil, Unread: unreadPlaces(attached.Err)}
	out.Attached = make([]AttachedItem, len(attached.Attachments))
	var group errgroup.Group
	group.SetLimit(parallelContents)
	for i, a := range attached.Attachments {
		item := &out.Attached[i]
		*item = attachedItem(a)
		for j, layer := range a.Layers {
			group.Go(func() error {
				item.Contents[j] = readContent(ctx, a, layer)
				item.Contents[j].judge(results[a], j)
				return nil
			})
		}
	}
	_ = group.Wait() // none gives an error
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return out, s.onStatements(ctx, f, out, attached)
}

// verified is what verifying the attachments of a digest gave; nil where nothing
// verifies.
func (s *session) verified(ctx context.Context, f *facts, digest v1.Hash, what string) (*signedSubject, error) {
	if s.options.Signatures == nil {
		return nil, nil
	}
	return s.signedSubject(ctx, f, digest, what == "index")
}

// byAttachment are the results, for each attachment one a layer, in the layers'
// order.
func (s *signedSubject) byAttachment() map[*image.Attachment][]signedItem {
	out := map[*image.Attachment][]signedItem{}
	if s == nil {
		return out
	}
	for _, item := range s.items {
		if item.attachment != nil && item.attachment.Err == nil {
			out[item.attachment] = append(out[item.attachment], item)
		}
	}
	return out
}

// signed reports whether an accepted signer signed the subject.
func (s *signedSubject) signed() bool {
	return s != nil && slices.ContainsFunc(s.items, func(i signedItem) bool { return i.result.Valid && i.forImage() })
}

// judge takes over what verifying a layer gave, if it was verified.
func (c *AttachedContent) judge(results []signedItem, layer int) {
	if c.Reason != "" {
		return
	}
	if layer >= len(results) {
		if c.Says != nil && c.Says.Signed {
			c.Reason = signed.NotBuiltIn
		}
		return
	}
	r := results[layer].result
	c.Verified, c.Reason, c.Problem = r.Valid, r.Reason, r.Detail
	if r.Valid {
		c.Signer = r.Signer.String()
	}
}

// onStatements lists what is attached to BuildKit's statements: builders that
// sign them attach the signature to their manifest, not to the image's.
func (s *session) onStatements(ctx context.Context, f *facts, out *SignedSubject, attached *image.Attached) error {
	for i, a := range attached.Attachments {
		if a.Kind != image.KindBuildKit || a.Err != nil || out.What == "attachment" {
			continue
		}
		subject, err := s.attachedTo(ctx, f, a.Descriptor.Digest, "attachment")
		if err != nil {
			return err
		}
		if len(subject.Attached)+len(subject.Unread) > 0 {
			out.Attached[i].Signatures = subject
		}
	}
	return nil
}

func attachedItem(a *image.Attachment) AttachedItem {
	item := AttachedItem{Kind: string(a.Kind), Found: a.Via, Tag: a.Tag, ArtifactType: a.ArtifactType,
		Size: a.Descriptor.Size, Contents: make([]AttachedContent, len(a.Layers))}
	if a.Descriptor.Digest != (v1.Hash{}) {
		item.Digest = a.Descriptor.Digest.String()
	}
	for _, l := range a.Layers {
		item.Size += max(l.Size, 0)
	}
	if a.Err != nil {
		item.Reason, item.Problem = attachedReason(a.Err), a.Err.Error()
	}
	return item
}

// readContent reads one layer of an attachment and what it says of itself.
func readContent(ctx context.Context, a *image.Attachment, layer v1.Descriptor) AttachedContent {
	c := AttachedContent{Digest: layer.Digest.String(), MediaType: string(layer.MediaType), Size: layer.Size}
	if !account.Known(c.MediaType) {
		return c
	}
	blob, err := a.Blob(ctx, layer)
	if err != nil {
		c.Reason, c.Problem = attachedReason(err), err.Error()
		return c
	}
	says, err := account.Read(c.MediaType, layer.Annotations, blob)
	if err != nil {
		c.Reason, c.Problem = "malformed", err.Error()
	}
	c.Says = saysOf(says)
	return c
}

func saysOf(a account.Account) *SignatureSays {
	says := &SignatureSays{Signer: a.Signer, Issuer: a.Issuer, Timestamps: a.Timestamps, PredicateType: a.PredicateType,
		Builder: a.Builder, Subjects: a.Subjects, Reference: a.Reference, Signed: a.Signatures > 0}
	if !a.Time.IsZero() {
		says.Time = &a.Time
	}
	if a.InLog {
		says.LogIndex = &a.LogIndex
	}
	return says
}

// unreadPlaces takes apart what image.Attached.Err joins.
func unreadPlaces(err error) []UnreadPlace {
	var all []UnreadPlace
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			all = append(all, unreadPlaces(e)...)
		}
		return all
	}
	if place, ok := errors.AsType[*image.LookupError](err); ok {
		all = append(all, UnreadPlace{Found: place.Via, Tag: place.Tag, Reason: attachedReason(place.Err), Problem: place.Err.Error()})
	}
	return all
}

// attachedReason names the kind of an error of an attachment.
func attachedReason(err error) string {
	switch {
	case kind[*image.SubjectError](err):
		return "other-subject"
	case kind[*image.FormatError](err):
		return "malformed"
	}
	return reasonOf(err)
}
