package attestation

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"embed"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
)

// keyFiles are Google Cloud Build's public keys, as slsa-verifier 2.7.1 has them
// (verifiers/internal/gcb/keys/materials, where the command that prints each is named):
// one a region, and two for all.
//
//go:embed cloudbuild/*.key
var keyFiles embed.FS

// The names of the keys for all regions, which sign the PAE of an envelope, and what
// surrounds the region in the name of a region's key, which signs the bare payload.
const (
	workerKey   = "projects/verified-builder/locations/global/keyRings/attestor/cryptoKeys/google-hosted-worker/cryptoKeyVersions/1"
	signerKey   = "projects/verified-builder/locations/global/keyRings/attestor/cryptoKeys/provenanceSigner/cryptoKeyVersions/1"
	regionStart = "projects/verified-builder/locations/"
	regionEnd   = "/keyRings/attestor/cryptoKeys/builtByGCB/cryptoKeyVersions/1"
)

// cloudBuilder is the id of Google Cloud Build, followed by @v0.2 or @v0.3 in provenance
// v0.1.
const cloudBuilder = "https://cloudbuild.googleapis.com/GoogleHostedWorker"

const (
	// MaxDocument bounds what gcloud prints, maxEnvelopes its envelopes and
	// maxSignatures the signatures of each.
	MaxDocument   = 16 << 20
	maxEnvelopes  = 100
	maxSignatures = 100
)

// Envelope is a DSSE envelope, not verified.
type Envelope struct {
	PayloadType string
	Payload     []byte
	Signatures  []EnvelopeSignature
	// Raw is the envelope's own JSON.
	Raw []byte
}

// EnvelopeSignature is one signature of an envelope.
type EnvelopeSignature struct {
	KeyID     string
	Signature []byte
}

// PAE is what a DSSE signature is over (secure-systems-lab/dsse, protocol.md).
func (e Envelope) PAE() []byte {
	return fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(e.PayloadType), e.PayloadType, len(e.Payload), e.Payload)
}

// ParseEnvelope reads a DSSE envelope with at least one signature. The error is an *Error.
func ParseEnvelope(data []byte) (Envelope, error) {
	v, err := decode(data, MaxStatement*2)
	if err != nil {
		return Envelope{}, in("envelope", err)
	}
	return envelopeOf(v)
}

func envelopeOf(v any) (Envelope, error) {
	r := &reader{}
	o := r.object(v, "envelope", "payload", "payloadType", "signatures")
	e := Envelope{PayloadType: r.text(o, "payloadType")}
	payload, err := DecodeBase64(r.text(o, "payload"))
	list := r.list(o, "signatures")
	switch {
	case r.err != nil:
	case err != nil:
		r.fail(Malformed, "payload: %v", err)
	case len(payload) == 0:
		r.fail(Malformed, "there is no payload")
	case len(list) == 0:
		r.fail(NoSignature, "there is no signature")
	case len(list) > maxSignatures:
		r.fail(OverLimit, "more than %d signatures", maxSignatures)
	case e.PayloadType != PayloadType:
		r.fail(WrongType, "the payload's type is %q, not %q", e.PayloadType, PayloadType)
	}
	if r.err != nil {
		return Envelope{}, in("envelope", r.err)
	}
	e.Payload = payload
	for _, item := range list {
		s := r.object(item, "signature", "keyid", "sig", "cert")
		sig, err := DecodeBase64(r.text(s, "sig"))
		if err != nil {
			continue // no signature of anybody
		}
		e.Signatures = append(e.Signatures, EnvelopeSignature{KeyID: r.text(s, "keyid"), Signature: sig})
	}
	if r.err != nil {
		return Envelope{}, in("envelope", r.err)
	}
	e.Raw, err = json.Marshal(v)
	if err != nil {
		return Envelope{}, in("envelope", err)
	}
	return e, nil
}

// VerifyCloudBuild verifies an envelope by Google Cloud Build's keys, and gives its
// statement and the name of the key. The error is an *Error.
func VerifyCloudBuild(e Envelope) (*Statement, string, error) {
	if len(e.Payload) > MaxStatement {
		return nil, "", errorf(OverLimit, "a statement of more than %d bytes", MaxStatement)
	}
	for _, sig := range e.Signatures {
		key, message, err := cloudKey(sig.KeyID, e)
		if err != nil {
			return nil, "", err
		}
		sum := sha256.Sum256(message)
		if key == nil || !ecdsa.VerifyASN1(key, sum[:], sig.Signature) {
			continue
		}
		s, err := ParseStatement(e.Payload)
		if err != nil {
			return nil, "", err
		}
		want := provenanceV01
		if sig.KeyID == workerKey {
			want = provenanceV1
		}
		if s.PredicateType != want {
			return nil, "", errorf(WrongType, "the key %s signs statements of type %s, not %s", sig.KeyID, want, s.PredicateType)
		}
		return s, sig.KeyID, nil
	}
	return nil, "", errorf(BadSignature, "none of %d signatures is by a key of Google Cloud Build", len(e.Signatures))
}

// cloudKey is the key of a name with what it signs; nil for a name that is none of Google
// Cloud Build's.
func cloudKey(id string, e Envelope) (*ecdsa.PublicKey, []byte, error) {
	name, message := "", e.PAE()
	region, isRegion := strings.CutPrefix(id, regionStart)
	region, ends := strings.CutSuffix(region, regionEnd)
	switch {
	case id == workerKey:
		name = "global-pae-google-hosted-worker_1"
	case id == signerKey:
		name = "global-pae-provenanceSigner_1"
	case isRegion && ends && strings.Trim(region, "abcdefghijklmnopqrstuvwxyz0123456789-") == "" && !strings.HasPrefix(region, "global-"):
		name, message = region, e.Payload
	default:
		return nil, nil, nil
	}
	data, err := keyFiles.ReadFile("cloudbuild/" + name + ".key")
	if err != nil {
		return nil, nil, nil // a region without a key
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, nil, errorf(Malformed, "key %s is no PEM", name)
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, nil, in("key "+name, err)
	}
	public, _ := key.(*ecdsa.PublicKey)
	return public, message, nil
}

// checkCloudBuild holds provenance that Google Cloud Build signed against what it writes.
func (p *Provenance) checkCloudBuild() error {
	recipes := []string{"https://cloudbuild.googleapis.com/CloudBuildYaml@", "https://cloudbuild.googleapis.com/CloudBuildSteps@"}
	ok := false
	switch {
	case p.PredicateType == provenanceV1 && p.Builder == cloudBuilder:
		ok = p.BuildType == cloudBuildV1
	case p.PredicateType == provenanceV01 && p.Builder == cloudBuilder+"@v0.2":
		ok = p.BuildType == p.Builder
	case p.PredicateType == provenanceV01 && p.Builder == cloudBuilder+"@v0.3":
		ok = slices.ContainsFunc(recipes, func(prefix string) bool { return strings.HasPrefix(p.BuildType, prefix) })
	default:
		return errorf(BuilderDiffers, "the builder is %q, which is none of Google Cloud Build's", p.Builder)
	}
	if !ok {
		return errorf(BuildUnknown, "the build type is %q, which is none of %s", p.BuildType, p.Builder)
	}
	if p.PredicateType == provenanceV01 && p.argsType != "type.googleapis.com/google.devtools.cloudbuild.v1.Build" {
		return errorf(BuildUnknown, "the recipe's arguments are of type %q", p.argsType)
	}
	return nil
}
