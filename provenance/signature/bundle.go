package signature

import (
	"crypto"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"github.com/imageverify/verify/provenance/attestation"
	"github.com/imageverify/verify/provenance/signed"
)

// bundleTypes are the media types of sigstore bundles, by version. The third version
// has two.
var bundleTypes = map[string]int{
	"application/vnd.dev.sigstore.bundle+json;version=0.1": 1,
	"application/vnd.dev.sigstore.bundle+json;version=0.2": 2,
	"application/vnd.dev.sigstore.bundle+json;version=0.3": 3,
	"application/vnd.dev.sigstore.bundle.v0.1+json":        1,
	"application/vnd.dev.sigstore.bundle.v0.2+json":        2,
	"application/vnd.dev.sigstore.bundle.v0.3+json":        3,
}

const (
	maxEntries    = 32
	maxTimestamps = 32
)

// parseBundle takes a sigstore bundle apart.
func parseBundle(item signed.Item) (*entity, claims, error) {
	if err := attestation.CheckJSON(item.Content); err != nil {
		return nil, claims{}, malformed("bundle", err)
	}
	b := &protobundle.Bundle{}
	if err := protojson.Unmarshal(item.Content, b); err != nil {
		return nil, claims{}, faultf(signed.Malformed, "bundle: %s", strings.TrimPrefix(err.Error(), "proto:"))
	}
	version, known := bundleTypes[b.GetMediaType()]
	if !known {
		return nil, claims{}, faultf(signed.WrongType, "bundle: its media type is %q", b.GetMediaType())
	}
	if outside, isBundle := bundleTypes[item.MediaType]; item.MediaType != "" && (!isBundle || outside != version) {
		return nil, claims{}, faultf(signed.WrongType, "the layer's media type is %q, its bundle's %q", item.MediaType, b.GetMediaType())
	}
	e, err := bundleEntity(b, version)
	if err != nil {
		return e, claims{}, malformed("bundle", err)
	}
	if !e.dsse {
		return e, claims{subjects: []subject{{digests: map[string]string{hashNames[e.hash]: hex.EncodeToString(e.digest)}}}}, nil
	}
	c, err := parseStatement(e.payloadType, e.payload)
	return e, c, err
}

// hashNames are the names of hash functions in digests.
var hashNames = map[crypto.Hash]string{crypto.SHA256: "sha256", crypto.SHA384: "sha384", crypto.SHA512: "sha512"}

var protoHashes = map[protocommon.HashAlgorithm]crypto.Hash{
	protocommon.HashAlgorithm_SHA2_256: crypto.SHA256,
	protocommon.HashAlgorithm_SHA2_384: crypto.SHA384,
	protocommon.HashAlgorithm_SHA2_512: crypto.SHA512,
}

func bundleEntity(b *protobundle.Bundle, version int) (*entity, error) {
	e := &entity{}
	switch content := b.GetContent().(type) {
	case *protobundle.Bundle_DsseEnvelope:
		if err := e.readEnvelope(content); err != nil {
			return e, err
		}
	case *protobundle.Bundle_MessageSignature:
		m := content.MessageSignature
		e.signature, e.digest = m.GetSignature(), m.GetMessageDigest().GetDigest()
		e.hash = protoHashes[m.GetMessageDigest().GetAlgorithm()]
		if e.hash == 0 || len(e.digest) != e.hash.Size() {
			return e, errors.New("the message's digest is missing, or of another length than its algorithm's")
		}
	default:
		return e, errors.New("there is neither an envelope nor a message's signature")
	}
	if len(e.signature) == 0 || len(e.signature) > maxSignatureSize {
		return e, errors.New("the signature is empty, or none for its length")
	}
	e.stamped = e.signature
	if err := e.readMaterial(b.GetVerificationMaterial(), version); err != nil {
		return e, err
	}
	return e, e.readEntries(b.GetVerificationMaterial().GetTlogEntries(), version)
}

func (e *entity) readEnvelope(content *protobundle.Bundle_DsseEnvelope) error {
	env := content.DsseEnvelope
	if n := len(env.GetSignatures()); n != 1 {
		return fmt.Errorf("the envelope has %d signatures, not one", n)
	}
	e.dsse, e.payload, e.payloadType = true, env.GetPayload(), env.GetPayloadType()
	e.signature = env.GetSignatures()[0].GetSig()
	e.message = dsse.PAE(e.payloadType, e.payload)
	return nil
}

// readMaterial reads what a bundle says of who signed. Each version has its own place
// for certificates.
func (e *entity) readMaterial(m *protobundle.VerificationMaterial, version int) error {
	var raw [][]byte
	switch content := m.GetContent().(type) {
	case *protobundle.VerificationMaterial_Certificate:
		if version < 3 {
			return faultf(signed.WrongType, "it says that its version is 0.%d, and holds the certificate as 0.3 does", version)
		}
		raw = [][]byte{content.Certificate.GetRawBytes()}
	case *protobundle.VerificationMaterial_X509CertificateChain:
		if version >= 3 {
			return faultf(signed.WrongType, "it says that its version is 0.3, and holds a chain of certificates, as only 0.1 and 0.2 do")
		}
		for _, c := range content.X509CertificateChain.GetCertificates() {
			raw = append(raw, c.GetRawBytes())
		}
		if len(raw) == 0 {
			return errors.New("the chain of certificates is empty")
		}
	case *protobundle.VerificationMaterial_PublicKey:
	default:
		return errors.New("there is neither a certificate nor a key's name")
	}
	if len(raw) > maxChain+1 {
		return faultf(signed.OverLimit, "more than %d certificates above the signer's", maxChain)
	}
	var certs []*x509.Certificate
	for i, der := range raw {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return faultf(signed.CertificateBad, "certificate %d: %v", i+1, err)
		}
		certs = append(certs, c)
	}
	if len(certs) > 0 {
		var err error
		e.certificate = certs[0]
		if e.chain, err = intermediates(certs[1:]); err != nil {
			return err
		}
	}
	stamps := m.GetTimestampVerificationData().GetRfc3161Timestamps()
	if len(stamps) > maxTimestamps {
		return faultf(signed.OverLimit, "more than %d timestamps", maxTimestamps)
	}
	for _, s := range stamps {
		e.timestamps = append(e.timestamps, s.GetSignedTimestamp())
	}
	return nil
}

func (e *entity) readEntries(entries []*protorekor.TransparencyLogEntry, version int) error {
	if len(entries) > maxEntries {
		return faultf(signed.OverLimit, "more than %d log entries", maxEntries)
	}
	for i, t := range entries {
		entry := logEntry{
			body: t.GetCanonicalizedBody(), integrated: t.GetIntegratedTime(), index: t.GetLogIndex(), log: hex.EncodeToString(t.GetLogId().GetKeyId()),
			promise: t.GetInclusionPromise().GetSignedEntryTimestamp(), kind: t.GetKindVersion().GetKind(), version: t.GetKindVersion().GetVersion(), proto: t,
		}
		switch {
		case len(entry.body) == 0 || entry.log == "" || entry.kind == "" || entry.index < 0 || entry.integrated < 0:
			return fmt.Errorf("log entry %d lacks its body, its log, its kind or its place", i+1)
		case version == 1 && len(entry.promise) == 0:
			return faultf(signed.WrongType, "log entry %d has no promise, which version 0.1 demands", i+1)
		case version > 1 && t.GetInclusionProof().GetCheckpoint().GetEnvelope() == "":
			return faultf(signed.WrongType, "log entry %d has no proof of inclusion with a checkpoint, which version 0.%d demands", i+1, version)
		}
		e.entries = append(e.entries, entry)
	}
	return nil
}
