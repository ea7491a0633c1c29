package sums

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"github.com/imageverify/verify/internal/corpus"
)

const (
	ubuntuAMD64 = "570d5970a8b18bc772ad2c3eb1ce8fd0887d991a"
	ubuntuARM64 = "ccdcd5d4a1f938cda92e7cb3999fca58188c333f"
	xenialTar   = "ubuntu-xenial-core-cloudimg-amd64-root.tar.gz"
)

type canonical struct {
	mirror string
	row    Distributor
	ring   *Keyring
}

func realCanonical(t testing.TB) canonical {
	t.Helper()
	dir := corpus.Dir(t)
	key, err := os.ReadFile(filepath.Join(dir, "keys", "ubuntu-uec-image.asc"))
	if err != nil {
		t.Fatal(err)
	}
	row, ok := Find("https://github.com/tianon/docker-brew-ubuntu-core")
	if !ok {
		t.Fatal("no row")
	}
	return canonical{filepath.Join(dir, "git", "tianon+docker-brew-ubuntu-core.git"), row, mustRead(t, key)}
}

func (c canonical) verify(t testing.TB, list string, sig []byte, ring *Keyring, row Distributor) (SignatureResult, error) {
	t.Helper()
	return VerifySignature(t.Context(), strings.NewReader(list), sig, ring, row, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
}

func TestCanonicalsRealListsAreSignedOverSHA1(t *testing.T) {
	c := realCanonical(t)
	checked := 0
	for _, commit := range []string{ubuntuAMD64, ubuntuARM64} {
		for _, codename := range []string{"trusty", "xenial", "bionic", "focal", "jammy", "kinetic"} {
			list, sig := gitFile(t, c.mirror, commit, codename+"/SHA256SUMS"), gitFile(t, c.mirror, commit, codename+"/SHA256SUMS.gpg")
			got, err := c.verify(t, list, []byte(sig), c.ring, c.row)
			if err != nil || got.Fingerprint != c.row.Keys[0].Fingerprint || got.Hash != "SHA1" || !got.Weak || got.KeyExpired {
				t.Errorf("%s %s: %+v, error %v", commit, codename, got, err)
			}
			checked++
		}
	}
	if checked != 12 {
		t.Errorf("%d lists checked, want 12", checked)
	}
}

func TestTheRealListOfXenialIsJudgedInEveryWay(t *testing.T) {
	c := realCanonical(t)
	l, _ := c.row.ListOf(xenialTar)
	list := gitFile(t, c.mirror, ubuntuAMD64, l.Path("xenial", xenialTar))
	sig := []byte(gitFile(t, c.mirror, ubuntuAMD64, l.SignaturePath("xenial", xenialTar)))
	want := SignatureResult{
		Fingerprint: "D2EB44626FDDC30B513D5BB71A5D6C4C7DB87C81", Signer: "D2EB44626FDDC30B513D5BB71A5D6C4C7DB87C81",
		KeyID: "1A5D6C4C7DB87C81", Created: time.Date(2021, 8, 4, 19, 7, 40, 0, time.UTC), Hash: "SHA1", Weak: true,
	}
	if got, err := c.verify(t, list, sig, c.ring, c.row); err != nil || got != want {
		t.Errorf("%+v, error %v", got, err)
	}
	e, ok, err := Lookup(strings.NewReader(list), l.Name("xenial", xenialTar))
	if err != nil || !ok || e.Line != 1 || e.Digest != "cc6f79ef87645ceaab78aa007084a34b20526e95f815cb50612930297e766d62" {
		t.Errorf("%+v, %v, error %v", e, ok, err)
	}
	if _, _, err := Lookup(strings.NewReader(list+zero+" *"+xenialTar+"\n"), xenialTar); !errors.Is(err, ErrTwoSums) {
		t.Errorf("a second line for the file: %v", err)
	}

	other := namesakeOf(t, c.row.Keys[0])
	forged := signature{text: list}.by(t, other.PrivateKey)
	strict := c.row
	strict.Hashes = strongHashes
	for _, f := range []struct {
		name       string
		list       string
		sig        []byte
		ring       *Keyring
		row        Distributor
		kind       error
		particular string
	}{
		{"a byte of the list changed", strings.Replace(list, "c", "d", 1), sig, c.ring, c.row, ErrBadSignature, "key 1A5D6C4C7DB87C81, SHA1"},
		{"a row without SHA-1", list, sig, c.ring, strict, ErrWeakHash, "SHA1"},
		{"another key of the same name signs", list, forged, keyringOf(t, other), c.row, ErrWrongKey, fingerprint(other)},
		{"beside the real key", list, forged, Join(c.ring, keyringOf(t, other)), c.row, ErrWrongKey, fingerprint(other)},
		{"another key of the same name is offered", list, sig, keyringOf(t, other), c.row, ErrWrongKey, fingerprint(other)},
		{"no key", list, sig, nil, c.row, ErrKeyAbsent, "D2EB44626FDDC30B513D5BB71A5D6C4C7DB87C81 is needed"},
		{"the signature of another release", list, []byte(gitFile(t, c.mirror, ubuntuAMD64, "trusty/SHA256SUMS.gpg")), c.ring, c.row, ErrBadSignature, ""},
		{"no signature", list, nil, c.ring, c.row, ErrNoSignature, ""},
	} {
		got, err := c.verify(t, f.list, f.sig, f.ring, f.row)
		wantKind(t, f.name, got, err, f.kind, f.particular)
	}
}

func namesakeOf(t *testing.T, k Key) *openpgp.Entity {
	t.Helper()
	name, email, _ := strings.Cut(strings.TrimSuffix(k.UserID, ">"), " <")
	e, err := openpgp.NewEntity(name, "", email, at(made))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestEveryByteOfCanonicalsSignatureCounts(t *testing.T) {
	c := realCanonical(t)
	list := gitFile(t, c.mirror, ubuntuAMD64, "xenial/SHA256SUMS")
	sig, err := unarmor([]byte(gitFile(t, c.mirror, ubuntuAMD64, "xenial/SHA256SUMS.gpg")), openpgp.SignatureType)
	if err != nil {
		t.Fatal(err)
	}
	// The two bytes before the number are a hint at the hash, which nothing
	// rests on.
	hint := bytes.Index(sig, []byte{0xc7, 0xa1})
	for i := range sig {
		changed := slices.Clone(sig)
		changed[i] ^= 1
		_, err := c.verify(t, list, changed, c.ring, c.row)
		if free := i == hint || i == hint+1; free != (err == nil) {
			t.Errorf("byte %d of %d: error %v", i, len(sig), err)
		}
	}
}
