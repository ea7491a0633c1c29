package cli

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"

	"github.com/imageverify/verify/internal/builders"
)

// manyImages is how many images one process verifies.
const manyImages = 100

// BenchmarkKeySignature verifies signatures by a key offline, in a registry on
// loopback, whole processes in turn with cosign: of one image, and of a hundred in
// one process. limit: no longer than cosign.
func BenchmarkKeySignature(b *testing.B) {
	cosign := builders.NewCosign(b)
	verify := buildProgram(b)
	refs, key := signedImages(b, manyImages)
	host, _, _ := strings.Cut(refs[0], "/")
	ours := func(refs ...string) usage {
		return run(b, verify, append([]string{"--only", "signature.image", "--key", key, "--insecure-ignore-tlog", "--insecure-registry", host, "--no-cache", "-q"}, refs...)...)
	}
	theirs := func(refs ...string) usage {
		return run(b, cosign.Program, append([]string{"verify", "--key", key, "--insecure-ignore-tlog", "--offline"}, refs...)...)
	}
	for b.Loop() {
		one, otherOne := ours(refs[0]), theirs(refs[0])
		many, otherMany := ours(refs...), theirs(refs...)
		b.ReportMetric(one.wall.Seconds()/otherOne.wall.Seconds(), "ratio")
		b.ReportMetric(many.wall.Seconds()/otherMany.wall.Seconds(), "ratio-100")
		b.ReportMetric(1000*one.wall.Seconds(), "verify-ms")
		b.ReportMetric(1000*otherOne.wall.Seconds(), "cosign-ms")
		b.ReportMetric(many.wall.Seconds(), "verify-100-s")
		b.ReportMetric(otherMany.wall.Seconds(), "cosign-100-s")
		b.ReportMetric(one.peakMiB, "verify-MiB")
		b.ReportMetric(otherOne.peakMiB, "cosign-MiB")
	}
}

// signedImages pushes images, each with a signature as cosign attaches it, and
// returns their references by digest and the file of the public key.
func signedImages(b *testing.B, n int) (refs []string, key string) {
	b.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	b.Cleanup(server.Close)
	repository, err := name.NewRepository(strings.TrimPrefix(server.URL, "http://")+"/app", name.Insecure)
	if err != nil {
		b.Fatal(err)
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	for i := range n {
		img, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{OS: "linux", Architecture: "amd64", Author: fmt.Sprint(i), RootFS: v1.RootFS{Type: "layers"}})
		if err != nil {
			b.Fatal(err)
		}
		digest, err := img.Digest()
		if err != nil {
			b.Fatal(err)
		}
		if err := remote.Write(repository.Digest(digest.String()), img); err != nil {
			b.Fatal(err)
		}
		if err := remote.Write(repository.Tag("sha256-"+digest.Hex+".sig"), signatureOf(b, private, repository.String(), digest)); err != nil {
			b.Fatal(err)
		}
		refs = append(refs, repository.Digest(digest.String()).String())
	}
	der, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		b.Fatal(err)
	}
	key = filepath.Join(b.TempDir(), "key.pub")
	if err := os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600); err != nil {
		b.Fatal(err)
	}
	return refs, key
}

// signatureOf is a signature in cosign's form.
func signatureOf(b *testing.B, private *ecdsa.PrivateKey, repository string, digest v1.Hash) v1.Image {
	b.Helper()
	payload := fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":%q},"image":{"docker-manifest-digest":%q},"type":"cosign container image signature"},"optional":null}`, repository, digest)
	sum := sha256.Sum256(payload)
	signature, err := ecdsa.SignASN1(rand.Reader, private, sum[:])
	if err != nil {
		b.Fatal(err)
	}
	const media = "application/vnd.dev.cosign.simplesigning.v1+json"
	img, err := mutate.Append(empty.Image, mutate.Addendum{Layer: static.NewLayer(payload, media), MediaType: media,
		Annotations: map[string]string{"dev.cosignproject.cosign/signature": base64.StdEncoding.EncodeToString(signature)}})
	if err != nil {
		b.Fatal(err)
	}
	return img
}
