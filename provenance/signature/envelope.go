package signature

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"github.com/imageverify/verify/provenance/signed"
)

const (
	envelopeMediaType = "application/vnd.dsse.envelope.v1+json"
	// StatementType is the payload type of in-toto statements.
	StatementType = "application/vnd.in-toto+json"
	// maxEnvelopeSignatures bounds the signatures of one envelope, maxSubjects and
	// maxDigests the subjects of a statement and the digests of each.
	maxEnvelopeSignatures = 100
	maxSubjects           = 10000
	maxDigests            = 32
)

// statementTypes are the types of in-toto statements that are known.
var statementTypes = []string{"https://in-toto.io/Statement/v0.1", "https://in-toto.io/Statement/v1"}

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
	if err := checkJSON(data); err != nil {
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
	payload, err := decodeEither(text)
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
	if e.signature, err = decodeEither(text); err != nil {
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
	e.certificate, e.chain = certs[0], intermediates(certs[1:])
	return nil
}

// decodeEither reads base64 in the standard or the URL alphabet, as DSSE allows.
func decodeEither(text string) ([]byte, error) {
	data, err := decodeBase64(text)
	if err == nil {
		return data, nil
	}
	if data, urlErr := base64.URLEncoding.Strict().DecodeString(text); urlErr == nil {
		return data, nil
	}
	return nil, err
}

// parseStatement reads what an in-toto statement is about, and leaves its predicate
// alone. Payloads of another type have no claims: nothing says then what they are
// about.
func parseStatement(kind string, data []byte) (claims, error) {
	if kind != StatementType {
		return claims{}, faultf(signed.WrongType, "the payload's type is %q, not %q", kind, StatementType)
	}
	c, err := parseStatementObject(data)
	if err != nil {
		return claims{}, malformed("statement", err)
	}
	return c, nil
}

func parseStatementObject(data []byte) (claims, error) {
	if err := checkJSON(data); err != nil {
		return claims{}, err
	}
	o, err := parseObject(data, "_type", "subject", "predicateType", "predicate")
	if err != nil {
		return claims{}, err
	}
	kind, err := o.text("_type")
	if err != nil {
		return claims{}, faultf(signed.WrongType, "%v", err)
	}
	if kind != statementTypes[0] && kind != statementTypes[1] {
		return claims{}, faultf(signed.WrongType, "_type is %q, not %q", kind, statementTypes[1])
	}
	c := claims{statement: true}
	if c.predicateType, err = o.text("predicateType"); err != nil || c.predicateType == "" {
		return claims{}, errors.New("there is no predicateType")
	}
	var subjects []json.RawMessage
	if err := o.value("subject", &subjects); err != nil {
		return claims{}, err
	}
	if len(subjects) == 0 {
		return claims{}, errors.New("there is no subject")
	}
	if len(subjects) > maxSubjects {
		return claims{}, faultf(signed.OverLimit, "more than %d subjects", maxSubjects)
	}
	for i, raw := range subjects {
		s, err := parseSubject(raw)
		if err != nil {
			return claims{}, malformed(fmt.Sprintf("subject %d", i+1), err)
		}
		c.subjects = append(c.subjects, s)
	}
	return c, nil
}

func parseSubject(raw json.RawMessage) (subject, error) {
	o, err := parseObject(raw, "name", "digest", "annotations")
	if err != nil {
		return subject{}, err
	}
	s := subject{}
	if err := o.value("digest", &s.digests); err != nil {
		return subject{}, err
	}
	if len(s.digests) == 0 || len(s.digests) > maxDigests {
		return subject{}, fmt.Errorf("%d digests", len(s.digests))
	}
	if _, ok := o["annotations"]; ok {
		if err := o.value("annotations", &s.annotations); err != nil {
			return subject{}, err
		}
	}
	return s, nil
}
