package account

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// number is an integer that protobuf's JSON writes as text.
type number int64

// UnmarshalJSON reads a number, or a text that holds one.
func (n *number) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) != nil {
		text = string(data)
	}
	v, err := strconv.ParseInt(text, 10, 64)
	*n = number(v)
	return err
}

type rawBytes struct {
	Raw []byte `json:"rawBytes"`
}

// bundle is a sigstore bundle of any version (sigstore's protobuf-specs,
// sigstore_bundle.proto), as far as it tells of its signer.
type bundle struct {
	Material struct {
		Certificate *rawBytes `json:"certificate"`
		Chain       struct {
			Certificates []rawBytes `json:"certificates"`
		} `json:"x509CertificateChain"`
		PublicKey *struct {
			Hint string `json:"hint"`
		} `json:"publicKey"`
		Log []struct {
			Index number `json:"logIndex"`
			Time  number `json:"integratedTime"`
		} `json:"tlogEntries"`
		Timestamps struct {
			RFC3161 []json.RawMessage `json:"rfc3161Timestamps"`
		} `json:"timestampVerificationData"`
	} `json:"verificationMaterial"`
	Envelope *envelope `json:"dsseEnvelope"`
	Message  *struct {
		Digest struct {
			Value []byte `json:"digest"`
		} `json:"messageDigest"`
	} `json:"messageSignature"`
}

func (a *Account) readBundle(blob []byte) error {
	var b bundle
	if err := json.Unmarshal(blob, &b); err != nil {
		return notJSON("sigstore bundle", err)
	}
	var failed []error
	if b.Envelope != nil {
		failed = append(failed, a.fromEnvelope(*b.Envelope))
	}
	if b.Message != nil {
		a.Signatures = 1
		if len(b.Message.Digest.Value) == 32 {
			a.addSubject(fmt.Sprintf("sha256:%x", b.Message.Digest.Value))
		}
	}
	m := b.Material
	a.Timestamps = len(m.Timestamps.RFC3161)
	if len(m.Log) > 0 {
		a.logged(int64(m.Log[0].Index), int64(m.Log[0].Time))
	}
	switch {
	case m.Certificate != nil:
		failed = append(failed, a.readCertificate(m.Certificate.Raw))
	case len(m.Chain.Certificates) > 0:
		failed = append(failed, a.readCertificate(m.Chain.Certificates[0].Raw))
	case m.PublicKey != nil:
		a.Signer = "key " + m.PublicKey.Hint
	}
	return errors.Join(failed...)
}

// logged takes over what an entry of a log says; a log may give no time.
func (a *Account) logged(index, seconds int64) {
	a.InLog, a.LogIndex = true, index
	if seconds > 0 {
		a.Time = time.Unix(seconds, 0).UTC()
	}
}

// The annotations in which cosign keeps what belongs to a signature (cosign,
// specs/SIGNATURE_SPEC.md).
const (
	certificateAnnotation = "dev.sigstore.cosign/certificate"
	bundleAnnotation      = "dev.sigstore.cosign/bundle"
	timestampAnnotation   = "dev.sigstore.cosign/rfc3161timestamp"
	predicateAnnotation   = "in-toto.io/predicate-type" // BuildKit's
)

// fromAnnotations reads what stands beside the blob.
func (a *Account) fromAnnotations(annotations map[string]string) error {
	if a.PredicateType == "" {
		a.PredicateType = annotations[predicateAnnotation]
	}
	if annotations[timestampAnnotation] != "" {
		a.Timestamps++
	}
	var failed []error
	if text := annotations[certificateAnnotation]; text != "" {
		block, _ := pem.Decode([]byte(text))
		if block == nil {
			failed = append(failed, errors.New("the certificate is not PEM"))
		} else {
			failed = append(failed, a.readCertificate(block.Bytes))
		}
	}
	if text := annotations[bundleAnnotation]; text != "" {
		var b struct {
			Payload struct {
				Index number `json:"logIndex"`
				Time  number `json:"integratedTime"`
			} `json:"Payload"`
		}
		if err := json.Unmarshal([]byte(text), &b); err != nil {
			failed = append(failed, notJSON("log entry", err))
		} else {
			a.logged(int64(b.Payload.Index), int64(b.Payload.Time))
		}
	}
	return errors.Join(failed...)
}

func notJSON(what string, err error) error {
	return fmt.Errorf("the %s does not parse as JSON: %w", what, err)
}
