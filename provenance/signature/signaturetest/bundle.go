package signaturetest

import (
	"crypto/sha256"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protodsse "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/imageverify/verify/provenance/signed"
)

// Proto is the signature as a sigstore bundle of a version 0.1, 0.2 or 0.3.
func (s *Signature) Proto(version int) *protobundle.Bundle {
	b := &protobundle.Bundle{MediaType: BundleMediaType(version), VerificationMaterial: &protobundle.VerificationMaterial{}}
	m := b.VerificationMaterial
	switch {
	case s.Cert == nil:
		m.Content = &protobundle.VerificationMaterial_PublicKey{PublicKey: &protocommon.PublicKeyIdentifier{Hint: "hint"}}
	case version >= 3:
		m.Content = &protobundle.VerificationMaterial_Certificate{Certificate: &protocommon.X509Certificate{RawBytes: s.Cert.Raw}}
	default:
		chain := &protocommon.X509CertificateChain{Certificates: []*protocommon.X509Certificate{{RawBytes: s.Cert.Raw}}}
		for _, c := range s.Chain {
			chain.Certificates = append(chain.Certificates, &protocommon.X509Certificate{RawBytes: c.Raw})
		}
		m.Content = &protobundle.VerificationMaterial_X509CertificateChain{X509CertificateChain: chain}
	}
	if s.PayloadType != "" {
		b.Content = &protobundle.Bundle_DsseEnvelope{DsseEnvelope: &protodsse.Envelope{Payload: s.Payload, PayloadType: s.PayloadType, Signatures: []*protodsse.Signature{{Sig: s.Sig}}}}
	} else {
		sum := sha256.Sum256(s.Payload)
		b.Content = &protobundle.Bundle_MessageSignature{MessageSignature: &protocommon.MessageSignature{
			MessageDigest: &protocommon.HashOutput{Algorithm: protocommon.HashAlgorithm_SHA2_256, Digest: sum[:]}, Signature: s.Sig}}
	}
	for _, e := range s.Entries {
		m.TlogEntries = append(m.TlogEntries, e.proto())
	}
	for _, stamp := range s.Stamps {
		if m.TimestampVerificationData == nil {
			m.TimestampVerificationData = &protobundle.TimestampVerificationData{}
		}
		m.TimestampVerificationData.Rfc3161Timestamps = append(m.TimestampVerificationData.Rfc3161Timestamps, &protocommon.RFC3161SignedTimestamp{SignedTimestamp: stamp})
	}
	return b
}

func (e *Entry) proto() *protorekor.TransparencyLogEntry {
	out := &protorekor.TransparencyLogEntry{
		LogIndex: e.Index, LogId: &protocommon.LogId{KeyId: e.LogID}, KindVersion: &protorekor.KindVersion{Kind: e.Kind, Version: e.Version},
		CanonicalizedBody: e.Body, InclusionProof: e.Proof,
	}
	if !e.At.IsZero() {
		out.IntegratedTime = e.At.Unix()
	}
	if e.Promise != nil {
		out.InclusionPromise = &protorekor.InclusionPromise{SignedEntryTimestamp: e.Promise}
	}
	return out
}

// BundleMediaType is the media type of bundles of a version.
func BundleMediaType(version int) string {
	if version >= 3 {
		return "application/vnd.dev.sigstore.bundle.v0.3+json"
	}
	return fmt.Sprintf("application/vnd.dev.sigstore.bundle+json;version=0.%d", version)
}

// Bundle is the signature as a sigstore bundle, as it is attached.
func (s *Signature) Bundle(subject v1.Hash, version int) signed.Item {
	return BundleItem(s.Proto(version), subject)
}

// BundleItem is a bundle as it is attached.
func BundleItem(b *protobundle.Bundle, subject v1.Hash) signed.Item {
	data, err := protojson.Marshal(b)
	if err != nil {
		panic(err)
	}
	return signed.Item{Subject: subject, Kind: signed.Bundle, MediaType: b.GetMediaType(), Content: data}
}
