package signature

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"github.com/imageverify/verify/provenance/attestation"
	"github.com/imageverify/verify/provenance/signed"
)

const (
	envelopeMediaType = "application/vnd.dsse.envelope.v1+json"
	// maxEnvelopeSignatures bounds the signatures of one envelope.
	maxEnvelopeSignatures = 100
)

// parseEnvelopes takes a DSSE envelope apart: one entity a signature, all over the
// same payload.
func parseEnvelopes(item signed.Item) ([]*entity, claims, error) {
	if item.MediaType != "" && item.MediaType != envelopeMediaType {
		return nil, claims{}, faultf(signed.WrongType, "the layer's media type is %q, not %q", item.MediaType, envelopeMediaType)
	}
	all, err := parseEnvelopeObject(item.Content)
	if err != nil {
		return nil, claims{}, malformed("envelope", err)
	}
	for _, e := range all {
		if err := e.readAnnotations(item.Annotations); err != nil {
			return all, claims{}, err
		}
	}
	c, err := parseStatement(all[0].payloadType, all[0].payload)
	return all, c, err
}

func parseEnvelopeObject(data []byte) ([]*entity, error) {
	if err := attestation.CheckJSON(data); err != nil {
		return nil, err
	}
	o, err := parseObject(data, "payload", "payloadType", "signatures")
	if err != nil {
		return nil, err
	}
	kind, err := o.text("payloadType")
	if err != nil {
		return nil, err
	}
	text, err := o.text("payload")
	if err != nil {
		return nil, err
	}
	payload, err := attestation.DecodeBase64(text)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", "payload", err)
	}
	var signatures []json.RawMessage
	if err := o.value("signatures", &signatures); err != nil {
		return nil, err
	}
	if len(signatures) == 0 {
		return nil, errors.New("there is no signature")
	}
	if len(signatures) > maxEnvelopeSignatures {
		return nil, faultf(signed.OverLimit, "more than %d signatures", maxEnvelopeSignatures)
	}
	message := dsse.PAE(kind, payload)
	var out []*entity
	for i, raw := range signatures {
		e := &entity{message: message, dsse: true, payload: payload, payloadType: kind, document: data, stamped: data}
		if err := e.readSignature(raw); err != nil {
			return nil, fmt.Errorf("signature %d: %w", i+1, err)
		}
		out = append(out, e)
	}
	return out, nil
}

// readSignature reads one signature of an envelope. The certificate in it is what the
// SLSA generator for GitHub leaves there.
func (e *entity) readSignature(raw json.RawMessage) error {
	s, err := parseObject(raw, "keyid", "sig", "cert")
	if err != nil {
		return err
	}
	text, err := s.text("sig")
	if err != nil {
		return err
	}
	if e.signature, err = attestation.DecodeBase64(text); err != nil {
		return fmt.Errorf("%q: %w", "sig", err)
	}
	if len(e.signature) == 0 || len(e.signature) > maxSignatureSize {
		return errors.New("it is empty, or no signature for its length")
	}
	if _, ok := s["cert"]; !ok {
		return nil
	}
	pemText, err := s.text("cert")
	if err != nil || pemText == "" {
		return err
	}
	certs, err := parseCertificates([]byte(pemText))
	if err != nil {
		return faultf(signed.CertificateBad, "%q: %v", "cert", err)
	}
	e.certificate = certs[0]
	e.chain, err = intermediates(certs[1:])
	return err
}

// parseStatement reads what an in-toto statement is about, and leaves its predicate
// alone. Payloads of another type have no claims: nothing says then what they are
// about.
func parseStatement(kind string, data []byte) (claims, error) {
	if kind != attestation.PayloadType {
		return claims{}, faultf(signed.WrongType, "the payload's type is %q, not %q", kind, attestation.PayloadType)
	}
	statement, err := attestation.ParseStatement(data)
	if err != nil {
		return claims{}, malformed("payload", err)
	}
	c := claims{predicateType: statement.PredicateType}
	// Names in other letter case are refused by now.
	var annotated struct {
		Subject []struct {
			Annotations map[string]any `json:"annotations"`
		} `json:"subject"`
	}
	if err := json.Unmarshal(data, &annotated); err != nil {
		return claims{}, malformed("payload", err)
	}
	for i, digests := range statement.Subjects {
		c.subjects = append(c.subjects, subject{digests: digests, annotations: annotated.Subject[i].Annotations})
	}
	return c, nil
}
