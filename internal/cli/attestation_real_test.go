package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imageverify/verify/internal/corpus"
)

// slsaTestdata is the test data of slsa-verifier: layouts, bundles and provenance that
// real builders made. With VERIFY_REAL the module is downloaded.
func slsaTestdata(t *testing.T) string {
	t.Helper()
	dir := corpus.Module(t, "github.com/slsa-framework/slsa-verifier/v2@v2.7.1")
	return filepath.Join(dir, "cli/slsa-verifier/testdata")
}

// attested runs the program, and gives its exit code and each finding's status and reason.
func attested(t *testing.T, args ...string) (int, map[string]string) {
	t.Helper()
	var out, errs bytes.Buffer
	code := Main(append(args, "--offline", "-o", "json"), Env{Stdout: &out, Stderr: &errs, Getenv: func(string) string { return "" }})
	var report struct {
		Images []struct {
			Findings []struct{ Check, Status, Reason string }
		}
	}
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		t.Fatalf("%v: %s%s", err, out.String(), errs.String())
	}
	found := map[string]string{}
	for _, image := range report.Images {
		for _, f := range image.Findings {
			found[f.Check] = strings.Trim(f.Status+" "+f.Reason, " ")
		}
	}
	return code, found
}

func TestRealImagesOfNineGeneratorVersionsAreAccepted(t *testing.T) {
	dir, root := slsaTestdata(t), filepath.Join(corpus.Dir(t), "keys/public-good-trusted-root.json")
	for _, version := range []string{"v1.4.0", "v1.5.0", "v1.6.0", "v1.7.0", "v1.8.0", "v1.9.0", "v1.10.0", "v2.0.0", "v2.1.0"} {
		image := "oci:" + filepath.Join(dir, "gha_generic_container", version, "container_workflow_dispatch")
		code, found := attested(t, image, "--only", "attestation.provenance", "--no-cache", "--trusted-root", root,
			"--source-uri", "github.com/slsa-framework/example-package",
			"--builder-id", "https://github.com/slsa-framework/slsa-github-generator/.github/workflows/generator_container_slsa3.yml@"+version)
		if code != 0 || found["attestation.provenance"] != "pass" {
			t.Errorf("%s: exit %d, %v", version, code, found)
		}
	}
}

func TestARealImageIsRefusedForWhatItsProvenanceDoesNotSay(t *testing.T) {
	dir, root := slsaTestdata(t), filepath.Join(corpus.Dir(t), "keys/public-good-trusted-root.json")
	image := "oci:" + filepath.Join(dir, "gha_generic_container/v1.10.0/container_workflow_dispatch")
	source := []string{"--source-uri", "github.com/slsa-framework/example-package"}
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"its tag":             {append(source, "--source-tag", "v13.0.30"), 0, "pass"},
		"its version":         {append(source, "--source-versioned-tag", "v13"), 0, "pass"},
		"another tag":         {append(source, "--source-tag", "v13.0.3"), 1, "fail ref-differs"},
		"another version":     {append(source, "--source-versioned-tag", "v13.1"), 1, "fail ref-differs"},
		"a branch":            {append(source, "--source-branch", "v13.0.30"), 1, "fail ref-differs"},
		"another repository":  {[]string{"--source-uri", "github.com/slsa-framework/example"}, 1, "fail source-differs"},
		"in capitals":         {[]string{"--source-uri", "github.com/SLSA-framework/example-package"}, 1, "fail source-differs"},
		"another builder":     {[]string{"--builder-id", "https://github.com/slsa-framework/slsa-github-generator/.github/workflows/generator_generic_slsa3.yml"}, 1, "fail builder-differs"},
		"another release":     {[]string{"--builder-id", "https://github.com/slsa-framework/slsa-github-generator/.github/workflows/generator_container_slsa3.yml@v1.10.1"}, 1, "fail builder-differs"},
		"another signer":      {append(source, "--certificate-identity", "https://github.com/a/b/.github/workflows/c.yml@refs/heads/main", "--certificate-oidc-issuer", "https://token.actions.githubusercontent.com"), 1, "fail identity-mismatch"},
		"a bill of materials": {[]string{"--type", "spdx", "--certificate-identity-regexp", ".*", "--certificate-oidc-issuer-regexp", ".*"}, 1, "fail predicate-differs"},
		"nobody named":        {nil, 3, "unknown no-accepted-signer"},
	} {
		args := append([]string{image, "--only", "attestation.provenance", "--no-cache", "--trusted-root", root}, c.args...)
		if code, found := attested(t, args...); code != c.code || found["attestation.provenance"] != c.want {
			t.Errorf("%s: exit %d, %v, want %d, %s", name, code, found, c.code, c.want)
		}
	}
	if code, found := attested(t, append([]string{image, "--only", "attestation.provenance", "--no-cache"}, source...)...); code != 3 || found["attestation.provenance"] != "unknown no-trusted-root" {
		t.Errorf("without a trusted root: exit %d, %v", code, found)
	}
}

func TestBundlesAreVerifiedWithNoImageAroundThem(t *testing.T) {
	dir, root := slsaTestdata(t), filepath.Join(corpus.Dir(t), "keys/public-good-trusted-root.json")
	file := filepath.Join(dir, "gha_generic/v2.1.0/binary-linux-amd64-push-v14.2")
	cloud := filepath.Join(dir, "gcb_container/v0.3/gcloud-container-github.json")
	text, err := os.ReadFile(strings.TrimSuffix(cloud, ".json") + ".digest")
	if err != nil {
		t.Fatal(err)
	}
	digest := "sha256:" + strings.TrimPrefix(strings.TrimSpace(string(text)), "sha256:")
	ours, theirs := []string{"--source-uri", "github.com/slsa-framework/example-package", "--trusted-root", root}, []string{"--source-uri", "github.com/laurentsimon/gcb-tests"}
	old := filepath.Join(dir, "gha_generic/v1.10.0/binary-linux-amd64-push-v14.2")
	for name, c := range map[string]struct {
		bundle, subject     string
		args                []string
		code                int
		bundled, provenance string
	}{
		"a file":                    {file + ".intoto.jsonl", file, append(ours, "--source-tag", "v14.2"), 0, "pass", "pass"},
		"another file":              {file + ".intoto.jsonl", root, ours, 1, "fail other-digest", "fail other-digest"},
		"another tag":               {file + ".intoto.jsonl", file, append(ours, "--source-tag", "v14"), 1, "pass", "fail ref-differs"},
		"an envelope without a log": {old + ".intoto.jsonl", old, ours, 1, "fail not-in-log", "fail not-in-log"},
		"what gcloud prints":        {cloud, digest, theirs, 0, "pass", "pass"},
		"of another image":          {cloud, "sha256:" + strings.Repeat("0", 64), theirs, 1, "fail other-digest", "fail other-digest"},
		"from another source":       {cloud, digest, ours, 1, "pass", "fail source-differs"},
		"changed around":            {filepath.Join(filepath.Dir(cloud), "gcloud-container-mismatch-text-steps.json"), digest, theirs, 1, "fail ambiguous", "fail ambiguous"},
	} {
		args := append([]string{"bundle", c.bundle, "--subject", c.subject}, c.args...)
		if code, found := attested(t, args...); code != c.code || found["signature.bundle"] != c.bundled || found["attestation.provenance"] != c.provenance {
			t.Errorf("%s: exit %d, %v, want %d, %s, %s", name, code, found, c.code, c.bundled, c.provenance)
		}
	}
}

// TestALoosePatternOfABundleIsAdvice: it warns, and the verdict stands.
func TestALoosePatternOfABundleIsAdvice(t *testing.T) {
	dir, root := slsaTestdata(t), filepath.Join(corpus.Dir(t), "keys/public-good-trusted-root.json")
	file := filepath.Join(dir, "bcr/rules_lint-v1.3.1.tar.gz")
	code, found := attested(t, "bundle", file+".intoto.jsonl", "--subject", file, "--trusted-root", root, "--source-uri", "github.com/aspect-build/rules_lint",
		"--certificate-identity-regexp", "^https://github.com/bazel-contrib/", "--certificate-oidc-issuer", "https://token.actions.githubusercontent.com")
	if code != 0 || found["signature.pattern"] != "warn loose-pattern" || found["signature.bundle"] != "pass" || found["attestation.provenance"] != "pass" {
		t.Errorf("exit %d, %v", code, found)
	}
}
