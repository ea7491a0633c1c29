package attestation_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/imageverify/verify/provenance/attestation"
)

const (
	digest   = "e0a0a765d690a5104331cfbac88ebbbf01736c1f87aaa3cd455c516a5ea586a5"
	commit   = "d37a7f740ee7404914456f24dcd90e865a0509e8"
	workflow = "https://github.com/slsa-framework/slsa-github-generator/.github/workflows/generator_container_slsa3.yml@refs/tags/v1.10.0"
)

// statement is one by the generator for containers, in its form of 2024.
const statement = `{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://slsa.dev/provenance/v0.2",` +
	`"subject":[{"name":"ghcr.io/acme/app","digest":{"sha256":"` + digest + `"}}],` +
	`"predicate":{"builder":{"id":"` + workflow + `"},"buildType":"https://github.com/slsa-framework/slsa-github-generator/container@v1",` +
	`"invocation":{"configSource":{"uri":"git+https://github.com/acme/app@refs/tags/v1.2.3","digest":{"sha1":"` + commit + `"},"entryPoint":".github/workflows/release.yml"},` +
	`"environment":{"github_event_name":"push","github_ref":"refs/tags/v1.2.3","github_ref_type":"tag","github_base_ref":"","github_sha1":"` + commit + `","github_event_payload":{"base_ref":"refs/heads/main"}}},` +
	`"materials":[{"uri":"git+https://github.com/acme/app@refs/tags/v1.2.3","digest":{"sha1":"` + commit + `"}}]}}`

// attested is one by actions/attest-build-provenance.
const attested = `{"_type":"https://in-toto.io/Statement/v1","predicateType":"https://slsa.dev/provenance/v1","subject":[{"name":"app","digest":{"sha256":"` + digest + `"}}],` +
	`"predicate":{"buildDefinition":{"buildType":"https://actions.github.io/buildtypes/workflow/v1","externalParameters":{"workflow":{"ref":"refs/heads/main","repository":"https://github.com/acme/app","path":".github/workflows/build.yml"}},` +
	`"internalParameters":{"github":{"event_name":"push"}},"resolvedDependencies":[{"uri":"git+https://github.com/acme/app@refs/heads/main","digest":{"gitCommit":"` + commit + `"}}]},` +
	`"runDetails":{"builder":{"id":"https://github.com/acme/app/.github/workflows/build.yml@refs/heads/main"},"metadata":{"invocationId":"https://github.com/acme/app/actions/runs/1/attempts/1"}}}}`

var (
	generatorSigner = attestation.Signer{Subject: workflow, Issuer: attestation.GitHubIssuer, Repository: "acme/app", Ref: "refs/tags/v1.2.3", Commit: commit}
	workflowSigner  = attestation.Signer{Subject: "https://github.com/acme/app/.github/workflows/build.yml@refs/heads/main", Issuer: attestation.GitHubIssuer, Repository: "acme/app", Ref: "refs/heads/main", Commit: commit}
)

// check parses and compares a statement.
func check(text string, e attestation.Expectation, by attestation.Signer) error {
	s, err := attestation.ParseStatement([]byte(text))
	if err != nil {
		return err
	}
	if !s.About("sha256", digest) {
		return &attestation.Error{Reason: attestation.OtherDigest}
	}
	_, err = e.Check(s, by)
	return err
}

func TestStatementsThatSayWhatIsExpectedAreAccepted(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		e    attestation.Expectation
		by   attestation.Signer
	}{
		"the generator's":        {statement, attestation.Expectation{SourceURI: "github.com/acme/app"}, generatorSigner},
		"with its tag":           {statement, attestation.Expectation{SourceURI: "https://github.com/acme/app", SourceTag: "v1.2.3"}, generatorSigner},
		"with the version":       {statement, attestation.Expectation{SourceVersionedTag: "v1.2"}, generatorSigner},
		"with the major version": {statement, attestation.Expectation{SourceVersionedTag: "v1"}, generatorSigner},
		"with the tag's branch":  {statement, attestation.Expectation{SourceBranch: "main"}, generatorSigner},
		"with the builder":       {statement, attestation.Expectation{BuilderID: strings.Split(workflow, "@")[0]}, generatorSigner},
		"with its version":       {statement, attestation.Expectation{BuilderID: strings.Replace(workflow, "refs/tags/", "", 1)}, generatorSigner},
		"GitHub's":               {attested, attestation.Expectation{SourceURI: "git+https://github.com/acme/app", SourceBranch: "main"}, workflowSigner},
		"by a bare key":          {attested, attestation.Expectation{SourceURI: "github.com/acme/app"}, attestation.Signer{}},
	} {
		if err := check(c.text, c.e, c.by); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAttacksOnStatementsAreRefused: each replaces a text in a valid statement.
func TestAttacksOnStatementsAreRefused(t *testing.T) {
	expected := attestation.Expectation{SourceURI: "github.com/acme/app", SourceTag: "v1.2.3", BuilderID: strings.Split(workflow, "@")[0]}
	for name, c := range map[string]struct{ old, new, reason string }{
		"_type unknown":              {"Statement/v0.1", "Statement/v0.2", attestation.WrongType},
		"_type absent":               {`"_type":"https://in-toto.io/Statement/v0.1",`, ``, attestation.WrongType},
		"_type in capitals":          {`"_type"`, `"_TYPE"`, attestation.Ambiguous},
		"subject in capitals":        {`"subject"`, `"SUBJECT"`, attestation.Ambiguous},
		"subject null":               {`"subject":[{"name":"ghcr.io/acme/app","digest":{"sha256":"` + digest + `"}}]`, `"subject":null`, attestation.Malformed},
		"no subjects":                {`[{"name":"ghcr.io/acme/app","digest":{"sha256":"` + digest + `"}}]`, `[]`, attestation.Malformed},
		"a subject that is null":     {`"subject":[`, `"subject":[null,`, attestation.Malformed},
		"digest null":                {`{"sha256":"` + digest + `"}`, `null`, attestation.Malformed},
		"digest in capitals":         {digest, strings.ToUpper(digest), attestation.Malformed},
		"algorithm in capitals":      {`"digest":{"sha256"`, `"digest":{"SHA256"`, attestation.Ambiguous},
		"under another algorithm":    {`"digest":{"sha256"`, `"digest":{"sha3-256"`, attestation.OtherDigest},
		"digest cut off":             {digest, digest[:62], attestation.Malformed},
		"another digest":             {digest, strings.Repeat("0", 64), attestation.OtherDigest},
		"subject twice":              {`"subject":[`, `"subject":[{"name":"x","digest":{"sha256":"` + digest + `"}}],"subject":[`, attestation.Ambiguous},
		"predicateType in capitals":  {`"predicateType":`, `"predicatetype":"https://slsa.dev/provenance/v1","predicateType":`, attestation.Ambiguous},
		"predicate type swapped":     {"https://slsa.dev/provenance/v0.2", "https://spdx.dev/Document", attestation.TypeDiffers},
		"another predicate version":  {"https://slsa.dev/provenance/v0.2", "https://slsa.dev/provenance/v0.3", attestation.TypeDiffers},
		"predicate null":             {`"predicate":{`, `"predicate":null,"x":{`, attestation.Malformed},
		"builder twice":              {`"builder":`, `"builder":{"id":"x"},"builder":`, attestation.Ambiguous},
		"builder in capitals":        {`"builder":`, `"Builder":`, attestation.Ambiguous},
		"another builder":            {"generator_container", "generator_contained", attestation.BuilderDiffers},
		"another release":            {"v1.10.0", "v1.10.1", attestation.BuilderDiffers},
		"a branch of the builder":    {"refs/tags/v1.10.0", "refs/heads/main", attestation.BuilderDiffers},
		"a fork":                     {"github.com/acme/app@", "github.com/mallory/app@", attestation.SourceDiffers},
		"a look-alike":               {"github.com/acme/app@", "github.com/acme/app2@", attestation.SourceDiffers},
		"a look-alike host":          {"github.com/acme/app@", "github.com.evil.example/acme/app@", attestation.SourceDiffers},
		"a user's name before it":    {"https://github.com/acme/app@", "https://github.com@evil.example/acme/app@", attestation.SourceDiffers},
		"capital letters":            {"github.com/acme/app@", "github.com/Acme/app@", attestation.SourceDiffers},
		"only the material's fork":   {`"materials":[{"uri":"git+https://github.com/acme/app@`, `"materials":[{"uri":"git+https://github.com/mallory/app@`, attestation.SourceDiffers},
		"no materials":               {`"materials":[{`, `"parts":[{`, attestation.SourceDiffers},
		"another tag":                {"refs/tags/v1.2.3", "refs/tags/v1.2.4", attestation.RefDiffers},
		"a branch of the tag's name": {`app@refs/tags/v1.2.3`, `app@refs/heads/v1.2.3`, attestation.RefDiffers},
		"another workflow ref":       {`"uri":"git+https://github.com/acme/app@refs/tags/v1.2.3","digest":{"sha1":"` + commit + `"},"entryPoint"`, `"uri":"git+https://github.com/acme/app@refs/heads/x","digest":{"sha1":"` + commit + `"},"entryPoint"`, attestation.RefDiffers},
		"another commit":             {commit, strings.Repeat("1", 40), attestation.SourceDiffers},
		"something after it":         {`]}}`, `]}} {}`, attestation.Malformed},
		"cut off":                    {`]}}`, `]}`, attestation.Malformed},
		"not UTF-8":                  {"ghcr.io", "ghcr\xff.io", attestation.Malformed},
		"deep":                       {`"materials":[`, `"x":` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + `,"materials":[`, attestation.OverLimit},
	} {
		attack := strings.ReplaceAll(statement, c.old, c.new)
		if attack == statement {
			t.Fatalf("%s: nothing was replaced", name)
		}
		err := check(attack, expected, generatorSigner)
		if err == nil || reasonOf(err) != c.reason {
			t.Errorf("%s: %q (%v), want %q", name, reasonOf(err), err, c.reason)
		}
	}
}

func TestAnotherExpectationRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		e      attestation.Expectation
		reason string
	}{
		"a prefix of the source":  {attestation.Expectation{SourceURI: "github.com/acme/ap"}, attestation.SourceDiffers},
		"the owner alone":         {attestation.Expectation{SourceURI: "github.com/acme"}, attestation.SourceDiffers},
		"http":                    {attestation.Expectation{SourceURI: "http://github.com/acme/app"}, attestation.SourceDiffers},
		"a prefix of the tag":     {attestation.Expectation{SourceTag: "v1.2"}, attestation.RefDiffers},
		"the whole reference":     {attestation.Expectation{SourceTag: "refs/tags/v1.2.3"}, attestation.RefDiffers},
		"another minor version":   {attestation.Expectation{SourceVersionedTag: "v1.20"}, attestation.RefDiffers},
		"another patch":           {attestation.Expectation{SourceVersionedTag: "v1.2.30"}, attestation.RefDiffers},
		"another major version":   {attestation.Expectation{SourceVersionedTag: "v10"}, attestation.RefDiffers},
		"another branch":          {attestation.Expectation{SourceBranch: "mai"}, attestation.RefDiffers},
		"a prefix of the builder": {attestation.Expectation{BuilderID: strings.Split(workflow, ".yml")[0]}, attestation.BuilderDiffers},
		"a prefix of its version": {attestation.Expectation{BuilderID: strings.TrimSuffix(workflow, ".0")}, attestation.BuilderDiffers},
		"another type":            {attestation.Expectation{Types: []string{"https://slsa.dev/provenance/v1"}}, attestation.TypeDiffers},
	} {
		if err := check(statement, c.e, generatorSigner); err == nil || reasonOf(err) != c.reason {
			t.Errorf("%s: %v, want %q", name, err, c.reason)
		}
	}
}

// TestAStatementThatContradictsItsCertificateIsRefused: a workflow may sign whatever it
// likes, and the certificate says which it was.
func TestAStatementThatContradictsItsCertificateIsRefused(t *testing.T) {
	for name, change := range map[string]func(*attestation.Signer){
		"another workflow":   func(s *attestation.Signer) { s.Subject = strings.Replace(s.Subject, "build.yml", "other.yml", 1) },
		"another ref":        func(s *attestation.Signer) { s.Ref = "refs/heads/evil" },
		"another repository": func(s *attestation.Signer) { s.Repository = "mallory/app" },
		"another commit":     func(s *attestation.Signer) { s.Commit = strings.Repeat("2", 40) },
	} {
		by := workflowSigner
		change(&by)
		if err := check(attested, attestation.Expectation{}, by); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// FuzzParseStatement: what parses is about lower-case hashes, and parses to the same
// subjects when its JSON is written again.
func FuzzParseStatement(f *testing.F) {
	f.Add([]byte(statement))
	f.Add([]byte(attested))
	f.Add([]byte(`{"_type":"https://in-toto.io/Statement/v1","subject":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := attestation.ParseStatement(data)
		if err != nil {
			if s != nil {
				t.Error("a value beside an error")
			}
			return
		}
		var v any
		if err := json.Unmarshal(data, &v); err != nil {
			t.Fatal(err)
		}
		again, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		second, err := attestation.ParseStatement(again)
		if err != nil || len(second.Subjects) != len(s.Subjects) || second.PredicateType != s.PredicateType {
			t.Errorf("%v: %+v and %+v", err, s, second)
		}
		for _, digests := range s.Subjects {
			if h := digests["sha256"]; h != strings.ToLower(h) {
				t.Errorf("a hash %q", h)
			}
		}
		_, _ = s.Provenance()
	})
}

// FuzzDescribed: whatever gcloud is said to have printed, nothing is accepted without a
// signature of Google's, and reading ends without a panic.
func FuzzDescribed(f *testing.F) {
	f.Add([]byte(`{"image_summary":{"digest":"sha256:00"},"provenance_summary":{"provenance":[{"kind":"BUILD","envelope":{"payload":"e30=","payloadType":"application/vnd.in-toto+json","signatures":[{"keyid":"projects/verified-builder/locations/us-west2/keyRings/attestor/cryptoKeys/builtByGCB/cryptoKeyVersions/1","sig":"AAAA"}]}}]}}`))
	f.Add([]byte(`{"provenance_summary":{"provenance":null}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := attestation.ParseDescribed(data)
		if err != nil {
			return
		}
		for _, e := range d.Envelopes {
			if s, key, err := d.Verify(e, d.Digest); err == nil {
				t.Errorf("accepted %v by %s", s, key)
			}
		}
	})
}

// FuzzParseEnvelope: an envelope that parses has a payload and the one type, and its JSON
// parses to the same.
func FuzzParseEnvelope(f *testing.F) {
	f.Add([]byte(`{"payload":"e30=","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"AAAA"}]}`))
	f.Add([]byte(`{"payload":"-_8=","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"-_8="},null]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := attestation.ParseEnvelope(data)
		if err != nil {
			return
		}
		again, err := attestation.ParseEnvelope(e.Raw)
		if err != nil || string(again.Payload) != string(e.Payload) || len(e.Payload) == 0 || e.PayloadType != attestation.PayloadType {
			t.Errorf("%v: %+v and %+v", err, e, again)
		}
	})
}

func TestBoundsHoldOnBothSides(t *testing.T) {
	subject := `{"digest":{"sha256":"` + digest + `"}}`
	build := func(n int) []byte {
		return []byte(`{"_type":"https://in-toto.io/Statement/v1","predicateType":"x","subject":[` + strings.TrimSuffix(strings.Repeat(subject+",", n), ",") + `]}`)
	}
	if _, err := attestation.ParseStatement(build(attestation.MaxSubjects)); err != nil {
		t.Error(err)
	}
	if _, err := attestation.ParseStatement(build(attestation.MaxSubjects + 1)); reasonOf(err) != attestation.OverLimit {
		t.Error(err)
	}
	padded := string(build(1)) + strings.Repeat(" ", attestation.MaxStatement-len(build(1)))
	if _, err := attestation.ParseStatement([]byte(padded)); err != nil {
		t.Error(err)
	}
	if _, err := attestation.ParseStatement([]byte(padded + " ")); reasonOf(err) != attestation.OverLimit {
		t.Error(err)
	}
	printed := `{"image_summary":{},"provenance_summary":{"provenance":[{}]}}`
	printed += strings.Repeat(" ", attestation.MaxDocument-len(printed))
	if _, err := attestation.ParseDescribed([]byte(printed)); err != nil {
		t.Error(err)
	}
	if _, err := attestation.ParseDescribed([]byte(printed + " ")); reasonOf(err) != attestation.OverLimit {
		t.Error(err)
	}
	for n, want := range map[int]string{attestation.MaxDepth: "", attestation.MaxDepth + 1: attestation.OverLimit} {
		err := attestation.CheckJSON([]byte(strings.Repeat("[", n) + "1" + strings.Repeat("]", n)))
		if err != nil && reasonOf(err) != want || err == nil && want != "" {
			t.Errorf("%d deep: %v", n, err)
		}
	}
}

// TestACloudBuildHasTheCommitOfItsOwnSource: not that of another repository that it used.
func TestACloudBuildHasTheCommitOfItsOwnSource(t *testing.T) {
	const text = `{"_type":"https://in-toto.io/Statement/v1","predicateType":"https://slsa.dev/provenance/v1","subject":[{"digest":{"sha256":"` + digest + `"}}],` +
		`"predicate":{"buildDefinition":{"buildType":"https://cloud.google.com/build/gcb-buildtypes/google-worker/v1","externalParameters":{"buildConfigSource":{"repository":"git+https://github.com/acme/app","ref":"refs/heads/main"}},` +
		`"resolvedDependencies":[{"uri":"git+https://github.com/acme/REPO@refs/heads/main","digest":{"gitCommit":"` + commit + `"}}]},"runDetails":{"builder":{"id":"x"}}}}`
	for repository, want := range map[string]string{"app": commit, "other": ""} {
		s, err := attestation.ParseStatement([]byte(strings.Replace(text, "REPO", repository, 1)))
		if err != nil {
			t.Fatal(err)
		}
		p, err := s.Provenance()
		if err != nil || p.Source.Commit != want || p.Source.Repository != "https://github.com/acme/app" {
			t.Errorf("%s: %+v, %v", repository, p, err)
		}
	}
}
