// Package signed holds the values of verifying: what is signed, by whom, and what
// came of looking at it. It verifies nothing itself, so that whoever only reads
// results does not link what verifies.
package signed

import (
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Kind is the form of something signed.
type Kind string

// The forms.
const (
	// SimpleSigning is a cosign signature: Content is the payload, signature and
	// certificates are annotations of the layer that holds it.
	SimpleSigning Kind = "simple-signing"
	// Envelope is a DSSE envelope, as cosign attaches attestations; certificates,
	// log entry and timestamp are annotations of the layer that holds it.
	Envelope Kind = "dsse"
	// Bundle is a sigstore bundle.
	Bundle Kind = "bundle"
	// Notary is a Notary Project signature: Content is the JWS or COSE envelope.
	Notary Kind = "notary"
)

// Item is one signature, with what it came in.
type Item struct {
	// Subject is the digest that must be what was signed.
	Subject v1.Hash
	// SubjectType is the media type of what Subject names, SubjectSize its size in
	// bytes, Repository the image's name with its host; "" where it has none.
	SubjectType string
	SubjectSize int64
	Repository  string
	// Kind is the form of Content.
	Kind Kind
	// MediaType is that of the layer that holds Content; "" for a file.
	MediaType string
	// Content is the payload, envelope or bundle.
	Content []byte
	// Annotations are those of the layer.
	Annotations map[string]string
}

// Result is what came of verifying an item.
type Result struct {
	// Valid says that an accepted signer signed the subject, and that everything
	// that was demanded holds.
	Valid bool
	// Accepted says that the item claims, by its certificate or by the key that
	// verifies it, to be of a signer that is accepted.
	Accepted bool
	// Signer is who signed; of an item that is not valid, who it claims.
	Signer Signer
	// Times are proved times of signing, Logs proved entries of transparency logs.
	Times []Time
	Logs  []LogEntry

	// Payload is what was signed, PayloadType its type as the envelope has it. Both
	// are there as well where Valid is false: nothing may rest on them then.
	Payload     []byte
	PayloadType string
	// PredicateType is that of the in-toto statement in Payload; "" for a payload
	// that is none.
	PredicateType string
	// Reference is the image's name as the payload has it, "" where it has none.
	Reference string

	// Reason is a code in kebab-case where Valid is false (the Reason constants),
	// Detail one line that names the key or certificate meant; foreign text in it
	// is not yet escaped.
	Reason string
	Detail string
	// Warnings are further lines that do not stand against a valid item.
	Warnings []string
}

// Signer is a key, or a certificate and its key.
type Signer struct {
	// Key is the fingerprint of the public key: "SHA256:" and the hash of its
	// SubjectPublicKeyInfo in hex. It is "" where only a certificate could tell
	// and there is none.
	Key string `json:"key,omitempty"`
	// Algorithm is the key's: "ECDSA P-256", "RSA 2048", "Ed25519".
	Algorithm string `json:"algorithm,omitempty"`
	// Subject is the certificate's one subject alternative name, Issuer who vouched
	// for it: the issuer of the OpenID Connect token. Both are "" for a bare key.
	Subject string `json:"subject,omitempty"`
	Issuer  string `json:"issuer,omitempty"`
	// Workflow is what a certificate says of a GitHub workflow.
	Workflow *Workflow `json:"workflow,omitempty"`
	// Certificate is the fingerprint of the certificate, Authority the name of who
	// issued it.
	Certificate string `json:"certificate,omitempty"`
	Authority   string `json:"authority,omitempty"`
	// NotBefore and NotAfter bound the certificate's life.
	NotBefore time.Time `json:"notBefore,omitzero"`
	NotAfter  time.Time `json:"notAfter,omitzero"`
	// Extensions are the certificate's further claims about the build, by the names
	// of Fulcio's documentation ("Build Signer URI", …).
	Extensions map[string]string `json:"extensions,omitempty"`
}

// Workflow names the GitHub workflow that a certificate was issued to.
type Workflow struct {
	Trigger    string `json:"trigger,omitempty"`
	SHA        string `json:"sha,omitempty"`
	Name       string `json:"name,omitempty"`
	Repository string `json:"repository,omitempty"`
	Ref        string `json:"ref,omitempty"`
}

// String names the signer in a line: the identity and its issuer, else the key.
func (s Signer) String() string {
	switch {
	case s.Subject != "" && s.Issuer != "":
		return s.Subject + " (by " + s.Issuer + ")"
	case s.Subject != "":
		return s.Subject
	case s.Key != "":
		return "key " + s.Key
	}
	return "an unknown signer"
}

// ID tells signers apart: two signatures with the same ID are of one signer. A
// certificate's key lives for one signature, so that its identity counts.
func (s Signer) ID() string {
	if s.Subject != "" {
		return s.Issuer + "\x00" + s.Subject
	}
	return s.Key
}

// Time is a time that somebody trusted vouches for.
type Time struct {
	Time time.Time `json:"time"`
	// By names who: the log's or the timestamp authority's URL.
	By string `json:"by"`
}

// LogEntry is an entry of a transparency log that was proved to be there.
type LogEntry struct {
	// Log is the log's URL, ID its key's in hex, Index the entry's place.
	Log   string `json:"log"`
	ID    string `json:"id"`
	Index int64  `json:"index"`
	// Proof says that the inclusion was proved, and not only promised.
	Proof bool `json:"proof"`
}
