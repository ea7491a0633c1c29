package attestation_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imageverify/verify/internal/corpus"
	"github.com/imageverify/verify/provenance/attestation"
)

// moduleDir is where the source of slsa-verifier lies, whose test data is real
// provenance.
func moduleDir(t *testing.T) string {
	t.Helper()
	return corpus.Module(t, "github.com/slsa-framework/slsa-verifier/v2@v2.7.1")
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// judge verifies what gcloud printed as a whole: the reason of the first envelope's
// refusal, or "" where one is accepted.
func judge(data []byte, digest string, e attestation.Expectation) (reason string, err error) {
	d, err := attestation.ParseDescribed(data)
	if err != nil {
		return reasonOf(err), err
	}
	for _, env := range d.Envelopes {
		s, _, verifyErr := d.Verify(env, digest)
		if verifyErr == nil {
			_, verifyErr = e.Check(s, attestation.Signer{CloudBuild: true})
		}
		if verifyErr == nil {
			return "", nil
		}
		if err == nil {
			err = verifyErr
		}
	}
	return reasonOf(err), err
}

func reasonOf(err error) string {
	if e, ok := errors.AsType[*attestation.Error](err); ok {
		return e.Reason
	}
	return "no reason"
}

// TestProvenanceOfCloudBuildHasTheVerdictsOfSlsaVerifier: the verdicts are those of its
// own tests (cli/slsa-verifier/main_regression_test.go), by the names of the files.
func TestProvenanceOfCloudBuildHasTheVerdictsOfSlsaVerifier(t *testing.T) {
	root := filepath.Join(moduleDir(t), "cli/slsa-verifier/testdata/gcb_container")
	files, _ := filepath.Glob(filepath.Join(root, "*", "*.json"))
	if len(files) < 40 {
		t.Fatalf("%d files in %s", len(files), root)
	}
	for _, name := range files {
		base := filepath.Base(name)
		digestFile := strings.TrimSuffix(name, ".json") + ".digest"
		if _, err := os.Stat(digestFile); err != nil {
			digestFile = filepath.Join(filepath.Dir(name), "gcloud-container-github.digest")
		}
		digest := "sha256:" + strings.TrimPrefix(strings.TrimSpace(string(read(t, digestFile))), "sha256:")
		e := attestation.Expectation{SourceURI: "https://github.com/laurentsimon/gcb-tests", BuilderID: "https://cloudbuild.googleapis.com/GoogleHostedWorker"}
		switch {
		case strings.Contains(base, "-gcs"):
			e.SourceURI = "gs://slsa-tooling_cloudbuild/source/1663616632.078353-fc7db143dcc64b5f9fe71d0497125ca1.tgz"
		case strings.Contains(base, "github-tag"):
			e.SourceURI, e.SourceTag = "github.com/slsa-framework/example-package", "v33.0.4"
		}
		want := attestation.BadSignature
		for part, reason := range cloudVerdicts {
			if strings.Contains(base, part) {
				want = reason
			}
		}
		if reason, err := judge(read(t, name), digest, e); reason != want {
			t.Errorf("%s: %q (%v), want %q", name, reason, err, want)
		}
	}
}

// cloudVerdicts are the reasons for files with a word in their name; all others have no
// good signature.
var cloudVerdicts = map[string]string{
	"container-github.": "", "container-github-tag.": "", "container-gcs.": "", "2ndvalid": "", "3rdvalid": "",
	"metadata-kind": attestation.WrongType, "metadata-urisha256": attestation.OtherDigest, "summary-digest": attestation.OtherDigest,
	"text-digest": attestation.Ambiguous, "text-steps": attestation.Ambiguous, "no-signature": attestation.Malformed,
}

// TestProvenanceV1OfCloudBuildIsAcceptedForItsSource: the real one of 2023, signed by the
// key for all regions, with its twin of version 0.1.
func TestProvenanceV1OfCloudBuildIsAcceptedForItsSource(t *testing.T) {
	data := read(t, filepath.Join(moduleDir(t), "verifiers/internal/gcb/testdata/v1.0-gcloud-container-github.json"))
	d, err := attestation.ParseDescribed(data)
	if err != nil {
		t.Fatal(err)
	}
	for source, want := range map[string]string{
		"github.com/khalkie/gcb-prod-prov": "", "https://github.com/khalkie/gcb-prod-prov": "",
		"github.com/khalkie/gcb-prod-prov2": attestation.SourceDiffers, "github.com/khalkie/gcb-prod": attestation.SourceDiffers,
		"github.com/Khalkie/gcb-prod-prov": attestation.SourceDiffers, "gitlab.com/khalkie/gcb-prod-prov": attestation.SourceDiffers,
	} {
		if reason, err := judge(data, d.Digest, attestation.Expectation{SourceURI: source}); reason != want {
			t.Errorf("%s: %q (%v), want %q", source, reason, err, want)
		}
	}
	other := "sha256:" + strings.Repeat("a", 64)
	if reason, _ := judge(data, other, attestation.Expectation{}); reason != attestation.OtherDigest {
		t.Errorf("of another image: %q", reason)
	}
}
