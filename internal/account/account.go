// Package account reads what signatures and attestations say of themselves: who
// made them, when, and of what. Nothing of it is verified, and nothing may rest
// on it: it is for lists that people read, under words such as "says".
package account

import (
	"encoding/json"
	"errors"
	"strings"
	"time"
)

// Account is what one signature or statement says of itself. Fields that it says
// nothing about are zero. All text is foreign.
type Account struct {
	// Signer is the identity in the certificate: an e-mail address, a URI, or the
	// name of its subject; or "key HINT" where a bundle names a key so.
	Signer string
	// Issuer is who vouched for the identity, as the certificate has it; else the
	// name of the certificate's issuer.
	Issuer string
	// Time is when the log or the signer says that it was signed.
	Time time.Time
	// InLog says that an entry of a transparency log is there, LogIndex its number.
	InLog    bool
	LogIndex int64
	// Timestamps counts RFC 3161 timestamps.
	Timestamps int
	// PredicateType is that of the statement, "" for what signs no statement.
	PredicateType string
	// Builder is the builder that SLSA provenance names.
	Builder string
	// Subjects are the digests that are spoken of, as ALGORITHM:HEX.
	Subjects []string
	// Reference is the repository that cosign's payload names.
	Reference string
	// Signatures counts the signatures: none where a statement is not signed.
	Signatures int
}

// maxSubjects bounds the subjects that are kept of a statement.
const maxSubjects = 16

// errUnknown says that nothing is known of a media type.
var errUnknown = errors.New("the media type is not one of a signature or a statement")

// Known reports whether Read can read a layer of that media type.
func Known(mediaType string) bool { return readerOf(mediaType) != nil }

// Read reads the layer of a signature, attestation or bundle, with the
// annotations of its descriptor. The error says that the bytes are not what the
// media type says; what had been read until then is returned too.
func Read(mediaType string, annotations map[string]string, blob []byte) (Account, error) {
	read := readerOf(mediaType)
	if read == nil {
		return Account{}, errUnknown
	}
	var a Account
	err := errors.Join(read(&a, blob), a.fromAnnotations(annotations))
	return a, err
}

// readerOf is the function for a media type, nil where there is none.
func readerOf(mediaType string) func(*Account, []byte) error {
	for _, r := range readers {
		if strings.HasPrefix(mediaType, r.prefix) {
			return r.read
		}
	}
	return nil
}

var readers = []struct {
	prefix string
	read   func(*Account, []byte) error
}{
	{"application/vnd.dev.cosign.simplesigning.", (*Account).readPayload},
	{"application/vnd.dsse.envelope.", (*Account).readEnvelope},
	{"application/vnd.dev.sigstore.bundle", (*Account).readBundle},
	{"application/vnd.in-toto", (*Account).readStatement},
	{"application/jose+json", (*Account).readJWS},
}

// readPayload reads what cosign signs for an image (containers/image,
// docs/atomic-signature.md).
func (a *Account) readPayload(blob []byte) error {
	var p struct {
		Critical struct {
			Identity struct {
				Reference string `json:"docker-reference"`
			} `json:"identity"`
			Image struct {
				Digest string `json:"docker-manifest-digest"`
			} `json:"image"`
		} `json:"critical"`
	}
	if err := json.Unmarshal(blob, &p); err != nil {
		return notJSON("payload", err)
	}
	a.Signatures, a.Reference = 1, p.Critical.Identity.Reference
	a.addSubject(p.Critical.Image.Digest)
	return nil
}

// envelope is a DSSE envelope.
type envelope struct {
	PayloadType string            `json:"payloadType"`
	Payload     []byte            `json:"payload"`
	Signatures  []json.RawMessage `json:"signatures"`
}

func (a *Account) readEnvelope(blob []byte) error {
	var e envelope
	if err := json.Unmarshal(blob, &e); err != nil {
		return notJSON("DSSE envelope", err)
	}
	return a.fromEnvelope(e)
}

func (a *Account) fromEnvelope(e envelope) error {
	a.Signatures = len(e.Signatures)
	if e.PayloadType != "application/vnd.in-toto+json" {
		return nil
	}
	return a.readStatement(e.Payload)
}

// readStatement reads an in-toto statement, of either version.
func (a *Account) readStatement(blob []byte) error {
	var s struct {
		PredicateType string `json:"predicateType"`
		Subject       []struct {
			Digest map[string]string `json:"digest"`
		} `json:"subject"`
		Predicate json.RawMessage `json:"predicate"`
	}
	if err := json.Unmarshal(blob, &s); err != nil {
		return notJSON("in-toto statement", err)
	}
	a.PredicateType = s.PredicateType
	for _, subject := range s.Subject {
		for _, algorithm := range []string{"sha256", "sha512"} {
			if hex := subject.Digest[algorithm]; hex != "" {
				a.addSubject(algorithm + ":" + hex)
			}
		}
	}
	a.Builder = builderOf(s.PredicateType, s.Predicate)
	return nil
}

// builderOf is the builder that SLSA provenance names, of either version, or "".
func builderOf(predicateType string, predicate []byte) string {
	if !strings.HasPrefix(predicateType, "https://slsa.dev/provenance/") {
		return ""
	}
	type builder struct {
		ID string `json:"id"`
	}
	var p struct {
		Builder    builder `json:"builder"`
		RunDetails struct {
			Builder builder `json:"builder"`
		} `json:"runDetails"`
	}
	if json.Unmarshal(predicate, &p) != nil {
		return ""
	}
	if p.RunDetails.Builder.ID != "" {
		return p.RunDetails.Builder.ID
	}
	return p.Builder.ID
}

func (a *Account) addSubject(digest string) {
	if digest != "" && len(a.Subjects) < maxSubjects {
		a.Subjects = append(a.Subjects, digest)
	}
}
