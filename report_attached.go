package verify

import "time"

// SignedSubject is a manifest or an index that leads to an image, with what is
// attached to it.
type SignedSubject struct {
	// Digest is the subject's own.
	Digest string `json:"digest"`
	// What is manifest, index, or attachment for something that is attached
	// itself.
	What string `json:"what"`
	// Signed says that an accepted signer signed it, which was verified; a signed
	// statement about it is no such signature.
	Signed bool `json:"signed"`
	// Attached are the attachments: cosign's by their tags first, then those in
	// the index, those that cosign saved into a layout, and referrers.
	Attached []AttachedItem `json:"attached"`
	// Unread are places that could not be looked at, or not to their end: more may
	// be attached than is listed.
	Unread []UnreadPlace `json:"unread,omitempty"`
}

// AttachedItem is one attachment: a manifest with signatures, statements or
// something else.
type AttachedItem struct {
	// Kind is signature or attestation (cosign's), bundle (sigstore's), notary
	// (Notary Project's), buildkit (statements in the index), sbom, or artifact for
	// anything else. It follows from media types alone.
	Kind string `json:"kind"`
	// Found is tag, index, cosign-save, referrers or referrers-tag; Tag is the tag
	// that led to it.
	Found string `json:"found"`
	Tag   string `json:"tag,omitempty"`
	// Digest is its manifest's, ArtifactType its type, Size the bytes of manifest
	// and contents, as the descriptors have them.
	Digest       string `json:"digest,omitempty"`
	ArtifactType string `json:"artifactType,omitempty"`
	Size         int64  `json:"size"`
	// Reason says why it could not be read, a code in kebab-case, and Problem in
	// words.
	Reason  string `json:"reason,omitempty"`
	Problem string `json:"problem,omitempty"`
	// Contents are its layers.
	Contents []AttachedContent `json:"contents"`
	// Signatures are what is attached to the attachment itself, where that was
	// looked for: at the statements of BuildKit.
	Signatures *SignedSubject `json:"signatures,omitempty"`
}

// AttachedContent is one signature, statement or file of an attachment.
type AttachedContent struct {
	// Digest, MediaType and Size are those of the layer.
	Digest    string `json:"digest"`
	MediaType string `json:"mediaType"`
	Size      int64  `json:"size"`
	// Says is what it says of itself; absent where it is of a kind that cannot be
	// read. Nothing of it is verified.
	Says *SignatureSays `json:"says,omitempty"`
	// Verified says that it was verified, Signer by whom it is then.
	Verified bool   `json:"verified"`
	Signer   string `json:"signer,omitempty"`
	// Reason says why it is not verified, or could not be read, a code in
	// kebab-case, and Problem in words.
	Reason  string `json:"reason,omitempty"`
	Problem string `json:"problem,omitempty"`
}

// SignatureSays is what a signature or a statement says of itself, which nobody
// vouches for.
type SignatureSays struct {
	// Signer is the identity in its certificate, or a key's hint; Issuer is who
	// vouched for it by the certificate's own account.
	Signer string `json:"signer,omitempty"`
	Issuer string `json:"issuer,omitempty"`
	// Time is when it says that it was signed.
	Time *time.Time `json:"time,omitempty"`
	// LogIndex is the number of its entry in a transparency log.
	LogIndex *int64 `json:"logIndex,omitempty"`
	// Timestamps counts the RFC 3161 timestamps beside it.
	Timestamps int `json:"timestamps,omitempty"`
	// PredicateType is that of the statement, Builder the builder that SLSA
	// provenance names.
	PredicateType string `json:"predicateType,omitempty"`
	Builder       string `json:"builder,omitempty"`
	// Subjects are the digests that it speaks of, Reference the repository.
	Subjects  []string `json:"subjects,omitempty"`
	Reference string   `json:"reference,omitempty"`
	// Signed is false for a statement that nobody signed.
	Signed bool `json:"signed"`
}

// UnreadPlace is a place where attachments could be and that was not looked at,
// or not to its end.
type UnreadPlace struct {
	// Found is the way by which attachments would have been found there, as in
	// AttachedItem; Tag the tag that was asked for.
	Found string `json:"found"`
	Tag   string `json:"tag,omitempty"`
	// Reason is a code in kebab-case, Problem says it in words.
	Reason  string `json:"reason"`
	Problem string `json:"problem"`
}
