package signers

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	ct "github.com/google/certificate-transparency-go"
	"github.com/google/certificate-transparency-go/tls"
	ctx509 "github.com/google/certificate-transparency-go/x509"
)

// The extensions of Fulcio's certificates
// (github.com/sigstore/fulcio/docs/oid-info.md), and that of embedded SCTs (RFC 6962).
var (
	oidIssuerOld = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 1}
	oidIssuer    = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 8}
	oidSCTs      = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 2}
	oidUsage     = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidStamping  = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 8}
)

// authority is a root with one intermediate, which issues.
type authority struct {
	root, issuer       *x509.Certificate
	rootKey, issuerKey *ecdsa.PrivateKey
	// leaf is the certificate of a timestamp authority.
	leaf    *x509.Certificate
	leafKey *ecdsa.PrivateKey
}

func newAuthority(t testing.TB, name string, start time.Time, usage x509.ExtKeyUsage) *authority {
	t.Helper()
	a := &authority{rootKey: newKey(t), issuerKey: newKey(t)}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name, Organization: []string{"example.com"}},
		NotBefore: start, NotAfter: start.AddDate(10, 0, 0), KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, BasicConstraintsValid: true, IsCA: true,
	}
	a.root = issue(t, template, template, a.rootKey.Public(), a.rootKey)
	below := *template
	below.SerialNumber, below.Subject.CommonName, below.ExtKeyUsage = big.NewInt(2), name+"-intermediate", []x509.ExtKeyUsage{usage}
	a.issuer = issue(t, &below, a.root, a.issuerKey.Public(), a.rootKey)
	return a
}

func issue(t testing.TB, template, parent *x509.Certificate, public crypto.PublicKey, by *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	c, err := create(template, parent, public, by)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func create(template, parent *x509.Certificate, public crypto.PublicKey, by *ecdsa.PrivateKey) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, by)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// addStamper gives a timestamp authority its certificate, whose only usage must be
// critical (RFC 3161, 2.3).
func (a *authority) addStamper(t testing.TB, start time.Time) {
	t.Helper()
	usage, err := asn1.Marshal([]asn1.ObjectIdentifier{oidStamping})
	if err != nil {
		t.Fatal(err)
	}
	a.leafKey = newKey(t)
	a.leaf = issue(t, &x509.Certificate{
		SerialNumber: big.NewInt(3), Subject: pkix.Name{CommonName: "test-time-stamper", Organization: []string{"example.com"}},
		NotBefore: start, NotAfter: start.AddDate(9, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtraExtensions: []pkix.Extension{{Id: oidUsage, Critical: true, Value: usage}},
	}, a.issuer, a.leafKey.Public(), a.issuerKey)
}

// Leaf says what a certificate of the authority is to say. Its zero value but for
// Subject and Issuer is as Fulcio issues it.
type Leaf struct {
	// Subject is an e-mail address or a URI, Issuer who vouched for it.
	Subject, Issuer string
	// From is the beginning of its ten minutes; zero is a minute ago.
	From time.Time
	// WithoutSCT leaves the certificate log's promise out.
	WithoutSCT bool
	// Change, where set, changes the certificate before it is signed.
	Change func(*x509.Certificate)
}

// Issue issues a certificate for a key.
func (w *World) Issue(l Leaf, public crypto.PublicKey) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	if l.From.IsZero() {
		l.From = time.Now().Add(-time.Minute)
	}
	issuer, err := asn1.MarshalWithParams(l.Issuer, "utf8")
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, NotBefore: l.From, NotAfter: l.From.Add(10 * time.Minute),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
		ExtraExtensions: []pkix.Extension{{Id: oidIssuerOld, Value: []byte(l.Issuer)}, {Id: oidIssuer, Value: issuer}},
	}
	if uri, err := url.Parse(l.Subject); err == nil && uri.Scheme != "" {
		template.URIs = []*url.URL{uri}
	} else {
		template.EmailAddresses = []string{l.Subject}
	}
	if l.Change != nil {
		l.Change(template)
	}
	c, err := create(template, w.authority.issuer, public, w.authority.issuerKey)
	if err != nil || l.WithoutSCT {
		return c, err
	}
	promise, err := w.promise(c)
	if err != nil {
		return nil, err
	}
	template.ExtraExtensions = append(template.ExtraExtensions, pkix.Extension{Id: oidSCTs, Value: promise})
	return create(template, w.authority.issuer, public, w.authority.issuerKey)
}

// promise is the list of one signed certificate timestamp over a certificate, which is
// to be embedded in it.
func (w *World) promise(c *x509.Certificate) ([]byte, error) {
	public, err := x509.MarshalPKIXPublicKey(w.certLog.Public())
	if err != nil {
		return nil, err
	}
	sct := ct.SignedCertificateTimestamp{SCTVersion: ct.V1, LogID: ct.LogID{KeyID: [32]byte(sum(public))}, Timestamp: uint64(time.Now().UnixMilli())}
	entry := ct.LogEntry{Leaf: ct.MerkleTreeLeaf{Version: ct.V1, LeafType: ct.TimestampedEntryLeafType, TimestampedEntry: &ct.TimestampedEntry{
		EntryType: ct.PrecertLogEntryType, Timestamp: sct.Timestamp,
		PrecertEntry: &ct.PreCert{IssuerKeyHash: [32]byte(sum(w.authority.issuer.RawSubjectPublicKeyInfo)), TBSCertificate: c.RawTBSCertificate},
	}}}
	input, err := ct.SerializeSCTSignatureInput(sct, entry)
	if err != nil {
		return nil, err
	}
	signature, err := tls.CreateSignature(*w.certLog, tls.SHA256, input)
	if err != nil {
		return nil, err
	}
	sct.Signature = ct.DigitallySigned(signature)
	one, err := tls.Marshal(sct)
	if err != nil {
		return nil, err
	}
	list, err := tls.Marshal(ctx509.SignedCertificateTimestampList{SCTList: []ctx509.SerializedSCT{{Val: one}}})
	if err != nil {
		return nil, err
	}
	return asn1.Marshal(list)
}

// Token is an identity token that the authority takes: nothing in it is signed.
func Token(subject, issuer string) string {
	part := func(v any) string {
		data, _ := json.Marshal(v) // maps of texts and numbers marshal
		return base64.RawURLEncoding.EncodeToString(data)
	}
	claims := map[string]any{"iss": issuer, "sub": subject, "aud": "sigstore", "exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix()}
	if strings.Contains(subject, "@") && !strings.Contains(subject, "://") {
		claims["email"], claims["email_verified"] = subject, true
	}
	return part(map[string]any{"alg": "RS256", "typ": "JWT"}) + "." + part(claims) + "." + base64.RawURLEncoding.EncodeToString([]byte("none"))
}

// signingCert is Fulcio's interface, version 1.
func (w *World) signingCert(out http.ResponseWriter, r *http.Request) error {
	var asked struct {
		PublicKey struct{ Content []byte }
	}
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		return err
	}
	block, _ := pem.Decode(asked.PublicKey.Content)
	if block == nil {
		return errors.New("no key in PEM")
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return err
	}
	parts := strings.Split(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), ".")
	if len(parts) != 3 {
		return errors.New("no token")
	}
	data, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return err
	}
	var claims struct{ Sub, Iss string }
	if err := json.Unmarshal(data, &claims); err != nil {
		return err
	}
	c, err := w.Issue(Leaf{Subject: claims.Sub, Issuer: claims.Iss}, public)
	if err != nil {
		return err
	}
	out.Header().Set("Content-Type", "application/pem-certificate-chain")
	out.WriteHeader(http.StatusCreated)
	for _, c := range []*x509.Certificate{c, w.authority.issuer, w.authority.root} {
		if err := pem.Encode(out, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}); err != nil {
			return fmt.Errorf("answer: %w", err)
		}
	}
	return nil
}
