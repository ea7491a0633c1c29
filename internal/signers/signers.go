// Package signers is a sigstore of its own for tests: a certificate authority, a
// certificate log, a transparency log and a timestamp authority with keys that live as
// long as the test, behind the interfaces of Fulcio, Rekor and the timestamp service,
// so that the real cosign signs with them.
package signers

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"
)

// World is the running services and their keys.
type World struct {
	// URL is where all services answer, over http on loopback.
	URL string

	authority *authority
	stamper   *authority
	log       *ecdsa.PrivateKey
	certLog   *ecdsa.PrivateKey
	start     time.Time

	mu     sync.Mutex
	leaves [][]byte
}

// Start starts the services until the test ends.
func Start(t testing.TB) *World {
	t.Helper()
	w := &World{start: time.Now().Add(-time.Hour).UTC().Truncate(time.Second)}
	w.log, w.certLog = newKey(t), newKey(t)
	w.authority = newAuthority(t, "test", w.start, x509.ExtKeyUsageCodeSigning)
	w.stamper = newAuthority(t, "test-time", w.start, x509.ExtKeyUsageTimeStamping)
	w.stamper.addStamper(t, w.start)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/signingCert", answer(w.signingCert))
	mux.HandleFunc("POST /api/v1/log/entries", answer(w.addEntry))
	mux.HandleFunc("POST /api/v1/timestamp", answer(w.timestamp))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	w.URL = server.URL
	return w
}

// newKey makes a key on P-256.
func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// answer makes a handler of a function whose error is the caller's fault.
func answer(f func(w http.ResponseWriter, r *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := f(w, r); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	}
}

// TrustedRoot is the JSON of a trusted root with the keys of all services.
func (w *World) TrustedRoot(t testing.TB) []byte {
	t.Helper()
	logs := map[string]*root.TransparencyLog{}
	certLogs := map[string]*root.TransparencyLog{}
	w.describeLog(t, logs, w.log, w.URL)
	w.describeLog(t, certLogs, w.certLog, "http://certificates.example.com")
	tr, err := root.NewTrustedRoot(root.TrustedRootMediaType01,
		[]root.CertificateAuthority{&root.FulcioCertificateAuthority{
			Root: w.authority.root, Intermediates: []*x509.Certificate{w.authority.issuer}, ValidityPeriodStart: w.start, URI: w.URL}},
		certLogs,
		[]root.TimestampingAuthority{&root.SigstoreTimestampingAuthority{
			Root: w.stamper.root, Intermediates: []*x509.Certificate{w.stamper.issuer}, Leaf: w.stamper.leaf, ValidityPeriodStart: w.start, URI: w.URL}},
		logs)
	if err != nil {
		t.Fatal(err)
	}
	data, err := tr.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func (w *World) describeLog(t testing.TB, into map[string]*root.TransparencyLog, key *ecdsa.PrivateKey, url string) {
	t.Helper()
	id, name := keyID(t, key)
	into[name] = &root.TransparencyLog{BaseURL: url, ID: id, ValidityPeriodStart: w.start, HashFunc: crypto.SHA256, PublicKey: key.Public(), SignatureHashFunc: crypto.SHA256}
}

// TrustedRootFile writes the trusted root to a file and returns its name.
func (w *World) TrustedRootFile(t testing.TB) string {
	t.Helper()
	return writeFile(t, "trusted_root.json", w.TrustedRoot(t))
}

// Authorities writes the certificates of the authority to two files in PEM: its root,
// and its intermediate.
func (w *World) Authorities(t testing.TB) (root, intermediate string) {
	t.Helper()
	return writeFile(t, "root.pem", certificatePEM(w.authority.root)), writeFile(t, "intermediate.pem", certificatePEM(w.authority.issuer))
}

// Environment is what the cosign program needs in its environment to believe the
// services when it signs.
func (w *World) Environment(t testing.TB) []string {
	t.Helper()
	chain := append(certificatePEM(w.authority.issuer), certificatePEM(w.authority.root)...)
	stampers := append(append(certificatePEM(w.stamper.leaf), certificatePEM(w.stamper.issuer)...), certificatePEM(w.stamper.root)...)
	return []string{
		"SIGSTORE_ROOT_FILE=" + writeFile(t, "chain.pem", chain),
		"SIGSTORE_REKOR_PUBLIC_KEY=" + writeFile(t, "rekor.pub", publicPEM(t, w.log)),
		"SIGSTORE_CT_LOG_PUBLIC_KEY_FILE=" + writeFile(t, "ct.pub", publicPEM(t, w.certLog)),
		"SIGSTORE_TSA_CERTIFICATE_FILE=" + writeFile(t, "tsa.pem", stampers),
	}
}

func writeFile(t testing.TB, name string, data []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func certificatePEM(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

func publicDER(t testing.TB, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func publicPEM(t testing.TB, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: publicDER(t, key)})
}

func sum(data []byte) []byte {
	s := sha256.Sum256(data)
	return s[:]
}

func hashKey(public crypto.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, err
	}
	return sum(der), nil
}
