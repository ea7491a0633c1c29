package cli

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/imageverify/verify"
	"github.com/imageverify/verify/internal/local"
	"github.com/imageverify/verify/provenance/signature"
)

// signingFlags say whose signatures count, under cosign's names.
type signingFlags struct {
	keys            []string
	identity        string
	identityPattern string
	issuer          string
	issuerPattern   string
	trigger         string
	sha             string
	workflow        string
	repository      string
	ref             string
	caRoots         string
	caIntermediates string
	trustedRoot     string
	tufMirror       string
	tufRoot         string
	trustStore      string
	trustPolicy     string
	annotations     []string
	threshold       int
	ignoreLog       bool
	ignoreSCT       bool
	timestamps      bool
	checkReference  bool
	bundles         []string
}

// add gives a command the flags of whose signatures count.
func (f *signingFlags) add(set *pflag.FlagSet) {
	set.StringArrayVar(&f.keys, "key", nil, "accept signatures by the public keys in `KEY`: a PEM file, an https URL, env://VARIABLE (repeatable)")
	set.StringVar(&f.identity, "certificate-identity", "", "accept signatures by certificates of `NAME`: an e-mail address or a URI")
	set.StringVar(&f.identityPattern, "certificate-identity-regexp", "", "accept names that match `REGEXP`; it matches anywhere unless anchored with ^ and $")
	set.StringVar(&f.issuer, "certificate-oidc-issuer", "", "the `URL` of who must have vouched for the name")
	set.StringVar(&f.issuerPattern, "certificate-oidc-issuer-regexp", "", "accept issuers that match `REGEXP`")
	set.StringVar(&f.trigger, "certificate-github-workflow-trigger", "", "the `EVENT` that must have started the GitHub workflow")
	set.StringVar(&f.sha, "certificate-github-workflow-sha", "", "the `COMMIT` that the GitHub workflow must have run on")
	set.StringVar(&f.workflow, "certificate-github-workflow-name", "", "the `NAME` of the GitHub workflow")
	set.StringVar(&f.repository, "certificate-github-workflow-repository", "", "the `OWNER/REPOSITORY` of the GitHub workflow")
	set.StringVar(&f.ref, "certificate-github-workflow-ref", "", "the `REF` that the GitHub workflow must have run on")
	set.StringVar(&f.caRoots, "ca-roots", "", "take the certificates in the PEM `FILE` for the authorities to trust, not the trusted root's")
	set.StringVar(&f.caIntermediates, "ca-intermediates", "", "find the way to --ca-roots through the certificates in the PEM `FILE`")
	set.StringVar(&f.trustedRoot, "trusted-root", "", "take the keys of logs and authorities from the sigstore trusted root in `FILE`")
	set.StringVar(&f.tufMirror, "tuf-mirror", "", "fetch the trusted root from the TUF mirror at `URL` (default: sigstore's public one)")
	set.StringVar(&f.tufRoot, "tuf-root", "", "believe the mirror by the first root.json in `FILE` (needed with --tuf-mirror)")
	set.StringVar(&f.trustStore, "trust-store", "", "take the certificates that Notary Project signatures must lead to from the trust store in `DIR`")
	set.StringVar(&f.trustPolicy, "trust-policy", "", "accept Notary Project signatures by the trust policy in `FILE`")
	set.StringArrayVarP(&f.annotations, "annotations", "a", nil, "demand the annotation `KEY=VALUE` in the signed payload (repeatable)")
	set.IntVar(&f.threshold, "signature-threshold", 1, "demand the signatures of `N` different accepted signers")
	set.BoolVar(&f.ignoreLog, "insecure-ignore-tlog", false, "accept signatures that no transparency log has")
	set.BoolVar(&f.ignoreSCT, "insecure-ignore-sct", false, "accept certificates that no certificate transparency log vouches for")
	set.BoolVar(&f.timestamps, "use-signed-timestamps", false, "demand a signed timestamp (RFC 3161); those that are there are always used")
	set.BoolVar(&f.checkReference, "check-reference", false, "refuse signatures whose payload names another repository")
	set.StringArrayVar(&f.bundles, "bundle", nil, "take the sigstore bundle in `FILE` for a signature of the image (repeatable)")
}

// asked reports whether any of the flags asks for signatures.
func (f *signingFlags) asked() bool {
	return f.names() || f.caRoots != "" || len(f.annotations) > 0 || f.threshold != 1 || f.timestamps || f.checkReference || len(f.bundles) > 0
}

// onImage reports whether a flag asks for what only a signature of the image has, and no
// signed statement.
func (f *signingFlags) onImage() bool {
	return len(f.annotations) > 0 || f.threshold != 1 || f.checkReference
}

// names reports whether the flags name a signer.
func (f *signingFlags) names() bool {
	return len(f.keys) > 0 || f.trustPolicy != "" || f.trustStore != "" || f.byCertificate()
}

func (f *signingFlags) byCertificate() bool {
	return f.identity != "" || f.identityPattern != "" || f.issuer != "" || f.issuerPattern != "" || f.byWorkflow()
}

func (f *signingFlags) byWorkflow() bool {
	return f.trigger != "" || f.sha != "" || f.workflow != "" || f.repository != "" || f.ref != ""
}

// sign puts into the options who is accepted as a signer, and has signatures verified
// where the flags ask for it.
func (a *app) sign(ctx context.Context, o *verify.Options) error {
	f := &a.flags.signing
	policy, err := a.policy(ctx, *o)
	if err != nil {
		return err
	}
	trust, noTrust, err := a.trust(ctx, *o, policy.NeedsTrust() || a.byBuilders())
	if err != nil {
		return err
	}
	verifier, err := signature.New(policy, trust, noTrust)
	if err != nil {
		return usagef("%v", err)
	}
	o.Signatures = verifier
	o.Signing = verify.Signing{Accepted: policy.Accepted(), Threshold: f.threshold, CheckReference: f.checkReference, Bundles: f.bundles}
	for _, p := range []string{f.identityPattern, f.issuerPattern} {
		if p != "" {
			o.Signing.Patterns = append(o.Signing.Patterns, p)
		}
	}
	if o.Proving, err = a.proving(policy, trust, noTrust); err != nil {
		return err
	}
	// What the flags ask for is required, unless it is asked of attestations alone.
	attested := slices.ContainsFunc(o.Requirements.Only, func(check string) bool { return strings.HasPrefix(check, "attestation") })
	if a.flags.proving.asked() {
		attested = true
		o.Requirements.Require = append(slices.Clone(o.Requirements.Require), "attestation.provenance")
	}
	if f.asked() && (!attested || f.onImage()) {
		o.Requirements.Require = append(slices.Clone(o.Requirements.Require), "signature.image")
	}
	return nil
}

// policy says whose signatures count.
func (a *app) policy(ctx context.Context, o verify.Options) (signature.Policy, error) {
	f := &a.flags.signing
	p := signature.Policy{IgnoreLog: f.ignoreLog, IgnoreSCT: f.ignoreSCT, DemandTimestamp: f.timestamps}
	if f.threshold < 1 {
		return p, usagef("--signature-threshold %d: must be 1 or more", f.threshold)
	}
	var err error
	if p.Annotations, err = pairs("--annotations", "KEY=VALUE", f.annotations); err != nil {
		return p, err
	}
	for _, ref := range f.keys {
		keys, err := a.readKeys(ctx, ref, o)
		if err != nil {
			return p, err
		}
		p.Keys = append(p.Keys, keys...)
	}
	if f.byCertificate() {
		id, err := f.accepted()
		if err != nil {
			return p, err
		}
		p.Identities = []signature.Identity{id}
	}
	if p.Notary, err = f.notary(); err != nil {
		return p, err
	}
	p.Authority, err = f.authority()
	return p, err
}

// notary is what Notary Project signatures are verified by; nil where no flag names it.
func (f *signingFlags) notary() (*signature.Notary, error) {
	if f.trustPolicy == "" && f.trustStore == "" {
		return nil, nil
	}
	if f.trustPolicy == "" || f.trustStore == "" {
		return nil, usagef("--trust-policy and --trust-store need each other")
	}
	data, err := readNamed("trust-policy", f.trustPolicy, signature.MaxTrustPolicy)
	if err != nil {
		return nil, err
	}
	notary, err := signature.NewNotary(f.trustStore, data)
	if err != nil {
		return nil, &verify.RunError{Code: "trust-policy", Message: fmt.Sprintf("trust-policy %s: %v", f.trustPolicy, err), Input: f.trustPolicy}
	}
	return notary, nil
}

// accepted is the identity that the flags name.
func (f *signingFlags) accepted() (signature.Identity, error) {
	id := signature.Identity{Subject: f.identity, Issuer: f.issuer}
	id.Workflow.Trigger, id.Workflow.SHA, id.Workflow.Name = f.trigger, f.sha, f.workflow
	id.Workflow.Repository, id.Workflow.Ref = f.repository, f.ref
	var err error
	if id.SubjectPattern, err = pattern("--certificate-identity-regexp", f.identityPattern); err != nil {
		return id, err
	}
	if id.IssuerPattern, err = pattern("--certificate-oidc-issuer-regexp", f.issuerPattern); err != nil {
		return id, err
	}
	if id.Subject == "" && id.SubjectPattern == nil {
		return id, usagef("whose certificate? name it with --certificate-identity or --certificate-identity-regexp")
	}
	if id.Issuer == "" && id.IssuerPattern == nil {
		return id, usagef("who must have vouched for the name? say so with --certificate-oidc-issuer or --certificate-oidc-issuer-regexp")
	}
	return id, nil
}

func pattern(flag, text string) (*regexp.Regexp, error) {
	if text == "" {
		return nil, nil
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, usagef("%s %q: %v", flag, text, err)
	}
	return re, nil
}

// authority is the certificate authority that the flags name; nil where they name none.
func (f *signingFlags) authority() (*signature.Authority, error) {
	if f.caRoots == "" {
		if f.caIntermediates != "" {
			return nil, usagef("--ca-intermediates needs --ca-roots")
		}
		return nil, nil
	}
	roots, err := readNamed("ca-roots", f.caRoots, signature.MaxKeyFile)
	if err != nil {
		return nil, err
	}
	var intermediates []byte
	if f.caIntermediates != "" {
		if intermediates, err = readNamed("ca-intermediates", f.caIntermediates, signature.MaxKeyFile); err != nil {
			return nil, err
		}
	}
	authority, err := signature.NewAuthority(roots, intermediates)
	if err != nil {
		return nil, &verify.RunError{Code: "ca-roots", Message: fmt.Sprintf("ca-roots %s: %v", f.caRoots, err), Input: f.caRoots}
	}
	return authority, nil
}

// readNamed reads a file that a flag names.
func readNamed(flag, name string, limit int64) ([]byte, error) {
	data, err := local.ReadFile(name, limit)
	if err != nil {
		return nil, &verify.RunError{Code: flag, Message: fmt.Sprintf("%s: %v", flag, err), Input: name}
	}
	return data, nil
}

// keyServices are where keys may be that this program does not ask.
var keyServices = []string{"awskms://", "azurekms://", "gcpkms://", "hashivault://", "k8s://", "pkcs11:"}

// readKeys reads the public keys that a value of --key means.
func (a *app) readKeys(ctx context.Context, ref string, o verify.Options) ([]signature.Key, error) {
	data, err := a.keyData(ctx, ref, o)
	if err != nil {
		return nil, err
	}
	keys, err := signature.ParseKeys(data)
	if err != nil {
		return nil, keyError(ref, err)
	}
	return keys, nil
}

func (a *app) keyData(ctx context.Context, ref string, o verify.Options) ([]byte, error) {
	for _, s := range keyServices {
		if strings.HasPrefix(ref, s) {
			return nil, usagef("--key %s: keys are not fetched from there; write the public key to a file (cosign public-key --key %s > key.pub) and give that", ref, ref)
		}
	}
	if name, ok := strings.CutPrefix(ref, "env://"); ok {
		text := a.env.Getenv(name)
		if text == "" {
			return nil, usagef("--key %s: the variable %s is not set, or empty", ref, name)
		}
		return []byte(text), nil
	}
	if strings.HasPrefix(ref, "https://") || strings.HasPrefix(ref, "http://") {
		return fetchKey(ctx, ref, o)
	}
	data, err := local.ReadFile(ref, signature.MaxKeyFile)
	if err != nil {
		return nil, keyError(ref, err)
	}
	return data, nil
}

// fetchKey reads a key from where a URL leads.
func fetchKey(ctx context.Context, url string, o verify.Options) ([]byte, error) {
	transport := transportFor(o)
	defer transport.CloseIdleConnections()
	data, err := get(ctx, transport, url, signature.MaxKeyFile)
	if err != nil {
		return nil, keyError(url, err)
	}
	return data, nil
}

func keyError(ref string, err error) error {
	return &verify.RunError{Code: "key", Message: fmt.Sprintf("key %s: %v", ref, err), Input: ref}
}
