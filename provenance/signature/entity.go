package signature

import (
	"crypto"
	"crypto/x509"

	"github.com/imageverify/verify/provenance/signed"
)

// entity is one signature with all that was handed in beside it, whatever it came in.
// Nothing of it is verified.
type entity struct {
	// signature is over message, or, where that is nil, over something whose digest
	// in hash is known.
	signature []byte
	message   []byte
	digest    []byte
	hash      crypto.Hash
	// dsse says that message is the PAE of payload and payloadType.
	dsse        bool
	payload     []byte
	payloadType string
	// document is the whole envelope where it came as one, for entries and timestamps
	// over that; stamped is what a timestamp is over.
	document []byte
	stamped  []byte

	// certificate is nil where a bare key signed; chain may lead to its authority.
	certificate *x509.Certificate
	chain       []*x509.Certificate

	entries    []logEntry
	timestamps [][]byte
	// beside is what was wrong with something that only the log or a timestamp needs.
	beside error
}

// claims are what a payload says.
type claims struct {
	// subjects are the digests that it is about, by algorithm.
	subjects []subject
	// predicateType is that of an in-toto statement, reference the image's name in a
	// simple signature.
	predicateType string
	reference     string
}

// subject is one thing that is signed.
type subject struct {
	digests     map[string]string
	annotations map[string]any
}

// fill puts what a payload says into a result.
func (c claims) fill(r *signed.Result) {
	r.PredicateType, r.Reference = c.predicateType, c.reference
}
