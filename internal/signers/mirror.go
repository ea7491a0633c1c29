package signers

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path"
	"testing"
	"time"

	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// Mirror is a TUF mirror of one file, trusted_root.json.
type Mirror struct {
	// Files are what it serves, by name.
	Files map[string][]byte
	// Root is its first root.json.
	Root []byte

	t      testing.TB
	signer signature.Signer
	key    *metadata.Key
}

// NewMirror makes the metadata of a trusted root in a version, which expire a day
// after a time.
func NewMirror(t testing.TB, trustedRoot []byte, version int64, at time.Time) *Mirror {
	t.Helper()
	m := &Mirror{t: t}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	m.must(err)
	m.signer, err = signature.LoadSigner(private, crypto.Hash(0))
	m.must(err)
	m.key, err = metadata.KeyFromPublicKey(public)
	m.must(err)
	m.Root = m.RootOf(1, at.Add(24*time.Hour))
	m.Publish(trustedRoot, version, at)
	return m
}

func (m *Mirror) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

// RootOf is a root.json of the mirror's one key.
func (m *Mirror) RootOf(version int64, expires time.Time) []byte {
	m.t.Helper()
	root := metadata.Root(expires)
	root.Signed.Version = version
	for _, role := range []string{metadata.ROOT, metadata.TIMESTAMP, metadata.SNAPSHOT, metadata.TARGETS} {
		m.must(root.Signed.AddKey(m.key, role))
	}
	_, err := root.Sign(m.signer)
	m.must(err)
	data, err := root.ToBytes(false)
	m.must(err)
	return data
}

// Publish has the mirror serve a trusted root in a version.
func (m *Mirror) Publish(trustedRoot []byte, version int64, at time.Time) {
	m.t.Helper()
	expires := at.Add(24 * time.Hour)
	file, err := metadata.TargetFile().FromBytes("trusted_root.json", trustedRoot, "sha256")
	m.must(err)
	targets, snapshot, stamp := metadata.Targets(expires), metadata.Snapshot(expires), metadata.Timestamp(expires)
	targets.Signed.Version, snapshot.Signed.Version, stamp.Signed.Version = version, version, version
	targets.Signed.Targets["trusted_root.json"] = file
	snapshot.Signed.Meta["targets.json"] = metadata.MetaFile(version)
	stamp.Signed.Meta["snapshot.json"] = metadata.MetaFile(version)
	sum := sha256.Sum256(trustedRoot)
	m.Files = map[string][]byte{hex.EncodeToString(sum[:]) + ".trusted_root.json": trustedRoot}
	_, err = targets.Sign(m.signer)
	m.must(err)
	_, err = snapshot.Sign(m.signer)
	m.must(err)
	_, err = stamp.Sign(m.signer)
	m.must(err)
	m.Files[fmt.Sprintf("%d.targets.json", version)], err = targets.ToBytes(false)
	m.must(err)
	m.Files[fmt.Sprintf("%d.snapshot.json", version)], err = snapshot.ToBytes(false)
	m.must(err)
	m.Files["timestamp.json"], err = stamp.ToBytes(false)
	m.must(err)
}

// Serve serves the files over http on loopback until the test ends.
func (m *Mirror) Serve() (url string) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, ok := m.Files[path.Base(r.URL.Path)]
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(data) // a client that went away is its own concern
	}))
	m.t.Cleanup(server.Close)
	return server.URL
}
