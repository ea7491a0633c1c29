package signature

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"maps"
	"net/url"
	"strings"
	"testing"
	"time"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"

	"github.com/imageverify/verify/provenance/signature/signaturetest"
	"github.com/imageverify/verify/provenance/signed"
)

// attack makes a signature wrong in one way.
type attack struct {
	name   string
	make   func(*testing.T, *signaturetest.World) signed.Item
	reason string
}

// refuseAll holds each attack against a policy that accepts what it was made from.
func refuseAll(t *testing.T, policy func(*testing.T) Policy, attacks []attack) {
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			w := signaturetest.New(t)
			item := a.make(t, w)
			r := verifier(t, w, policy(t)).Verify(context.Background(), item)
			if outcome(r) != a.reason {
				t.Errorf("%s: %s; want %s", outcome(r), r.Detail, a.reason)
			}
			if r.Detail == "" || strings.ContainsAny(r.Detail, "\n\r") || strings.Contains(r.Detail, "%!") {
				t.Errorf("the detail is no line: %q", r.Detail)
			}
		})
	}
}

// simpleWith is alice's signature of a payload that was changed before it was signed.
func simpleWith(old, new string) func(*testing.T, *signaturetest.World) signed.Item {
	return func(t *testing.T, w *signaturetest.World) signed.Item {
		payload := bytes.Replace(simplePayload(), []byte(old), []byte(new), 1)
		if bytes.Equal(payload, simplePayload()) {
			t.Fatalf("the payload has no %q", old)
		}
		return w.ByName(w.Leaf(alice, issuer), payload, "").Simple(image)
	}
}

// itemWith is alice's signature with the item changed after it was signed.
func itemWith(change func(*signed.Item)) func(*testing.T, *signaturetest.World) signed.Item {
	return func(_ *testing.T, w *signaturetest.World) signed.Item {
		item := stamped(w, named(w, "")).Simple(image)
		item.Annotations = maps.Clone(item.Annotations)
		change(&item)
		return item
	}
}

func annotation(name, value string) func(*testing.T, *signaturetest.World) signed.Item {
	return itemWith(func(i *signed.Item) { i.Annotations[name] = value })
}

func TestAttacksOnSimpleSigning(t *testing.T) {
	const prefix = "dev.sigstore.cosign/"
	refuseAll(t, func(*testing.T) Policy { return byAlice() }, []attack{
		{"another digest is signed", simpleWith(image.Hex, digestOf("other").Hex), signed.OtherDigest},
		{"the digest is under another algorithm", simpleWith("sha256:"+image.Hex, "sha512:"+strings.Repeat(image.Hex, 2)), signed.OtherDigest},
		{"the digest is in capitals", simpleWith(image.Hex, strings.ToUpper(image.Hex)), signed.Malformed},
		{"the digest is none", simpleWith("sha256:"+image.Hex, "latest"), signed.Malformed},
		{"the digest is null", simpleWith(`"sha256:`+image.Hex+`"`, "null"), signed.Malformed},
		{"critical.type is another", simpleWith("cosign container image signature", "atomic container signature"), signed.WrongType},
		{"critical.type is in capitals", simpleWith("cosign container image signature", "Cosign container image signature"), signed.WrongType},
		{"critical.type is missing", simpleWith(`,"type":"cosign container image signature"`, ""), signed.WrongType},
		{"critical.type is a number", simpleWith(`"cosign container image signature"`, "1"), signed.WrongType},
		{"critical has a name that nobody knows", simpleWith(`"critical":{`, `"critical":{"expires":"2020",`), signed.WrongType},
		{"Critical in other letters", simpleWith(`"critical"`, `"Critical"`), signed.Ambiguous},
		{"Image in other letters", simpleWith(`"image"`, `"Image"`), signed.Ambiguous},
		{"two digests", simpleWith(`"image":{`, `"image":{"docker-manifest-digest":"sha256:`+digestOf("other").Hex+`",`), signed.Ambiguous},
		{"two criticals", simpleWith(`{"critical"`, `{"critical":{},"critical"`), signed.Ambiguous},
		{"critical is null", func(_ *testing.T, w *signaturetest.World) signed.Item {
			return w.ByName(w.Leaf(alice, issuer), []byte(`{"critical":null}`), "").Simple(image)
		}, signed.Malformed},
		{"the payload is null", func(_ *testing.T, w *signaturetest.World) signed.Item {
			return w.ByName(w.Leaf(alice, issuer), []byte(`null`), "").Simple(image)
		}, signed.Malformed},
		{"the payload is a list", func(_ *testing.T, w *signaturetest.World) signed.Item {
			return w.ByName(w.Leaf(alice, issuer), []byte(`[]`), "").Simple(image)
		}, signed.Malformed},
		{"something after the payload", func(_ *testing.T, w *signaturetest.World) signed.Item {
			return w.ByName(w.Leaf(alice, issuer), append(simplePayload(), simplePayload()...), "").Simple(image)
		}, signed.Malformed},
		{"a payload of deep lists", func(_ *testing.T, w *signaturetest.World) signed.Item {
			return w.ByName(w.Leaf(alice, issuer), []byte(strings.Repeat("[", 100000)), "").Simple(image)
		}, signed.OverLimit},
		{"the payload was changed after signing", itemWith(func(i *signed.Item) { i.Content = bytes.Replace(i.Content, []byte("prod"), []byte("test"), 1) }), signed.BadSignature},
		{"the layer's media type is another", itemWith(func(i *signed.Item) { i.MediaType = "application/octet-stream" }), signed.WrongType},
		{"no signature", itemWith(func(i *signed.Item) { delete(i.Annotations, signatureKey) }), signed.Malformed},
		{"an empty signature", annotation(signatureKey, ""), signed.Malformed},
		{"a signature that is no base64", annotation(signatureKey, "!"), signed.Malformed},
		{"a signature with a line break", itemWith(func(i *signed.Item) { i.Annotations[signatureKey] = "\n" + i.Annotations[signatureKey] }), signed.Malformed},
		{"a bit of the signature is another", itemWith(func(i *signed.Item) {
			raw, _ := decodeBase64(i.Annotations[signatureKey])
			raw[len(raw)-1] ^= 1
			i.Annotations[signatureKey] = b64(raw)
		}), signed.BadSignature},
		{"garbage after the signature", itemWith(func(i *signed.Item) {
			raw, _ := decodeBase64(i.Annotations[signatureKey])
			i.Annotations[signatureKey] = b64(append(raw, 0))
		}), signed.BadSignature},
		{"no certificate", itemWith(func(i *signed.Item) { delete(i.Annotations, prefix+"certificate") }), signed.IdentityMismatch},
		{"a certificate that is none", annotation(prefix+"certificate", "x"), signed.CertificateBad},
		{"two certificates in the place of one", itemWith(func(i *signed.Item) { i.Annotations[prefix+"certificate"] += i.Annotations[prefix+"certificate"] }), signed.CertificateBad},
		{"a chain that is none", annotation(prefix+"chain", "x"), signed.CertificateBad},
		{"no log entry", itemWith(func(i *signed.Item) { delete(i.Annotations, prefix+"bundle") }), signed.NotInLog},
		{"a log entry that is null", annotation(prefix+"bundle", "null"), signed.Malformed},
		{"a log entry that is cut", itemWith(func(i *signed.Item) { i.Annotations[prefix+"bundle"] = i.Annotations[prefix+"bundle"][:100] }), signed.Malformed},
		{"a log entry without a payload", annotation(prefix+"bundle", `{"SignedEntryTimestamp":"AAAA"}`), signed.Malformed},
		{"a log entry whose body is a number", annotation(prefix+"bundle", `{"SignedEntryTimestamp":"AAAA","Payload":{"body":1,"integratedTime":1,"logIndex":1,"logID":"aa"}}`), signed.Malformed},
		{"a log entry whose body is null", annotation(prefix+"bundle", `{"SignedEntryTimestamp":"AAAA","Payload":{"body":null,"integratedTime":1,"logIndex":1,"logID":"aa"}}`), signed.Malformed},
		{"a log entry whose body is missing", annotation(prefix+"bundle", `{"SignedEntryTimestamp":"AAAA","Payload":{"integratedTime":1,"logIndex":1,"logID":"aa"}}`), signed.Malformed},
		{"a log entry whose body is an object", annotation(prefix+"bundle", `{"SignedEntryTimestamp":"AAAA","Payload":{"body":{},"integratedTime":1,"logIndex":1,"logID":"aa"}}`), signed.Malformed},
		{"a log entry whose time is a text", annotation(prefix+"bundle", `{"SignedEntryTimestamp":"AAAA","Payload":{"body":"AAAA","integratedTime":"1","logIndex":1,"logID":"aa"}}`), signed.Malformed},
		{"a log entry with two times", itemWith(func(i *signed.Item) {
			i.Annotations[prefix+"bundle"] = strings.Replace(i.Annotations[prefix+"bundle"], `"integratedTime"`, `"integratedTime":1,"integratedTime"`, 1)
		}), signed.Ambiguous},
		{"an annotation that is huge", annotation(prefix+"chain", strings.Repeat("x", maxAnnotation+1)), signed.OverLimit},
		{"another subject", itemWith(func(i *signed.Item) { i.Subject = digestOf("other") }), signed.OtherDigest},
	})
}

func b64(data []byte) string {
	text, _ := json.Marshal(data)
	return strings.Trim(string(text), `"`)
}

// nameWith is alice's signature with the parts that prove it changed before writing.
func nameWith(change func(*testing.T, *signaturetest.World, *signaturetest.Signature)) func(*testing.T, *signaturetest.World) signed.Item {
	return func(t *testing.T, w *signaturetest.World) signed.Item {
		s := named(w, "")
		change(t, w, s)
		return s.Simple(image)
	}
}

// leafWith is alice's signature by a certificate whose template was changed.
func leafWith(change func(*x509.Certificate, *signaturetest.World)) func(*testing.T, *signaturetest.World) signed.Item {
	return func(_ *testing.T, w *signaturetest.World) signed.Item {
		leaf := w.Leaf(alice, issuer)
		change(leaf, w)
		return w.ByName(leaf, simplePayload(), "").Simple(image)
	}
}

func TestAttacksOnCertificates(t *testing.T) {
	refuseAll(t, func(*testing.T) Policy { return byAlice() }, []attack{
		{"another name", leafWith(func(c *x509.Certificate, _ *signaturetest.World) {
			c.URIs = []*url.URL{{Scheme: "https", Host: "github.com", Path: "/mallory/app"}}
		}), signed.IdentityMismatch},
		{"a name that begins as the accepted one", leafWith(func(c *x509.Certificate, _ *signaturetest.World) {
			u, _ := url.Parse(alice + "0")
			c.URIs = []*url.URL{u}
		}), signed.IdentityMismatch},
		{"another issuer", leafWith(func(c *x509.Certificate, w *signaturetest.World) {
			*c = *w.Leaf(alice, "https://issuer.evil.test")
		}), signed.IdentityMismatch},
		{"no issuer", leafWith(func(c *x509.Certificate, _ *signaturetest.World) { c.ExtraExtensions = nil }), signed.IdentityMismatch},
		{"two issuers that contradict each other", leafWith(func(c *x509.Certificate, _ *signaturetest.World) {
			c.ExtraExtensions[0].Value = []byte("https://issuer.evil.test")
		}), signed.CertificateBad},
		{"an issuer with bytes after it", leafWith(func(c *x509.Certificate, _ *signaturetest.World) {
			c.ExtraExtensions[1].Value = append(c.ExtraExtensions[1].Value, 0)
		}), signed.CertificateBad},
		{"two names", leafWith(func(c *x509.Certificate, _ *signaturetest.World) { c.EmailAddresses = []string{"mallory@evil.test"} }), signed.CertificateBad},
		{"no name", leafWith(func(c *x509.Certificate, _ *signaturetest.World) { c.URIs = nil }), signed.CertificateBad},
		{"no extended usage", leafWith(func(c *x509.Certificate, _ *signaturetest.World) { c.ExtKeyUsage = nil }), signed.CertificateBad},
		{"the usage of a server", leafWith(func(c *x509.Certificate, _ *signaturetest.World) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		}), signed.CertificateBad},
		{"an authority's certificate", leafWith(func(c *x509.Certificate, _ *signaturetest.World) {
			c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageDigitalSignature
		}), signed.CertificateBad},
		{"not for signatures", leafWith(func(c *x509.Certificate, _ *signaturetest.World) { c.KeyUsage = x509.KeyUsageKeyAgreement }), signed.CertificateBad},
		{"from the future", leafWith(func(c *x509.Certificate, w *signaturetest.World) {
			c.NotBefore, c.NotAfter = w.Now.Add(time.Hour), w.Now.Add(2*time.Hour)
		}), signed.FromTheFuture},
		{"used before its life", leafWith(func(c *x509.Certificate, w *signaturetest.World) { c.NotBefore = w.Now.Add(30 * time.Second) }), signed.OutsideValidity},
		{"used after its life", leafWith(func(c *x509.Certificate, w *signaturetest.World) { c.NotAfter = w.Now.Add(-time.Second) }), signed.OutsideValidity},
		{"a key of P-224", func(t *testing.T, w *signaturetest.World) signed.Item {
			key, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
			return certified(t, w, key, err)
		}, signed.WeakKey},
		{"an RSA key of 1,024 bits", func(t *testing.T, w *signaturetest.World) signed.Item {
			t.Setenv("GODEBUG", "rsa1024min=0")
			key, err := rsa.GenerateKey(rand.Reader, 1024)
			return certified(t, w, key, err)
		}, signed.WeakKey},
		{"of its own making", nameWith(func(_ *testing.T, w *signaturetest.World, s *signaturetest.Signature) {
			s.Cert = w.Issue(w.Leaf(alice, issuer), nil, nil, s.Key.Public(), s.Key)
			s.Entries = []*signaturetest.Entry{w.Log("hashedrekord", "0.0.1", s, w.Now)}
		}), signed.Untrusted},
		{"of another authority", func(t *testing.T, w *signaturetest.World) signed.Item {
			other := signaturetest.New(t)
			s := other.ByName(other.Leaf(alice, issuer), simplePayload(), "")
			s.Entries = []*signaturetest.Entry{w.Log("hashedrekord", "0.0.1", s, w.Now)}
			return s.Simple(image)
		}, signed.Untrusted},
		{"under an authority that had expired", func(_ *testing.T, w *signaturetest.World) signed.Item {
			w.Intermediate = w.NewIntermediate(&x509.Certificate{Subject: w.Intermediate.Subject, NotBefore: w.Now.Add(-2 * time.Hour), NotAfter: w.Now.Add(-30 * time.Second),
				KeyUsage: x509.KeyUsageCertSign, BasicConstraintsValid: true, IsCA: true})
			return named(w, "").Simple(image)
		}, signed.ChainExpired},
		{"under an authority that was not yet", func(_ *testing.T, w *signaturetest.World) signed.Item {
			w.Intermediate = w.NewIntermediate(&x509.Certificate{Subject: w.Intermediate.Subject, NotBefore: w.Now.Add(10 * time.Second), NotAfter: w.Now.Add(time.Hour),
				KeyUsage: x509.KeyUsageCertSign, BasicConstraintsValid: true, IsCA: true})
			return named(w, "").Simple(image)
		}, signed.ChainExpired},
		{"without a certificate log's promise", nameWith(func(_ *testing.T, w *signaturetest.World, s *signaturetest.Signature) {
			s.Cert = w.Issue(w.Leaf(alice, issuer), w.Intermediate, w.IntermediateKey, s.Key.Public(), nil)
			s.Entries = []*signaturetest.Entry{w.Log("hashedrekord", "0.0.1", s, w.Now)}
		}), signed.NoSCT},
		{"promised by another certificate log", nameWith(func(t *testing.T, w *signaturetest.World, s *signaturetest.Signature) {
			mine := w.CTKey
			w.CTKey = signaturetest.Key(t)
			s.Cert = w.Certify(w.Leaf(alice, issuer), s.Key.Public())
			w.CTKey = mine
			s.Entries = []*signaturetest.Entry{w.Log("hashedrekord", "0.0.1", s, w.Now)}
		}), signed.NoSCT},
		{"of another key", nameWith(func(t *testing.T, w *signaturetest.World, s *signaturetest.Signature) {
			s.Cert = w.Certify(w.Leaf(alice, issuer), signaturetest.Key(t).Public())
			s.Entries = []*signaturetest.Entry{w.Log("hashedrekord", "0.0.1", s, w.Now)}
		}), signed.BadSignature},
	})
}

// certified is alice's signature by a certificate of a key.
func certified(t *testing.T, w *signaturetest.World, key crypto.Signer, err error) signed.Item {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	s := w.Sign(key, simplePayload(), "")
	s.Cert = w.Certify(w.Leaf(alice, issuer), key.Public())
	s.Entries = []*signaturetest.Entry{w.Log("hashedrekord", "0.0.1", s, w.Now)}
	return s.Simple(image)
}

// entryWith is alice's signature with its log entry changed.
func entryWith(change func(*signaturetest.World, *signaturetest.Signature, *signaturetest.Entry)) func(*testing.T, *signaturetest.World) signed.Item {
	return func(_ *testing.T, w *signaturetest.World) signed.Item {
		s := named(w, signaturetest.StatementType)
		change(w, s, s.Entries[0])
		return s.Bundle(image, 3)
	}
}

func TestAttacksOnLogEntries(t *testing.T) {
	type sig = signaturetest.Signature
	type entry = signaturetest.Entry
	type world = signaturetest.World
	again := func(w *world, e *entry) { w.Promise(e); w.Prove(e) }
	refuseAll(t, func(*testing.T) Policy { return byAlice() }, []attack{
		{"none", entryWith(func(_ *world, s *sig, _ *entry) { s.Entries = nil }), signed.NotInLog},
		{"of a log that is not trusted", entryWith(func(_ *world, _ *sig, e *entry) { e.LogID = bytes.Repeat([]byte{1}, 32) }), signed.LogUnknown},
		{"of another signature", entryWith(func(w *world, s *sig, e *entry) {
			other := *s
			other.Sign(w)
			e.Body = w.Body("dsse", "0.0.1", &other)
			again(w, e)
		}), signed.LogMismatch},
		{"of another content", entryWith(func(w *world, s *sig, e *entry) {
			other := *s
			other.Payload = signaturetest.Statement(digestOf("other"), signaturetest.SignPredicate)
			e.Body = w.Body("dsse", "0.0.1", &other)
			again(w, e)
		}), signed.LogMismatch},
		{"of another certificate of the same key", entryWith(func(w *world, s *sig, e *entry) {
			other := *s
			other.Cert = w.Certify(w.Leaf("mallory@evil.test", issuer), s.Key.Public())
			e.Body = w.Body("dsse", "0.0.1", &other)
			again(w, e)
		}), signed.LogMismatch},
		{"of the bare key", entryWith(func(w *world, s *sig, e *entry) {
			other := *s
			other.Cert = nil
			e.Body = w.Body("dsse", "0.0.1", &other)
			again(w, e)
		}), signed.LogMismatch},
		{"of another kind of signature", entryWith(func(w *world, s *sig, e *entry) {
			e.Kind = "hashedrekord"
			e.Body = w.Body("hashedrekord", "0.0.1", s)
			again(w, e)
		}), signed.LogMismatch},
		{"of another kind than it says", entryWith(func(w *world, s *sig, e *entry) { e.Kind = "intoto" }), signed.LogMismatch},
		{"of a kind that nobody knows", entryWith(func(w *world, _ *sig, e *entry) {
			e.Kind, e.Body = "jar", w.Canonical(map[string]any{"kind": "jar", "apiVersion": "0.0.1", "spec": map[string]any{}})
			again(w, e)
		}), signed.LogMismatch},
		{"whose body is no JSON", entryWith(func(w *world, _ *sig, e *entry) { e.Body = []byte("{"); again(w, e) }), signed.Malformed},
		{"whose body says its kind twice", entryWith(func(w *world, _ *sig, e *entry) {
			e.Body = bytes.Replace(e.Body, []byte(`"kind"`), []byte(`"kind":"x","kind"`), 1)
			again(w, e)
		}), signed.Ambiguous},
		{"at another time", entryWith(func(_ *world, _ *sig, e *entry) { e.At = e.At.Add(time.Second) }), signed.BadLogEntry},
		{"at another place", entryWith(func(_ *world, _ *sig, e *entry) { e.Index++ }), signed.BadLogEntry},
		{"with a promise of another key", entryWith(func(w *world, _ *sig, e *entry) {
			mine := w.LogKey
			w.LogKey = w.LogV2Key
			w.Promise(e)
			w.LogKey = mine
		}), signed.BadLogEntry},
		{"with a promise that is cut", entryWith(func(_ *world, _ *sig, e *entry) { e.Promise = e.Promise[:10] }), signed.BadLogEntry},
		{"after the log's key was trusted", entryWith(func(w *world, _ *sig, e *entry) { e.At = w.Now.Add(-25 * time.Hour); again(w, e) }), signed.BadLogEntry},
		{"in the future", entryWith(func(w *world, _ *sig, e *entry) { e.At = w.Now.Add(5 * time.Minute); again(w, e) }), signed.FromTheFuture},
		{"outside the certificate's life", entryWith(func(w *world, _ *sig, e *entry) { e.At = w.Now.Add(-time.Hour); again(w, e) }), signed.OutsideValidity},
		{"with a proof for another entry", entryWith(func(w *world, _ *sig, e *entry) { e.Proof.Hashes[0][0] ^= 1 }), signed.BadLogEntry},
		{"with a proof at another place", entryWith(func(w *world, _ *sig, e *entry) { e.Proof.LogIndex = 0 }), signed.BadLogEntry},
		{"with a proof for a tree of another size", entryWith(func(w *world, _ *sig, e *entry) { e.Proof.TreeSize = 3 }), signed.BadLogEntry},
		{"with a proof without hashes", entryWith(func(w *world, _ *sig, e *entry) { e.Proof.Hashes = nil }), signed.BadLogEntry},
		{"with a proof to another root", entryWith(func(w *world, _ *sig, e *entry) { e.Proof.RootHash[0] ^= 1 }), signed.BadLogEntry},
		{"with a checkpoint of another tree", entryWith(func(w *world, _ *sig, e *entry) {
			other := &signaturetest.Entry{Body: []byte("other")}
			w.Prove(other)
			e.Proof.Checkpoint = other.Proof.Checkpoint
		}), signed.BadLogEntry},
		{"with a checkpoint of another key", entryWith(func(w *world, _ *sig, e *entry) {
			mine := w.LogKey
			w.LogKey = w.LogV2Key
			w.Prove(e)
			w.LogKey = mine
		}), signed.BadLogEntry},
		{"with a checkpoint that is none", entryWith(func(w *world, _ *sig, e *entry) { e.Proof.Checkpoint.Envelope = "x\n" }), signed.BadLogEntry},
		{"of Rekor v2 for another signature", entryWith(func(w *world, s *sig, _ *entry) {
			s.Stamp(w, w.Now)
			s.Entries = []*entry{w.LogV2(inSecondLog(w))}
		}), signed.BadLogEntry},
		{"of Rekor v2 with a promise", entryWith(func(w *world, s *sig, _ *entry) {
			s.Stamp(w, w.Now)
			s.Entries = []*entry{w.LogV2(s)}
			s.Entries[0].Promise = []byte("x")
		}), signed.BadLogEntry},
		{"of Rekor v2 with a time", entryWith(func(w *world, s *sig, _ *entry) {
			s.Entries = []*entry{w.LogV2(s)}
			s.Entries[0].At = w.Now
		}), signed.BadLogEntry},
		{"of Rekor v2 with a checkpoint of version 1", entryWith(func(w *world, s *sig, e *entry) {
			checkpoint := e.Proof.Checkpoint
			s.Entries = []*entry{w.LogV2(s)}
			s.Entries[0].Proof.Checkpoint = checkpoint
		}), signed.BadLogEntry},
		{"of Rekor v2 with a proof that is cut", entryWith(func(w *world, s *sig, _ *entry) {
			s.Stamp(w, w.Now)
			s.Entries = []*entry{w.LogV2(s)}
			s.Entries[0].Proof.TreeSize, s.Entries[0].Index = 2, 1
		}), signed.BadLogEntry},
		{"of Rekor v1 that calls itself version 2", entryWith(func(w *world, s *sig, e *entry) {
			e.Kind, e.Version, e.Promise, e.At = "hashedrekord", "0.0.2", nil, time.Time{}
			s.Stamp(w, w.Now)
		}), signed.BadLogEntry},
	})
}

func TestAttacksOnTimestamps(t *testing.T) {
	type sig = signaturetest.Signature
	type world = signaturetest.World
	untimed := func(change func(*world, *sig)) func(*testing.T, *world) signed.Item {
		return func(_ *testing.T, w *world) signed.Item {
			s := named(w, signaturetest.StatementType)
			s.Entries[0].Promise = nil
			change(w, s)
			return s.Bundle(image, 3)
		}
	}
	refuseAll(t, func(*testing.T) Policy { p := byAlice(); p.DemandTimestamp = true; return p }, []attack{
		{"none", untimed(func(*world, *sig) {}), signed.NoTimestamp},
		{"over another signature", untimed(func(w *world, s *sig) { s.Stamps = [][]byte{w.Stamp([]byte("other"), w.Now)} }), signed.BadTimestamp},
		{"that does not parse", untimed(func(w *world, s *sig) { s.Stamps = [][]byte{[]byte("x")} }), signed.BadTimestamp},
		{"that is cut", untimed(func(w *world, s *sig) { s.Stamps = [][]byte{w.Stamp(s.Sig, w.Now)[:500]} }), signed.BadTimestamp},
		{"outside the certificate's life", untimed(func(w *world, s *sig) { s.Stamp(w, w.Now.Add(-30*time.Minute)) }), signed.OutsideValidity},
		{"in the future", untimed(func(w *world, s *sig) { s.Stamp(w, w.Now.Add(8*time.Minute)) }), signed.FromTheFuture},
		{"outside the authority's own life", untimed(func(w *world, s *sig) { s.Stamp(w, w.Now.Add(-2*time.Hour)) }), signed.BadTimestamp},
		{"of another authority", func(t *testing.T, w *world) signed.Item {
			other := signaturetest.New(t)
			return untimed(func(_ *world, s *sig) { s.Stamp(other, w.Now) })(t, w)
		}, signed.BadTimestamp},
	})
}

// bundleWith is alice's bundle with the bundle changed.
func bundleWith(change func(*protobundle.Bundle)) func(*testing.T, *signaturetest.World) signed.Item {
	return func(_ *testing.T, w *signaturetest.World) signed.Item {
		b := named(w, signaturetest.StatementType).Proto(3)
		change(b)
		return signaturetest.BundleItem(b, image)
	}
}

// statementWith is alice's bundle of a statement that was changed before it was signed.
func statementWith(old, new string) func(*testing.T, *signaturetest.World) signed.Item {
	return func(t *testing.T, w *signaturetest.World) signed.Item {
		payload := bytes.Replace(signStatement(), []byte(old), []byte(new), 1)
		if bytes.Equal(payload, signStatement()) {
			t.Fatalf("the statement has no %q: %s", old, signStatement())
		}
		return w.ByName(w.Leaf(alice, issuer), payload, signaturetest.StatementType).Bundle(image, 3)
	}
}

func TestAttacksOnBundles(t *testing.T) {
	refuseAll(t, func(*testing.T) Policy { return byAlice() }, []attack{
		{"the statement is of another digest", statementWith(image.Hex, digestOf("other").Hex), signed.OtherDigest},
		{"the digest is in capitals", statementWith(image.Hex, strings.ToUpper(image.Hex)), signed.Malformed},
		{"the digest is under another algorithm", statementWith(`"sha256":"`+image.Hex, `"sha512":"`+image.Hex+image.Hex), signed.OtherDigest},
		{"SHA256 in other letters", statementWith(`"sha256"`, `"SHA256"`), signed.Ambiguous},
		{"the subject is null", statementWith(`"subject":[{"digest":{"sha256":"`+image.Hex+`"},"name":""}]`, `"subject":null`), signed.Malformed},
		{"there is no subject", statementWith(`"subject":[{"digest":{"sha256":"`+image.Hex+`"},"name":""}]`, `"subject":[]`), signed.Malformed},
		{"a subject is null", statementWith(`[{"digest":{"sha256":"`+image.Hex+`"},"name":""}]`, `[null]`), signed.Malformed},
		{"a subject without a digest", statementWith(`"digest":{"sha256":"`+image.Hex+`"},`, ``), signed.Malformed},
		{"SUBJECT in other letters", statementWith(`"subject"`, `"SUBJECT"`), signed.Ambiguous},
		{"PREDICATETYPE in other letters", statementWith(`"predicateType"`, `"PREDICATETYPE"`), signed.Ambiguous},
		{"two subjects lists", statementWith(`"subject"`, `"subject":[],"subject"`), signed.Ambiguous},
		{"two predicate types", statementWith(`"predicateType"`, `"predicateType":"x","predicateType"`), signed.Ambiguous},
		{"no predicate type", statementWith(`"predicateType":"`+signaturetest.SignPredicate+`",`, ``), signed.Malformed},
		{"the statement's type is unknown", statementWith("Statement/v1", "Statement/v9"), signed.WrongType},
		{"the statement has no type", statementWith(`"_type":"https://in-toto.io/Statement/v1",`, ``), signed.WrongType},
		{"the payload's type is another", func(_ *testing.T, w *signaturetest.World) signed.Item {
			return w.ByName(w.Leaf(alice, issuer), signStatement(), "text/plain").Bundle(image, 3)
		}, signed.WrongType},
		{"the payload's type was changed after signing", bundleWith(func(b *protobundle.Bundle) { b.GetDsseEnvelope().PayloadType = "text/plain" }), signed.WrongType},
		{"the payload was changed after signing", bundleWith(func(b *protobundle.Bundle) {
			b.GetDsseEnvelope().Payload = signaturetest.Statement(image, "https://slsa.dev/provenance/v1")
		}), signed.BadSignature},
		{"no signature", bundleWith(func(b *protobundle.Bundle) { b.GetDsseEnvelope().Signatures = nil }), signed.Malformed},
		{"an empty signature", bundleWith(func(b *protobundle.Bundle) { b.GetDsseEnvelope().Signatures[0].Sig = nil }), signed.Malformed},
		{"two signatures", bundleWith(func(b *protobundle.Bundle) {
			b.GetDsseEnvelope().Signatures = append(b.GetDsseEnvelope().Signatures, b.GetDsseEnvelope().Signatures[0])
		}), signed.Malformed},
		{"nothing in it", bundleWith(func(b *protobundle.Bundle) { b.Content = nil }), signed.Malformed},
		{"nobody in it", bundleWith(func(b *protobundle.Bundle) { b.VerificationMaterial = nil }), signed.Malformed},
		{"an empty certificate", bundleWith(func(b *protobundle.Bundle) { b.VerificationMaterial.GetCertificate().RawBytes = nil }), signed.CertificateBad},
		{"no media type", bundleWith(func(b *protobundle.Bundle) { b.MediaType = "" }), signed.WrongType},
		{"a version that is not yet", bundleWith(func(b *protobundle.Bundle) { b.MediaType = "application/vnd.dev.sigstore.bundle.v0.4+json" }), signed.WrongType},
		{"version 0.3 that calls itself 0.2", bundleWith(func(b *protobundle.Bundle) { b.MediaType = signaturetest.BundleMediaType(2) }), signed.WrongType},
		{"version 0.2 that calls itself 0.3", func(_ *testing.T, w *signaturetest.World) signed.Item {
			b := named(w, signaturetest.StatementType).Proto(2)
			b.MediaType = signaturetest.BundleMediaType(3)
			return signaturetest.BundleItem(b, image)
		}, signed.WrongType},
		{"version 0.1 without a promise", func(_ *testing.T, w *signaturetest.World) signed.Item {
			b := stamped(w, named(w, signaturetest.StatementType)).Proto(1)
			b.VerificationMaterial.TlogEntries[0].InclusionPromise = nil
			return signaturetest.BundleItem(b, image)
		}, signed.WrongType},
		{"version 0.3 without a proof", bundleWith(func(b *protobundle.Bundle) { b.VerificationMaterial.TlogEntries[0].InclusionProof = nil }), signed.WrongType},
		{"a layer of another version", func(_ *testing.T, w *signaturetest.World) signed.Item {
			item := named(w, signaturetest.StatementType).Bundle(image, 3)
			item.MediaType = signaturetest.BundleMediaType(2)
			return item
		}, signed.WrongType},
		{"a log entry without its kind", bundleWith(func(b *protobundle.Bundle) { b.VerificationMaterial.TlogEntries[0].KindVersion = nil }), signed.Malformed},
		{"a log entry without its body", bundleWith(func(b *protobundle.Bundle) { b.VerificationMaterial.TlogEntries[0].CanonicalizedBody = nil }), signed.Malformed},
		{"a log entry without its log", bundleWith(func(b *protobundle.Bundle) { b.VerificationMaterial.TlogEntries[0].LogId = nil }), signed.Malformed},
		{"33 log entries", bundleWith(func(b *protobundle.Bundle) {
			for range maxEntries {
				b.VerificationMaterial.TlogEntries = append(b.VerificationMaterial.TlogEntries, b.VerificationMaterial.TlogEntries[0])
			}
		}), signed.OverLimit},
		{"a field twice", func(_ *testing.T, w *signaturetest.World) signed.Item {
			item := named(w, signaturetest.StatementType).Bundle(image, 3)
			item.Content = bytes.Replace(item.Content, []byte("{"), []byte(`{"mediaType":"x",`), 1)
			return item
		}, signed.Ambiguous},
		{"a bundle that is null", func(_ *testing.T, w *signaturetest.World) signed.Item {
			return signed.Item{Kind: signed.Bundle, Content: []byte("null"), Subject: image}
		}, signed.Malformed},
		{"a bundle that is empty", func(_ *testing.T, w *signaturetest.World) signed.Item {
			return signed.Item{Kind: signed.Bundle, Subject: image}
		}, signed.Malformed},
		{"a bundle over the bound", func(_ *testing.T, w *signaturetest.World) signed.Item {
			return signed.Item{Kind: signed.Bundle, Subject: image, Content: make([]byte, maxPayload+1)}
		}, signed.OverLimit},
	})
}

// envelopeWith is alice's attestation with its envelope changed after it was signed.
func envelopeWith(old, new string) func(*testing.T, *signaturetest.World) signed.Item {
	return func(t *testing.T, w *signaturetest.World) signed.Item {
		item := named(w, signaturetest.StatementType).Attestation(image)
		changed := bytes.Replace(item.Content, []byte(old), []byte(new), 1)
		if bytes.Equal(changed, item.Content) {
			t.Fatalf("the envelope has no %q: %s", old, item.Content)
		}
		item.Content = changed
		return item
	}
}

func TestAttacksOnEnvelopes(t *testing.T) {
	of := func(content string) func(*testing.T, *signaturetest.World) signed.Item {
		return func(_ *testing.T, w *signaturetest.World) signed.Item {
			item := named(w, signaturetest.StatementType).Attestation(image)
			item.Content = []byte(content)
			return item
		}
	}
	refuseAll(t, func(*testing.T) Policy { return byAlice() }, []attack{
		{"null", of("null"), signed.Malformed},
		{"empty", of(""), signed.Malformed},
		{"no signatures", of(`{"payloadType":"application/vnd.in-toto+json","payload":"e30=","signatures":[]}`), signed.Malformed},
		{"null signatures", of(`{"payloadType":"application/vnd.in-toto+json","payload":"e30=","signatures":null}`), signed.Malformed},
		{"a null signature", of(`{"payloadType":"application/vnd.in-toto+json","payload":"e30=","signatures":[null]}`), signed.Malformed},
		{"a signature that is a number", of(`{"payloadType":"application/vnd.in-toto+json","payload":"e30=","signatures":[{"sig":1}]}`), signed.Malformed},
		{"a payload that is null", of(`{"payloadType":"application/vnd.in-toto+json","payload":null,"signatures":[{"sig":"AAAA"}]}`), signed.Malformed},
		{"two payloads", envelopeWith(`"payload"`, `"payload":"e30=","payload"`), signed.Ambiguous},
		{"PAYLOAD in other letters", envelopeWith(`"payload"`, `"PAYLOAD":"e30=","payload"`), signed.Ambiguous},
		{"SIGNATURES in other letters", envelopeWith(`"signatures"`, `"Signatures"`), signed.Ambiguous},
		{"another payload type", envelopeWith("application/vnd.in-toto+json", "text/plain"), signed.WrongType},
		{"something after it", envelopeWith(`{"payload"`, `{} {"payload"`), signed.Malformed},
		{"a certificate in it that is none", envelopeWith(`"sig":`, `"cert":"x","sig":`), signed.CertificateBad},
		{"the layer's media type is another", func(t *testing.T, w *signaturetest.World) signed.Item {
			item := named(w, signaturetest.StatementType).Attestation(image)
			item.MediaType = "application/json"
			return item
		}, signed.WrongType},
		{"a signature over another envelope", func(t *testing.T, w *signaturetest.World) signed.Item {
			s := named(w, signaturetest.StatementType)
			s.Payload = signaturetest.Statement(digestOf("other"), signaturetest.SignPredicate)
			s.Sign(w)
			s.Payload = signStatement()
			return s.Attestation(image)
		}, signed.BadSignature},
		{"a signature over the bare payload", func(t *testing.T, w *signaturetest.World) signed.Item {
			s := named(w, "")
			s.Payload, s.PayloadType = signStatement(), ""
			s.Sign(w)
			s.PayloadType = signaturetest.StatementType
			return s.Attestation(image)
		}, signed.BadSignature},
		{"an envelope that was logged otherwise", func(t *testing.T, w *signaturetest.World) signed.Item {
			item := loggedAs(w, "0.0.1").Attestation(image)
			item.Content = append(item.Content, '\n')
			return item
		}, signed.LogMismatch},
	})
}

func TestAttacksOnTheUsersAuthority(t *testing.T) {
	w, other := signaturetest.New(t), signaturetest.New(t)
	for name, c := range map[string]struct {
		roots, intermediates *signaturetest.World
		reason               string
	}{
		"its own root finds the way through the signature's chain": {w, nil, "valid"},
		"its own root and intermediates":                           {w, w, "valid"},
		"another root":                                             {other, nil, signed.Untrusted},
		"another root, with the right intermediates":               {other, w, signed.Untrusted},
	} {
		t.Run(name, func(t *testing.T) {
			var between []byte
			if c.intermediates != nil {
				between = signaturetest.CertificatePEM(c.intermediates.Intermediate)
			}
			authority, err := NewAuthority(signaturetest.CertificatePEM(c.roots.Root), between)
			if err != nil {
				t.Fatal(err)
			}
			p := byAlice()
			p.Authority = authority
			if r := verifier(t, w, p).Verify(context.Background(), named(w, "").Simple(image)); outcome(r) != c.reason {
				t.Errorf("%s: %s; want %s", outcome(r), r.Detail, c.reason)
			}
		})
	}
}

// Cosign puts the timestamp of an attestation over the whole envelope.
func TestAnAttestationsTimestampIsOverItsEnvelope(t *testing.T) {
	w := signaturetest.New(t)
	p := byAlice()
	p.DemandTimestamp = true
	for reason, over := range map[string]func(*signaturetest.Signature) []byte{
		"valid":             func(s *signaturetest.Signature) []byte { return s.Envelope() },
		signed.BadTimestamp: func(s *signaturetest.Signature) []byte { return s.Sig },
	} {
		s := named(w, signaturetest.StatementType)
		s.Stamps = [][]byte{w.Stamp(over(s), w.Now)}
		if r := verifier(t, w, p).Verify(context.Background(), s.Attestation(image)); outcome(r) != reason {
			t.Errorf("%s: %s; want %s", outcome(r), r.Detail, reason)
		}
	}
}
