package verify

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	ocilayout "github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/imageverify/verify/provenance/signature"
	"github.com/imageverify/verify/provenance/signature/signaturetest"
	"github.com/imageverify/verify/provenance/signed"
)

// signedWorld is a layout with an index of one image, and who signs.
type signedWorld struct {
	*signaturetest.World
	t            *testing.T
	dir          string
	path         ocilayout.Path
	image, index v1.Descriptor
}

func newSignedWorld(t *testing.T) *signedWorld {
	t.Helper()
	w := &signedWorld{World: signaturetest.New(t), t: t, dir: t.TempDir()}
	img, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{OS: "linux", Architecture: "amd64", RootFS: v1.RootFS{Type: "layers"}})
	w.must(err)
	index := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex),
		mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}})
	m, err := index.IndexManifest()
	w.must(err)
	w.image = m.Manifests[0]
	w.path, err = ocilayout.Write(w.dir, empty.Index)
	w.must(err)
	w.must(w.path.AppendIndex(index))
	digest, err := index.Digest()
	w.must(err)
	w.index = v1.Descriptor{Digest: digest}
	return w
}

func (w *signedWorld) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// attach puts signatures under cosign's tag of a digest.
func (w *signedWorld) attach(subject v1.Hash, all ...*signaturetest.Signature) {
	w.t.Helper()
	img := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	for _, s := range all {
		item := s.Simple(subject)
		media := types.MediaType(item.MediaType)
		var err error
		img, err = mutate.Append(img, mutate.Addendum{Layer: static.NewLayer(item.Content, media), MediaType: media, Annotations: item.Annotations})
		w.must(err)
	}
	w.must(w.path.AppendImage(img, ocilayout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": "sha256-" + subject.Hex + ".sig"})))
}

// refer attaches a bundle as a referrer.
func (w *signedWorld) refer(subject v1.Descriptor, item signed.Item) {
	w.t.Helper()
	w.must(w.path.AppendImage(attachmentOf(w.t, &subject, types.MediaType(item.MediaType), string(item.Content), nil)))
}

func (w *signedWorld) payload(subject v1.Hash) []byte {
	return signaturetest.Payload(subject, "registry.example.com/team/app", nil)
}

// options verify by the keys, with no log unless it is there.
func (w *signedWorld) options(keys ...crypto.PublicKey) Options {
	w.t.Helper()
	p := signature.Policy{}
	for _, k := range keys {
		parsed, err := signature.ParseKeys(signaturetest.KeyPEM(w.t, k))
		w.must(err)
		p.Keys = append(p.Keys, parsed...)
	}
	trust, err := signature.ParseTrustedRoot(w.TrustedRoot())
	w.must(err)
	v, err := signature.New(p, trust, nil)
	w.must(err)
	return Options{Platform: "linux/amd64", As: "registry.example.com/team/app:1", Offline: true, Signatures: v, Signing: Signing{Accepted: p.Accepted()},
		Requirements: Requirements{Only: []string{"signature.image"}}}
}

func (w *signedWorld) verify(o Options) Image {
	w.t.Helper()
	return verifyOne(w.t, "oci:"+w.dir, o)
}

func TestASignatureOfManifestOrIndexOrBothIsTold(t *testing.T) {
	for name, on := range map[string]struct{ image, index bool }{
		"manifest": {image: true}, "index": {index: true}, "manifest and index": {true, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newSignedWorld(t)
			key := signaturetest.Key(t)
			if on.image {
				w.attach(w.image.Digest, w.ByKey(key, w.payload(w.image.Digest), ""))
			}
			if on.index {
				w.attach(w.index.Digest, w.ByKey(key, w.payload(w.index.Digest), ""))
			}
			img := w.verify(w.options(key.Public()))
			wants(t, img, Verified, "signature.image", Pass, "")
			f, _ := findingOf(img, "signature.image")
			for what, want := range map[string]bool{"manifest " + w.image.Digest.String(): on.image, "index " + w.index.Digest.String(): on.index, "key SHA256:": true} {
				if strings.Contains(f.Summary, what) != want {
					t.Errorf("summary %q: want %q: %v", f.Summary, what, want)
				}
			}
		})
	}
}

func TestASignatureIsOfItsOwnSubjectAlone(t *testing.T) {
	w := newSignedWorld(t)
	key := signaturetest.Key(t)
	// The index's signature hangs on the manifest, and the other way round.
	w.attach(w.image.Digest, w.ByKey(key, w.payload(w.index.Digest), ""))
	w.attach(w.index.Digest, w.ByKey(key, w.payload(w.image.Digest), ""))
	wants(t, w.verify(w.options(key.Public())), Failed, "signature.image", Fail, signed.OtherDigest)
}

func TestAStrangersAttachmentsHideNoGoodSignature(t *testing.T) {
	w := newSignedWorld(t)
	key, stranger := signaturetest.Key(t), signaturetest.Key(t)
	w.attach(w.image.Digest, w.ByKey(stranger, w.payload(w.image.Digest), ""), w.Sign(stranger, []byte("{"), ""), w.ByKey(key, w.payload(w.image.Digest), ""))
	w.refer(w.image, w.ByKey(stranger, signaturetest.Statement(w.image.Digest, signaturetest.SignPredicate), signaturetest.StatementType).Bundle(w.image.Digest, 3))
	w.refer(w.image, signed.Item{MediaType: signaturetest.BundleMediaType(3), Content: []byte("{")})
	wants(t, w.verify(w.options(key.Public())), Verified, "signature.image", Pass, "")
}

func TestOtherStatementsOfASignerAreNoSignature(t *testing.T) {
	for predicate, want := range map[string]string{signaturetest.SignPredicate: "", "https://cosign.sigstore.dev/attestation/vuln/v1": signed.NotASignature, "https://slsa.dev/provenance/v1": signed.NotASignature} {
		w := newSignedWorld(t)
		key := signaturetest.Key(t)
		w.refer(w.image, w.ByKey(key, signaturetest.Statement(w.image.Digest, predicate), signaturetest.StatementType).Bundle(w.image.Digest, 3))
		img := w.verify(w.options(key.Public()))
		if want == "" {
			wants(t, img, Verified, "signature.image", Pass, "")
		} else {
			wants(t, img, Failed, "signature.image", Fail, want)
		}
	}
}

func TestTheReasonIsOfTheSignatureNearestToAccepted(t *testing.T) {
	key, stranger := signaturetest.Key(t), signaturetest.Key(t)
	for reason, attach := range map[string]func(*signedWorld){
		signed.NoSignature:      func(*signedWorld) {},
		signed.IdentityMismatch: func(w *signedWorld) { w.attach(w.image.Digest, w.ByKey(stranger, w.payload(w.image.Digest), "")) },
		signed.NotInLog: func(w *signedWorld) {
			w.attach(w.image.Digest, w.ByKey(stranger, w.payload(w.image.Digest), ""), w.Sign(key, w.payload(w.image.Digest), ""))
		},
	} {
		w := newSignedWorld(t)
		attach(w)
		wants(t, w.verify(w.options(key.Public())), Failed, "signature.image", Fail, reason)
	}
}

func TestTheThresholdCountsSignersNotSignatures(t *testing.T) {
	one, two := signaturetest.Key(t), signaturetest.Key(t)
	for name, c := range map[string]struct {
		by   []*signatureKey
		want string
	}{"two signatures of one": {[]*signatureKey{{one}, {one}}, signed.ThresholdUnmet}, "one of each": {[]*signatureKey{{one}, {two}}, ""}} {
		t.Run(name, func(t *testing.T) {
			w := newSignedWorld(t)
			var all []*signaturetest.Signature
			for _, k := range c.by {
				all = append(all, w.ByKey(k.Signer, w.payload(w.image.Digest), ""))
			}
			w.attach(w.image.Digest, all...)
			o := w.options(one.Public(), two.Public())
			o.Signing.Threshold = 2
			if c.want == "" {
				wants(t, w.verify(o), Verified, "signature.image", Pass, "")
			} else {
				wants(t, w.verify(o), Failed, "signature.image", Fail, c.want)
			}
		})
	}
}

// signatureKey is a key that signs.
type signatureKey struct{ crypto.Signer }

func TestWithoutAnAcceptedSignerNothingPasses(t *testing.T) {
	w := newSignedWorld(t)
	wants(t, w.verify(w.options()), Incomplete, "signature.image", Unknown, signed.NoAcceptedSigner)
	key := signaturetest.Key(t)
	w.attach(w.image.Digest, w.ByKey(key, w.payload(w.image.Digest), ""))
	img := w.verify(w.options())
	wants(t, img, Incomplete, "signature.image", Unknown, signed.NoAcceptedSigner)
	parsed, err := signature.ParseKeys(signaturetest.KeyPEM(t, key.Public()))
	w.must(err)
	if f, _ := findingOf(img, "signature.image"); !strings.Contains(f.Summary, parsed[0].Fingerprint()) {
		t.Errorf("the signer is not told: %s", f.Summary)
	}
	o := w.options()
	o.Signatures = nil
	wants(t, w.verify(o), Incomplete, "signature.image", Unknown, signed.NotBuiltIn)
}

func TestWhatIsServedUnderTheSignedDigestMustBeIt(t *testing.T) {
	w := newSignedWorld(t)
	key := signaturetest.Key(t)
	w.attach(w.image.Digest, w.ByKey(key, w.payload(w.image.Digest), ""))
	name := filepath.Join(w.dir, "blobs/sha256", w.image.Digest.Hex)
	data, err := os.ReadFile(name)
	w.must(err)
	var m map[string]any
	w.must(json.Unmarshal(data, &m))
	m["annotations"] = map[string]string{"evil": "yes"}
	data, err = json.Marshal(m)
	w.must(err)
	w.must(os.WriteFile(name, data, 0o644))
	r, err := Verify(t.Context(), []string{"oci:" + w.dir}, w.options(key.Public()))
	if run, ok := errors.AsType[*RunError](err); ok && run.Code == CodeFalseBytes {
		return
	}
	w.must(err)
	wants(t, r.Images[0], Failed, "signature.image", Fail, "digest-mismatch")
}

func TestAPayloadOfAnotherRepositoryWarnsOrIsRefused(t *testing.T) {
	w := newSignedWorld(t)
	key := signaturetest.Key(t)
	w.attach(w.image.Digest, w.ByKey(key, w.payload(w.image.Digest), ""))
	o := w.options(key.Public())
	wants(t, w.verify(o), Verified, "signature.reference", Pass, "")
	o.As = "mirror.example.com/team/app:1"
	wants(t, w.verify(o), Verified, "signature.reference", Warn, "reference-differs")
	o.Signing.CheckReference = true
	wants(t, w.verify(o), Failed, "signature.reference", Fail, "reference-differs")
}

func TestALoosePatternWarnsWithAnExampleAndChangesNothing(t *testing.T) {
	w := newSignedWorld(t)
	key := signaturetest.Key(t)
	w.attach(w.image.Digest, w.ByKey(key, w.payload(w.image.Digest), ""))
	for pattern, want := range map[string]Status{`^https://github\.com/a/b$`: Pass, `^https://github.com/a/b$`: Warn, `https://github\.com/a/b$`: Warn} {
		o := w.options(key.Public())
		o.Signing.Patterns = []string{pattern}
		reason := map[Status]string{Warn: "loose-pattern"}[want]
		wants(t, w.verify(o), Verified, "signature.pattern", want, reason)
		o.Requirements.Require = []string{"signature.pattern"}
		wants(t, w.verify(o), map[Status]Verdict{Pass: Verified, Warn: Incomplete}[want], "signature.pattern", want, reason)
	}
}

func TestAnAcceptedSignatureCoversWhatRunLeft(t *testing.T) {
	w := newWorld(t)
	w.release(map[string]string{"Dockerfile": "FROM scratch\nCOPY a /a\nRUN passwd -l root\n", "a": "true"})
	s := w.image(step{"COPY a /a # buildkit", []entry{file("a", "true")}}, step{"RUN /bin/sh -c passwd -l root # buildkit", nil})
	ref := "oci:" + s.write()
	wants(t, verifyOne(t, ref, w.options()), Incomplete, "layer.content", Unknown, "run-unproved")
	for by, want := range map[bool]Verdict{true: Verified, false: Failed} {
		o := w.options()
		o.Signatures, o.Signing = oneSigner{valid: by}, Signing{Accepted: []string{"key"}, Bundles: []string{writeTemp(t, "bundle")}}
		o.Requirements.Require = []string{"signature.image"}
		wants(t, verifyOne(t, ref, o), want, "layer.content", Unknown, "run-unproved")
	}
}

// oneSigner finds every item valid, or none.
type oneSigner struct{ valid bool }

func (s oneSigner) Verify(context.Context, signed.Item) signed.Result {
	if s.valid {
		return signed.Result{Valid: true, Accepted: true, Signer: signed.Signer{Key: "key"}}
	}
	return signed.Result{Reason: signed.BadSignature, Detail: "bad"}
}

func writeTemp(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
