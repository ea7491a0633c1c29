package signed

// The reasons for which an item is not valid.
const (
	// About who signed.
	NoAcceptedSigner = "no-accepted-signer"  // nobody was named whose signature would count
	IdentityMismatch = "identity-mismatch"   // somebody else signed
	BadSignature     = "bad-signature"       // the signature is not over this content, or by this key
	KeyDiffers       = "key-differs"         // a certificate beside the signature is of another key
	WeakKey          = "weak-key"            // the key is too short, or of a kind that is not used
	CertificateBad   = "certificate-invalid" // the certificate cannot be what a signer is given
	Untrusted        = "untrusted-issuer"    // the certificate leads to no trusted authority
	ChainExpired     = "chain-expired"       // an authority of the chain was not valid at the time

	// About when.
	ExpiredUntimed  = "expired-untimed"  // the certificate has expired, and no time is proved
	OutsideValidity = "outside-validity" // the proved time is outside the certificate's life
	FromTheFuture   = "from-the-future"  // a certificate or a time that is not yet
	NoTimestamp     = "no-timestamp"     // a signed timestamp is demanded, and none is there
	BadTimestamp    = "bad-timestamp"    // a signed timestamp does not verify

	// About the logs.
	NotInLog    = "not-in-log"    // no entry of a transparency log
	LogUnknown  = "log-unknown"   // the log is none that is trusted
	LogMismatch = "log-mismatch"  // the entry is of something else
	BadLogEntry = "bad-log-entry" // the log's promise or proof does not verify
	NoSCT       = "no-sct"        // no certificate log has promised to publish the certificate

	// About what was signed.
	OtherDigest       = "other-digest"       // another digest is signed
	OtherClaims       = "annotations-differ" // the payload has not the annotations asked for
	NotASignature     = "not-a-signature"    // a signed statement of another kind
	WrongType         = "wrong-type"         // a type or media type is not what it must be
	Malformed         = "malformed"          // it does not parse
	Ambiguous         = "ambiguous"          // it parses, and two readers could read it differently
	OverLimit         = "over-limit"         // over a bound
	NoTrustedRoot     = "no-trusted-root"    // keys of logs and authorities are not at hand
	RevocationUnknown = "revocation-unknown" // nobody was asked whether the certificate is revoked
	NotBuiltIn        = "not-built-in"       // this program cannot verify such
	ThresholdUnmet    = "threshold-unmet"    // fewer signers than asked for
	NoSignature       = "no-signature"       // nothing signed is there
)

// Unjudged reports whether a reason says that the item could not be judged, rather
// than that it is not valid.
func Unjudged(reason string) bool {
	switch reason {
	case NoAcceptedSigner, NoTrustedRoot, NotBuiltIn, OverLimit, RevocationUnknown:
		return true
	}
	return false
}
