// Package signaturetest is a whole trust system in process, for tests: a certificate
// authority, a certificate log, transparency logs of both kinds and a timestamp
// authority, with throw-away keys. What it signs is real, and every part can be made
// wrong before it is written.
package signaturetest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"encoding/pem"
	"math/big"
	"net/url"
	"testing"
	"time"

	"github.com/digitorus/timestamp"
	"github.com/sigstore/sigstore-go/pkg/root"
)

// The addresses of the world's services.
const (
	LogURL   = "https://log.test"
	LogV2URL = "https://log2.test"
	StampURL = "https://stamp.test"
	CAURL    = "https://ca.test"
)

// World is the trust system. Its fields may be changed before the trusted root is
// taken.
type World struct {
	t testing.TB
	// Now is when the world was made; signatures are made then.
	Now time.Time

	Root, Intermediate       *x509.Certificate
	RootKey, IntermediateKey *ecdsa.PrivateKey
	CTKey, LogKey, LogV2Key  *ecdsa.PrivateKey
	StampRoot, StampLeaf     *x509.Certificate
	StampKey                 *ecdsa.PrivateKey
	serial                   int64
}

// New makes a world whose signatures are of the present.
func New(t testing.TB) *World { return At(t, time.Now().Add(-time.Minute)) }

// At makes a world whose signatures are of a time.
func At(t testing.TB, now time.Time) *World {
	w := &World{t: t, Now: now.Truncate(time.Second), RootKey: Key(t), IntermediateKey: Key(t), CTKey: Key(t), LogKey: Key(t), LogV2Key: Key(t), StampKey: Key(t)}
	w.Root = w.Issue(authority("root", w.Now), nil, nil, w.RootKey.Public(), w.RootKey)
	w.Intermediate = w.NewIntermediate(authority("intermediate", w.Now))
	stampKey := Key(t)
	w.StampRoot = w.Issue(authority("stamp root", w.Now), nil, nil, stampKey.Public(), stampKey)
	usage, err := asn1.Marshal([]asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 8}})
	w.must(err)
	w.StampLeaf = w.Issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: "stamp"}, NotBefore: w.Now.Add(-time.Hour), NotAfter: w.Now.Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: true, Value: usage}},
	}, w.StampRoot, stampKey, w.StampKey.Public(), nil)
	return w
}

// Key makes a key on P-256.
func Key(t testing.TB) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (w *World) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func authority(name string, now time.Time) *x509.Certificate {
	return &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-5 * time.Hour), NotAfter: now.Add(5 * time.Hour),
		KeyUsage: x509.KeyUsageCertSign, BasicConstraintsValid: true, IsCA: true,
	}
}

// NewIntermediate issues an authority under the root, with the world's key for
// intermediates.
func (w *World) NewIntermediate(template *x509.Certificate) *x509.Certificate {
	return w.Issue(template, w.Root, w.RootKey, w.IntermediateKey.Public(), nil)
}

// Issue makes a certificate; without a parent it is signed by its own key.
func (w *World) Issue(template, parent *x509.Certificate, by crypto.Signer, public crypto.PublicKey, own crypto.Signer) *x509.Certificate {
	w.t.Helper()
	w.serial++
	template.SerialNumber = big.NewInt(w.serial)
	if parent == nil {
		parent, by = template, own
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, by)
	w.must(err)
	cert, err := x509.ParseCertificate(der)
	w.must(err)
	return cert
}

// Fulcio's extensions for who vouched for a name: the older and the newer.
var (
	OldIssuer = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 1}
	NewIssuer = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 8}
)

// Text is an extension that holds a text in DER, as Fulcio's newer ones do.
func Text(id asn1.ObjectIdentifier, text string) pkix.Extension {
	value, err := asn1.MarshalWithParams(text, "utf8")
	if err != nil {
		panic(err)
	}
	return pkix.Extension{Id: id, Value: value}
}

// Leaf is the template of a certificate for ten minutes, with both issuer extensions.
// A name with "://" is a URI, any other an e-mail address.
func (w *World) Leaf(name, issuer string) *x509.Certificate {
	c := &x509.Certificate{
		NotBefore: w.Now.Add(-time.Minute), NotAfter: w.Now.Add(9 * time.Minute), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage:     []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
		ExtraExtensions: []pkix.Extension{{Id: OldIssuer, Value: []byte(issuer)}, Text(NewIssuer, issuer)},
	}
	if u, err := url.Parse(name); err == nil && u.Scheme != "" {
		c.URIs = []*url.URL{u}
	} else {
		c.EmailAddresses = []string{name}
	}
	return c
}

// Certify issues a certificate under the intermediate, with the certificate log's
// promise in it.
func (w *World) Certify(template *x509.Certificate, public crypto.PublicKey) *x509.Certificate {
	before := w.Issue(template, w.Intermediate, w.IntermediateKey, public, nil)
	promised := *template
	promised.ExtraExtensions = append(append([]pkix.Extension{}, template.ExtraExtensions...), w.promise(before))
	w.serial--
	return w.Issue(&promised, w.Intermediate, w.IntermediateKey, public, nil)
}

// promise is the extension with one signed certificate timestamp (RFC 6962, 3.2 and
// 3.3) for a certificate that does not have it yet.
func (w *World) promise(before *x509.Certificate) pkix.Extension {
	at := binary.BigEndian.AppendUint64(nil, uint64(w.Now.UnixMilli()))
	issuer := sha256.Sum256(w.Intermediate.RawSubjectPublicKeyInfo)
	over := append([]byte{0, 0}, at...)
	over = append(over, 0, 1)
	over = append(over, issuer[:]...)
	n := len(before.RawTBSCertificate)
	over = append(over, byte(n>>16), byte(n>>8), byte(n))
	over = append(append(over, before.RawTBSCertificate...), 0, 0)
	sum := sha256.Sum256(over)
	sig, err := ecdsa.SignASN1(rand.Reader, w.CTKey, sum[:])
	w.must(err)
	id := sha256.Sum256(spki(w.t, w.CTKey.Public()))
	sct := append([]byte{0}, id[:]...)
	sct = append(append(sct, at...), 0, 0, 4, 3)
	sct = append(binary.BigEndian.AppendUint16(sct, uint16(len(sig))), sig...)
	list := append(binary.BigEndian.AppendUint16(nil, uint16(len(sct))), sct...)
	list = append(binary.BigEndian.AppendUint16(nil, uint16(len(list))), list...)
	value, err := asn1.Marshal(list)
	w.must(err)
	return pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 2}, Value: value}
}

func spki(t testing.TB, public crypto.PublicKey) []byte {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// KeyPEM is a public key as a file.
func KeyPEM(t testing.TB, public crypto.PublicKey) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki(t, public)})
}

// CertificatePEM is a certificate as a file.
func CertificatePEM(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

// TrustedRoot is what there is to trust in the world.
func (w *World) TrustedRoot() []byte {
	from, to := w.Now.Add(-24*time.Hour), w.Now.Add(24*time.Hour)
	log := func(key *ecdsa.PrivateKey, address string) (string, *root.TransparencyLog) {
		id := sha256.Sum256(spki(w.t, key.Public()))
		return hexOf(id[:]), &root.TransparencyLog{BaseURL: address, ID: id[:], ValidityPeriodStart: from, ValidityPeriodEnd: to,
			HashFunc: crypto.SHA256, SignatureHashFunc: crypto.SHA256, PublicKey: key.Public()}
	}
	logs := map[string]*root.TransparencyLog{}
	for address, key := range map[string]*ecdsa.PrivateKey{LogURL: w.LogKey, LogV2URL: w.LogV2Key} {
		id, l := log(key, address)
		logs[id] = l
	}
	ctID, ct := log(w.CTKey, "https://ct.test")
	trusted, err := root.NewTrustedRoot(root.TrustedRootMediaType01,
		[]root.CertificateAuthority{&root.FulcioCertificateAuthority{Root: w.Root, Intermediates: []*x509.Certificate{w.Intermediate}, ValidityPeriodStart: from, ValidityPeriodEnd: to, URI: CAURL}},
		map[string]*root.TransparencyLog{ctID: ct},
		[]root.TimestampingAuthority{&root.SigstoreTimestampingAuthority{Root: w.StampRoot, Leaf: w.StampLeaf, ValidityPeriodStart: from, ValidityPeriodEnd: to, URI: StampURL}},
		logs)
	w.must(err)
	data, err := trusted.MarshalJSON()
	w.must(err)
	return data
}

// Stamp is a signed timestamp (RFC 3161) over something.
func (w *World) Stamp(over []byte, at time.Time) []byte {
	sum := sha256.Sum256(over)
	ts := timestamp.Timestamp{HashAlgorithm: crypto.SHA256, HashedMessage: sum[:], Time: at, Policy: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 2}, AddTSACertificate: true}
	raw, err := ts.CreateResponseWithOpts(w.StampLeaf, w.StampKey, crypto.SHA256)
	w.must(err)
	return raw
}
