package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/imageverify/verify/internal/builders"
	"github.com/imageverify/verify/internal/corpus"
)

func TestRealCosignsKeySignaturesAreVerified(t *testing.T) {
	cosign, other := builders.NewCosign(t), builders.NewCosign(t)
	host := corpus.Registry(t)
	push := func(repository string) string {
		t.Helper()
		img, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{OS: "linux", Architecture: "amd64", RootFS: v1.RootFS{Type: "layers"}})
		check(t, err)
		index := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}})
		tag, err := name.NewTag(host+"/"+repository+":1", name.Insecure)
		check(t, err)
		check(t, remote.WriteIndex(tag, index))
		digest, err := index.Digest()
		check(t, err)
		return tag.Repository.String() + "@" + digest.String()
	}
	for name, c := range map[string]struct {
		sign func(ref string)
		args []string
		code int
		want string
	}{
		"of the index":       {sign: func(ref string) { cosign.Sign(t, ref) }, code: 0, want: "index sha256:"},
		"of both":            {sign: func(ref string) { cosign.Sign(t, ref, "--recursive") }, code: 0, want: "and index sha256:"},
		"as a bundle":        {sign: func(ref string) { cosign.Sign(t, ref, "--new-bundle-format") }, code: 0, want: "index sha256:"},
		"with an annotation": {sign: func(ref string) { cosign.Sign(t, ref, "-a", "env=prod") }, args: []string{"-a", "env=prod"}, code: 0, want: "index sha256:"},
		"with another":       {sign: func(ref string) { cosign.Sign(t, ref, "-a", "env=prod") }, args: []string{"-a", "env=test"}, code: 1, want: "annotations-differ"},
		"beside a stranger's": {sign: func(ref string) {
			other.Sign(t, ref)
			other.Sign(t, ref, "--new-bundle-format")
			cosign.Sign(t, ref)
		}, code: 0, want: "index sha256:"},
		"of a stranger":                   {sign: func(ref string) { other.Sign(t, ref) }, code: 1, want: "bad-signature"},
		"that only attests":               {sign: func(ref string) { cosign.Attest(t, ref, "https://example.com/p", "{}") }, code: 1, want: "no-signature"},
		"that only attests, as a bundle":  {sign: func(ref string) { cosign.Attest(t, ref, "https://example.com/p", "{}", "--new-bundle-format") }, code: 1, want: "not-a-signature"},
		"that is not there":               {sign: func(string) {}, code: 1, want: "no-signature"},
		"where a log entry is demanded":   {sign: func(ref string) { cosign.Sign(t, ref) }, args: []string{"--insecure-ignore-tlog=false", "--offline", "--registry-mirror", host + "=" + host}, code: 3, want: "no-trusted-root"},
		"where two signers are demanded":  {sign: func(ref string) { cosign.Sign(t, ref); cosign.Sign(t, ref) }, args: []string{"--signature-threshold", "2"}, code: 1, want: "threshold-unmet"},
		"where both signers are accepted": {sign: func(ref string) { cosign.Sign(t, ref); other.Sign(t, ref) }, args: []string{"--key", other.PublicKey, "--signature-threshold", "2"}, code: 0, want: "index sha256:"},
	} {
		t.Run(name, func(t *testing.T) {
			ref := push("signed/" + strings.NewReplacer(" ", "-", "'", "", ",", "").Replace(name))
			c.sign(ref)
			var out bytes.Buffer
			args := append([]string{ref, "--platform", "linux/amd64", "--only", "signature.image", "--key", cosign.PublicKey, "--insecure-ignore-tlog", "--insecure-registry", host, "--no-cache", "--color", "never"}, c.args...)
			code := Main(args, Env{Stdout: &out, Stderr: &out, Getenv: func(string) string { return "" }})
			if code != c.code || !strings.Contains(out.String(), c.want) {
				t.Errorf("exit %d, want %d and %q:\n%s", code, c.code, c.want, out.String())
			}
		})
	}
}
