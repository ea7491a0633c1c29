package verify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/internal/image"
	"github.com/imageverify/verify/internal/local"
	"github.com/imageverify/verify/provenance/attestation"
	"github.com/imageverify/verify/provenance/signed"
)

// maxStatements bounds the documents of one file with provenance.
const maxStatements = 100

// provedFact is what signed statements say about an image.
type provedFact struct {
	proving Proving
	items   []provedItem
	// err says that not everything that is attached could be found.
	errs []error
}

// provedItem is one statement, or what should be one.
type provedItem struct {
	// where says how it was found, on the name of its subject.
	where, on string
	// err says that it could not be read; result is then zero.
	err    error
	result signed.Result
	// unsigned says that nobody signed it.
	unsigned bool
	evidence Evidence

	statement  *attestation.Statement
	provenance *attestation.Provenance
	// problem says in what it is not what is expected; nil where it is.
	problem error
}

// accepted reports whether the statement is by an accepted signer and what is expected.
func (i provedItem) accepted() bool { return i.err == nil && i.result.Valid && i.problem == nil }

// readProved compares the signed statements about the image with what is expected.
func (s *session) readProved(ctx context.Context, f *facts, n need) error {
	if n&needProved == 0 || f.signed == nil {
		return nil
	}
	fact := &provedFact{proving: s.options.Proving}
	f.proved = fact
	if f.signed.notBuiltIn {
		return nil
	}
	for _, subject := range f.signed.subjects {
		if subject.err != nil {
			fact.errs = append(fact.errs, subject.err)
		}
		for _, item := range subject.items {
			if item.attachment != nil && item.forStatement() {
				fact.items = append(fact.items, s.provedAttachment(ctx, subject, item))
			}
		}
		fact.items = append(fact.items, s.unsignedStatements(ctx, f, subject)...)
		for _, name := range slices.Concat(s.options.Signing.Bundles, s.options.Proving.Files) {
			fact.items = append(fact.items, s.provedFile(ctx, name, subject.digest, subject.name())...)
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// forStatement reports whether an item can hold a statement other than a signature.
func (i signedItem) forStatement() bool {
	return i.kind == signed.Envelope || i.kind == signed.Bundle && (i.err != nil || i.result.PredicateType != "" && !i.forImage())
}

func (s *session) provedAttachment(ctx context.Context, subject *signedSubject, item signedItem) provedItem {
	p := provedItem{where: item.where, on: subject.name(), err: item.err, result: item.result, evidence: Evidence{"digest", item.layer.Digest.String()}}
	if verifier := s.options.Proving.Signatures; verifier != nil && p.err == nil {
		var content []byte
		if content, p.err = item.attachment.Blob(ctx, item.layer); p.err == nil {
			p.result = verifier.Verify(ctx, signed.Item{Subject: subject.digest, Kind: item.kind, MediaType: string(item.layer.MediaType), Content: content, Annotations: item.layer.Annotations})
		}
	}
	p.compare(s.options.Proving.Expected, attestation.Signer{})
	return p
}

// unsignedStatements are BuildKit's, in the index beside the image.
func (s *session) unsignedStatements(ctx context.Context, f *facts, subject *signedSubject) []provedItem {
	found, err := f.set.Attached(ctx, subject.digest)
	if err != nil {
		return nil
	}
	var out []provedItem
	for _, a := range found.Attachments {
		for _, l := range a.Layers {
			if a.Kind != image.KindBuildKit || string(l.MediaType) != attestation.PayloadType {
				continue
			}
			p := provedItem{where: whereAttached(a), on: subject.name(), unsigned: true, evidence: Evidence{"digest", l.Digest.String()}}
			content, err := a.Blob(ctx, l)
			if err == nil {
				p.statement, err = attestation.ParseStatement(content)
			}
			if err == nil && attestation.IsProvenance(p.statement.PredicateType) {
				p.provenance, err = p.statement.Provenance()
			}
			p.err = err
			out = append(out, p)
		}
	}
	return out
}

// provedFile reads a file with provenance: a bundle, an envelope, several of them a line
// each, or what gcloud prints.
func (s *session) provedFile(ctx context.Context, name string, digest v1.Hash, on string) []provedItem {
	data, err := local.ReadFile(name, attestation.MaxDocument)
	if err != nil {
		return []provedItem{{where: name, on: on, err: err}}
	}
	if attestation.IsDescribed(data) {
		return s.described(name, data, digest, on)
	}
	documents := [][]byte{data}
	if lines := bytes.Split(bytes.TrimSpace(data), []byte("\n")); len(lines) > 1 && json.Valid(lines[0]) {
		documents = lines
	}
	var out []provedItem
	for i, document := range documents {
		where := name
		if len(documents) > 1 {
			where = fmt.Sprintf("%s:%d", name, i+1)
		}
		if i == maxStatements {
			return append(out, provedItem{where: where, on: on, err: &image.LimitError{What: "statements in " + name, Limit: maxStatements}})
		}
		out = append(out, s.provedDocument(ctx, where, document, digest, on))
	}
	return out
}

// provedDocument verifies one bundle or envelope.
func (s *session) provedDocument(ctx context.Context, where string, data []byte, digest v1.Hash, on string) provedItem {
	p := provedItem{where: where, on: on, evidence: Evidence{"file", where}}
	kind := signed.Bundle
	var form map[string]json.RawMessage
	if json.Unmarshal(data, &form) == nil && form["payloadType"] != nil {
		kind = signed.Envelope
	}
	if kind == signed.Envelope && s.options.Proving.CloudBuild {
		if e, err := attestation.ParseEnvelope(data); err == nil {
			if statement, key, err := attestation.VerifyCloudBuild(e); err == nil {
				p.result = cloudResult(statement, key, e.Payload, digest)
				p.compare(s.options.Proving.Expected, attestation.Signer{CloudBuild: true})
				return p
			}
		}
	}
	p.result = s.statementVerifier().Verify(ctx, signed.Item{Subject: digest, Kind: kind, Content: data})
	p.compare(s.options.Proving.Expected, attestation.Signer{})
	return p
}

// statementVerifier verifies signed statements.
func (s *session) statementVerifier() Signatures {
	if s.options.Proving.Signatures != nil {
		return s.options.Proving.Signatures
	}
	return s.options.Signatures
}

// described verifies what gcloud prints.
func (s *session) described(name string, data []byte, digest v1.Hash, on string) []provedItem {
	d, err := attestation.ParseDescribed(data)
	if err != nil {
		return []provedItem{{where: name, on: on, result: refusedBy(err)}}
	}
	var out []provedItem
	for i, e := range d.Envelopes {
		where := fmt.Sprintf("%s, provenance %d", name, i+1)
		p := provedItem{where: where, on: on, evidence: Evidence{"file", name}}
		statement, key, err := d.Verify(e, digest.String())
		switch {
		case !s.options.Proving.CloudBuild:
			p.result = signed.Result{Reason: signed.NoAcceptedSigner, Detail: "Google Cloud Build is accepted with --source-uri or --builder-id, and no key or identity"}
		case err != nil:
			p.result = refusedBy(err)
		default:
			p.result = cloudResult(statement, key, e.Payload, digest)
		}
		p.compare(s.options.Proving.Expected, attestation.Signer{CloudBuild: true})
		out = append(out, p)
	}
	return out
}

// cloudResult is the result for a statement that Google Cloud Build signed.
func cloudResult(s *attestation.Statement, key string, payload []byte, digest v1.Hash) signed.Result {
	r := signed.Result{Accepted: true, Signer: signed.Signer{Key: key}, Payload: payload, PayloadType: attestation.PayloadType, PredicateType: s.PredicateType}
	if r.Valid = s.About(digest.Algorithm, digest.Hex); !r.Valid {
		r.Reason, r.Detail = signed.OtherDigest, "the statement is not about "+digest.String()
	}
	return r
}

func refusedBy(err error) signed.Result {
	r := signed.Result{Reason: signed.Malformed, Detail: err.Error()}
	if e, ok := errors.AsType[*attestation.Error](err); ok {
		r.Reason = e.Reason
	}
	return r
}

// compare compares a valid statement with what is expected of it.
func (i *provedItem) compare(e attestation.Expectation, by attestation.Signer) {
	if i.err != nil || !i.result.Valid || i.result.PredicateType == "" {
		return
	}
	if i.statement, i.problem = attestation.ParseStatement(i.result.Payload); i.problem != nil {
		return
	}
	by.Subject, by.Issuer = i.result.Signer.Subject, i.result.Signer.Issuer
	if w := i.result.Signer.Workflow; w != nil {
		by.Repository, by.Ref, by.Commit = w.Repository, w.Ref, w.SHA
	}
	i.provenance, i.problem = e.Check(i.statement, by)
}
