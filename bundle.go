package verify

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/internal/local"
	"github.com/imageverify/verify/provenance/signed"
)

// bundleFact is a bundle that is verified with no image around it.
type bundleFact struct {
	file, subject string
	items         []provedItem
}

// hashes are the algorithms by which a subject can be named, the first of them for the
// report.
var hashes = []struct {
	name string
	make func() hash.Hash
}{{"sha256", sha256.New}, {"sha384", sha512.New384}, {"sha512", sha512.New}}

// VerifyBundle verifies the signatures in a file for a subject with no image around it:
// ALGORITHM:HEX, or the name of a file. The first file is a sigstore bundle, a DSSE
// envelope or what gcloud prints. The report has one image, with the subject as its
// digest.
func VerifyBundle(ctx context.Context, file, subject string, o Options) (*Report, error) {
	s, err := newSession(ctx, o)
	if err != nil {
		return nil, err
	}
	defer s.close()
	digests, err := subjectDigests(subject)
	if err != nil {
		return nil, err
	}
	f := &facts{bundle: &bundleFact{file: file, subject: digests[0].String()}}
	f.signed = &signaturesFact{signing: o.Signing, notBuiltIn: s.statementVerifier() == nil}
	if !f.signed.notBuiltIn {
		if f.bundle.items, err = s.bundleItems(ctx, file, digests); err != nil {
			return nil, err
		}
	}
	if o.Requirements.requires("attestation.provenance", false) {
		f.proved = &provedFact{proving: o.Proving, items: f.bundle.items}
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	r := s.report([]string{file})
	digest := digests[0].String()
	img := Image{Reference: file, Digest: &digest, Findings: findAll(f, o.Requirements)}
	img.Verdict = Judge(img.Findings)
	r.Images = []Image{img}
	r.Verdict = judgeRun(r.Images, 0)
	r.Timings = s.timings()
	return r, nil
}

// bundleItems verifies what is in the file, by the first of the digests that it is about.
func (s *session) bundleItems(ctx context.Context, file string, digests []v1.Hash) ([]provedItem, error) {
	var items []provedItem
	for i, digest := range digests {
		found := s.provedFile(ctx, file, digest, digest.String())
		if len(found) == 1 && found[0].err != nil {
			return nil, &RunError{Code: "bundle", Message: fmt.Sprintf("bundle: %v", found[0].err), Input: file, err: found[0].err}
		}
		if i == 0 || slices.ContainsFunc(found, func(p provedItem) bool { return p.result.Valid }) {
			items = found
		}
		if slices.ContainsFunc(items, func(p provedItem) bool { return p.result.Valid }) {
			break
		}
	}
	return items, nil
}

// subjectDigests are the digests of a subject: the one that is named, or those of a file.
func subjectDigests(subject string) ([]v1.Hash, error) {
	algorithm, text, named := strings.Cut(subject, ":")
	for _, h := range hashes {
		if named && h.name == algorithm {
			if len(text) != 2*h.make().Size() || strings.Trim(text, "0123456789abcdef") != "" {
				return nil, &RunError{Code: "subject", Message: fmt.Sprintf("subject %q: want %s: and %d hexadecimal digits in lower case", subject, algorithm, 2*h.make().Size()), Input: subject}
			}
			return []v1.Hash{{Algorithm: algorithm, Hex: text}}, nil
		}
	}
	f, err := local.Open(subject)
	if err != nil {
		return nil, &RunError{Code: "subject", Message: fmt.Sprintf("subject: %v", err), Input: subject, err: err}
	}
	defer f.Close()
	var sums []hash.Hash
	var into []io.Writer
	for _, h := range hashes {
		sums = append(sums, h.make())
		into = append(into, sums[len(sums)-1])
	}
	if _, err := io.Copy(io.MultiWriter(into...), f); err != nil {
		return nil, &RunError{Code: "subject", Message: fmt.Sprintf("subject: %v", err), Input: subject, err: err}
	}
	var out []v1.Hash
	for i, h := range hashes {
		out = append(out, v1.Hash{Algorithm: h.name, Hex: hex.EncodeToString(sums[i].Sum(nil))})
	}
	return out, nil
}

// findBundle judges signature.bundle.
func findBundle(f *facts) *Finding {
	b := f.bundle
	if b == nil {
		return nil
	}
	signing := f.signed.signing
	if f.signed.notBuiltIn {
		return finding(Unknown, signed.NotBuiltIn, "this program has nothing that verifies signatures")
	}
	var parts []Part
	var names []string
	out := passed("")
	for _, item := range b.items {
		r := item.result
		part := Part{Name: item.where, Status: Fail, Reason: r.Reason, Summary: r.Detail}
		switch {
		case item.err != nil:
			part.Reason, part.Summary = statementReason(item.err), item.err.Error()
			part = part.unread()
		case r.Valid:
			if name := r.Signer.String(); !slices.Contains(names, name) {
				names = append(names, name)
			}
			out.with(Evidence{"file", item.where})
			part.Status, part.Reason, part.Summary = Pass, "", "signed by "+r.Signer.String()+provedWhen(r)
		case signed.Unjudged(r.Reason):
			part.Status = Unknown
		}
		parts = append(parts, part)
	}
	switch accepted := signing.Accepted; {
	case len(accepted) == 0:
		out = finding(Unknown, signed.NoAcceptedSigner, "no signer is accepted (name one with --key or --certificate-identity): %s", bundleSigners(b.items))
	case len(names) >= max(1, signing.Threshold):
		out.Summary = fmt.Sprintf("%s signed by %s (accepted: %s)", b.subject, strings.Join(names, ", "), strings.Join(accepted, "; "))
	case len(names) > 0:
		out = finding(Fail, signed.ThresholdUnmet, "%s signed, and %d are asked for", plural(len(names), "accepted signer"), signing.Threshold)
	default:
		return ofParts(parts, "")
	}
	out.details().Parts = parts
	return out
}

func bundleSigners(items []provedItem) string {
	var out []string
	for _, item := range items {
		out = append(out, item.where+": "+item.result.Signer.String())
	}
	return "signed, by its own account, by " + strings.Join(out, "; ")
}
