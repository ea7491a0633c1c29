package signature

import (
	"context"
	"strings"
	"testing"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"

	"github.com/imageverify/verify/provenance/signature/signaturetest"
	"github.com/imageverify/verify/provenance/signed"
)

// What a stranger can make large is taken at the bound, and refused one beyond it.
func TestBoundsAreTakenAtTheLimitAndRefusedBeyond(t *testing.T) {
	envelope := func(signatures int) []byte {
		return []byte(`{"payloadType":"x","payload":"AAAA","signatures":[` + strings.TrimSuffix(strings.Repeat(`{"sig":"AAAA"},`, signatures), ",") + `]}`)
	}
	certificates := string(signaturetest.CertificatePEM(signaturetest.New(t).Root))
	for _, c := range []struct {
		name  string
		limit int
		parse func(n int) error
	}{
		{"signatures of an envelope", maxEnvelopeSignatures, func(n int) error { _, err := parseEnvelopeObject(envelope(n)); return err }},
		{"certificates", maxCertificates, func(n int) error { _, err := parseCertificates([]byte(strings.Repeat(certificates, n))); return err }},
		{"a chain", maxChain, func(n int) error {
			return (&entity{}).readAnnotations(map[string]string{chainKey: strings.Repeat(certificates, n)})
		}},
		{"a file of certificates", MaxKeyFile, func(n int) error {
			_, err := parseCertificates(append([]byte(certificates), make([]byte, n-len(certificates))...))
			return err
		}},
		{"an annotation", maxAnnotation, func(n int) error {
			return (&entity{}).readAnnotations(map[string]string{"x": strings.Repeat("x", n)})
		}},
		{"a signature", maxSignatureSize, func(n int) error {
			_, _, err := parseSimple(signed.Item{Content: simplePayload(), Annotations: map[string]string{signatureKey: b64(make([]byte, n))}})
			return err
		}},
		{"a trusted root", MaxTrustedRoot, func(n int) error {
			data := signaturetest.New(t).TrustedRoot()
			_, err := ParseTrustedRoot(append(data, strings.Repeat(" ", n-len(data))...))
			return err
		}},
	} {
		if err := c.parse(c.limit); err != nil {
			t.Errorf("%s: at the bound: %v", c.name, err)
		}
		if err := c.parse(c.limit + 1); err == nil {
			t.Errorf("%s: nothing stops one beyond the bound", c.name)
		}
	}
}

func TestBoundsOfABundle(t *testing.T) {
	w := signaturetest.New(t)
	for name, c := range map[string]struct {
		limit int
		add   func(*protobundle.Bundle)
	}{
		"log entries": {maxEntries, func(b *protobundle.Bundle) {
			m := b.VerificationMaterial
			m.TlogEntries = append(m.TlogEntries, m.TlogEntries[0])
		}},
		"timestamps": {maxTimestamps, func(b *protobundle.Bundle) {
			m := b.VerificationMaterial.TimestampVerificationData
			m.Rfc3161Timestamps = append(m.Rfc3161Timestamps, m.Rfc3161Timestamps[0])
		}},
	} {
		b := stamped(w, named(w, signaturetest.StatementType)).Proto(3)
		for range c.limit - 1 {
			c.add(b)
		}
		v := verifier(t, w, byAlice())
		if r := v.Verify(context.Background(), signaturetest.BundleItem(b, image)); !r.Valid {
			t.Errorf("%s: at the bound: %s: %s", name, r.Reason, r.Detail)
		}
		c.add(b)
		if r := v.Verify(context.Background(), signaturetest.BundleItem(b, image)); r.Reason != signed.OverLimit {
			t.Errorf("%s: one beyond: %s: %s", name, outcome(r), r.Detail)
		}
	}
}
