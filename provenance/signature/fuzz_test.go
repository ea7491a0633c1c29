package signature

import (
	"bytes"
	"context"
	"crypto"
	"encoding/json"
	"testing"

	"github.com/imageverify/verify/provenance/attestation"
	"github.com/imageverify/verify/provenance/signature/signaturetest"
	"github.com/imageverify/verify/provenance/signed"
)

// Law: a payload that is read names at least one digest, and says the same when its
// JSON is written anew; one that is not read gives nothing.
func FuzzPayload(f *testing.F) {
	f.Add(simplePayload())
	f.Add([]byte(`{"critical":{"identity":{},"image":{"docker-manifest-digest":"sha256:x"},"type":"cosign container image signature"},"optional":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		sameAgain(t, data, parsePayload)
	})
}

// Law: as FuzzPayload, for statements.
func FuzzStatement(f *testing.F) {
	f.Add(signStatement())
	f.Add([]byte(`{"_type":"https://in-toto.io/Statement/v0.1","subject":[{"digest":{"sha1":"x"}}],"predicateType":"y","predicate":[]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		sameAgain(t, data, func(data []byte) (claims, error) { return parseStatement(attestation.PayloadType, data) })
	})
}

func sameAgain(t *testing.T, data []byte, parse func([]byte) (claims, error)) {
	c, err := parse(data)
	if err != nil {
		if c.subjects != nil || c.predicateType != "" || c.reference != "" {
			t.Fatalf("%v, and still %+v", err, c)
		}
		return
	}
	if len(c.subjects) == 0 {
		t.Fatal("nothing is signed")
	}
	var v any
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("encoding/json does not read it: %v", err)
	}
	written, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	again, err := parse(written)
	if err != nil || len(again.subjects) != len(c.subjects) || again.reference != c.reference || again.predicateType != c.predicateType {
		t.Fatalf("written anew: %+v, %v; was %+v", again, err, c)
	}
}

// Law: no bytes but those that were signed verify as a bundle: whatever is valid has
// the payload that was signed. Nothing panics.
func FuzzBundle(f *testing.F) {
	w := signaturetest.New(f)
	key := signaturetest.Key(f)
	good := w.ByKey(key, signStatement(), signaturetest.StatementType).Bundle(image, 3).Content
	v := fuzzVerifier(f, w, key)
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add([]byte(`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{}},"dsseEnvelope":{"signatures":[{}]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := v.Verify(context.Background(), signed.Item{Kind: signed.Bundle, Content: data, Subject: image})
		soundResult(t, r, signStatement())
	})
}

// Law: as FuzzBundle, for envelopes.
func FuzzEnvelope(f *testing.F) {
	w := signaturetest.New(f)
	key := signaturetest.Key(f)
	item := w.ByKey(key, signStatement(), signaturetest.StatementType).Attestation(image)
	v := fuzzVerifier(f, w, key)
	f.Add(item.Content)
	f.Add([]byte(`{"payloadType":"","payload":"","signatures":[null]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		at := item
		at.Content = data
		soundResult(t, v.Verify(context.Background(), at), signStatement())
	})
}

// Law: whatever stands beside a payload, only the log's own entry makes it valid.
func FuzzLogAnnotation(f *testing.F) {
	w := signaturetest.New(f)
	key := signaturetest.Key(f)
	item := w.ByKey(key, simplePayload(), "").Simple(image)
	v := fuzzVerifier(f, w, key)
	f.Add(item.Annotations[rekorBundleKey])
	f.Add(`{"SignedEntryTimestamp":"AAAA","Payload":{"body":null}}`)
	f.Fuzz(func(t *testing.T, text string) {
		at := item
		at.Annotations = map[string]string{signatureKey: item.Annotations[signatureKey], rekorBundleKey: text}
		r := v.Verify(context.Background(), at)
		soundResult(t, r, simplePayload())
		if r.Valid && (len(r.Logs) != 1 || r.Logs[0].Index != 1234) {
			t.Fatalf("logs %+v", r.Logs)
		}
	})
}

// fuzzVerifier accepts one key.
func fuzzVerifier(f *testing.F, w *signaturetest.World, key crypto.Signer) *Verifier {
	f.Helper()
	accepted, err := ParseKeys(signaturetest.KeyPEM(f, key.Public()))
	if err != nil {
		f.Fatal(err)
	}
	trust, err := ParseTrustedRoot(w.TrustedRoot())
	if err != nil {
		f.Fatal(err)
	}
	v, err := New(Policy{Keys: accepted}, trust, nil)
	if err != nil {
		f.Fatal(err)
	}
	return v
}

// soundResult asserts what is true of every result.
func soundResult(t *testing.T, r signed.Result, payload []byte) {
	if r.Valid == (r.Reason != "") || !r.Valid && r.Detail == "" {
		t.Fatalf("valid %v with the reason %q, %q", r.Valid, r.Reason, r.Detail)
	}
	if r.Valid && (!r.Accepted || !bytes.Equal(r.Payload, payload)) {
		t.Fatalf("valid: %+v", r)
	}
	if r.Reason == signed.Malformed && bytes.Contains([]byte(r.Detail), []byte("brings down")) {
		t.Fatal(r.Detail)
	}
}
