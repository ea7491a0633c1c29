package signature

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/imageverify/verify/provenance/attestation"
	"github.com/imageverify/verify/provenance/signed"
)

// bodyClaims are what the body of a Rekor v1 entry says: of which signature, key and
// content it is.
type bodyClaims struct {
	signatures []bodySignature
	// hash is over content: the signed message, the payload, or the envelope.
	algorithm, hash string
	of              string
}

type bodySignature struct {
	signature []byte // nil where the kind holds none
	key       []byte // PEM
}

// What a hash in an entry's body is over.
const (
	overMessage  = "message"
	overPayload  = "payload"
	overEnvelope = "envelope"
)

// readBody is how the body of each kind of entry is read (rekor's pkg/types, in
// canonical form).
var readBody = map[string]func(spec object) (bodyClaims, error){
	"hashedrekord 0.0.1": readHashedrekord,
	"rekord 0.0.1":       readHashedrekord,
	"dsse 0.0.1":         readDSSE,
	"intoto 0.0.1":       readIntoto1,
	"intoto 0.0.2":       readIntoto2,
}

// checkBody compares an entry's body with the signature that it is handed in for.
func checkBody(e *entity, entry logEntry, key Key) error {
	c, err := parseBody(entry)
	if err != nil {
		return malformed("log entry", err)
	}
	if err := c.matches(e, key); err != nil {
		return faultf(signed.LogMismatch, "the log entry is of something else: %v", err)
	}
	return nil
}

func parseBody(entry logEntry) (bodyClaims, error) {
	if err := attestation.CheckJSON(entry.body); err != nil {
		return bodyClaims{}, err
	}
	o, err := parseObject(entry.body, "apiVersion", "kind", "spec")
	if err != nil {
		return bodyClaims{}, err
	}
	kind, err := o.text("kind")
	if err != nil {
		return bodyClaims{}, err
	}
	version, err := o.text("apiVersion")
	if err != nil {
		return bodyClaims{}, err
	}
	if entry.kind != "" && (entry.kind != kind || entry.version != version) {
		return bodyClaims{}, faultf(signed.LogMismatch, "it says %s %s outside, %s %s inside", entry.kind, entry.version, kind, version)
	}
	read, known := readBody[kind+" "+version]
	if !known {
		return bodyClaims{}, faultf(signed.LogMismatch, "entries of the kind %q %q are of no signature", kind, version)
	}
	spec, err := o.object("spec")
	if err != nil {
		return bodyClaims{}, err
	}
	return read(spec)
}

func (c bodyClaims) matches(e *entity, key Key) error {
	if err := c.hasContent(e); err != nil {
		return err
	}
	if len(c.signatures) != 1 {
		return fmt.Errorf("%d signatures", len(c.signatures))
	}
	s := c.signatures[0]
	if s.signature != nil && !bytes.Equal(s.signature, e.signature) {
		return errors.New("another signature")
	}
	block, rest := pem.Decode(s.key)
	if block == nil || len(bytes.TrimSpace(rest)) > 0 {
		return errors.New("its key is not one key in PEM")
	}
	if e.certificate != nil {
		if block.Type == "CERTIFICATE" && bytes.Equal(block.Bytes, e.certificate.Raw) {
			return nil
		}
		return errors.New("another certificate")
	}
	if other, err := parseKey(block); err == nil && other.equal(key) {
		return nil
	}
	return errors.New("another key")
}

func (c bodyClaims) hasContent(e *entity) error {
	hash := crypto.Hash(0)
	for h, name := range hashNames {
		if name == c.algorithm {
			hash = h
		}
	}
	if hash == 0 {
		return fmt.Errorf("the hash function %q", c.algorithm)
	}
	var content []byte
	switch {
	case c.of == overMessage && e.dsse, c.of != overMessage && !e.dsse:
		return errors.New("another kind of signature")
	case c.of == overMessage && e.message == nil:
		if hash != e.hash || c.hash != hex.EncodeToString(e.digest) {
			return errors.New("another content")
		}
		return nil
	case c.of == overMessage:
		content = e.message
	case c.of == overPayload:
		content = e.payload
	case e.document == nil:
		return errors.New("an envelope that is not here as it was logged")
	default:
		content = e.document
	}
	h := hash.New()
	h.Write(content)
	if hex.EncodeToString(h.Sum(nil)) != c.hash {
		return errors.New("another content")
	}
	return nil
}

// keyOf is the key that an entry claims, for telling who else signed.
func (c bodyClaims) keyOf() (Key, bool) {
	if len(c.signatures) == 0 {
		return Key{}, false
	}
	block, _ := pem.Decode(c.signatures[0].key)
	if block == nil {
		return Key{}, false
	}
	if block.Type == "CERTIFICATE" {
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return Key{}, false
		}
		k, err := newKey(cert.PublicKey)
		return k, err == nil
	}
	k, err := parseKey(block)
	return k, err == nil
}

func (c *bodyClaims) readHash(o object, name string) error {
	h, err := o.object(name, "algorithm", "value")
	if err != nil {
		return err
	}
	if c.algorithm, err = h.text("algorithm"); err != nil {
		return err
	}
	c.hash, err = h.text("value")
	return err
}

// base64Text reads a string of base64.
func (o object) base64Text(name string) ([]byte, error) {
	text, err := o.text(name)
	if err != nil {
		return nil, err
	}
	data, err := decodeBase64(text)
	if err != nil || len(data) == 0 {
		return nil, fmt.Errorf("%q is no base64 of anything", name)
	}
	return data, nil
}

func readHashedrekord(spec object) (bodyClaims, error) {
	c := bodyClaims{of: overMessage}
	data, err := spec.object("data", "hash")
	if err != nil {
		return c, err
	}
	if err := c.readHash(data, "hash"); err != nil {
		return c, err
	}
	sig, err := spec.object("signature", "content", "publicKey")
	if err != nil {
		return c, err
	}
	s := bodySignature{}
	if s.signature, err = sig.base64Text("content"); err != nil {
		return c, err
	}
	key, err := sig.object("publicKey", "content")
	if err != nil {
		return c, err
	}
	if s.key, err = key.base64Text("content"); err != nil {
		return c, err
	}
	c.signatures = []bodySignature{s}
	return c, nil
}

func readDSSE(spec object) (bodyClaims, error) {
	c := bodyClaims{of: overPayload}
	if err := c.readHash(spec, "payloadHash"); err != nil {
		return c, err
	}
	return c, c.readSignatures(spec, func(s object) (out bodySignature, err error) {
		if out.signature, err = s.base64Text("signature"); err != nil {
			return out, err
		}
		out.key, err = s.base64Text("verifier")
		return out, err
	})
}

// readIntoto1 reads the oldest kind of attestations: it has the hash of the whole
// envelope, and its key.
func readIntoto1(spec object) (bodyClaims, error) {
	c := bodyClaims{of: overEnvelope}
	content, err := spec.object("content", "hash")
	if err != nil {
		return c, err
	}
	if err := c.readHash(content, "hash"); err != nil {
		return c, err
	}
	key, err := spec.base64Text("publicKey")
	c.signatures = []bodySignature{{key: key}}
	return c, err
}

func readIntoto2(spec object) (bodyClaims, error) {
	c := bodyClaims{of: overPayload}
	content, err := spec.object("content", "envelope", "payloadHash")
	if err != nil {
		return c, err
	}
	if err := c.readHash(content, "payloadHash"); err != nil {
		return c, err
	}
	envelope, err := content.object("envelope", "signatures")
	if err != nil {
		return c, err
	}
	// Signatures are base64 of the envelope's own base64.
	return c, c.readSignatures(envelope, func(s object) (out bodySignature, err error) {
		twice, err := s.base64Text("sig")
		if err != nil {
			return out, err
		}
		if out.signature, err = attestation.DecodeBase64(string(twice)); err != nil {
			return out, err
		}
		out.key, err = s.base64Text("publicKey")
		return out, err
	})
}

func (c *bodyClaims) readSignatures(o object, read func(object) (bodySignature, error)) error {
	var all []json.RawMessage
	if err := o.value("signatures", &all); err != nil {
		return err
	}
	if len(all) > maxEnvelopeSignatures {
		return faultf(signed.OverLimit, "more than %d signatures", maxEnvelopeSignatures)
	}
	for _, raw := range all {
		s, err := parseObject(raw)
		if err != nil {
			return err
		}
		one, err := read(s)
		if err != nil {
			return err
		}
		c.signatures = append(c.signatures, one)
	}
	return nil
}
