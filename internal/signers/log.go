package signers

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"testing"
	"time"

	"github.com/digitorus/timestamp"
	"github.com/go-openapi/runtime"
	"github.com/sigstore/rekor/pkg/generated/models"
	"github.com/sigstore/rekor/pkg/types"
	_ "github.com/sigstore/rekor/pkg/types/dsse/v0.0.1"         // kinds of entries
	_ "github.com/sigstore/rekor/pkg/types/hashedrekord/v0.0.1" // that are logged
	_ "github.com/sigstore/rekor/pkg/types/intoto/v0.0.2"
	"github.com/sigstore/rekor/pkg/util"
	"github.com/sigstore/sigstore/pkg/signature"
)

// Entry is an entry of the log with all that proves it.
type Entry struct {
	Body       []byte
	Integrated int64
	// Index is the entry's place, LogID the SHA-256 of the log's key.
	Index int64
	LogID []byte
	// Promise is the signed entry timestamp.
	Promise []byte
	// Hashes prove the inclusion in a tree of Size entries with the hash Root, which
	// Checkpoint signs.
	Hashes     [][]byte
	Size       int64
	Root       []byte
	Checkpoint string
}

func keyID(t testing.TB, key *ecdsa.PrivateKey) (raw []byte, name string) {
	t.Helper()
	raw = sum(publicDER(t, key))
	return raw, hex.EncodeToString(raw)
}

// Log adds a body to the log as it is, at a time.
func (w *World) Log(t testing.TB, body []byte, at time.Time) Entry {
	t.Helper()
	e, err := w.append(body, at)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func (w *World) append(body []byte, at time.Time) (Entry, error) {
	w.mu.Lock()
	w.leaves = append(w.leaves, leafHash(body))
	leaves := w.leaves[:len(w.leaves):len(w.leaves)]
	w.mu.Unlock()
	last := len(leaves) - 1
	e := Entry{Body: body, Integrated: at.Unix(), Index: int64(last), Size: int64(len(leaves)), Root: treeHash(leaves), Hashes: treePath(last, leaves)}
	der, err := signature.LoadECDSASignerVerifier(w.log, crypto.SHA256)
	if err != nil {
		return e, err
	}
	public, err := der.PublicKey()
	if err != nil {
		return e, err
	}
	id, err := hashKey(public)
	if err != nil {
		return e, err
	}
	e.LogID = id
	checkpoint, err := util.CreateAndSignCheckpoint(context.Background(), "log.example.com", 1, uint64(e.Size), e.Root, der)
	if err != nil {
		return e, err
	}
	e.Checkpoint = string(checkpoint)
	e.Promise, err = w.Promise(e)
	return e, err
}

// Promise signs what an entry says, whatever that is: the log's signed entry
// timestamp.
func (w *World) Promise(e Entry) ([]byte, error) {
	text := fmt.Sprintf(`{"body":%q,"integratedTime":%d,"logID":%q,"logIndex":%d}`,
		base64.StdEncoding.EncodeToString(e.Body), e.Integrated, hex.EncodeToString(e.LogID), e.Index)
	return ecdsa.SignASN1(rand.Reader, w.log, sum([]byte(text)))
}

func leafHash(body []byte) []byte { return sum(append([]byte{0}, body...)) }

// treeHash and treePath are those of RFC 6962, 2.1.
func treeHash(leaves [][]byte) []byte {
	if len(leaves) == 1 {
		return leaves[0]
	}
	k := split(len(leaves))
	return sum(append(append([]byte{1}, treeHash(leaves[:k])...), treeHash(leaves[k:])...))
}

func treePath(i int, leaves [][]byte) [][]byte {
	if len(leaves) == 1 {
		return nil
	}
	k := split(len(leaves))
	if i < k {
		return append(treePath(i, leaves[:k]), treeHash(leaves[k:]))
	}
	return append(treePath(i-k, leaves[k:]), treeHash(leaves[:k]))
}

// split is the largest power of two below n.
func split(n int) int {
	k := 1
	for 2*k < n {
		k *= 2
	}
	return k
}

// addEntry is Rekor's interface, version 1.
func (w *World) addEntry(out http.ResponseWriter, r *http.Request) error {
	proposed, err := models.UnmarshalProposedEntry(r.Body, runtime.JSONConsumer())
	if err != nil {
		return err
	}
	entry, err := types.CreateVersionedEntry(proposed)
	if err != nil {
		return err
	}
	body, err := types.CanonicalizeEntry(r.Context(), entry)
	if err != nil {
		return err
	}
	e, err := w.append(body, time.Now())
	if err != nil {
		return err
	}
	hashes := make([]string, len(e.Hashes))
	for i, h := range e.Hashes {
		hashes[i] = hex.EncodeToString(h)
	}
	uuid := fmt.Sprintf("%016x", 1) + hex.EncodeToString(leafHash(body))
	out.Header().Set("Content-Type", "application/json")
	out.Header().Set("Location", w.URL+"/api/v1/log/entries/"+uuid)
	out.WriteHeader(http.StatusCreated)
	return json.NewEncoder(out).Encode(map[string]any{uuid: map[string]any{
		"body": base64.StdEncoding.EncodeToString(body), "integratedTime": e.Integrated, "logID": hex.EncodeToString(e.LogID), "logIndex": e.Index,
		"verification": map[string]any{
			"signedEntryTimestamp": base64.StdEncoding.EncodeToString(e.Promise),
			"inclusionProof":       map[string]any{"checkpoint": e.Checkpoint, "hashes": hashes, "logIndex": e.Index, "rootHash": hex.EncodeToString(e.Root), "treeSize": e.Size},
		},
	}})
}

// timestamp is the timestamp service's interface.
func (w *World) timestamp(out http.ResponseWriter, r *http.Request) error {
	query, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	request, err := timestamp.ParseRequest(query)
	if err != nil {
		return err
	}
	response, err := w.stamp(request, time.Now())
	if err != nil {
		return err
	}
	out.Header().Set("Content-Type", "application/timestamp-reply")
	out.WriteHeader(http.StatusCreated)
	_, err = io.Copy(out, bytes.NewReader(response))
	return err
}

// Timestamp is a timestamp over data at a time.
func (w *World) Timestamp(t testing.TB, data []byte, at time.Time) []byte {
	t.Helper()
	response, err := w.stamp(&timestamp.Request{HashAlgorithm: crypto.SHA256, HashedMessage: sum(data), Certificates: true}, at)
	if err != nil {
		t.Fatal(err)
	}
	return response
}

func (w *World) stamp(request *timestamp.Request, at time.Time) ([]byte, error) {
	nonce := request.Nonce
	if nonce == nil {
		nonce = big.NewInt(1)
	}
	return (&timestamp.Timestamp{
		HashAlgorithm: request.HashAlgorithm, HashedMessage: request.HashedMessage, Time: at, Nonce: nonce,
		Policy: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 2}, AddTSACertificate: request.Certificates,
	}).CreateResponseWithOpts(w.stamper.leaf, w.stamper.leafKey, crypto.SHA256)
}
