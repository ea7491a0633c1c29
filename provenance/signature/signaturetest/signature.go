package signaturetest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"maps"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"github.com/imageverify/verify/provenance/signed"
)

// What cosign names things.
const (
	SimpleMediaType   = "application/vnd.dev.cosign.simplesigning.v1+json"
	EnvelopeMediaType = "application/vnd.dsse.envelope.v1+json"
	StatementType     = "application/vnd.in-toto+json"
	SignPredicate     = "https://sigstore.dev/cosign/sign/v1"
)

// Signature is something signed with what proves it, before it is written. Parts that
// are nil are left out.
type Signature struct {
	Payload     []byte
	PayloadType string // "" for what is no envelope
	Sig         []byte
	Key         crypto.Signer
	Cert        *x509.Certificate
	Chain       []*x509.Certificate
	Entries     []*Entry
	Stamps      [][]byte
}

// Payload is cosign's payload for a digest.
func Payload(digest v1.Hash, reference string, annotations map[string]any) []byte {
	data, err := json.Marshal(map[string]any{
		"critical": map[string]any{"identity": map[string]string{"docker-reference": reference}, "image": map[string]string{"docker-manifest-digest": digest.String()}, "type": "cosign container image signature"},
		"optional": annotations,
	})
	if err != nil {
		panic(err)
	}
	return data
}

// Statement is an in-toto statement about a digest.
func Statement(digest v1.Hash, predicateType string) []byte {
	data, err := json.Marshal(map[string]any{
		"_type": "https://in-toto.io/Statement/v1", "predicateType": predicateType, "predicate": map[string]any{},
		"subject": []any{map[string]any{"name": "", "digest": map[string]string{digest.Algorithm: digest.Hex}}},
	})
	if err != nil {
		panic(err)
	}
	return data
}

// Sign makes the signature of a payload; of an envelope where the type is given.
func (w *World) Sign(key crypto.Signer, payload []byte, payloadType string) *Signature {
	s := &Signature{Payload: payload, PayloadType: payloadType, Key: key}
	s.Sign(w)
	return s
}

// Sign signs the payload as it is now.
func (s *Signature) Sign(w *World) {
	message := s.message()
	sum := sha256.Sum256(message)
	var err error
	switch key := s.Key.(type) {
	case *ecdsa.PrivateKey:
		s.Sig, err = ecdsa.SignASN1(rand.Reader, key, sum[:])
	case *rsa.PrivateKey:
		s.Sig, err = rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	case ed25519.PrivateKey:
		s.Sig = ed25519.Sign(key, message)
	}
	w.must(err)
}

func (s *Signature) message() []byte {
	if s.PayloadType == "" {
		return s.Payload
	}
	return dsse.PAE(s.PayloadType, s.Payload)
}

// verifier is the certificate, or the key, in PEM.
func (s *Signature) verifier(w *World) []byte {
	if s.Cert != nil {
		return CertificatePEM(s.Cert)
	}
	return KeyPEM(w.t, s.Key.Public())
}

// ByKey is a signature by a key, with a log entry.
func (w *World) ByKey(key crypto.Signer, payload []byte, payloadType string) *Signature {
	s := w.Sign(key, payload, payloadType)
	s.Entries = []*Entry{w.Log(kindFor(payloadType), "0.0.1", s, w.Now)}
	return s
}

// ByName is a signature by a certificate for a name, with log entry and timestamp.
func (w *World) ByName(template *x509.Certificate, payload []byte, payloadType string) *Signature {
	key := Key(w.t)
	s := w.Sign(key, payload, payloadType)
	s.Cert, s.Chain = w.Certify(template, key.Public()), []*x509.Certificate{w.Intermediate, w.Root}
	s.Entries = []*Entry{w.Log(kindFor(payloadType), "0.0.1", s, w.Now)}
	return s
}

func kindFor(payloadType string) string {
	if payloadType == "" {
		return "hashedrekord"
	}
	return "dsse"
}

// Stamp adds a timestamp over the signature.
func (s *Signature) Stamp(w *World, at time.Time) {
	over := s.Sig
	s.Stamps = append(s.Stamps, w.Stamp(over, at))
}

// Envelope is the DSSE envelope.
func (s *Signature) Envelope() []byte {
	data, err := json.Marshal(map[string]any{"payloadType": s.PayloadType, "payload": b64(s.Payload), "signatures": []any{map[string]string{"keyid": "", "sig": b64(s.Sig)}}})
	if err != nil {
		panic(err)
	}
	return data
}

// Simple is the signature as cosign attaches it.
func (s *Signature) Simple(subject v1.Hash) signed.Item {
	annotations := map[string]string{"dev.cosignproject.cosign/signature": b64(s.Sig)}
	maps.Copy(annotations, s.beside())
	return signed.Item{Subject: subject, Kind: signed.SimpleSigning, MediaType: SimpleMediaType, Content: s.Payload, Annotations: annotations}
}

// Attestation is the envelope as cosign attaches it.
func (s *Signature) Attestation(subject v1.Hash) signed.Item {
	return signed.Item{Subject: subject, Kind: signed.Envelope, MediaType: EnvelopeMediaType, Content: s.Envelope(), Annotations: s.beside()}
}

func (s *Signature) beside() map[string]string {
	out := map[string]string{}
	if s.Cert != nil {
		out["dev.sigstore.cosign/certificate"] = string(CertificatePEM(s.Cert))
	}
	for _, c := range s.Chain {
		out["dev.sigstore.cosign/chain"] += string(CertificatePEM(c))
	}
	if len(s.Entries) > 0 {
		e := s.Entries[0]
		out["dev.sigstore.cosign/bundle"] = text(map[string]any{"SignedEntryTimestamp": b64(e.Promise),
			"Payload": map[string]any{"body": b64(e.Body), "integratedTime": e.At.Unix(), "logIndex": e.Index, "logID": hexOf(e.LogID)}})
	}
	if len(s.Stamps) > 0 {
		out["dev.sigstore.cosign/rfc3161timestamp"] = text(map[string]any{"SignedRFC3161Timestamp": b64(s.Stamps[0])})
	}
	return out
}

func text(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(data)
}
