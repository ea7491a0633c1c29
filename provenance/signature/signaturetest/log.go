package signaturetest

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/cyberphone/json-canonicalization/go/src/webpki.org/jsoncanonicalizer"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	tiles "github.com/sigstore/rekor-tiles/v2/pkg/generated/protobuf"
	tilesnote "github.com/sigstore/rekor-tiles/v2/pkg/note"
	"github.com/sigstore/rekor/pkg/util"
	sigstore "github.com/sigstore/sigstore/pkg/signature"
	formats "github.com/transparency-dev/formats/log"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
	"google.golang.org/protobuf/encoding/protojson"
)

func hexOf(data []byte) string { return hex.EncodeToString(data) }

func b64(data []byte) string { return base64.StdEncoding.EncodeToString(data) }

func hashOf(data []byte) map[string]string {
	sum := sha256.Sum256(data)
	return map[string]string{"algorithm": "sha256", "value": hexOf(sum[:])}
}

// Entry is an entry of a log, with its promise, its proof, or both.
type Entry struct {
	Kind, Version string
	Body          []byte
	At            time.Time
	Index         int64
	LogID         []byte
	Promise       []byte
	Proof         *protorekor.InclusionProof
}

func logID(w *World, key *ecdsa.PrivateKey) []byte {
	sum := sha256.Sum256(spki(w.t, key.Public()))
	return sum[:]
}

// Canonical is a JSON value in canonical form.
func (w *World) Canonical(v any) []byte {
	data, err := json.Marshal(v)
	w.must(err)
	data, err = jsoncanonicalizer.Transform(data)
	w.must(err)
	return data
}

// Body is the body of an entry of a signature, as Rekor v1 writes its kind.
func (w *World) Body(kind, version string, s *Signature) []byte {
	key := b64(s.verifier(w))
	var spec any
	switch kind + " " + version {
	case "hashedrekord 0.0.1":
		spec = map[string]any{"data": map[string]any{"hash": hashOf(s.Payload)}, "signature": map[string]any{"content": b64(s.Sig), "publicKey": map[string]any{"content": key}}}
	case "dsse 0.0.1":
		spec = map[string]any{"envelopeHash": hashOf(s.Envelope()), "payloadHash": hashOf(s.Payload), "signatures": []any{map[string]any{"signature": b64(s.Sig), "verifier": key}}}
	case "intoto 0.0.1":
		spec = map[string]any{"content": map[string]any{"hash": hashOf(s.Envelope())}, "publicKey": key}
	case "intoto 0.0.2":
		spec = map[string]any{"content": map[string]any{
			"envelope": map[string]any{"payloadType": s.PayloadType, "signatures": []any{map[string]any{"publicKey": key, "sig": b64([]byte(b64(s.Sig)))}}},
			"hash":     hashOf(s.Envelope()), "payloadHash": hashOf(s.Payload)}}
	default:
		w.t.Fatalf("no entries of the kind %s %s", kind, version)
	}
	return w.Canonical(map[string]any{"apiVersion": version, "kind": kind, "spec": spec})
}

// Log puts a signature into the Rekor v1 log.
func (w *World) Log(kind, version string, s *Signature, at time.Time) *Entry {
	e := &Entry{Kind: kind, Version: version, Body: w.Body(kind, version, s), At: at, Index: 1234, LogID: logID(w, w.LogKey)}
	w.Promise(e)
	w.Prove(e)
	return e
}

// Promise signs an entry as it is.
func (w *World) Promise(e *Entry) {
	over := w.Canonical(map[string]any{"body": b64(e.Body), "integratedTime": e.At.Unix(), "logID": hexOf(e.LogID), "logIndex": e.Index})
	sum := sha256.Sum256(over)
	sig, err := ecdsa.SignASN1(rand.Reader, w.LogKey, sum[:])
	w.must(err)
	e.Promise = sig
}

// Prove makes a tree of two entries, of which this is the second.
func (w *World) Prove(e *Entry) {
	before, leaf := rfc6962.DefaultHasher.HashLeaf([]byte("before")), rfc6962.DefaultHasher.HashLeaf(e.Body)
	top := rfc6962.DefaultHasher.HashChildren(before, leaf)
	signer, err := sigstore.LoadECDSASignerVerifier(w.LogKey, crypto.SHA256)
	w.must(err)
	checkpoint, err := util.CreateAndSignCheckpoint(context.Background(), "log.test", 77, 2, top, signer)
	w.must(err)
	e.Proof = &protorekor.InclusionProof{LogIndex: 1, TreeSize: 2, RootHash: top, Hashes: [][]byte{before}, Checkpoint: &protorekor.Checkpoint{Envelope: string(checkpoint)}}
}

// LogV2 puts a signature into the Rekor v2 log.
func (w *World) LogV2(s *Signature) *Entry {
	message := s.message()
	sum := sha256.Sum256(message)
	verifier := &tiles.Verifier{KeyDetails: protocommon.PublicKeyDetails_PKIX_ECDSA_P256_SHA_256}
	if s.Cert != nil {
		verifier.Verifier = &tiles.Verifier_X509Certificate{X509Certificate: &protocommon.X509Certificate{RawBytes: s.Cert.Raw}}
	} else {
		verifier.Verifier = &tiles.Verifier_PublicKey{PublicKey: &tiles.PublicKey{RawBytes: spki(w.t, s.Key.Public())}}
	}
	data, err := protojson.Marshal(&tiles.Entry{ApiVersion: "0.0.2", Kind: "hashedrekord", Spec: &tiles.Spec{Spec: &tiles.Spec_HashedRekordV002{HashedRekordV002: &tiles.HashedRekordLogEntryV002{
		Data:      &protocommon.HashOutput{Algorithm: protocommon.HashAlgorithm_SHA2_256, Digest: sum[:]},
		Signature: &tiles.Signature{Content: s.Sig, Verifier: verifier},
	}}}})
	w.must(err)
	body, err := jsoncanonicalizer.Transform(data)
	w.must(err)
	leaf := rfc6962.DefaultHasher.HashLeaf(body)
	signer, err := sigstore.LoadECDSASignerVerifier(w.LogV2Key, crypto.SHA256)
	w.must(err)
	by, err := tilesnote.NewNoteSigner(context.Background(), "log2.test", signer)
	w.must(err)
	checkpoint, err := note.Sign(&note.Note{Text: string(formats.Checkpoint{Origin: "log2.test", Size: 1, Hash: leaf}.Marshal())}, by)
	w.must(err)
	return &Entry{Kind: "hashedrekord", Version: "0.0.2", Body: body, LogID: logID(w, w.LogV2Key),
		Proof: &protorekor.InclusionProof{TreeSize: 1, RootHash: leaf, Checkpoint: &protorekor.Checkpoint{Envelope: string(checkpoint)}}}
}
