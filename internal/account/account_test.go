package account

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

const (
	bundleType  = "application/vnd.dev.sigstore.bundle.v0.3+json"
	payloadType = "application/vnd.dev.cosign.simplesigning.v1+json"
	dsseType    = "application/vnd.dsse.envelope.v1+json"
)

// moduleFile reads a file of a module that the build depends on.
func moduleFile(t testing.TB, module, name string) []byte {
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

func sigstoreBundle(t testing.TB, name string) []byte {
	return moduleFile(t, "github.com/sigstore/sigstore-go", "pkg/testing/data/bundles/"+name)
}

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return t
}

func TestRealBundlesSayWhoSignedThem(t *testing.T) {
	for name, want := range map[string]Account{
		"sigstore.js@2.0.0-provenance.sigstore.json": {
			Signer: "https://github.com/sigstore/sigstore-js/.github/workflows/release.yml@refs/heads/main",
			Issuer: "https://token.actions.githubusercontent.com", Time: at("2023-08-18T16:05:35Z"), InLog: true, LogIndex: 31821305,
			PredicateType: "https://slsa.dev/provenance/v1", Builder: "https://github.com/actions/runner/github-hosted", Signatures: 1,
			Subjects: []string{"sha512:46d4e2f74c4877316640000a6fdf8a8b59f1e0847667973e9859f774dd31b8f1e0937813b777fb66a2ac67d50540fe34640966eee9fc2ccca387082b4c85cd3c"},
		},
		"dsse-2sigs.sigstore.json": {
			Signer: "brian@dehamer.com", Issuer: "https://github.com/login/oauth", Time: at("2022-11-09T23:00:36Z"), InLog: true, LogIndex: 6800908,
			PredicateType: "https://slsa.dev/provenance/v0.2", Builder: "https://github.com/npm/slsa-provenance@0.0.1", Signatures: 2,
			Subjects: []string{"sha512:bbfd372fc9beeb777fe35d05bb10c0c70a9733d366a75fed7dd18866c7391de3ee7e88ba74dd47abf3e15c845e547fcf0e5c3da80854c751554224d3a6d4e55f"},
		},
		"othername.sigstore.json": {
			Signer: "foo!oidc.local", Issuer: "http://oidc.local:8080", Time: at("2024-07-12T19:06:29Z"), InLog: true, LogIndex: 3, Signatures: 1,
			Subjects: []string{"sha256:bc103b4a84971ef6459b294a2b98568a2bfb72cded09d4acd1e16366a401f95b"},
		},
	} {
		got, err := Read(bundleType, nil, sigstoreBundle(t, name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n%#v, want\n%#v", name, got, want)
		}
	}
}

func TestARealNotarySignatureSaysWhoSignedIt(t *testing.T) {
	const dir = "internal/mock/testdata/"
	got, err := Read("application/jose+json", nil, moduleFile(t, "github.com/notaryproject/notation-go", dir+"ca_valid_sig_env.json"))
	want := Account{Signer: "CN=Notation Test Root,O=Notary,L=Seattle,ST=WA,C=US", Issuer: "CN=Notation Test Root,O=Notary,L=Seattle,ST=WA,C=US", Time: at("2020-11-09T07:00:00Z"), Signatures: 1, Subjects: []string{"sha256:60043cf45eaebc4c0867fea485a039b598f52fd09fd5b07b0b2d2f88fad9d74e"}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%#v, %v, want\n%#v", got, err, want)
	}
}

// leaf is the certificate of a real bundle, in PEM.
func leaf(t testing.TB) string {
	t.Helper()
	var b bundle
	if err := json.Unmarshal(sigstoreBundle(t, "dsse.sigstore.json"), &b); err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: b.Material.Chain.Certificates[0].Raw}))
}

const payload = `{"critical":{"identity":{"docker-reference":"reg.example/app"},"image":{"docker-manifest-digest":"sha256:aa"},"type":"cosign container image signature"},"optional":null}`

func TestWhatStandsBesideACosignSignatureIsRead(t *testing.T) {
	got, err := Read(payloadType, map[string]string{
		certificateAnnotation: leaf(t),
		bundleAnnotation:      `{"SignedEntryTimestamp":"x","Payload":{"body":"x","integratedTime":1668034836,"logIndex":7,"logID":"x"}}`,
		timestampAnnotation:   `{"SignedRFC3161Timestamp":"x"}`,
	}, []byte(payload))
	want := Account{Signer: "brian@dehamer.com", Issuer: "https://github.com/login/oauth", Time: at("2022-11-09T23:00:36Z"), InLog: true, LogIndex: 7,
		Timestamps: 1, Signatures: 1, Reference: "reg.example/app", Subjects: []string{"sha256:aa"}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%#v, %v, want\n%#v", got, err, want)
	}
}

func TestStatementsSayOfWhatTheyAre(t *testing.T) {
	const statement = `{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://slsa.dev/provenance/v0.2","subject":[{"digest":{"sha256":"aa","md5":"bb"}},{"digest":null}],"predicate":{"builder":{"id":"me"}}}`
	want := Account{PredicateType: "https://slsa.dev/provenance/v0.2", Builder: "me", Subjects: []string{"sha256:aa"}}
	got, err := Read("application/vnd.in-toto+json", map[string]string{predicateAnnotation: "another"}, []byte(statement))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("bare: %#v, %v", got, err)
	}
	envelope := fmt.Sprintf(`{"payloadType":"application/vnd.in-toto+json","payload":%q,"signatures":[{"sig":""}]}`, base64.StdEncoding.EncodeToString([]byte(statement)))
	want.Signatures = 1
	if got, err = Read(dsseType, nil, []byte(envelope)); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("in an envelope: %#v, %v", got, err)
	}
	other := strings.Replace(envelope, "vnd.in-toto+json", "x", 1)
	if got, err = Read(dsseType, nil, []byte(other)); err != nil || got.PredicateType != "" || got.Subjects != nil {
		t.Errorf("of another payload type: %#v, %v", got, err)
	}
}

func TestSubjectsAreBounded(t *testing.T) {
	subject := `{"digest":{"sha256":"aa"}},`
	for n, want := range map[int]int{maxSubjects: maxSubjects, maxSubjects + 1: maxSubjects} {
		text := `{"subject":[` + strings.TrimSuffix(strings.Repeat(subject, n), ",") + `]}`
		if got, err := Read("application/vnd.in-toto+json", nil, []byte(text)); err != nil || len(got.Subjects) != want {
			t.Errorf("%d: %d, %v", n, len(got.Subjects), err)
		}
	}
}

func TestWhatDoesNotParseSaysWhatItIs(t *testing.T) {
	for name, c := range map[string]struct {
		mediaType   string
		annotations map[string]string
		blob, want  string
	}{
		"another media type":   {"application/x", nil, "{}", "the media type is not one"},
		"no JSON":              {payloadType, nil, "{", "the payload does not parse as JSON"},
		"an envelope":          {dsseType, nil, `{"payload":1}`, "the DSSE envelope does not parse"},
		"a statement in it":    {dsseType, nil, `{"payloadType":"application/vnd.in-toto+json","payload":"ew=="}`, "the in-toto statement does not parse"},
		"a bundle":             {bundleType, nil, `{"verificationMaterial":{"tlogEntries":[{"logIndex":"x"}]}}`, "the sigstore bundle does not parse"},
		"a certificate":        {bundleType, nil, `{"verificationMaterial":{"certificate":{"rawBytes":"AAAA"}}}`, "the certificate does not parse"},
		"a certificate beside": {payloadType, map[string]string{certificateAnnotation: "x"}, payload, "the certificate is not PEM"},
		"a log entry beside":   {payloadType, map[string]string{bundleAnnotation: "x"}, payload, "the log entry does not parse"},
		"a Notary signature":   {"application/jose+json", nil, `{"payload":"!"}`, "the Notary signature does not parse"},
		"its payload":          {"application/jose+json", nil, `{"payload":"ew"}`, "the payload of the Notary signature does not parse"},
	} {
		if _, err := Read(c.mediaType, c.annotations, []byte(c.blob)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// FuzzRead: whatever the bytes are, reading ends without a panic, and what is
// kept of them is bounded.
func FuzzRead(f *testing.F) {
	f.Add(bundleType, "", sigstoreBundle(f, "dsse.sigstore.json"))
	f.Add(bundleType, "", sigstoreBundle(f, "othername.sigstore.json"))
	f.Add(payloadType, leaf(f), []byte(payload))
	f.Add("application/jose+json", "", moduleFile(f, "github.com/notaryproject/notation-go", "internal/mock/testdata/ca_valid_sig_env.json"))
	f.Add(dsseType, "", []byte(`{"payloadType":"application/vnd.in-toto+json","payload":"e30=","signatures":[null]}`))
	f.Fuzz(func(t *testing.T, mediaType, beside string, blob []byte) {
		a, err := Read(mediaType, map[string]string{certificateAnnotation: beside, bundleAnnotation: beside}, blob)
		if Known(mediaType) == errors.Is(err, errUnknown) {
			t.Errorf("%q is known, and %v", mediaType, err)
		}
		if len(a.Subjects) > maxSubjects {
			t.Errorf("%d subjects", len(a.Subjects))
		}
	})
}
