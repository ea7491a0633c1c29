package verify

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"github.com/imageverify/verify/checksums/sums"
	"github.com/imageverify/verify/internal/corpus"
)

// web answers requests in process: 200 with what is under a URL, a redirect for
// a text that begins with "=> ", else 404. Everything asked is noted.
type web struct {
	mu    sync.Mutex
	pages map[string]string
	err   error
	asked []string
}

func (w *web) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, r.URL.String())
	if w.err != nil {
		return nil, w.err
	}
	text, ok := w.pages[r.URL.String()]
	res := &http.Response{StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, Header: http.Header{}, Request: r, Body: io.NopCloser(strings.NewReader(text))}
	if to, redirect := strings.CutPrefix(text, "=> "); redirect {
		res.StatusCode, res.Header = http.StatusFound, http.Header{"Location": {to}}
	}
	if !ok {
		res.StatusCode = http.StatusNotFound
	}
	return res, nil
}

const (
	alpineArchive = "alpine-minirootfs-3.20.3-x86_64.tar.gz"
	alpineList    = "https://dl-cdn.alpinelinux.org/alpine/v3.20/releases/x86_64/" + alpineArchive + ".sha512"
)

// alpineLine is the line that Alpine publishes for its archive.
func alpineLine(t *testing.T) string {
	t.Helper()
	for line := range strings.Lines(gitShow(t, filepath.Join(corpus.Dir(t), "git/alpinelinux+docker-alpine.git"), realCommit+":checksums.sha512")) {
		if sum, name, ok := strings.Cut(strings.TrimSpace(line), "  "); ok && filepath.Base(name) == alpineArchive {
			return sum + "  " + alpineArchive + "\n"
		}
	}
	t.Fatal("the commit has no line for " + alpineArchive)
	return ""
}

// onlineAlpine verifies the real alpine:3.20.3 with a web in the network's place.
func onlineAlpine(t *testing.T, w *web) (ref string, o Options) {
	t.Helper()
	o = warmOptions(t)
	o.Offline, o.Transport = false, w
	return "oci:" + filepath.Join(corpus.Dir(t), "images/alpine-3.20.3"), o
}

func TestTheDistributorsOwnListMakesAChecksumIndependent(t *testing.T) {
	w := &web{pages: map[string]string{alpineList: alpineLine(t)}}
	ref, o := onlineAlpine(t, w)
	img := verifyOne(t, ref, o)
	wants(t, img, Verified, "rootfs.checksum", Pass, "")
	f, _ := findingOf(img, "rootfs.checksum")
	if !*f.Details.Independent || f.Details.NotIndependent != "" || !strings.Contains(f.Summary, alpineList) {
		t.Errorf("%+v: want an independent pass that names the address", f)
	}
	wants(t, img, Verified, "rootfs.signature", Unknown, "list-absent")

	// The copy in the cache serves another run, offline too, and is dated.
	w.asked, o.Offline = nil, true
	f, _ = findingOf(verifyOne(t, ref, o), "rootfs.checksum")
	if len(w.asked) > 0 || !*f.Details.Independent || !strings.Contains(fmt.Sprint(f.Evidence), alpineList+" (as of ") {
		t.Errorf("asked %v, %+v: want the copy, and its date", w.asked, f)
	}
}

func TestWhatTheDistributorsOwnListSaysStands(t *testing.T) {
	real := alpineLine(t)
	zero := strings.Repeat("0", 128)
	tests := []struct {
		name, list     string
		status         Status
		reason, notInd string
	}{
		{"another sum", zero + "  " + alpineArchive + "\n", Fail, "sum-differs", ""},
		{"two sums", real + zero + "  " + alpineArchive + "\n", Fail, "two-sums", ""},
		{"no line", zero + "  other.tar.gz\n", Fail, "not-listed", ""},
		{"a page for people", "<html>maintenance</html>\n", Pass, "", "list-invalid"},
		{"a list over the bound", strings.Repeat("#", maxList+1), Pass, "", "no-network"},
		{"a redirect to http", "=> http://dl-cdn.alpinelinux.org/x", Pass, "", "no-network"},
		{"redirects without end", "=> " + alpineList, Pass, "", "no-network"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := &web{pages: map[string]string{alpineList: tt.list, "http://dl-cdn.alpinelinux.org/x": real}}
			ref, o := onlineAlpine(t, w)
			img := verifyOne(t, ref, o)
			wants(t, img, map[Status]Verdict{Pass: Verified, Fail: Failed}[tt.status], "rootfs.checksum", tt.status, tt.reason)
			f, _ := findingOf(img, "rootfs.checksum")
			if *f.Details.Independent || tt.status == Pass && f.Details.NotIndependent != tt.notInd {
				t.Errorf("independent %v, not for %q; want false, for %q", *f.Details.Independent, f.Details.NotIndependent, tt.notInd)
			}
		})
	}
}

func TestADistributorThatIsNotAskedLeavesTheChecksumConsistent(t *testing.T) {
	for name, tt := range map[string]struct {
		web    *web
		change func(*Options)
		reason string
	}{
		"offline":        {&web{}, func(o *Options) { o.Offline = true }, "offline"},
		"not there":      {&web{}, func(*Options) {}, "list-absent"},
		"does not speak": {&web{err: errors.New("no route to host")}, func(*Options) {}, "no-network"},
	} {
		t.Run(name, func(t *testing.T) {
			ref, o := onlineAlpine(t, tt.web)
			tt.change(&o)
			img := verifyOne(t, ref, o)
			wants(t, img, Verified, "rootfs.checksum", Pass, "")
			wants(t, img, Verified, "rootfs.signature", Unknown, tt.reason)
			f, _ := findingOf(img, "rootfs.checksum")
			if *f.Details.Independent || f.Details.NotIndependent != tt.reason || !strings.Contains(f.Summary, "consistent") {
				t.Errorf("%+v: want a consistent pass, not independent for %s", f, tt.reason)
			}
			if o.Offline && len(tt.web.asked) > 0 {
				t.Errorf("asked %v offline", tt.web.asked)
			}
		})
	}
}

// ubuntuKey is Canonical's pinned key and where a server has it.
func ubuntuKey(t *testing.T) (text string, addresses []string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(corpus.Dir(t), "keys/ubuntu-uec-image.asc"))
	if err != nil {
		t.Fatal(err)
	}
	d, _ := sums.Find(ubuntuSource)
	return string(data), d.Keys[0].Addresses()
}

func TestAKeyComesFromAKeyServerAndIsKept(t *testing.T) {
	text, addresses := ubuntuKey(t)
	for n, address := range addresses {
		w := &web{pages: map[string]string{address: text}}
		ref, o := officialUbuntu(t)
		o.Offline, o.Transport, o.Keyrings = false, w, nil
		wants(t, verifyOne(t, ref, o), Incomplete, "rootfs.signature", Pass, "")
		if len(w.asked) != n+1 {
			t.Errorf("asked %v, want the addresses in order up to the one that answers", w.asked)
		}
		w.asked = nil
		wants(t, verifyOne(t, ref, o), Incomplete, "rootfs.signature", Pass, "")
		if len(w.asked) > 0 {
			t.Errorf("asked %v, with the key in the cache", w.asked)
		}
		o.Offline = true
		wants(t, verifyOne(t, ref, o), Incomplete, "rootfs.signature", Pass, "")
	}
}

func TestWhatAKeyServerGivesCountsByItsFingerprint(t *testing.T) {
	_, addresses := ubuntuKey(t)
	file, _ := impostor(t, "UEC Image Automatic Signing Key", "cdimage@ubuntu.com", "")
	other, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, answer := range map[string]string{"another key": string(other), "no key": "sorry", "too much": strings.Repeat("x", maxKey+1)} {
		w := &web{pages: map[string]string{addresses[0]: answer, addresses[1]: answer}}
		ref, o := officialUbuntu(t)
		o.Offline, o.Transport, o.Keyrings = false, w, nil
		img := verifyOne(t, ref, o)
		wants(t, img, Incomplete, "rootfs.signature", Unknown, "key-absent")
		if f, _ := findingOf(img, "rootfs.signature"); !strings.Contains(f.Summary, addresses[1]) {
			t.Errorf("%s: summary %q does not say what the servers gave", name, f.Summary)
		}
	}
}

func TestAGivenKeyAsksNobody(t *testing.T) {
	w := &web{}
	ref, o := officialUbuntu(t)
	o.Offline, o.Transport = false, w
	wants(t, verifyOne(t, ref, o), Incomplete, "rootfs.signature", Pass, "")
	if len(w.asked) > 0 {
		t.Errorf("asked %v", w.asked)
	}
}

// ownDistributor is a distributor with a key of the test's own, and its
// session over a web.
func ownDistributor(t *testing.T, w *web, dir string) (*session, *openpgp.Entity, sums.Distributor) {
	t.Helper()
	key, err := openpgp.NewEntity("Own", "", "own@distributor.example", &packet.Config{Time: func() time.Time { return time.Now().AddDate(-1, 0, 0) }})
	if err != nil {
		t.Fatal(err)
	}
	d := sums.Distributor{Name: "Own", Hashes: []string{"SHA256", "SHA512"}, Keys: []sums.Key{{Fingerprint: fmt.Sprintf("%X", key.PrimaryKey.Fingerprint)}}}
	return openSession(t, w, dir), key, d
}

func openSession(t *testing.T, w *web, dir string) *session {
	t.Helper()
	s, err := newSession(t.Context(), Options{Transport: w, Cache: dir, Requirements: Requirements{Only: []string{"image.digests"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s
}

func publicKey(t *testing.T, key *openpgp.Entity) string {
	t.Helper()
	var b bytes.Buffer
	if err := key.Serialize(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestAKeyInTheCacheIsRefreshedAndNeverForgetsItsRevocation(t *testing.T) {
	w := &web{pages: map[string]string{}}
	dir := filepath.Join(t.TempDir(), "cache")
	s, key, d := ownDistributor(t, w, dir)
	address := d.Keys[0].Addresses()[0]
	signature := []byte(armoredSignature(t, key, "list"))
	verify := func(s *session) error {
		_, err := s.verifySignature(t.Context(), strings.NewReader("list"), signature, d)
		return err
	}
	plain := publicKey(t, key)
	w.pages[address] = plain
	if err := verify(s); err != nil {
		t.Fatalf("with the key: %v", err)
	}
	if err := key.Revoke(packet.NoReason, "", nil); err != nil {
		t.Fatal(err)
	}
	w.pages[address] = publicKey(t, key)
	if err := verify(openSession(t, w, dir)); err != nil {
		t.Errorf("with a fresh copy: %v, want the revocation not yet known", err)
	}
	age := func(s *session) {
		data, _ := s.kept(keptKey, d.Keys[0].Fingerprint)
		if err := s.cache.Put(keptKey, keptVersion, d.Keys[0].Fingerprint, append(make([]byte, 8), data...)); err != nil {
			t.Fatal(err)
		}
	}
	age(s)
	if err := verify(openSession(t, w, dir)); !errors.Is(err, sums.ErrKeyRevoked) {
		t.Errorf("with an old copy: %v, want the revocation", err)
	}
	age(s)
	w.pages[address] = plain
	if err := verify(openSession(t, w, dir)); !errors.Is(err, sums.ErrKeyRevoked) {
		t.Errorf("from a server that has forgotten it: %v, want the revocation", err)
	}
	age(s)
	delete(w.pages, address)
	if err := verify(openSession(t, w, dir)); !errors.Is(err, sums.ErrKeyRevoked) {
		t.Errorf("from no server: %v, want the copy", err)
	}
}

func TestASignatureOverTheArchiveIsVerifiedAtItsAddress(t *testing.T) {
	const at = "https://distributor.example/"
	w := &web{pages: map[string]string{}}
	s, key, d := ownDistributor(t, w, filepath.Join(t.TempDir(), "cache"))
	s.keyring = sums.Join(mustKeyring(t, publicKey(t, key)))
	archive := handIn(t, []byte("archive"))
	files, err := openObjects([]string{archive})
	if err != nil {
		t.Fatal(err)
	}
	s.objects = files
	list := sums.List{Where: sums.AtAddress, File: "{archive}.sha256", Algorithm: "sha256", Signature: "{archive}.asc", Signs: sums.OverArchive, Independent: true, Address: at}
	fact := sumFact{distributor: d, name: "a.tar", object: archive}
	for signed, want := range map[string]error{"archive": nil, "archivf": sums.ErrBadSignature} {
		address := at + signed + ".asc"
		w.pages[address] = armoredSignature(t, key, signed)
		if _, err := s.publishedSignature(t.Context(), nil, fact, list, nil, address); !errors.Is(err, want) {
			t.Errorf("signed over %q: %v, want %v", signed, err, want)
		}
	}
}

func mustKeyring(t *testing.T, text string) *sums.Keyring {
	t.Helper()
	k, err := sums.ReadKeyring(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestWhatIsKeptIsFreshForAWhile(t *testing.T) {
	for when, want := range map[time.Duration]bool{0: true, -keyFresh + time.Minute: true, -keyFresh - time.Second: false, time.Hour: false} {
		if got := fresh(time.Now().Add(when), keyFresh); got != want {
			t.Errorf("of %v: %v, want %v", when, got, want)
		}
	}
}
