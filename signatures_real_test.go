package verify

import (
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/imageverify/verify/internal/builders"
	"github.com/imageverify/verify/internal/corpus"
)

// pushIndex pushes an index of one image for linux/amd64 and returns its name by
// digest.
func pushIndex(t *testing.T, host string) string {
	t.Helper()
	img, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{OS: "linux", Architecture: "amd64", RootFS: v1.RootFS{Type: "layers"}})
	if err != nil {
		t.Fatal(err)
	}
	index := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}})
	tag, err := name.NewTag(host+"/team/app:1", name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(tag, index); err != nil {
		t.Fatal(err)
	}
	digest, err := index.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return tag.Repository.String() + "@" + digest.String()
}

// attachedTree tells what is attached to the image of a reference, a line a
// thing.
func attachedTree(t *testing.T, ref, host string) []string {
	t.Helper()
	r, err := Verify(t.Context(), []string{ref}, Options{Platform: "linux/amd64", Attached: true, InsecureRegistries: []string{host},
		Requirements: Requirements{Only: []string{"image.reference"}}})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, s := range r.Images[0].Signatures {
		for _, u := range s.Unread {
			t.Errorf("%s: not looked at: %+v", ref, u)
		}
		for _, a := range s.Attached {
			for _, c := range a.Contents {
				line := fmt.Sprint(s.What, " ", a.Kind, " ", a.Found, a.Problem, c.Problem)
				if c.Says != nil && c.Says.PredicateType != "" {
					line += " " + c.Says.PredicateType
				}
				if c.Says != nil && !slices.Contains(c.Says.Subjects, s.Digest) {
					line += " of another subject"
				}
				lines = append(lines, line)
			}
		}
	}
	return lines
}

func TestWhatRealCosignAttachesIsFound(t *testing.T) {
	cosign := builders.NewCosign(t)
	serve := func(referrers bool) string {
		s := httptest.NewServer(registry.New(registry.WithReferrersSupport(referrers), registry.Logger(log.New(io.Discard, "", 0))))
		t.Cleanup(s.Close)
		return strings.TrimPrefix(s.URL, "http://")
	}
	for where, host := range map[string]string{"referrers": serve(true), "no referrers": serve(false), "docker-registry": corpus.Registry(t)} {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			ref := pushIndex(t, host)
			cosign.Sign(t, ref, "--recursive")
			cosign.Attest(t, ref, "https://example.com/predicate", `{"a":1}`)
			cosign.Sign(t, ref, "--new-bundle-format")
			found := "referrers-tag"
			if where == "referrers" {
				found = "referrers"
			}
			want := []string{"manifest signature tag", "index signature tag", "index attestation tag https://example.com/predicate",
				"index bundle " + found + " https://sigstore.dev/cosign/sign/v1"}
			if got := attachedTree(t, ref, host); !slices.Equal(got, want) {
				t.Errorf("attached\n%q, want\n%q", got, want)
			}
			dir := filepath.Join(t.TempDir(), "saved")
			cosign.Run(t, "save", "--dir", dir, ref)
			want = []string{"index signature cosign-save", "index attestation cosign-save https://example.com/predicate"}
			if got := attachedTree(t, "oci:"+dir, host); !slices.Equal(got, want) {
				t.Errorf("saved\n%q, want\n%q", got, want)
			}
		})
	}
}

func TestTheRealBuildKitsStatementsAreFoundAndNotSigned(t *testing.T) {
	b := builders.StartBuildKit(t)
	context := builders.Context(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY f /\n", "f": "text"})
	archive := filepath.Join(t.TempDir(), "image.tar")
	b.Build(t, context, archive, "", "--opt", "attest:provenance=mode=max,version=v1", "--opt", "platform=linux/amd64")
	r, err := Verify(t.Context(), []string{"oci-archive:" + archive}, Options{Platform: "linux/amd64", Attached: true, Offline: true,
		Requirements: Requirements{Only: []string{"image.reference"}}})
	if err != nil {
		t.Fatal(err)
	}
	s := r.Images[0].Signatures[0]
	if len(s.Attached) != 1 || s.Attached[0].Kind != "buildkit" || len(s.Attached[0].Contents) != 1 || len(s.Unread) != 0 {
		t.Fatalf("attached %+v", s)
	}
	c := s.Attached[0].Contents[0]
	if c.Verified || c.Says == nil || c.Says.Signed || c.Says.PredicateType != "https://slsa.dev/provenance/v1" {
		t.Errorf("%+v says %+v", c, c.Says)
	}
}
