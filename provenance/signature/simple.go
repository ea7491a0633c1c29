package signature

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/provenance/attestation"
	"github.com/imageverify/verify/provenance/signed"
)

// What cosign writes (cosign specs/SIGNATURE_SPEC.md).
const (
	simpleMediaType  = "application/vnd.dev.cosign.simplesigning.v1+json"
	simpleType       = "cosign container image signature"
	signatureKey     = "dev.cosignproject.cosign/signature"
	certificateKey   = "dev.sigstore.cosign/certificate"
	chainKey         = "dev.sigstore.cosign/chain"
	rekorBundleKey   = "dev.sigstore.cosign/bundle"
	timestampKey     = "dev.sigstore.cosign/rfc3161timestamp"
	maxPayload       = 16 << 20
	maxAnnotation    = 4 << 20
	maxSignatureSize = 64 << 10
)

// parseSimple takes a cosign signature apart.
func parseSimple(item signed.Item) (*entity, claims, error) {
	if item.MediaType != "" && item.MediaType != simpleMediaType {
		return nil, claims{}, faultf(signed.WrongType, "the layer's media type is %q, not %q", item.MediaType, simpleMediaType)
	}
	text, ok := item.Annotations[signatureKey]
	if !ok || text == "" {
		return nil, claims{}, faultf(signed.Malformed, "the layer has no annotation %s", signatureKey)
	}
	sig, err := decodeBase64(text)
	if err != nil || len(sig) > maxSignatureSize {
		return nil, claims{}, faultf(signed.Malformed, "annotation %s: not base64 of a signature", signatureKey)
	}
	e := &entity{signature: sig, message: item.Content, hash: crypto.SHA256, payload: item.Content, stamped: sig}
	if err := e.readAnnotations(item.Annotations); err != nil {
		return e, claims{}, err
	}
	c, err := parsePayload(item.Content)
	return e, c, err
}

// parsePayload reads the payload of a simple signature.
func parsePayload(data []byte) (claims, error) {
	c, err := parsePayloadObject(data)
	if err != nil {
		return claims{}, malformed("payload", err)
	}
	return c, nil
}

func parsePayloadObject(data []byte) (claims, error) {
	if err := attestation.CheckJSON(data); err != nil {
		return claims{}, err
	}
	o, err := parseObject(data, "critical", "optional")
	if err != nil {
		return claims{}, err
	}
	critical, err := o.object("critical", "identity", "image", "type")
	if err != nil {
		return claims{}, err
	}
	for name := range critical {
		if !slices.Contains([]string{"identity", "image", "type"}, name) {
			return claims{}, faultf(signed.WrongType, "critical.%s is not known, and critical", name)
		}
	}
	if kind, err := critical.text("type"); err != nil || kind != simpleType {
		return claims{}, faultf(signed.WrongType, "critical.type is %s, not %q", critical["type"], simpleType)
	}
	img, err := critical.object("image", "docker-manifest-digest")
	if err != nil {
		return claims{}, err
	}
	digest, err := img.text("docker-manifest-digest")
	if err != nil {
		return claims{}, err
	}
	h, err := v1.NewHash(digest)
	if err != nil || h.String() != digest {
		return claims{}, fmt.Errorf("docker-manifest-digest %q is no digest", digest)
	}
	c := claims{subjects: []subject{{digests: map[string]string{h.Algorithm: h.Hex}}}}
	if _, ok := critical["identity"]; ok {
		identity, err := critical.object("identity", "docker-reference")
		if err != nil {
			return claims{}, err
		}
		if _, ok := identity["docker-reference"]; ok {
			if c.reference, err = identity.text("docker-reference"); err != nil {
				return claims{}, err
			}
		}
	}
	if raw, ok := o["optional"]; ok {
		if err := json.Unmarshal(raw, &c.subjects[0].annotations); err != nil {
			return claims{}, fmt.Errorf("%q: %w", "optional", err)
		}
	}
	return c, nil
}

// readAnnotations reads what cosign puts beside a payload: certificate, chain, log
// entry and timestamp. An error is about the certificates; what is wrong with the
// others is kept for when they are needed.
func (e *entity) readAnnotations(annotations map[string]string) error {
	for name, value := range annotations {
		if len(value) > maxAnnotation {
			return faultf(signed.OverLimit, "annotation %s: more than %d bytes", name, maxAnnotation)
		}
	}
	if text := annotations[certificateKey]; text != "" {
		certs, err := parseCertificates([]byte(text))
		if err == nil && len(certs) != 1 {
			err = fmt.Errorf("%d certificates in the place of one", len(certs))
		}
		if err != nil {
			return faultf(signed.CertificateBad, "annotation %s: %v", certificateKey, err)
		}
		e.certificate = certs[0]
	}
	if text := annotations[chainKey]; text != "" {
		chain, err := parseCertificates([]byte(text))
		if err != nil {
			return faultf(signed.CertificateBad, "annotation %s: %v", chainKey, err)
		}
		if e.chain, err = intermediates(chain); err != nil {
			return err
		}
	}
	if text := annotations[rekorBundleKey]; text != "" {
		entry, err := parseRekorBundle([]byte(text))
		if err != nil {
			e.beside = malformed("annotation "+rekorBundleKey, err)
		} else {
			e.entries = []logEntry{entry}
		}
	}
	if text := annotations[timestampKey]; text != "" {
		stamp, err := parseTimestamp([]byte(text))
		if err != nil {
			e.beside = malformed("annotation "+timestampKey, err)
		} else {
			e.timestamps = [][]byte{stamp}
		}
	}
	return nil
}

// maxChain bounds the certificates above a signer's own: each is tried.
const maxChain = 16

// intermediates are the certificates of a chain that could lead on: authorities that
// did not sign themselves.
func intermediates(chain []*x509.Certificate) ([]*x509.Certificate, error) {
	if len(chain) > maxChain {
		return nil, faultf(signed.OverLimit, "more than %d certificates above the signer's", maxChain)
	}
	return slices.DeleteFunc(slices.Clone(chain), func(c *x509.Certificate) bool {
		return !c.IsCA || bytes.Equal(c.RawIssuer, c.RawSubject)
	}), nil
}

// parseRekorBundle reads the log entry that cosign puts beside a payload.
func parseRekorBundle(data []byte) (logEntry, error) {
	if err := attestation.CheckJSON(data); err != nil {
		return logEntry{}, err
	}
	o, err := parseObject(data, "SignedEntryTimestamp", "Payload")
	if err != nil {
		return logEntry{}, err
	}
	promise, err := o.text("SignedEntryTimestamp")
	if err != nil {
		return logEntry{}, err
	}
	p, err := o.object("Payload", "body", "integratedTime", "logIndex", "logID")
	if err != nil {
		return logEntry{}, err
	}
	body, err := p.text("body")
	if err != nil {
		return logEntry{}, err
	}
	e := logEntry{}
	if e.promise, err = decodeBase64(promise); err != nil || len(e.promise) == 0 {
		return logEntry{}, fmt.Errorf("%q is no base64", "SignedEntryTimestamp")
	}
	if e.body, err = decodeBase64(body); err != nil {
		return logEntry{}, fmt.Errorf("%q: %w", "body", err)
	}
	var at, index *int64
	if err := p.value("integratedTime", &at); err != nil {
		return logEntry{}, err
	}
	if err := p.value("logIndex", &index); err != nil {
		return logEntry{}, err
	}
	if at == nil || index == nil || *at < 0 || *index < 0 {
		return logEntry{}, fmt.Errorf("%q and %q: want numbers, not below zero", "integratedTime", "logIndex")
	}
	e.integrated, e.index = *at, *index
	if e.log, err = p.text("logID"); err != nil {
		return logEntry{}, err
	}
	return e, nil
}

// parseTimestamp reads the signed timestamp that cosign puts beside a payload.
func parseTimestamp(data []byte) ([]byte, error) {
	if err := attestation.CheckJSON(data); err != nil {
		return nil, err
	}
	o, err := parseObject(data, "SignedRFC3161Timestamp")
	if err != nil {
		return nil, err
	}
	text, err := o.text("SignedRFC3161Timestamp")
	if err != nil {
		return nil, err
	}
	return decodeBase64(text)
}
