package account

import (
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"
)

// The extensions in which Fulcio writes who vouched for the identity (fulcio,
// docs/oid-info.md): the newer one holds DER, the older one bare text.
var (
	issuerExtension    = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 8}
	oldIssuerExtension = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 1}
	// userNameOther is the other name, among the alternative names, that Fulcio
	// writes where there is no e-mail address and no URI.
	sanExtension  = asn1.ObjectIdentifier{2, 5, 29, 17}
	userNameOther = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 7}
)

// readCertificate reads the identity in a certificate, and who vouched for it.
func (a *Account) readCertificate(der []byte) error {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return fmt.Errorf("the certificate does not parse: %w", err)
	}
	a.Signer, a.Issuer = identityOf(c), issuerOf(c)
	return nil
}

func identityOf(c *x509.Certificate) string {
	switch {
	case len(c.EmailAddresses) > 0:
		return c.EmailAddresses[0]
	case len(c.URIs) > 0:
		return c.URIs[0].String()
	}
	if name := otherName(c); name != "" {
		return name
	}
	if len(c.DNSNames) > 0 {
		return c.DNSNames[0]
	}
	return c.Subject.String()
}

// otherName is the user name that Fulcio writes as an other name, or "".
func otherName(c *x509.Certificate) string {
	for _, e := range c.Extensions {
		var names []asn1.RawValue
		if !e.Id.Equal(sanExtension) {
			continue
		}
		if _, err := asn1.Unmarshal(e.Value, &names); err != nil {
			return ""
		}
		for _, n := range names {
			var other struct {
				ID    asn1.ObjectIdentifier
				Value string `asn1:"utf8,explicit,tag:0"`
			}
			if _, err := asn1.UnmarshalWithParams(n.FullBytes, &other, "tag:0"); err == nil && other.ID.Equal(userNameOther) {
				return other.Value
			}
		}
	}
	return ""
}

func issuerOf(c *x509.Certificate) string {
	old := ""
	for _, e := range c.Extensions {
		switch {
		case e.Id.Equal(issuerExtension):
			var text string
			if rest, err := asn1.UnmarshalWithParams(e.Value, &text, "utf8"); err == nil && len(rest) == 0 {
				return text
			}
		case e.Id.Equal(oldIssuerExtension):
			old = string(e.Value)
		}
	}
	if old != "" {
		return old
	}
	return c.Issuer.String()
}

// readJWS reads a Notary Project signature in JWS (notaryproject specifications,
// signature-envelope-jws.md).
func (a *Account) readJWS(blob []byte) error {
	var e struct {
		Payload   base64URL `json:"payload"`
		Protected base64URL `json:"protected"`
		Header    struct {
			Chain     [][]byte        `json:"x5c"`
			Timestamp json.RawMessage `json:"io.cncf.notary.timestampSignature"`
		} `json:"header"`
	}
	if err := json.Unmarshal(blob, &e); err != nil {
		return notJSON("Notary signature", err)
	}
	a.Signatures = 1
	var payload struct {
		Target struct {
			Digest string `json:"digest"`
		} `json:"targetArtifact"`
	}
	var protected struct {
		Time time.Time `json:"io.cncf.notary.signingTime"`
	}
	if err := json.Unmarshal(e.Payload, &payload); err != nil {
		return notJSON("payload of the Notary signature", err)
	}
	a.addSubject(payload.Target.Digest)
	if err := json.Unmarshal(e.Protected, &protected); err != nil {
		return notJSON("header of the Notary signature", err)
	}
	a.Time = protected.Time.UTC()
	if len(e.Header.Timestamp) > 0 {
		a.Timestamps = 1
	}
	if len(e.Header.Chain) == 0 {
		return nil
	}
	return a.readCertificate(e.Header.Chain[0])
}

// base64URL is a text that holds bytes in base64url without padding.
type base64URL []byte

// UnmarshalJSON decodes the text.
func (b *base64URL) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	*b = raw
	return err
}
