package verify

import (
	"context"
	"maps"
	"slices"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/imageverify/verify/internal/image"
	"github.com/imageverify/verify/internal/local"
	"github.com/imageverify/verify/provenance/signed"
)

// parallelSigned bounds the signatures of one subject that are fetched and
// verified at one time.
const parallelSigned = 8

// signaturesFact is what is attached to an image and to the indexes that led to it.
type signaturesFact struct {
	signing    Signing
	notBuiltIn bool
	// repository is the image's own, with its host; "" where it has no name.
	repository string
	subjects   []*signedSubject
}

// signedSubject is a manifest or index with what is attached to it.
type signedSubject struct {
	digest v1.Hash
	index  bool
	items  []signedItem
	// err says that not everything that is attached could be found.
	err error
}

// signedItem is one signature or signed statement.
type signedItem struct {
	// where says how it was found, in a few words.
	where string
	kind  signed.Kind
	// attachment and layer are what holds it; nil and zero for a file, whose content
	// is known.
	attachment *image.Attachment
	layer      v1.Descriptor
	content    []byte
	// err says that it could not be read; result is then zero.
	err    error
	result signed.Result
}

// signedOnce keeps what was read for one subject.
type signedOnce struct {
	sync.Mutex
	subject *signedSubject
}

// signedKinds are the attachments that hold signatures, by the form of their
// layers.
var signedKinds = map[image.AttachmentKind]signed.Kind{
	image.KindSignature:   signed.SimpleSigning,
	image.KindAttestation: signed.Envelope,
	image.KindBundle:      signed.Bundle,
	image.KindNotary:      signed.Notary,
}

// readSigned finds what is attached to the image and to its indexes, and has each
// verified.
func (s *session) readSigned(ctx context.Context, f *facts, n need) error {
	if n&needSigned == 0 {
		return nil
	}
	fact := &signaturesFact{signing: s.options.Signing, notBuiltIn: s.options.Signatures == nil}
	f.signed = fact
	if given, _ := s.givenName(f.set); given != "" {
		fact.repository, _, _ = splitName(given)
	}
	if fact.notBuiltIn {
		return nil
	}
	defer s.timeStage("signatures")()
	for i, digest := range f.img.Subjects() {
		subject, err := s.signedSubject(ctx, f, digest, i > 0)
		if err != nil {
			return err
		}
		fact.subjects = append(fact.subjects, subject)
	}
	return nil
}

// signedSubject reads what is attached to one digest, once for all images of the
// set. The error is that of ctx.
func (s *session) signedSubject(ctx context.Context, f *facts, digest v1.Hash, index bool) (*signedSubject, error) {
	key := blobKey{set: f.set, digest: digest}
	s.mu.Lock()
	once := s.signed[key]
	if once == nil {
		once = &signedOnce{}
		s.signed[key] = once
	}
	s.mu.Unlock()
	once.Lock()
	defer once.Unlock()
	if once.subject == nil {
		found := s.readSubject(ctx, f, digest)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		found.index = index
		once.subject = found
	}
	return once.subject, nil
}

func (s *session) readSubject(ctx context.Context, f *facts, digest v1.Hash) *signedSubject {
	subject := &signedSubject{digest: digest}
	found, err := f.set.Attached(ctx, digest)
	if err != nil {
		subject.err = err
		return subject
	}
	subject.err = found.Err
	for _, a := range found.Attachments {
		kind, signs := signedKinds[a.Kind]
		if signs && a.Err != nil {
			subject.items = append(subject.items, signedItem{where: whereAttached(a), kind: kind, attachment: a, err: a.Err})
		}
		for _, l := range a.Layers {
			if signs {
				subject.items = append(subject.items, signedItem{where: whereAttached(a), kind: kind, attachment: a, layer: l})
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.bundles)) {
		subject.items = append(subject.items, signedItem{where: name, kind: signed.Bundle, content: s.bundles[name]})
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelSigned)
	what := s.toVerify(f, digest)
	for i := range subject.items {
		g.Go(func() error { s.verifyItem(gctx, what, &subject.items[i]); return nil })
	}
	_ = g.Wait()
	return subject
}

// toVerify says what the items of a digest must be signatures of.
func (s *session) toVerify(f *facts, digest v1.Hash) signed.Item {
	what := signed.Item{Subject: digest}
	if given, _ := s.givenName(f.set); given != "" {
		what.Repository, _, _ = splitName(given)
	}
	described, size := f.img.Descriptor, len(f.img.Manifest().Raw)
	for _, x := range f.img.Indexes {
		if x.Descriptor.Digest == digest {
			described, size = x.Descriptor, len(x.Raw)
		}
	}
	what.SubjectType, what.SubjectSize = string(described.MediaType), int64(size)
	return what
}

// verifyItem reads one item and has it verified.
func (s *session) verifyItem(ctx context.Context, what signed.Item, item *signedItem) {
	if item.err != nil {
		return
	}
	content := item.content
	if item.attachment != nil {
		if content, item.err = item.attachment.Blob(ctx, item.layer); item.err != nil {
			return
		}
	}
	what.Kind, what.MediaType, what.Content, what.Annotations = item.kind, string(item.layer.MediaType), content, item.layer.Annotations
	item.result = s.options.Signatures.Verify(ctx, what)
}

// readBundles reads the bundles that the user names.
func readBundles(names []string) (map[string][]byte, error) {
	out := map[string][]byte{}
	for _, name := range names {
		data, err := local.ReadFile(name, image.MaxAttachmentBlob)
		if err != nil {
			return nil, inputError("bundle", name, err)
		}
		out[name] = data
	}
	return out, nil
}

// whereAttached says how an attachment was found, in a few words.
func whereAttached(a *image.Attachment) string {
	if a.Tag != "" {
		return a.Tag
	}
	return a.Via + " " + a.Descriptor.Digest.String()
}

// forImage reports whether an item speaks as a signature of the image: other
// signed statements do not.
func (i signedItem) forImage() bool {
	return i.kind != signed.Envelope && (i.result.PredicateType == "" || slices.Contains(signPredicates, i.result.PredicateType))
}

// signPredicates are the predicate types that say no more than that the subject is
// signed.
var signPredicates = []string{"https://sigstore.dev/cosign/sign/v1"}
