package verify

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	ocilayout "github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/imageverify/verify/provenance/signed"
)

// moduleFile reads a file of a module that the build depends on.
func moduleFile(t *testing.T, module, name string) []byte {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// attachmentOf is an image of one layer that names a subject.
func attachmentOf(t *testing.T, subject *v1.Descriptor, mediaType types.MediaType, blob string, annotations map[string]string) v1.Image {
	t.Helper()
	img := mutate.MediaType(mutate.ConfigMediaType(empty.Image, mediaType), types.OCIManifestSchema1)
	img, err := mutate.Append(img, mutate.Addendum{Layer: static.NewLayer([]byte(blob), mediaType), MediaType: mediaType, Annotations: annotations})
	if err != nil {
		t.Fatal(err)
	}
	if subject != nil {
		img = mutate.Subject(img, *subject).(v1.Image)
	}
	return img
}

// attachedLayout is a layout of an index with one image, BuildKit's statement
// beside it, a cosign signature of the image and a real bundle, which is about
// something else, attached to the statement.
func attachedLayout(t *testing.T) (dir string, image v1.Hash) {
	t.Helper()
	img, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{OS: "linux", Architecture: "amd64", RootFS: v1.RootFS{Type: "layers"}})
	if err != nil {
		t.Fatal(err)
	}
	image, err = img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	statement := attachmentOf(t, nil, "application/vnd.in-toto+json",
		`{"predicateType":"https://slsa.dev/provenance/v1","subject":[{"digest":{"sha256":"`+image.Hex+`"}}],"predicate":{"runDetails":{"builder":{"id":"https://builder.example"}}}}`, nil)
	index := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex),
		mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}},
		mutate.IndexAddendum{Add: statement, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "unknown", Architecture: "unknown"},
			Annotations: map[string]string{"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": image.String()}}})
	m, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	bundle := attachmentOf(t, &m.Manifests[1], "application/vnd.dev.sigstore.bundle.v0.3+json",
		string(moduleFile(t, "github.com/sigstore/sigstore-go", "pkg/testing/data/bundles/othername.sigstore.json")), nil)
	signature := attachmentOf(t, nil, "application/vnd.dev.cosign.simplesigning.v1+json",
		`{"critical":{"identity":{"docker-reference":"reg.example/app"},"image":{"docker-manifest-digest":"`+image.String()+`"}}}`,
		map[string]string{"dev.sigstore.cosign/certificate": "not one"})
	dir = t.TempDir()
	path, err := ocilayout.Write(dir, empty.Index)
	if err == nil {
		err = path.AppendIndex(index)
	}
	if err == nil {
		err = path.AppendImage(bundle)
	}
	if err == nil {
		err = path.AppendImage(signature, ocilayout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": "sha256-" + image.Hex + ".sig"}))
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir, image
}

func TestWhatIsAttachedIsListedWithWhatItSaysOfItself(t *testing.T) {
	dir, image := attachedLayout(t)
	m, err := ocilayout.FromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	root, err := m.ImageIndex()
	if err != nil {
		t.Fatal(err)
	}
	list, err := root.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	index := list.Manifests[0].Digest.String()
	r, err := Verify(t.Context(), []string{"oci:" + dir + "@" + index}, Options{Platform: "linux/amd64", Attached: true, Offline: true,
		Requirements: Requirements{Only: []string{"image.reference"}}})
	if err != nil {
		t.Fatal(err)
	}
	got := r.Images[0].Signatures
	if len(got) != 2 || got[0].Digest != image.String() || got[0].What != "manifest" || got[1].Digest != index || got[1].What != "index" {
		t.Fatalf("subjects %+v", got)
	}
	if len(got[0].Attached) != 2 || got[0].Unread != nil || len(got[1].Attached) != 0 {
		t.Fatalf("attached %+v and %+v", got[0], got[1])
	}
	signature, statement := got[0].Attached[0], got[0].Attached[1]
	if signature.Kind != "signature" || signature.Found != "tag" || signature.Tag != "sha256-"+image.Hex+".sig" || len(signature.Contents) != 1 {
		t.Fatalf("signature %+v", signature)
	}
	if c := signature.Contents[0]; c.Verified || c.Reason != "malformed" || c.Problem != "the certificate is not PEM" || c.Says.Reference != "reg.example/app" || !c.Says.Signed {
		t.Errorf("the signature says %+v of %+v", c, c.Says)
	}
	if c := statement.Contents[0]; statement.Kind != "buildkit" || c.Says.Signed || c.Says.Builder != "https://builder.example" || c.Says.PredicateType != "https://slsa.dev/provenance/v1" {
		t.Errorf("the statement %+v says %+v", statement, c.Says)
	}
	if statement.Signatures == nil || len(statement.Signatures.Attached) != 1 {
		t.Fatalf("attached to the statement: %+v", statement.Signatures)
	}
	if c := statement.Signatures.Attached[0].Contents[0]; c.Verified || c.Says.Signer != "foo!oidc.local" || *c.Says.LogIndex != 3 {
		t.Errorf("the bundle says %+v", c.Says)
	}
}

// goodByAnnotation is a verifier that believes what an annotation says.
type goodByAnnotation struct{}

func (goodByAnnotation) Verify(_ context.Context, item signed.Item) signed.Result {
	if item.Annotations["good"] == "" {
		return signed.Result{Reason: signed.IdentityMismatch, Detail: "somebody else"}
	}
	return signed.Result{Valid: true, Signer: signed.Signer{Key: item.Annotations["good"]}}
}

func TestOnlyWhatTheVerifierAcceptsIsShownAsVerified(t *testing.T) {
	const media = types.MediaType("application/vnd.dev.cosign.simplesigning.v1+json")
	img := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	digest, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	// Two signatures of one payload: the layers have one digest.
	payload := static.NewLayer([]byte(`{"critical":{"image":{"docker-manifest-digest":"`+digest.String()+`"}}}`), media)
	signatures, err := mutate.Append(mutate.MediaType(empty.Image, types.OCIManifestSchema1),
		mutate.Addendum{Layer: payload, MediaType: media},
		mutate.Addendum{Layer: payload, MediaType: media, Annotations: map[string]string{"good": "K"}})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path, err := ocilayout.Write(dir, empty.Index)
	if err == nil {
		err = errors.Join(path.AppendImage(img),
			path.AppendImage(signatures, ocilayout.WithAnnotations(map[string]string{"kind": "dev.cosignproject.cosign/sigs"})))
	}
	if err != nil {
		t.Fatal(err)
	}
	list := func(s Signatures) string {
		t.Helper()
		r, err := Verify(t.Context(), []string{"oci:" + dir}, Options{Attached: true, Signatures: s, Offline: true, Requirements: Requirements{Only: []string{"signature.image"}}})
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Images[0].Signatures[0].Signed; got != (s != nil) {
			t.Errorf("signed: %t", got)
		}
		var lines []string
		for _, c := range r.Images[0].Signatures[0].Attached[0].Contents {
			lines = append(lines, fmt.Sprint(c.Verified, " ", c.Signer, " ", c.Reason, " ", c.Problem))
		}
		return strings.Join(lines, "; ")
	}
	if got := list(goodByAnnotation{}); got != "false  identity-mismatch somebody else; true key K  " {
		t.Errorf("with a verifier: %s", got)
	}
	if got := list(nil); got != "false  not-built-in ; false  not-built-in " {
		t.Errorf("without one: %s", got)
	}
}
