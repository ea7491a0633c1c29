package attestation

import "strings"

// Described is what `gcloud artifacts docker images describe --format json
// --show-provenance` prints: envelopes, and around them what repeats their contents.
type Described struct {
	// Digest is the image's, as the summary has it.
	Digest    string
	Envelopes []DescribedEnvelope
}

// DescribedEnvelope is one envelope of it, or why it is none.
type DescribedEnvelope struct {
	Envelope
	Err error

	kind, resource string
	v01, v1        any
}

// IsDescribed reports whether a document is of that form.
func IsDescribed(data []byte) bool {
	v, err := decode(data, MaxDocument)
	o, _ := v.(map[string]any)
	_, summary := o["provenance_summary"]
	return err == nil && summary
}

// ParseDescribed reads such a document. The error is an *Error.
func ParseDescribed(data []byte) (*Described, error) {
	v, err := decode(data, MaxDocument)
	if err != nil {
		return nil, err
	}
	r := &reader{}
	o := r.object(v, "document", "image_summary", "provenance_summary")
	image := r.object(o["image_summary"], "image_summary", "digest", "fully_qualified_digest")
	d := &Described{Digest: r.text(image, "digest")}
	if full := r.text(image, "fully_qualified_digest"); !strings.HasSuffix(full, d.Digest) {
		r.fail(OtherDigest, "the summary names %s and %s", d.Digest, full)
	}
	list := r.list(r.object(o["provenance_summary"], "provenance_summary", "provenance"), "provenance")
	switch {
	case r.err == nil && len(list) == 0:
		r.fail(NoSignature, "there is no provenance")
	case len(list) > maxEnvelopes:
		r.fail(OverLimit, "more than %d provenances", maxEnvelopes)
	}
	if r.err != nil {
		return nil, r.err
	}
	for _, item := range list {
		d.Envelopes = append(d.Envelopes, described(item))
	}
	return d, nil
}

func described(item any) (e DescribedEnvelope) {
	r := &reader{}
	o := r.object(item, "provenance", "build", "kind", "resourceUri", "envelope")
	build := r.object(o["build"], "build", "intotoStatement", "inTotoSlsaProvenanceV1")
	kind, resource := r.text(o, "kind"), r.text(o, "resourceUri")
	if r.err != nil {
		return DescribedEnvelope{Err: r.err}
	}
	e.Envelope, e.Err = envelopeOf(o["envelope"])
	e.kind, e.resource, e.v01, e.v1 = kind, resource, build["intotoStatement"], build["inTotoSlsaProvenanceV1"]
	return e
}

// Verify verifies one envelope of the document by Google Cloud Build's keys, and that all
// that stands around it, which nobody signed, says the same for the image of the digest.
func (d *Described) Verify(e DescribedEnvelope, digest string) (*Statement, string, error) {
	if e.Err != nil {
		return nil, "", e.Err
	}
	s, key, err := VerifyCloudBuild(e.Envelope)
	if err != nil {
		return nil, "", err
	}
	algorithm, hex, _ := strings.Cut(digest, ":")
	switch {
	case !s.About(algorithm, hex):
		return nil, key, errorf(OtherDigest, "the statement is not about %s", digest)
	case d.Digest != digest:
		return nil, key, errorf(OtherDigest, "the summary is of %s, not %s", d.Digest, digest)
	case e.kind != "BUILD":
		return nil, key, errorf(WrongType, "its kind is %q, not BUILD", e.kind)
	case !strings.HasSuffix(e.resource, "@"+digest):
		return nil, key, errorf(OtherDigest, "its resource is %s, not one of %s", e.resource, digest)
	case !e.repeats(s):
		return nil, key, errorf(Ambiguous, "the text beside the envelope is not what is signed in it")
	}
	return s, key, nil
}

// repeats reports whether the text beside the envelope is the signed statement.
func (e DescribedEnvelope) repeats(s *Statement) bool {
	text, _ := e.v1.(map[string]any)
	predicate := "predicate"
	if s.PredicateType == provenanceV01 {
		text, _ = e.v01.(map[string]any)
		predicate = "slsaProvenance"
	}
	return sameJSON(text["_type"], s.raw["_type"]) && sameJSON(text["predicateType"], s.raw["predicateType"]) &&
		sameJSON(text["subject"], s.raw["subject"]) && sameJSON(text[predicate], s.raw["predicate"])
}
