package sums

import (
	"bytes"
	"errors"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

func clearSign(t testing.TB, key *openpgp.Entity, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := clearsign.Encode(&b, key.PrivateKey, at(signed))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return append(b.Bytes(), '\n')
}

func TestAClearSignedListIsReadFromWhatIsSigned(t *testing.T) {
	key := newKey(t)
	list := "# a list\n- escaped\n\n" + sum256 + "  a.tar"
	file := clearSign(t, key, list)
	if !IsClearSigned(file) || IsClearSigned([]byte(list)) {
		t.Error("not told apart")
	}
	text, got, err := VerifyClearSigned(t.Context(), file, keyringOf(t, key), pinning(key), now)
	if err != nil || got.Fingerprint != fingerprint(key) || string(text) != list+"\n" {
		t.Errorf("%q, %+v, error %v", text, got, err)
	}
	windows := bytes.ReplaceAll(file, []byte("\n"), []byte(" \r\n"))
	if again, got, err := VerifyClearSigned(t.Context(), windows, keyringOf(t, key), pinning(key), now); err != nil || !bytes.Equal(again, text) {
		t.Errorf("with other line ends: %q, %+v, error %v", again, got, err)
	}
}

func TestNothingAroundAClearSignedListCounts(t *testing.T) {
	key, other := newKey(t), newKey(t)
	file := clearSign(t, key, sum256+"  a.tar\n")
	evil := zero + "  a.tar\n"
	insert := func(before string) []byte { return bytes.Replace(file, []byte(before), []byte(evil+before), 1) }
	for _, c := range []struct {
		name string
		file []byte
		kind error
	}{
		{"a list that is not signed", []byte(evil), ErrNoSignature},
		{"a line before", append([]byte(evil), file...), ErrNoSignature},
		{"a line after", append(bytes.Clone(file), evil...), ErrBadSignature},
		{"a line in the text", insert(sum256), ErrBadSignature},
		{"a line among the headers", insert("Hash:"), ErrBadSignature},
		{"a line that is not escaped", bytes.Replace(file, []byte("\n-----BEGIN PGP SIGNATURE"), []byte("\n-"+evil+"-----BEGIN PGP SIGNATURE"), 1), ErrBadSignature},
		{"no text", []byte("-----BEGIN PGP SIGNED MESSAGE-----\n\n-----BEGIN PGP SIGNATURE-----"), ErrBadSignature},
		{"no end of the headers", []byte("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n"), ErrBadSignature},
		{"another first line", append([]byte("-----BEGIN PGP SIGNED MESSAGE-----x\n"), file...), ErrBadSignature},
		{"two texts", append(bytes.Clone(file), file...), ErrBadSignature},
		{"no signature below", file[:bytes.Index(file, []byte("-----BEGIN PGP SIGNATURE"))], ErrBadSignature},
		{"somebody else's", clearSign(t, other, evil), ErrWrongKey},
	} {
		text, got, err := VerifyClearSigned(t.Context(), c.file, keyringOf(t, key), pinning(key), now)
		wantKind(t, c.name, got, err, c.kind, "")
		if text != nil {
			t.Errorf("%s: text %q", c.name, text)
		}
	}
	if _, _, err := VerifyClearSigned(t.Context(), make([]byte, maxFile+1), nil, Distributor{}, now); !errors.Is(err, ErrTooLong) {
		t.Errorf("over the bound: %v", err)
	}
}
