package signature

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	core "github.com/notaryproject/notation-core-go/signature"
	"github.com/notaryproject/notation-go"
	"github.com/notaryproject/notation-go/dir"
	notaryverifier "github.com/notaryproject/notation-go/verifier"
	"github.com/notaryproject/notation-go/verifier/trustpolicy"
	"github.com/notaryproject/notation-go/verifier/truststore"
	digest "github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/imageverify/verify/provenance/attestation"
	"github.com/imageverify/verify/provenance/signed"
)

const (
	// MaxTrustPolicy bounds a trust policy, in bytes.
	MaxTrustPolicy = 1 << 20

	mediaJWS  = "application/jose+json"
	mediaCOSE = "application/cose"

	// unnamed stands for an image without a name: of the scopes only "*" holds it.
	unnamed = "unnamed.invalid/image"
)

// Notary is what Notary Project signatures are verified by
// (github.com/notaryproject/specifications, trust-store-trust-policy.md).
type Notary struct {
	policy   *trustpolicy.Document
	verifier notation.Verifier
}

// NewNotary reads a trust policy. store is the folder of the trust store: notation's
// configuration folder, or truststore or truststore/x509 in it. The certificates are
// read when a signature needs them.
func NewNotary(store string, policy []byte) (*Notary, error) {
	if len(policy) > MaxTrustPolicy {
		return nil, fmt.Errorf("trust policy of more than %d bytes", MaxTrustPolicy)
	}
	if err := attestation.CheckJSON(policy); err != nil {
		return nil, fmt.Errorf("trust policy: %w", err)
	}
	n := &Notary{policy: &trustpolicy.Document{}}
	if err := json.Unmarshal(policy, n.policy); err != nil {
		return nil, fmt.Errorf("trust policy: %w", err)
	}
	v, err := notaryverifier.NewWithOptions(n.policy, truststore.NewX509TrustStore(storeFolder(store)), nil, notaryverifier.VerifierOptions{
		RevocationCodeSigningValidator: unrevoked{}, RevocationTimestampingValidator: unrevoked{stamps: true},
	})
	if err != nil {
		return nil, fmt.Errorf("trust policy: %w", err)
	}
	n.verifier = v
	return n, nil
}

// storeFS finds the folders that notation names in a trust store.
type storeFS struct {
	dir.SysFS
	x509 string
}

// storeFolder is the trust store in a folder, whichever of the three it is.
func storeFolder(name string) storeFS {
	x509 := name
	for _, below := range []string{"truststore/x509", "x509"} {
		if info, err := os.Stat(filepath.Join(name, below)); err == nil && info.IsDir() {
			x509 = filepath.Join(name, below)
			break
		}
	}
	return storeFS{dir.NewSysFS(x509), x509}
}

// SysPath implements dir.SysFS.
func (s storeFS) SysPath(items ...string) (string, error) {
	inside, found := strings.CutPrefix(filepath.ToSlash(filepath.Join(items...)), "truststore/x509/")
	if !found {
		return "", fmt.Errorf("%s is no folder of a trust store", filepath.Join(items...))
	}
	return filepath.Join(s.x509, filepath.FromSlash(inside)), nil
}

// names are the policies' names.
func (n *Notary) names() []string {
	var out []string
	for _, p := range n.policy.TrustPolicies {
		out = append(out, "trust policy "+p.Name)
	}
	return out
}

// verify verifies one signature.
func (n *Notary) verify(ctx context.Context, item signed.Item) signed.Result {
	var r signed.Result
	payload, err := readNotary(item, &r)
	if err != nil {
		return refuse(r, err)
	}
	r.Payload, r.PayloadType = payload, "application/vnd.cncf.notary.payload.v1+json"
	repository := item.Repository
	if repository == "" {
		repository = unnamed
	}
	reference := repository + "@" + item.Subject.String()
	policy, err := n.policy.GetApplicableTrustPolicy(reference)
	if err != nil {
		return refuse(r, faultf(signed.NoAcceptedSigner, "signed, by its own account, by %s; no trust policy is for %s", r.Signer, reference))
	}
	level, err := policy.SignatureVerification.GetVerificationLevel()
	if err != nil {
		return refuse(r, faultf(signed.NoAcceptedSigner, "trust policy %s: %v", policy.Name, err))
	}
	if level.Enforcement[trustpolicy.TypeIntegrity] != trustpolicy.ActionEnforce || level.Enforcement[trustpolicy.TypeAuthenticity] != trustpolicy.ActionEnforce {
		return refuse(r, faultf(signed.NoAcceptedSigner, "trust policy %s (level %s) does not demand that anybody trusted signed; by its own account %s did", policy.Name, level.Name, r.Signer))
	}
	subject := ocispec.Descriptor{MediaType: item.SubjectType, Digest: digest.Digest(item.Subject.String()), Size: item.SubjectSize}
	outcome, err := n.verifier.Verify(ctx, subject, item.Content, notation.VerifierVerifyOptions{ArtifactReference: reference, SignatureMediaType: item.MediaType})
	if err == nil && (outcome == nil || outcome.EnvelopeContent == nil) {
		err = errors.New("nothing was verified")
	}
	if err != nil {
		return refuse(r, notaryFault(outcome, err, policy.Name, r.Signer))
	}
	for _, result := range outcome.VerificationResults {
		if result.Error != nil {
			r.Warnings = append(r.Warnings, fmt.Sprintf("%s, which the trust policy %s does not enforce: %v", result.Type, policy.Name, result.Error))
		}
	}
	r.Accepted, r.Valid = true, true
	return r
}

// readNotary reads what a signature says of itself, and refuses what two readers
// could read differently.
func readNotary(item signed.Item, r *signed.Result) ([]byte, error) {
	if item.MediaType != mediaJWS && item.MediaType != mediaCOSE {
		return nil, faultf(signed.WrongType, "the media type %q is none of a Notary signature", item.MediaType)
	}
	if item.MediaType == mediaJWS {
		if err := checkJWS(item.Content); err != nil {
			return nil, err
		}
	}
	envelope, err := core.ParseEnvelope(item.MediaType, item.Content)
	if err != nil {
		return nil, malformed("signature envelope", err)
	}
	content, err := envelope.Content()
	if err != nil {
		return nil, malformed("signature envelope", err)
	}
	if chain := content.SignerInfo.CertificateChain; len(chain) > 0 {
		r.Signer = notarySigner(chain[0])
	}
	if err := checkNotaryPayload(content.Payload.Content); err != nil {
		return content.Payload.Content, malformed("payload", err)
	}
	return content.Payload.Content, nil
}

// notarySigner is the signer of a certificate, by its subject as a trust policy names
// it.
func notarySigner(c *x509.Certificate) signed.Signer {
	s := signed.Signer{Key: fingerprint(c.RawSubjectPublicKeyInfo), Certificate: fingerprint(c.Raw), Subject: c.Subject.String(), Issuer: c.Issuer.String()}
	if key, err := newKey(c.PublicKey); err == nil {
		s.Algorithm = key.Algorithm()
	}
	return s
}

// checkJWS refuses names that stand twice in a JWS, or in the parts that it holds.
func checkJWS(data []byte) error {
	if err := attestation.CheckJSON(data); err != nil {
		return malformed("JWS", err)
	}
	fields, err := parseObject(data, "payload", "protected", "header", "signature")
	if err != nil {
		return malformed("JWS", err)
	}
	var protected string
	if err := json.Unmarshal(fields["protected"], &protected); err != nil {
		return malformed("JWS", err)
	}
	header, err := base64.RawURLEncoding.DecodeString(protected)
	if err != nil {
		return malformed("JWS: protected header", err)
	}
	if err := attestation.CheckJSON(header); err != nil {
		return malformed("JWS: protected header", err)
	}
	return nil
}

// checkNotaryPayload refuses a payload without exactly one target.
func checkNotaryPayload(data []byte) error {
	if err := attestation.CheckJSON(data); err != nil {
		return err
	}
	fields, err := parseObject(data, "targetArtifact")
	if err != nil {
		return err
	}
	if fields["targetArtifact"] == nil {
		return errors.New("it names no target")
	}
	_, err = parseObject(fields["targetArtifact"], "mediaType", "digest", "size", "annotations")
	return err
}

// notaryFaults are the reasons for which each step of notation refuses.
var notaryFaults = map[trustpolicy.ValidationType]string{
	trustpolicy.TypeIntegrity:          signed.BadSignature,
	trustpolicy.TypeAuthenticity:       signed.Untrusted,
	trustpolicy.TypeAuthenticTimestamp: signed.BadTimestamp,
	trustpolicy.TypeExpiry:             signed.OutsideValidity,
	trustpolicy.TypeRevocation:         signed.RevocationUnknown,
}

// notaryFault states why notation refused.
func notaryFault(outcome *notation.VerificationOutcome, err error, policy string, s signed.Signer) error {
	reason := signed.BadSignature
	if outcome != nil && outcome.EnvelopeContent != nil {
		reason = signed.OtherDigest // what is left once every step held
	}
	if outcome != nil {
		for _, result := range outcome.VerificationResults {
			if result.Error != nil && result.Action == trustpolicy.ActionEnforce {
				reason = notaryFaults[result.Type]
			}
		}
	}
	switch {
	case reason == signed.Untrusted && strings.Contains(err.Error(), "trusted identities"):
		reason = signed.IdentityMismatch
	case reason == signed.OtherDigest && !strings.Contains(err.Error(), "descriptor mismatch"):
		reason = signed.NotBuiltIn // a plugin is asked for
	case reason == signed.BadTimestamp && strings.Contains(err.Error(), "verification time is after"):
		reason = signed.ExpiredUntimed
	}
	return faultf(reason, "trust policy %s, signed by %s: %v", policy, s, oneLine(err))
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
