package cli

import (
	"bytes"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/imageverify/verify/internal/builders"
	"github.com/imageverify/verify/internal/corpus"
	"github.com/imageverify/verify/internal/signers"
)

// cosignWorld is a registry with images that the real cosign signed, each in one way.
type cosignWorld struct {
	t        *testing.T
	cosign   *builders.Cosign
	services *signers.World
	host     string
	// root, otherRoot are trusted roots: of these services, and of others.
	root, otherRoot string
	// otherKey is the public key of somebody who signed nothing.
	otherKey string
	// keys is a file with both.
	keys string
}

const (
	tableName   = "somebody@example.com"
	tableIssuer = "https://issuer.example.com"
)

func newCosignWorld(t *testing.T, referrers bool) *cosignWorld {
	t.Helper()
	w := &cosignWorld{t: t, cosign: builders.NewCosign(t), services: signers.Start(t)}
	w.cosign.Trust = w.services.Environment(t)
	w.root, w.otherRoot = w.services.TrustedRootFile(t), signers.Start(t).TrustedRootFile(t)
	w.otherKey = builders.NewCosign(t).PublicKey
	other, err := os.ReadFile(w.otherKey)
	if err != nil {
		t.Fatal(err)
	}
	own, err := os.ReadFile(w.cosign.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	w.keys = filepath.Join(t.TempDir(), "keys.pub")
	if err := os.WriteFile(w.keys, append(other, own...), 0o600); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(registry.New(registry.WithReferrersSupport(referrers), registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	w.host = strings.TrimPrefix(server.URL, "http://")
	return w
}

// image pushes an index of one image and returns the index's reference by digest, and
// the image's.
func (w *cosignWorld) image(repository string) (index, image string) {
	w.t.Helper()
	base, err := random.Image(16, 1)
	if err != nil {
		w.t.Fatal(err)
	}
	img, err := mutate.ConfigFile(base, &v1.ConfigFile{OS: "linux", Architecture: "amd64", Author: repository, RootFS: v1.RootFS{Type: "layers"}})
	if err != nil {
		w.t.Fatal(err)
	}
	list := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}})
	repo, err := name.NewRepository(w.host+"/"+repository, name.Insecure)
	if err != nil {
		w.t.Fatal(err)
	}
	outer, err := list.Digest()
	if err != nil {
		w.t.Fatal(err)
	}
	inner, err := img.Digest()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := remote.WriteIndex(repo.Digest(outer.String()), list); err != nil {
		w.t.Fatal(err)
	}
	return repo.String() + "@" + outer.String(), repo.String() + "@" + inner.String()
}

// sign signs with cosign, in one of the ways of signWays.
func (w *cosignWorld) sign(ref string, args ...string) {
	w.t.Helper()
	all := []string{"sign", "--rekor-url", w.services.URL, "--fulcio-url", w.services.URL}
	for _, a := range args {
		switch a {
		case "KEY":
			all = append(all, "--key", w.cosign.PrivateKey)
		case "NAME":
			all = append(all, "--identity-token", signers.Token(tableName, tableIssuer))
		case "URI":
			all = append(all, "--identity-token", signers.Token("https://github.com/o/r/.github/workflows/w.yml@refs/heads/main", tableIssuer))
		case "STAMP":
			all = append(all, "--timestamp-server-url", w.services.URL+"/api/v1/timestamp")
		case "NOLOG":
			all = append(all, "--tlog-upload=false")
		case "BUNDLE":
			all = append(all, "--new-bundle-format")
		default:
			all = append(all, a)
		}
	}
	w.cosign.Run(w.t, append(all, ref)...)
}

// ask are the arguments that both programs take.
func (w *cosignWorld) ask(words string) []string {
	replaced := map[string][]string{
		"KEY": {"--key", w.cosign.PublicKey}, "OTHERKEY": {"--key", w.otherKey}, "KEYS": {"--key", w.keys},
		"NAME":      {"--certificate-identity", tableName, "--certificate-oidc-issuer", tableIssuer},
		"PATTERN":   {"--certificate-identity-regexp", "^somebody@", "--certificate-oidc-issuer-regexp", `^https://issuer\.`},
		"STRANGER":  {"--certificate-identity", "else@example.com", "--certificate-oidc-issuer", tableIssuer},
		"ISSUER":    {"--certificate-identity", tableName, "--certificate-oidc-issuer", "https://other.example.com"},
		"NOPATTERN": {"--certificate-identity-regexp", "^else@", "--certificate-oidc-issuer-regexp", ".*"},
		"URI":       {"--certificate-identity", "https://github.com/o/r/.github/workflows/w.yml@refs/heads/main", "--certificate-oidc-issuer", tableIssuer},
		"URITAG":    {"--certificate-identity", "https://github.com/o/r/.github/workflows/w.yml@refs/tags/v1", "--certificate-oidc-issuer", tableIssuer},
		"ROOT":      {"--trusted-root", w.root}, "OTHERROOT": {"--trusted-root", w.otherRoot},
		"NOLOG": {"--insecure-ignore-tlog"}, "NOSCT": {"--insecure-ignore-sct"}, "STAMP": {"--use-signed-timestamps"},
		"WORKFLOW": {"--certificate-github-workflow-repository", "o/r"},
	}
	var out []string
	for _, word := range strings.Fields(words) {
		if args, ok := replaced[word]; ok {
			out = append(out, args...)
		} else {
			out = append(out, word)
		}
	}
	return out
}

// theirs is cosign's verdict.
func (w *cosignWorld) theirs(ref string, args []string, bundles bool) (bool, string) {
	all := append([]string{"verify", "--offline"}, args...)
	if bundles {
		all = append(all, "--new-bundle-format")
	}
	cmd := exec.Command(w.cosign.Program, append(all, ref)...)
	// Trust is what the arguments name, and nothing of the environment.
	trust := w.cosign.Trust
	w.cosign.Trust = nil
	cmd.Env = append(os.Environ(), w.cosign.Environment()...)
	w.cosign.Trust = trust
	out, err := cmd.CombinedOutput()
	return err == nil, string(out)
}

// ours is the program's verdict.
func (w *cosignWorld) ours(ref string, args []string) (bool, string) {
	var out bytes.Buffer
	all := append([]string{ref, "--no-cache", "--insecure-registry", w.host, "--platform", "linux/amd64", "--only", "signature.image"}, args...)
	code := Main(all, Env{Stdout: &out, Stderr: &out, Getenv: func(string) string { return "" }})
	return code == exitVerified, out.String()
}

// cosignCases are ways of signing with ways of asking: each word of the second stands
// for arguments of both programs. A "!" before a question says that cosign refuses, "+"
// that it accepts; what this program does is the same but where differs says why not.
var cosignCases = []struct {
	name  string
	sign  []string // what was done, in order; "" is nothing
	asked []string
}{
	{"a key, without a log", []string{"KEY NOLOG"}, []string{"+KEY NOLOG", "!OTHERKEY NOLOG", "!KEY ROOT", "!NAME ROOT", "+KEY NOLOG ROOT", "!KEY NOLOG -a a=b"}},
	{"a key, with a log", []string{"KEY"}, []string{"+KEY ROOT", "+KEY NOLOG", "!OTHERKEY ROOT", "!KEY OTHERROOT", "!NAME ROOT"}},
	{"a key, with log and timestamp", []string{"KEY STAMP"}, []string{"+KEY ROOT", "+KEY ROOT STAMP", "+KEY ROOT STAMP NOLOG", "!KEY OTHERROOT STAMP", "!OTHERKEY ROOT STAMP"}},
	{"a key, with annotations", []string{"KEY NOLOG -a a=b -a c=d"}, []string{"+KEY NOLOG -a a=b", "+KEY NOLOG -a a=b -a c=d", "!KEY NOLOG -a a=x", "!KEY NOLOG -a e=f", "+KEY NOLOG"}},
	{"a name", []string{"NAME"}, []string{"+NAME ROOT", "+PATTERN ROOT", "!STRANGER ROOT", "!ISSUER ROOT", "!NOPATTERN ROOT", "!NAME OTHERROOT", "!KEY ROOT", "!NAME ROOT WORKFLOW", "+NAME ROOT NOSCT", "+NAME ROOT NOLOG"}},
	{"a name, with a timestamp", []string{"NAME STAMP"}, []string{"+NAME ROOT", "+NAME ROOT STAMP", "+NAME ROOT STAMP NOLOG", "!STRANGER ROOT STAMP", "!NAME OTHERROOT STAMP"}},
	{"a name, without a log, with a timestamp", []string{"NAME STAMP NOLOG"}, []string{"+NAME ROOT STAMP NOLOG", "!NAME ROOT", "!STRANGER ROOT STAMP NOLOG"}},
	{"a workflow", []string{"URI"}, []string{"+URI ROOT", "!URITAG ROOT", "!NAME ROOT"}},
	{"a key's bundle", []string{"KEY BUNDLE"}, []string{"+KEY ROOT", "!OTHERKEY ROOT", "!KEY OTHERROOT", "!NAME ROOT"}},
	{"a key's bundle, with a timestamp", []string{"KEY BUNDLE STAMP"}, []string{"+KEY ROOT", "+KEY ROOT STAMP", "!KEY OTHERROOT STAMP"}},
	{"a key's bundle, without a log", []string{"KEY BUNDLE NOLOG"}, []string{"+KEY NOLOG ROOT", "!KEY ROOT", "!OTHERKEY NOLOG ROOT"}},
	{"a name's bundle", []string{"NAME BUNDLE"}, []string{"+NAME ROOT", "+PATTERN ROOT", "!STRANGER ROOT", "!ISSUER ROOT", "!NAME OTHERROOT", "!KEY ROOT"}},
	{"a name's bundle, with a timestamp", []string{"NAME BUNDLE STAMP"}, []string{"+NAME ROOT", "+NAME ROOT STAMP", "!STRANGER ROOT STAMP"}},
	{"several", []string{"KEY NOLOG", "NAME", "URI"}, []string{"+KEY NOLOG", "+NAME ROOT", "+URI ROOT", "!OTHERKEY NOLOG", "!STRANGER ROOT", "!URITAG ROOT"}},
	{"nobody", nil, []string{"!KEY NOLOG", "!NAME ROOT"}},
}

// cosignDiffers are the questions on which the two differ on purpose, by case and
// question; each has its row in docs/signatures.md.
var cosignDiffers = map[string]string{}

func TestTheVerdictIsCosignsButWhereItIsMeantToDiffer(t *testing.T) {
	corpus.Long(t)
	cases := 0
	for where, referrers := range map[string]bool{"referrers": true, "tags": false} {
		w := newCosignWorld(t, referrers)
		for i, c := range cosignCases {
			index, _ := w.image("app" + string(rune('a'+i)))
			bundles := false
			for _, how := range c.sign {
				w.sign(index, strings.Fields(how)...)
				bundles = bundles || strings.Contains(how, "BUNDLE")
			}
			for _, q := range c.asked {
				if !referrers && !bundles && !strings.HasPrefix(q, "+KEY") {
					continue // the same tags in either registry
				}
				cases++
				args := w.ask(q[1:])
				theirs, said := w.theirs(index, args, bundles)
				ours, told := w.ours(index, args)
				if theirs != (q[0] == '+') {
					t.Errorf("%s, %s, %s: cosign's verdict is %v\n%s", where, c.name, q, theirs, said)
				}
				if _, differs := cosignDiffers[c.name+": "+q[1:]]; (ours == theirs) == differs {
					t.Errorf("%s, %s, %s: cosign %v, here %v\n%s\n%s", where, c.name, q, theirs, ours, said, told)
				}
			}
		}
	}
	if cases < 60 {
		t.Errorf("only %d cases", cases)
	}
	t.Logf("%d cases", cases)
}
