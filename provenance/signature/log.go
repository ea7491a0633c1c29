package signature

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/rekor/pkg/generated/models"
	rekorverify "github.com/sigstore/rekor/pkg/verify"
	"github.com/sigstore/sigstore-go/pkg/root"
	sigstore "github.com/sigstore/sigstore/pkg/signature"

	"github.com/imageverify/verify/provenance/signed"
)

// logEntry is an entry of a transparency log, as it was handed in.
type logEntry struct {
	body       []byte
	integrated int64
	index      int64
	log        string // the log's ID in hex
	promise    []byte
	// kind and version are the bundle's word for what body is; "" for cosign's.
	kind, version string
	// proto is the bundle's entry, nil for cosign's.
	proto *protorekor.TransparencyLogEntry
}

// verifiedEntry is an entry that was proved.
type verifiedEntry struct {
	signed.LogEntry
	at *signed.Time
}

// hashedV2 is the kind of Rekor v2's entries.
const hashedV2 = "hashedrekord 0.0.2"

// checkEntry proves that a log has an entry of the entity's signature. The error is a
// *fault.
func (v *Verifier) checkEntry(e *entity, entry logEntry, key Key) (verifiedEntry, error) {
	log, known := v.trust.material.RekorLogs()[entry.log]
	if !known {
		return verifiedEntry{}, faultf(signed.LogUnknown, "the log %s is none of the trusted root's", entry.log)
	}
	out := verifiedEntry{LogEntry: signed.LogEntry{Log: log.BaseURL, ID: entry.log, Index: entry.index}}
	if entry.kind+" "+entry.version == hashedV2 {
		out.Proof = true
		return out, v.checkV2(e, entry, key)
	}
	if err := checkBody(e, entry, key); err != nil {
		return out, err
	}
	if len(entry.promise) == 0 && entry.proto.GetInclusionProof() == nil {
		return out, faultf(signed.BadLogEntry, "the entry %d of %s has neither promise nor proof", entry.index, log.BaseURL)
	}
	if len(entry.promise) > 0 {
		at, err := checkPromise(entry, log)
		if err != nil {
			return out, faultf(signed.BadLogEntry, "the entry %d of %s: %v", entry.index, log.BaseURL, err)
		}
		out.at = &signed.Time{Time: at, By: log.BaseURL}
	}
	if entry.proto.GetInclusionProof() != nil {
		out.Proof = true
		if out.at == nil {
			out.Index = entry.proto.GetInclusionProof().GetLogIndex() // the only one that is proved
		}
		if err := checkProof(entry, log); err != nil {
			return out, faultf(signed.BadLogEntry, "the entry %d of %s: %v", entry.index, log.BaseURL, err)
		}
	}
	return out, nil
}

// checkPromise verifies a signed entry timestamp: the log's signature over body, time
// and place. What is signed is the canonical JSON (RFC 8785) of the four: texts here
// are base64 and hex, and the numbers are whole.
func checkPromise(entry logEntry, log *root.TransparencyLog) (time.Time, error) {
	at := time.Unix(entry.integrated, 0)
	if entry.integrated == 0 {
		return at, errors.New("it has no time")
	}
	if at.Before(log.ValidityPeriodStart) || !log.ValidityPeriodEnd.IsZero() && at.After(log.ValidityPeriodEnd) {
		return at, errors.New("its time is outside the time for which the log's key is trusted")
	}
	key, ok := log.PublicKey.(*ecdsa.PublicKey)
	if !ok {
		return at, fmt.Errorf("the log's key is a %T", log.PublicKey)
	}
	text := fmt.Sprintf(`{"body":%q,"integratedTime":%d,"logID":%q,"logIndex":%d}`,
		base64.StdEncoding.EncodeToString(entry.body), entry.integrated, entry.log, entry.index)
	if sum := sha256.Sum256([]byte(text)); !ecdsa.VerifyASN1(key, sum[:], entry.promise) {
		return at, errors.New("the log's promise is not over it")
	}
	return at, nil
}

// checkProof verifies a Rekor v1 proof of inclusion, with its checkpoint.
func checkProof(entry logEntry, log *root.TransparencyLog) error {
	p := entry.proto.GetInclusionProof()
	if p.GetCheckpoint().GetEnvelope() == "" {
		return errors.New("its proof has no checkpoint")
	}
	verifier, err := sigstore.LoadVerifier(log.PublicKey, log.SignatureHashFunc)
	if err != nil {
		return err
	}
	hashes := make([]string, len(p.GetHashes()))
	for i, h := range p.GetHashes() {
		hashes[i] = hex.EncodeToString(h)
	}
	index, size, rootHash, checkpoint := p.GetLogIndex(), p.GetTreeSize(), hex.EncodeToString(p.GetRootHash()), p.GetCheckpoint().GetEnvelope()
	anon := &models.LogEntryAnon{
		Body: base64.StdEncoding.EncodeToString(entry.body), IntegratedTime: &entry.integrated, LogID: &entry.log, LogIndex: &index,
		Verification: &models.LogEntryAnonVerification{InclusionProof: &models.InclusionProof{
			Checkpoint: &checkpoint, Hashes: hashes, LogIndex: &index, RootHash: &rootHash, TreeSize: &size}},
	}
	if err := rekorverify.VerifyInclusion(context.Background(), anon); err != nil {
		return errors.New("its proof of inclusion does not lead to the root that it names")
	}
	if err := rekorverify.VerifyCheckpointSignature(anon, verifier); err != nil {
		return fmt.Errorf("its checkpoint: %w", err)
	}
	return nil
}
